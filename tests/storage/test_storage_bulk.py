"""Many rows in one statement: whatever way a database takes them, the rows are the same."""

from __future__ import annotations

from enum import StrEnum

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from yunhe.kernel.errors import Invalid
from yunhe.storage import dialect
from yunhe.storage.bulk import Among
from yunhe.storage.leases import work

COUNTS = (0, 1, 8, 9, 300)
"""Few go row by row, many as columns."""
ODD = ('{"a,b"}', "null", "NULL", "back\\slash", "晨 \"quoted\" 'twice'", "", "{}", "x\ny")


def rows_of(count: int) -> list[dict[str, object]]:
    return [
        {
            "id": f"w{number:03}",
            "kind": "k",
            "key": f"{ODD[number % len(ODD)]}{number}",
            "payload": ODD[number % len(ODD)],
            "state": "ready",
            "attempts": number,
            "created_at_us": number << 40,
            "result": None if number % 3 else ODD[number % len(ODD)],
        }
        for number in range(count)
    ]


def kept(tx, names: list[str]) -> list[dict[str, object]]:
    columns = [work.c[name] for name in names]
    return [dict(row) for row in tx.execute(select(*columns).order_by(work.c.id)).mappings()]


@pytest.mark.parametrize("count", COUNTS)
def test_every_row_comes_back_as_it_was_given(storage, count: int) -> None:
    rows = rows_of(count)
    with storage.database.begin() as tx:
        dialect.insert_many(tx, work, rows)
        assert kept(tx, list(rows[0]) if rows else ["id"]) == rows


@pytest.mark.parametrize("count", COUNTS)
def test_each_row_gets_its_own_values_and_no_other_is_touched(storage, count: int) -> None:
    rows = rows_of(count + 2)
    changed = [
        {"id": row["id"], "result": f"{row['payload']}!", "attempts": number * 3}
        for number, row in enumerate(rows[:count])
    ]
    with storage.database.begin() as tx:
        dialect.insert_many(tx, work, rows)
        dialect.update_many(tx, work, [*changed], key="id")
        found = kept(tx, ["id", "result", "attempts", "payload"])
    names = ("id", "result", "attempts")
    assert [{name: row[name] for name in names} for row in found[:count]] == changed
    assert [row["payload"] for row in found] == [row["payload"] for row in rows]
    assert found[count:] == [{n: row[n] for n in found[0]} for row in rows[count:]]


@pytest.mark.parametrize("count", COUNTS[2:])
def test_rows_that_a_condition_leaves_out_stay_as_they_are(storage, count: int) -> None:
    rows = rows_of(count)
    changed = [{"id": row["id"], "state": "done"} for row in rows]
    with storage.database.begin() as tx:
        dialect.insert_many(tx, work, rows)
        dialect.update_many(tx, work, changed, key="id", where=work.c.attempts > 2)
        found = kept(tx, ["state", "attempts"])
    assert [row["state"] == "done" for row in found] == [row["attempts"] > 2 for row in found]


@pytest.mark.parametrize("count", COUNTS[2:])
def test_new_rows_go_in_beside_those_that_are_there_and_are_counted(storage, count: int) -> None:
    rows = rows_of(count)
    with storage.database.begin() as tx:
        dialect.insert_many(tx, work, rows[::2])
        assert dialect.insert_new(tx, work, rows) == count // 2
        assert kept(tx, list(rows[0])) == rows


@pytest.mark.parametrize("count", COUNTS[2:])
def test_a_row_that_is_there_already_leaves_nothing_of_the_others(storage, count: int) -> None:
    rows = rows_of(count)
    with storage.database.begin() as tx:
        dialect.insert_many(tx, work, rows[-1:])
    with pytest.raises(IntegrityError), storage.database.begin() as tx:
        dialect.insert_many(tx, work, rows)
    with storage.database.read() as tx:
        assert len(kept(tx, ["id"])) == 1


@pytest.mark.parametrize("named", [0, 1, 5_000])
def test_a_column_is_looked_up_among_any_number_of_texts(storage, named: int) -> None:
    rows = rows_of(20)
    names = [f"w{number:03}" for number in range(named)]
    query = select(work.c.id).where(Among(work.c.id, "names"), work.c.attempts > 3)
    with storage.database.begin() as tx:
        dialect.insert_many(tx, work, rows)
        found = tx.scalars(query.order_by(work.c.id), {"names": names}).all()
    assert found == [row["id"] for row in rows if row["id"] in names and row["attempts"] > 3]


class Word(StrEnum):
    READY = "ready"


NUMBERS = (-(2**63), -1, 0, 2**31, 2**53 + 1, 2**63 - 1)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    texts=st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
        min_size=9,
        max_size=12,
    ),
    holes=st.sets(st.integers(0, 11)),
)
def test_any_text_comes_back_as_it_was_given(storage, texts, holes) -> None:
    rows = [
        {**row, "payload": text, "result": None if number in holes else text[::-1]}
        for number, (row, text) in enumerate(zip(rows_of(len(texts)), texts, strict=True))
    ]
    with storage.database.begin() as tx:
        tx.execute(work.delete())
        dialect.insert_many(tx, work, rows)
        assert kept(tx, list(rows[0])) == rows


