"""Several make room for one gang: nobody takes what the first left before the last is gone."""

from __future__ import annotations

from pathlib import Path

import pytest
from recorded_trial import Trial
from sqlalchemy import select
from test_compute_yielding import (
    LONG_ENOUGH,
    SAVER,
    Then,
    asked,
    may_wait,
    neighbour,
    stretches,
    urgent,
)

from yunhe.compute import service as compute
from yunhe.compute import store
from yunhe.compute.picture import picture_of
from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT
from yunhe.compute.providers.local import LocalProvider
from yunhe.compute.yielding import service as making_room
from yunhe.compute.yielding import store as yielding
from yunhe.compute.yielding.tables import left_table
from yunhe.kernel.clock import SECOND_US


@pytest.fixture
def saving(tmp_path: Path) -> LocalProvider:
    return LocalProvider(tmp_path / "work", {"saver": SAVER, TRIAL: TRIAL_ENTRY_POINT})


def placed_and_asked(city):
    """Two on a device each that nobody runs yet are asked to make room for two replicas."""
    both = [may_wait(city, key, devices=1) for key in ("one", "two")]
    city.clock.advance(seconds=LONG_ENOUGH)
    gang = urgent(city, "gang", devices=1, replicas=2)
    assert all(asked(city, one) for one in both)
    return both, gang


def kept(city) -> int:
    with city.storage.database.read() as tx:
        return len(yielding.made_free(tx))


def left(city) -> set[str]:
    with city.storage.database.read() as tx:
        return set(tx.scalars(select(left_table.c.beneficiary)))


def pushed_for_a_gang(city, saving):
    """Two on a device each make room for two replicas; the first has stopped."""
    both = [may_wait(city, key, devices=1) for key in ("one", "two")]
    gangs = []

    def needed() -> None:
        city.clock.advance(seconds=LONG_ENOUGH)
        gangs.append(urgent(city, "gang", devices=1, replicas=2))
        assert all(asked(city, one) for one in both)

    left = compute.run_next(city.storage, saving, workload=both[0].id, progress=Then(needed))
    assert left.state == "waiting"
    return both, gangs[0]


def states(city, *some) -> list[str]:
    return [city.see(one).state for one in some]


def test_what_the_first_left_is_kept_until_the_last_has_stopped(city, saving) -> None:
    both, gang = pushed_for_a_gang(city, saving)
    other = urgent(city, "other", devices=1, organisation=neighbour(city))  # goes first by share
    compute.reconsider(city.storage)
    assert states(city, gang, both[0], other) == ["waiting"] * 3
    compute.run_next(city.storage, saving, workload=both[1].id)
    assert states(city, gang, *both, other) == ["placed", "waiting", "waiting", "waiting"]
    assert compute.run_next(city.storage, saving).id == gang.id
    assert city.see(gang).state == "settled"
    city.assert_books_are_right()


def test_nothing_is_kept_for_a_gang_that_nobody_wants_any_more(city, saving) -> None:
    both, gang = pushed_for_a_gang(city, saving)
    compute.cancel(city.storage, gang.id)
    assert states(city, both[0]) == ["placed"]
    with city.storage.database.read() as tx:
        assert yielding.made_free(tx) == []


def test_the_picture_shows_what_is_kept_as_busy_and_of_the_one_it_is_kept_for(city, saving) -> None:
    both, gang = pushed_for_a_gang(city, saving)
    with city.storage.database.read() as tx:
        picture = picture_of(tx, [], now_us=city.clock.now_us())
    [stretch] = stretches(city, both[0])
    kept = next(view for view in picture.running if view.request.id == stretch.id)
    assert (kept.request.organisation, kept.request.devices) == (gang.spec.organisation, 1)
    assert (kept.leaving, kept.request.preemptible) == (True, False)
    assert picture.pools[0].devices_busy == 2


def test_what_an_earlier_round_left_is_not_kept_in_a_later_one(city, saving) -> None:
    both, gang = pushed_for_a_gang(city, saving)
    compute.run_next(city.storage, saving, workload=both[1].id)
    compute.run_next(city.storage, saving)
    assert states(city, gang) == ["settled"]
    with city.storage.database.read() as tx:
        assert yielding.made_free(tx) == []


def test_what_one_left_that_never_began_is_kept_as_well(city, saving) -> None:
    both, gang = placed_and_asked(city)
    other = urgent(city, "other", devices=1, organisation=neighbour(city))
    compute.run_next(city.storage, saving, workload=both[0].id)
    compute.reconsider(city.storage)
    assert states(city, gang, both[0], other) == ["waiting"] * 3
    compute.run_next(city.storage, saving, workload=both[1].id)
    assert states(city, gang, *both, other) == ["placed", "waiting", "waiting", "waiting"]


def test_what_one_left_that_ended_otherwise_is_kept_as_well(city) -> None:
    both, gang = placed_and_asked(city)
    other = urgent(city, "other", devices=1, organisation=neighbour(city))
    compute.cancel(city.storage, both[0].id)
    assert (states(city, gang, other), kept(city)) == (["waiting", "waiting"], 1)
    compute.cancel(city.storage, both[1].id)
    assert kept(city) == 0
    assert states(city, gang, other) == ["placed", "waiting"]


@pytest.mark.parametrize("left_at", [-3_600, 3_600])
def test_when_the_last_was_asked_does_not_matter(city, saving, left_at) -> None:
    both, _ = pushed_for_a_gang(city, saving)  # a site may be asked long after another has left
    with city.storage.database.begin() as tx:
        asked_us = city.clock.now_us() - left_at * SECOND_US
        store.change(tx, both[1].id, push_asked_us=asked_us)
    assert kept(city) == 1


def test_of_one_that_was_placed_meanwhile_nothing_is_kept_when_it_waits_again(city, saving) -> None:
    _, gang = pushed_for_a_gang(city, saving)
    with city.storage.database.begin() as tx:
        store.change(tx, gang.id, placements=1)
    assert kept(city) == 0


def test_what_was_left_is_forgotten_when_somebody_is_asked_again(city, saving) -> None:
    both, gang = placed_and_asked(city)
    compute.run_next(city.storage, saving, workload=both[0].id)
    for one in (gang, both[1]):
        compute.cancel(city.storage, one.id)
    assert (states(city, both[0]), left(city)) == (["placed"], {gang.id})
    city.clock.advance(seconds=LONG_ENOUGH)
    urgent(city, "again", devices=1, replicas=2)
    assert asked(city, both[0])
    assert (left(city), kept(city)) == (set(), 0)


@pytest.mark.parametrize("seed", [5, 8])
def test_whatever_happens_no_more_is_kept_than_there_is_and_nothing_for_ever(bare_city, seed):
    trial, most = Trial(bare_city, seed), 0
    trial.guarantee()
    trial.choose("nimble")
    for _ in range(50):
        trial.step()
        with bare_city.storage.database.read() as tx:
            rows = yielding.made_free(tx)
            for status in store.pools(tx) if rows else ():
                there = sum(row["devices"] for row in rows if row["pool"] == status.pool.id)
                assert not there or status.devices_busy + there <= status.pool.devices
            assert not {row["id"] for row in rows} & {row["id"] for row in store.occupying(tx)}
            most = max(most, len(rows))
    with bare_city.storage.database.begin() as tx:
        while pushed := [one for one in store.occupying(tx) if one["push_asked_us"] is not None]:
            row = store.row(tx, pushed[0]["id"])
            making_room.gone(tx, row, now_us=bare_city.clock.now_us())
        assert yielding.made_free(tx) == []
    assert most
