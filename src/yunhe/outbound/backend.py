"""Connections to checked addresses only, each with one time limit for everything it does."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable

import httpcore

from yunhe.outbound.guard import RESOLVE_SECONDS_MAX, Guard

ADDRESSES_TRIED_MAX = 4
"""Addresses of one name that are tried in turn."""
_WRITE_BYTES = 16_384


class Deadline:
    """A moment by which a whole request is over, however slowly its parts arrive."""

    def __init__(self, seconds: float) -> None:
        """Starts now."""
        self._ends = time.monotonic() + seconds

    def left(self, wanted: float | None = None) -> float:
        """Seconds that remain, at most ``wanted``.

        Errors: ``httpcore.ReadTimeout`` when none do.
        """
        left = self._ends - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("deadline")
        return left if wanted is None else min(left, wanted)


class PinnedBackend(httpcore.NetworkBackend):
    """Resolves a name once, has the guard decide, and connects to exactly what it decided on."""

    def __init__(self, guard: Guard, deadline: Deadline) -> None:
        """One for each request."""
        self._guard = guard
        self._deadline = deadline
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first of the host's addresses that answers."""
        seconds = self._deadline.left(RESOLVE_SECONDS_MAX)
        addresses = self._guard.resolve(host, port, seconds=seconds)
        failed: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        for address in addresses[:ADDRESSES_TRIED_MAX]:
            try:
                stream = self._inner.connect_tcp(
                    address,
                    port,
                    timeout=self._deadline.left(timeout),
                    local_address=local_address,
                    socket_options=socket_options,
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
            else:
                return _TimedStream(stream, self._deadline)
        assert failed is not None  # noqa: S101 - the guard returns at least one address
        raise failed


class _TimedStream(httpcore.NetworkStream):
    """A stream whose every wait ends with the request's deadline: a slow drip gains nothing."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, timeout=self._deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # In pieces, as the wait starts anew with each part that the other side takes.
        for start in range(0, len(buffer), _WRITE_BYTES):
            piece = buffer[start : start + _WRITE_BYTES]
            self._inner.write(piece, timeout=self._deadline.left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        inner = self._inner.start_tls(
            ssl_context, server_hostname=server_hostname, timeout=self._deadline.left(timeout)
        )
        return _TimedStream(inner, self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._inner.get_extra_info(info)
