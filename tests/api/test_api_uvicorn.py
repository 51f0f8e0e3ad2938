"""The API behind a real server, on a free port of loopback."""

from __future__ import annotations

import json
import threading
import time

import httpx
import pytest
from server_desk import Caller, body_of, eventually, new_key, serving, status_of

from yunhe.api import limits
from yunhe.storage import operations
from yunhe.storage.leases import claim


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("home"), parts=("api", "gateway")) as started:
        yield started


@pytest.fixture(scope="module")
def key(running):
    return new_key(running._platform)


@pytest.fixture
def caller(running, key):
    with httpx.Client(
        base_url=running.url, headers={"authorization": f"Bearer {key}"}, timeout=20
    ) as client:
        yield client


def started(running, key):
    platform = running._platform
    me = httpx.get(f"{running.url}/v1/me", headers={"authorization": f"Bearer {key}"}).json()
    with platform.storage.database.begin() as tx:
        return operations.create(
            tx,
            kind="test.stream",
            key=str(time.monotonic_ns()),
            organisation=me["organisation"]["id"],
            member=me["member"],
            payload={},
            at_us=platform.storage.clock.now_us(),
        ).id


def test_requests_of_one_connection_are_answered_one_after_the_other(caller):
    for _ in range(20):
        assert caller.get("/v1/me").status_code == 200
    made = caller.post(
        "/v1/organisations", json={"name": "N", "kind": "sme"}, headers={"idempotency-key": "n"}
    )
    assert made.status_code == 201
    assert caller.get(f"/v1/organisations/{made.json()['id']}").json() == made.json()


def test_the_gateway_answers_its_own_paths_and_is_counted_with_the_rest(running, caller):
    answer = caller.get("/v1/routes")
    assert (answer.status_code, answer.json()) == (200, [])
    assert answer.headers["ratelimit"].startswith('"burst"')
    stranger = httpx.post(f"{running.url}/v1/routes/none/answers", json={"text": "x"})
    assert stranger.status_code == 401
    assert stranger.headers["ratelimit"].startswith('"address"')


def test_a_stream_is_read_while_it_happens_and_taken_up_again(running, caller, key):
    operation = started(running, key)
    storage = running._platform.storage
    path = f"/v1/operations/{operation}/events"
    first: list[str] = []
    with caller.stream("GET", path, headers={"accept": "text/event-stream"}) as stream:
        lines = stream.iter_lines()
        while not (first and first[-1].startswith("data:")):
            first.append(next(lines))
    assert first[:2] == ["id: 1", "event: waiting"]
    rest: list[str] = []

    def follow():
        headers = {"accept": "text/event-stream", "last-event-id": "1"}
        rest.extend(caller.get(path, headers=headers).text.splitlines())

    following = threading.Thread(target=follow)
    following.start()
    held = claim(storage, ["operation:test.stream"], key=operation)
    with storage.database.begin() as tx:
        operations.begin(tx, held, workers_lost_max=2, at_us=2)
    with storage.database.begin() as tx:
        operations.end(tx, held, state="done", result={"n": 1}, at_us=3)
    following.join(20)
    numbers = [line for line in rest if line.startswith(("id:", "event:"))]
    assert numbers == ["id: 2", "event: running", "id: 3", "event: done"]
    assert json.loads(rest[-2].removeprefix("data: "))["result"] == {"n": 1}


def test_a_body_that_drips_is_answered_and_the_connection_ends(running, key, monkeypatch):
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.3)
    with Caller(running.url) as slow:
        slow.ask(
            "/v1/organisations",
            method="POST",
            headers=f"Authorization: Bearer {key}\r\nContent-Type: application/json\r\n"
            "Idempotency-Key: slow\r\nContent-Length: 50\r\n",
            body='{"name"',
        )
        heard = slow.until_closed()
    assert status_of(heard) == 408
    assert body_of(heard)["code"] == "api.body_too_slow"


def test_a_huge_body_is_refused_before_it_is_sent(running, key):
    with Caller(running.url) as huge:
        huge.ask(
            "/v1/organisations",
            method="POST",
            headers=f"Authorization: Bearer {key}\r\nContent-Type: application/json\r\n"
            "Idempotency-Key: huge\r\nContent-Length: 99999999999\r\n",
        )
        heard = huge.until_closed()
    assert status_of(heard) == 413


@pytest.mark.parametrize(
    "line",
    [
        "GET /v1/accounts/%00 HTTP/1.1",
        "GET /v1/accounts/%ff%fe HTTP/1.1",
        "GET /v1/accounts/%ed%a0%80 HTTP/1.1",
        "GET /v1/accounts/..%2f..%2fetc HTTP/1.1",
        "GET /v1/accounts?after=%00 HTTP/1.1",
        "GET /v1/accounts?limit=1&limit=x HTTP/1.1",
    ],
)
def test_odd_bytes_in_an_address_get_the_one_shape(running, key, line):
    with Caller(running.url) as odd:
        odd.send(f"{line}\r\nHost: {odd.host}\r\nAuthorization: Bearer {key}\r\n")
        odd.send("Connection: close\r\n\r\n")
        heard = odd.until_closed()
    assert status_of(heard) in (404, 422)
    assert body_of(heard)["request_id"]


def test_many_callers_at_once_lose_nothing_and_double_nothing(running, key):
    made: list[int] = []

    def create(number: int) -> None:
        with httpx.Client(base_url=running.url, timeout=60) as client:
            for repeat in range(2):
                answer = client.post(
                    "/v1/projects",
                    json={"name": f"P{number}"},
                    headers={"authorization": f"Bearer {admin}", "idempotency-key": f"p{number}"},
                )
                made.append(answer.status_code)
                assert answer.headers.get("idempotency-replayed") == ("true" if repeat else None)

    admin = new_key(running._platform, kind="university", role="administrator")
    threads = [threading.Thread(target=create, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [201] * 48
    headers = {"authorization": f"Bearer {admin}"}
    shown = httpx.get(f"{running.url}/v1/projects?limit=200", headers=headers).json()["items"]
    assert sorted(each["name"] for each in shown) == sorted(f"P{n}" for n in range(24))


def test_stopping_ends_open_streams(tmp_path):
    with serving(tmp_path / "home", parts=("api",)) as server:
        key = new_key(server._platform)
        operation = started(server, key)
        ended = threading.Event()

        def follow() -> None:
            headers = {"authorization": f"Bearer {key}", "accept": "text/event-stream"}
            path = f"{server.url}/v1/operations/{operation}/events"
            with httpx.stream("GET", path, headers=headers, timeout=30) as stream:
                for _ in stream.iter_raw():
                    begun.set()
            ended.set()

        begun = threading.Event()
        thread = threading.Thread(target=follow)
        thread.start()
        assert begun.wait(20)
        assert server.stop(10)
        eventually(ended.is_set)
        thread.join()
