"""The log's tables: leaves in order of arrival, nodes of the tree, signed checkpoints.

Leaves are only ever added, numbered once, and emptied of content by erasure. Hashes are kept as
bytes.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence

from sqlalchemy import (
    BigInteger,
    Column,
    LargeBinary,
    Row,
    Select,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    delete,
    func,
    select,
    update,
)

from yunhe.custody.domain import Checkpoint, Entry, Record
from yunhe.custody.merkle import Node
from yunhe.kernel.canonical import canonical_bytes
from yunhe.kernel.errors import Unavailable
from yunhe.storage import dialect
from yunhe.storage.database import Transaction
from yunhe.storage.schema import Code, Instant, metadata
from yunhe.storage.schema import Sequence as Counted
from yunhe.storage.tally import Tally

_IN_MAX = 1_000  # values per IN list, far below what any database takes

log = Table(
    "custody_log",
    metadata,
    Column(
        "id", BigInteger, primary_key=True, autoincrement=False
    ),  # one row: the lock of sequencers
    Column("origin", Text, nullable=False),
)
leaf = Table(
    "custody_leaf",
    metadata,
    Column("position", Counted, primary_key=True),
    Column("leaf_index", BigInteger, unique=True),  # NULL while it waits for the sequencer
    Column("reference", LargeBinary, nullable=False, unique=True),
    Column("kind", Code, nullable=False),
    Column("subject", Text, nullable=False),
    Column("at_us", Instant, nullable=False),
    Column("body", Text),  # this, links and salt are NULL once erased
    Column("links", Text),
    Column("salt", LargeBinary),
    UniqueConstraint("kind", "subject"),
)
node = Table(
    "custody_node",
    metadata,
    # In-order number of the node: one integer orders and addresses every level.
    Column("number", Counted, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
)
checkpoint = Table(
    "custody_checkpoint",
    metadata,
    Column("number", Counted, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False, index=True),
    Column("root", LargeBinary, nullable=False),
    Column("at_us", Instant, nullable=False),
    Column("key", Text, nullable=False, index=True),
    Column("note", Text, nullable=False),
)


def row_of(record: Record, *, reference: bytes, salt: bytes) -> dict[str, object]:
    """The row of a new leaf."""
    return {
        "reference": reference,
        "kind": record.kind,
        "subject": record.subject,
        "at_us": record.at_us,
        "body": canonical_bytes(dict(record.body)).decode(),
        "links": canonical_bytes(dict(record.links)).decode(),
        "salt": salt,
    }


def insert(tx: Transaction, rows: Sequence[Mapping[str, object]]) -> None:
    """Add leaves in this order; raises the database's error when a subject is already there."""
    if rows:
        tx.execute(leaf.insert(), [dict(row) for row in rows])


def insert_new(tx: Transaction, row: Mapping[str, object]) -> bool:
    """Add a leaf unless its subject is there; whether it was added."""
    return dialect.insert_new(tx, leaf, [row]) == 1


def resting_on(tx: Transaction, reference: str) -> dict[str, int]:
    """How many records that are not erased name this one as a parent, by kind."""
    query = (
        select(leaf.c.kind, func.count())
        .where(leaf.c.links.contains(f'"{reference}"', autoescape=True))
        .group_by(leaf.c.kind)
        .order_by(leaf.c.kind)
    )
    return {row[0]: row[1] for row in tx.execute(query)}


def find(tx: Transaction, kind: str, subject: str) -> Entry | None:
    """The leaf about this subject."""
    return _one(tx, select(leaf).where(leaf.c.kind == kind, leaf.c.subject == subject))


def by_references(tx: Transaction, references: Collection[str]) -> dict[str, Entry]:
    """The leaves among these references that exist."""
    found: dict[str, Entry] = {}
    wanted = [bytes.fromhex(reference) for reference in references]
    for start in range(0, len(wanted), _IN_MAX):
        query = select(leaf).where(leaf.c.reference.in_(wanted[start : start + _IN_MAX]))
        for row in tx.execute(query):
            entry = entry_of(row)
            found[entry.reference] = entry
    return found


