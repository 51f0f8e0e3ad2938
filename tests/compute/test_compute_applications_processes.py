"""Two processes at once: one decision, one claim for a contract, one payment, no more money."""

from __future__ import annotations

import subprocess
import sys

import pytest
from applications_desk import Desk

PROGRAM = """
import sys
from pathlib import Path
from yunhe.compute import service as compute
from yunhe.kernel.clock import ManualClock
from yunhe.kernel.errors import YunheError
from yunhe.storage.blobs import LocalBlobs
from yunhe.storage.database import Database
from yunhe.storage.service import Storage

url, folder, now_us, by, *ids = sys.argv[1:]
clock = ManualClock()
clock.advance(seconds=(int(now_us) - clock.now_us()) / 1e6)
database = Database(url)
storage = Storage(database, LocalBlobs(Path(folder)), clock)
print("ready", flush=True)
sys.stdin.readline()
for each in ids:
    try:
        done = compute.applications.decide(
            storage, each, verdict="award", reason="同时", by=by
        )
        print(done.state, done.decided_by == by, flush=True)
    except YunheError as error:
        print(error.code, flush=True)
database.close()
"""


@pytest.fixture
def deciders(database_url: str, desk: Desk, tmp_path):
    """Starts a process for each of these members, and lets them decide at the same moment."""

    def decide(members: list[str], ids: list[str]) -> list[list[str]]:
        command = [sys.executable, "-c", PROGRAM, database_url, str(tmp_path / "blobs")]
        now = str(desk.clock.now_us())
        running = [
            subprocess.Popen(
                [*command, now, member, *ids],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for member in members
        ]
        for one in running:
            assert one.stdout is not None
            assert one.stdout.readline() == "ready\n"
        for one in running:
            assert one.stdin is not None
            one.stdin.write("\n")
            one.stdin.flush()
        return [one.communicate(timeout=60)[0].splitlines() for one in running]

    return decide


def test_of_two_processes_one_decides_each_application(desk: Desk, deciders):
    desk.fund(60_000_000)
    hours = [desk.apply(key=f"h{n}", device_hours=2_000) for n in range(4)]
    claims = [desk.claim(key=f"c{n}", number=f"{n}") for n in range(4)]
    ids = [each.id for each in (*hours, *claims)]
    said = deciders(list(desk.chiefs[:2]), ids)
    assert [len(lines) for lines in said] == [8, 8]
    for number, made in enumerate(hours):
        answers = sorted(lines[number] for lines in said)
        assert answers == ["awarded True", "compute.step_impossible"]
        assert [s.action for s in desk.steps(made)].count("awarded") == 1
    states = sorted(desk.see(made).state for made in claims)
    assert states == ["awarded"] * 3 + ["verifying"]  # the purse holds three
    account = desk.balance("programme:beijing_vouchers", "subsidy")
    assert account is not None
    assert (account.available, account.held) == (0, 60_000_000)
    assert len(desk.awards()) == 4
    desk.assert_sound()
