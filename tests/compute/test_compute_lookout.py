"""Pools of a site that nobody names any more take nothing new, say so, and come back with it."""

from __future__ import annotations

import pytest
from test_compute_following import Place
from test_compute_why_closed import notes, words

from yunhe.compute import service as compute
from yunhe.compute.queueing import service as queueing
from yunhe.compute.remote.driver import Driver
from yunhe.compute.remote.following import SILENT_SECONDS, STEP_SECONDS
from yunhe.compute.remote.lookout import UNNAMED_SECONDS, Lookout
from yunhe.compute.service import supply


@pytest.fixture
def rich(bare_city):
    bare_city.award(seconds=100_000)
    bare_city.voucher()
    bare_city.cash()
    bare_city.approve_trial()
    return bare_city


@pytest.fixture
def place(rich):
    """A site that a worker has looked after until now, and a pool of it."""
    made = Place(rich, follows=False)
    made.look()
    return made


def later(place, lookout: Lookout, seconds: int) -> None:
    """Time goes by, and another worker looks out every half minute."""
    for _ in range(-(-seconds // 30)):
        place.city.clock.advance(seconds=30)
        lookout.look()


def state(place) -> str:
    return place.stands[0]


def restarted(place) -> Driver:
    """The driver of a worker that names the site, from a start of it."""
    return Driver(place.storage, place.site)


def held_up(place, workload):
    with place.storage.database.read() as tx:
        return queueing.held_up(tx, workload.id)


def test_a_pool_whose_site_nobody_names_takes_no_work_and_says_why(rich, place) -> None:
    before = rich.submit("before", devices=2, wall=10)
    assert before.state == "placed"
    lookout = Lookout(rich.storage, [])
    later(place, lookout, UNNAMED_SECONDS)
    assert state(place) == "open"  # a worker that is restarted takes a while
    later(place, lookout, 30)
    assert state(place) == "down"
    waits = rich.submit("waits", devices=2, wall=10)
    assert words(rich, waits) == "waiting_unnamed"
    assert dict(waits.why.params) == {"pool": place.pool, "site": "paper"}
    assert notes(rich, waits) == ["unseen_closed"]
    found = held_up(place, before)
    assert (found.code, dict(found.params)) == ("compute.placed_unnamed", {"site": "paper"})
    with rich.storage.database.read() as tx:
        [step, *_] = supply.steps(tx, place.pool)
    assert (step.what, step.detail, step.by) == ("state", "down", "")
    for language, reason in zip(("en", "zh"), step.reason.split(" · "), strict=True):
        assert "paper" in reason
        assert "compute." not in found.message(language)


def test_it_takes_work_again_as_soon_as_a_worker_names_the_site(rich, place) -> None:
    before = rich.submit("before", devices=2, wall=10)
    lookout = Lookout(rich.storage, [])
    later(place, lookout, UNNAMED_SECONDS + 30)
    waits = rich.submit("waits", devices=2, wall=10)
    assert waits.state == "waiting"
    driver = restarted(place)
    driver.once()
    assert state(place) == "open"
    assert held_up(place, before) is None
    assert {rich.see(each).state for each in (before, waits)} == {"running"}
    later(place, lookout, 30)
    assert state(place) == "open"


@pytest.mark.parametrize("follows", [False, True])
def test_a_site_that_somebody_looks_after_and_cannot_reach_is_not_closed_for_that(
    rich, follows
) -> None:
    place = Place(rich, follows=follows)
    place.look()
    lookout = Lookout(rich.storage, [])
    for _ in range(4):  # each 60 seconds, as a driver rests at most
        place.gone(60)
        lookout.look()
    assert state(place) == "open"
    place.look()
    lookout.look()
    assert state(place) == "open"


def test_who_names_a_site_and_whom_it_does_not_concern_are_left_alone(rich, place) -> None:
    rich.pool()
    place.add("pretended", adapter=compute.DEMONSTRATION)
    lookout = Lookout(rich.storage, ["paper"])
    later(place, lookout, 10 * UNNAMED_SECONDS)
    with rich.storage.database.read() as tx:
        offers = supply.offers(tx, compute.pools(tx), now_us=rich.clock.now_us())
    assert [each.standing.state for each in offers] == ["open"] * 3


def test_what_somebody_closed_stays_closed_and_what_somebody_opens_is_closed_again(
    rich, place
) -> None:
    place.say("draining")
    lookout = Lookout(rich.storage, [])
    later(place, lookout, UNNAMED_SECONDS + 30)
    assert state(place) == "draining"
    restarted(place).once()
    assert state(place) == "draining"
    later(place, lookout, UNNAMED_SECONDS + 30)
    place.say("open")
    later(place, lookout, 30)
    assert state(place) == "down"
    with rich.storage.database.read() as tx:
        count = len(supply.steps(tx, place.pool))
    later(place, lookout, 300)
    with rich.storage.database.read() as tx:
        assert len(supply.steps(tx, place.pool)) == count


def test_a_site_that_was_silent_and_is_then_taken_out_is_said_to_be_taken_out(rich) -> None:
    place = Place(rich)
    place.look()
    place.gone(2 * SILENT_SECONDS)
    waits = rich.submit("waits", devices=2, wall=10)
    assert words(rich, waits) == "waiting_silent"
    later(place, Lookout(rich.storage, []), UNNAMED_SECONDS + 30)
    assert words(rich, waits) == "waiting_unnamed"
    rich.clock.advance(seconds=STEP_SECONDS)
    restarted(place).once()
    assert rich.see(waits).state == "running"


def test_a_clock_that_was_set_back_closes_nothing(rich, place) -> None:
    lookout = Lookout(rich.storage, [])
    later(place, lookout, 60)
    rich.clock.advance(seconds=-7_200)
    lookout.look()
    later(place, lookout, UNNAMED_SECONDS - 30)
    assert state(place) == "open"
