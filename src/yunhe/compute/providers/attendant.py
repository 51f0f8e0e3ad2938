"""Runs commands inside a job for people outside: under its limits, in its view of the machine.

Started in the job by what supervises it (`bootstrap`, `station`), only once somebody asks. It opens
no port: asks and answers are lines of JSON through a socket that the launcher holds, or through
files in the job's folder where the platform sees no more of the job than that. Every command's
output waits until it was taken outside, so nothing is lost and nothing grows. Standard library
only, any Python from 3.8 on.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import signal
import socket
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

WINDOW_BYTES = 512 << 10
"""Output of one command that may be on its way; it is read no further until some was taken."""
PORTION_BYTES = 32 << 10
"""Output in one line."""
SAMPLE_SECONDS = 5.0
"""Between two looks at the processor time of a job's processes."""
RUNS_MAX = 16
"""Commands at once."""
ANSWERS_MAX = 64
"""Files of answers that wait to be taken; until then nothing is read."""
STATUS_NOT_FOUND = 127
"""Of a command that can't be started, as shells say it."""
_TICK_SECONDS = 0.02
_IDLE_SECONDS = 0.25
_LINGER_SECONDS = 0.3  # a child of an ended command may hold its output open

Line = dict[str, Any]
"""One ask or answer."""


class Way(Protocol):
    """How lines come and go."""

    def wait(self, others: list[int], seconds: float) -> list[int]:
        """Those of ``others`` that can be read; returns early when an ask has come."""
        ...

    def asks(self) -> list[Line]:
        """What was asked since; raises ``EOFError`` when nobody will ask again."""
        ...

    def tell(self, line: Line) -> None:
        """Hand an answer out."""
        ...

    def room(self) -> bool:
        """Whether answers are being taken."""
        ...


