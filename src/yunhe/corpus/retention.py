"""The door for rejects: they are read while they may be kept, and deleted afterwards.

Rejects are raw text: they go to the caller and, if asked, into a file of the owner alone; never
into a log or an error. The date until which they may be kept stands in the manifest and, sealed,
in every part; the earlier of the two counts, so that changing the manifest gains nothing.
"""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from yunhe.corpus import errors
from yunhe.corpus.rejects import DELETE_AFTER, Sealer, load_key, new_key
from yunhe.corpus.running.folder import beside, disk, locked, named, write_json
from yunhe.kernel.canonical import JsonObject
from yunhe.kernel.errors import Invalid, NotAllowed, NotFound

DELETED = "rejects-deleted.json"
"""In an output whose rejects were deleted: when, and how many files."""
HELD = "rejects-held.json"
"""In the working folder of a run that keeps rejects: until when."""
_OTHERS = 0o077
_KEY_NAME, _FOLDER = "key", "rejects"


@dataclass(frozen=True, slots=True)
class Kept:
    """The rejects of one output, or of a run that was not finished."""

    folder: Path
    """The output, or its working folder."""
    delete_after: date
    """The last day on which they may be kept."""
    files: tuple[Path, ...]
    """Those that are there."""
    size_bytes: int
    """Of them all."""
    unfinished: bool = False
    """Whether it is a working folder: all of it goes."""
    key: str = ""
    """Tells the key from others; empty for a working folder."""
    deleted_at: str = ""
    """When they were deleted; empty where they were not."""

    def due(self, today: date) -> bool:
        """Whether the time is over."""
        return today > self.delete_after


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rejects to read."""

    reasons: Collection[str] = ()
    """Only those dropped for one of these; all where there is none."""
    documents: Collection[str] = ()
    """Only these, likewise."""
    limit: int | None = None
    """No more than this."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A dropped document as it was read."""

    document: str
    """Its id."""
    source: str
    """The file it is from."""
    row: int
    """Its number there, from 1."""
    step: str
    """Which step dropped it."""
    reason: str
    """Why."""
    text: str = field(repr=False)
    """Raw text: show, never keep."""


def of_output(out: Path) -> Kept | None:
    """The rejects of an output; None where none were kept.

    Errors: `NotFound` ``corpus.out_missing``.
    """
    try:
        manifest: dict[str, Any] = json.loads((out / "manifest.json").read_text("utf-8"))
        held, parts = manifest["rejects"], manifest["parts"]
        if held is None:
            return None
        names = [part["rejects"]["name"] for part in parts if "rejects" in part]
        key, until = str(held[_KEY_NAME]), date.fromisoformat(held["delete_after"])
        inside = {f"{_FOLDER}/{Path(name).name}" for name in names}  # nothing outside of it
    except (OSError, ValueError, KeyError, TypeError):
        raise NotFound("corpus.out_missing", where=str(out)) from None
    there = tuple(path for name in sorted(inside) if (path := out / name).is_file())
    size = sum(path.stat().st_size for path in there)
    return Kept(out, until, there, size, key=key, deleted_at=_deleted_at(out))


