"""The private folder of one run: empty at the start, locked while in use, gone afterwards."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from yunhe.compute.reasons import Why
from yunhe.kernel.errors import Conflict
from yunhe.storage.blobs import explain_os_error

FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
"""Names inputs and outputs may have: safe as a file name and as a key of a record."""
OUTPUT_FILES_MAX = 100
"""Most files a job may leave."""
_JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")


@dataclass(frozen=True, slots=True)
class Folder:
    """Where one run finds and leaves its files."""

    root: Path
    """All of it."""
    inputs: Path
    """What it is given."""
    outputs: Path
    """What it leaves."""
    temporary: Path
    """Where it may scribble."""
    job_file: Path
    """What it is told."""
    work: Path
    """Its working folder, as its owner sent it."""

    def files(self, *, bytes_max: int) -> tuple[list[Path], Why | None]:
        """The outputs in order of name, or why they cannot be taken; once the job has ended."""
        self.outputs.chmod(0o700)  # the job may have taken our rights away
        files = sorted(self.outputs.iterdir())
        if len(files) > OUTPUT_FILES_MAX:
            params = (("found", len(files)), ("most", OUTPUT_FILES_MAX))
            return [], Why("compute.failed_output_count", params)
        for path in files:
            # A link would make the platform read, with its own rights, what the job could not.
            plain = path.is_file() and not path.is_symlink()
            if not plain or not FILE_NAME.fullmatch(path.name):
                name = path.name.encode("ascii", "backslashreplace").decode()[:100]
                return [], Why("compute.failed_output_kind", (("name", name),))
            path.chmod(0o600)
        if sum(path.stat().st_size for path in files) > bytes_max:
            return [], too_large(bytes_max)
        return files, None


def too_large(bytes_max: int) -> Why:
    """Why outputs beyond the bound are not taken."""
    return Why("compute.failed_output_size", (("bytes_max", bytes_max),))


@contextmanager
def private_folder(work_root: Path, job: str, *, inputs: Iterator[str]) -> Iterator[Folder]:
    """The folder of a job, ours alone until the block ends, whatever an earlier run left in it.

    Errors: `Conflict` ``compute.job_running`` while another run has it, `Unavailable` when the disk
    refuses; ``ValueError`` for a job or input whose name is none for a file, a caller's mistake.
    """
    if not _JOB_ID.fullmatch(job) or not all(map(FILE_NAME.fullmatch, inputs)):
        raise ValueError(f"{job!r} or one of its inputs cannot name a file")
    root = work_root / job
    inside = [root / name for name in ("inputs", "outputs", "tmp", "job.json", "work")]
    folder = Folder(root, *inside)
    handle = _lock(root, job)
    try:
        try:
            for left in list(root.iterdir()):  # of a run that was killed
                _remove(left)
            for part in (folder.inputs, folder.outputs, folder.temporary, folder.work):
                part.mkdir(mode=0o700)
        except OSError as error:
            raise explain_os_error(error, root) from error
        yield folder
    finally:
        _remove(root)
        os.close(handle)


def _lock(root: Path, job: str) -> int:
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(handle), root.stat()):
                return handle
            raise FileNotFoundError
        except (BlockingIOError, FileNotFoundError):
            # Another run has it, or had it until this moment and removed it.
            os.close(handle)
            raise Conflict("compute.job_running", job=job, retryable=True) from None
    except OSError as error:
        raise explain_os_error(error, root.parent) from error


def _remove(path: Path) -> None:
    """Remove a file or folder, also one that its job nested deeply or closed to us."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    except (OSError, RecursionError):
        # The tools of the system walk without recursion and without a longest path.
        subprocess.run(["chmod", "-R", "u+rwX", str(path)], capture_output=True, check=False)
        subprocess.run(["rm", "-rf", "--", str(path)], capture_output=True, check=False)