class Wire:
    """Lines through a socket."""

    def __init__(self, handle: int) -> None:
        """``handle``: this side's end."""
        self._socket = socket.socket(fileno=handle)
        self._rest = b""

    def wait(self, others: list[int], seconds: float) -> list[int]:
        """As `Way.wait`."""
        ready, _, _ = select.select([self._socket.fileno(), *others], [], [], seconds)
        return [one for one in ready if one != self._socket.fileno()]

    def asks(self) -> list[Line]:
        """As `Way.asks`."""
        try:
            data = self._socket.recv(1 << 20, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return []
        if not data:
            raise EOFError
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def tell(self, line: Line) -> None:
        """As `Way.tell`."""
        self._socket.sendall(json.dumps(line).encode() + b"\n")

    def room(self) -> bool:
        """The launcher always takes them."""
        return True


class Files:
    """Lines through whole files of a folder, named so that their order is that of their names."""

    def __init__(self, folder: Path) -> None:
        """``folder`` holds ``asks`` and ``answers``."""
        self._asks, self._answers = folder / "asks", folder / "answers"
        self._count = 0

    def wait(self, others: list[int], seconds: float) -> list[int]:
        """As `Way.wait`; nobody can wake it."""
        ready, _, _ = select.select(others, [], [], seconds)
        return list(ready)

    def asks(self) -> list[Line]:
        """As `Way.asks`."""
        found = []
        for name in sorted(os.listdir(str(self._asks))):  # noqa: PTH208 - names are enough
            if name.endswith(".half"):
                continue
            path = self._asks / name
            with suppress(ValueError):
                found += [json.loads(line) for line in path.read_bytes().splitlines()]
            path.unlink()
        return found

    def tell(self, line: Line) -> None:
        """As `Way.tell`."""
        self._count += 1
        half = self._answers / (name_of(self._count) + ".half")
        half.write_bytes(json.dumps(line).encode() + b"\n")
        half.rename(half.with_suffix(""))

    def room(self) -> bool:
        """As `Way.room`."""
        return len(os.listdir(str(self._answers))) < ANSWERS_MAX  # noqa: PTH208


def name_of(count: int) -> str:
    """Of a file behind all that were put there before."""
    return f"{time.time_ns():020d}-{count:08d}"


class Run:
    """One command."""

    def __init__(
        self, ask: Line, environment: dict[str, str], folder: str, limit: Callable[[], None]
    ) -> None:
        """Started as the ask says. Errors: ``OSError`` when there is no such program."""
        self.name = str(ask["exec"])
        self.tty = bool(ask.get("tty"))
        self.sent = self.taken = self.seen = 0
        self.input: list[Line] = []
        self.out: dict[int, str] = {}
        self.ended_at = 0.0
        self._unwritten = b""
        self._open(ask, environment, folder, limit)

    def _open(
        self, ask: Line, environment: dict[str, str], folder: str, limit: Callable[[], None]
    ) -> None:
        command = [str(word) for word in ask["command"]]
        if self.tty:
            master, slave = os.openpty()
            self.input_to: int | None = master
            size(master, ask)
            environment = dict(environment, TERM=str(ask.get("term") or "xterm-256color"))
            ends: tuple[int, int, int] = (slave, slave, slave)
        else:
            slave = -1
            ends = (subprocess.PIPE, subprocess.PIPE, subprocess.PIPE)

        def begin() -> None:
            if slave >= 0:
                fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            limit()

        try:
            self.process = subprocess.Popen(
                command,
                stdin=ends[0],
                stdout=ends[1],
                stderr=ends[2],
                env=environment,
                cwd=folder,
                start_new_session=True,
                preexec_fn=begin,  # noqa: PLW1509 - one thread
                bufsize=0,
            )
        except BaseException:
            if slave >= 0:
                os.close(master)
            raise
        finally:
            if slave >= 0:
                os.close(slave)
        if self.tty:
            self.out = {master: "out"}
        else:
            pipes = (self.process.stdin, self.process.stdout, self.process.stderr)
            to, out, err = (pipe.fileno() for pipe in pipes if pipe is not None)
            self.input_to, self.out = to, {out: "out", err: "err"}
        for handle in {self.input_to, *self.out} - {None}:
            os.set_blocking(int(handle or 0), False)

    def readable(self) -> list[int]:
        """What may be read of it now."""
        return list(self.out) if self.sent - self.taken < WINDOW_BYTES else []

    def read(self, handle: int) -> bytes | None:
        """Some of its output; None at the end of that stream."""
        try:
            data = os.read(handle, PORTION_BYTES)
        except BlockingIOError:
            return b""
        except OSError:  # a terminal whose last program is gone
            data = b""
        if not data:
            del self.out[handle]
            return None
        self.sent += len(data)
        return data

    def write(self) -> int:
        """Give it what it takes of its input; the number of the last piece it has wholly."""
        done = 0
        while self.input:
            piece = self.input[0]
            if "rows" in piece and self.tty and self.input_to is not None:
                size(self.input_to, piece)
            if not self._unwritten and "data" in piece:
                self._unwritten = base64.b64decode(piece.pop("data"))
            if piece.get("eof") and self.tty:
                piece.pop("eof")
                self._unwritten += b"\x04"
            if self._unwritten and not self._pushed():
                break
            if piece.get("eof"):
                self.shut()
            done = int(piece["seq"])
            self.input.pop(0)
        return done

    def _pushed(self) -> bool:
        """Whether all that was begun is written, or nobody reads it any more."""
        try:
            while self._unwritten and self.input_to is not None:
                self._unwritten = self._unwritten[os.write(self.input_to, self._unwritten) :]
        except BlockingIOError:
            return False
        except OSError:
            pass
        self._unwritten = b""
        return True

    def shut(self) -> None:
        """It gets no more input."""
        if self.input_to is not None and not self.tty:
            with suppress(OSError):
                self.process.stdin.close()  # type: ignore[union-attr]
            self.input_to = None

    def over(self, now: float) -> bool:
        """Whether it has ended and nothing more is to be read of it."""
        if self.process.poll() is None:
            return False
        self.ended_at = self.ended_at or now
        return not self.out or (
            self.sent - self.taken < WINDOW_BYTES and now - self.ended_at > _LINGER_SECONDS
        )

    def end(self) -> None:
        """End it and what it started in its session."""
        for number in (signal.SIGHUP, signal.SIGKILL) if self.tty else (signal.SIGKILL,):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)

    def close(self) -> None:
        """Let go of it."""
        for handle in self.out if self.tty else ():
            with suppress(OSError):
                os.close(handle)
        if self.tty and not self.out and self.input_to is not None:
            with suppress(OSError):
                os.close(self.input_to)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


