"""Many at once: registrations, groups, gateways, callers that leave; and stores without files."""

from __future__ import annotations

import asyncio
import http.client
import json
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from released_model import ROUTE, Bench, ask

from yunhe.kernel.errors import NotAllowed
from yunhe.models import serve
from yunhe.models import service as models
from yunhe.models.answers import LINGER_SECONDS_MAX, AnswerWriter, Grouping
from yunhe.models.drafts import Question
from yunhe.models.loaded import LoadedClassifiers
from yunhe.storage.blobs import LocalBlobs

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "gateway" / "answers.py"


def at_once(count: int, command: Callable[[], object]) -> list[object]:
    barrier = threading.Barrier(count)

    def one(_: int) -> object:
        barrier.wait()
        return command()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_the_same_command_many_times_at_once_has_one_effect(bench: Bench):
    bench.trained()
    made = at_once(8, lambda: models.register(bench.storage, **bench.registration()))
    version = made[0]
    assert {each.id for each in made} == {version.id}
    assert {each.reference for each in made} == {version.reference}
    bench.approve(version)
    deployed = at_once(
        8, lambda: models.deploy(bench.storage, key="d", version=version.id, route=ROUTE)
    )
    assert len(set(deployed)) == 1
    with bench.storage.database.read() as tx:
        assert (len(models.versions(tx)), len(models.deployments(tx))) == (1, 1)


def test_two_gateways_on_one_platform_record_each_answer_once_and_obey_one_state(bench: Bench):
    version_id = bench.deploy().version
    running = [serve.start(bench.storage) for _ in range(2)]
    try:
        with ThreadPoolExecutor(8) as pool:
            replies = list(pool.map(lambda n: ask(running[n % 2].url, bench.secret), range(40)))
        assert {reply.status for reply in replies} == {200}
        assert sorted(reply.json["id"] for reply in replies) == bench.answer_ids()
        with bench.storage.database.begin() as tx:
            models.withdraw(tx, version_id, at_us=1)
        assert {ask(each.url, bench.secret).status for each in running} == {403}
    finally:
        for each in running:
            each.stop()