def of_kind(tx: Transaction, kind: str) -> list[Entry]:
    """Every sequenced leaf of a kind, in log order."""
    query = select(leaf).where(leaf.c.kind == kind, leaf.c.leaf_index.is_not(None))
    return [entry_of(row) for row in tx.execute(query.order_by(leaf.c.leaf_index))]


def leaf_rows(tx: Transaction, *, start: int, count: int) -> Sequence[Row[tuple[object, ...]]]:
    """Up to ``count`` rows of leaves with an index from ``start`` on, in log order."""
    query = select(leaf).where(leaf.c.leaf_index >= start).order_by(leaf.c.leaf_index).limit(count)
    return tx.execute(query).all()


def waiting_rows(tx: Transaction) -> Iterator[Row[tuple[object, ...]]]:
    """The row of every leaf that waits for the sequencer, in order of arrival."""
    query = select(leaf).where(leaf.c.leaf_index.is_(None)).order_by(leaf.c.position)
    yield from tx.execute(query)


def count_leaves(tx: Transaction) -> int:
    """How many leaves there are, waiting ones included."""
    return tx.execute(select(func.count()).select_from(leaf)).scalar_one()


def entry_of(row: Row[tuple[object, ...]]) -> Entry:
    """The entry in a row of leaves; `Unavailable` ``custody.log_damaged`` when it is unreadable."""
    record = None
    if row.body is not None and row.links is not None and row.salt is not None:
        try:
            body, links = dict(json.loads(row.body)), dict(json.loads(row.links))
        except (ValueError, TypeError):
            raise Unavailable("custody.log_damaged", where=f"leaf {row.leaf_index}") from None
        record = Record(row.kind, row.subject, row.at_us, body, links)
    return Entry(row.reference.hex(), row.leaf_index, record, row.salt or b"")


def _one(tx: Transaction, query: Select[tuple[object, ...]]) -> Entry | None:
    row = tx.execute(query).one_or_none()
    return None if row is None else entry_of(row)


def empty(tx: Transaction, reference: str) -> None:
    """Remove a leaf's content and salt."""
    tx.execute(
        update(leaf)
        .where(leaf.c.reference == bytes.fromhex(reference))
        .values(body=None, links=None, salt=None)
    )


def pending(tx: Transaction, limit: int) -> list[tuple[int, bytes]]:
    """Position and leaf hash of the oldest leaves that wait, in order of arrival."""
    query = (
        select(leaf.c.position, leaf.c.reference)
        .where(leaf.c.leaf_index.is_(None))
        .order_by(leaf.c.position)
        .limit(limit)
    )
    return [(row.position, row.reference) for row in tx.execute(query)]


def backlog(tx: Transaction) -> Tally:
    """How many leaves wait for the sequencer, and since when the oldest does."""
    query = select(func.count(), func.min(leaf.c.at_us)).where(leaf.c.leaf_index.is_(None))
    count, oldest_us = tx.execute(query).one()
    return Tally(count, oldest_us)


def lock(tx: Transaction, origin: str) -> str:
    """Wait until no other sequencer is at work; returns the origin the log was begun with."""
    dialect.insert_new(tx, log, [{"id": 1, "origin": origin}])
    begun: str = tx.execute(
        select(log.c.origin).where(log.c.id == 1).with_for_update()
    ).scalar_one()
    return begun


def origin(tx: Transaction) -> str | None:
    """The origin the log was begun with; None before the first sequencer ran."""
    return tx.execute(select(log.c.origin).where(log.c.id == 1)).scalar_one_or_none()


def number_leaves(tx: Transaction, positions: Sequence[int], *, start: int) -> None:
    """Give the leaves at these positions the indices from ``start`` on."""
    statement = (
        update(leaf).where(leaf.c.position == bindparam("at")).values(leaf_index=bindparam("to"))
    )
    tx.execute(statement, [{"at": at, "to": to} for to, at in enumerate(positions, start)])


def add_nodes(tx: Transaction, nodes: Sequence[tuple[Node, bytes]]) -> None:
    """Write newly completed subtrees."""
    tx.execute(node.insert(), [{"number": _number(at), "hash": value} for at, value in nodes])