@pytest.mark.parametrize("count", [5, 50])
def test_values_of_a_subclass_are_stored_as_what_they_are(storage, count: int) -> None:
    rows = rows_of(count)
    given = [
        {**row, "state": Word.READY if number % 2 else "ready", "attempts": number % 2 == 1}
        if number % 3
        else {**row, "attempts": 7}
        for number, row in enumerate(rows)
    ]
    with storage.database.begin() as tx:
        dialect.insert_many(tx, work, given)
        found = kept(tx, ["state", "attempts"])
    assert [row["state"] for row in found] == ["ready"] * count
    assert [row["attempts"] for row in found] == [int(row["attempts"]) for row in given]


def test_the_largest_and_the_least_number_are_stored_exactly(storage) -> None:
    rows = [
        {**row, "created_at_us": NUMBERS[number % len(NUMBERS)]}
        for number, row in enumerate(rows_of(12))
    ]
    with storage.database.begin() as tx:
        dialect.insert_many(tx, work, rows)
        assert kept(tx, list(rows[0])) == rows


@pytest.mark.parametrize("count", [5, 50])
@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("created_at_us", 2**63, "storage.number_unstorable"),
        ("payload", "a\0b", "storage.text_unstorable"),
        ("payload", "\ud800", "storage.text_unstorable"),
    ],
    ids=["too large", "nul", "half a character"],
)
def test_a_value_that_cannot_be_stored_is_refused_and_so_are_all_beside_it(
    storage, count: int, column: str, value: object, code: str
) -> None:
    rows = rows_of(count)
    rows[-1][column] = value
    with pytest.raises(Invalid) as caught, storage.database.begin() as tx:
        dialect.insert_many(tx, work, rows)
    assert caught.value.code == code
    with storage.database.read() as tx:
        assert kept(tx, ["id"]) == []


def test_more_values_than_a_statement_takes_parameters_go_in_at_once(storage) -> None:
    rows = rows_of(9_000)
    assert len(rows) * len(rows[0]) > 65_535
    with storage.database.begin() as tx:
        assert dialect.insert_new(tx, work, rows) == len(rows)
        again = [{"id": row["id"], "state": "done"} for row in rows]
        dialect.update_many(tx, work, again, key="id")
        states = {row["state"] for row in kept(tx, ["state"])}
    assert states == {"done"}


@pytest.mark.parametrize("count", COUNTS)
def test_what_is_added_is_added_to_what_is_there(storage, count: int) -> None:
    rows = rows_of(count + 2)
    added = [{"id": row["id"], "attempts": 10, "created_at_us": -1} for row in rows[:count]]
    absent = {"id": "nobody", "attempts": 5, "created_at_us": 5}
    with storage.database.begin() as tx:
        dialect.insert_many(tx, work, rows)
        dialect.add_many(tx, work, [*added, absent], key="id")
        found = kept(tx, list(rows[0]))
    for number, row in enumerate(rows[:count]):
        row |= {"attempts": number + 10, "created_at_us": (number << 40) - 1}
    assert found == rows


@pytest.mark.parametrize("change", [dialect.update_many, dialect.add_many])
@pytest.mark.parametrize("count", COUNTS[2:])
def test_two_changes_of_one_row_are_refused(storage, change, count: int) -> None:
    rows = [{"id": row["id"], "attempts": 1} for row in rows_of(count)]
    with pytest.raises(ValueError, match="comes twice"), storage.database.begin() as tx:
        change(tx, work, [*rows, rows[0]], key="id")


def test_of_two_new_rows_with_one_key_the_first_goes_in(storage) -> None:
    rows = rows_of(20)
    twice = [*rows, *({**row, "attempts": 99} for row in rows)]
    with storage.database.begin() as tx:
        assert dialect.insert_new(tx, work, twice) == 20
        assert kept(tx, list(rows[0])) == rows


def test_a_look_among_texts_by_key_reads_those_rows_and_no_others(storage) -> None:
    query = select(work.c.id).where(Among(work.c.id, "names"))
    with storage.database.begin() as tx:
        dialect.insert_many(tx, work, rows_of(300))
        sent = str(query.compile(dialect=tx.dialect))
        assert "= 1" not in sent  # SQLAlchemy's way of saying "is true" keeps indexes out of it
        if tx.dialect.name == "sqlite":
            plan = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {sent}", ('["w001"]',)).all()
            assert any("SEARCH storage_work" in row[3] for row in plan)


def test_a_text_that_no_column_holds_is_refused_among_others_too(storage) -> None:
    query = select(work.c.id).where(Among(work.c.id, "names"))
    with storage.database.begin() as tx:
        dialect.insert_many(tx, work, rows_of(3))
        assert tx.scalars(query, {"names": ["w001", *ODD]}).all() == ["w001"]
    with pytest.raises(Invalid, match="cannot be stored"), storage.database.begin() as tx:
        tx.execute(query, {"names": ["w\0"]})


@pytest.mark.parametrize("count", COUNTS[2:])
def test_sums_are_added_to_row_by_row_whatever_the_number(storage, count: int) -> None:
    rows = rows_of(count)
    more = [{"id": row["id"], "attempts": number * 2} for number, row in enumerate(rows)]
    with storage.database.begin() as tx:
        dialect.insert_many(tx, work, rows)
        dialect.add_many(tx, work, more, key="id")
        found = kept(tx, ["attempts"])
    assert [row["attempts"] for row in found] == [number * 3 for number in range(count)]
