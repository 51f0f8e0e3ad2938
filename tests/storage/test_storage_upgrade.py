from __future__ import annotations

import importlib
import pkgutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Boolean, MetaData, event, inspect, text

import yunhe
from yunhe.custody import service as custody
from yunhe.custody.keys import create_log
from yunhe.custody.sequencer import Sequencer
from yunhe.identity import service as identity
from yunhe.kernel.clock import SystemClock
from yunhe.kernel.errors import Conflict
from yunhe.ledger import service as ledger
from yunhe.storage import dialect
from yunhe.storage.blobs import LocalBlobs
from yunhe.storage.database import Database
from yunhe.storage.schema import metadata
from yunhe.storage.service import Storage
from yunhe.storage.upgrade import HEAD, upgrade

VERSIONS = Path(yunhe.__file__).parent / "storage" / "migrations" / "versions"
OLD = Path(__file__).parent / "old"


@pytest.fixture
def database(empty_database_url):
    opened = Database(empty_database_url)
    yield opened
    opened.close()


def content(database):
    """Every row of every table but the revision's; columns in their order."""
    with database.read() as tx:
        return {
            table: {tuple(row) for row in tx.execute(text(f"SELECT * FROM {table}"))}
            for table in inspect(tx).get_table_names()
            if table != "alembic_version"
        }


def fill(database, dump, scratch):
    """Bring the database to the schema of a dump that SQLite made, with the dump's rows."""
    path = scratch / "dump.db"
    with closing(sqlite3.connect(path)) as old:
        old.executescript(dump.read_text("utf-8"))
    source = Database.at(path)
    upgrade(database, to=revision(source))
    # The tables as they are there; those the program declares today have more columns.
    tables = MetaData()
    with source.read() as old, database.begin() as new:
        tables.reflect(new)
        for table in tables.sorted_tables:
            columns = ", ".join(f'"{column.name}"' for column in table.columns)
            rows = old.execute(text(f"SELECT {columns} FROM {table.name}")).mappings().all()
            booleans = [c.name for c in table.columns if isinstance(c.type, Boolean)]
            given = [dict(row) | {name: bool(row[name]) for name in booleans} for row in rows]
            if given and table.name != "alembic_version":
                new.execute(table.insert(), given)
        dialect.count_on(new, tables.sorted_tables)
    source.close()


def revision(database):
    with database.read() as tx:
        return tx.execute(text("SELECT version_num FROM alembic_version")).scalar_one()


def test_the_newest_migration_is_the_one_the_program_knows():
    assert max(path.name for path in VERSIONS.glob("0*.py")).startswith(HEAD)


