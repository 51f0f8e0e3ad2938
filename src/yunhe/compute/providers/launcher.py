"""Starts one process, watches it until nothing of it is left, and measures what it used.

No thread and no code between fork and exec: what is started (`bootstrap`) limits itself, and ends
with everything below it when a pipe from here closes, so a launcher killed at any point leaves no
orphan.
"""

from __future__ import annotations

import os
import resource
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Literal

from yunhe.compute.passes.domain import GRACE_SECONDS
from yunhe.compute.providers import bootstrap
from yunhe.compute.providers.seam import LOG_BYTES_MAX, Live, Metered, Silence
from yunhe.compute.providers.talk import Talk
from yunhe.kernel.canonical import Json, canonical_bytes
from yunhe.kernel.errors import Unavailable
from yunhe.kernel.masking import Mask

START_SECONDS = 30
"""How long a process may take until its program runs."""
LINE_BYTES_MAX = 4_096
"""A longer line is never taken for progress."""
_TICK_SECONDS = 0.05
_LAST_TICK_SECONDS = 0.005  # once both streams are closed the end is near
_ASK_SECONDS = 0.25  # between two looks at the caller's wish and at the outputs' size
_ASK_TO_END_SECONDS = 1
_KILL_SECONDS = 10
_CHUNK_BYTES = 65_536
_PROGRESS = b"{"  # what a line of progress begins with
_OWN = len(bootstrap.READY) + len(bootstrap.STARTED)

Cause = Literal["wall", "stopped", "outputs"]
"""Why a process was ended from outside; also ``stopped``: it ended after it was asked to save."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to start and what bounds it from outside."""

    line: Sequence[str]
    """The command line; ends in the bootstrap."""
    environment: Mapping[str, str]
    """All of it: nothing is inherited."""
    folder: Path
    """Working folder of the process."""
    order: Mapping[str, Json] = field(repr=False)
    """What the bootstrap is told, through a pipe: the one way for what nobody else may see."""
    wall_seconds_max: int
    """Killed after so long."""
    outputs: Path
    """Folder whose size is watched."""
    outputs_bytes_max: int
    """Killed when that folder is larger."""
    output_files_max: int
    """Killed when that folder has more files, or folders in it."""
    mask: Mask = field(default_factory=Mask)
    """What must not show in what is kept of the output."""
    attended: bool = False
    """Whether commands may be run inside; its order then gets ``live``, the line's handle."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How the program ended and what it used."""

    status: int
    """Exit status, or `bootstrap.SIGNAL_BASE` plus the signal that ended it."""
    cause: Cause | None
    """Why it was killed, if it was by us."""
    metered: Metered
    """What it used."""
    stdout_tail: bytes
    """At most `LOG_BYTES_MAX` from the end."""
    stderr_tail: bytes
    """At most `LOG_BYTES_MAX` from the end."""


def launch(
    command: Command,
    *,
    on_line: Callable[[bytes], None],
    stopped: Callable[[], bool],
    live: Live | None = None,
    saves: Callable[[], bool] = lambda: False,
) -> Ended:
    """Run the command to its end; ``on_line`` gets short whole lines of its output.

    All that may be progress, that is: lines without a brace may be passed over.

    ``live`` hears all of it as it comes, masked. Once ``saves`` says so it is sent SIGTERM; however
    it ends then, or is ended `GRACE_SECONDS` later, it was stopped.

    Whatever happens here, also an exception from a callback, ends the process and all of its group.

    Errors: `Unavailable` ``compute.launch_failed`` when the program never began.
    """
    talk = Talk(live or Silence(), open_line=command.attended)
    try:
        process = subprocess.Popen(
            list(command.line),
            pass_fds=talk.passed,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=command.folder,
            env=dict(command.environment),
            start_new_session=True,
            bufsize=0,
        )
    except OSError as error:
        talk.close()
        raise Unavailable("compute.launch_failed", reason=str(error), retryable=True) from error
    watch = _Watch(process, command, on_line, talk)
    try:
        return watch.until_end(stopped, saves)
    finally:
        watch.close()


