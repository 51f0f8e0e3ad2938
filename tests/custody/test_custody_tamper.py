"""Edits, reorders and deletions of receipts and of the log's rows: every one of them is found."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator

import pytest
from custody_log import make_log
from sqlalchemy import LargeBinary, Table, func, select, update
from sqlalchemy import Text as TextType
from sqlalchemy.exc import IntegrityError

from yunhe.custody import service as custody
from yunhe.custody import store
from yunhe.kernel.canonical import canonical_bytes
from yunhe.kernel.errors import Unavailable
from yunhe.storage.service import Storage

SEED = 20_261_122
BYTE_EDITS = 10_000


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A log with a chain and some neighbours, never changed by the tests that use it."""
    log = make_log(tmp_path_factory.mktemp("kept"))
    log.append_plain(*(f"before{n}" for n in range(17)))
    known = log.chain()
    log.append_plain(*(f"after{n}" for n in range(9)))
    log.sequencer.run_once()
    return log, known


def edits(data: bytes, randomness: random.Random) -> Iterator[bytes]:
    """One byte changed, at every second place; then bytes removed or put in at random ones."""
    for place in range(0, len(data), 2):
        other = data[place] ^ randomness.randrange(1, 256)
        yield data[:place] + bytes([other]) + data[place + 1 :]
    while True:
        place = randomness.randrange(len(data))
        if randomness.random() < 0.5:
            yield data[:place] + data[place + 1 :]
        else:
            yield data[:place] + bytes([randomness.choice(b' \n0a"{},=')]) + data[place:]


def test_ten_thousand_edits_of_one_byte_of_a_receipt_are_all_found(kept):
    log, known = kept
    trust = log.trust()
    issued = custody.receipt_bytes(log.receipt(known["answer"]))
    assert custody.verify(issued, trust).ok
    wrong = edits(issued, random.Random(SEED))
    undetected = [
        number
        for number, edited in zip(range(BYTE_EDITS), wrong, strict=False)
        if edited != issued and custody.verify(edited, trust).ok
    ]
    assert undetected == []


def test_edits_that_keep_the_spelling_canonical_are_found_too(kept):
    """Another letter inside a word: what only a hash, a signature or a shape can find."""
    log, known = kept
    trust = log.trust()
    issued = custody.receipt_bytes(log.receipt(known["answer"]))
    words = [
        place
        for place, byte in enumerate(issued)
        if byte < 128 and byte not in b'"{}[]:,\\' and (place % 4 == 0 or place > len(issued) - 200)
    ]
    assert len(words) > 2_000
    for place in words:
        letter = b"e" if issued[place : place + 1] != b"e" else b"f"
        edited = issued[:place] + letter + issued[place + 1 :]
        assert not custody.verify(edited, trust).ok, (place, issued[place - 20 : place + 20])


def test_every_deletion_and_every_exchange_within_a_receipt_is_found(kept):
    log, known = kept
    trust = log.trust()
    issued = log.receipt(known["answer"])
    entries = issued["entries"]
    tried = 0
    for one in entries:
        receipt = copy.deepcopy(issued)
        del receipt["entries"][one]
        assert not custody.verify(receipt, trust).ok
        for other in entries:
            if one < other:
                receipt = copy.deepcopy(issued)
                parts = receipt["entries"]
                parts[one], parts[other] = parts[other], parts[one]
                assert not custody.verify(receipt, trust).ok
                tried += 1
        for place in range(len(entries[one]["proof"])):
            receipt = copy.deepcopy(issued)
            proof = receipt["entries"][one]["proof"]
            proof[place - 1], proof[place] = proof[place], proof[place - 1]
            assert not custody.verify(receipt, trust).ok
            del proof[place]
            assert not custody.verify(receipt, trust).ok
            tried += 2
    assert tried > 200


def test_a_record_from_elsewhere_in_the_log_does_not_belong_to_the_chain(kept):
    log, known = kept
    receipt = copy.deepcopy(log.receipt(known["answer"]))
    with log.storage.database.read() as tx:
        stranger = custody.reference(tx, "data.source", "after3")
    receipt["entries"] |= log.receipt(stranger)["entries"]
    verdict = custody.verify(receipt, log.trust())
    assert not verdict.ok
    [link] = [link for link in verdict.links if not link.ok]
    assert (link.reason, link.detail) == ("link", stranger)


