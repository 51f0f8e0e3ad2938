"""Holds artefacts against the records that name them, and shows what one changed byte does."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from yunhe.custody import service as custody
from yunhe.custody.domain import Record, Verdict
from yunhe.kernel.canonical import Json, sha256
from yunhe.kernel.errors import NotFound, YunheError
from yunhe.plans.run import Run


@dataclass(frozen=True, slots=True)
class Named:
    """A digest in a record: the promise that certain bytes were meant."""

    kind: str
    """Kind of the record."""
    subject: str
    """What the record is about."""
    field: str
    """Field of its body."""
    digest: str
    """The digest."""


@dataclass(frozen=True, slots=True)
class Tampered:
    """One byte was changed in a copy of one thing; what noticed it."""

    what: str
    """A field of a record, ``record``, ``checkpoint`` or ``outside``."""
    kind: str
    """Kind of the record it belongs to; empty for the checkpoint and the outside place."""
    noticed: tuple[str, str, str] | None
    """Kind and subject of the link that broke, and the verifier's reason; None if nothing did."""


def named_in(records: Iterable[Record]) -> list[Named]:
    """Every digest that the records name, each once, the record nearest to the answer first."""
    found: dict[str, Named] = {}
    for record in records:
        for field, value in record.body.items():
            for digest in _digests(value):
                found.setdefault(digest, Named(record.kind, record.subject, field, digest))
    return list(found.values())


def _digests(value: Json) -> Iterator[str]:
    if isinstance(value, str) and value.startswith("sha256:"):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _digests(item)


class Readable(Protocol):
    """What looking at artefacts needs of a store."""

    def exists(self, digest: str) -> bool:
        """Whether the blob is there."""
        ...

    def read(self, digest: str) -> bytes:
        """The bytes, checked against the digest."""
        ...


class Held:
    """The store and the raw input, which stays where its holder keeps it."""

    def __init__(self, blobs: Readable, raw: Path, raw_digest: str) -> None:
        """``raw`` holds the bytes that ``raw_digest`` means, if nobody has changed them."""
        self._blobs, self._raw, self._raw_digest = blobs, raw, raw_digest

    def exists(self, digest: str) -> bool:
        """Whether the bytes can be looked at here."""
        return self._raw.is_file() if digest == self._raw_digest else self._blobs.exists(digest)

    def read(self, digest: str) -> bytes:
        """The bytes; `NotFound` when they are not the ones meant."""
        if digest != self._raw_digest:
            return self._blobs.read(digest)
        data = self._raw.read_bytes()
        if sha256(data) != digest:
            raise NotFound("storage.blob_missing", digest=digest)
        return data


class _Changed:
    """The same, with the last byte of one artefact flipped; nothing on disk is touched."""

    def __init__(self, held: Readable, digest: str) -> None:
        self._held, self._digest = held, digest

    def exists(self, digest: str) -> bool:
        return self._held.exists(digest)

    def read(self, digest: str) -> bytes:
        data = self._held.read(digest)
        if digest == self._digest:
            data = data[:-1] + bytes([data[-1] ^ 1])
        if sha256(data) != digest:
            raise NotFound("storage.blob_missing", digest=digest)
        return data


def held_by(run: Run) -> Held:
    """Where the run's artefacts are."""
    return Held(run.storage.blobs, run.source.path, run.left("corpus", "input"))


def damaged(held: Readable, named: Iterable[Named]) -> list[Named]:
    """Those whose bytes are not the ones meant; what cannot be looked at here is left out."""
    found = []
    for each in named:
        if not held.exists(each.digest):
            continue
        try:
            held.read(each.digest)
        except YunheError:
            found.append(each)
    return found


def tamper(run: Run, records: list[Record]) -> Iterator[Tampered]:
    """Change one byte of each stored artefact, each record, the checkpoint, the outside place."""
    held = held_by(run)
    for each in named_in(records):
        if held.exists(each.digest):
            broke = damaged(_Changed(held, each.digest), [each])
            noticed = (each.kind, each.subject, "bytes") if broke else None
            yield Tampered(each.field, each.kind, noticed)
    receipt = run.storage.blobs.read(run.left("serving", "receipt"))
    trust, outside = run.equipment.trust(), run.equipment.checkpoints()
    for record in records:
        edited = _edit(receipt, f'"subject":"{record.subject}"'.encode())
        yield Tampered("record", record.kind, _noticed(custody.verify(edited, trust, [outside])))
    signed = json.loads(receipt)["checkpoint"].splitlines()
    for line in (signed[1], signed[2][:20], signed[-1][-20:-4]):
        edited = _edit(receipt, line.encode())
        yield Tampered("checkpoint", "", _noticed(custody.verify(edited, trust, [outside])))
    other = "E=" if signed[2].endswith("A=") else "A="
    forged = outside.replace(signed[2], signed[2][:-2] + other)
    yield Tampered("outside", "", _noticed(custody.verify(receipt, trust, [forged])))


def _edit(receipt: bytes, near: bytes) -> bytes:
    at = receipt.index(near) + len(near) // 2
    letter = receipt[at : at + 1]
    return receipt[:at] + (b"7" if letter != b"7" else b"3") + receipt[at + 1 :]


def _noticed(verdict: Verdict) -> tuple[str, str, str] | None:
    for link in (*verdict.links, verdict.seal):
        if not link.ok:
            return link.kind, link.subject, link.reason
    return None


def records_of(run: Run) -> list[Record]:
    """The records of the verified answer's chain, the answer first."""
    receipt: Mapping[str, object] = json.loads(
        run.storage.blobs.read(run.left("serving", "receipt"))
    )
    with run.storage.database.read() as tx:
        chain = custody.ancestors(tx, str(receipt["subject"])).entries
    return [entry.record for entry in chain.values() if entry.record is not None]
