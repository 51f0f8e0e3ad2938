"""What a run is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal

from yunhe.corpus.domain import Columns, Profile
from yunhe.corpus.inputs import InputFile
from yunhe.kernel.canonical import JsonObject
from yunhe.kernel.errors import Finding

OutputFormat = Literal["parquet", "jsonl.zst"]
"""How released documents are written; the tables beside them are always Parquet."""
MEMORY_BYTES = 2 << 30
"""Memory a run may use where nothing else is said."""
FINDINGS_MAX = 200
"""Findings a run hands back; the others are counted."""


@dataclass(frozen=True, slots=True)
class RejectsKey:
    """Asks for the raw text of dropped documents, encrypted."""

    path: Path
    """File that holds the key: 32 bytes."""
    delete_after: date
    """Until when the rejects may be kept; stands in the manifest."""


@dataclass(frozen=True, slots=True)
class Job:
    """One cleansing of files into a folder."""

    inputs: tuple[InputFile, ...]
    """What to read, in order."""
    columns: Columns
    """Which columns hold what."""
    profile: Profile
    """Steps and thresholds."""
    out: Path
    """The folder that appears when all is done."""
    format: OutputFormat = "parquet"
    """Of the released documents."""
    threads: int = 1
    """Threads for bulk work; never changes a byte of the result."""
    ray: str | None = None
    """``local`` for Ray on this machine, the address of a cluster, or None for threads."""
    memory_bytes_max: int = MEMORY_BYTES
    """What the run keeps to, beyond about 0.4 GB for the program itself."""
    rejects: RejectsKey | None = None
    """Off unless asked for."""
    source: JsonObject = field(default_factory=dict)
    """Name, holder, licence … as they go into the manifest."""


@dataclass(frozen=True, slots=True)
class Done:
    """A finished run."""

    manifest: JsonObject
    """As it lies in ``OUT/manifest.json``."""
    findings: tuple[Finding, ...] = ()
    """The first faults; those of an earlier run are only counted in the manifest."""
    faults: int = 0
    """How many faults there were in all: unreadable rows, ids that had to be changed."""
    unread: tuple[str, ...] = ()
    """Names of files that could not be read, or not to their end."""
    repeated: bool = False
    """Whether the output was there already and nothing was done."""


@dataclass(slots=True)
class Faults:
    """Collects faults while a run goes on."""

    findings: list[Finding] = field(default_factory=list)
    """The first `FINDINGS_MAX`."""
    count: int = 0
    """All of them."""
    unread: dict[str, None] = field(default_factory=dict)
    """Files that could not be read to their end, in order."""

    def add(self, findings: tuple[Finding, ...] | list[Finding], count: int | None = None) -> None:
        """Note some faults; ``count`` when there were more than are written out."""
        self.count += len(findings) if count is None else count
        self.findings += findings[: max(0, FINDINGS_MAX - len(self.findings))]


def finding_json(finding: Finding) -> JsonObject:
    """A finding as plain data."""
    return {"where": finding.where, "code": finding.code, "params": dict(finding.params)}


def finding_of(data: Mapping[str, Any]) -> Finding:
    """What `finding_json` made."""
    return Finding(data["where"], data["code"], tuple(data["params"].items()))
