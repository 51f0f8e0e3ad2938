"""What a person is told when PostgreSQL itself fails; every failure comes from a real server."""

from __future__ import annotations

import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from postgresql_server import OwnServer, own_server
from yunhe.kernel.errors import Conflict, Invalid, Unavailable, YunheError
from yunhe.kernel.language import LANGUAGES
from yunhe.storage import dialect, idempotency
from yunhe.storage.database import Database
from yunhe.storage.upgrade import upgrade

PASSWORD = "geheim-Passwort-77"


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    with own_server() as running:
        rules = running.folder / "pg_hba.conf"
        rules.write_text("local all locked scram-sha-256\n" + rules.read_text())
        running.execute(f"CREATE ROLE locked LOGIN PASSWORD '{PASSWORD}'")
        running.execute("CREATE ROLE guest LOGIN")
        running.execute("CREATE ROLE single LOGIN CONNECTION LIMIT 1")
        running.execute("SELECT pg_reload_conf()")
        yield running


@pytest.fixture
def address(server: OwnServer) -> Iterator[str]:
    name = server.create()
    yield server.address(name)
    server.drop(name)


@pytest.fixture
def database(address: str) -> Iterator[Database]:
    opened = Database(address, connections=2)
    yield opened
    opened.close()


def refusal(database: Database, statement: str = "SELECT 1", **values: object) -> YunheError:
    """What `begin` raises for the statement; told in both languages with nothing left unfilled."""
    with pytest.raises(YunheError) as caught, database.begin() as tx:
        tx.execute(text(statement), values)
    for language in LANGUAGES:
        said = caught.value.message(language)
        assert "{" not in said
        assert "storage." not in said
        assert said.count("\n") >= 1  # what happened, and what to do
    return caught.value


def as_role(address: str, role: str) -> str:
    return address.replace("postgres@", f"{role}@")


def failing(state: str) -> str:
    """A statement that makes the server report that state."""
    return f"DO $$ BEGIN RAISE EXCEPTION 'trouble' USING ERRCODE = '{state}'; END $$"


@pytest.mark.parametrize("right", [True, False])
def test_a_wrong_password_is_refused_and_never_shown(address: str, *, right: bool) -> None:
    word = PASSWORD if right else PASSWORD + "x"
    database = Database(as_role(address, f"locked:{word}"))
    if right:
        with database.read() as tx:
            assert tx.execute(text("SELECT current_user")).scalar_one() == "locked"
    else:
        error = refusal(database)
        assert error.code == "storage.sign_in_refused"
        shown = "".join(traceback.format_exception(error)) + repr(error) + error.message("en")
        assert PASSWORD not in shown
        assert error.__cause__ is None  # what the driver raised holds the password
    assert PASSWORD not in database.where
    database.close()


def test_a_password_in_the_query_is_not_shown_either(address: str) -> None:
    database = Database(f"{as_role(address, 'locked')}&password={PASSWORD}&connect_timeout=3")
    assert PASSWORD not in database.where
    with database.read() as tx:
        assert tx.execute(text("SELECT current_user")).scalar_one() == "locked"
    database.close()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda url: url.replace("yunhe_test", "no_such"), "storage.database_unknown"),
        (lambda url: as_role(url, "nobody"), "storage.sign_in_refused"),
        (lambda _: "postgresql://u@127.0.0.1:1/x", "storage.server_away"),
        (lambda _: "postgresql://u@/x?host=/no/such/folder", "storage.server_away"),
    ],
)
def test_who_cannot_connect_is_told_why(address: str, change, code: str) -> None:
    error = refusal(Database(change(address)))
    assert isinstance(error, Unavailable)
    assert error.code == code
    assert error.retryable is (code == "storage.server_away")


def test_a_server_that_takes_no_more_connections_says_so(server: OwnServer, address: str) -> None:
    first, second = (Database(as_role(address, "single")) for _ in range(2))
    with first.read() as tx:
        backend = tx.execute(text("SELECT pg_backend_pid()")).scalar_one()
        error = refusal(second)
    assert error.code == "storage.server_full"
    assert error.retryable
    first.close()
    server.execute(f"SELECT pg_terminate_backend({backend}, 30000)")  # waits for its end
    with second.read() as tx:
        assert tx.execute(text("SELECT 1")).scalar_one() == 1
    second.close()


