"""What every test may ask for: storage on a real database, and a clock that moves when told.

``pytest --on postgresql`` gives the same tests databases of a real PostgreSQL server.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from postgresql_server import Server, any_server
from yunhe.kernel.clock import ManualClock
from yunhe.storage.blobs import LocalBlobs
from yunhe.storage.database import Database
from yunhe.storage.schema import metadata
from yunhe.storage.service import Storage
from yunhe.storage.upgrade import upgrade

ON = "--on"
_TOUCHES = frozenset({"database_url", "empty_database_url", "new_database"})

# Every run draws the same examples and judges none by the clock, so that it says of a commit what
# the last one said, however busy the machine. `--hypothesis-profile=search` draws others.
settings.register_profile(
    "same", derandomize=True, deadline=None, database=None, print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
settings.register_profile("search", settings.get_profile("same"), derandomize=False)
settings.load_profile("same")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        ON,
        choices=("sqlite", "postgresql"),
        default="sqlite",
        help="the database for tests that touch storage; with postgresql the others are left out",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On PostgreSQL run what touches storage; say of the rest how many there are."""
    if config.getoption(ON) == "sqlite":
        return
    kept: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        touches = _TOUCHES.intersection(getattr(item, "fixturenames", ()))
        (kept if touches else left_out).append(item)
        mark = item.get_closest_marker("sqlite_only")
        if touches and mark is not None:
            item.add_marker(pytest.mark.skip(reason=f"SQLite only: {mark.args[0]}"))
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """The PostgreSQL server of this test process."""
    with any_server() as server:
        yield server


@pytest.fixture(scope="session")
def migrated(postgresql: Server) -> str:
    """Name of a database there with all tables and no rows, to copy."""
    name = postgresql.create()
    database = Database(postgresql.address(name))
    upgrade(database)
    database.close()
    return name


@pytest.fixture
def new_database_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., str]]:
    """Makes the address of another database whenever it is called; ``empty=True``: no tables."""
    made: list[str] = []
    numbers = itertools.count(1)

    def on_sqlite(*, empty: bool = False, folder: Path | None = None) -> str:
        folder = folder or tmp_path_factory.mktemp(f"database-{next(numbers)}")
        database = Database.at(folder / "yunhe.db", durable=False)
        if not empty:
            with database.begin() as tx:
                metadata.create_all(tx)
        database.close()
        return database.url

    if request.config.getoption(ON) == "sqlite":
        yield on_sqlite
        return
    server: Server = request.getfixturevalue("postgresql")

    def on_postgresql(*, empty: bool = False, folder: Path | None = None) -> str:
        made.append(
            server.create() if empty else server.create(request.getfixturevalue("migrated"))
        )
        return server.address(made[-1])

    yield on_postgresql
    for name in made:
        server.drop(name)


@pytest.fixture
def new_database(new_database_url: Callable[..., str]) -> Iterator[Callable[..., Database]]:
    """Opens another database, with all tables unless ``empty``, whenever it is called."""
    opened: list[Database] = []

    def make(*, empty: bool = False, durable: bool = True) -> Database:
        opened.append(Database(new_database_url(empty=empty), durable=durable))
        return opened[-1]

    yield make
    for database in opened:
        database.close()


@pytest.fixture
def database_url(new_database_url: Callable[..., str], tmp_path: Path) -> str:
    """Address of a fresh database with all tables; on SQLite the file ``tmp_path/yunhe.db``."""
    return new_database_url(folder=tmp_path)


@pytest.fixture
def empty_database_url(new_database_url: Callable[..., str], tmp_path: Path) -> str:
    """Address of a fresh database without tables; on SQLite the file ``tmp_path/yunhe.db``."""
    return new_database_url(empty=True, folder=tmp_path)


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands at 2026-01-01T00:00:00Z until advanced."""
    return ManualClock()


@pytest.fixture
def storage(database_url: str, tmp_path: Path, clock: ManualClock) -> Iterator[Storage]:
    """An empty platform: a real database, and blobs in a temporary folder."""
    database = Database(database_url)
    yield Storage(database, LocalBlobs(tmp_path / "blobs"), clock)
    database.close()
