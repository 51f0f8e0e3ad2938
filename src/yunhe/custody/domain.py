"""What the log holds and what checks of it say, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from yunhe.custody.verifier import REASONS, LinkVerdict, Verdict
from yunhe.kernel.canonical import Json, JsonObject
from yunhe.kernel.errors import Finding

__all__ = [
    "REASONS",
    "Ancestry",
    "Audit",
    "Checkpoint",
    "Entry",
    "LinkVerdict",
    "Record",
    "Verdict",
]

KEY_ROTATED = "key.rotated"
"""Kind of the record that announces a new signing key."""


@dataclass(frozen=True, slots=True)
class Record:
    """One fact of the chain of custody; ids are pseudonyms, content is present as digests."""

    kind: str
    """What sort of fact, e.g. ``model.version``; the kinds are the table in `verifier`."""
    subject: str
    """Id of what it is about; unique within the kind."""
    at_us: int
    """When it happened."""
    body: JsonObject
    """Its facts: texts, integers, booleans and lists of them; no floats."""
    links: Mapping[str, str]
    """Role → reference of the record it rests on."""

    def content(self) -> dict[str, Json]:
        """The object whose canonical bytes are hashed into the leaf."""
        return {
            "kind": self.kind,
            "subject": self.subject,
            "at_us": self.at_us,
            "body": dict(self.body),
            "links": dict(self.links),
        }


@dataclass(frozen=True, slots=True)
class Entry:
    """A record's place in the log."""

    reference: str
    """Hex leaf hash."""
    index: int | None
    """Leaf number; None until a sequencer has taken it in."""
    record: Record | None
    """The content; None once it has been erased."""
    salt: bytes
    """What keeps the leaf hash from being guessed; empty once erased."""


@dataclass(frozen=True, slots=True)
class Ancestry:
    """A record and everything it rests on."""

    subject: str
    """Reference of the record that was asked about."""
    entries: Mapping[str, Entry]
    """Reference → entry, nearest first."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed statement of what the log held."""

    number: int
    """1 for the first, then without gaps."""
    size: int
    """Leaves covered."""
    root: bytes
    """RFC 6962 root of those leaves."""
    at_us: int
    """When it was signed; never before the one before it."""
    key: str
    """Id of the key that signed."""
    note: str
    """The signed text, as published."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What a look at the whole log, or at checkpoints kept outside, found."""

    leaves: int = 0
    """Leaves of the tree that were recomputed."""
    erased: int = 0
    """Those of them whose content has been erased."""
    pending: int = 0
    """Leaves that wait for the sequencer."""
    checkpoints: int = 0
    """Signed checkpoints that were compared."""
    problems: tuple[Finding, ...] = ()
    """Every contradiction, each with its place."""

    @property
    def ok(self) -> bool:
        """Whether something was compared and nothing contradicted it."""
        return not self.problems and (self.checkpoints > 0 or self.leaves == 0)
