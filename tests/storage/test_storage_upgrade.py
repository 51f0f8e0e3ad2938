from __future__ import annotations

import importlib
import os
import pkgutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import event, inspect, text

import yunhe
from yunhe.custody import service as custody
from yunhe.custody.keys import create_log
from yunhe.custody.sequencer import Sequencer
from yunhe.identity import service as identity
from yunhe.kernel.clock import SystemClock
from yunhe.kernel.errors import Conflict
from yunhe.ledger import service as ledger
from yunhe.storage.blobs import LocalBlobs
from yunhe.storage.database import Database
from yunhe.storage.schema import metadata
from yunhe.storage.service import Storage
from yunhe.storage.upgrade import HEAD, upgrade

VERSIONS = Path(yunhe.__file__).parent / "storage" / "migrations" / "versions"
OLD = Path(__file__).parent / "old"


@pytest.fixture
def database(tmp_path):
    return Database.at(tmp_path / "yunhe.db")


def revision(database):
    with database.read() as tx:
        return tx.execute(text("SELECT version_num FROM alembic_version")).scalar_one()


def test_the_newest_migration_is_the_one_the_program_knows():
    assert max(path.name for path in VERSIONS.glob("0*.py")).startswith(HEAD)


def test_a_new_database_has_exactly_the_tables_the_floors_declare(database):
    for module in pkgutil.walk_packages(yunhe.__path__, "yunhe."):
        ends = (".store", ".tables", ".leases", ".idempotency")
        if module.name.endswith(ends):
            importlib.import_module(module.name)
    upgrade(database)
    with database.read() as tx:
        context = MigrationContext.configure(tx, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_upgrading_again_writes_nothing_and_loads_no_migration_library(tmp_path, database):
    upgrade(database)
    code = (
        "import sys; from pathlib import Path; from yunhe.storage.database import Database; "
        "from yunhe.storage.upgrade import upgrade; "
        f"upgrade(Database.at(Path({str(tmp_path)!r}) / 'yunhe.db')); "
        "assert not any(name.startswith('alembic') for name in sys.modules)"
    )
    before = list(sqlite3.connect(tmp_path / "yunhe.db").iterdump())
    subprocess.run([sys.executable, "-c", code], check=True)
    assert list(sqlite3.connect(tmp_path / "yunhe.db").iterdump()) == before


@pytest.mark.parametrize("dump", sorted(OLD.glob("*.sql")), ids=lambda path: path.stem)
def test_data_of_an_old_schema_survives_the_upgrade(dump, tmp_path, database):
    old = sqlite3.connect(tmp_path / "yunhe.db")
    old.executescript(dump.read_text("utf-8"))
    old.close()
    tables = {}
    with database.read() as tx:
        for table in inspect(tx).get_table_names():
            if table != "alembic_version":
                tables[table] = set(tx.execute(text(f"SELECT * FROM {table}")).all())
    assert sum(len(rows) for rows in tables.values()) > 20
    upgrade(database)
    assert revision(database) == HEAD
    storage = Storage(database, LocalBlobs(tmp_path / "blobs"), SystemClock())
    with database.read() as tx:
        for table, rows in tables.items():
            kept = set(tx.execute(text(f"SELECT * FROM {table}")).all())
            assert {row[: len(next(iter(rows)))] for row in kept} >= rows if rows else True
        replay = ledger.replay(tx)
        assert replay.ok
        assert replay.transfers > 2
        assert identity.members_with_role(tx, "operator")
    found = custody.audit(storage, (dump.parent / f"{dump.stem}.trust.txt").read_text("utf-8"))
    assert found.ok
    assert found.leaves > 2


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
    from pathlib import Path
    from sqlalchemy import event
    from yunhe.storage.database import Database
    from yunhe.storage.upgrade import upgrade
    database = Database.at(Path(sys.argv[1]))
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
def test_an_upgrade_that_is_killed_is_done_by_the_next_start(tmp_path, database, tables):
    path = tmp_path / "yunhe.db"
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path), str(tables)], check=False)
    assert killed.returncode == -signal.SIGKILL
    upgrade(database)
    assert revision(database) == HEAD
    with database.read() as tx:
        assert tx.execute(text("PRAGMA integrity_check")).scalar_one() == "ok"


def test_two_processes_that_start_at_once_upgrade_once(tmp_path):
    code = (
        "import sys; from pathlib import Path; from yunhe.storage.database import Database; "
        "from yunhe.storage.upgrade import upgrade; upgrade(Database.at(Path(sys.argv[1])))"
    )
    path = str(tmp_path / "yunhe.db")
    starts = [
        subprocess.Popen([sys.executable, "-c", code, path], env=dict(os.environ)) for _ in range(3)
    ]
    assert [process.wait(60) for process in starts] == [0, 0, 0]
    assert revision(Database.at(tmp_path / "yunhe.db")) == HEAD
