"""`yunhe restore`: a snapshot into an empty platform, which opens only once it was replayed.

Until then the database says that it is being restored, and no platform opens on it. A restore that
fails takes its rows away again and leaves artefacts, which are right by their names; one that is
killed is done anew by the same command.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from yunhe.app import artefacts as artefacts_of
from yunhe.app import publisher_of
from yunhe.custody import service as custody
from yunhe.kernel.clock import SystemClock
from yunhe.kernel.errors import Conflict, Finding, Invalid, YunheError
from yunhe.kernel.progress import Progress, Silent
from yunhe.ledger import service as ledger
from yunhe.operations import artefacts, sealing
from yunhe.operations.snapshots import (
    CHECKPOINTS,
    FINDINGS_MAX,
    KEYS,
    TRUST,
    Snapshot,
    open_snapshot,
)
from yunhe.settings import Settings
from yunhe.storage import rebuild
from yunhe.storage.blobs import explain_os_error, sync_folder
from yunhe.storage.database import Database
from yunhe.storage.dump import count_on, load
from yunhe.storage.service import Storage

_UNBOUNDED = 1 << 62
_LONGER = "custody.outside_longer"


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored, and what the replay found."""

    snapshot: Snapshot
    """Where it came from."""
    transfers: int
    """Of the ledger, replayed."""
    leaves: int
    """Of the log, recomputed."""
    checkpoints: int
    """That the log was held against."""
    behind: int
    """Checkpoints outside that are newer than the snapshot: what they cover more is lost."""
    key_there: bool = False
    """Whether the log's signing key is in the home, so that the platform can be opened."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a restore is told beside its source."""

    snapshot: str = ""
    """Name of the snapshot; empty: the newest."""
    passphrase: bytes | None = None
    """Opens the sealed keys; None: they stay sealed."""
    outside: str | None = None
    """Text with checkpoints published outside; None: the configured place is read, if one is."""
    accept_loss: bool = False
    """Go on although more was published than the snapshot holds."""


def check(source: Path, *, snapshot: str = "", progress: Progress | None = None) -> Snapshot:
    """Whether every byte of a snapshot is there and right; nothing is restored.

    Errors: as `open_snapshot`; `Invalid` ``operations.backup_damaged`` with each fault.
    """
    progress = progress or Silent()
    found = open_snapshot(source, snapshot)
    faults = found.check_files(progress) or found.check_artefacts(progress)
    if faults:
        raise Invalid("operations.backup_damaged", findings=faults, where=str(found.folder))
    return found


def restore(
    settings: Settings, source: Path, wish: Wish, *, progress: Progress | None = None
) -> Restored:
    """Put a snapshot where ``settings`` say, verify it by replay, then let platforms open on it.

    Errors: `Conflict` ``operations.home_taken``, ``storage.not_empty``, ``operations.key_present``,
    ``operations.restore_behind``, ``storage.newer``; `Invalid` ``operations.backup_damaged``,
    ``operations.origin_differs``, ``operations.replay_failed`` (with every finding); those of
    `sealing.unseal`, of disks, database and store. After any of them nothing can be opened.
    """
    progress = progress or Silent()
    try:
        return _restore(settings, source, wish, progress)
    except OSError as error:
        raise explain_os_error(error, settings.home) from error


def _restore(settings: Settings, source: Path, wish: Wish, progress: Progress) -> Restored:
    found = open_snapshot(source, wish.snapshot)
    manifest = found.manifest
    if manifest.origin != settings.origin:
        raise Invalid("operations.origin_differs", origin=manifest.origin, here=settings.origin)
    _refuse(found.check_files(progress), found)
    keys = {}
    if wish.passphrase is not None:
        keys = sealing.unseal(found.part(KEYS), wish.passphrase, of=manifest.name)
    _check_named(found)
    with _database(settings) as database:
        storage = Storage(database, artefacts_of(settings), SystemClock())
        _check_home(settings, database, keys)
        _bring_artefacts(found, storage, progress)
        rebuild.begin(database, manifest.revision)
        _load(found, database, progress)
        rebuild.to_newest(database, manifest.revision)
        count_on(database)
        restored = _replay(settings, storage, found, wish, progress)
        with _Files() as files:
            files.write(settings.home / "trust.txt", found.part(TRUST), mode=0o644)
            if not settings.checkpoints and found.part(CHECKPOINTS):
                witness = settings.home / "witness" / "checkpoints.txt"
                files.write(witness, found.part(CHECKPOINTS), mode=0o644)
            for name, data in keys.items():
                files.write(settings.home / "keys" / name, data, mode=0o600)
            key_there = (settings.home / "keys" / "log.pem").exists()
            if key_there:
                custody.open_signer(settings.home)  # a key of another log shows now
            rebuild.finish(database)
            files.keep()
    return replace(restored, key_there=key_there)


def _check_named(found: Snapshot) -> None:
    """Whatever the rows name was in the store when they were read, or its absence was noted."""
    manifest = found.manifest
    there = {*found.digests(), *manifest.absent, *manifest.erased, *manifest.damaged}
    names = [each.name for each in manifest.tables]
    missing = artefacts.absent(names, found.table, there=there)[:FINDINGS_MAX]
    _refuse([Finding(digest, "operations.part_missing") for digest in missing], found)


