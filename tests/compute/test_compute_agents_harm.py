"""Agents that never end, never begin, come back late, mix up devices, or boast."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_compute_agents import GOOD, Desk, furnished

from yunhe.client.wire import agents as wire
from yunhe.compute import service as compute
from yunhe.compute.agents import service as agents
from yunhe.compute.agents.domain import LEASE_SECONDS
from yunhe.compute.agents.mailbox import ENDLESS_SECONDS, UNBEGUN_SECONDS
from yunhe.compute.providers.agent import Agent, Hardware
from yunhe.compute.providers.seam import Job
from yunhe.custody import service as custody
from yunhe.kernel.canonical import INTEGER_MAX
from yunhe.kernel.errors import Conflict, NotAllowed, YunheError


@pytest.fixture
def desk(bare_city) -> Desk:
    return furnished(bare_city)


def beats(desk: Desk, seconds: int, *, step: int = LEASE_SECONDS // 2) -> None:
    """Time goes by in which the agent says that it is there, and somebody looks after its site."""
    for _ in range(-(-seconds // step)):
        desk.city.clock.advance(seconds=step)
        desk.take(fence=desk.fence)
        desk.driver.once()


def ask(desk: Desk, room: dict[str, int], *, holding=None) -> list[str]:
    with desk.storage.database.begin() as tx:
        told = agents.orders(
            tx,
            desk.place,
            fence=desk.fence,
            room=room,
            holding=holding or {},
            now_us=desk.city.clock.now_us(),
        )
    return [order.job for order in told.start]


def lay_out(desk: Desk, name: str, *, chip: str, devices: int = 1) -> None:
    job = Job(name, "yunhe-trial", {}, {}, devices, 60, 60, 1 << 29, chip=chip)
    desk.mailbox.submit(job, blobs=desk.storage.blobs)


def test_devices_of_one_chip_are_no_room_for_work_that_wants_another(desk) -> None:
    lay_out(desk, "job-cpu", chip="cpu", devices=2)
    lay_out(desk, "job-npu", chip="npu", devices=2)
    assert ask(desk, {"cpu": 4}) == ["job-cpu"]
    assert ask(desk, {"cpu": 4, "npu": 1}, holding={"job-cpu": 1}) == []
    assert ask(desk, {"cpu": 0, "npu": 2}, holding={"job-cpu": 1}) == ["job-npu"]


def test_each_chip_has_room_of_its_own(desk) -> None:
    for number in range(3):
        lay_out(desk, f"a-cpu-{number}", chip="cpu")
        lay_out(desk, f"b-npu-{number}", chip="npu")
    assert ask(desk, {"cpu": 2, "npu": 1}) == ["a-cpu-0", "a-cpu-1", "b-npu-0"]


def test_a_question_that_waits_hears_only_of_work_there_is_room_for(desk) -> None:
    lay_out(desk, "job-npu", chip="npu", devices=2)

    def new(room: dict[str, int]) -> bool:
        with desk.storage.database.read() as tx:
            return agents.anything_new(
                tx, desk.place, fence=desk.fence, room=room, holding={}, stopping=()
            )

    assert not new({"cpu": 100})
    assert not new({"npu": 1})
    assert new({"npu": 2})


class Told:
    """A platform that keeps what an agent says of itself."""

    def __init__(self) -> None:
        self.agents = self
        self.said: list[wire.AgentHello] = []

    def hello(self, site: str, said: wire.AgentHello) -> wire.AgentHeld:
        self.said.append(said)
        return wire.AgentHeld(fence=1, seconds=300, at="2027-02-20T09:30:00.000000Z")


class Busy:
    """A run that occupies devices."""

    def __init__(self, chip: str, devices: int) -> None:
        self.chip, self.devices = chip, devices


def test_an_agent_counts_its_chips_apart() -> None:
    told = Told()
    hardware = Hardware("machine", {"cpu": 8, "npu": 2})
    agent = Agent(told, "yard", folder=None, provider=None, hardware=hardware)
    agent._name = "agent-one"
    agent._runs = {"a": Busy("npu", 2), "b": Busy("cpu", 3), "c": Busy("odd", 5)}
    assert agent._hello(0) == 1
    [said] = told.said
    assert {node.chip: (node.devices, node.free) for node in said.nodes} == {
        "cpu": (8, 5),
        "npu": (2, 0),
    }
    agent._runs["d"] = Busy("npu", 9)
    assert agent._free()["npu"] == 0


def test_an_agent_that_is_told_to_end_a_job_and_never_does_loses_it_unpaid(desk) -> None:
    submitted, job = desk.handed()
    desk.started(job)
    desk.driver.once()
    compute.cancel(desk.storage, submitted.id)
    beats(desk, ENDLESS_SECONDS)
    assert desk.city.see(submitted).state == "running"
    beats(desk, LEASE_SECONDS)
    done = desk.city.see(submitted)
    assert (done.state, done.usage) == ("cancelled", None)
    desk.ended(job, said=replace(GOOD, wall_ms=10**9))
    desk.driver.once()
    assert desk.city.see(submitted) == done
    desk.city.assert_books_are_right()


def test_work_that_runs_longer_than_it_may_and_is_never_ended_is_placed_anew(desk) -> None:
    submitted, job = desk.handed()
    desk.started(job)
    beats(desk, 100 + 120 + ENDLESS_SECONDS + 2 * LEASE_SECONDS)
    anew = desk.city.see(submitted)
    assert anew.attempts == 2 or anew.state == "placed"
    assert anew.usage is None
    [again] = ask(desk, {"cpu": 4}, holding={job: 1})
    assert again == job.replace("-1", "-2")
    desk.city.assert_books_are_right()


def test_a_job_that_an_agent_takes_and_never_begins_is_given_up_at_last(desk) -> None:
    submitted, job = desk.handed()
    beats(desk, UNBEGUN_SECONDS - LEASE_SECONDS, step=LEASE_SECONDS - 1)
    assert desk.city.see(submitted).attempts == 1
    beats(desk, 3 * LEASE_SECONDS, step=LEASE_SECONDS - 1)
    anew = desk.city.see(submitted)
    assert (anew.usage, anew.state in ("placed", "running", "waiting")) == (None, True)
    assert desk.mailbox.status([job]).reports[0].phase == "lost"
    desk.city.assert_books_are_right()


def test_the_first_request_to_end_counts_however_often_it_is_repeated(desk) -> None:
    _, job = desk.handed()
    desk.started(job)
    for _ in range(4):
        desk.mailbox.cancel(job)
        desk.city.clock.advance(seconds=ENDLESS_SECONDS // 4)
        desk.take(fence=desk.fence)
    desk.city.clock.advance(seconds=1)
    [report] = desk.mailbox.status([job]).reports
    assert (report.phase, report.why.code) == ("lost", "compute.agent_endless")
    assert "30 minutes" in report.why.message("en")
    assert "30 分钟" in report.why.message("zh")


def test_an_agent_that_slept_and_wakes_while_another_has_the_site_changes_nothing(desk) -> None:
    submitted, job = desk.handed()
    desk.started(job)
    first = desk.fence
    desk.city.clock.advance(seconds=LEASE_SECONDS + 1)
    desk.take("agent-two")
    assert ask(desk, {"cpu": 4}) == [job]
    second = desk.fence
    desk.city.clock.advance(seconds=60)
    desk.fence = first
    for act in (
        lambda: desk.ended(job),
        lambda: desk.started(job),
        lambda: desk.printed(job, b"late", offset=0),
        lambda: desk.output(job, "word", b"late"),
        lambda: desk.orders(holding={job: 1}),
        lambda: desk.take(fence=first),
    ):
        with pytest.raises(Conflict) as caught:
            act()
        assert caught.value.code == "compute.agent_fenced"
    desk.fence = second
    desk.started(job, 2)
    desk.city.clock.advance(seconds=4)
    desk.ended(job, 2, said=replace(GOOD, wall_ms=4_000))
    desk.driver.once()
    done = desk.city.see(submitted)
    assert (done.state, done.usage.device_ms) == ("settled", 4_000)
    desk.city.assert_books_are_right()


def test_what_the_first_agent_left_is_not_part_of_what_the_second_one_did(desk) -> None:
    submitted, job = desk.handed()
    desk.output(job, "word", b"of the first")
    desk.printed(job, b"first", offset=0)
    desk.city.clock.advance(seconds=LEASE_SECONDS + 1)
    desk.take("agent-two")
    assert ask(desk, {"cpu": 4}) == [job]
    foreign = desk.storage.blobs.put(b"of the first").digest
    with pytest.raises(YunheError) as caught:
        desk.ended(job, 2, said=replace(GOOD, outputs={"word": foreign}))
    assert caught.value.code == "compute.agent_outputs"
    assert desk.mailbox.logs(job, "stdout", offset=0) == b""
    digest = desk.output(job, "word", b"of the second", run=2)
    desk.ended(job, 2, said=replace(GOOD, wall_ms=0, outputs={"word": digest}))
    desk.driver.once()
    assert desk.city.see(submitted).outputs == {"word": digest}


def test_an_output_can_not_be_exchanged_after_the_end_was_said(desk) -> None:
    submitted, job = desk.handed()
    digest = desk.output(job, "word", b"one")
    desk.ended(job, said=replace(GOOD, outputs={"word": digest}))
    with pytest.raises(YunheError):
        desk.output(job, "word", b"two")
    desk.driver.once()
    assert desk.city.see(submitted).outputs == {"word": digest}


@pytest.mark.parametrize("number", [0, 1, INTEGER_MAX, -1, -INTEGER_MAX])
def test_figures_that_only_people_read_never_stop_a_settlement(desk, number) -> None:
    submitted, job = desk.handed()
    desk.city.clock.advance(seconds=10)
    desk.ended(job, said=replace(GOOD, cpu_ms=number, memory_bytes_peak=number))
    desk.driver.once()
    done = desk.city.see(submitted)
    assert (done.state, done.usage.device_ms) == ("settled", 10_000)
    assert done.usage.cpu_ms == max(number, 0)
    desk.city.assert_books_are_right()


@pytest.mark.parametrize(("per_thousand", "taken"), [(640, 640), (0, 0), (1_001, None), (-1, None)])
def test_a_lie_about_the_use_of_devices_is_refused_and_stands_in_the_record(
    desk, per_thousand, taken
) -> None:
    submitted, job = desk.handed()
    desk.city.clock.advance(seconds=10)
    said = {"utilisation_per_thousand": per_thousand, "utilisation_samples": 3}
    desk.ended(job, said=replace(GOOD, **said))
    desk.driver.once()
    done = desk.city.see(submitted)
    assert (done.state, done.usage.utilisation_per_thousand) == ("settled", taken)
    assert done.usage.utilisation_samples == (3 if taken is not None else 0)
    with desk.city.storage.database.read() as tx:
        body = custody.record(tx, done.reference).body
    finding = None if taken is not None else "compute.utilisation_refused"
    assert body.get("utilisation_finding") == finding


def findings(desk: Desk) -> list[tuple[str, str]]:
    """What was found wrong with usage, by site."""
    with desk.storage.database.read() as tx:
        return [(site, judged.finding) for site, judged in compute.remote.findings(tx)]


@pytest.mark.parametrize(
    ("said_ms", "paid_ms", "finding"),
    [
        (9_000, 9_000, ""),
        (15_000, 10_000, ""),
        (15_001, 10_000, "compute.usage_clock"),
        (365 * 86_400_000, 10_000, "compute.usage_clock"),
        (INTEGER_MAX, 10_000, "compute.usage_clock"),
        (-1, 0, "compute.usage_negative"),
    ],
)
def test_time_that_an_agent_says_and_cannot_have_passed_is_a_finding(
    desk, said_ms, paid_ms, finding
) -> None:
    submitted, job = desk.handed()
    desk.city.clock.advance(seconds=10)
    desk.ended(job, said=replace(GOOD, wall_ms=said_ms))
    desk.driver.once()
    done = desk.city.see(submitted)
    assert (done.state, done.usage.device_ms) == ("settled", paid_ms)
    assert findings(desk) == ([("yard", finding)] if finding else [])
    with desk.storage.database.read() as tx:
        body = custody.record(tx, done.reference).body
    assert body.get("usage_finding", "") == finding
    desk.city.assert_books_are_right()


def test_another_end_of_the_same_run_is_a_finding_once_and_changes_nothing(desk) -> None:
    submitted, job = desk.handed()
    desk.city.clock.advance(seconds=10)
    for _ in range(3):
        desk.ended(job)
    desk.driver.once()
    assert findings(desk) == []
    for said_ms in (1, 2 * 365 * 86_400_000, 2):
        desk.ended(job, said=replace(GOOD, wall_ms=said_ms))
        desk.driver.once()
    assert findings(desk) == [("yard", "compute.usage_changed")]
    assert desk.city.see(submitted).usage.device_ms == 10_000
    desk.city.assert_books_are_right()


def test_another_end_before_anybody_settled_does_not_change_what_is_paid(desk) -> None:
    submitted, job = desk.handed()
    desk.city.clock.advance(seconds=10)
    desk.ended(job, said=replace(GOOD, wall_ms=3_000))
    desk.ended(job, said=replace(GOOD, phase="failed", why_code="compute.failed_exit"))
    desk.driver.once()
    done = desk.city.see(submitted)
    assert (done.state, done.usage.device_ms) == ("settled", 3_000)
    assert findings(desk) == [("yard", "compute.usage_changed")]


@pytest.mark.parametrize(
    "said",
    [
        '"wall_ms": NaN',
        '"wall_ms": Infinity',
        '"wall_ms": -1',
        '"wall_ms": 1.5',
        '"wall_ms": "7"',
        '"wall_ms": true',
        '"wall_ms": 1e400',
        f'"wall_ms": {INTEGER_MAX + 1}',
        '"wall_ms": 1, "outputs": {"../x": "sha256:' + "0" * 64 + '"}',
        '"wall_ms": 1, "outputs": {"x": "sha256:0"}',
        '"wall_ms": 1, "why_code": "compute.failed_exit; drop"',
        '"wall_ms": 1, "cpu_ms": -1',
        '"wall_ms": 1, "device_ms": 5',
    ],
)
def test_an_end_with_a_figure_that_is_none_is_no_message(said) -> None:
    body = f'{{"phase": "succeeded", "isolation": "", "code_digest": "", {said}}}'
    with pytest.raises(ValueError, match="validation error"):
        wire.AgentEnd.model_validate_json(body)


@pytest.mark.parametrize("room", ['{"cpu": -1}', '{"cpu": 1.5}', '{"": 1}', "5", '{"a b": 1}'])
def test_room_is_a_number_of_devices_for_each_chip(room) -> None:
    with pytest.raises(ValueError, match="validation error"):
        wire.AgentAsk.model_validate_json(f'{{"fence": 1, "room": {room}}}')


@pytest.mark.parametrize(
    "over",
    [{"folder": "sha256:" + "0" * 64}, {"image": "registry.example/i"}, {"keeps": ("*.bin",)}],
)
def test_what_does_not_reach_an_agent_is_refused_with_the_reason(desk, over) -> None:
    job = Job("trial-1", "yunhe-trial", {}, {}, 1, 60, 60, 1 << 29, **over)
    with pytest.raises(NotAllowed) as caught:
        desk.mailbox.submit(job, blobs=desk.storage.blobs)
    assert caught.value.code == "compute.forward_folder"
    assert ask(desk, {"cpu": 4, "": 4}) == []