def test_a_process_whose_connections_are_all_in_use_says_so(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialect, "BUSY_TIMEOUT_MS", 50)
    database = Database(address, connections=1)
    with database.read():
        assert refusal(database).code == "storage.connections_busy"
    database.close()


@pytest.mark.parametrize(
    ("state", "kind", "code", "retryable"),
    [
        ("53100", Unavailable, "storage.disk_full", False),
        ("58030", Unavailable, "storage.disk_failed", False),
        ("53200", Unavailable, "storage.server_memory", False),
        ("XX001", Unavailable, "storage.damaged", False),
        ("40001", Conflict, "storage.busy", True),
        ("26000", Unavailable, "storage.pooler", False),
    ],
)
def test_what_the_server_reports_is_told_and_whether_a_retry_helps(
    database: Database, *, state: str, kind: type, code: str, retryable: bool
) -> None:
    error = refusal(database, failing(state))
    assert type(error) is kind
    assert (error.code, error.retryable) == (code, retryable)


def test_a_deadlock_undoes_one_of_the_two_who_may_try_again(database: Database) -> None:
    with database.begin() as tx:
        tx.execute(text("CREATE TABLE pair (id INT PRIMARY KEY, n INT)"))
        tx.execute(text("INSERT INTO pair VALUES (1, 0), (2, 0)"))
    both_hold_one = threading.Barrier(2, timeout=20)
    add = text("UPDATE pair SET n = n + 1 WHERE id = :id")

    def cross(first: int) -> str:
        try:
            with database.begin_shared() as tx:
                tx.execute(add, {"id": first})
                both_hold_one.wait()
                tx.execute(add, {"id": 3 - first})
        except Conflict as error:
            return f"{error.code}, {'retry' if error.retryable else 'give up'}"
        return "done"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(cross, (1, 2))) == ["done", "storage.busy, retry"]
    with database.read() as tx:
        assert tx.execute(text("SELECT n FROM pair")).scalars().all() == [1, 1]


def test_a_statement_without_end_is_stopped(address, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialect, "STATEMENT_TIMEOUT_MS", 50)
    database = Database(address)
    error = refusal(database, "SELECT pg_sleep(600)")
    assert (error.code, error.retryable) == ("storage.too_slow", True)
    database.close()


def test_a_writer_that_sleeps_in_its_transaction_loses_the_turn_and_is_told(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialect, "IDLE_TIMEOUT_MS", 100)
    sleeper = Database(address)
    with pytest.raises(Unavailable) as caught, sleeper.begin() as asleep:
        asleep.execute(text("CREATE TABLE half_done (id INT)"))
        monkeypatch.undo()
        with Database(address).begin() as tx:  # waits until the server has ended the sleeper
            tx.execute(text("CREATE TABLE done (id INT)"))
        asleep.execute(text("INSERT INTO half_done VALUES (1)"))
    assert caught.value.code == "storage.server_lost"
    assert caught.value.retryable
    with sleeper.read() as tx:
        names = text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        assert tx.execute(names).scalars().all() == ["done"]
    sleeper.close()


def test_a_server_that_only_reads_is_named_as_that(server: OwnServer, address: str) -> None:
    name = address.partition("?")[0].rpartition("/")[2]
    server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    database = Database(address)
    assert refusal(database, "CREATE TABLE x (id INT)").code == "storage.server_read_only"
    database.close()


def test_a_write_in_a_reading_transaction_is_a_fault_of_ours(database: Database) -> None:
    with pytest.raises(Exception, match="read-only transaction"), database.read() as tx:
        tx.execute(text("CREATE TABLE x (id INT)"))


