"""The folder a run works in: one run at a time, and nothing seen there before it is whole."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from yunhe.kernel.errors import Conflict
from yunhe.storage.blobs import explain_os_error, sync_folder

_TRIES = 100
LOCK = "lock"
"""The file whose lock says that a run is at work; the system lets go of it when the run dies."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the folder and hold it.

    Errors: `Conflict` ``corpus.out_busy`` when another run holds it.
    """
    handle = _hold(folder)
    try:
        yield
    finally:
        os.close(handle)


def named(out: Path) -> Path:
    """The folder by a name of its own, so that another may stand beside it: not ``.``."""
    return out if out.name not in ("", "..") else out.resolve()


def beside(out: Path) -> Path:
    """Where the run works whose output is to appear at ``out``, see `named`."""
    return out.parent / f"{out.name}.work"


def drop_bare(folder: Path) -> None:
    """Take the folder away if no unit of work was finished in it."""
    units = folder / "units"
    if not units.is_dir() or all(each.name.startswith(".") for each in units.iterdir()):
        shutil.rmtree(folder, ignore_errors=True)  # what is left is in nobody's way


def _hold(folder: Path) -> int:
    path = folder / LOCK
    for _ in range(_TRIES):
        with disk(folder):
            folder.mkdir(parents=True, exist_ok=True)
            try:
                handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            except FileNotFoundError:  # the run before has just taken the folder away
                continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(handle).st_ino == path.stat().st_ino:
                return handle
        except BlockingIOError:
            os.close(handle)
            break
        except FileNotFoundError:
            pass
        os.close(handle)
    raise Conflict("corpus.out_busy", where=str(folder), retryable=True)


@contextmanager
def disk(where: Path) -> Iterator[None]:
    """Turns what the system says of a disk that refuses into `Unavailable`, for a person."""
    try:
        yield
    except OSError as error:
        raise explain_os_error(error, where) from error


@contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """An empty folder to fill; it gets its name when all its files are on the disk.

    One that is there already stays, and what was made is thrown away: names are made of content.
    """
    temporary = folder.with_name(f".{folder.name}-{os.getpid()}")
    with disk(folder.parent):
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
    try:
        yield temporary
        with disk(folder.parent):
            keep(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def keep(temporary: Path, folder: Path) -> None:
    """Give a finished folder its name, once its bytes are on the disk."""
    for path in sorted(temporary.rglob("*")):
        sync(path)
    sync(temporary)
    if folder.is_dir() and any(folder.iterdir()):
        return
    temporary.rename(folder)
    sync_folder(folder.parent)


def sync(path: Path) -> None:
    """Put a file's or a folder's bytes on the disk."""
    if path.is_dir():
        sync_folder(path)
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, data: Mapping[str, object]) -> None:
    """Write plain data; the file appears when it is whole."""
    with disk(path.parent):
        temporary = path.with_name(f".{path.name}-{os.getpid()}")
        temporary.write_text(json.dumps(data, ensure_ascii=False, sort_keys=True), "utf-8")
        sync(temporary)
        temporary.replace(path)
        sync_folder(path.parent)
