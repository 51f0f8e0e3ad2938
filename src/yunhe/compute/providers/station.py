"""First code of a job at a distant site: limits it, runs the program, writes down how it ended.

Copied into the job's folder and run there by any Python from 3.8 on; standard library only. The
folder is shared with the platform: ``order.json`` says what to do, ``claimed`` which of the
scheduler's jobs may do it (should it have been handed over twice), ``cancelled`` that nobody may,
``ended.json`` how it went.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

EXIT_NOT_MINE = 76
"""Another of the scheduler's jobs has this job, or it was cancelled before it began."""
EXIT_BROKEN = 77
"""The folder is not as it was left, so nothing was run."""
EXIT_SAVED = 75
"""It was asked to save its work and end, and did, or had its time."""
SAVED = "saved"
"""Why it ended then."""
SAVE_SECONDS_MAX = 3_600
"""Longest time that a program gets for that."""
CLAIM_SECONDS = 10.0
"""How long a claim is waited for that has begun and says nothing yet."""
LOOK_SECONDS = 1.0
"""How often it is looked whether that was asked."""
STOP_SECONDS = 5
"""Between asking the program to end and making it."""
POLL_SECONDS = 0.05
"""How often it is looked whether the program has ended."""
CLAIM = ("SLURM_JOB_ID", "YUNHE_CLAIM")
"""Variables by which schedulers tell a job which one it is."""
KEPT = ("CUDA_VISIBLE_DEVICES", "ASCEND_RT_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
"""What a scheduler says about devices reaches the program."""
REPLICATE = "--replicas"
"""First argument of a station that only runs a command several times."""
KEPT_BYTES = 16 << 20
"""Of each stream at least so much of the end stays."""
PUNCH_HOLE = 3
"""And keep the size."""
PREFIXES = ("SLURM_", "GPU_DEVICE_")
"""And what it says about nodes."""


def main(folder: Path) -> int:
    """Do what the order in ``folder`` says; returns the exit status."""
    if (folder / "cancelled").exists() or not claim(folder):
        return EXIT_NOT_MINE
    order = json.loads((folder / "order.json").read_text("utf-8"))
    program = folder / "program.py"
    digest = "sha256:" + hashlib.sha256(program.read_bytes()).hexdigest()
    if digest != order["digest"]:
        return EXIT_BROKEN
    place = Place.found(order)
    if place.nodes == 1:  # others of several may write already, and their folder is always new
        clear(folder)
    ended = {**run(folder, order, place), "code_digest": digest, "claim": claimant()}
    if speaks(folder / "ended.json", ended, place):
        write(folder / "ended.json", ended)
    return EXIT_SAVED if ended["cause"] == SAVED else int(ended["status"])


class Place:
    """Where this station is among those of one job, on several nodes or on one."""

    def __init__(self, node: int, nodes: int, master: str, replicas: int, here: int) -> None:
        """``here``: replicas that start on this node; ``replicas``: on all together."""
        self.node, self.nodes, self.master = node, nodes, master
        self.replicas, self.here = replicas, here

    @classmethod
    def found(cls, order: dict[str, Any]) -> Place:
        """As the scheduler says: Kubernetes' manifest, or Slurm's own variables."""
        env, replicas = os.environ, int(order.get("replicas", 1))
        if "YUNHE_NODES" in env:
            node, nodes = int(env["YUNHE_NODE"]), int(env["YUNHE_NODES"])
            replicas, here = int(env["YUNHE_REPLICAS"]), int(env["YUNHE_REPLICAS_HERE"])
            return cls(node, nodes, env["YUNHE_MASTER"], replicas, here)
        master = env.get("SLURMD_NODENAME", "localhost")
        # Slurm starts it on the first node only: from there the program reaches the others.
        return cls(0, 1, master, replicas, replicas)

    def told(self) -> dict[str, str]:
        """What programs find in their environment; the last: on how many nodes each was started."""
        nodes = os.environ.get("YUNHE_NODES") or os.environ.get("SLURM_JOB_NUM_NODES") or "1"
        # Of one replica on several nodes each has a part: it is the node that tells them apart.
        first = self.node * self.here if self.replicas > 1 else 0
        return {
            "YUNHE_NODE": str(self.node),
            "YUNHE_NODES": nodes,
            "YUNHE_MASTER": self.master,
            "YUNHE_REPLICA": str(first),
            "YUNHE_REPLICAS": str(self.replicas),
            "YUNHE_STARTED": str(self.nodes),
        }

    def file(self, folder: Path, name: str) -> Path:
        """A file of which each node has its own; the first node's is the one that is known."""
        return folder / (f"{name}-{self.node}" if self.node else name)


def clear(folder: Path) -> None:
    """Remove what a run left that the scheduler broke off."""
    for left in (folder / "outputs").iterdir():
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(str(left))
        else:
            left.unlink()
    with suppress(FileNotFoundError):
        (folder / "ended.json").unlink()


def speaks(path: Path, ended: dict[str, Any], place: Place) -> bool:
    """Whether this node's end is the job's, as far as is known: the first that failed by itself.

    The others are only asked to stop then; where none fails, it is the first node's.
    """
    if place.nodes == 1:
        return True
    try:
        there = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        there = None
    if there is not None and there["status"] and there["cause"] != "stopped":
        return False
    return bool(ended["status"] and ended["cause"] != "stopped") or (
        place.node == 0 and (there is None or not ended["cause"])
    )


def claimant() -> str:
    """Which of the scheduler's jobs this is."""
    return next((os.environ[name] for name in CLAIM if name in os.environ), "")


def claim(folder: Path) -> bool:
    """Whether this is the one of the scheduler's jobs that may run; decided once, for ever."""
    mine = claimant()
    try:
        with (folder / "claimed").open("x", encoding="utf-8") as file:
            file.write(mine)
    except FileExistsError:
        until = time.monotonic() + CLAIM_SECONDS
        while True:  # another node of the same job may be about to write its name there
            there = (folder / "claimed").read_text("utf-8")
            if there or there == mine or time.monotonic() >= until:
                return there == mine
            time.sleep(POLL_SECONDS)
    return True


def run(folder: Path, order: dict[str, Any], place: Place) -> dict[str, Any]:
    """The program's end, as it goes into ``ended.json``."""
    limits = order["limits"]
    asked: list[str] = []
    given = dict(order["environment"])
    if order.get("inside"):  # of an image: its own path and libraries count
        given = {**os.environ, **{k: v for k, v in given.items() if k != "PATH"}}
    own = place.file(folder / "tmp", "node") if place.node else folder / "tmp"
    own.mkdir(mode=0o700, exist_ok=True)
    environment = dict(given, HOME=str(own), TMPDIR=str(own))
    environment.update({k: v for k, v in os.environ.items() if k in KEPT or k.startswith(PREFIXES)})
    line = [sys.executable, "-s", str(folder / "program.py"), str(folder / "job.json")]
    environment.update(place.told())
    if place.here > 1:
        itself = [sys.executable, "-s", str(folder / "station.py"), REPLICATE, str(place.here)]
        line = itself + line
    # Before the program starts: the scheduler may ask for the end at any moment.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked.append("stopped"))
    began = time.monotonic()
    outward = [place.file(folder, name) for name in ("stdout", "stderr")]
    with outward[0].open("wb") as out, outward[1].open("wb") as err:
        child = subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=environment,
            cwd=str(own),
            start_new_session=True,
            preexec_fn=lambda: limit(limits),  # noqa: PLW1509 - one thread
        )
        room = folder / ("work" if order.get("command") else "outputs")
        heard = order.get("live") and not place.node
        helper = attended(folder, room, child, order, environment) if heard else 0
        status, cause = attend(
            child,
            began + limits["wall_seconds"],
            asked,
            printed=(out, err),
            save=(lambda: save_seconds(folder)) if order.get("saves") else lambda: 0,
        )
        dismiss(helper)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "status": status if status >= 0 else 128 - status,
        "node": place.node,
        "nodes": environment["YUNHE_NODES"],
        "cause": cause,
        "wall_ms": max(int((time.monotonic() - began) * 1000 + 0.999), 1),
        "cpu_user_ms": int(used.ru_utime * 1000),
        "cpu_system_ms": int(used.ru_stime * 1000),
        "memory_bytes_peak": used.ru_maxrss * 1024,
    }


