"""First code of a job's process: waits for its parent's word, starts the program, outlives nobody.

Runs as ``python -s -P bootstrap.py`` (what ``-I`` does, except that PYTHONHASHSEED counts; the
environment is the launcher's own, so there is nothing else to ignore). Standard library only.

It says ``ready``, receives one line of JSON on standard input, and forks. The child limits itself,
says ``started`` and becomes the program: what goes wrong before that word is the provider's fault,
everything after is the program's. The parent stays behind as supervisor, in a sandbox as its first
process: it collects whatever dies, so that all use is counted, and ends everything when the program
has ended or when standard input closes. Only the launcher holds the other end, so it closes when
the launcher wants it to and also when the launcher was killed; no signal has to arrive in time.
"""

import ctypes
import hashlib
import json
import os
import resource
import select
import signal
import sys
import types
from pathlib import Path

READY = b"yunhe:ready\n"
"""Said when an order can be taken."""
STARTED = b"yunhe:started\n"
"""Said in the moment before the program's first statement."""
EXIT_ORPHAN = 90
"""The launcher went away before it gave an order."""
EXIT_CODE_DIFFERS = 91
"""The program file is not the one that was looked at."""
EXIT_MEMORY = 92
"""The program ran out of its memory limit."""
SIGNAL_BASE = 128
"""A program ended by a signal is reported as this plus the signal's number, as shells do."""

# Source: prctl(2)
_SET_PARENT_DEATH_SIGNAL = 1
_SET_DUMPABLE = 4
_SET_CHILD_SUBREAPER = 36
_STRAGGLER_ROUNDS = 1_000


def main() -> None:
    """Take the order and carry it out; never returns."""
    os.write(1, READY)
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            os._exit(EXIT_ORPHAN)
        line += byte
    order = json.loads(line)
    wakeup = _prepare_to_supervise()
    supervisor = os.getpid()
    program = os.fork()
    if program:
        os._exit(_supervise(program, wakeup, sandboxed=order["sandboxed"]))
    _leave_supervision(supervisor)
    _limit(order["limits"])
    sys.path[:0] = order["folders"]
    _become(order)


def _prctl(option: int, value: int) -> None:
    """Ask the Linux kernel for something; other systems do without it."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _prepare_to_supervise() -> int:
    """Set up what must not be missed once there is a program; returns a pipe that tells signals."""
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    # A second way to hear of the launcher's death, in case a fork of it still holds the pipe.
    _prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
    # Processes that detach themselves become children of this one instead of getting away.
    _prctl(_SET_CHILD_SUBREAPER, 1)
    # The program runs as the same user and must not be able to trace its supervisor.
    _prctl(_SET_DUMPABLE, 0)
    return readable


def _leave_supervision(supervisor: int) -> None:
    """Undo in the child what belongs to the supervisor; die with it."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    _prctl(_SET_DUMPABLE, 1)
    _prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != supervisor:  # it died before the line above
        os._exit(EXIT_ORPHAN)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.closerange(3, nothing + 1)


def _supervise(program: int, wakeup: int, *, sandboxed: bool) -> int:
    """Wait for the program, or end it when told to; returns the exit status to report."""
    watched = [0, wakeup]
    while True:
        ready, _, _ = select.select(watched, [], [])
        signals = os.read(wakeup, 1_024) if wakeup in ready else b""
        if 0 in ready or signal.SIGTERM in signals:
            watched = [wakeup]
            os.kill(-1 if sandboxed else program, signal.SIGKILL)
        status = _collect(program)
        if status is not None:
            _end_stragglers(sandboxed=sandboxed)
            return status


def _collect(program: int) -> int | None:
    """Reap everything that is dead; the exit status to report once the program is among it."""
    reported = None
    while True:
        try:
            ended, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return reported
        if not ended:
            return reported
        if ended == program:
            code = os.waitstatus_to_exitcode(status)
            reported = code if code >= 0 else SIGNAL_BASE - code


def _end_stragglers(*, sandboxed: bool) -> None:
    """End and reap what the program left running, until nothing is left."""
    for _ in range(_STRAGGLER_ROUNDS):
        try:
            if sandboxed:
                os.kill(-1, signal.SIGKILL)
            else:
                for child in _children():
                    os.kill(child, signal.SIGKILL)
            os.wait()
        except ProcessLookupError:
            continue  # it ended by itself meanwhile
        except (ChildProcessError, FileNotFoundError):
            return  # nothing is left, or (the second) only what the launcher's group kill will find


def _children() -> list[int]:
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return [int(child) for child in listed.split()]


def _limit(limits: dict[str, int]) -> None:
    """Lower the limits for good: neither the program nor its children can raise them again."""
    _lower(resource.RLIMIT_CPU, limits["cpu_seconds"])
    _lower(resource.RLIMIT_FSIZE, limits["file_bytes"])
    _lower(resource.RLIMIT_NOFILE, limits["open_files"])
    _lower(resource.RLIMIT_CORE, 0)
    try:
        _lower(resource.RLIMIT_AS, limits["memory_bytes"])
    except (ValueError, OSError):
        if sys.platform != "darwin":  # macOS has no such limit; the provider declares the gap
            raise


def _lower(which: int, wanted: int) -> None:
    _, hard = resource.getrlimit(which)
    value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(which, (value, value))


def _become(order: dict[str, str]) -> None:
    """Run exactly the bytes whose digest was approved, as ``__main__``."""
    path, name = order["file"], order["module"]
    source = Path(path).read_bytes()
    if "sha256:" + hashlib.sha256(source).hexdigest() != order["digest"]:
        os._exit(EXIT_CODE_DIFFERS)
    program = types.ModuleType("__main__")
    program.__file__ = path
    program.__package__ = name.rpartition(".")[0]
    sys.modules["__main__"] = program
    sys.argv = [path, order["job"]]
    os.write(1, STARTED)
    try:
        exec(compile(source, path, "exec"), program.__dict__)  # noqa: S102 - running it is the task
    except MemoryError:
        os._exit(EXIT_MEMORY)


if __name__ == "__main__":
    main()