def size(handle: int, said: Line) -> None:
    """Tell a terminal how large it is."""
    rows, columns = int(said.get("rows") or 24), int(said.get("cols") or 80)
    with suppress(OSError, struct.error):
        fcntl.ioctl(handle, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class Attendant:
    """Does what is asked until nobody asks any more."""

    def __init__(
        self,
        way: Way,
        *,
        folder: str,
        limit: Callable[[], None],
        close: Callable[[], None],
        sample: Callable[[], None] | None = None,
    ) -> None:
        """``limit`` lowers a command's limits; ``close`` asks the job's own program to end.

        ``sample`` is called every `SAMPLE_SECONDS`.
        """
        self._way, self._folder, self._limit, self._close = way, folder, limit, close
        self._runs: dict[str, Run] = {}
        self._known: set[str] = set()
        self._sample, self._sampled_at = sample, 0.0

    def serve(self) -> None:
        """Returns when the other side is gone."""
        try:
            with suppress(EOFError, OSError):
                while True:
                    self.turn(_TICK_SECONDS if self._runs else _IDLE_SECONDS)
        finally:
            for run in self._runs.values():
                run.end()

    def turn(self, seconds: float) -> None:
        """One look at everything."""
        now = time.monotonic()
        if self._sample is not None and now - self._sampled_at >= SAMPLE_SECONDS:
            self._sampled_at = now
            self._sample()
        handles: dict[int, Run] = {}
        if self._way.room():
            handles = {one: run for run in self._runs.values() for one in run.readable()}
        ready = self._way.wait(list(handles), seconds)
        for ask in self._way.asks():
            self._take(ask)
        for handle in ready:
            run = handles[handle]
            stream = run.out.get(handle)
            data = run.read(handle) if stream is not None else None
            if data:
                coded = base64.b64encode(data).decode()
                self._say(run, at=run.sent - len(data), stream=stream, data=coded)
        for run in list(self._runs.values()):
            done = run.write()
            if done:
                self._say(run, took=done)
            if run.over(time.monotonic()):
                status = run.process.returncode
                run.close()
                del self._runs[run.name]
                self._say(run, at=run.sent, status=status if status >= 0 else 128 - status)

    def _take(self, ask: Line) -> None:
        name, do = str(ask.get("exec", "")), ask.get("do")
        run = self._runs.get(name)
        if do == "close":
            self._close()
        elif do == "start" and name not in self._known:
            self._known.add(name)
            self._start(ask)
        elif run is None:
            return
        elif do == "input" and int(ask["seq"]) > run.seen:  # else it came twice
            run.seen = int(ask["seq"])
            run.input.append(ask)
        elif do == "taken":
            run.taken = max(run.taken, int(ask["at"]))
        elif do == "end":
            run.end()

    def _start(self, ask: Line) -> None:
        name = str(ask["exec"])
        if len(self._runs) >= RUNS_MAX:
            self._way.tell({"exec": name, "refused": "compute.exec_too_many"})
            return
        try:
            run = Run(ask, dict(os.environ), self._folder, self._limit)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            said = str(getattr(error, "strerror", "") or error)
            data = f"{ask['command'][0]}: {said}\n".encode("utf-8", "replace")
            first = {"at": 0, "stream": "err", "data": base64.b64encode(data).decode()}
            self._way.tell({"exec": name, **first})
            self._way.tell({"exec": name, "at": len(data), "status": STATUS_NOT_FOUND})
            return
        self._runs[name] = run
        self._say(run, started=True)

    def _say(self, run: Run, **what: Any) -> None:  # noqa: ANN401 (whatever JSON holds)
        self._way.tell({"exec": run.name, **what})