def _refuse(faults: Sequence[Finding], found: Snapshot) -> None:
    if faults:
        raise Invalid("operations.backup_damaged", findings=faults, where=str(found.folder))


@contextmanager
def _database(settings: Settings) -> Iterator[Database]:
    """The database to fill; after a failure it is as empty as it was."""
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if settings.database_url:
        database = Database(settings.database_url, connections=settings.database_connections)
    else:
        database = Database.at(settings.database_path())
    try:
        yield database
    except BaseException:
        with suppress(YunheError, OSError):  # what cannot be undone stays marked, and closed
            _take_back(settings, database)
        raise
    finally:
        database.close()


def _take_back(settings: Settings, database: Database) -> None:
    if settings.database_url:
        rebuild.undo(database)
    elif rebuild.begun(database) or rebuild.is_empty(database):
        database.close()
        for suffix in ("", "-wal", "-shm"):
            path = settings.database_path()
            path.with_name(path.name + suffix).unlink(missing_ok=True)


def _check_home(settings: Settings, database: Database, keys: dict[str, bytes]) -> None:
    """Nothing that is there may be lost; the keys may have been put there before."""
    rebuild.check_empty(database)
    home = settings.home
    taken = [home / "trust.txt", home / "witness" / "checkpoints.txt"]
    if not rebuild.begun(database):
        for path in taken:
            if path.exists():
                raise Conflict("operations.home_taken", where=str(path))
    for name, data in keys.items():
        path = home / "keys" / name
        if path.exists() and path.read_bytes() != data:
            raise Conflict("operations.key_present", where=str(path))


def _bring_artefacts(found: Snapshot, storage: Storage, progress: Progress) -> None:
    """Put every artefact into the store; what is there already is read and held to its digest."""
    total = found.manifest.artefacts
    faults: list[Finding] = []
    for number, digest in enumerate(found.digests()):
        progress.step("operations.restore.artefacts", done=number, total=total)
        try:
            if not _is_right(storage, digest):
                storage.blobs.put_stream(found.blobs.stream(digest), bytes_max=_UNBOUNDED)
        except YunheError as error:
            if error.code not in ("storage.blob_missing", "storage.blob_damaged"):
                raise
            missing = error.code == "storage.blob_missing"
            code = "operations.part_missing" if missing else "operations.part_differs"
            faults.append(Finding(digest, code))
            if len(faults) >= FINDINGS_MAX:
                break
    _refuse(faults, found)


def _is_right(storage: Storage, digest: str) -> bool:
    """Whether the store holds the very bytes; wrong ones are removed."""
    if not storage.blobs.exists(digest):
        return False
    try:
        for _ in storage.blobs.stream(digest):
            pass
    except YunheError as error:
        if error.code != "storage.blob_damaged":
            raise
        storage.blobs.delete(digest)
        return False
    return True


def _load(found: Snapshot, database: Database, progress: Progress) -> None:
    total, done = found.manifest.rows(), 0
    for dumped in found.manifest.dumped():
        for count in load(database, dumped, found.table(dumped.name)):
            done += count
            progress.step("operations.restore.rows", done=done, total=total)


def _replay(
    settings: Settings, storage: Storage, found: Snapshot, wish: Wish, progress: Progress
) -> Restored:
    """Follow the ledger and the log from their beginnings, and hold both against what was said."""
    trust = found.part(TRUST).decode()
    progress.step("operations.restore.ledger", done=0)
    with storage.database.read() as tx:
        replay = ledger.replay(tx)
    progress.step("operations.restore.log", done=0)
    audit = custody.audit(storage, trust)
    findings = [*replay.problems, *audit.problems]
    checkpoints, behind = audit.checkpoints, 0
    kept = found.part(CHECKPOINTS).decode(errors="replace")
    outside = wish.outside
    if outside is None:
        outside = publisher_of(settings).read() if settings.checkpoints else ""
    for text in filter(None, (found.manifest.checkpoint, kept, outside)):
        checked = custody.check_outside(storage, [text], trust=trust)
        checkpoints += checked.checkpoints
        longer = [each for each in checked.problems if each.code == _LONGER]
        if text == outside:  # only there it may be a loss; in our own files it is damage
            behind = len(longer)
            findings += [each for each in checked.problems if each.code != _LONGER]
        else:
            findings += checked.problems
    if findings:
        raise Invalid(
            "operations.replay_failed", findings=findings[:FINDINGS_MAX], where=str(found.folder)
        )
    if behind and not wish.accept_loss:
        raise Conflict("operations.restore_behind", count=behind, leaves=audit.leaves)
    return Restored(found, replay.transfers, audit.leaves, checkpoints, behind)


class _Files:
    """Files that are taken away again unless `keep` is reached."""

    def __init__(self) -> None:
        self._made: list[Path] = []

    def __enter__(self) -> _Files:
        return self

    def __exit__(self, *_: object) -> None:
        for path in self._made:
            path.unlink(missing_ok=True)

    def write(self, path: Path, data: bytes, *, mode: int) -> None:
        """Write a file and wait for the disk; the same one again is left as it is."""
        private = mode & 0o077 == 0
        path.parent.mkdir(mode=0o700 if private else 0o755, exist_ok=True)
        if path.exists() and path.read_bytes() == data:
            return
        self._made.append(path)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.parent)

    def keep(self) -> None:
        """They stay."""
        self._made.clear()