def test_a_role_that_may_make_no_tables_is_told_what_to_grant(address: str) -> None:
    database = Database(as_role(address, "guest"))
    with pytest.raises(Unavailable) as caught:
        upgrade(database)
    assert caught.value.code == "storage.privilege_missing"
    database.close()


def test_a_database_that_cannot_hold_every_text_is_refused_before_anything_is_made(
    server: OwnServer,
) -> None:
    server.execute("CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
    database = Database(server.address("ascii"))
    with pytest.raises(Invalid) as caught:
        upgrade(database)
    assert caught.value.code == "storage.encoding"
    with database.read() as tx:
        assert tx.execute(text("SELECT count(*) FROM pg_tables")).scalar_one() > 0
        assert tx.execute(text("SELECT to_regclass('identity_member')")).scalar_one() is None
    database.close()
    server.execute("DROP DATABASE ascii")


def test_a_server_older_than_what_is_tested_is_refused(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialect, "POSTGRESQL_OLDEST", 99)
    with pytest.raises(Unavailable) as caught:
        upgrade(database)
    assert caught.value.code == "storage.server_too_old"
    assert caught.value.params["oldest"] == 99


def test_a_broken_rule_names_no_value_that_people_wrote(database: Database) -> None:
    with database.begin() as tx:
        tx.execute(text("CREATE TABLE person (name TEXT UNIQUE, age INT CHECK (age > 0))"))
        tx.execute(text("INSERT INTO person VALUES ('李小明', 5)"))
    for row in ({"name": "李小明", "age": 1}, {"name": "王小红", "age": -1}):
        with pytest.raises(IntegrityError) as caught, database.begin() as tx:
            tx.execute(text("INSERT INTO person VALUES (:name, :age)"), row)
        shown = "".join(traceback.format_exception(caught.value))
        assert "person" in shown
        assert row["name"] not in shown


def test_without_the_driver_the_error_says_how_to_install_it(address: str) -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from yunhe.storage.database import Database\n"
        "from yunhe.kernel.errors import Invalid\n"
        "try: Database(sys.argv[1])\n"
        "except Invalid as error: print(error.code, error.message('en'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, address], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("storage.driver_missing")
    assert "yunhe[postgresql]" in done.stdout


@pytest.mark.parametrize("url", ["mysql://h/x", "postgresql+psycopg2://h/x", "no address"])
def test_another_kind_of_database_is_refused(url: str) -> None:
    with pytest.raises(Invalid) as caught:
        Database(url)
    assert caught.value.code == "storage.address_invalid"


@pytest.mark.parametrize("prepared", ["on", "off"])
def test_prepared_statements_can_be_left_out_for_poolers_without_them(
    address: str, prepared: str
) -> None:
    database = Database(f"{address}&prepared_statements={prepared}", connections=2)
    for _ in range(12):
        with database.read() as tx:
            tx.execute(text("SELECT 41 + :one"), {"one": 1})
    with database.read() as tx:
        count = tx.execute(text("SELECT count(*) FROM pg_prepared_statements")).scalar_one()
    assert (count > 0) is (prepared == "on")
    database.close()


def test_a_commit_is_flushed_even_where_the_server_would_not(server: OwnServer) -> None:
    name = server.create()
    server.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    for durable, expected in ((True, "on"), (False, "off")):
        database = Database(server.address(name), durable=durable)
        for begin in (database.begin, database.begin_shared):
            with begin() as tx:
                assert tx.execute(text("SHOW synchronous_commit")).scalar_one() == expected
        database.close()
    server.drop(name)


def test_text_sorts_by_code_point_whatever_the_server_prefers(database: Database) -> None:
    upgrade(database)
    keys = ["b", "a", "Z", "é", "_", "中", "a b", "ab", "😀"]
    with database.begin() as tx:
        for key in keys:
            idempotency.remember(tx, tenant="t", key=key, request=1, answer=2, at_us=0)
    with database.read() as tx:
        found = tx.execute(text("SELECT key FROM storage_idempotency ORDER BY key")).scalars()
        assert found.all() == sorted(keys)
        odd = text(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND collation_name <> 'C'"
        )
        assert tx.execute(odd).all() == []