def _deleted_at(out: Path) -> str:
    try:
        return str(json.loads((out / DELETED).read_text("utf-8"))["deleted_at"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def until(out: Path) -> str:
    """The last day on which the rejects of an output may be kept; empty where none were kept.

    Errors: those of `of_output`.
    """
    kept = of_output(out)
    return "" if kept is None else kept.delete_after.isoformat()


def make_key(path: Path) -> None:
    """Write a new key, see `new_key`.

    Errors: `OutTaken` ``corpus.rejects_target_there``; `Unavailable` when the disk refuses.
    """
    with disk(path.parent):
        try:
            new_key(path)
        except FileExistsError:
            raise errors.OutTaken("corpus.rejects_target_there", where=str(path)) from None


def hold(work: Path, delete_after: date) -> None:
    """Note in the working folder of a run until when it may hold raw text."""
    write_json(work / HELD, {"delete_after": delete_after.isoformat()})


def of_work(work: Path) -> Kept | None:
    """What a run that was not finished holds; None where it holds none."""
    try:
        until = date.fromisoformat(json.loads((work / HELD).read_text("utf-8"))["delete_after"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    files = tuple(path for path in sorted(work.rglob("*")) if path.is_file())
    return Kept(work, until, files, sum(path.stat().st_size for path in files), unfinished=True)


def read(out: Path, key: Path, wanted: Wanted, *, today: date) -> Iterator[Reject]:
    """Rejects in the order of the inputs. Memory: one part.

    Errors: `NotFound` ``corpus.rejects_none``, ``corpus.rejects_deleted``; `NotAllowed`
    ``corpus.rejects_overdue``; `Invalid` ``corpus.rejects_key_other``; those of `of_output`,
    `load_key` and `Sealer.read`.
    """
    kept, sealer = of_output(out), load_key(key)
    if kept is None:
        raise NotFound("corpus.rejects_none", where=str(out))
    if kept.deleted_at:
        raise NotFound("corpus.rejects_deleted", where=str(out), at=kept.deleted_at)
    _not_overdue(kept.delete_after, out, today)
    if sealer.name() != kept.key:
        raise Invalid("corpus.rejects_key_other", where=str(key), name=kept.key)
    return _read(kept, sealer, wanted, today=today)


def _not_overdue(until: date, out: Path, today: date) -> None:
    if today > until:
        raise NotAllowed("corpus.rejects_overdue", where=str(out), after=until.isoformat())


def _read(kept: Kept, sealer: Sealer, wanted: Wanted, *, today: date) -> Iterator[Reject]:
    left = wanted.limit
    for path in kept.files:
        if left == 0:
            return
        with disk(path.parent):
            table = parquet.read_table(io.BytesIO(sealer.read(path)))
        sealed = (table.schema.metadata or {}).get(DELETE_AFTER)
        if sealed is not None:
            _not_overdue(date.fromisoformat(sealed.decode()), kept.folder, today)
        for column, chosen in (("reason", wanted.reasons), ("document", wanted.documents)):
            if chosen:
                among = pa.array(sorted(set(chosen)), pa.string())
                table = table.filter(pc.is_in(table.column(column), value_set=among))
        for batch in table.slice(0, left).to_batches(max_chunksize=1024):
            yield from (Reject(**row) for row in batch.to_pylist())
        left = None if left is None else max(0, left - len(table))


def write(rejects: Iterable[Reject], path: Path) -> int:
    """Write them as JSON lines into a new file of the owner alone; how many there were.

    Errors: `errors.OutTaken` ``corpus.rejects_target_there``; `NotAllowed`
    ``corpus.rejects_target_open`` where the disk lets others read it all the same, with nothing
    written; `Unavailable` when the disk refuses, with nothing left behind.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with disk(path.parent):
        try:
            handle = os.open(path, flags, 0o600)
        except FileExistsError:
            raise errors.OutTaken("corpus.rejects_target_there", where=str(path)) from None
        count = 0
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                if os.fstat(file.fileno()).st_mode & _OTHERS:
                    raise NotAllowed("corpus.rejects_target_open", where=str(path))
                for count, each in enumerate(rejects, 1):  # noqa: B007 (the last one counts)
                    file.write(json.dumps(asdict(each), ensure_ascii=False) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    return count


def overdue(outs: Iterable[Path], *, today: date, early: bool = False) -> Iterator[Kept]:
    """The rejects in outputs, and in working folders beside them, whose time is over.

    ``early``: also those whose time is not.
    Errors: `NotFound` ``corpus.out_missing`` for an output that is none and has no working folder.
    """
    for out in outs:
        unfinished = of_work(beside(named(out)))
        if unfinished is not None and (early or unfinished.due(today)):
            yield unfinished
        if unfinished is not None and not out.exists():
            continue
        kept = of_output(out)
        if kept is not None and kept.files and (early or kept.due(today)):
            yield kept


def delete(kept: Kept, *, at: str) -> JsonObject:
    """Delete them for good; ``at``: the time now, for the note in the output.

    The manifest still names them by digest. Killed half-way, the same call deletes the others.
    Errors: `Conflict` ``corpus.out_busy`` when a run holds the working folder; `Unavailable` when
    the disk refuses.
    """
    if kept.unfinished:
        with locked(kept.folder), disk(kept.folder):
            shutil.rmtree(kept.folder)
        return told(kept)
    with disk(kept.folder):
        for path in kept.files:
            path.unlink(missing_ok=True)
        folder = kept.folder / _FOLDER
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    about: JsonObject = {
        "deleted_at": at,
        "delete_after": kept.delete_after.isoformat(),
        "files": len(kept.files),
        "bytes": kept.size_bytes,
    }
    write_json(kept.folder / DELETED, about)
    return told(kept)


def told(kept: Kept) -> JsonObject:
    """What is said of them to a program."""
    return {
        "folder": str(kept.folder),
        "delete_after": kept.delete_after.isoformat(),
        "files": len(kept.files),
        "bytes": kept.size_bytes,
        "unfinished": kept.unfinished,
    }
