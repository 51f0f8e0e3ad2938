"""A disk that is full, read-only or damaged: said plainly, nothing half-written, curable."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from plan_desk import ENVIRONMENT, Desk, Refusal, State, leftovers, refusal
from plan_kills import STAGES

from yunhe.kernel.language import text
from yunhe.storage.upgrade import HEAD

PROGRAM = Path(__file__).parent / "programs" / "small_disk.py"
CAPACITIES_KIB = (64, 700, 1_300, 1_500, 1_540, 1_580, 1_620, 1_700, 2_000, 2_300, 2_600,
                  3_000, 3_500, 4_000, 5_000, 6_000, 8_000)  # fmt: skip
"""How much room the home has each time; close together where the first stages end.

From 2,300 the database's journal, which no attempt has room to fold in, takes most of it (3.5 of
5 MB seen), so the third stage needs all the rest.
"""


def reached(attempt: dict) -> str:
    """The stage in which an attempt ended."""
    events = [json.loads(line) for line in attempt["stderr"].splitlines() if line[:1] == "{"]
    return events[-1]["stage"].removeprefix("plans.stage.") if events else "start"


@pytest.mark.slow
def test_a_full_disk_is_named_and_a_larger_one_goes_on_where_it_stopped(
    desk, finished, bubblewrap, tmp_path
):
    disk = tmp_path / "disk"
    disk.mkdir()
    out = tmp_path / "out"
    out.mkdir()
    small = Desk(disk / "home", desk.tickets, desk.plan)
    command = [
        bubblewrap, "--dev-bind", "/", "/", "--size", str(64 << 20), "--tmpfs", str(disk),
        sys.executable, str(PROGRAM), str(disk), str(out / "report.json"),
        ",".join(map(str, CAPACITIES_KIB)), *small.command("--json", *small.task()),
    ]  # fmt: skip
    subprocess.run(command, check=True, env=ENVIRONMENT, timeout=300)
    *refused, passed = json.loads((out / "report.json").read_text("utf-8"))
    for attempt in refused:
        assert attempt["exit_code"] == 74, attempt
        error = json.loads(attempt["stdout"])
        told = "\n".join([error["message"], *(f["message"] for f in error["findings"])])
        assert "is full" in told, told
        assert error["do"], told
        assert attempt["partial"] == [], attempt["capacity_kib"]
        assert str(disk) in told or "/job/outputs" in told
        if error["code"] == "storage.disk_full":
            where = error["params"]["where"]
            assert text("storage.disk_full", "zh", where=where).count(where) == 1
        else:
            assert error["code"] == "plans.training_failed"
    stages = [reached(attempt) for attempt in refused]
    assert stages == sorted(stages, key=("start", *STAGES).index)  # it never fell back
    assert len(set(stages)) >= 4, stages
    assert passed["exit_code"] == 0, passed
    result, expected = json.loads(passed["stdout"]), finished[1]
    for same in ("certificate_body", "model_digest", "results_digest", "score", "links_ok"):
        assert result[same] == expected[same], same
    after = Desk(out / "copied" / "home", desk.tickets, desk.plan)
    paid_as_metered(after, finished[0])
    assert leftovers(after.home) == []


def paid_as_metered(desk: Desk, undisturbed: Desk) -> None:
    """Without a failed attempt nothing tells the difference; each that failed was paid once."""
    state, expected = State.of(desk), State.of(undisturbed)
    failed = desk.rows("SELECT count(*) FROM compute_workload WHERE state = 'failed'")[0][0]
    assert (state.holds_open, state.held_minor) == (0, 0)
    assert state.records["compute.usage"] == 1 + failed
    assert state.data_income_minor == expected.data_income_minor
    if not failed:
        assert state == expected
    usages = desk.rows("SELECT usage FROM compute_workload WHERE usage IS NOT NULL")
    metered = sum(json.loads(usage)["device_ms"] for (usage,) in usages)
    with desk.platform() as platform:
        lines, _, _ = platform.accounts()
    assert [line.available for _, line in lines if line.purpose == "delivered"] == [metered]


def test_a_folder_that_cannot_be_written_to_is_named(desk, bubblewrap, tmp_path):
    shut = tmp_path / "shut"
    shut.mkdir()
    wrap = (bubblewrap, "--dev-bind", "/", "/", "--ro-bind", str(shut), str(shut))
    for home in (shut, shut / "home"):
        closed = Desk(home, desk.tickets, desk.plan, wrap)
        refused = refusal(closed, *closed.task())
        assert refused.exit_code == 74
        assert refused.code in ("storage.read_only", "storage.cannot_open")
        assert str(home) in refused.told
    assert list(shut.iterdir()) == []


@pytest.mark.slow
def test_a_finished_home_on_a_read_only_disk_stays_as_it_is(copied, bubblewrap):
    desk, result = copied
    before = State.of(desk)
    home = str(desk.home)
    wrap = (bubblewrap, "--dev-bind", "/", "/", "--ro-bind", home, home)
    closed = Desk(desk.home, desk.tickets, desk.plan, wrap)
    for command in (closed.task(), ["report"], ["log", "--rotate-key"]):
        refused = refusal(closed, *command)
        assert refused.exit_code == 74
        assert home in refused.told
    assert State.of(desk) == before
    assert desk.result()["run"] == result["run"]  # writable again, and nothing was lost


def damaged(desk: Desk, code: str) -> Refusal:
    """Every command that reads the database says so, and none makes it worse."""
    before = (desk.home / "yunhe.db").read_bytes()
    refused = refusal(desk, *desk.task())
    assert refused.code == code
    assert str(desk.home / "yunhe.db") in refused.told
    for command in (["accounts"], ["log", "--audit"], ["report"]):
        assert desk.call(*command).returncode == refused.exit_code, command
    assert (desk.home / "yunhe.db").read_bytes() == before
    return refused


def test_a_file_that_is_no_database_is_named_and_left_alone(copied):
    desk, _ = copied
    (desk.home / "yunhe.db").write_bytes(b"Not a database, but somebody's notes.\n" * 400)
    assert damaged(desk, "storage.damaged").exit_code == 74


def test_a_database_with_pages_overwritten_is_named_and_a_backup_cures_it(copied, tmp_path):
    desk, _ = copied
    database = desk.home / "yunhe.db"
    with closing(sqlite3.connect(database)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(database, tmp_path / "backup.db")
    data = bytearray(database.read_bytes())
    data[4096:] = b"\x5a" * (len(data) - 4096)  # all but the first page
    database.write_bytes(data)
    assert damaged(desk, "storage.damaged").exit_code == 74
    shutil.copy(tmp_path / "backup.db", database)
    for name in ("yunhe.db-wal", "yunhe.db-shm"):
        (desk.home / name).unlink(missing_ok=True)
    assert desk.result()["verified"] is True
    assert State.of(desk).transfers > 0


def test_a_home_of_a_newer_version_is_left_alone(copied):
    desk, _ = copied
    with closing(sqlite3.connect(desk.home / "yunhe.db")) as db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
        db.commit()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    refused = damaged(desk, "storage.newer")
    assert "9999" in refused.told
    assert HEAD in refused.told


def test_a_missing_or_open_signing_key_is_named_and_no_new_one_takes_its_place(copied):
    desk, _ = copied
    key = desk.home / "keys" / "log.pem"
    secret = key.read_bytes()
    key.chmod(0o644)
    refused = refusal(desk, *desk.task())
    assert (refused.exit_code, refused.code) == (77, "custody.key_permissions")
    assert str(key) in refused.told
    key.chmod(0o600)
    key.unlink()
    refused = refusal(desk, *desk.task())
    assert (refused.exit_code, refused.code) == (74, "custody.keys_missing")
    assert str(key) in refused.told
    assert not key.exists()
    key.write_bytes(secret)
    key.chmod(0o600)
    assert desk.result()["verified"] is True
