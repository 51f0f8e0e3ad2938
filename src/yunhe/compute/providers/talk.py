"""The launcher's side of a running job's live line: hears it, asks its attendant, samples its use.

Never waits: what the attendant does not take yet is kept, and the attendant itself holds back what
was not taken from it, so memory here stays within a few lines.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Literal

from yunhe.compute.providers.attendant import SAMPLE_SECONDS
from yunhe.compute.providers.seam import Live
from yunhe.compute.providers.station import cpu_ms_below
from yunhe.kernel.canonical import Json

LINE_BYTES_MAX = 256 << 10
"""A job whose attendant says a longer line is not listened to any more."""
_READ_BYTES = 256 << 10
_UNTAKEN_BYTES_MAX = 4 << 20
_PORTIONS_MAX = 8  # read at one turn: a job that floods its line keeps nobody from ending it


class Talk:
    """With one running job."""

    def __init__(self, live: Live, *, open_line: bool) -> None:
        """``open_line``: whether the job is to have an attendant."""
        self._live = live
        self._here: socket.socket | None = None
        self._there: socket.socket | None = None
        if open_line:
            self._here, self._there = socket.socketpair()
            self._here.setblocking(False)
        self._unsent = bytearray()
        self._unread = bytearray()
        self._pid = 0
        self._sampled_at = 0.0

    @property
    def passed(self) -> tuple[int, ...]:
        """Handles that the job's process must be started with."""
        return () if self._there is None else (self._there.fileno(),)

    def order(self) -> dict[str, Json]:
        """What its bootstrap is told about the line; without one, nothing."""
        return {"live": self.passed[0]} if self.passed else {}

    def begun(self, pid: int) -> None:
        """The job's program runs, below that process."""
        self._pid = pid
        if self._there is not None:
            self._there.close()
            self._there = None
        self._live.attended("" if self._here is not None else "compute.exec_isolation")

    def heard(self, stream: Literal["stdout", "stderr"], data: bytes) -> None:
        """Something it printed."""
        self._live.printed(stream, data)

    def turn(self) -> None:
        """Send what is asked, hear what is answered; as much as goes without waiting."""
        if self._here is None or not self._pid:
            return
        for line in self._live.asks():
            self._unsent += json.dumps(line).encode() + b"\n"
        try:
            self._send()
            self._receive()
        except (OSError, ValueError):  # the job's own doing: nobody listens to it any more
            self._here.close()
            self._here = None
            self._live.attended("compute.exec_gone")

    def sample(self) -> None:
        """Look now and then how much processor time it has used."""
        now = time.monotonic()
        if self._pid and now - self._sampled_at >= SAMPLE_SECONDS:
            self._sampled_at = now
            self._live.used(cpu_ms_below(self._pid))

    def close(self) -> None:
        """Let go of the line."""
        for end in (self._here, self._there):
            if end is not None:
                end.close()
        self._here = self._there = None

    def _send(self) -> None:
        if len(self._unsent) > _UNTAKEN_BYTES_MAX:
            raise ValueError
        with suppress(BlockingIOError):
            while self._unsent and self._here is not None:
                del self._unsent[: self._here.send(self._unsent)]

    def _receive(self) -> None:
        with suppress(BlockingIOError):
            for _ in range(_PORTIONS_MAX):
                if self._here is None:
                    return
                data = self._here.recv(_READ_BYTES)
                if not data:
                    raise ValueError
                *lines, rest = (bytes(self._unread) + data).split(b"\n")
                self._unread = bytearray(rest)
                for line in lines:
                    self._live.told(understood(line))
                if len(self._unread) > LINE_BYTES_MAX:
                    raise ValueError


def understood(line: bytes) -> Mapping[str, Json]:
    """One line of a job's attendant. Errors: ``ValueError`` for anything that is no object."""
    try:
        said = json.loads(line)
    except RecursionError:
        raise ValueError from None
    if not isinstance(said, dict):
        raise ValueError
    return said
