"""Killed anywhere and run again: the same certificate body, one row, nothing half-written."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from corpus_planting import Planter, write_pair
from sqlalchemy import func, select

from yunhe.corpus import service, store
from yunhe.corpus.domain import CleanseRequest, Columns
from yunhe.kernel.clock import ManualClock
from yunhe.kernel.progress import Silent
from yunhe.storage.blobs import LocalBlobs
from yunhe.storage.database import Database
from yunhe.storage.service import Storage

PROGRAM = Path(__file__).with_name("corpus_killed.py")
# Five blobs are stored, then two records are appended within the transaction.
POINTS = [0, 2, 4, 5, 6]


def fresh(home: Path, database: Database) -> Storage:
    home.mkdir()
    return Storage(database, LocalBlobs(home / "blobs"), ManualClock())


def count(storage: Storage) -> int:
    with storage.database.read() as tx:
        return int(tx.execute(select(func.count()).select_from(store.cleansings)).scalar_one())


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_point_the_next_run_ends_with_the_same_body(
    tmp_path: Path, new_database: Callable[..., Database], point: int
) -> None:
    tickets, _ = write_pair(tmp_path / "in", Planter(3).documents(60))
    request = CleanseRequest(
        key="run-1",
        path=tickets,
        name="tickets",
        holder="org_hotline",
        licence="CC-BY-4.0",
        synthetic=True,
        columns=Columns("text", "label", "id"),
        profile=service.load_profile(),
    )
    undisturbed = service.cleanse(
        fresh(tmp_path / "calm", new_database()), request, progress=Silent()
    )
    storage = fresh(tmp_path / "home", new_database())
    killed = subprocess.run(
        [
            sys.executable,
            PROGRAM,
            tmp_path / "home",
            storage.database.url,
            tickets,
            str(point),
        ],
        check=False,
        timeout=300,
    )
    assert killed.returncode == -signal.SIGKILL
    assert count(storage) == 0
    again = service.cleanse(storage, request, progress=Silent())
    assert again.certificate["body"] == undisturbed.certificate["body"]
    assert again.output_digest == undisturbed.output_digest
    assert count(storage) == 1
    half_written = [p for p in (tmp_path / "home" / "blobs").iterdir() if not p.is_dir()]
    assert [p.name for p in half_written if not p.name.startswith(".incoming-")] == []
