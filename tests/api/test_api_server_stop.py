"""Stopping: what is at work ends or is handed back, and what comes is told to come back."""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path

import pytest
from server_desk import (
    Caller,
    Process,
    body_of,
    eventually,
    new_key,
    opened,
    serving,
    status_of,
)

from yunhe.api.connections import Bounds
from yunhe.api.root import Root
from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.identity import service as identity
from yunhe.kernel.errors import Unavailable
from yunhe.operations.metrics import Metrics
from yunhe.storage import operations

HELD = (str(Path(__file__).with_name("held_process.py")),)


def test_a_request_at_work_is_finished_and_a_new_one_is_told_to_come_back(tmp_path):
    home = tmp_path / "home"
    with opened(home) as platform:
        key = new_key(platform, role="caller")
    with Process(home, "--only", "gateway", "--port", "0").started() as server:
        early, late = Caller(server.url), Caller(server.url)
        body = json.dumps({"text": "路灯坏了"})
        length = len(body.encode())
        head = f"Authorization: Bearer {key}\r\nContent-Length: {length}\r\n"
        early.ask("/v1/routes/none/answers", method="POST", headers=head, body=body[:5])
        eventually(lambda: b" 1.0" in metric(server.url, "yunhe_http_requests_in_flight"))
        server.process.send_signal(signal.SIGTERM)

        def refused() -> bytes:
            with Caller(server.url) as new:
                new.ask("/v1/routes", headers=f"Authorization: Bearer {key}\r\n")
                head = new.head()  # answered still, until the signal has arrived
                return head + new.until_closed() if status_of(head) == 503 else b""

        heard = eventually(refused)
        assert status_of(heard) == 503
        assert b"retry-after: 1" in heard
        assert b"connection: close" in heard
        assert body_of(heard)["code"] == "api.stopping"
        late.ask("/readyz", headers="Connection: close\r\n")
        ready = late.until_closed()
        assert status_of(ready) == 503
        assert body_of(ready)["checks"][0]["code"] == "operations.stopping"
        assert server.process.poll() is None
        early.send(body[5:])
        answer = early.until_closed()
        assert status_of(answer) == 404
        assert body_of(answer)["code"] == "models.route_unknown"
        assert server.process.wait(timeout=60) == 0


def metric(url: str, name: str) -> bytes:
    with Caller(url) as caller:
        caller.ask("/metrics", headers="Connection: close\r\n")
        lines = caller.until_closed().splitlines()
    return next((line for line in lines if line.startswith(name.encode())), b"")


def test_an_operation_at_work_is_handed_back_and_the_next_process_ends_it(tmp_path):
    home, held = tmp_path / "home", tmp_path / "held"
    held.mkdir()
    with opened(home) as platform, platform.storage.database.begin() as tx:
        asked = operations.create(
            tx, kind="held", key="k", organisation="org", member="mem", payload={}, at_us=1
        )

    def state() -> str:
        with opened(home) as platform, platform.storage.database.read() as tx:
            return operations.find(tx, asked.id).state

    start = ("--only", "worker", "--port", "0")
    with Process(home, *start, program=HELD, HELD=str(held)).started() as first:
        eventually((held / "held-1").exists)
        assert state() == "running"
        assert first.end() == 0
    assert state() == "waiting"
    (held / "free").touch()
    with Process(home, *start, program=HELD, HELD=str(held)).started() as second:
        eventually(lambda: state() == "done")
        assert second.end() == 0
    assert sorted(path.name for path in held.glob("held-*")) == ["held-1", "held-2"]


def test_records_that_came_last_are_signed_before_the_process_ends(tmp_path):
    home = tmp_path / "home"
    with serving(home) as running, opened(home) as platform:
        with platform.storage.database.begin() as tx:
            record = Record("data.source", "src_1", 1_767_225_600_000_000, {"name": "x"}, {})
            custody.append(tx, record)
        with platform.storage.database.read() as tx:
            assert custody.backlog(tx).count == 1
        assert running.stop(60.0)
        with platform.storage.database.read() as tx:
            assert custody.backlog(tx).count == 0
            assert custody.newest(tx).size == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_server_ends_at_once_with_zero(tmp_path, number):
    with Process(tmp_path / "home", "--port", "0").started() as server:
        idle = Caller(server.url)
        idle.ask("/healthz")
        assert status_of(idle.head()) == 200
        assert server.end(number) == 0
        assert idle.until_closed().endswith(b"}")
    log = server.log.read_text("utf-8")
    assert "Traceback" not in log
    assert "stopped" in log


def test_a_second_signal_ends_the_process_though_a_request_is_at_work(tmp_path):
    home = tmp_path / "home"
    with opened(home) as platform:
        key = new_key(platform, role="caller")
    with Process(home, "--only", "gateway", "--port", "0").started() as server:
        stuck = Caller(server.url)
        head = f"Authorization: Bearer {key}\r\nContent-Length: 100\r\n"
        stuck.ask("/v1/routes/none/answers", method="POST", headers=head, body="{")
        eventually(lambda: b" 1.0" in metric(server.url, "yunhe_http_requests_in_flight"))
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: b"stopping" in server.log.read_bytes())
        assert server.end() == 128 + signal.SIGTERM  # had the request ended first, 0