def save_seconds(folder: Path) -> int:
    """How long it has for saving its work, once that is asked; 0: it is not.

    The whole folder is listed, as a shared one may remember for a while that a file was not there.
    """
    with suppress(OSError, ValueError):
        if "save" in os.listdir(str(folder)):  # noqa: PTH208 - names are enough
            said = int((folder / "save").read_text("utf-8")[:10])
            return min(max(said, 1), SAVE_SECONDS_MAX)
    return 0


def attend(
    child: subprocess.Popen[bytes],
    until: float,
    asked: list[str],
    *,
    printed: tuple[Any, ...] = (),
    save: Callable[[], int] = lambda: 0,
) -> tuple[int, str]:
    """Wait for the end, or bring it about; the status and why it was brought about."""
    cause, killed_at, looked_at = "", 0.0, 0.0
    while True:
        status = child.poll()
        if status is not None:
            end(child, signal.SIGKILL)  # what it left running
            return status, cause
        for file in printed:
            let_go(file)
        now = time.monotonic()
        if not cause and (asked or now - looked_at >= LOOK_SECONDS):
            looked_at, seconds = now, save()
            if seconds:
                cause, killed_at = SAVED, min(now + seconds, until + STOP_SECONDS)
                end(child, signal.SIGTERM)
        if not cause and (asked or now >= until):
            cause, killed_at = ("stopped" if asked else "wall"), now + STOP_SECONDS
            end(child, signal.SIGTERM)
        elif cause and now >= killed_at:
            end(child, signal.SIGKILL)
        time.sleep(POLL_SECONDS)


