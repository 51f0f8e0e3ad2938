"""`yunhe backup`: rows, artefacts and log of one moment into a folder, while the platform serves.

The rows come from one transaction that sees one moment; artefacts are copied afterwards, which is
right because each is stored before a row names it. What was published of the log is read before,
so that it is never ahead of the rows. Keys stay out unless they are asked for, sealed.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from yunhe.app import Platform
from yunhe.custody import service as custody
from yunhe.kernel.canonical import canonical_bytes
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Conflict, Finding, NotFound, Unavailable, YunheError
from yunhe.kernel.ids import new_id
from yunhe.kernel.progress import Progress, Silent
from yunhe.operations import artefacts, sealing
from yunhe.operations.snapshots import (
    ARTEFACTS,
    CHECKPOINTS,
    FINDINGS_MAX,
    FORMAT,
    KEYS,
    MANIFEST,
    TRUST,
    FileEntry,
    FileName,
    Manifest,
    TableEntry,
    names,
    open_snapshot,
)
from yunhe.storage import erased
from yunhe.storage.blobs import Blobs, LocalBlobs, explain_os_error, sync_folder
from yunhe.storage.dump import SUFFIX, Dump, batches, digest_of_file, dump

_UNBOUNDED = 1 << 62  # what the store holds may be backed up, however large
_HALF = ".incoming-"


@dataclass(frozen=True, slots=True)
class Backup:
    """A snapshot that was written."""

    folder: Path
    """Where it lies."""
    manifest: Manifest
    """What it holds."""
    copied: int
    """Artefacts that the folder had not held yet."""
    copied_bytes: int
    """Their bytes together."""


def backup(
    platform: Platform,
    target: Path,
    *,
    passphrase: bytes | None = None,
    skip_damaged: bool = False,
    progress: Progress | None = None,
) -> Backup:
    """Write a snapshot into the backup folder ``target``; nothing waits for it.

    With a ``passphrase`` it holds the secret keys too, sealed. ``skip_damaged`` leaves out
    artefacts whose bytes are not theirs any more, and lists them. A snapshot appears only when it
    is whole; whatever happens, earlier ones stay as they are. Artefacts that only removed snapshots
    held are removed at the end. Errors: `Conflict`
    ``operations.target_foreign``, ``operations.backup_running``; `Unavailable`
    ``operations.target_full``,
    ``operations.artefacts_damaged`` and what disks, database and store say. Cost: reads every row
    once and every artefact that ``target`` does not hold; in memory are `dump.ROWS_AT_ONCE` rows
    and one digest for each artefact.
    """
    progress = progress or Silent()
    if passphrase is not None:
        sealing.check_passphrase(passphrase)
    try:
        with _locked(target):
            return _backup(platform, target, passphrase, skip=skip_damaged, progress=progress)
    except OSError as error:
        raise _explained(explain_os_error(error, target), target) from error
    except Unavailable as error:
        raise _explained(error, target) from error


def _explained(error: Unavailable, target: Path) -> Unavailable:
    """The advice for a full home does not help where the disk of the copy is full."""
    where = Path(str(error.params.get("where", "")))
    if error.code != "storage.disk_full" or not where.is_relative_to(target):
        return error
    free = error.params.get("free_bytes", 0)
    return Unavailable("operations.target_full", where=str(target), free_bytes=free)


def _backup(
    platform: Platform, target: Path, passphrase: bytes | None, *, skip: bool, progress: Progress
) -> Backup:
    at_us = platform.storage.clock.now_us()
    name = f"{datetime.fromtimestamp(at_us // SECOND_US, UTC):%Y%m%dT%H%M%SZ}-{new_id('s')[-6:]}"
    folder = target / "snapshots" / (_HALF + name)
    (folder / "tables").mkdir(mode=0o700, parents=True)
    try:
        checkpoints, published = _published(platform)
        with platform.storage.database.read() as tx:
            dumped = dump(tx, folder / "tables", progress)
        kept = LocalBlobs(target / "blobs")
        copying = _Copying(platform.storage.blobs, kept, progress)
        copying.run(folder / ARTEFACTS, skip=skip)
        _write(folder / TRUST, custody.trust(platform.settings.home).encode())
        _write(folder / CHECKPOINTS, checkpoints.encode())
        if passphrase is not None:
            _write(folder / KEYS, sealing.seal(_keys(platform), passphrase, of=name))
        absent = _absent(platform, folder, dumped, copying)
        manifest = Manifest(
            format=FORMAT,
            name=name,
            at_us=at_us,
            version=version("yunhe"),
            revision=dumped.revision,
            origin=platform.settings.origin,
            tables=tuple(
                TableEntry(name=t.name, rows=t.rows, digest=t.digest, size_bytes=t.size_bytes)
                for t in dumped.tables
            ),
            files=_entries(folder),
            artefacts=len(copying.there),
            artefact_bytes=copying.total_bytes,
            absent=absent.lost,
            erased=absent.erased,
            damaged=tuple(copying.damaged),
            checkpoint=_newest_checkpoint(folder),
            published=published,
        )
        _write(folder / MANIFEST, canonical_bytes(manifest.model_dump(mode="json")))
        for each in (folder / "tables", folder):
            sync_folder(each)
        whole = folder.rename(folder.with_name(name))
        sync_folder(whole.parent)
        _prune(target, kept)
        return Backup(whole, manifest, copying.copied, copying.copied_bytes)
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # gone already when all went well


@dataclass(frozen=True, slots=True)
class _Absent:
    """Artefacts that rows name and the store has not."""

    lost: tuple[str, ...]
    erased: tuple[str, ...]


class _Copying:
    """Brings the artefacts that the backup folder does not hold yet."""

    def __init__(self, source: Blobs, kept: LocalBlobs, progress: Progress) -> None:
        self.there: set[str] = set()
        self.damaged: list[str] = []
        self.copied = self.copied_bytes = self.total_bytes = 0
        self._source, self._kept, self._progress = source, kept, progress

    def run(self, listing: Path, *, skip: bool) -> None:
        """Copy, and write down what belongs to this snapshot."""
        with listing.open("w", encoding="ascii") as lines:
            for digest in self._source.digests():
                if self._bring(digest):
                    self.there.add(digest)
                    self.total_bytes += self._kept.path(digest).stat().st_size
                    lines.write(digest + "\n")
                self._progress.step("operations.backup.artefacts", done=len(self.there))
            lines.flush()
            os.fsync(lines.fileno())
        if self.damaged and not skip:
            findings = [
                Finding(each, "operations.part_differs") for each in self.damaged[:FINDINGS_MAX]
            ]
            raise Unavailable(
                "operations.artefacts_damaged", findings=findings, count=len(self.damaged)
            )

    def _bring(self, digest: str) -> bool:
        if self._kept.exists(digest):
            return True
        try:
            blob = self._kept.put_stream(self._source.stream(digest), bytes_max=_UNBOUNDED)
        except NotFound:
            return False  # erased since the list was made
        except Unavailable as error:
            if error.code != "storage.blob_damaged":
                raise
            self.damaged.append(digest)
            return False
        self.copied += 1
        self.copied_bytes += blob.size_bytes
        return True


def _absent(platform: Platform, folder: Path, dumped: Dump, copying: _Copying) -> _Absent:
    """What rows name and the store has not; it stops no backup, for the rest is worth keeping."""
    missing = artefacts.absent(
        [each.name for each in dumped.tables],
        lambda name: folder / "tables" / (name + SUFFIX),
        there={*copying.there, *copying.damaged},
    )
    with platform.storage.database.read() as tx:
        gone = erased.among(tx, missing)
    return _Absent(tuple(d for d in missing if d not in gone), tuple(sorted(gone)))


def _prune(target: Path, kept: LocalBlobs) -> None:
    """Remove artefacts of snapshots that were removed; any doubt keeps them all."""
    wanted: set[str] = set()
    try:
        for name in names(target):
            wanted.update(open_snapshot(target, name).digests())
    except (YunheError, OSError):
        return
    for digest in list(kept.digests()):
        if digest not in wanted:
            kept.delete(digest)


def _published(platform: Platform) -> tuple[str, bool]:
    """The checkpoints at the outside place; a place that is away now must not stop a backup."""
    try:
        return platform.publisher.read(), True
    except Unavailable:
        return "", False


def _newest_checkpoint(folder: Path) -> str:
    path = folder / "tables" / ("custody_checkpoint" + SUFFIX)
    newest, note = -1, ""
    for batch in batches(path, ["number", "note"]):
        rows = zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True)
        newest, note = max([(newest, note), *rows])
    return note


def _keys(platform: Platform) -> dict[str, bytes]:
    """What the home's keys folder holds, and the vault's key wherever it comes from."""
    found = {
        name: path.read_bytes()
        for name in ("log.pem", "next.pem")
        if (path := platform.settings.home / "keys" / name).is_file()
    }
    source = platform.secrets_key
    if source.text is not None:
        found["secrets.key"] = source.text.encode()
    elif source.path.is_file():
        found["secrets.key"] = source.path.read_bytes()
    return found


def _entries(folder: Path) -> dict[FileName, FileEntry]:
    names: tuple[FileName, ...] = (ARTEFACTS, TRUST, CHECKPOINTS, KEYS)
    measured = {name: digest_of_file(folder / name) for name in names if (folder / name).exists()}
    return {name: FileEntry(digest=d, size_bytes=size) for name, (d, size) in measured.items()}


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    """The folder, made if need be, to ourselves; what killed backups left in it is taken away."""
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    snapshots = target / "snapshots"
    if not snapshots.is_dir() and any(target.iterdir()):
        raise Conflict("operations.target_foreign", where=str(target))
    snapshots.mkdir(mode=0o700, exist_ok=True)
    with (snapshots / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            where = str(target)
            raise Conflict("operations.backup_running", where=where, retryable=True) from None
        for left in (*snapshots.glob(_HALF + "*"), *(target / "blobs").glob(_HALF + "*")):
            if left.is_dir():
                shutil.rmtree(left)
            else:
                left.unlink()
        yield