# --- The database ---------------------------------------------------------------------------------


def audit(log) -> custody.audit:
    return custody.audit(log.storage, log.trust())


@pytest.fixture
def filled(log):
    """A log with several checkpoints, an erased record and one that waits."""
    log.append_plain("a", "b", "c")
    log.sequencer.run_once()
    log.clock.advance(seconds=5)
    known = log.chain()
    log.clock.advance(seconds=5)
    log.append_plain("d", "e", "f", "g")
    log.sequencer.run_once()
    with log.storage.database.begin() as tx:
        custody.erase(tx, known["award"])
    log.append_plain("waiting")
    found = audit(log)
    assert found.ok
    assert (found.leaves, found.erased, found.pending, found.checkpoints) == (22, 1, 1, 3)
    return log


class Undo(Exception):
    """Ends a transaction without a trace."""


def found_within(log, change) -> bool:
    """Whether a change is refused or the audit sees it; it is undone afterwards."""
    try:
        with log.storage.database.begin() as tx:
            change(tx)
            database = _One(tx)
            problems = custody.audit(
                Storage(database, log.storage.blobs, log.clock), log.trust()
            ).problems
            raise Undo
    except IntegrityError:
        return True  # a unique column refused it
    except Undo:
        return bool(problems)


class _One:
    """A database that reads within a transaction that is open already."""

    def __init__(self, tx) -> None:
        self._tx = tx

    def read(self):
        return self

    def __enter__(self):
        return self._tx

    def __exit__(self, *_: object) -> None:
        return None


def cells(log) -> list[tuple[Table, object, str, object]]:
    """Every value in the log's tables: table, primary key, column, value."""
    found = []
    with log.storage.database.read() as tx:
        for table in (store.leaf, store.node, store.checkpoint, store.log):
            [key] = table.primary_key.columns
            for row in tx.execute(select(table)).mappings():
                found += [(table, row[key], name, value) for name, value in row.items()]
    return found


def edited(value: object, randomness: random.Random) -> object:
    if isinstance(value, int):
        return value + randomness.choice([-1, 1])
    if isinstance(value, bytes):
        place = randomness.randrange(len(value))
        flipped = value[place] ^ randomness.randrange(1, 256)
        return value[:place] + bytes([flipped]) + value[place + 1 :]
    text = str(value)
    place = randomness.randrange(len(text))
    letter = randomness.choice([chr(n) for n in range(32, 127) if chr(n) != text[place]])
    return text[:place] + letter + text[place + 1 :]


def test_every_value_in_the_log_is_watched(filled):
    randomness = random.Random(SEED)
    tried = 0
    for table, key, column, value in cells(filled):
        # The place in the queue says nothing once a leaf is numbered; nothing else is unwatched.
        if value is None or (table is store.leaf and column == "position"):
            continue
        if table is store.leaf and column in ("kind", "subject", "at_us") and erased(filled, key):
            continue
        if table is store.log and column == "id":
            continue
        [primary] = table.primary_key.columns
        for _ in range(2):
            new = edited(value, randomness)

            def change(tx, table=table, primary=primary, key=key, column=column, new=new):
                tx.execute(update(table).where(primary == key).values({column: new}))

            assert found_within(filled, change), (
                table.name,
                key,
                column,
                value,
                new,
            )
            tried += 1
    assert tried > 400


def erased(log, position) -> bool:
    with log.storage.database.read() as tx:
        row = tx.execute(select(store.leaf).where(store.leaf.c.position == position)).one()
    return row.salt is None


@pytest.mark.parametrize("table", [store.leaf, store.node, store.checkpoint], ids=lambda t: t.name)
def test_every_deleted_row_is_missed(filled, table):
    [key] = table.primary_key.columns
    with filled.storage.database.read() as tx:
        keys = list(tx.execute(select(key).order_by(key)).scalars())
    for each in keys:
        if table is store.leaf and each == keys[-1]:
            continue  # it waits: nothing has been promised about it yet
        assert found_within(
            filled, lambda tx, each=each: tx.execute(table.delete().where(key == each))
        )
    assert len(keys) >= 3


def test_leaves_in_another_order_are_found(filled):
    def exchange(tx, one, other):
        at = store.leaf.c.leaf_index
        for old, new in ((one, -1), (other, one), (-1, other)):
            tx.execute(update(store.leaf).where(at == old).values(leaf_index=new))

    for one in range(21):
        assert found_within(filled, lambda tx, one=one: exchange(tx, one, one + 1))