def _number(at: Node) -> int:
    level, index = at
    return ((2 * index + 1) << level) - 1


class NodeRows:
    """The nodes of the tree, read within one transaction."""

    def __init__(self, tx: Transaction) -> None:
        """Reads with ``tx``, so it lives no longer."""
        self._tx = tx

    def read(self, nodes: Collection[Node]) -> dict[Node, bytes]:
        """Hashes of nodes; `Unavailable` ``custody.log_damaged`` when one is not there."""
        found = self.read_present(nodes)
        if len(found) != len(set(nodes)):
            level, index = min(set(nodes) - found.keys())
            raise Unavailable("custody.log_damaged", where=f"node {level}/{index}")
        return found

    def read_present(self, nodes: Collection[Node]) -> dict[Node, bytes]:
        """Hashes of those nodes that are there."""
        by_number = {_number(at): at for at in nodes}
        numbers = list(by_number)
        found: dict[Node, bytes] = {}
        for start in range(0, len(numbers), _IN_MAX):
            chosen = node.c.number.in_(numbers[start : start + _IN_MAX])
            for row in self._tx.execute(select(node).where(chosen)):
                found[by_number[row.number]] = row.hash
        return found

    def count(self) -> int:
        """How many nodes there are."""
        return self._tx.execute(select(func.count()).select_from(node)).scalar_one()


def add_checkpoint(tx: Transaction, made: Checkpoint) -> None:
    """Keep a signed checkpoint."""
    tx.execute(
        checkpoint.insert().values(
            number=made.number,
            size=made.size,
            root=made.root,
            at_us=made.at_us,
            key=made.key,
            note=made.note,
        )
    )


def latest(tx: Transaction) -> Checkpoint | None:
    """The newest checkpoint."""
    return _checkpoint(tx, select(checkpoint))


def latest_of_size(tx: Transaction, size: int) -> Checkpoint | None:
    """The newest checkpoint that covers exactly ``size`` leaves."""
    return _checkpoint(tx, select(checkpoint).where(checkpoint.c.size == size))


def latest_by(tx: Transaction, key: str) -> Checkpoint | None:
    """The newest checkpoint that this key signed."""
    return _checkpoint(tx, select(checkpoint).where(checkpoint.c.key == key))


def checkpoints(tx: Transaction) -> Iterator[Checkpoint]:
    """Every checkpoint, oldest first."""
    for row in tx.execute(select(checkpoint).order_by(checkpoint.c.number)):
        yield Checkpoint(row.number, row.size, row.root, row.at_us, row.key, row.note)


def checkpoints_from(tx: Transaction, number: int, *, limit: int) -> list[Checkpoint]:
    """So many checkpoints from that number on, oldest first."""
    query = select(checkpoint).where(checkpoint.c.number >= number)
    return [
        Checkpoint(row.number, row.size, row.root, row.at_us, row.key, row.note)
        for row in tx.execute(query.order_by(checkpoint.c.number).limit(limit))
    ]


def remove_checkpoints(tx: Transaction, numbers: Sequence[int]) -> None:
    """Delete these checkpoints."""
    for start in range(0, len(numbers), _IN_MAX):
        part = numbers[start : start + _IN_MAX]
        tx.execute(delete(checkpoint).where(checkpoint.c.number.in_(part)))


def naming(tx: Transaction, digest: str) -> list[tuple[str, str]]:
    """Kind and field of every record that names a digest. Cost: reads every record."""
    query = select(leaf.c.kind, leaf.c.body).where(leaf.c.body.contains(digest, autoescape=True))
    return [
        (row.kind, field)
        for row in tx.execute(query.order_by(leaf.c.position))
        for field, value in json.loads(row.body).items()
        if value == digest or (isinstance(value, list) and digest in value)
    ]


def _checkpoint(tx: Transaction, query: Select[tuple[object, ...]]) -> Checkpoint | None:
    row = tx.execute(query.order_by(checkpoint.c.number.desc()).limit(1)).one_or_none()
    if row is None:
        return None
    return Checkpoint(row.number, row.size, row.root, row.at_us, row.key, row.note)
