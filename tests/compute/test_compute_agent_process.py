"""A real platform and real agents: work that is fetched, run elsewhere and reported."""

from __future__ import annotations

import signal
from contextlib import ExitStack

import pytest
from town import AgentProcess, Town, eventually

pytestmark = pytest.mark.slow


@pytest.fixture
def stack():
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def town(tmp_path, stack):
    """A platform whose only devices are at a site that an agent looks after, and its key."""
    town = Town(tmp_path, "city", stack)
    town.fund()
    key_file = town.yard()
    town.serve().work()
    return town, key_file


def test_an_agent_fetches_work_runs_it_and_sends_back_what_it_left(town, stack) -> None:
    city, key_file = town
    data = city.folder / "data"
    data.write_bytes(b"goods" * 1_000)
    digest = city.user.uploads.send(data).digest
    asked = city.submit(inputs={"data": digest})
    agent = stack.enter_context(AgentProcess(city, key_file))
    assert agent.taken() == 1
    done = city.until(asked.id)
    assert done.state == "settled", (done.why, agent.log.read_text())
    assert done.outputs["data.copy"] == digest
    assert done.usage.device_ms > 0
    assert "copied" in city.user.compute.log(asked.id)
    assert agent.end() == 0


def test_an_agent_killed_in_the_middle_is_followed_by_one_that_runs_it_again_once(
    town, stack
) -> None:
    city, key_file = town
    asked = city.submit(action="endure")
    first = stack.enter_context(AgentProcess(city, key_file))
    first.taken()
    city.until(asked.id, "running")
    eventually(lambda: list((first.folder / "runs").glob("*.stdout")), seconds=60)
    first.end(signal.SIGKILL)
    second = stack.enter_context(AgentProcess(city, key_file))
    assert second.taken() == 2
    eventually(lambda: list((second.folder / "work").glob("*-r2*")), seconds=60)
    city.user.compute.cancel(asked.id)
    done = city.until(asked.id)
    assert done.state == "cancelled"
    assert 0 < done.usage.device_ms < 60_000


def test_of_two_agents_for_one_site_one_waits(town, stack) -> None:
    city, key_file = town
    first = stack.enter_context(AgentProcess(city, key_file))
    assert first.taken() == 1
    second = stack.enter_context(AgentProcess(city, key_file, name="two"))
    eventually(lambda: "Another agent has the site" in second.log.read_text(), seconds=60)
    done = city.until(city.submit().id)
    assert done.state == "settled"
    assert second.end() == 0
