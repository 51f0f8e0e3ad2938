"""Nothing of a preview stays: whole databases, blobs and the log are as before, also in a crowd."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from yunhe.compute import service as compute
from yunhe.custody import service as custody
from yunhe.kernel.errors import Invalid
from yunhe.storage.schema import metadata

CROWD = 20


def everything(city) -> dict[str, list[str]]:
    """Every row of every table, and the names of all blobs."""
    with city.storage.database.read() as tx:
        found = {
            name: sorted(repr(tuple(row)) for row in tx.execute(select(table)))
            for name, table in sorted(metadata.tables.items())
        }
    folder = city.storage.blobs.root
    found["blobs"] = sorted(str(each.relative_to(folder)) for each in folder.rglob("*"))
    return found


def changed(before: dict[str, list[str]], after: dict[str, list[str]]) -> list[str]:
    return [name for name in before if before[name] != after[name]]


@pytest.fixture
def busy(city):
    """Something runs that may be pushed out, something waits, and an award has just expired."""
    city.submit("gives way", devices=2, preemptible=True, checkpoint_seconds=1)
    city.submit("waits", devices=2)
    city.award(key="old", days=1)
    city.clock.advance(seconds=86_401)
    return city


@pytest.mark.parametrize(
    "over", [{}, {"devices": 2}, {"devices": 2, "priority": "high"}, {"replicas": 2}]
)
def test_not_one_row_differs_after_previews(busy, caplog, over) -> None:
    caplog.set_level(logging.DEBUG, logger="yunhe")
    before = everything(busy)
    for number in range(3):
        said = compute.preview(busy.storage, busy.spec(f"p{number}", **over), member=busy.operator)
        assert said.workload.spec.key == f"p{number}"
    assert changed(before, everything(busy)) == []
    assert [each.getMessage() for each in caplog.records if "p0" in each.getMessage()] == []


def test_not_one_row_differs_after_a_preview_that_is_refused(busy) -> None:
    before = everything(busy)
    with pytest.raises(Invalid):
        compute.preview(busy.storage, busy.spec("p", devices=3, secrets={"A": "nobody's"}))
    assert changed(before, everything(busy)) == []


def test_a_crowd_of_previews_leaves_nothing_and_all_hear_the_same(busy) -> None:
    before = everything(busy)
    with ThreadPoolExecutor(CROWD) as crowd:
        asked = [
            crowd.submit(compute.preview, busy.storage, busy.spec(f"p{number}", devices=2))
            for number in range(CROWD)
        ]
        said = [each.result() for each in asked]
    assert {(each.workload.state, each.workload.why) for each in said} == {
        ("waiting", said[0].workload.why)
    }
    assert changed(before, everything(busy)) == []


def test_previews_beside_real_submissions_change_nothing_of_them(city, new_city) -> None:
    """The same submissions without previews leave the same rows but for their order."""
    alone = new_city()
    for each in (alone.pool, alone.award, alone.voucher, alone.cash, alone.approve_trial):
        each()
    with ThreadPoolExecutor(CROWD) as crowd:
        asked = [
            crowd.submit(compute.preview, city.storage, city.spec(f"p{number}"))
            for number in range(CROWD)
        ]
        made = [crowd.submit(city.submit, "only") for _ in range(CROWD)]
        asked += [
            crowd.submit(compute.preview, city.storage, city.spec(f"q{number}"))
            for number in range(CROWD)
        ]
        assert {each.result().workload.state for each in asked} == {"placed"}
        assert len({each.result().id for each in made}) == 1
    alone.submit("only")
    ours, theirs = everything(city), everything(alone)
    assert {name for name in ours if len(ours[name]) != len(theirs[name])} == set()
    city.assert_books_are_right()
    with city.storage.database.read() as tx:
        logs = [custody.record(tx, reference) for reference in references(tx)]
    assert not [each for each in logs if "p0" in repr(each) or "preview" in repr(each)]


def references(tx) -> list[str]:
    return [award.award.reference for award in compute.awards(tx)]


def test_after_previews_the_same_work_is_held_and_run_as_without(new_city, local) -> None:
    ends = []
    for curious in (False, True):
        city = new_city()
        for each in (city.pool, city.award, city.voucher, city.cash, city.approve_trial):
            each()
        done = []
        for key in "ab":
            if curious:
                compute.preview(city.storage, city.spec(f"before {key}"))
            made = city.submit(key)
            found = compute.run_next(city.storage, local)
            done.append((made.state, made.held_device_ms, made.held_minor, found.state))
        city.assert_books_are_right()
        ends.append(done)
    assert ends[0] == ends[1]
    assert {done[-1] for done in ends[0]} == {"settled"}