def test_what_is_not_done_in_time_is_cut_off_but_told(tmp_path):
    home = tmp_path / "home"
    with opened(home) as platform:
        key = new_key(platform, role="caller")
    with serving(home) as running:
        stuck = Caller(running.url)
        head = f"Authorization: Bearer {key}\r\nContent-Length: 100\r\n"
        stuck.ask("/v1/routes/none/answers", method="POST", headers=head, body="{")
        eventually(lambda: running.root.at_work == 1)
        assert not running.stop(0.2)
        heard = stuck.until_closed()
    assert status_of(heard) in (503, 408)
    assert not running.alive()


def test_systemd_is_told_of_readiness_life_and_end(tmp_path):
    place = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(place))
        manager.settimeout(20.0)
        told = {"NOTIFY_SOCKET": str(place), "WATCHDOG_USEC": "200000"}
        with Process(tmp_path / "home", "--only", "gateway", "--port", "0", **told) as server:
            assert manager.recv(100) == b"READY=1"
            assert manager.recv(100) == b"WATCHDOG=1"
            assert manager.recv(100) == b"WATCHDOG=1"
            assert server.end() == 0
            rest = []
            manager.setblocking(False)
            with pytest.raises(BlockingIOError):
                while True:
                    rest.append(manager.recv(100))
    assert rest[-1] == b"STOPPING=1"


async def _stream(scope, receive, send):
    """An application whose only route is a stream that ends when its caller leaves."""
    if scope["type"] == "lifespan":
        for phase in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{phase}.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
    while (await receive())["type"] != "http.disconnect":
        pass
    await send({"type": "http.response.body", "body": b""})


def test_a_stream_ends_when_the_server_stops_instead_of_holding_it_up(tmp_path, monkeypatch):
    monkeypatch.setattr("yunhe.api.server._application", lambda *_: _stream)
    with serving(tmp_path / "home") as running, Caller(running.url) as watcher:
        watcher.ask("/v1/things/1/events", headers="Accept: text/event-stream\r\n")
        assert status_of(watcher.head()) == 200
        assert running.root.at_work == 1
        assert running.stop(60.0)
        assert watcher.until_closed().endswith(b"0\r\n\r\n")


def test_the_events_of_an_operation_end_with_the_server_and_can_be_gone_on_with(tmp_path):
    home = tmp_path / "home"
    with opened(home) as platform:
        key = new_key(platform)
        now_us = platform.storage.clock.now_us()
        with platform.storage.database.begin() as tx:
            who = identity.authenticate(tx, key, now_us=now_us)
            asked = operations.create(
                tx,
                kind="held",
                key="k",
                organisation=who.organisation,
                member=who.member,
                payload={},
                at_us=now_us,
            )
    with serving(home, parts=("api",)) as running, Caller(running.url) as watcher:
        told = f"Authorization: Bearer {key}\r\nAccept: text/event-stream\r\n"
        watcher.ask(f"/v1/operations/{asked.id}/events", headers=told)
        head = watcher.head()
        assert status_of(head) == 200, head
        heard = b""
        while b"waiting" not in heard:
            heard += watcher.socket.recv(4_096)
        assert running.stop(20.0)  # the stream is told; it would go on for ever
        watcher.until_closed()


def test_streams_have_a_bound_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr("yunhe.api.server._application", lambda *_: _stream)
    with serving(tmp_path / "home", bounds=Bounds(streams_max=2)) as running:
        watchers = [Caller(running.url) for _ in range(3)]
        for each in watchers[:2]:
            each.ask("/events", headers="Accept: text/event-stream\r\n")
            assert status_of(each.head()) == 200
        watchers[2].ask("/events", headers="Accept: text/event-stream\r\n")
        assert status_of(watchers[2].head()) == 503
        with Caller(running.url) as other:
            other.ask("/metrics", headers="Connection: close\r\n")
            assert b"yunhe_http_requests_refused_total 1.0" in other.until_closed()
        for each in watchers:
            each.socket.close()


def test_an_application_that_does_not_start_is_told_with_its_reason(tmp_path, monkeypatch):
    async def broken(scope, receive, send):
        raise RuntimeError("the table of access does not match")

    monkeypatch.setattr("yunhe.api.server._application", lambda *_: broken)
    with pytest.raises(Unavailable) as caught, serving(tmp_path / "home"):
        pass
    assert caught.value.code == "api.not_started"
    assert "table of access" in caught.value.message("en")


def test_the_root_finds_no_loop_to_listen_to_before_it_has_started(tmp_path):
    with opened(tmp_path / "home") as platform:
        metrics = Metrics(platform)
        root = Root(app=None, logs_itself=False, probes=None, metrics=metrics, bounds=Bounds())
        root.stop()
        assert not root.beat(0.01)
