"""A server on loopback that answers exactly as a test tells it, byte by byte."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Answer = bytes | Callable[[socket.socket, bytes], None]
"""Bytes to send before the connection is closed, or what to do with the connection."""


class Crooked:
    """Takes one connection at a time; each request gets the next answer, the last one for ever."""

    def __init__(self, *answers: Answer, tls: ssl.SSLContext | None = None) -> None:
        self.answers = list(answers)
        self.heard: list[bytes] = []
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with suppress(OSError), connection:
                connection.settimeout(10)
                self._one(self._tls.wrap_socket(connection, server_side=True) if self._tls
                          else connection)  # fmt: skip

    def _one(self, connection: socket.socket) -> None:
        with connection:
            request = self._request(connection)
            if not request:
                return
            self.heard.append(request)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if callable(answer):
                answer(connection, request)
            else:
                connection.sendall(answer)

    @staticmethod
    def _request(connection: socket.socket) -> bytes:
        heard = b""
        while b"\r\n\r\n" not in heard:
            part = connection.recv(65_536)
            if not part:
                return heard
            heard += part
        head, _, body = heard.partition(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n")
             if line.startswith(b"content-length:")), 0,
        )  # fmt: skip
        while len(body) < length or (
            b"transfer-encoding: chunked" in head.lower() and not body.endswith(b"0\r\n\r\n")
        ):
            part = connection.recv(65_536)
            if not part:
                break
            body += part
        return head + b"\r\n\r\n" + body


@contextmanager
def crooked(*answers: Answer, tls: ssl.SSLContext | None = None) -> Iterator[Crooked]:
    server = Crooked(*answers, tls=tls)
    try:
        yield server
    finally:
        server.close()


def answer(status: int, body: bytes = b"{}", *, length: int | None = None, **headers: str) -> bytes:
    """A whole answer; with ``length`` the head promises that many bytes."""
    given = {"content-type": "application/json", **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in given.items()]
    said = len(body) if length is None else length
    head = [f"HTTP/1.1 {status} Said", *lines, f"content-length: {said}", "connection: close"]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def fault(status: int, code: str, *, retryable: bool = False, kind: str = "", **headers: str):
    kinds = {403: "not_allowed", 404: "not_found", 409: "conflict", 422: "invalid",
             429: "exhausted"}  # fmt: skip
    body = {
        "kind": kind or kinds.get(status, "unavailable"), "code": code, "message": f"said {code}",
        "do": "do this", "params": {"code": "p", "kind": "q"}, "findings": [],
        "retryable": retryable, "request_id": "req_1",
    }  # fmt: skip
    return answer(status, json.dumps(body).encode(), **headers)


def stream(text: str) -> bytes:
    """A stream that breaks off after ``text``."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    body = text.encode()
    return head + b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(body), body)


def headers_of(heard: bytes) -> dict[str, str]:
    lines = heard.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
