"""Runners that die in the worst moments: nothing lost, nobody charged twice, no process left."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from yunhe.compute import service as compute
from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT
from yunhe.compute.providers.local import APPROVED, BUBBLEWRAP, LocalProvider
from yunhe.compute.providers.sandbox import bubblewrap
from yunhe.ledger import service as ledger

RUNNER = Path(__file__).parent / "programs" / "crash_runner.py"
GONE_SECONDS = 20
EVERY_ISOLATION = [
    pytest.param(
        "auto",
        id=BUBBLEWRAP,
        marks=pytest.mark.skipif(
            bubblewrap() is None, reason="bubblewrap is not installed or may not make namespaces"
        ),
    ),
    pytest.param("digest-approved", id=APPROVED),
]


def runner(city, home: Path, workload: str, *fate: str, isolation: str = "auto"):
    url, now_us = city.storage.database.url, str(city.clock.now_us())
    command = [sys.executable, str(RUNNER), str(home), url, now_us, isolation, workload, *fate]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def go(process) -> None:
    process.stdin.write("go\n")
    process.stdin.flush()


def descendants(pid: int) -> set[int]:
    """Every living process below ``pid``."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
    found, grown = {pid}, True
    while grown:
        new = {child for child, parent in parents.items() if parent in found} - found
        found |= new
        grown = bool(new)
    return found - {pid}


def assert_paid_once(city, workload) -> None:
    settled = city.see(workload)
    assert settled.state == "settled"
    assert (settled.held_device_ms, settled.held_minor) == (0, 0)
    with city.storage.database.read() as tx:
        assert ledger.holds_open(tx) == []
        paid: dict[str, list[int]] = {}
        for line in ledger.entries_of(tx, city.provider):
            paid.setdefault(line.unit, []).append(line.amount)
    assert paid.pop("device:cpu") == [settled.usage.device_ms]
    assert paid.pop("CNY") == [settled.usage.cash_minor]
    assert sum(paid.pop("voucher:CNY", [])) == settled.usage.voucher_minor
    assert paid == {}
    city.assert_books_are_right()


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux to watch processes")
@pytest.mark.parametrize("isolation", EVERY_ISOLATION)
def test_a_runner_killed_mid_job_leaves_no_process_and_the_next_one_takes_over(
    city, tmp_path: Path, isolation: str
) -> None:
    # The job would never end by itself, so whoever outlived the runner would be found.
    workload = city.submit(arguments={"action": "endure"}, wall=1_000)
    process = runner(city, tmp_path, workload.id, isolation=isolation)
    go(process)
    assert process.stdout.readline() == "step begun\n"
    watched = [os.pidfd_open(pid) for pid in descendants(process.pid)]
    assert watched
    process.kill()
    process.wait()
    for handle in watched:
        ended, _, _ = select.select([handle], [], [], GONE_SECONDS)
        assert ended, "a process of the job outlived its killed runner"
        os.close(handle)
    running = city.see(workload)
    assert (running.state, running.attempts) == ("running", 1)
    assert running.held_device_ms == 1_000_000
    city.assert_books_are_right()
    # No lease has to run out first: the clock stands still, and the dead owner is recognised.
    seen: list[int] = []

    class Cancel:
        def step(self, what: str, *, done: int, total: int | None = None) -> None:
            seen.append(city.see(workload).attempts)
            compute.cancel(city.storage, workload.id)

    provider = LocalProvider(tmp_path / "work", {TRIAL: TRIAL_ENTRY_POINT}, isolation=isolation)
    cancelled = compute.run_next(city.storage, provider, progress=Cancel())
    assert seen == [2]
    assert cancelled.state == "cancelled"
    # Only the second attempt is paid for.
    with city.storage.database.read() as tx:
        lines = ledger.entries_of(tx, city.provider)
    assert sum(line.amount for line in lines if line.unit == "device:cpu") == (
        cancelled.usage.device_ms
    )
    city.assert_books_are_right()


@pytest.mark.parametrize(
    ("when", "number", "attempts"),
    [
        ("before", 1, 1),  # claiming
        ("after", 1, 1),  # claimed
        ("before", 2, 1),  # starting
        ("after", 2, 2),  # started, nothing running yet
        ("before", 3, 2),  # ran and everything written, but not committed
        ("after", 3, 1),  # settled
    ],
)
def test_a_runner_killed_at_any_commit_is_made_good_by_the_next_one(
    city, tmp_path: Path, when: str, number: int, attempts: int
) -> None:
    workload = city.submit()
    process = runner(city, tmp_path, workload.id, when, str(number))
    go(process)
    said, _ = process.communicate()
    assert process.returncode == -9
    assert "end" not in said
    city.assert_books_are_right()
    provider = LocalProvider(tmp_path / "work", {TRIAL: TRIAL_ENTRY_POINT})
    again = compute.run_next(city.storage, provider, workload=workload.id)
    assert (again is None) == ((when, number) == ("after", 3))
    assert city.see(workload).attempts == attempts
    assert_paid_once(city, workload)


def test_of_two_runner_processes_at_once_exactly_one_runs_the_workload(
    city, tmp_path: Path
) -> None:
    workload = city.submit()
    processes = [runner(city, tmp_path, workload.id) for _ in range(2)]
    for process in processes:
        go(process)
    ends = sorted(process.communicate()[0].split()[-1] for process in processes)
    assert ends == ["none", "settled"]
    assert city.see(workload).attempts == 1
    assert_paid_once(city, workload)