class _Stream:
    """The end of one output stream, and its lines as they come."""

    def __init__(
        self,
        on_line: Callable[[bytes], None] | None,
        mask: Mask | None = None,
        *,
        heard: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        self.tail = bytearray()
        self._masked = (
            mask or Mask()
        ).stream()  # before anything is cut: half a secret would not be found
        self._on_line = on_line
        self._heard = heard
        self._own = _OWN if on_line else 0
        self._line = bytearray()
        self.only = b""
        """Once set, lines that hold none of this may be passed over."""

    def take(self, data: bytes) -> None:
        self._keep(self._masked.take(data))
        if self._on_line is None:
            return
        if self.only and self.only not in data and self.only not in self._line:
            whole_lines, _, rest = data.rpartition(b"\n")  # a gigabyte of lines takes no hours
            if whole_lines or rest != data:
                self._line.clear()
            self._extend(rest)
            return
        *whole, rest = data.split(b"\n")
        for part in whole:
            self._extend(part)
            if len(self._line) < LINE_BYTES_MAX:
                self._on_line(bytes(self._line))
            self._line.clear()
        self._extend(rest)

    def settle(self) -> None:
        """Give on what is held back for the mask's sake alone."""
        self._keep(self._masked.ready())

    def last(self) -> bytes:
        self._keep(self._masked.rest())
        said = bytes(self.tail).removeprefix(bootstrap.READY).removeprefix(bootstrap.STARTED)
        return said[-LOG_BYTES_MAX:]

    def _keep(self, masked: bytes) -> None:
        self.tail += masked
        if len(self.tail) > 2 * LOG_BYTES_MAX:
            del self.tail[:-LOG_BYTES_MAX]
        own = min(self._own, len(masked))  # what the bootstrap said comes first
        self._own -= own
        if len(masked) > own:
            self._heard(masked[own:])

    def _extend(self, part: bytes) -> None:
        self._line += part[: LINE_BYTES_MAX - len(self._line)]


class _Watch:
    """One process from start to reaping."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        command: Command,
        on_line: Callable[[bytes], None],
        talk: Talk,
    ) -> None:
        self._process = process
        self._talk = talk
        self._command = command
        self._on_line = on_line
        self._streams = {
            "out": _Stream(self._line, command.mask, heard=partial(talk.heard, "stdout")),
            "err": _Stream(None, command.mask, heard=partial(talk.heard, "stderr")),
        }
        self._selector = selectors.DefaultSelector()
        for name, pipe in (("out", process.stdout), ("err", process.stderr)):
            assert pipe is not None  # noqa: S101 - Popen was asked for pipes
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe, selectors.EVENT_READ, name)
        self._launched_at = time.monotonic()
        self._started_at: float | None = None
        self._asked_at = 0.0
        self._saving_since: float | None = None
        self._cause: Cause | None = None
        self._usage: tuple[int, resource.struct_rusage] | None = None

    def until_end(self, stopped: Callable[[], bool], saves: Callable[[], bool]) -> Ended:
        """Watch, and kill when it is time to."""
        while True:
            self._read(_TICK_SECONDS if self._selector.get_map() else _LAST_TICK_SECONDS)
            if self._reap():
                break
            self._talk.turn()
            self._cause = self._reason_to_kill(lambda: stopped() or self._saved(saves))
            if self._cause is not None:
                self._kill()
                break
        ended_at = time.monotonic()
        self._read(0)
        self._talk.turn()
        if self._started_at is None:
            raise self._never_began()
        status, usage = self._result()
        return Ended(
            status=status,
            cause=self._cause or ("stopped" if self._saving_since is not None else None),
            metered=_metered(ended_at - self._started_at, usage),
            stdout_tail=self._streams["out"].last(),
            stderr_tail=self._streams["err"].last(),
        )

    def close(self) -> None:
        """End what is left and let go of the pipes."""
        if self._usage is None:
            self._kill()
        self._selector.close()
        self._talk.close()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                _close(pipe)

    def _line(self, line: bytes) -> None:
        if self._started_at is not None:
            self._on_line(line)
        elif line + b"\n" == bootstrap.READY:
            self._give_order()
        elif line + b"\n" == bootstrap.STARTED:
            self._started_at = time.monotonic()
            self._streams["out"].only = _PROGRESS
            self._talk.begun(self._process.pid)

    def _give_order(self) -> None:
        assert self._process.stdin is not None  # noqa: S101 - Popen was asked for a pipe
        try:
            # The pipe stays open: its closing, also by this process's death, ends the job.
            order = {**self._command.order, **self._talk.order()}
            line = memoryview(canonical_bytes(order) + b"\n")
            while line:  # a signal may end a write half-way
                line = line[self._process.stdin.write(line) or 0 :]
        except BrokenPipeError:
            return  # it ended already; how, is seen when it is reaped

    def _read(self, timeout: float) -> None:
        """Take what the streams hold; after the end this empties them without waiting for more."""
        if not self._selector.get_map():
            time.sleep(timeout)
            return
        while events := self._selector.select(timeout):
            for key, _ in events:
                data = os.read(key.fd, _CHUNK_BYTES)
                if not data:
                    self._selector.unregister(key.fileobj)
                self._streams[key.data].take(data)
            if not self._selector.get_map() or timeout:
                return

    def _reason_to_kill(self, stopped: Callable[[], bool]) -> Cause | None:
        now = time.monotonic()
        if self._started_at is None:
            return "wall" if now - self._launched_at > START_SECONDS else None
        if now - self._started_at >= self._command.wall_seconds_max:
            return "wall"
        if now - self._asked_at < _ASK_SECONDS:
            return None
        self._asked_at = now
        for stream in self._streams.values():
            stream.settle()
        self._talk.sample()
        if stopped():
            return "stopped"
        return "outputs" if self._too_much_output() else None

    def _saved(self, saves: Callable[[], bool]) -> bool:
        """Ask it to save once it should; whether its time for that is over."""
        if self._saving_since is None:
            if saves():
                self._saving_since = time.monotonic()
                assert self._process.stdin is not None  # noqa: S101 - Popen was asked for a pipe
                with suppress(BrokenPipeError):
                    self._process.stdin.write(bootstrap.SAVE)
            return False
        return time.monotonic() - self._saving_since >= GRACE_SECONDS

    def _too_much_output(self) -> bool:
        """Whether the outputs exceed a bound; a folder among them does, as it could hide files."""
        size = count = 0
        try:
            with os.scandir(self._command.outputs) as entries:
                for entry in entries:
                    count += 1
                    folder = entry.is_dir(follow_symlinks=False)
                    if folder or count > self._command.output_files_max:
                        return True
                    size += entry.stat(follow_symlinks=False).st_size
        except FileNotFoundError:
            return False  # a file was removed while we looked: look again next time
        except PermissionError:
            return True  # the job closed its outputs to us
        return size > self._command.outputs_bytes_max

    def _reap(self) -> bool:
        """Collect the process if it has ended; what is left of its group ends first."""
        if hasattr(os, "waitid"):
            options = os.WEXITED | os.WNOHANG | os.WNOWAIT
            if os.waitid(os.P_PID, self._process.pid, options) is None:
                return False
            # Before reaping, while the number still belongs to this group and to nobody else.
            _signal_group(self._process.pid)
        pid, status, usage = os.wait4(self._process.pid, os.WNOHANG)
        if pid == 0:
            return False
        code = os.waitstatus_to_exitcode(status)
        self._process.returncode = code  # Popen must not wait for a number that may be reused
        self._usage = (code, usage)
        return True

    def _kill(self) -> None:
        """Let the supervisor end everything, so that all use is counted; insist if need be."""
        assert self._process.stdin is not None  # noqa: S101 - Popen was asked for a pipe
        _close(self._process.stdin)
        asked_at = time.monotonic()
        while not self._reap():
            patience = time.monotonic() - asked_at
            if patience > _ASK_TO_END_SECONDS:
                _signal_group(self._process.pid)
            if patience > _KILL_SECONDS:
                raise Unavailable("compute.kill_failed", pid=self._process.pid)
            self._read(_LAST_TICK_SECONDS)

    def _result(self) -> tuple[int, resource.struct_rusage]:
        assert self._usage is not None  # noqa: S101 - until_end reaps before it asks
        return self._usage

    def _never_began(self) -> Unavailable:
        said = self._streams["err"].last().decode(errors="replace").strip().splitlines()
        reason = said[-1][:200] if said else f"exit status {self._process.returncode}"
        return Unavailable("compute.launch_failed", reason=reason, retryable=True)


def _signal_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return  # nothing left of it; macOS says so with the other error


def _close(pipe: IO[bytes]) -> None:
    try:
        pipe.close()
    except BrokenPipeError:
        return


def _metered(wall_seconds: float, usage: resource.struct_rusage) -> Metered:
    unit = 1 if sys.platform == "darwin" else 1_024  # Source: getrusage(2) of each
    return Metered(
        wall_ms=max(int(-(-wall_seconds * 1_000 // 1)), 1),
        cpu_user_ms=round(usage.ru_utime * 1_000),
        cpu_system_ms=round(usage.ru_stime * 1_000),
        memory_bytes_peak=usage.ru_maxrss * unit,
    )
