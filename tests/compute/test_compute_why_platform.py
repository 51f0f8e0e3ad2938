"""What the platform tells whoever waits: the least changes, by what they cost; and what it does
not know.
"""

from __future__ import annotations

import pytest

from yunhe.compute import service as compute
from yunhe.compute import store
from yunhe.compute.queueing import ahead, trying
from yunhe.compute.queueing import service as queueing
from yunhe.kernel.clock import DAY_US, SECOND_US

HOUR = 3_600


def told(city, workload):
    with city.storage.database.read() as tx:
        return queueing.standing(tx, workload.id, now_us=city.clock.now_us())


def offered(city, workload) -> list[tuple[str, dict]]:
    found = told(city, workload).alternatives
    for one in found:
        assert "compute." not in one.message("en") + one.message("zh")
    return [(one.code.removeprefix("compute.change_"), dict(one.params)) for one in found]


def elsewhere(city, *, price: int = 3_600, key: str = "other", site: str = "机房二"):
    return compute.register_pool(
        city.storage,
        key=key,
        provider=city.provider,
        site=site,
        chip="cpu",
        devices=2,
        price_minor_per_device_hour=price,
        currency="CNY",
    )


def test_replicas_are_offered_less_of_themselves_and_that_would_run(city) -> None:
    city.submit("runs", devices=1, wall=200)
    gang = city.submit("gang", devices=1, replicas=2, wall=100)
    assert gang.state == "waiting"
    assert offered(city, gang) == [("replicas", {"replicas": 1})]
    found = told(city, gang)
    assert found.early_us is not None
    assert found.early_us < found.late_us == city.clock.now_us() + 200 * SECOND_US
    assert found.notes == ()
    compute.cancel(city.storage, gang.id)
    assert city.submit("less", devices=1, replicas=1, wall=100).state == "placed"


def test_a_site_that_is_allowed_in_addition_is_named_as_people_know_it(city) -> None:
    city.submit("runs", devices=2)
    elsewhere(city)
    waits = city.submit("waits", devices=2, sites=("机房一",))
    assert offered(city, waits)[0] == ("site", {"site": "机房二"})
    compute.cancel(city.storage, waits.id)
    assert city.submit("there", devices=2, sites=("机房一", "机房二")).state == "placed"


def test_data_that_may_leave_its_site_is_offered_only_where_it_may_not(city) -> None:
    city.submit("runs", devices=2)
    elsewhere(city)
    held = {"devices": 2, "data_site": "机房一", "egress_bytes": 1}
    kept = city.submit("kept", egress="forbid", **held)
    assert ("egress", {}) in offered(city, kept)
    compute.cancel(city.storage, kept.id)
    assert city.submit("leaves", **held).state == "placed"


def test_a_higher_class_is_offered_where_others_would_make_room_for_it(city) -> None:
    city.submit("runs", devices=2, preemptible=True)
    waits = city.submit("waits", devices=2)
    assert offered(city, waits) == []
    city.clock.advance(seconds=11 * 60)
    assert offered(city, waits) == [("priority", {"priority": "high"})]


def test_a_deadline_that_may_be_missed_is_said_with_one_that_would_be_kept(city) -> None:
    city.submit("runs", devices=2, wall=200)
    now_us = city.clock.now_us()
    late = city.submit("late", devices=2, wall=100, deadline_us=now_us + 250 * SECOND_US)
    [change] = [one for one in told(city, late).sooner if one.code == "compute.change_deadline"]
    assert dict(change.params)["ends"].startswith("2026-01-01T00:05:00")
    good = city.submit("good", devices=2, wall=100, deadline_us=now_us + DAY_US)
    codes = [one.code for one in told(city, good).sooner]
    assert "compute.change_deadline" not in codes


def test_money_that_is_short_has_no_time_and_says_that_waiting_does_not_help(bare_city) -> None:
    bare_city.pool()
    bare_city.award()
    bare_city.cash(50)
    poor = bare_city.submit("poor", devices=1)
    found = told(bare_city, poor)
    assert (found.early_us, found.late_us) == (None, None)
    assert [one.code for one in found.notes] == ["compute.unseen_helpless"]
    assert offered(bare_city, poor) == [("wall", {"wall_seconds": 50})]


def test_where_very_many_wait_the_same_is_offered_and_the_rest_said_not_to_be_tried(
    city, monkeypatch
) -> None:
    city.submit("runs", devices=1, wall=200)
    gang = city.submit("gang", devices=1, replicas=2, wall=100)
    before = told(city, gang)
    monkeypatch.setattr(queueing, "FULL_MAX", 0)
    found = told(city, gang)
    assert found.alternatives == before.alternatives
    assert (found.rank, found.of, found.early_us, found.late_us, found.why) == (
        before.rank,
        before.of,
        before.early_us,
        before.late_us,
        before.why,
    )
    assert [one.code for one in found.notes] == ["compute.untried_many"]
    monkeypatch.setattr(ahead, "ENDS_MAX", 0)
    near = told(city, gang)
    assert (near.early_us, near.late_us) == (before.early_us, before.late_us)
    monkeypatch.setattr(trying, "BEFORE_MAX", 0)
    crowded = told(city, gang)
    assert (crowded.early_us, crowded.late_us) == (None, None)
    assert [one.code for one in crowded.notes] == ["compute.unseen_crowd", "compute.untried_many"]


@pytest.mark.parametrize("most", [0, 2_500], ids=["many", "few"])
def test_what_a_pass_would_place_now_has_nothing_to_change(city, monkeypatch, most) -> None:
    runs = city.submit("runs", devices=2)
    waits = city.submit("waits", devices=2)
    monkeypatch.setattr(queueing, "FULL_MAX", most)
    with city.storage.database.begin() as tx:
        store.change(tx, runs.id, state="cancelled")
    found = told(city, waits)
    assert (found.rank, found.alternatives, found.notes) == (0, (), ())
