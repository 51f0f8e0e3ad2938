"""Looks at the whole log from the inside, and at the log from outside checkpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Row
from sqlalchemy.exc import DBAPIError

from yunhe.custody import merkle, pruning, store, verifier
from yunhe.custody.domain import Audit, Checkpoint
from yunhe.kernel.errors import Finding, Parameter, Unavailable
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

_CHUNK_LEAVES = 500  # read at once
PROBLEMS_MAX = 100
"""Findings after which an audit stops looking: the log is not to be trusted by then."""


def audit(storage: Storage, trust: str) -> Audit:
    """Recompute the tree from the leaves and hold everything stored against it.

    Finds any change of a leaf, node or checkpoint by someone without the signing key, but not a
    history that its owner rewrote and signed again: that is what `check_outside` is for. ``trust``
    is the text of the trust file. Cost: reads the whole log once, in chunks.
    """
    with storage.database.read() as tx:
        examination = _Examination(tx, now_us=storage.clock.now_us())
        examination.run(trust)
    return Audit(
        leaves=examination.frontier.size,
        erased=examination.erased,
        pending=examination.pending,
        checkpoints=examination.checkpoints,
        problems=tuple(examination.problems),
    )


def check_outside(storage: Storage, outside: Sequence[str], *, trust: str) -> Audit:
    """Prove that the present log continues every checkpoint in the texts ``outside``.

    Each must be signed by a key of ``trust`` and be linked to the newest checkpoint by a
    consistency proof. The result is not ``ok`` when there is no checkpoint in the texts.
    """
    notes = [found[0] for text in outside for found in verifier.NOTE.finditer(text)]
    problems: list[Finding] = []
    with storage.database.read() as tx:
        newest = store.latest(tx)
        for note in notes:
            problems += _check_note(tx, note, newest=newest, trust=trust)
    if not notes:
        problems.append(Finding("-", "custody.outside_empty"))
    return Audit(
        leaves=newest.size if newest else 0, checkpoints=len(notes), problems=tuple(problems)
    )


def _check_note(
    tx: Transaction, note: str, *, newest: Checkpoint | None, trust: str
) -> Iterator[Finding]:
    where = " ".join(note.split("\n")[:2])
    try:
        _, old, _ = verifier.read_note(note, verifier.read_trust(trust))
    except verifier.Rejected:
        yield Finding(where, "custody.outside_unsigned")
        return
    if newest is None or newest.size < old[0]:
        size = newest.size if newest else 0
        yield Finding(where, "custody.outside_longer", (("size", size),))
        return
    path = merkle.consistency_path(old[0], newest.size)
    try:
        [proof] = merkle.proofs(store.NodeRows(tx), [path])
    except Unavailable as error:
        yield Finding(where, error.code, tuple(error.params.items()))
        return
    if not verifier.is_extension(old, (newest.size, newest.root), proof):
        yield Finding(where, "custody.outside_differs")


class _Examination:
    """One pass over the log within one transaction."""

    def __init__(self, tx: Transaction, *, now_us: int) -> None:
        self.frontier = merkle.Frontier()
        self.erased = self.pending = self.checkpoints = 0
        self.problems: list[Finding] = []
        self._tx = tx
        self._now_us = now_us
        self._before: Checkpoint | None = None

    def run(self, trust: str) -> None:
        """Walk leaves and checkpoints side by side, then look for what should not be there."""
        try:
            keys = verifier.read_trust(trust)
        except verifier.Rejected:
            self._found("trust", "custody.audit_trust")
            return
        try:
            self._walk(keys)
        except (DBAPIError, ValueError, TypeError):  # e.g. text that is no UTF-8 any more
            self._found(f"leaf {self.frontier.size}", "custody.audit_unreadable")

    def _walk(self, keys: Mapping[str, bytes]) -> None:
        signed = store.checkpoints(self._tx)
        due = next(signed, None)
        while len(self.problems) < PROBLEMS_MAX:
            rows = store.leaf_rows(self._tx, start=self.frontier.size, count=_CHUNK_LEAVES)
            if not rows:
                break
            completed: list[tuple[merkle.Node, bytes]] = []
            for row in rows:
                if row.leaf_index != self.frontier.size:
                    self._found(f"leaf {self.frontier.size}", "custody.audit_leaf_missing")
                    return
                completed += self.frontier.append(self._leaf(row))
                while due is not None and due.size <= self.frontier.size:
                    self._compare(due, keys)
                    due = next(signed, None)
            self._check_nodes(completed)
        for extra in [due, *signed] if due else []:
            self._found(f"checkpoint {extra.number}", "custody.audit_checkpoint_beyond")
        if self.frontier.size > (self._before.size if self._before else 0):
            self._found(f"leaf {self.frontier.size - 1}", "custody.audit_unsigned")
        self._look_for_extras()

    def _leaf(self, row: Row[tuple[object, ...]]) -> bytes:
        """The leaf hash as stored, after checking that the content still leads to it."""
        reference = bytes(row.reference)
        where = "pending" if row.leaf_index is None else f"leaf {row.leaf_index}"
        if row.salt is None and row.body is None and row.links is None:
            self.erased += 1
            return reference
        try:
            record = store.entry_of(row).record
        except Unavailable:
            record = None
        if record is None:
            self._found(where, "custody.audit_leaf_differs", subject=str(row.subject))
            return reference
        same = store.row_of(record, reference=reference, salt=row.salt)
        intact = (row.body, row.links) == (same["body"], same["links"])
        if not intact or verifier.record_hash(row.salt, record.content()) != reference:
            self._found(where, "custody.audit_leaf_differs", subject=record.subject)
        return reference

    def _check_nodes(self, completed: Sequence[tuple[merkle.Node, bytes]]) -> None:
        stored = store.NodeRows(self._tx).read_present([at for at, _ in completed])
        for at, expected in completed:
            if stored.get(at) != expected:
                self._found(f"node {at[0]}/{at[1]}", "custody.audit_node_differs")

    def _compare(self, made: Checkpoint, keys: Mapping[str, bytes]) -> None:
        """One checkpoint against its signature, its own columns, the one before it and the tree."""
        self.checkpoints += 1
        where, before = f"checkpoint {made.number}", self._before
        self._before = made
        try:
            said = verifier.read_note(made.note, keys)
        except verifier.Rejected:
            self._found(where, "custody.audit_signature")
            return
        if said != (made.key, (made.size, made.root), made.at_us):
            self._found(where, "custody.audit_checkpoint_differs")
        number, at_us = (before.number, before.at_us) if before else (0, 0)
        pruned = made.number > number and pruning.old(made, now_us=self._now_us)
        if (made.number != number + 1 and not pruned) or made.at_us < at_us:
            self._found(where, "custody.audit_checkpoint_order")
        if (made.size, made.root) != (self.frontier.size, self.frontier.root()):
            self._found(where, "custody.audit_root_differs")
        if store.origin(self._tx) != made.key.rpartition("+")[0]:
            self._found("log", "custody.audit_origin")

    def _look_for_extras(self) -> None:
        for row in store.waiting_rows(self._tx):
            self.pending += 1
            self._leaf(row)
        size = self.frontier.size
        if store.count_leaves(self._tx) != size + self.pending:
            self._found("leaves", "custody.audit_extra")
        if store.NodeRows(self._tx).count() != 2 * size - size.bit_count():
            self._found("nodes", "custody.audit_extra")

    def _found(self, where: str, code: str, **params: Parameter) -> None:
        self.problems.append(Finding(where, code, tuple(params.items())))
