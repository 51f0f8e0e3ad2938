"""A bounded look at the log: its newest signature and what was written last."""

from __future__ import annotations

from collections.abc import Iterator

from yunhe.custody import merkle, store, verifier
from yunhe.custody.domain import Audit, Checkpoint
from yunhe.kernel.errors import Finding, Unavailable
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

GLANCE_LEAVES = 500
"""Newest leaves whose content is held against their hashes."""


def glance(storage: Storage, trust: str) -> Audit:
    """Check the newest checkpoint, the tree's edge under it and the last `GLANCE_LEAVES` leaves.

    Finds a key that is not trusted, a root that the tree does not lead to and late changes; older
    ones only `audit` finds. ``trust`` is the text of the trust file. Cost: some thousand rows.
    """
    with storage.database.read() as tx:
        newest, waiting = store.latest(tx), store.backlog(tx).count
        if newest is None:
            return Audit(pending=waiting)
        problems = [*_signed(newest, trust), *_rooted(tx, newest)]
        looked = list(_leaves(tx, newest))
    return Audit(
        leaves=min(newest.size, GLANCE_LEAVES),
        pending=waiting,
        checkpoints=1,
        problems=(*problems, *looked),
    )


def _signed(newest: Checkpoint, trust: str) -> Iterator[Finding]:
    where = f"checkpoint {newest.number}"
    try:
        said = verifier.read_note(newest.note, verifier.read_trust(trust))
    except verifier.Rejected:
        yield Finding(where, "custody.audit_signature")
        return
    if said != (newest.key, (newest.size, newest.root), newest.at_us):
        yield Finding(where, "custody.audit_checkpoint_differs")


def _rooted(tx: Transaction, newest: Checkpoint) -> Iterator[Finding]:
    where = f"checkpoint {newest.number}"
    try:
        root = merkle.Frontier.load(store.NodeRows(tx), newest.size).root()
    except Unavailable:
        root = b""
    if root != newest.root:
        yield Finding(where, "custody.audit_root_differs")


def _leaves(tx: Transaction, newest: Checkpoint) -> Iterator[Finding]:
    start = max(newest.size - GLANCE_LEAVES, 0)
    rows = store.leaf_rows(tx, start=start, count=newest.size - start)
    nodes = store.NodeRows(tx).read_present([(0, start + n) for n in range(len(rows))])
    for number, row in enumerate(rows, start):
        where = f"leaf {number}"
        if row.leaf_index != number:
            yield Finding(where, "custody.audit_leaf_missing")
            return
        if nodes.get((0, number)) != bytes(row.reference):
            yield Finding(f"node 0/{number}", "custody.audit_node_differs")
        if row.body is None and row.links is None and row.salt is None:
            continue  # erased
        try:
            record = store.entry_of(row).record
        except Unavailable:
            record = None
        if record is None or verifier.record_hash(row.salt, record.content()) != row.reference:
            yield Finding(where, "custody.audit_leaf_differs", (("subject", str(row.subject)),))
    if len(rows) < newest.size - start:
        yield Finding(f"leaf {start + len(rows)}", "custody.audit_leaf_missing")
