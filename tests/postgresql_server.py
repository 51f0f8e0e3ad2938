"""A real PostgreSQL for tests: its own process and folder, databases cloned in no time."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

NAMED = "YUNHE_TEST_POSTGRESQL"
"""Names a server to use in place of one of our own: an address with the right to make databases."""
_numbers = itertools.count(1)
_GUARD = """read -r _ || true
kill -QUIT "$(head -n 1 "$1/postmaster.pid")" 2>/dev/null && sleep 1
rm -rf "$1"
"""
"""Outlives a test process that is killed, and ends its server: its input ends with that process."""


class Server:
    """Makes and removes databases on a server that somebody runs."""

    def __init__(self, address: str) -> None:
        """``address`` is that of any database there, of a role that may make others."""
        self._address = address
        self._made: list[str] = []

    def address(self, database: str) -> str:
        """The address of a database there."""
        head, _, tail = self._address.partition("://")
        authority, _, rest = tail.partition("/")
        _, mark, query = rest.partition("?")
        return f"{head}://{authority}/{database}{mark}{query}"

    def create(self, template: str = "template0") -> str:
        """A new database, a copy of the template; its name."""
        name = f"yunhe_test_{os.getpid()}_{next(_numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} ENCODING 'UTF8'")
        self._made.append(name)
        return name

    def drop(self, name: str) -> None:
        """Remove a database, whoever still uses it."""
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self._made.remove(name)

    def drop_all(self) -> None:
        """Remove what was made here."""
        for name in list(self._made):
            self.drop(name)

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """What a statement gives, run by itself."""
        import psycopg  # noqa: PLC0415 (tests on SQLite do without)

        with psycopg.connect(self.address(database), autocommit=True) as connection:
            found = connection.execute(statement.encode())
            return found.fetchall() if found.description else []


class OwnServer(Server):
    """A server of our own, which may be stopped, killed and started again."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        """The server runs when this returns."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pgserver  # noqa: PLC0415 (half a second)
            from pgserver import _commands  # noqa: PLC0415

        self._control = _commands.pg_ctl
        self._running = pgserver.get_server(folder, cleanup_mode="delete")
        self.folder = folder
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "guard", str(folder)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        super().__init__(self._running.get_uri().replace("postgres:@", "postgres@"))
        for name, value in settings.items():
            self.execute(f"ALTER SYSTEM SET {name} = {value}")
        if settings:
            self.restart()

    def stop(self, mode: str = "immediate") -> None:
        """``immediate`` is as good as pulling the plug: no checkpoint, clients cut off."""
        self._call("-m", mode, "stop")

    def start(self) -> None:
        """Start it again; it recovers what was committed first."""
        options = f'-h "" -k {self.folder}'
        self._call("-o", options, "-l", str(self.folder / "log"), "start")

    def restart(self, mode: str = "fast") -> None:
        """Stop, then start."""
        self.stop(mode)
        self.start()

    def _call(self, *arguments: str) -> None:
        self._control(
            ["-w", *arguments], pgdata=self.folder, user=self._running.system_user, timeout=60
        )

    def close(self) -> None:
        """End it and remove its folder."""
        with suppress(subprocess.CalledProcessError):  # it may be stopped already
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._guard.communicate()


@contextmanager
def own_server(**settings: str) -> Iterator[OwnServer]:
    """A fresh server; skips where `pgserver` is not installed."""
    pytest.importorskip("pgserver", reason="pgserver (PostgreSQL for tests) is not installed")
    folder = Path(tempfile.mkdtemp(prefix="yunhe-pg-"))  # short: it holds the server's socket
    folder.chmod(0o755)  # as root the server runs as another user
    server = OwnServer(folder, settings)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def any_server() -> Iterator[Server]:
    """The server that the environment names, or one of our own that need not survive a crash."""
    named = os.environ.get(NAMED)
    if not named:
        with own_server(fsync="off", full_page_writes="off", max_connections="200") as server:
            yield server
        return
    server = Server(named)
    try:
        yield server
    finally:
        server.drop_all()