def let_go(file: Any) -> None:  # noqa: ANN401 (an open file)
    """Give the disk back what is long ago of a stream that goes on and on; offsets stay true.

    Source: fallocate(2). Where a file system can't, the limit of a file's size is all there is.
    """
    size = os.fstat(file.fileno()).st_size
    first = size - KEPT_BYTES
    if first > KEPT_BYTES and os.fstat(file.fileno()).st_blocks * 512 > 3 * KEPT_BYTES:
        offset, length = ctypes.c_int64(0), ctypes.c_int64(first)
        ctypes.CDLL(None).fallocate(file.fileno(), PUNCH_HOLE, offset, length)


def attended(
    folder: Path,
    place: Path,
    child: subprocess.Popen[bytes],
    order: dict[str, Any],
    environment: dict[str, str],
) -> int:
    """Let a process of its own run commands beside the program, as asked; its number."""
    helper = os.fork()
    if helper:
        return helper
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: sys.exit(0))
        os.environ.clear()
        os.environ.update(environment)
        found = importlib.util.spec_from_file_location("attendant", str(folder / "attendant.py"))
        attendant = importlib.util.module_from_spec(found)  # type: ignore[arg-type]
        found.loader.exec_module(attendant)  # type: ignore[union-attr]
        attendant.Attendant(
            attendant.Files(folder / "live"),
            folder=str(place),
            limit=lambda: limit(order["limits"]),
            close=lambda: end(child, signal.SIGTERM),
            sample=None  # of a job on several nodes nobody here knows all of it
            if environment["YUNHE_NODES"] != "1"
            else lambda: write(folder / "live" / "used", cpu_ms_below(os.getppid())),
        ).serve()
    finally:
        os._exit(0)


def cpu_ms_below(pid: int) -> int:
    """Processor time of a process, of what runs below it, and of what they collected; 0 unknown.

    A sample: what ended without being collected by any of them is missing. Source: proc(5).
    """
    ticks = os.sysconf("SC_CLK_TCK")
    tree: dict[int, list[int]] = {}
    found: dict[int, int] = {}
    try:
        names = [name for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208
    except OSError:
        return 0
    for name in names:
        with suppress(OSError, ValueError, IndexError):
            fields = Path(f"/proc/{name}/stat").read_bytes().rpartition(b")")[2].split()
            tree.setdefault(int(fields[1]), []).append(int(name))
            found[int(name)] = sum(map(int, fields[11:15]))
    total, waiting = 0, [pid]
    while waiting:
        one = waiting.pop()
        total += found.get(one, 0)
        waiting += tree.pop(one, [])
    return total * 1_000 // ticks


def dismiss(helper: int) -> None:
    """End the process beside the program, and the commands it runs."""
    if not helper:
        return
    os.kill(helper, signal.SIGTERM)
    until = time.monotonic() + STOP_SECONDS
    while os.waitpid(helper, os.WNOHANG) == (0, 0):
        if time.monotonic() > until:
            os.kill(helper, signal.SIGKILL)
        time.sleep(POLL_SECONDS)


def end(child: subprocess.Popen[bytes], number: int) -> None:
    """Signal everything the program started that did not run away."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)


def replicate(count: int, line: list[str]) -> int:
    """Run a command so many times side by side; the first that fails ends the others."""
    running = []
    first = int(os.environ.get("YUNHE_REPLICA", "0"))
    for number in range(first, first + count):
        environment = dict(os.environ, YUNHE_REPLICA=str(number))
        running.append(subprocess.Popen(line, stdin=subprocess.DEVNULL, env=environment))
    while running:
        for child in list(running):
            status = child.poll()
            if status is None:
                continue
            running.remove(child)
            if status:
                for other in running:
                    other.kill()
                return status if status > 0 else 128 - status
        time.sleep(POLL_SECONDS)
    return 0


def limit(limits: dict[str, int]) -> None:
    """Lower the limits of the program for good."""
    for which, value in (
        (resource.RLIMIT_CPU, limits["cpu_seconds"]),
        (resource.RLIMIT_AS, limits["memory_bytes"]),
        (resource.RLIMIT_FSIZE, limits["file_bytes"]),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(which)[1]
        lower = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(which, (lower, lower))


def write(path: Path, value: Any) -> None:  # noqa: ANN401 (whatever JSON holds)
    """The whole file or none of it."""
    half = path.with_name(path.name + ".half")
    with half.open("w", encoding="utf-8") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)


if __name__ == "__main__":
    if sys.argv[1] == REPLICATE:
        sys.exit(replicate(int(sys.argv[2]), sys.argv[3:]))
    sys.exit(main(Path(sys.argv[1])))
