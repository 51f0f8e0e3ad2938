"""Callers that are slow on purpose lose their connection; the others never notice them."""

from __future__ import annotations

import json
import socket
import threading
import time

import pytest
from server_desk import Caller, body_of, eventually, new_key, opened, serving, status_of

from yunhe.api.connections import Bounds
from yunhe.models.gateway import Gateway, Limits

QUICK = Bounds(head_seconds_max=0.4, rest_seconds_max=0.3, write_seconds_max=0.5)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("slow") / "home", bounds=QUICK) as running:
        yield running


def test_a_head_that_never_ends_is_answered_with_408_and_closed(running):
    with Caller(running.url) as slow:
        slow.send("GET /healthz HTTP/1.1\r\nHost: x\r\n")
        heard = slow.until_closed()
    assert status_of(heard) == 408
    assert b"connection: close" in heard
    assert body_of(heard)["code"] == "api.head_too_slow"


def test_a_byte_now_and_then_does_not_keep_the_connection_open(running):
    with Caller(running.url) as slow:
        said = "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: " + "a" * 400
        heard = b""
        slow.socket.settimeout(0.02)
        for letter in said:
            try:
                slow.send(letter)
                heard = slow.socket.recv(4_096)
                break
            except TimeoutError:
                continue
    assert status_of(heard) == 408  # before its head was complete, which takes eight seconds


def test_a_caller_that_says_nothing_at_all_is_closed(running):
    with Caller(running.url) as silent:
        assert status_of(silent.until_closed()) == 408


def test_a_hundred_slow_callers_do_not_keep_others_from_their_answer(running):
    slow = [Caller(running.url) for _ in range(100)]
    try:
        for each in slow:
            each.send("GET /v1/routes HTTP/1.1\r\n")
        with Caller(running.url) as quick:
            quick.ask("/healthz", headers="Connection: close\r\n")
            assert status_of(quick.until_closed()) == 200
        assert [status_of(each.until_closed()) for each in slow] == [408] * 100
    finally:
        for each in slow:
            each.socket.close()


def test_a_second_head_on_the_same_connection_has_its_own_time(running):
    with Caller(running.url) as slow:
        slow.ask("/healthz")
        assert status_of(slow.head()) == 200
        slow.socket.recv(4_096)
        slow.send("GET /healthz HTT")
        assert status_of(slow.until_closed()) == 408


def test_a_head_that_is_too_large_is_refused_before_it_ends(running):
    with Caller(running.url) as greedy:
        greedy.send("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Much: " + "a" * 200_000)
        heard = greedy.until_closed()
    assert status_of(heard) == 431
    assert body_of(heard)["code"] == "api.head_too_large"


def test_a_body_that_is_not_read_any_more_cannot_hold_the_connection(running):
    with Caller(running.url) as slow:
        slow.ask("/nowhere", method="POST", headers="Content-Length: 100000\r\n", body="a")
        heard = slow.head()
        assert status_of(heard) == 404
        with pytest.raises(OSError):  # noqa: PT011 (reset or closed, as the system tells it)
            for _ in range(200):  # four seconds at least, and far from the end
                slow.send("a")
                time.sleep(0.02)


def test_a_body_that_comes_after_its_answer_leaves_the_connection_usable(tmp_path):
    with serving(tmp_path / "home") as running, Caller(running.url) as caller:
        caller.ask("/nowhere", method="POST", headers="Content-Length: 4\r\n", body="ab")
        assert status_of(caller.head()) == 404
        caller.socket.recv(4_096)
        caller.send("cd")
        caller.ask("/healthz", headers="Connection: close\r\n")
        assert status_of(caller.until_closed()) == 200


def test_the_gateway_says_when_a_body_takes_too_long(tmp_path, monkeypatch):
    limits = Limits(body_seconds_max=0.3)
    monkeypatch.setattr("yunhe.app.Platform.answering", lambda self: Gateway(self.storage, limits))
    with serving(tmp_path / "home") as running, Caller(running.url) as slow:
        with opened(tmp_path / "home") as platform:
            key = new_key(platform, role="caller")
        head = f"Authorization: Bearer {key}\r\nContent-Length: 1000\r\n"
        slow.ask("/v1/routes/r/answers", method="POST", headers=head, body="{")
        heard = slow.until_closed()
    assert status_of(heard) == 408
    assert body_of(heard)["code"] == "models.body_too_slow"


def test_an_answer_nobody_reads_is_cut_off(tmp_path):
    with serving(tmp_path / "home", bounds=QUICK) as running:
        stuck = Caller(running.url)
        stuck.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        request = f"GET /metrics HTTP/1.1\r\nHost: {stuck.host}\r\n\r\n" * 31

        def flood() -> None:
            try:
                while True:
                    stuck.send(request)
            except OSError:
                pass

        sender = threading.Thread(target=flood, daemon=True)
        sender.start()
        sender.join(timeout=20.0)  # ends only when the server cuts the connection
        assert not sender.is_alive()
        stuck.socket.close()
        with Caller(running.url) as quick:
            quick.ask("/healthz", headers="Connection: close\r\n")
            assert status_of(quick.until_closed()) == 200


def test_too_many_requests_ahead_of_their_answers_end_the_connection(running):
    with Caller(running.url) as hasty:
        hasty.send(f"GET /metrics HTTP/1.1\r\nHost: {hasty.host}\r\n\r\n" * 500)
        heard = hasty.until_closed()
    assert heard.count(b"HTTP/1.1 200") <= 33


def test_what_is_no_http_is_refused_in_the_one_shape(running):
    with Caller(running.url) as stranger:
        stranger.send("\x16\x03\x01\x02 hello\r\n\r\n")
        heard = stranger.until_closed()
    assert status_of(heard) == 400
    assert body_of(heard)["code"] == "api.not_http"


def test_more_connections_than_there_may_be_are_told_to_come_back(tmp_path):
    with serving(tmp_path / "home", bounds=Bounds(connections_max=8)) as running:
        held = [Caller(running.url) for _ in range(8)]
        for each in held:
            each.ask("/healthz")
            assert status_of(each.head()) == 200
        with Caller(running.url) as late:
            late.ask("/healthz")
            heard = late.until_closed()
        for each in held:
            each.socket.close()
        assert status_of(heard) == 503
        assert b"retry-after: 1" in heard
        assert json.loads(heard.partition(b"\r\n\r\n")[2])["code"] == "api.too_many_connections"

        def welcome() -> bool:
            with Caller(running.url) as again:
                again.ask("/healthz", headers="Connection: close\r\n")
                return status_of(again.until_closed()) == 200

        eventually(welcome)
