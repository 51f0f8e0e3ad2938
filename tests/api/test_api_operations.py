"""Long operations over HTTP: polled, followed with resume, cancelled; and files."""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import UTC, datetime

import pytest

from yunhe.api import streams
from yunhe.storage import events, operations
from yunhe.storage.leases import claim

SSE = {"accept": "text/event-stream"}


@pytest.fixture
def uni(desk):
    return desk.organisation("uni")


@pytest.fixture
def member(desk, uni):
    return desk.member(uni, "trainer")


@pytest.fixture
def key(desk, member):
    return desk.key(member)


def started(desk, member, key="one", *, project=""):
    with desk.storage.database.begin() as tx:
        return operations.create(
            tx,
            kind="plans.run",
            key=key,
            organisation=member.organisation,
            member=member.id,
            project=project,
            payload={},
            at_us=desk.now_us(),
        ).id


def taken(desk, operation):
    """The operation, claimed and begun by a worker."""
    held = claim(desk.storage, ["operation:plans.run"], key=operation)
    with desk.storage.database.begin() as tx:
        operations.begin(tx, held, workers_lost_max=2, at_us=desk.now_us())
    return held


def progress(desk, held, done):
    with desk.storage.database.begin() as tx:
        operations.report(tx, held, step="rows", done=done, total=9, at_us=desk.now_us())


def ended(desk, held, **how):
    with desk.storage.database.begin() as tx:
        operations.end(
            tx, held, at_us=desk.now_us(), **{"state": "done", "result": {"x": 1}, **how}
        )


