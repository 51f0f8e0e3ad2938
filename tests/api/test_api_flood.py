"""A flood of submissions from one tenant, by the real server: nobody else is harmed by it."""

from __future__ import annotations

import statistics

import pytest
from flood_stage import DEVICES, FREE, placed_soon, pour, staged

CAP = 60


def test_a_tenant_may_have_so_many_waiting_and_is_told_what_to_do_beyond(tmp_path):
    with staged(tmp_path / "home", keys=4, **FREE, YUNHE_WAITING_MAX=str(CAP)) as (stage, server):
        told = pour(stage, server, count=150, connections=30, calm=5, storm=20)
        assert set(told.answers) <= {"201", "429 compute.waiting_full"}, told.answers
        states = stage.states(stage.flooder)
        # Counted where they are written down, so not one too many however many come at once.
        assert states["waiting"] == CAP
        assert 1 <= states["placed"] <= DEVICES
        assert len(set(told.ids.values())) == len(told.ids) == sum(states.values())
        assert told.answers["429 compute.waiting_full"] >= 150 - len(told.ids)
        others = stage.states(stage.other)
        assert sum(others.values()) == len(told.calm) + len(told.storm)
        again = pour(stage, server, count=1, connections=1, storm=0, calm=0)
        assert again.ids == {"flood-0": told.ids["flood-0"]}


def test_the_others_work_is_placed_within_two_passes_though_a_flood_waits(tmp_path):
    with staged(tmp_path / "home", keys=4, **FREE) as (stage, server):
        told = pour(stage, server, count=200, connections=40, calm=0, storm=5)
        assert set(told.answers) == {"201"}, told.answers
        assert sum(stage.states(stage.flooder).values()) == len(told.ids) == 200
        had = stage.states(stage.other).get("placed", 0)
        assert stage.free(3) == 3
        assert placed_soon(stage, stage.other, count=min(had + 3, len(told.storm)), passes=2) <= 2


def test_who_exceeds_the_rate_is_told_so_and_when_to_come_back(tmp_path):
    limits = {"YUNHE_RATE_PER_SECOND": "1", "YUNHE_RATE_BURST": "50"}
    with staged(tmp_path / "home", **limits) as (stage, server):
        told = pour(stage, server, count=200, connections=20, calm=5, storm=20)
        assert set(told.answers) == {"201", "429 api.rate_exceeded retry"}, told.answers
        assert 50 <= told.answers["201"] <= 50 + told.seconds + 1
        assert sum(stage.states(stage.flooder).values()) == len(told.ids)


@pytest.mark.slow
def test_ten_thousand_submissions_from_one_tenant_leave_the_other_unharmed(tmp_path):
    with staged(tmp_path / "home", keys=20, **FREE) as (stage, server), stage.passes() as made:
        told = pour(stage, server, count=10_000, connections=200)
        assert set(told.answers) == {"201"}, told.answers
        assert sum(stage.states(stage.flooder).values()) == len(told.ids) == 10_000
        assert sum(stage.states(stage.other).values()) == len(told.calm) + len(told.storm)
        assert made
        # What stands before it is the threads' work, not the flood's two hundred.
        assert statistics.median(told.overtaken) <= 40
