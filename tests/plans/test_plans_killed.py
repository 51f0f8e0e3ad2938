"""`kill -9` anywhere, then the same command again: the same result, and nobody is charged twice."""

from __future__ import annotations

import random
import subprocess
import time

import pytest
from plan_desk import Desk, State, leftovers
from plan_kills import (
    REPORT,
    SEED,
    STAGES,
    START,
    Kill,
    draw,
    interrupted_in,
    kill,
    left_running,
    milliseconds,
)

from yunhe.storage import leases

KILLS, HOMES, PARTS = 50, 10, 5
AIMS = (
    [START] * 4 + ["people"] * 3 + ["corpus"] * 7 + ["exchange"] * 5 + ["compute"] * 11
    + ["models"] * 3 + ["evaluation"] * 5 + ["governance"] * 4 + ["serving"] * 5
    + ["verification"] * 1 + [REPORT] * 2
)  # fmt: skip
"""What to aim at, in the order of the run; every tenth goes to the same home."""
SAME = ("certificate_body", "train_digest", "model_digest", "results_digest", "score", "tier",
        "documents_in", "documents_out", "details_masked", "links", "links_ok")  # fmt: skip
_EXIT_SECONDS_MAX = 60


def test_the_aims_are_fifty_and_reach_every_stage():
    assert len(AIMS) == KILLS
    assert set(AIMS) == {START, *STAGES, REPORT}


def nothing_runs(desk: Desk) -> bool:
    """Nothing of the home runs any more, or stops doing so soon."""
    deadline = time.monotonic() + _EXIT_SECONDS_MAX
    while left_running(desk.home):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def check_between(desk: Desk, trail: str) -> None:
    """However it was killed: the books balance, the log holds, and nothing is left running."""
    assert nothing_runs(desk), f"{left_running(desk.home)} after {trail}"
    if interrupted_in(desk) == START:
        return
    with desk.platform() as platform:
        _, replay, _ = platform.accounts()
        audit = platform.audit(None)
    assert replay.ok, trail
    assert audit.ok, trail


def check_end(desk: Desk, result: dict, reference: tuple[Desk, dict], trail: str) -> None:
    """As if nothing had happened."""
    undisturbed, expected = reference
    assert {name: result[name] for name in SAME} == {name: expected[name] for name in SAME}, trail
    assert result["verified"] is True, trail
    assert desk.certificate() == undisturbed.certificate(), trail
    state = State.of(desk)
    assert state == State.of(undisturbed), trail
    assert (state.holds_open, state.held_minor) == (0, 0), trail
    with desk.platform() as platform:
        audit = platform.audit(desk.home / "witness" / "checkpoints.txt")
        with platform.storage.database.read() as tx:
            assert leases.holder_of(tx, kind="plans.run", key=result["run"]) is None
    assert audit.ok, trail
    assert audit.pending == 0, trail
    assert desk.rows("SELECT count(*) FROM storage_work WHERE state != 'done'") == [(0,)], trail
    assert nothing_runs(desk), f"{left_running(desk.home)} after {trail}"
    assert [name for name in leftovers(desk.home) if "incoming" not in name] == [], trail


def test_the_search_for_orphans_finds_a_workload_while_it_runs(desk):
    command = desk.command("--json", *desk.task())
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        seen: list[str] = []
        while process.poll() is None and len(seen) < 2:
            seen = left_running(desk.home)
        assert len(seen) >= 2, "the run ended and no workload was seen"
        assert any(f"{process.pid} " in line for line in seen)
    finally:
        process.kill()
        process.wait()
    assert nothing_runs(desk), left_running(desk.home)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_killed_at_random_points_it_ends_as_if_undisturbed(part, finished, tmp_path):
    reference = finished[0]
    chance = random.Random(SEED + part)
    took = milliseconds(reference)
    hits: list[Kill] = []
    for home in range(part, HOMES, PARTS):
        desk = Desk(tmp_path / str(home) / "home", reference.tickets, reference.plan)
        trail: list[Kill] = []
        for stage in AIMS[home::HOMES]:
            done = kill(desk, draw(chance, stage, took, early=home < PARTS))
            while done is None:  # it was over already: it is killed while it finds that out
                done = kill(desk, draw(chance, START, took))
            trail.append(done)
            check_between(desk, told(part, trail))
        check_end(desk, desk.result(), finished, told(part, trail))
        hits += trail
    assert len(hits) == KILLS // PARTS
    stages = {each.hit for each in hits}
    assert "compute" in stages, told(part, hits)
    assert stages & {START, "people", "corpus", "exchange"}, told(part, hits)
    assert stages & {"models", "evaluation", "governance", "serving"}, told(part, hits)
    assert len(stages) >= 5, told(part, hits)


def told(part: int, trail: list[Kill]) -> str:
    """What to say so that it can be done again."""
    return f"seed {SEED + part}: " + "; ".join(map(str, trail))


@pytest.mark.slow
def test_twenty_thousand_tickets_survive_three_kills(tmp_path, full):
    undisturbed, _ = full
    desk = Desk(tmp_path / "home", undisturbed.tickets, undisturbed.plan)
    chance = random.Random(SEED)
    took = milliseconds(undisturbed)
    trail = []
    for stage in ("corpus", "compute", "evaluation"):
        done = kill(desk, draw(chance, stage, took, early=True))
        assert done is not None
        trail.append(done)
        check_between(desk, f"seed {SEED}: {trail}")
    check_end(desk, desk.result(), full, f"seed {SEED}: {trail}")
