"""This terminal and a command elsewhere: what is typed goes there, what it says comes here."""

from __future__ import annotations

import codecs
import os
import re
import select
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click

from yunhe.cli.live_desks import Desk, Said
from yunhe.kernel.errors import YunheError

if TYPE_CHECKING:
    from types import FrameType

PIECE_BYTES = 32 << 10
"""Most that is sent at once."""
_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Shown:
    """Writes bytes to this process's two streams, so that no terminal is steered unasked."""

    def __init__(self, *, raw: bool) -> None:
        """``raw``: as they come, whatever they do to a terminal."""
        self._raw = raw
        decoder = codecs.getincrementaldecoder("utf-8")
        self._decoders = {name: decoder("replace") for name in ("stdout", "stderr")}

    def show(self, said: Said) -> None:
        """Print some; what goes to a file or a program goes as it is."""
        stream = sys.stderr if said.name == "stderr" else sys.stdout
        if self._raw or not stream.isatty():
            stream.flush()
            stream.buffer.write(said.data)
            stream.buffer.flush()
            return
        text = self._decoders[said.name].decode(said.data)
        click.echo(_STEERING.sub(" ", text), nl=False, err=said.name == "stderr")


class Typing:
    """Sends standard input to a command, in a thread of its own, until told to stop."""

    def __init__(self, desk: Desk, exec_id: str, *, tty: bool, seq: int = 0) -> None:
        """``seq``: number of the last piece that was sent before."""
        self._desk, self._exec, self._tty, self._seq = desk, exec_id, tty, seq
        self._wake_read, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._run, name="yunhe-typing", daemon=True)
        self._resized = False

    @contextmanager
    def going(self) -> Iterator[None]:
        """Type while the block runs; the terminal is as it was afterwards."""
        with _raw(on=self._tty), self._following_size():
            self._thread.start()
            try:
                yield
            finally:
                self._poke(b"x")
                self._thread.join(1.0)

    def _run(self) -> None:
        with suppress(YunheError, OSError):
            source = sys.stdin.fileno()
            while True:
                ready, _, _ = select.select([source, self._wake_read], [], [])
                if self._wake_read in ready and b"x" in os.read(self._wake_read, 100):
                    return
                if self._resized:
                    self._resized = False
                    columns, rows = shutil.get_terminal_size()
                    self._send(b"", rows=min(rows, 1_000), columns=min(columns, 1_000))
                if source in ready:
                    data = os.read(source, PIECE_BYTES)
                    if not data:
                        self._send(b"", eof=1)
                        return
                    self._send(data)

    def _send(self, data: bytes, **over: int) -> None:
        self._seq += 1
        self._desk.type_in(self._exec, self._seq, data, **over)

    @contextmanager
    def _following_size(self) -> Iterator[None]:
        if not self._tty:
            yield
            return

        def resized(_: int, __: FrameType | None) -> None:
            self._resized = True
            self._poke(b"r")

        before = signal.signal(signal.SIGWINCH, resized)
        try:
            yield
        finally:
            signal.signal(signal.SIGWINCH, before)

    def _poke(self, word: bytes) -> None:
        with suppress(OSError):
            os.write(self._wake, word)


@contextmanager
def _raw(*, on: bool) -> Iterator[None]:
    """Every key goes to the command, Ctrl-C too."""
    if not on:
        yield
        return
    import termios  # noqa: PLC0415
    import tty  # noqa: PLC0415

    handle = sys.stdin.fileno()
    before = termios.tcgetattr(handle)
    tty.setraw(handle)
    try:
        yield
    finally:
        termios.tcsetattr(handle, termios.TCSADRAIN, before)
