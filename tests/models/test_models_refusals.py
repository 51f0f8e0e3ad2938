"""The gateway fails closed: without approval, the right bytes and a durable record, no answer."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from released_model import ROUTE, VALID_DAYS, Bench, Reply, ask, call
from sqlalchemy import text as sql

from free_ports import free_port
from yunhe.custody import service as custody
from yunhe.custody.store import leaf
from yunhe.kernel.errors import Unavailable
from yunhe.models import loaded, serve, store
from yunhe.models import service as models
from yunhe.models.answers import AnswerWriter, Grouping
from yunhe.models.drafts import Question

PROCESS = Path(__file__).with_name("serving_process.py")


@pytest.fixture
def url(bench: Bench) -> Iterator[str]:
    bench.deploy()
    running = serve.start(bench.storage)
    try:
        yield running.url
    finally:
        running.stop()


def refusal(bench: Bench, url: str) -> tuple[int, str]:
    """Status and code of a question that must leave nothing behind."""
    before = bench.answer_ids()
    reply = ask(url, bench.secret)
    assert set(reply.json) >= {"code", "message", "do"}
    assert "label" not in reply.json
    assert bench.answer_ids() == before
    return reply.status, reply.json["code"]


def only_version(bench: Bench):
    with bench.storage.database.read() as tx:
        [version] = models.versions(tx)
    return version


def test_an_unapproved_version_does_not_answer(bench: Bench, url: str):
    assert ask(url, bench.secret).status == 200
    with bench.storage.database.begin() as tx:
        store.set_state(tx, only_version(bench).id, state="registered")
    assert refusal(bench, url) == (403, "models.not_approved")


def test_an_expired_approval_does_not_answer_even_when_the_clock_goes_back(bench: Bench, url: str):
    bench.storage.clock.advance(seconds=VALID_DAYS * 86_400 - 1)
    assert ask(url, bench.secret).status == 200
    bench.storage.clock.advance(seconds=1)
    assert refusal(bench, url) == (403, "models.approval_expired")
    bench.storage.clock.advance(seconds=-86_400)
    assert refusal(bench, url) == (403, "models.approval_expired")


def test_a_withdrawn_version_answers_again_only_under_a_new_release_and_deployment(
    bench: Bench, url: str
):
    version = only_version(bench)
    with bench.storage.database.begin() as tx:
        models.withdraw(tx, version.id, at_us=1)
    assert refusal(bench, url) == (403, "models.withdrawn")
    bench.storage.clock.advance(seconds=1)
    bench.approve(version, "2")
    assert refusal(bench, url) == (409, "models.release_superseded")
    models.deploy(bench.storage, key="d2", version=version.id, route=ROUTE)
    said = ask(url, bench.secret)
    assert said.status == 200
    bench.sequence()
    receipt = call(url, "GET", said.json["receipt"], secret=bench.secret)
    assert custody.verify(receipt.body, bench.trust()).ok


def test_a_deployment_pointed_at_other_weights_does_not_answer(bench: Bench, url: str):
    with bench.storage.database.begin() as tx:
        tx.execute(store.deployments.update().values(model_digest=bench.digest("card")))
    assert refusal(bench, url) == (403, "models.bytes_differ")


@pytest.mark.parametrize("when", ["before the first answer", "while it serves"])
def test_one_flipped_byte_stops_the_answers_until_it_is_put_right(bench: Bench, url: str, when):
    if when == "while it serves":
        assert ask(url, bench.secret).status == 200
    path = bench.storage.blobs.path(bench.digest("model"))
    right, status = path.read_bytes(), path.stat()
    wrong = bytearray(right)
    wrong[len(wrong) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(wrong)
    # Size and mtime as they were: what a careful intruder would leave.
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert refusal(bench, url) == (403, "models.bytes_differ")
    assert refusal(bench, url) == (403, "models.bytes_differ")
    path.write_bytes(right)
    assert ask(url, bench.secret).status == 200
    path.unlink()
    assert refusal(bench, url) == (403, "models.bytes_differ")
    bench.storage.blobs.put(right)
    assert ask(url, bench.secret).status == 200


def test_an_unchanged_file_is_not_read_again_for_each_answer(bench: Bench, url: str, monkeypatch):
    reads: list[str] = []
    read = type(bench.storage.blobs).read
    monkeypatch.setattr(
        type(bench.storage.blobs), "read", lambda blobs, d: reads.append(d) or read(blobs, d)
    )
    for _ in range(3):
        assert ask(url, bench.secret).status == 200
    assert reads == [bench.digest("model")]
    bench.storage.blobs.path(bench.digest("model")).touch()
    assert ask(url, bench.secret).status == 200
    assert reads == [bench.digest("model")] * 2


def test_only_so_many_classifiers_are_held(bench: Bench, monkeypatch):
    monkeypatch.setattr(loaded, "HELD_MAX", 1)
    held = loaded.LoadedClassifiers(bench.storage.blobs)
    right, wrong = bench.digest("model"), bench.digest("card")
    first = held.get(right)
    assert held.get(right) is first
    with pytest.raises(Exception, match=r"not the ones that were approved"):
        held.get(wrong)
    assert held.get(right) is not first


@pytest.mark.parametrize("change", ["expired", "withdrawn"])
def test_a_version_that_ends_between_question_and_record_gives_no_answer(
    bench: Bench, url: str, monkeypatch, change
):
    version, get = only_version(bench), loaded.LoadedClassifiers.get

    def late(classifiers, digest):
        if change == "expired":
            bench.storage.clock.advance(seconds=VALID_DAYS * 86_400)
        else:
            with bench.storage.database.begin() as tx:
                models.withdraw(tx, version.id, at_us=1)
        return get(classifiers, digest)

    monkeypatch.setattr(loaded.LoadedClassifiers, "get", late)
    code = "models.approval_expired" if change == "expired" else "models.withdrawn"
    assert refusal(bench, url) == (403, code)


def test_without_a_custody_log_no_answer_is_given(bench: Bench, url: str):
    assert ask(url, bench.secret).status == 200
    with bench.storage.database.begin() as tx:
        tx.execute(sql("ALTER TABLE custody_leaf RENAME TO custody_leaf_gone"))
    said = ask(url, bench.secret)
    assert (said.status, said.json["code"], said.json["retryable"]) == (
        503,
        "models.answer_failed",
        True,
    )
    with bench.storage.database.begin() as tx:
        tx.execute(sql("ALTER TABLE custody_leaf_gone RENAME TO custody_leaf"))
    assert len(bench.answer_ids()) == 1
    assert ask(url, bench.secret).status == 200


def test_a_record_whose_row_cannot_be_written_is_undone(bench: Bench, url: str):
    with bench.storage.database.begin() as tx:
        tx.execute(sql("ALTER TABLE models_answer RENAME TO models_answer_gone"))
    assert ask(url, bench.secret).status == 503
    with bench.storage.database.begin() as tx:
        assert tx.execute(leaf.select().where(leaf.c.kind == "serving.answer")).all() == []
        tx.execute(sql("ALTER TABLE models_answer_gone RENAME TO models_answer"))
    assert ask(url, bench.secret).status == 200


def test_a_full_disk_is_told_to_the_whole_group(bench: Bench, url: str, monkeypatch):
    def full(tx, records):
        raise Unavailable("storage.disk_full", where="/data")

    monkeypatch.setattr(custody, "append_new", full)
    assert refusal(bench, url) == (503, "storage.disk_full")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_writer_answers_nobody_and_is_seen(bench: Bench, url: str, monkeypatch):
    reached, go = threading.Event(), threading.Event()

    def die(tx, records):
        reached.set()
        go.wait(90)
        raise SystemExit

    with monkeypatch.context() as patched, ThreadPoolExecutor(9) as pool:
        patched.setattr(custody, "append_new", die)
        first = pool.submit(ask, url, bench.secret)
        assert reached.wait(90)
        later = [pool.submit(ask, url, bench.secret) for _ in range(8)]  # some of them wait in line
        go.set()
        statuses = {future.result().status for future in [first, *later]}
    assert statuses == {503}
    assert bench.answer_ids() == []
    assert refusal(bench, url) == (503, "models.stopping")
    assert call(url, "GET", "/healthz").status == 503


def test_stopping_answers_what_is_in_flight_and_refuses_the_rest(bench: Bench, monkeypatch):
    bench.deploy()
    running = serve.start(bench.storage, port=free_port())  # nobody else takes it
    reached, go = threading.Event(), threading.Event()
    append_new = custody.append_new

    def slow(tx, records):
        reached.set()
        go.wait(90)
        return append_new(tx, records)

    monkeypatch.setattr(custody, "append_new", slow)
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(ask, running.url, bench.secret)
        assert reached.wait(90)
        stopped = pool.submit(running.stop)
        go.set()
        reply = asked.result()
        stopped.result()
    assert reply.status == 200
    assert bench.answer_ids() == [reply.json["id"]]
    with pytest.raises(OSError, match="refused"):
        ask(running.url, bench.secret)
    running.stop()


@contextmanager
def process(bench: Bench) -> Iterator[tuple[subprocess.Popen[str], str]]:
    url, now_us = bench.storage.database.url, str(bench.storage.clock.now_us())
    command = [sys.executable, str(PROCESS), str(bench.home), url, now_us]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        try:
            assert started.stdout is not None
            yield started, started.stdout.readline().strip()
        finally:
            started.kill()


def ask_until_it_ends(bench: Bench, url: str, enough: threading.Event, least: int) -> list[Reply]:
    """Keep asking from 8 threads until the server is gone; what was received whole."""
    replies: list[Reply] = []

    def keep_asking() -> None:
        with suppress(OSError, ConnectionError, json.JSONDecodeError):
            while True:
                reply = ask(url, bench.secret)
                json.loads(reply.body)
                replies.append(reply)
                if len(replies) >= least:
                    enough.set()

    with ThreadPoolExecutor(8) as pool:
        for _ in range(8):
            pool.submit(keep_asking)
    return replies


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_an_ended_process_has_recorded_every_answer_it_gave(bench: Bench, how):
    bench.deploy()
    enough = threading.Event()
    with process(bench) as (started, url), ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask_until_it_ends, bench, url, enough, 60)
        assert enough.wait(60)
        started.send_signal(how)
        replies = asking.result()
        rest = started.stdout.read() if started.stdout else ""
    given = sorted(reply.json["id"] for reply in replies if reply.status == 200)
    recorded = bench.answer_ids()
    assert len(given) >= 50
    assert len(set(given)) == len(given)
    assert set(given) <= set(recorded)
    if how == signal.SIGTERM:
        assert (started.returncode, rest) == (0, "ended\n")
        assert given == recorded  # what was in flight was finished and sent
    bench.sequence()
    with bench.storage.database.read() as tx:
        reference = custody.reference(tx, "serving.answer", given[-1])
    assert reference is not None
    assert custody.verify(custody.receipt(bench.storage, reference), bench.trust()).ok


def test_questions_that_waited_before_the_end_are_answered_and_later_ones_are_not(bench: Bench):
    bench.deploy()

    async def scene() -> tuple[list[bytes], Exception]:
        writer = AnswerWriter(bench.storage, Grouping())
        question = Question(ROUTE, bench.secret, "路灯", b"{}")
        writer._open = True  # the thread starts only when all of them, and the end, wait in line
        asked = [asyncio.create_task(writer.answer(question)) for _ in range(3)]
        await asyncio.sleep(0)
        writer.stop()
        writer._thread.start()
        answers = await asyncio.gather(*asked)
        writer._thread.join(90)
        assert not writer._thread.is_alive()
        with pytest.raises(Unavailable) as refused:
            await writer.answer(question)
        return answers, refused.value

    answers, refused = asyncio.run(scene())
    assert sorted(json.loads(answer)["id"] for answer in answers) == bench.answer_ids()
    assert refused.code == "models.stopping"