def test_one_connection_serves_many_requests_whatever_became_of_the_earlier_ones(bench: Bench):
    bench.deploy()
    running = serve.start(bench.storage)
    address = urlsplit(running.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
    try:
        answered = []
        for path, body, status in (
            (f"/v1/routes/{ROUTE}/answers", '{"text": "路灯"}', 200),
            (f"/v1/routes/{ROUTE}/answers", "not json", 400),
            ("/nowhere", "x" * 5_000, 404),  # its body is never asked for
            ("/v1/routes", "x" * 5_000, 405),
            (f"/v1/routes/{ROUTE}/answers", '{"text": "噪音"}', 200),
        ):
            connection.request(
                "POST", path, body.encode(), {"Authorization": f"Bearer {bench.secret}"}
            )
            response = connection.getresponse()
            said = json.loads(response.read())
            assert (path, response.status) == (path, status)
            answered += [said["id"]] if status == 200 else []
        assert sorted(answered) == bench.answer_ids()
    finally:
        connection.close()
        running.stop()


def grouped(bench: Bench, grouping: Grouping, count: int) -> tuple[list[int], list[bytes]]:
    """Sizes of the groups in which ``count`` waiting questions are answered, and the answers."""
    sizes: list[int] = []

    async def scene() -> list[bytes]:
        writer = AnswerWriter(bench.storage, grouping)
        answer = writer._answer
        writer._answer = lambda group: (sizes.append(len(group)), answer(group))
        writer._open = True
        question = Question(ROUTE, bench.secret, "路灯", b"{}")
        asked = [asyncio.create_task(writer.answer(question)) for _ in range(count)]
        await asyncio.sleep(0)  # all of them wait before the thread looks
        writer._thread.start()
        answers = await asyncio.gather(*asked)
        await asyncio.to_thread(writer.stop)
        return answers

    answers = asyncio.run(scene())
    return sizes, answers


def test_groups_are_as_large_as_allowed_and_no_larger(bench: Bench):
    bench.deploy()
    assert grouped(bench, Grouping(group_max=4), 10)[0] == [4, 4, 2]
    sizes, answers = grouped(bench, Grouping(group_max=1), 3)
    assert sizes == [1, 1, 1]
    assert len({json.loads(answer)["id"] for answer in answers}) == 3
    assert len(bench.answer_ids()) == 13


class Impatient(queue.SimpleQueue):
    """Holds one question and remembers how long somebody was ready to wait for a second."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.put(object())

    def get(self, **how: float) -> object:
        if how:
            self.asked.append(how["timeout"])
            raise queue.Empty
        return super().get()


@pytest.mark.parametrize(("expected", "waits"), [(1, 0), (2, 1), (50, 1)])
def test_only_after_a_crowd_a_group_lingers_and_never_beyond_the_bound(
    bench: Bench, expected, waits
):
    writer = AnswerWriter(bench.storage, Grouping(linger_seconds=3_600))
    writer._expected, writer._queue = expected, Impatient()
    assert len(writer._gather()) == 1
    assert len(writer._queue.asked) == waits
    assert all(0 < seconds <= LINGER_SECONDS_MAX for seconds in writer._queue.asked)
    assert writer._expected == max(1, (expected + 1) // 2)


def test_a_caller_who_leaves_does_not_disturb_the_others(bench: Bench):
    bench.deploy()

    async def scene() -> tuple[bytes, bytes]:
        writer = AnswerWriter(bench.storage, Grouping())
        writer._open = True
        question = Question(ROUTE, bench.secret, "路灯", b"{}")
        first, gone, last = (asyncio.create_task(writer.answer(question)) for _ in range(3))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        writer._thread.start()
        answers = await first, await last
        await asyncio.to_thread(writer.stop)
        assert gone.cancelled()
        assert writer._waiting == 0
        return answers

    answers = asyncio.run(scene())
    recorded = bench.answer_ids()
    assert {json.loads(answer)["id"] for answer in answers} < set(recorded)
    assert len(recorded) == 3  # it was asked and answered; only nobody was there to hear it


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whichever_byte_of_the_weights_changes_they_are_refused(artefacts, tmp_path, data):
    blobs = LocalBlobs(tmp_path / "weights")
    digest = blobs.put(artefacts.model).digest
    held = LoadedClassifiers(blobs)
    held.get(digest)
    place = data.draw(st.integers(0, len(artefacts.model) - 1))
    flip = data.draw(st.integers(1, 255))
    wrong = bytearray(artefacts.model)
    wrong[place] ^= flip
    path = blobs.path(digest)
    path.chmod(0o644)
    path.write_bytes(wrong)
    with pytest.raises(NotAllowed) as refused:
        held.get(digest)
    assert refused.value.code == "models.bytes_differ"
    blobs.put(artefacts.model)
    assert held.get(digest).classes == ("交通", "环境", "道路")


def test_it_serves_over_ipv6_and_sends_without_delay(bench: Bench):
    bench.deploy()
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    running = serve.start(bench.storage, host="::1")
    try:
        assert running.url.startswith("http://[::1]:")
        assert ask(running.url, bench.secret).status == 200
    finally:
        running.stop()


def test_the_listener_says_that_it_is_tcp_so_that_responses_are_not_held_back():
    with serve._listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_the_benchmark_prints_both_ways_and_their_ratio():
    command = [
        sys.executable,
        str(BENCHMARK),
        "--questions",
        "20",
        "--rounds",
        "1",
        "--callers",
        "2",
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)
    assert "durable groups" in ran.stdout
    assert "one commit per answer" in ran.stdout
    assert "ratio" in ran.stdout
    assert ran.stderr == ""