def parsed(text):
    """Events of a stream: number, name, body."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "id" in fields:
            found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return found


def test_an_operation_is_polled_to_its_end(desk, member, key):
    operation = started(desk, member)
    path = f"/v1/operations/{operation}"
    assert desk.ask("GET", path, key).json()["state"] == "waiting"
    held = taken(desk, operation)
    progress(desk, held, 3)
    shown = desk.ask("GET", path, key).json()
    assert (shown["state"], shown["done"], shown["total"]) == ("running", 3, 9)
    ended(desk, held)
    shown = desk.ask("GET", path, key).json()
    assert (shown["state"], shown["result"], shown["error"]) == ("done", {"x": 1}, None)


def test_a_failure_is_told_in_the_language_asked_for(desk, member, key):
    operation = started(desk, member)
    error = {
        "kind": "unavailable",
        "code": "storage.workers_lost",
        "params": {"times": 3},
        "findings": [],
        "retryable": False,
    }
    ended(desk, taken(desk, operation), state="failed", result=None, error=error)
    for language, word in (("en", "3 workers"), ("zh", "3")):
        headers = {"accept-language": language}
        shown = desk.ask("GET", f"/v1/operations/{operation}", key, headers=headers).json()
        assert word in shown["error"]["message"]
        assert shown["error"]["do"]


def test_operations_are_listed_newest_first_in_pages(desk, member, key):
    made = []
    for number in range(5):
        made.append(started(desk, member, str(number)))
        desk.storage.clock.advance(seconds=1)
    seen, after = [], ""
    while after is not None:
        page = desk.ask("GET", "/v1/operations?limit=2" + (after and f"&after={after}"), key).json()
        seen += [each["id"] for each in page["items"]]
        after = page["next"]
    assert seen == made[::-1]


def test_whoever_asked_or_an_administrator_cancels_and_others_do_not(desk, uni, member, key):
    operation = started(desk, member)
    path = f"/v1/operations/{operation}/cancel"
    colleague = desk.key(desk.member(uni, "buyer"))
    answer = desk.ask("POST", path, colleague)
    assert (answer.status_code, answer.json()["code"]) == (403, "api.not_yours")
    assert desk.ask("POST", path, key).json()["state"] == "cancelled"
    other = started(desk, member, "two")
    held = taken(desk, other)
    admin = desk.key(desk.member(uni, "administrator"))
    shown = desk.ask("POST", f"/v1/operations/{other}/cancel", admin).json()
    assert (shown["state"], shown["cancel_asked"]) == ("running", True)
    ended(desk, held)
    again = desk.ask("POST", f"/v1/operations/{other}/cancel", admin).json()
    assert again["state"] == "done"


def test_of_a_project_only_its_people_and_keys_know(desk, uni, member):
    mine, other = desk.project(uni, "mine"), desk.project(uni, "other")
    inside, outside = started(desk, member, project=mine), started(desk, member, "b", project=other)
    nowhere = started(desk, member, "c")
    bound = desk.key(member, project=mine)
    seen = desk.ask("GET", "/v1/operations", bound).json()["items"]
    assert [each["id"] for each in seen] == [inside]
    assert desk.ask("GET", f"/v1/operations?project={other}", bound).json()["items"] == []
    assert desk.ask("GET", f"/v1/operations/{inside}", bound).status_code == 200
    for hidden in (outside, nowhere):
        unknown = desk.ask("GET", f"/v1/operations/{hidden}", bound)
        assert (unknown.status_code, unknown.json()["code"]) == (404, "storage.operation_unknown")
        assert desk.ask("POST", f"/v1/operations/{hidden}/cancel", bound).status_code == 404


def test_a_stream_gives_every_event_once_and_ends_with_the_last(desk, member, key):
    operation = started(desk, member)

    async def follow():
        return await desk.asking("GET", f"/v1/operations/{operation}/events", key, headers=SSE)

    following = asyncio.run_coroutine_threadsafe(follow(), desk.loop)
    held = taken(desk, operation)
    for done in range(1, 4):
        progress(desk, held, done)
    ended(desk, held)
    answer = following.result(20)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    seen = parsed(answer.text)
    assert [number for number, _, _ in seen] == list(range(1, len(seen) + 1))
    names = [name for _, name, _ in seen]
    assert names == ["waiting", "running", "progress", "progress", "progress", "done"]
    assert seen[-1][2]["result"] == {"x": 1}
    moments = [body["at"] for _, _, body in seen]
    assert all(datetime.fromisoformat(at).tzinfo is UTC for at in moments)
    assert moments == sorted(moments)
    assert not any("at_us" in body for _, _, body in seen)


@pytest.mark.parametrize(
    ("language", "sentence"), [("en", "writing the report"), ("zh", "撰写报告")]
)
def test_an_event_tells_its_step_as_code_and_sentence(desk, member, key, language, sentence):
    operation = started(desk, member)
    held = taken(desk, operation)
    for step in ("plans.stage.report", "rows of mine", "../kernel.x"):
        with desk.storage.database.begin() as tx:
            operations.report(tx, held, step=step, done=1, total=2, at_us=desk.now_us())
    error = {"kind": "unavailable", "code": "storage.workers_lost", "params": {"times": 3},
             "findings": [], "retryable": False}  # fmt: skip
    ended(desk, held, state="failed", result=None, error=error)
    headers = {**SSE, "accept-language": language}
    path = f"/v1/operations/{operation}"
    seen = parsed(desk.ask("GET", f"{path}/events", key, headers=headers).text)
    told = [(body["step"], body["message"]) for _, name, body in seen if name == "progress"]
    assert told == [
        ("plans.stage.report", sentence),
        ("rows of mine", "rows of mine"),
        ("../kernel.x", "../kernel.x"),
    ]
    polled = desk.ask("GET", path, key, headers={"accept-language": language}).json()
    assert seen[-1][2]["error"] == polled["error"]


@pytest.mark.parametrize("last", range(7))
def test_a_stream_is_taken_up_after_any_event(desk, member, key, last):
    operation = started(desk, member)
    held = taken(desk, operation)
    for done in range(1, 4):
        progress(desk, held, done)
    ended(desk, held)
    path = f"/v1/operations/{operation}/events"
    resumed = desk.ask("GET", path, key, headers={**SSE, "last-event-id": str(last)})
    asked = desk.ask("GET", f"{path}?after={last}", key, headers=SSE)
    assert resumed.text == asked.text
    if last == 6:
        assert (resumed.status_code, resumed.text) == (204, "")
    else:
        assert [number for number, _, _ in parsed(resumed.text)] == list(range(last + 1, 7))


def test_a_last_event_id_that_is_no_number_is_refused(desk, member, key):
    path = f"/v1/operations/{started(desk, member)}/events"
    for odd in ("x", "-1", "9" * 16, "1.5"):
        answer = desk.ask("GET", path, key, headers={**SSE, "last-event-id": odd})
        assert (answer.status_code, answer.json()["code"]) == (422, "api.event_id")


def test_a_quiet_stream_says_that_it_lives(desk, member, key, monkeypatch):
    monkeypatch.setattr(streams, "HEARTBEAT_SECONDS", 0.02)
    monkeypatch.setattr(streams, "STREAM_SECONDS_MAX", 0.3)
    path = f"/v1/operations/{started(desk, member)}/events?after=1"
    answer = desk.ask("GET", path, key, headers=SSE)
    assert answer.status_code == 200
    assert answer.text.count(":\n\n") > 3
    assert parsed(answer.text) == []


def test_streams_have_a_bound_for_each_member_and_for_all(desk, member, key, monkeypatch):
    monkeypatch.setattr(streams, "STREAMS_MAX_EACH", 2)
    operation = started(desk, member)
    path = f"/v1/operations/{operation}/events"

    async def crowd():
        return await asyncio.gather(*(desk.asking("GET", path, key, headers=SSE) for _ in range(5)))

    following = asyncio.run_coroutine_threadsafe(crowd(), desk.loop)
    ended(desk, taken(desk, operation))
    answers = following.result(20)
    assert sorted(a.status_code for a in answers if a.status_code != 204)[:2] == [200, 200]
    assert all(a.json()["code"] == "api.streams_too_many" for a in answers if a.status_code == 429)
    assert desk.ask("GET", path, key, headers=SSE).status_code == 200  # all have left again


def test_a_stream_that_its_caller_leaves_is_closed(desk, member, key):
    operation = started(desk, member)
    sent = []

    async def leave():
        left = asyncio.Event()

        async def receive():
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)
            if message.get("body"):
                left.set()

        headers = [(b"host", b"127.0.0.1"), (b"authorization", f"Bearer {key}".encode())]
        path = f"/v1/operations/{operation}/events"
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "scheme": "http",
        }
        await desk.app(scope, receive, send)

    desk.wait(leave(), 10)
    assert sent[0]["status"] == 200
    assert b"event: waiting" in sent[1]["body"]


def test_the_newest_number_of_many_streams_is_one_look(desk, member):
    one, two = started(desk, member), started(desk, member, "two")
    progress(desk, taken(desk, one), 1)
    with desk.storage.database.read() as tx:
        assert events.latest(tx, {one, two, "none"}) == {one: 3, two: 1}


def test_a_file_is_sent_once_and_named_by_its_digest(desk, uni, key):
    steward = desk.key(desk.member(uni, "data_steward"))
    data = b"rows\n" * 100_000
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    made = [desk.ask("POST", "/v1/uploads", steward, content=data) for _ in range(2)]
    assert [answer.status_code for answer in made] == [201, 201]
    assert made[0].json() == made[1].json()
    assert (made[0].json()["digest"], made[0].json()["size_bytes"]) == (digest, len(data))
    content = desk.ask("GET", f"/v1/uploads/{digest}/content", steward)
    assert content.content == data
    stranger = desk.key(desk.member(desk.organisation("other"), "data_steward"))
    for path in (f"/v1/uploads/{digest}", f"/v1/uploads/{digest}/content"):
        answer = desk.ask("GET", path, stranger)
        assert (answer.status_code, answer.json()["code"]) == (404, "storage.upload_unknown")


def test_a_file_that_arrives_in_pieces_is_bounded_and_leaves_nothing_half_written(
    desk, uni, tmp_path, monkeypatch
):
    steward = desk.key(desk.member(uni, "data_steward"))

    async def pieces(count):
        for _ in range(count):
            yield b"x" * 1_000

    fine = desk.ask("POST", "/v1/uploads", steward, content=pieces(5))
    assert fine.json()["size_bytes"] == 5_000
    bounded = desk.app
    while not hasattr(bounded, "_upload_bytes_max"):
        bounded = bounded._app
    monkeypatch.setattr(bounded, "_upload_bytes_max", 3_000)
    for content in (b"x" * 5_000, pieces(5)):
        answer = desk.ask("POST", "/v1/uploads", steward, content=content)
        assert (answer.status_code, answer.json()["code"]) == (413, "api.body_too_large")
    left = [path.name for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    assert len(left) == 1


def test_a_file_whose_sender_breaks_off_is_not_kept(desk, uni, tmp_path):
    steward = desk.key(desk.member(uni, "data_steward"))

    async def broken():
        messages = iter(
            [
                {"type": "http.request", "body": b"half", "more_body": True},
                {"type": "http.disconnect"},
            ]
        )

        async def receive():
            return next(messages)

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/uploads",
            "raw_path": b"/v1/uploads",
            "query_string": b"",
            "headers": [(b"host", b"127.0.0.1"), (b"authorization", f"Bearer {steward}".encode())],
            "client": ("127.0.0.1", 1),
            "scheme": "http",
        }
        await desk.app(scope, receive, send)

    sent = []
    desk.wait(broken())
    assert sent[0]["status"] == 400
    assert not [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
