"""The whole chain on PostgreSQL by one setting: killed, cut off, and carried on to the same end."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import plan_kills
import pytest
from plan_desk import ENVIRONMENT, Desk, State, leftovers
from plan_kills import SEED, draw, kill, milliseconds
from sqlalchemy import text

from postgresql_server import OwnServer, own_server
from yunhe.app import open_platform
from yunhe.settings import Settings
from yunhe.storage.database import Database

PASSWORD = "Wort-das-niemand-sieht"
SAME = ("certificate_body", "train_digest", "model_digest", "results_digest", "score", "tier",
        "documents_in", "documents_out", "links", "links_ok")  # fmt: skip


@dataclass(frozen=True)
class OnServer(Desk):
    """A home whose rows are on a server."""

    url: str = ""

    def platform(self, clock=None):
        return open_platform(Settings(home=self.home, database_url=self.url), clock)

    def rows(self, query: str, *values: object) -> list[tuple]:
        assert not values
        with closing(Database(self.url)) as database, database.read() as tx:
            return [tuple(row) for row in tx.execute(text(query))]


@pytest.fixture
def server() -> Iterator[OwnServer]:
    with own_server() as running:
        rules = running.folder / "pg_hba.conf"
        rules.write_text("local all yunhe scram-sha-256\n" + rules.read_text())
        running.execute(f"CREATE ROLE yunhe LOGIN PASSWORD '{PASSWORD}'")
        running.execute("CREATE DATABASE yunhe OWNER yunhe ENCODING 'UTF8' TEMPLATE template0")
        running.execute("SELECT pg_reload_conf()")
        yield running


@pytest.fixture
def remote(server: OwnServer, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> OnServer:
    url = server.address("yunhe").replace("postgres@", f"yunhe:{PASSWORD}@")
    monkeypatch.setitem(ENVIRONMENT, "YUNHE_DATABASE_URL", url)
    return OnServer(desk.home, desk.tickets, desk.plan, url=url)


def cut_off(desk: Desk, server: OwnServer, stage: str) -> dict:
    """Run, stop the server when the stage begins; the error that the run ends with."""
    process = subprocess.Popen(
        desk.command("--json", *desk.task()),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    plan_kills._await(process, stage)
    server.stop()
    said, more = process.communicate(timeout=120)
    server.start()
    assert process.returncode == 74, said + more[-2000:]
    assert PASSWORD not in said + more
    return json.loads(said)


def written(home: Path) -> Iterator[tuple[Path, bytes]]:
    for path in home.rglob("*"):
        if path.is_file():
            yield path, path.read_bytes()


@pytest.mark.slow
def test_a_run_survives_kills_and_restarts_of_the_server(remote, server, finished) -> None:
    undisturbed, expected = finished
    chance, took = random.Random(SEED), milliseconds(undisturbed)
    for stage in ("corpus", "evaluation"):
        assert kill(remote, draw(chance, stage, took, early=True)) is not None
        error = cut_off(remote, server, "compute" if stage == "corpus" else "serving")
        # The gateway may be the one that is cut off; then the run says what it answered.
        known = {"storage.server_lost", "storage.server_away", "plans.not_answered"}
        assert error["code"] in known, error
        assert error["retryable"] or error["code"] == "plans.not_answered"
        assert error["do"]
    result = remote.result()
    assert {name: result[name] for name in SAME} == {name: expected[name] for name in SAME}
    assert result["verified"] is True
    assert State.of(remote) == State.of(undisturbed)
    assert remote.rows("SELECT count(*) FROM storage_work WHERE state <> 'done'") == [(0,)]
    assert not (remote.home / "yunhe.db").exists()
    assert [name for name in leftovers(remote.home) if "incoming" not in name] == []
    assert [str(path) for path, data in written(remote.home) if PASSWORD.encode() in data] == []
    again = remote.run()
    assert again.returncode == 0
    assert PASSWORD not in again.stdout + again.stderr