def test_checkpoints_in_another_order_are_found(filled):
    def exchange(tx):
        number = store.checkpoint.c.number
        for old, new in ((1, 9), (2, 1), (9, 2)):
            tx.execute(update(store.checkpoint).where(number == old).values(number=new))

    assert found_within(filled, exchange)


def test_rows_that_were_added_are_found(filled):
    def leaf(tx):
        [row] = tx.execute(select(store.leaf).where(store.leaf.c.leaf_index == 2)).mappings()
        forged = dict(row) | {"position": 99, "leaf_index": 22, "reference": bytes(32)}
        tx.execute(store.leaf.insert().values(forged | {"subject": "forged"}))

    def hidden_leaf(tx):
        [row] = tx.execute(select(store.leaf).where(store.leaf.c.leaf_index == 2)).mappings()
        forged = dict(row) | {"position": 99, "leaf_index": -5, "reference": bytes(32)}
        tx.execute(store.leaf.insert().values(forged | {"subject": "forged"}))

    def node(tx):
        tx.execute(store.node.insert().values(number=99_999, hash=bytes(32)))

    def checkpoint(tx):
        [row] = tx.execute(
            select(store.checkpoint).where(store.checkpoint.c.number == 3)
        ).mappings()
        tx.execute(store.checkpoint.insert().values(dict(row) | {"number": 4, "size": 30}))

    for change in (leaf, hidden_leaf, node, checkpoint):
        assert found_within(filled, change)


def test_a_spelling_of_content_that_means_the_same_is_found(filled):
    def spaced(tx):
        tx.execute(
            update(store.leaf)
            .where(store.leaf.c.leaf_index == 1)
            .values(body=func.replace(store.leaf.c.body, ":", ": "))
        )

    assert found_within(filled, spaced)


def test_content_put_back_after_erasure_is_found(filled):
    def forge(tx):
        tx.execute(
            update(store.leaf)
            .where(store.leaf.c.subject == "award_1")
            .values(body=canonical_bytes({"a": 1}).decode(), links="{}", salt=bytes(16))
        )

    assert found_within(filled, forge)


@pytest.mark.parametrize("name", ["body", "note"])
def test_text_that_is_no_text_any_more_is_a_finding_and_not_a_crash(filled, name):
    table = store.leaf if name == "body" else store.checkpoint
    column = table.c[name]
    assert isinstance(column.type, TextType)

    def damage(tx):
        [key] = table.primary_key.columns
        tx.exec_driver_sql(
            f"UPDATE {table.name} SET {name} = CAST(X'FFFE' AS TEXT) WHERE {key.name} = 2"
        )

    assert found_within(filled, damage)


def test_a_body_that_is_no_json_any_more_is_a_finding_and_an_error_for_readers(filled):
    with filled.storage.database.begin() as tx:
        tx.execute(update(store.leaf).where(store.leaf.c.leaf_index == 1).values(body="{"))
        reference = tx.execute(
            select(store.leaf.c.reference).where(store.leaf.c.leaf_index == 1)
        ).scalar_one()
        with pytest.raises(Unavailable) as caught:
            custody.record(tx, reference.hex())
    assert caught.value.code == "custody.log_damaged"
    [problem] = audit(filled).problems
    assert (problem.where, problem.code) == ("leaf 1", "custody.audit_leaf_differs")


def test_an_audit_without_the_right_trust_says_so(filled, tmp_path):
    other = custody.create_log(tmp_path / "other", "yunhe.test/log")
    codes = {p.code for p in custody.audit(filled.storage, custody.trust(other.home)).problems}
    assert codes == {"custody.audit_signature"}
    [problem] = custody.audit(filled.storage, "nonsense").problems
    assert problem.code == "custody.audit_trust"


def test_an_audit_of_a_log_that_is_all_wrong_stops_early(filled):
    with filled.storage.database.begin() as tx:
        tx.execute(update(store.node).values(hash=bytes(32)))
        tx.execute(update(store.leaf).values(at_us=0))
    found = audit(filled)
    assert 30 < len(found.problems) < 200
    assert all(problem.message("zh") for problem in found.problems)


def test_binary_columns_are_binary():
    for column in (store.leaf.c.reference, store.leaf.c.salt, store.node.c.hash):
        assert isinstance(column.type, LargeBinary)
