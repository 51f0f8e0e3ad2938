"""A job's view of the machine under bubblewrap: Python, its inputs, its outputs and no more.

Source: bwrap(1). Own user, process, network, host-name and IPC namespaces, no capability, no new
privileges, nothing writable but the outputs and a bounded temporary folder. Of devices it has the
usual ones without hardware, and the files of the accelerators that the job holds.
Not covered: bugs of the kernel itself (no system-call filter), and memory or processes of the whole
job taken together (that needs control groups); the provider declares both.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from yunhe.compute.providers.entry_points import package_folder

NOBODY = 65534
"""User and group id inside: nobody."""
JOB = Path("/job")
"""Where the job's files are inside."""
_SYSTEM = ("/usr", "/bin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/alternatives")
SHARED_MEMORY_BYTES = 64 << 20
"""Of the private ``/dev/shm``, unless a job has accelerators."""
_PROBE_SECONDS = 20


@dataclass(frozen=True, slots=True)
class View:
    """What one job sees beside the interpreter."""

    inputs: Path
    """Read-only."""
    outputs: Path
    """The only folder that outlives the job."""
    job_file: Path
    """Read-only."""
    code: Sequence[Path]
    """Folders with the program, read-only."""
    protected: Sequence[Path]
    """Folders that must not be seen even if they lie inside something that is."""
    temporary_bytes_max: int
    """Size of the private ``/tmp``."""
    work: Path | None = None
    """Its working folder, its to change."""
    devices: Sequence[tuple[Path, str]] = ()
    """Device files, and what they are called inside; there are no others but the usual ones."""
    shared_memory_bytes_max: int = SHARED_MEMORY_BYTES
    """Size of the private ``/dev/shm``."""


@dataclass(frozen=True, slots=True)
class Bubblewrap:
    """A bubblewrap that was seen to work on this machine."""

    path: str
    """The program."""
    hardened: bool
    """Whether it can also forbid further namespaces and bound temporary folders (0.8 and later)."""

    def command(
        self,
        view: View,
        *,
        program: Sequence[str],
        environment: Mapping[str, str],
    ) -> list[str]:
        """The command line that runs ``program`` with this view, as the first process in there."""
        # Not --die-with-parent: a bubblewrap that dies in the middle of its own set-up leaves a
        # process that waits for ever (seen with 0.8). Our bootstrap sees to the end by itself.
        line = [self.path, "--unshare-all", "--unshare-user", "--uid", str(NOBODY)]
        line += ["--gid", str(NOBODY), "--new-session", "--as-pid-1"]
        line += ["--cap-drop", "ALL", "--hostname", "job", "--clearenv"]
        if self.hardened:
            line.append("--disable-userns")
        for name, value in environment.items():
            line += ["--setenv", name, value]
        line += ["--proc", "/proc", "--dev", "/dev"]
        line += self._temporary("/dev/shm", view.shared_memory_bytes_max)  # noqa: S108 - inside
        for file, name in view.devices:
            line += ["--dev-bind", str(file), name]
        line += ["--remount-ro", "/dev"]
        line += self._temporary("/tmp", view.temporary_bytes_max)  # noqa: S108 - inside the sandbox
        # Last of all, because what is needed may lie in a temporary folder.
        line += _mounts(view.code, view.protected)
        line += ["--dir", str(JOB)]
        line += ["--ro-bind", str(view.inputs), str(JOB / "inputs")]
        line += ["--ro-bind", str(view.job_file), str(JOB / "job.json")]
        line += ["--bind", str(view.outputs), str(JOB / "outputs")]
        if view.work is not None:
            line += ["--bind", str(view.work), str(JOB / "work")]
        return [*line, "--remount-ro", "/", "--chdir", "/tmp", "--", *program]  # noqa: S108

    def _temporary(self, where: str, size_bytes: int) -> list[str]:
        size = ["--size", str(size_bytes)] if self.hardened else []
        return [*size, "--tmpfs", where]


def _mounts(code: Sequence[Path], protected: Sequence[Path]) -> list[str]:
    """Read-only folders, outer before inner; a protected folder inside one is covered up."""
    shown = {Path(sys.base_prefix).resolve(), Path(sys.prefix).resolve(), package_folder()}
    shown |= {folder.resolve() for folder in code}
    steps: list[tuple[Path, list[str]]] = []
    for name in _SYSTEM:
        path = Path(name)
        if path.is_symlink():
            steps.append((path, ["--symlink", str(path.readlink()), name]))
        elif path.exists():
            shown.add(path)
    steps += [(folder, ["--ro-bind", str(folder), str(folder)]) for folder in shown]
    covered = [
        folder
        for folder in sorted({path.resolve() for path in protected})
        if any(folder.is_relative_to(outer) for outer in shown)
    ]
    steps += [(folder, ["--tmpfs", str(folder)]) for folder in covered]
    # A folder that is both shown and protected is covered up: its tmpfs sorts after its bind.
    steps.sort(key=lambda step: (len(step[0].parts), str(step[0]), step[1][0] == "--tmpfs"))
    steps += [(folder, ["--remount-ro", str(folder)]) for folder in covered]
    return [word for _, words in steps for word in words]


@cache
def bubblewrap() -> Bubblewrap | None:
    """The bubblewrap of this machine if it really makes sandboxes here; None otherwise."""
    path = shutil.which("bwrap", path="/usr/bin:/bin:/usr/local/bin")
    if path is None or not sys.platform.startswith("linux"):
        return None
    for candidate in (Bubblewrap(path, hardened=True), Bubblewrap(path, hardened=False)):
        if _works(candidate):
            return candidate
    return None


def _works(candidate: Bubblewrap) -> bool:
    """Whether a trivial program runs inside exactly the kind of sandbox that jobs get."""
    package = package_folder()
    nothing = package / "locale"  # any folder will do: the probe neither reads nor writes
    view = View(
        inputs=nothing,
        outputs=nothing,
        job_file=package / "__init__.py",
        code=(),
        protected=(),
        temporary_bytes_max=1 << 20,
    )
    program = [sys.executable, "-s", "-P", "-c", "import ctypes, resource"]
    command = candidate.command(view, program=program, environment={})
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_SECONDS,
            env={"PATH": os.defpath},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
