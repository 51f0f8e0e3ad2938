"""Rows as files: whatever a table can hold comes back from them, and they are of one moment."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    insert,
    inspect,
    select,
    text,
)

from yunhe.kernel.errors import Conflict, Invalid
from yunhe.kernel.progress import Silent
from yunhe.storage import dump as module
from yunhe.storage import rebuild
from yunhe.storage.database import Database
from yunhe.storage.dump import count_on, dump, load
from yunhe.storage.schema import Sequence as Counted
from yunhe.storage.upgrade import HEAD, RESTORING, revision, upgrade

metadata = MetaData()
things = Table(
    "things",
    metadata,
    Column("number", Counted, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("at_us", BigInteger),
    Column("said", Text),
    Column("data", LargeBinary),
    Column("good", Boolean),
    Column("share", Float),
    Column("parent", String(64), ForeignKey("things.name")),
)
parts = Table(
    "a_part",  # sorts before its parent
    metadata,
    Column("of", ForeignKey("things.name"), primary_key=True),
    Column("number", BigInteger, primary_key=True),
)
version = Table("alembic_version", metadata, Column("version_num", String(32), primary_key=True))
_WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
_ROW = st.fixed_dictionaries(
    {
        "at_us": st.none() | st.integers(-(2**63), 2**63 - 1),
        "said": st.none() | _WORDS,
        "data": st.none() | st.binary(max_size=40),
        "good": st.none() | st.booleans(),
        "share": st.none() | st.floats(allow_nan=False, width=64),
    }
)


@pytest.fixture
def database(empty_database_url: str) -> Iterator[Database]:
    database = Database(empty_database_url)
    with database.begin() as tx:
        metadata.create_all(tx)
        tx.execute(insert(version), [{"version_num": HEAD}])
    yield database
    database.close()


def folder_in(tmp_path: Path) -> Path:
    folder = tmp_path / f"dump-{len(list(tmp_path.iterdir()))}"
    folder.mkdir()
    return folder


def rows(database: Database, table: Table) -> list[tuple]:
    with database.read() as tx:
        return [tuple(row) for row in tx.execute(select(table).order_by(*table.primary_key))]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(given_rows=st.lists(_ROW, max_size=8))
def test_every_value_comes_back_as_it_was(database, tmp_path, given_rows):
    named = [
        {**row, "number": n + 1, "name": f"n{n}", "parent": f"n{n // 2}" if n else None}
        for n, row in enumerate(given_rows)
    ]
    children = [{"of": row["name"], "number": n} for row in named for n in (2**62, -1)]
    with database.begin() as tx:
        tx.execute(parts.delete())
        tx.execute(things.delete())
        for row in named:
            tx.execute(insert(things), [row])
        if children:
            tx.execute(insert(parts), children)
    before = rows(database, things), rows(database, parts)
    folder = folder_in(tmp_path)
    with database.read() as tx:
        made = dump(tx, folder, Silent())
    assert made.revision == HEAD
    assert [(each.name, each.rows) for each in made.tables] == [
        ("things", len(named)),
        ("a_part", len(children)),
    ]
    with database.begin() as tx:
        tx.execute(parts.delete())
        tx.execute(things.delete())
    for each in made.tables:
        assert sum(load(database, each, folder / f"{each.name}.parquet")) == each.rows
    assert (rows(database, things), rows(database, parts)) == before


def test_a_table_longer_than_what_is_held_at_once_comes_back_in_order(
    database, tmp_path, monkeypatch
):
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 7)
    made = [{"name": f"n{n}", "parent": f"n{n - 1}" if n else None} for n in range(100)]
    with database.begin() as tx:
        for row in made:
            tx.execute(insert(things), [row])
    before = rows(database, things)
    with database.read() as tx:
        each = dump(tx, tmp_path, Silent()).tables[0]
    with database.begin() as tx:
        tx.execute(things.delete())
    counts = list(load(database, each, tmp_path / "things.parquet"))
    assert max(counts) == 7
    assert rows(database, things) == before


def test_counters_go_on_after_loaded_rows(database):
    with database.begin() as tx:
        tx.execute(insert(things), [{"number": 41, "name": "loaded"}])
    count_on(database)
    with database.begin() as tx:
        tx.execute(insert(things), [{"name": "new"}])
    assert [row[0] for row in rows(database, things)] == [41, 42]


def test_a_dump_is_of_one_moment_however_long_it_takes(database, tmp_path, monkeypatch):
    """While it is being made, rows are added to both tables together, again and again."""
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 5)
    stop, written = threading.Event(), threading.Semaphore(0)

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            with database.begin() as tx:
                tx.execute(insert(things), [{"name": f"w{number}"}])
                tx.execute(insert(parts), [{"of": f"w{number}", "number": number}])
            written.release()

    class Slow:
        def step(self, what: str, *, done: int, total: int | None = None) -> None:
            assert written.acquire(timeout=90), "the writer waits for the dump"

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(30):
            assert written.acquire(timeout=90)
        with database.read() as tx:
            made = {each.name: each.rows for each in dump(tx, tmp_path, Slow()).tables}
    finally:
        stop.set()
        writer.join()
    assert made["things"] == made["a_part"] >= 30
    assert len(rows(database, things)) > made["things"]


def test_a_file_with_other_rows_than_were_written_is_refused_and_loads_nothing(database, tmp_path):
    with database.begin() as tx:
        tx.execute(insert(things), [{"name": f"n{n}"} for n in range(3)])
    with database.read() as tx:
        each = dump(tx, tmp_path, Silent()).tables[0]
    with database.begin() as tx:
        tx.execute(things.delete())
    path = tmp_path / "things.parquet"
    whole = pq.read_table(path)
    wrong = (
        whole.slice(1),
        pa.concat_tables([whole, whole.slice(0, 0)]).append_column("x", [[None] * 3]),
    )
    for table in wrong:
        pq.write_table(table, path)
        with pytest.raises(Invalid) as caught:
            list(load(database, each, path))
        assert caught.value.code == "storage.dump_unreadable"
        assert rows(database, things) == []
    path.write_bytes(b"PAR1 and nothing else PAR1")
    with pytest.raises(Invalid):
        list(load(database, each, path))


def test_a_database_is_closed_while_it_is_being_filled(empty_database_url):
    database = Database(empty_database_url)
    try:
        rebuild.begin(database, "0002")
        assert revision(database) == RESTORING
        with pytest.raises(Conflict) as caught:
            upgrade(database)
        assert caught.value.code == "storage.restoring"
        rebuild.begin(database, "0002")  # as after a kill: anew
        rebuild.to_newest(database, "0002")
        assert revision(database) == RESTORING
        rebuild.finish(database)
        upgrade(database)
        assert revision(database) == HEAD
        with pytest.raises(Conflict) as caught:
            rebuild.begin(database, HEAD)
        assert caught.value.code == "storage.not_empty"
        rebuild.undo(database)
        assert revision(database) == HEAD, "a finished one is not undone"
    finally:
        database.close()


def test_what_was_begun_is_undone_without_a_trace(empty_database_url):
    database = Database(empty_database_url)
    try:
        rebuild.begin(database, HEAD)
        rebuild.undo(database)
        with database.read() as tx:
            assert inspect(tx).get_table_names() == []
        with pytest.raises(Conflict) as caught:
            rebuild.begin(database, "9999")
        assert caught.value.code == "storage.newer"
    finally:
        database.close()


def test_a_type_without_a_portable_form_is_a_fault_of_ours(database, tmp_path):
    with database.begin() as tx:
        tx.execute(text("CREATE TABLE z_odd (day DATE PRIMARY KEY)"))
    with database.read() as tx, pytest.raises(TypeError, match="z_odd"):
        dump(tx, tmp_path, Silent())