def test_a_new_database_has_exactly_the_tables_the_floors_declare(database):
    for module in pkgutil.walk_packages(yunhe.__path__, "yunhe."):
        of_storage = module.name.startswith("yunhe.storage.") and "migrations" not in module.name
        if module.name.endswith((".store", ".tables")) or of_storage:
            importlib.import_module(module.name)
    upgrade(database)
    with database.read() as tx:
        context = MigrationContext.configure(tx, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_upgrading_again_writes_nothing_and_loads_no_migration_library(database):
    upgrade(database)
    code = (
        "import sys; from yunhe.storage.database import Database; "
        "from yunhe.storage.upgrade import upgrade; "
        "upgrade(Database(sys.argv[1])); "
        "assert not any(name.startswith('alembic') for name in sys.modules)"
    )
    before = content(database)
    subprocess.run([sys.executable, "-c", code, database.url], check=True)
    assert content(database) == before
    assert revision(database) == HEAD


@pytest.mark.parametrize("dump", sorted(OLD.glob("*.sql")), ids=lambda path: path.stem)
def test_data_of_an_old_schema_survives_the_upgrade(dump, tmp_path, database):
    fill(database, dump, tmp_path)
    before = content(database)
    assert sum(len(rows) for rows in before.values()) > 20
    upgrade(database)
    assert revision(database) == HEAD
    storage = Storage(database, LocalBlobs(tmp_path / "blobs"), SystemClock())
    after = content(database)
    for table, rows in before.items():
        columns = len(next(iter(rows), ()))
        assert {row[:columns] for row in after[table]} >= rows
    with database.read() as tx:
        replay = ledger.replay(tx)
        assert replay.ok
        assert replay.transfers > 2
        assert identity.members_with_role(tx, "operator")
    trust = (dump.parent / f"{dump.stem}.trust.txt").read_text("utf-8")
    found = custody.audit(storage, trust)
    assert found.ok
    assert found.leaves > 2
    # New rows are numbered after the old ones.
    with database.begin() as tx:
        account = ledger.open_account(tx, owner="org_new", unit="CNY", purpose="cash")
        ledger.grant(tx, key="after the upgrade", account=account, amount=5, at_us=1)
        custody.append(tx, custody.Record("test.kind", "after the upgrade", 1, {}, {}))
    with database.read() as tx:
        assert ledger.replay(tx).transfers == replay.transfers + 1
    assert custody.audit(storage, trust).ok


def test_an_upgraded_database_goes_on_working(tmp_path, database):
    upgrade(database)
    storage = Storage(database, LocalBlobs(tmp_path / "blobs"), SystemClock())
    signer = create_log(tmp_path, "test.example/log")
    with database.begin() as tx:
        custody.append(tx, custody.Record("test.kind", "one", 1, {"n": 1}, {}))
        account = ledger.open_account(tx, owner="org_a", unit="CNY", purpose="cash")
        ledger.grant(tx, key="g", account=account, amount=5, at_us=1)
    assert Sequencer(storage, signer).run_once().size == 1
    with database.read() as tx:
        assert ledger.balance(tx, account).available == 5


def test_a_database_of_a_newer_version_is_refused_untouched(database):
    upgrade(database)
    with database.begin() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Conflict) as caught:
        upgrade(database)
    assert caught.value.code == "storage.newer"
    assert "9999" in caught.value.message("zh")
    assert revision(database) == "9999"


def test_an_upgrade_that_fails_half_way_leaves_the_old_schema(database):
    upgrade(database, to="0001")
    with database.read() as tx:
        before = sorted(inspect(tx).get_table_names())
    made = []

    def fail(_connection, _cursor, statement, *_rest):
        made.extend([statement] if "CREATE TABLE" in statement else [])
        if len(made) == 5:
            raise RuntimeError("pulled the plug")

    event.listen(database._engine, "before_cursor_execute", fail)
    with pytest.raises(RuntimeError, match="plug"):
        upgrade(database)
    event.remove(database._engine, "before_cursor_execute", fail)
    with database.read() as tx:
        assert sorted(inspect(tx).get_table_names()) == before
    assert revision(database) == "0001"
    upgrade(database)
    assert revision(database) == HEAD


KILLED = textwrap.dedent(
    """
    import os, signal, sys
    from sqlalchemy import event
    from yunhe.storage.database import Database
    from yunhe.storage.upgrade import upgrade
    database = Database(sys.argv[1])
    seen = []
    @event.listens_for(database._engine, "before_cursor_execute")
    def _(connection, cursor, statement, *rest):
        seen.append(statement)
        if sum("CREATE TABLE" in s for s in seen) == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
    upgrade(database)
    """
)


@pytest.mark.parametrize("tables", [1, 4, 12, 20])
def test_an_upgrade_that_is_killed_is_done_by_the_next_start(database, tables):
    command = [sys.executable, "-c", KILLED, database.url, str(tables)]
    killed = subprocess.run(command, check=False)
    assert killed.returncode == -signal.SIGKILL
    with database.read() as tx:
        assert inspect(tx).get_table_names() == []
    upgrade(database)
    assert revision(database) == HEAD
    if database.url.startswith("sqlite"):
        with database.read() as tx:
            assert tx.execute(text("PRAGMA integrity_check")).scalar_one() == "ok"


def test_processes_that_start_at_once_upgrade_once(database):
    code = (
        "import sys; from yunhe.storage.database import Database; "
        "from yunhe.storage.upgrade import upgrade; upgrade(Database(sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, database.url]
    starts = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(60) for process in starts] == [0, 0, 0]
    assert revision(database) == HEAD
