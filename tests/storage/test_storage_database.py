from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from yunhe.kernel.errors import Conflict, Invalid, Unavailable
from yunhe.storage import dialect, idempotency
from yunhe.storage.database import Database


def test_a_block_that_raises_leaves_nothing_behind(storage):
    with pytest.raises(RuntimeError, match="half-way"), storage.database.begin() as tx:
        idempotency.remember(tx, tenant="t", key="k", request=1, answer=2, at_us=0)
        raise RuntimeError("half-way")
    with storage.database.read() as tx:
        assert idempotency.recall(tx, tenant="t", key="k", request=1) is None


@pytest.mark.sqlite_only("looks at pragmas")
def test_the_database_flushes_at_commit_and_keeps_a_write_ahead_log(storage):
    with storage.database.read() as tx:
        assert tx.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert tx.execute(text("PRAGMA synchronous")).scalar() == 2
        assert tx.execute(text("PRAGMA foreign_keys")).scalar() == 1


def test_many_connections_keep_no_more_pages_together_than_a_process_should(tmp_path):
    kept = {}
    for connections in (1, 16, 64, 200):
        database = Database(f"sqlite:///{tmp_path / 'some.db'}", connections=connections)
        with database.read() as tx:
            kept[connections] = -tx.execute(text("PRAGMA cache_size")).scalar_one()
        database.close()
    assert kept == {1: 16_384, 16: 16_384, 64: 4_096, 200: 2_048}


def test_writers_in_many_threads_queue_and_lose_nothing(storage):
    with storage.database.begin() as tx:
        tx.execute(text("CREATE TABLE counter (n INTEGER)"))
        tx.execute(text("INSERT INTO counter VALUES (0)"))

    def add_one(_: int) -> None:
        with storage.database.begin() as tx:
            n = tx.execute(text("SELECT n FROM counter")).scalar_one()
            tx.execute(text("UPDATE counter SET n = :n"), {"n": n + 1})

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(add_one, range(200)))
    with storage.database.read() as tx:
        assert tx.execute(text("SELECT n FROM counter")).scalar_one() == 200


def test_a_reader_sees_one_state_while_a_writer_commits(storage):
    with storage.database.begin() as tx:
        tx.execute(text("CREATE TABLE seen (n INTEGER)"))
    written = threading.Event()
    with storage.database.read() as reader:
        before = reader.execute(text("SELECT count(*) FROM seen")).scalar_one()

        def write() -> None:
            with storage.database.begin() as tx:
                tx.execute(text("INSERT INTO seen VALUES (1)"))
            written.set()

        threading.Thread(target=write).start()
        assert written.wait(90)
        assert reader.execute(text("SELECT count(*) FROM seen")).scalar_one() == before
    with storage.database.read() as reader:
        assert reader.execute(text("SELECT count(*) FROM seen")).scalar_one() == before + 1


def test_a_file_that_is_no_database_is_named_with_advice(tmp_path):
    path = tmp_path / "yunhe.db"
    path.write_bytes(b"these are not the bytes of a database" * 100)
    with pytest.raises(Unavailable) as caught, Database.at(path).begin():
        pass
    assert caught.value.code == "storage.damaged"
    assert str(path) in caught.value.message("en")


def test_a_folder_that_does_not_exist_is_named_with_advice(tmp_path):
    with pytest.raises(Unavailable) as caught, Database.at(tmp_path / "no" / "y.db").begin():
        pass
    assert caught.value.code == "storage.cannot_open"


@pytest.mark.sqlite_only("sets SQLite's own limit of pages")
def test_a_full_disk_is_told_as_such_and_the_transaction_is_undone(storage):
    with storage.database.begin() as tx:
        tx.execute(text("CREATE TABLE big (x BLOB)"))
    with pytest.raises(Unavailable) as caught, storage.database.begin() as tx:
        pages = tx.execute(text("PRAGMA page_count")).scalar_one()
        tx.execute(text(f"PRAGMA max_page_count={pages + 2}"))  # SQLite's own word for a full disk
        tx.execute(text("INSERT INTO big VALUES (zeroblob(1000000))"))
    assert caught.value.code == "storage.disk_full"
    assert "full" in caught.value.message("en")
    storage.database.close()
    with storage.database.read() as tx:
        assert tx.execute(text("SELECT count(*) FROM big")).scalar_one() == 0


def test_a_database_that_stays_locked_is_a_conflict_worth_a_retry(storage, monkeypatch):
    monkeypatch.setattr("yunhe.storage.dialect.BUSY_TIMEOUT_MS", 50)
    impatient = Database(storage.database.url)
    with storage.database.begin():
        for write in (impatient.begin, impatient.begin_shared):
            with pytest.raises(Conflict) as caught, write():
                pass
            assert caught.value.code == "storage.busy"
            assert caught.value.retryable
    with impatient.begin():
        pass
    impatient.close()


def test_no_sql_of_one_database_is_written_outside_the_two_modules_for_it():
    source = Path(__file__).parents[2] / "src" / "yunhe"
    words = (
        "PRAGMA",
        "sqlalchemy.dialects",
        "import sqlite3",
        "AUTOINCREMENT",
        "INSERT OR ",
        "import psycopg",
        "pg_advisory",
        "pg_catalog",
        "SET LOCAL",
        "exec_driver_sql",
    )
    known = {source / "storage" / name for name in ("dialect.py", "bulk.py")}
    offenders = [
        f"{path.relative_to(source)}: {word}"
        for path in source.rglob("*.py")
        for word in words
        if word in path.read_text("utf-8") and path not in known
    ]
    assert offenders == []


@pytest.mark.parametrize("letter", ["a\0b", "\0", "half \ud800"])
def test_a_text_that_not_every_database_can_hold_is_refused_by_each(storage, letter):
    with pytest.raises(Invalid) as caught, storage.database.begin() as tx:
        idempotency.remember(tx, tenant="t", key=letter, request=1, answer=1, at_us=0)
    assert caught.value.code == "storage.text_unstorable"
    with pytest.raises(Invalid) as caught, storage.database.read() as tx:
        idempotency.recall(tx, tenant="t", key=letter, request=1)
    assert caught.value.code == "storage.text_unstorable"


def test_a_number_beyond_64_bits_is_refused(storage):
    with pytest.raises(Invalid) as caught, storage.database.begin() as tx:
        idempotency.remember(tx, tenant="t", key="k", request=1, answer=1, at_us=2**63)
    assert caught.value.code == "storage.number_unstorable"
    with storage.database.begin() as tx:
        idempotency.remember(tx, tenant="t", key="k", request=1, answer=1, at_us=2**63 - 1)


def test_rows_that_are_there_are_left_and_new_ones_counted(storage):
    def add(*keys):
        rows = [
            {"tenant": "t", "key": key, "request_digest": "d", "answer": "1", "at_us": 0}
            for key in keys
        ]
        with storage.database.begin() as tx:
            return dialect.insert_new(tx, idempotency.remembered, rows)

    assert add() == 0
    assert add("a") == 1
    assert add("a") == 0
    assert add("a", "b", "c", "b") == 2
