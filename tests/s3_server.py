"""A mock of S3 (moto) as a server on loopback, and a wire in front of it that can be cut.

A mock proves which calls are made and what is made of the answers, never that bytes last.
"""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.request import ProxyHandler, Request, build_opener

import obstore
from moto.server import ThreadedMotoServer

from yunhe.storage.s3 import S3Blobs
from yunhe.storage.s3_uploads import Credentials

BUCKET = "yunhe-test"
KEYS = Credentials("test-key", "test-secret")
_direct = build_opener(ProxyHandler({}))


@dataclass
class Mock:
    """The server and one bucket on it."""

    address: str

    def call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """A request of ours, past every client."""
        request = Request(f"{self.address}/{path}", body, method=method)
        with _direct.open(request, timeout=30) as answer:
            return bytes(answer.read())

    def write(self, bucket: str, key: str, data: bytes) -> None:
        """Put an object there, whatever its key says of it."""
        obstore.put(self.blobs(bucket, prefix="")._store, key, data)

    def bucket(self, name: str = BUCKET) -> str:
        """A new, empty bucket."""
        self.call("PUT", name)
        return name

    def keys(self, bucket: str = BUCKET) -> list[str]:
        """What lies in it."""
        said = self.call("GET", f"{bucket}?list-type=2").decode()
        return [part.partition("</Key>")[0] for part in said.split("<Key>")[1:]]

    def uploads(self, bucket: str = BUCKET) -> int:
        """Unfinished uploads in it."""
        return self.call("GET", f"{bucket}?uploads").decode().count("<Upload>")

    def blobs(
        self,
        bucket: str = BUCKET,
        *,
        prefix: str = "a/b",
        address: str = "",
        patience_seconds: float = 60,
    ) -> S3Blobs:
        """Blobs in it; who cuts the wire has less patience, whom a busy machine delays has this."""
        return S3Blobs(
            bucket,
            prefix=prefix,
            endpoint=address or self.address,
            region="us-east-1",
            credentials=KEYS,
            patience_seconds=patience_seconds,
        )


@contextmanager
def mock_of_s3() -> Iterator[Mock]:
    """A moto server in a thread of its own, on a free port."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        mock = Mock(f"http://{host}:{port}")
        mock.call("POST", "moto-api/reset")  # what earlier servers of this process were given
        yield mock
    finally:
        server.stop()


class Wire(socketserver.ThreadingTCPServer):
    """Passes bytes on to the server until it is cut; then nobody gets through."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, target: str) -> None:
        host, _, port = target.removeprefix("http://").partition(":")
        self.target = (host, int(port))
        self.whole = threading.Event()
        self.whole.set()
        self.passed_bytes = 0
        self.cut_after_bytes: int | None = None
        self.refused = 0
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Passing)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        """Where clients are sent instead of to the server."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def cut(self) -> None:
        """Break every connection; new ones are closed at once."""
        self.whole.clear()
        for each in list(self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Let everything through again."""
        self.cut_after_bytes = None
        self.whole.set()

    def joined(self, *ends: socket.socket) -> None:
        """Remember connections, to break them."""
        self._open.update(ends)

    def carried(self, count: int) -> None:
        """Count what clients sent; cut when there was enough."""
        self.passed_bytes += count
        if self.cut_after_bytes is not None and self.passed_bytes >= self.cut_after_bytes:
            self.cut()


class _Passing(socketserver.BaseRequestHandler):
    server: Wire

    def handle(self) -> None:
        if not self.server.whole.is_set():
            self.server.refused += 1
            return
        with socket.create_connection(self.server.target) as far:
            self.server.joined(self.request, far)
            back = threading.Thread(target=_pump, args=(far, self.request), daemon=True)
            back.start()
            _pump(self.request, far, self.server.carried)
            back.join()


def _pump(source: socket.socket, target: socket.socket, carried=lambda count: None) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
            carried(len(data))
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
