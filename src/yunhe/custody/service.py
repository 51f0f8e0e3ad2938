"""The face of the custody floor: write records, follow their links, hand out and check receipts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from sqlalchemy.exc import IntegrityError

from yunhe.custody import keys, merkle, pruning, store, verifier
from yunhe.custody.audit import audit, check_outside
from yunhe.custody.domain import KEY_ROTATED, Ancestry, Checkpoint, Entry, Record, Verdict
from yunhe.custody.glance import glance
from yunhe.custody.keys import Signer, create_log, open_signer, trust
from yunhe.custody.publishers import FilePublisher, GitPublisher, Publisher
from yunhe.custody.sequencer import Sequencer
from yunhe.kernel.canonical import Json, JsonObject, canonical_bytes
from yunhe.kernel.errors import Conflict, Exhausted, Finding, Invalid, NotAllowed, NotFound
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage
from yunhe.storage.tally import Tally

__all__ = [
    "FilePublisher",
    "GitPublisher",
    "Publisher",
    "Sequencer",
    "Signer",
    "ancestors",
    "append",
    "append_new",
    "audit",
    "backlog",
    "check_outside",
    "create_log",
    "erase",
    "glance",
    "naming",
    "newest",
    "open_signer",
    "prune",
    "receipt",
    "receipt_bytes",
    "record",
    "reference",
    "resting_on",
    "rotate",
    "trust",
    "verify",
]

ANCESTORS_MAX = 10_000
"""Records one chain may hold; far more than any real one."""
_SALT_BYTES = 16


def append(tx: Transaction, record: Record) -> str:
    """Write a record in the caller's transaction; returns its reference (hex leaf hash).

    There is one record for each kind and subject: the same one again, whatever its time, is the
    same reference. Errors: `Conflict` ``custody.record_differs`` when the present one says
    otherwise, `Invalid` ``custody.links_unknown`` when a link leads to no record. Cost: three
    statements.
    """
    known = store.find(tx, record.kind, record.subject)
    if known is None:
        _check_links(tx, record)
        row, made = _leaf(record)
        if store.insert_new(tx, row):
            return made
        known = store.find(tx, record.kind, record.subject)  # another writer was faster
    if known is None:
        raise Conflict("custody.record_differs", kind=record.kind, subject=record.subject)
    if known.record is not None and _facts(known.record) != _facts(record):
        raise Conflict("custody.record_differs", kind=record.kind, subject=record.subject)
    return known.reference


def append_new(tx: Transaction, records: Sequence[Record]) -> list[str]:
    """Write many records about fresh subjects at once; their references, in the same order.

    Nothing is looked up, links included: the caller has just read what it links to. Errors:
    `Conflict` ``custody.subject_taken`` when a subject is not fresh; the transaction is spoilt
    then.
    """
    leaves = [_leaf(record) for record in records]
    try:
        store.insert(tx, [row for row, _ in leaves])
    except IntegrityError as error:
        raise Conflict("custody.subject_taken", count=len(records)) from error
    return [made for _, made in leaves]


def reference(tx: Transaction, kind: str, subject: str) -> str | None:
    """The reference of the record about a subject; None when there is none."""
    known = store.find(tx, kind, subject)
    return None if known is None else known.reference


def record(tx: Transaction, reference: str) -> Record:
    """The record with this reference.

    Errors: `NotFound` ``custody.record_unknown``, or ``custody.record_erased`` when only its leaf
    is left.
    """
    known = _entries(tx, [reference])[reference]
    if known.record is None:
        raise NotFound("custody.record_erased", reference=reference)
    return known.record


def ancestors(tx: Transaction, reference: str) -> Ancestry:
    """A record and every record it rests on, through all links, nearest first.

    Errors: `NotFound` ``custody.record_unknown``, `Exhausted` ``custody.chain_too_long`` beyond
    `ANCESTORS_MAX`. Cost: one statement for each step away from the record.
    """
    found: dict[str, Entry] = {}
    wanted = [reference]
    while wanted:
        found |= _entries(tx, wanted)
        if len(found) > ANCESTORS_MAX:
            raise Exhausted("custody.chain_too_long", reference=reference, most=ANCESTORS_MAX)
        near = (found[each].record for each in wanted)
        parents = {to: None for each in near if each for to in each.links.values()}  # keeps order
        wanted = [each for each in parents if each not in found]
    return Ancestry(reference, found)


def resting_on(tx: Transaction, reference: str) -> Mapping[str, int]:
    """How many standing records name this one as a parent, by kind. Cost: reads every record."""
    return store.resting_on(tx, reference)


def naming(tx: Transaction, digest: str) -> Sequence[tuple[str, str]]:
    """Kind and field of every standing record that names a digest. Cost: reads every record."""
    return store.naming(tx, digest)


def prune(tx: Transaction, *, after: int = 0, now_us: int, limit: int) -> tuple[int, int]:
    """Delete old checkpoints that later ones cover: how many, and the number to go on after.

    Looks at ``limit`` of them; the log proves what it proved. See `yunhe.custody.pruning`.
    """
    seen = store.checkpoints_from(tx, after, limit=limit)
    seen = [each for each in seen if pruning.old(each, now_us=now_us)]
    gone = pruning.needless(seen, now_us=now_us)
    store.remove_checkpoints(tx, gone)
    return len(gone), seen[-1].number if seen else after


def erase(tx: Transaction, reference: str) -> None:
    """Remove a record's content and salt for good; its leaf stays, so the log still verifies.

    Afterwards nobody can show what the leaf stood for, and receipts that rest on it say so. Erasing
    again changes nothing. Errors: `NotFound` ``custody.record_unknown``; `NotAllowed`
    ``custody.not_erasable`` for a change of key, which verifiers need and which is about no person.
    """
    known = _entries(tx, [reference])[reference]
    if known.record is not None and known.record.kind == KEY_ROTATED:
        raise NotAllowed("custody.not_erasable", reference=reference)
    store.empty(tx, reference)


def backlog(tx: Transaction) -> Tally:
    """How many records wait for the sequencer, and since when the oldest does."""
    return store.backlog(tx)


def newest(tx: Transaction) -> Checkpoint | None:
    """The newest signed checkpoint; None before the first."""
    return store.latest(tx)


def receipt(storage: Storage, reference: str, *, size: int | None = None) -> JsonObject:
    """Everything that proves a record and all it rests on, for checking elsewhere without this log.

    ``size`` asks for the checkpoint over that many leaves, e.g. one that lies in an outside place;
    without it the newest is taken. Hand the receipt on as `receipt_bytes`: verifiers accept no
    other spelling. Errors: `NotFound` ``custody.record_unknown`` or ``custody.checkpoint_unknown``;
    `Conflict` ``custody.not_sequenced`` while the checkpoint does not cover the record.
    """
    with storage.database.read() as tx:
        chain = ancestors(tx, reference)
        made = store.latest(tx) if size is None else store.latest_of_size(tx, size)
        if made is None and size is not None:
            raise NotFound("custody.checkpoint_unknown", size=size)
        entries = list(chain.entries.values())
        if made is None or any(e.index is None or e.index >= made.size for e in entries):
            raise Conflict("custody.not_sequenced", reference=reference, retryable=True)
        rotations = _rotations(tx, made)
        paths = [merkle.inclusion_path(e.index or 0, made.size) for e in entries]
        proofs = merkle.proofs(store.NodeRows(tx), paths)
        return {
            "format": verifier.FORMAT,
            "subject": reference,
            "checkpoint": made.note,
            "entries": {
                entry.reference: _entry_json(entry, proof)
                for entry, proof in zip(entries, proofs, strict=True)
            },
            "rotations": rotations,
        }


def receipt_bytes(receipt: JsonObject) -> bytes:
    """The one spelling of a receipt that verifiers accept."""
    return canonical_bytes(receipt)


def verify(receipt: JsonObject | bytes, trust: str, outside: Sequence[str] = ()) -> Verdict:
    """Judge a receipt with the code of the stand-alone verifier, record by record.

    ``trust`` is the text of a trust file; ``outside`` are texts of checkpoints from outside places,
    one of which must then hold the receipt's. Wrong receipts are verdicts, not errors. Cost: about
    a millisecond for an answer's chain.
    """
    try:
        issued = receipt if isinstance(receipt, bytes) else verifier.canonical(receipt)
    except (ValueError, TypeError, RecursionError):  # what has no bytes cannot have been issued
        issued = b""
    return verifier.verify(issued, trust, outside)


def rotate(storage: Storage, signer: Signer, publishers: Sequence[Publisher] = ()) -> str:
    """Make a new signing key, record it under the old one, then sign with it; returns its id.

    The trust file gains the new line and keeps the old one, with which older checkpoints are
    checked. Stopped at any point, the same call finishes: until the last step the old key signs on,
    and that step replaces it, which destroys its secret half. Errors as `Sequencer.run_once`.
    """
    old = signer.load()
    line = verifier.key_text(old.name, keys.make_key(signer.home, "next.pem"))
    [new] = verifier.read_trust(line)
    body = {"old_key": old.id, "new_key": new, "new_public": line}
    at_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        append(tx, Record(kind=KEY_ROTATED, subject=new, at_us=at_us, body=body, links={}))
    sequencer = Sequencer(storage, signer, publishers)
    sequencer.run_once()
    keys.add_trust(signer.home, line)
    keys.install_next(signer.home)
    sequencer.run_once()  # the same tree, or a grown one, under the new key
    return new


def _leaf(record: Record) -> tuple[dict[str, object], str]:
    salt = os.urandom(_SALT_BYTES)
    row = store.row_of(record, reference=b"", salt=salt)  # refuses what has no canonical form
    hashed = verifier.record_hash(salt, record.content())
    return row | {"reference": hashed}, hashed.hex()


def _facts(record: Record) -> tuple[bytes, bytes]:
    return canonical_bytes(dict(record.body)), canonical_bytes(dict(record.links))


def _check_links(tx: Transaction, record: Record) -> None:
    malformed = {role for role, to in record.links.items() if not _is_reference(to)}
    known = store.by_references(tx, {to for r, to in record.links.items() if r not in malformed})
    findings = [
        Finding(role, "custody.link_unknown", (("reference", to[:80]),))
        for role, to in record.links.items()
        if role in malformed or to not in known
    ]
    if findings:
        raise Invalid(
            "custody.links_unknown", findings=findings, kind=record.kind, subject=record.subject
        )


def _is_reference(text: str) -> bool:
    return len(text) == 64 and not set(text) - set("0123456789abcdef")


def _entries(tx: Transaction, references: Sequence[str]) -> Mapping[str, Entry]:
    known = store.by_references(tx, [each for each in references if _is_reference(each)])
    for each in references:
        if each not in known:
            raise NotFound("custody.record_unknown", reference=each[:80])
    return {each: known[each] for each in references}


def _entry_json(entry: Entry, proof: Sequence[bytes]) -> JsonObject:
    shown: dict[str, Json] = {"index": entry.index, "proof": [each.hex() for each in proof]}
    if entry.record is not None:
        shown |= {"record": entry.record.content(), "salt": entry.salt.hex()}
    return shown


def _rotations(tx: Transaction, made: Checkpoint) -> list[JsonObject]:
    """What leads a verifier that trusts an earlier key to the one that signed ``made``."""
    shown: list[JsonObject] = []
    for entry in store.of_kind(tx, KEY_ROTATED):
        body = entry.record.body if entry.record else {}
        old = store.latest_by(tx, str(body.get("old_key")))
        if (
            old is None
            or entry.index is None
            or entry.index >= old.size
            or old.number > made.number
        ):
            break  # the change is under way, or came after ``made``
        paths = [
            merkle.inclusion_path(entry.index, old.size),
            merkle.consistency_path(old.size, made.size),
        ]
        inclusion, consistency = merkle.proofs(store.NodeRows(tx), paths)
        shown.append(
            {
                "checkpoint": old.note,
                "entry": _entry_json(entry, inclusion),
                "proof": [each.hex() for each in consistency],
            }
        )
        if body.get("new_key") == made.key:
            return shown
    return []
