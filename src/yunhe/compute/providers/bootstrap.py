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

import base64
import contextlib
import ctypes
import hashlib
import importlib.util
import json
import os
import resource
import select
import signal
import sys
import types
from pathlib import Path
from typing import Any

READY = b"yunhe:ready\n"
"""Said when an order can be taken."""
STARTED = b"yunhe:started\n"
"""Said in the moment before the program's first statement."""
SAVE = b"save\n"
"""Said to it when the program should save its work and end; the program gets SIGTERM."""
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
_ORDER_CHUNK_BYTES = 65_536
_FIRST = 3  # of the handles that are nobody's standard stream


def main() -> None:
    """Take the order and carry it out; never returns."""
    os.write(1, READY)
    line = bytearray()
    while not line.endswith(b"\n"):  # nothing follows the one line
        part = os.read(0, _ORDER_CHUNK_BYTES)
        if not part:
            os._exit(EXIT_ORPHAN)
        line += part
    order = json.loads(line)
    secrets = order.pop("secrets", {})
    wakeup = _prepare_to_supervise()
    supervisor = os.getpid()
    program = os.fork()
    if program:
        live = _Live(order, secrets, program)
        os._exit(_supervise(program, wakeup, sandboxed=order["sandboxed"], live=live))
    if order.get("live"):
        os.close(order["live"])
    _leave_supervision(supervisor)
    _limit(order["limits"])
    _disclose(secrets)
    sys.path[:0] = order["folders"]
    _become(order)


def _disclose(secrets: dict[str, str]) -> None:
    for name, value in secrets.items():
        os.environb[name.encode()] = base64.b64decode(value)


class _Live:
    """The launcher's line for commands inside the job; an attendant is started at the first."""

    def __init__(self, order: dict[str, Any], secrets: dict[str, str], program: int) -> None:
        self.handle: int | None = order.get("live") or None
        self._order, self._secrets, self._program = order, secrets, program

    def attend(self, supervisor: int) -> None:
        """Let a process of its own answer what comes; called once something has come."""
        handle, self.handle = self.handle, None
        if handle is None or os.fork():
            if handle is not None:
                os.close(handle)
            return
        try:
            self._answer(handle, supervisor)
        finally:
            os._exit(0)

    def _answer(self, handle: int, supervisor: int) -> None:
        signal.set_wakeup_fd(-1)
        if handle != _FIRST:
            os.dup2(handle, _FIRST, inheritable=False)
            os.close(handle)
        os.set_inheritable(_FIRST, False)
        _leave_supervision(supervisor, first=_FIRST + 1)
        nothing = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(nothing, stream)
        os.close(nothing)
        _disclose(self._secrets)
        # The program runs as the same user and must not answer in its place: commands become
        # traceable again once they are executed. First what only a traceable process may write.
        _leave_no_core()
        _prctl(_SET_DUMPABLE, 0)
        attendant = _beside("attendant")
        attendant.Attendant(
            attendant.Wire(_FIRST),
            folder=self._order["folder"],
            limit=lambda: _limit(self._order["limits"]),
            close=lambda: os.kill(self._program, signal.SIGTERM),
        ).serve()


def _beside(name: str) -> Any:  # noqa: ANN401 (a module)
    """The module in the file beside this one, wherever it was copied to."""
    path = Path(__file__).with_name(name + ".py")
    found = importlib.util.spec_from_file_location(name, path)
    assert found is not None and found.loader is not None  # noqa: S101, PT018 - it is a file
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


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


def _leave_supervision(supervisor: int, *, first: int = _FIRST) -> None:
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
    os.closerange(first, nothing + 1)


def _supervise(program: int, wakeup: int, *, sandboxed: bool, live: _Live) -> int:
    """Wait for the program, or end it when told to; returns the exit status to report."""
    supervisor, watched = os.getpid(), [0, wakeup]
    while True:
        asked = [] if live.handle is None else [live.handle]
        ready, _, _ = select.select(watched + asked, [], [])
        if asked and asked[0] in ready:
            live.attend(supervisor)
        signals = os.read(wakeup, 1_024) if wakeup in ready else b""
        closed = 0 in ready and not os.read(0, len(SAVE))
        if 0 in ready and not closed:
            os.kill(-1 if sandboxed else program, signal.SIGTERM)
        if closed or signal.SIGTERM in signals:
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
    _leave_no_core()
    # Drivers of accelerators reserve far more addresses than they ever use: there what counts is
    # what can be written to. Source: setrlimit(2), RLIMIT_DATA since Linux 4.7.
    which = resource.RLIMIT_DATA if limits.get("reserves") else resource.RLIMIT_AS
    try:
        _lower(which, limits["memory_bytes"])
    except (ValueError, OSError):
        if sys.platform != "darwin":  # macOS has no such limit; the provider declares the gap
            raise


def _leave_no_core() -> None:
    """No memory of the program ever lands in a core dump.

    Source: core(5). A limit of 0 does not keep the kernel from piping a dump to a collector of the
    system; a limit of 1 does, and is too small for a file. What is left, if the limit was 0 before,
    is a dump without any of the memory.
    """
    _lower(resource.RLIMIT_CORE, 1)
    with contextlib.suppress(OSError):  # not Linux
        Path("/proc/self/coredump_filter").write_text("0")


def _lower(which: int, wanted: int) -> None:
    _, hard = resource.getrlimit(which)
    value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(which, (value, value))


def _become(order: dict[str, Any]) -> None:
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
    _replicate(int(order.get("replicas", 1)), order.get("devices", []))
    try:
        exec(compile(source, path, "exec"), program.__dict__)  # noqa: S102 - running it is the task
    except MemoryError:
        os._exit(EXIT_MEMORY)


def _replicate(count: int, devices: list[dict[str, str]]) -> None:
    """Go on as so many processes side by side; the one that forks them never returns.

    It ends as soon as one of them fails, and its end takes the others along. ``devices``: the
    variables that tell each of them its own.
    """
    alone = {"YUNHE_NODE": "0", "YUNHE_NODES": "1", "YUNHE_STARTED": "1", "YUNHE_REPLICA": "0"}
    os.environ.update(alone, YUNHE_MASTER="localhost", YUNHE_REPLICAS=str(count))
    if count == 1:
        return
    starter, running = os.getpid(), set()
    for number in range(count):
        replica = os.fork()
        if not replica:
            _prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
            if os.getppid() != starter:
                os._exit(EXIT_ORPHAN)
            os.environ.update(devices[number] if devices else {}, YUNHE_REPLICA=str(number))
            return
        running.add(replica)

    def forward(*_: object) -> None:
        """It is for them; this one waits for how they end."""
        for replica in list(running):
            with contextlib.suppress(ProcessLookupError):
                os.kill(replica, signal.SIGTERM)

    signal.signal(signal.SIGTERM, forward)
    while running:
        ended, status = os.wait()
        running.discard(ended)
        code = os.waitstatus_to_exitcode(status)
        if code:
            for replica in running:
                os.kill(replica, signal.SIGKILL)
            os._exit(code if code > 0 else SIGNAL_BASE - code)
    os._exit(0)


if __name__ == "__main__":
    main()
