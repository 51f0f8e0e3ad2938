"""A backup folder and the snapshots in it: what lies where, and whether it is all still right.

``blobs/`` holds artefacts by digest, shared by all snapshots; ``snapshots/<name>/`` holds one
moment: ``tables/*.parquet``, ``artefacts.txt``, ``trust.txt``, ``checkpoints.txt``, ``keys.sealed``
if it was asked for, and ``manifest.json``, which says what belongs to it with every digest. A
snapshot gets its name when it is whole; before that its folder begins with a dot.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from yunhe.kernel.errors import Finding, Invalid, NotFound, YunheError
from yunhe.kernel.progress import Progress
from yunhe.storage.blobs import LocalBlobs
from yunhe.storage.dump import SUFFIX, Dumped, digest_of_file

FORMAT = "yunhe-backup/1"
"""Stands in every manifest."""
MANIFEST = "manifest.json"
"""The last file of a snapshot to be written."""
ARTEFACTS: Final = "artefacts.txt"
"""One digest a line."""
TRUST: Final = "trust.txt"
"""The log's public keys."""
CHECKPOINTS: Final = "checkpoints.txt"
"""Checkpoints that were published before the snapshot was taken."""
KEYS: Final = "keys.sealed"
"""The secret keys, if they were asked for."""
FINDINGS_MAX = 100
"""Faults of a backup that are listed; it is useless by then."""
_DIGEST = r"^sha256:[0-9a-f]{64}$"
_NAME = r"^[a-z][a-z0-9_]{0,62}$"


FileName = Literal["artefacts.txt", "trust.txt", "checkpoints.txt", "keys.sealed"]
"""What may lie beside the tables; nothing else is ever opened."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileEntry(_Part):
    """One file of a snapshot."""

    digest: str = Field(pattern=_DIGEST)
    """Of its bytes."""
    size_bytes: int = Field(ge=0)
    """Its length."""


class TableEntry(FileEntry):
    """One table, in ``tables/<name>.parquet``."""

    name: str = Field(pattern=_NAME)
    """The table's."""
    rows: int = Field(ge=0)
    """How many it held."""


class Manifest(_Part):
    """What a snapshot is made of."""

    format: str = Field(pattern=f"^{FORMAT}$")
    """`FORMAT`."""
    name: str = Field(pattern=r"^[0-9]{8}T[0-9]{6}Z-[a-z0-9]{6}$")
    """The snapshot's: time in UTC and something random."""
    at_us: int
    """When the rows were as they are in it."""
    version: str
    """Of Yunhe that wrote it."""
    revision: str = Field(pattern=r"^[0-9]{4}$")
    """Of the schema."""
    origin: str
    """Name of the custody log."""
    tables: tuple[TableEntry, ...]
    """Parents before children."""
    files: dict[FileName, FileEntry]
    """Every other file by name."""
    artefacts: int = Field(ge=0)
    """How many digests `ARTEFACTS` lists."""
    artefact_bytes: int = Field(ge=0)
    """Their bytes together."""
    absent: tuple[str, ...]
    """Artefacts that rows name and the store had lost."""
    erased: tuple[str, ...]
    """Artefacts that rows name and that were erased on request after the rows were read."""
    damaged: tuple[str, ...]
    """Artefacts left out because their bytes were not theirs any more."""
    checkpoint: str
    """The newest signed checkpoint in the rows; empty when there was none."""
    published: bool
    """Whether the outside place could be read."""

    def rows(self) -> int:
        """Over all tables."""
        return sum(each.rows for each in self.tables)

    def leaves(self) -> int:
        """How many leaves the newest checkpoint in the rows covers."""
        return int(self.checkpoint.split("\n")[1]) if self.checkpoint else 0

    def dumped(self) -> list[Dumped]:
        """The tables, as whoever loads them wants them."""
        return [Dumped(t.name, t.rows, t.digest, t.size_bytes) for t in self.tables]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment in a backup folder."""

    folder: Path
    """Its own folder."""
    blobs: LocalBlobs
    """The artefacts of all snapshots."""
    manifest: Manifest
    """What belongs to it."""

    def table(self, name: str) -> Path:
        """The file of a table."""
        return self.folder / "tables" / (name + SUFFIX)

    def part(self, name: FileName) -> bytes:
        """A file that belongs to it; empty when it does not."""
        return (self.folder / name).read_bytes() if name in self.manifest.files else b""

    def digests(self) -> Iterator[str]:
        """Every artefact that belongs to it."""
        with (self.folder / ARTEFACTS).open(encoding="ascii") as lines:
            yield from (line.strip() for line in lines)

    def check_files(self, progress: Progress) -> list[Finding]:
        """Faults of everything but the artefacts; empty when there are none."""
        listed = [(self.table(each.name), each) for each in self.manifest.tables]
        named = [(self.folder / name, each) for name, each in self.manifest.files.items()]
        found: list[Finding] = []
        for number, (path, entry) in enumerate([*listed, *named]):
            progress.step("operations.restore.files", done=number, total=len(listed) + len(named))
            if not path.is_file():
                found.append(Finding(path.name, "operations.part_missing"))
            elif digest_of_file(path) != (entry.digest, entry.size_bytes):
                found.append(Finding(path.name, "operations.part_differs"))
        return found[:FINDINGS_MAX]

    def check_artefacts(self, progress: Progress) -> list[Finding]:
        """Faults of the artefacts; reads them all."""
        found: list[Finding] = []
        for number, digest in enumerate(self.digests()):
            progress.step(
                "operations.restore.artefacts", done=number, total=self.manifest.artefacts
            )
            try:
                for _ in self.blobs.stream(digest):
                    pass
            except NotFound:
                found.append(Finding(digest, "operations.part_missing"))
            except YunheError:
                found.append(Finding(digest, "operations.part_differs"))
            if len(found) >= FINDINGS_MAX:
                break
        return found


def names(target: Path) -> list[str]:
    """The whole snapshots in a backup folder, oldest first."""
    found = (path.parent.name for path in (target / "snapshots").glob(f"*/{MANIFEST}"))
    return sorted(name for name in found if not name.startswith("."))


def open_snapshot(target: Path, name: str = "") -> Snapshot:
    """The snapshot of that name, or the newest; only its manifest is read.

    Errors: `NotFound` ``operations.no_snapshot``; `Invalid` ``operations.manifest_invalid``.
    """
    there = names(target)
    chosen = name or (there[-1] if there else "")
    if chosen not in there:
        raise NotFound("operations.no_snapshot", where=str(target), name=name or "*")
    folder = target / "snapshots" / chosen
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (ValidationError, OSError):
        raise Invalid("operations.manifest_invalid", where=str(folder / MANIFEST)) from None
    if manifest.name != chosen:
        raise Invalid("operations.manifest_invalid", where=str(folder / MANIFEST))
    return Snapshot(folder, LocalBlobs(target / "blobs"), manifest)
