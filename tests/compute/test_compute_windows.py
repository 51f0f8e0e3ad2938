"""Guaranteed windows on a platform: given, kept, used, shortened, withdrawn, and told of."""

from __future__ import annotations

import pytest
from applications_desk import Desk
from small_city import City

from yunhe.compute import service as compute
from yunhe.compute import store
from yunhe.compute.admission import unplace
from yunhe.compute.domain import WorkloadSpec
from yunhe.compute.passes import whole
from yunhe.compute.queueing import service as queueing
from yunhe.compute.scheduling.engine import decide
from yunhe.compute.service import supply, windows
from yunhe.compute.yielding import service as making_room
from yunhe.custody import service as custody
from yunhe.identity import service as identity
from yunhe.kernel.clock import DAY_US, SECOND_US
from yunhe.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from yunhe.ledger import service as ledger

HOUR = 3_600
WHY = "a trial of two hours"


def codes(refused) -> list[str]:
    return [finding.code for finding in refused.value.findings]


def given(city: City, award, *, devices=2, begins=HOUR, lasts=2 * HOUR, key="w", **more):
    now_us = city.clock.now_us()
    said = {"key": key, "reason": WHY, "given_by": city.operator, **more}
    return windows.give(
        city.storage,
        award=award.id,
        devices=devices,
        from_us=now_us + begins * SECOND_US,
        until_us=now_us + (begins + lasts) * SECOND_US,
        **said,
    )


def stands(city: City, one):
    with city.storage.database.read() as tx:
        return windows.window(tx, one.id, now_us=city.clock.now_us())


def firm(city: City, name: str = "firm") -> str:
    """Another organisation, with an award and money."""
    now_us = city.clock.now_us()
    with city.storage.database.begin() as tx:
        place = identity.add_organisation(tx, key=name, name=name, kind="company", at_us=now_us).id
        account = ledger.open_account(tx, owner=place, unit="CNY", purpose="cash")
        ledger.grant(tx, key=f"cash-{name}", account=account, amount=10**9, at_us=now_us)
    compute.award(
        city.storage,
        key=name,
        organisation=place,
        chip="cpu",
        device_ms=10**10,
        expires_at_us=now_us + 300 * DAY_US,
        awarded_by=city.operator,
    )
    return place


@pytest.fixture
def town(bare_city: City) -> City:
    """Four devices; a university with an award for a window, and money."""
    bare_city.pool(devices=4)
    bare_city.award(seconds=10**6)
    bare_city.cash(10**9)
    bare_city.approve_trial()
    return bare_city


@pytest.fixture
def award(town: City):
    with town.storage.database.read() as tx:
        return compute.awards(tx)[0].award


def ask(city: City, who: str, key: str, *, devices: int = 2, wall: int = HOUR, **more):
    spec = city.spec(key, devices=devices, wall=wall, organisation=who, **more)
    assert isinstance(spec, WorkloadSpec)
    return compute.submit(city.storage, spec)


def test_nothing_that_could_still_run_is_placed_on_what_is_guaranteed(town: City, award):
    other = firm(town)
    window = given(town, award)
    assert ask(town, other, "a", wall=2 * HOUR).state == "placed"
    late = ask(town, other, "b", wall=HOUR + 1)
    assert (late.state, late.why.code) == ("waiting", "compute.waiting_guarantee")
    assert late.why.shorter_wall_seconds == HOUR
    assert town.university not in str(late.why)
    assert window.id not in str(late.why)
    assert ask(town, other, "c", wall=HOUR).state == "placed"
    assert town.see(late).state == "waiting"


def test_its_holder_starts_at_once_whoever_else_waits(town: City, award):
    other = firm(town)
    given(town, award)
    assert ask(town, other, "a", wall=9 * HOUR).state == "placed"
    waiting = [ask(town, other, f"b{n}", wall=9 * HOUR, priority="high") for n in range(3)]
    town.clock.advance(seconds=HOUR)
    own = ask(town, town.university, "own", wall=2 * HOUR)
    assert own.state == "placed"
    assert {town.see(one).state for one in waiting} == {"waiting"}
    more = ask(town, town.university, "more", devices=1)
    assert (more.state, more.why.code) == ("waiting", "compute.waiting_window_used")
    assert dict(more.why.params)["used"] == 2
    town.assert_books_are_right()


def test_its_holders_job_that_is_larger_than_the_window_is_told_so(town: City, award):
    given(town, award)
    town.clock.advance(seconds=HOUR)
    assert ask(town, firm(town), "a", wall=9 * HOUR).state == "placed"
    large = ask(town, town.university, "large", devices=3)
    assert (large.state, large.why.code) == ("waiting", "compute.waiting_window_larger")
    said = {"devices": 2, "needed": 3, "used": 0}
    assert said.items() <= dict(large.why.params).items()
    assert "more than the 2 that are guaranteed" in large.why.message("en")
    assert "超过" in large.why.message("zh")
    assert [one.code for one in large.why.changes] == ["compute.change_devices"]
    with town.storage.database.read() as tx:
        found = queueing.standing(tx, large.id, now_us=town.clock.now_us())
    assert ("compute.change_fewer", (("devices", 2),)) in [
        (one.code, one.params) for one in found.alternatives
    ]
    assert found.late_us is not None


def test_work_that_makes_room_may_borrow_and_is_asked_when_its_holder_comes(town: City, award):
    other = firm(town)
    given(town, award)
    town.clock.advance(seconds=HOUR)
    assert ask(town, other, "firm", wall=9 * HOUR).state == "placed"
    lent = ask(town, other, "lent", wall=9 * HOUR, preemptible=True)
    assert lent.state == "placed"
    own = ask(town, town.university, "own", wall=HOUR)
    assert (own.state, own.why.code) == ("waiting", "compute.waiting_window_soon")
    with town.storage.database.read() as tx:
        row = store.row(tx, lent.id)
    assert (row["push_asked_us"], row["pushed_for"]) == (town.clock.now_us(), own.id)


def test_another_borrower_does_not_come_before_the_holder_who_waits(town: City, award):
    other = firm(town)
    given(town, award, devices=4)
    town.clock.advance(seconds=HOUR)
    assert ask(town, other, "lent", devices=3, wall=9 * HOUR, preemptible=True).state == "placed"
    own = ask(town, town.university, "own", devices=4, wall=HOUR)
    assert own.state == "waiting"
    next_one = ask(town, other, "next", devices=1, wall=9 * HOUR, preemptible=True)
    assert next_one.state == "waiting"


def test_before_and_after_it_nobody_is_kept_from_anything(town: City, award):
    other = firm(town)
    given(town, award)
    short = ask(town, other, "short", devices=4, wall=HOUR)
    assert short.state == "placed"
    compute.cancel(town.storage, short.id)
    town.clock.advance(seconds=3 * HOUR)
    assert ask(town, other, "after", devices=4, wall=90 * HOUR).state == "placed"


def test_at_the_very_instant_it_begins_and_ends(town: City, award):
    other = firm(town)
    one = given(town, award, devices=4)
    assert ask(town, other, "to the instant", devices=4, wall=HOUR).state == "placed"
    town.clock.advance(seconds=HOUR - 1)
    assert stands(town, one).state == "planned"
    town.clock.advance(seconds=1)
    assert stands(town, one).state == "active"
    town.clock.advance(seconds=2 * HOUR - 1)
    assert (stands(town, one).state, stands(town, one).idle) == ("active", 4)
    town.clock.advance(seconds=1)
    assert (stands(town, one).state, stands(town, one).idle) == ("over", 0)


def test_all_that_stands_in_the_way_is_said_at_once_with_what_is_nearest(town: City, award):
    other = firm(town)
    given(town, award, key="first")
    assert ask(town, other, "long", devices=2, wall=5 * HOUR).state == "placed"
    with town.storage.database.read() as tx:
        pool = compute.pools(tx)[0].pool.id
    now_us = town.clock.now_us()
    with pytest.raises(Invalid) as refused:
        given(town, award, key="second", begins=HOUR, lasts=HOUR)
    assert codes(refused) == ["compute.window_in_use", "compute.window_full_until"]
    said = dict(refused.value.findings[-1].params)
    assert said["most"] == 0
    assert said["earliest"].startswith("20")
    supply.plan_maintenance(
        town.storage,
        pool,
        key="m",
        from_us=now_us + 10 * HOUR * SECOND_US,
        until_us=now_us + 11 * HOUR * SECOND_US,
        reason="cooling",
        by=town.operator,
    )
    with pytest.raises(Invalid) as refused:
        given(town, award, key="third", begins=9 * HOUR, lasts=2 * HOUR)
    assert codes(refused) == ["compute.window_maintenance", "compute.window_full_until"]
    assert given(town, award, key="fourth", begins=11 * HOUR, devices=4).devices == 4


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"devices": 0}, "compute.amount_invalid"),
        ({"begins": -1}, "compute.period_past"),
        ({"lasts": 0}, "compute.period_empty"),
        ({"lasts": 400 * 24 * HOUR}, "compute.window_beyond_award"),
        ({"pool": "pool_x"}, "compute.window_nowhere"),
        ({"site": "elsewhere"}, "compute.window_nowhere"),
        ({"reason": ""}, "compute.text_invalid"),
        ({"devices": 5}, "compute.window_full"),
    ],
    ids=["none", "past", "empty", "beyond", "no pool", "no site", "no reason", "too many"],
)
def test_what_cannot_be_is_refused(town: City, award, change, expected):
    with pytest.raises(Invalid) as refused:
        given(town, award, **change)
    assert expected in codes(refused)
    with town.storage.database.read() as tx:
        assert windows.windows(tx, now_us=town.clock.now_us()) == []


def test_only_an_operator_gives_windows_and_only_of_awards_in_force(town: City, award):
    with pytest.raises(NotAllowed):
        given(town, award, given_by="member_x")
    with pytest.raises(NotFound):
        windows.give(
            town.storage,
            key="k",
            award="award_x",
            devices=1,
            from_us=None,
            until_us=town.clock.now_us() + DAY_US,
            reason=WHY,
            given_by=town.operator,
        )


def test_given_twice_it_is_one_and_another_under_its_key_is_refused(town: City, award):
    first = given(town, award)
    assert given(town, award) == first
    with pytest.raises(Conflict) as other:
        given(town, award, devices=1)
    assert other.value.code == "compute.window_differs"


def test_every_change_is_a_record_that_links_to_the_one_before(town: City, award):
    one = given(town, award)
    by = {"by": town.operator, "reason": "the trial is smaller"}
    less = windows.change(town.storage, one.id, devices=1, **by)
    gone = windows.change(town.storage, one.id, withdraw=True, **by)
    assert windows.change(town.storage, one.id, withdraw=True, **by) == gone
    with town.storage.database.read() as tx:
        records = [custody.record(tx, each.reference) for each in (one, less, gone)]
    assert [each.body["what"] for each in records] == ["given", "shortened", "withdrawn"]
    assert [each.body["devices"] for each in records] == [2, 1, 1]
    assert records[2].links["before"] == less.reference
    assert "smaller" not in str([each.body for each in records])
    assert stands(town, one).state == "withdrawn"


def test_a_window_only_gets_smaller(town: City, award):
    one = given(town, award)
    by = {"by": town.operator, "reason": "more"}
    for more in ({"devices": 3}, {"until_us": one.until_us + 1}, {"until_us": 0}):
        with pytest.raises(Invalid):
            windows.change(town.storage, one.id, **more, **by)
    assert stands(town, one).guarantee == one


def test_what_is_given_back_is_placed_on_at_once(town: City, award):
    other = firm(town)
    one = given(town, award, devices=4)
    late = ask(town, other, "late", devices=4, wall=9 * HOUR)
    assert late.state == "waiting"
    windows.change(town.storage, one.id, withdraw=True, by=town.operator, reason="put off")
    assert town.see(late).state == "placed"


def test_the_end_of_its_award_ends_it(bare_city: City):
    bare_city.pool(devices=4)
    made = bare_city.award(days=2)
    one = given(bare_city, made, lasts=47 * HOUR)
    bare_city.clock.advance(seconds=48 * HOUR)
    assert stands(bare_city, one).state == "over"


def test_a_broken_node_is_told_and_another_takes_its_place(bare_city: City):
    city = bare_city
    pool = compute.register_pool(
        city.storage,
        key="nodes",
        provider=city.provider,
        site="east",
        chip="cpu",
        devices=6,
        price_minor_per_device_hour=1,
        currency="CNY",
        nodes=(supply.NodeRow(count=3, devices=2),),
    )
    city.cash(10**9)
    city.approve_trial()
    one = given(city, city.award(seconds=10**6), devices=4)
    city.clock.advance(seconds=HOUR)
    assert stands(city, one).missing == 0
    for position, missing in ((0, 0), (1, 2)):
        supply.change_node(
            city.storage, pool.id, position, state="down", reason="broken", by=city.operator
        )
        assert stands(city, one).missing == missing
    assert ask(city, city.university, "own", wall=60).state == "placed"
    more = ask(city, city.university, "more", wall=60)
    assert (more.state, more.why.code) == ("waiting", "compute.waiting_window_short")


def test_a_pass_that_decided_before_it_was_given_writes_nothing_there(
    town: City, award, monkeypatch
):
    other = firm(town)
    blocker = ask(town, other, "blocker", devices=4, wall=30)
    late = ask(town, other, "late", devices=4, wall=9 * HOUR)
    assert (blocker.state, late.state) == ("placed", "waiting")
    seen = []

    def meanwhile(picture, *, now_us, policy):
        found = decide(picture, now_us=now_us, policy=policy)
        if not seen:
            seen.append(given(town, award, devices=4))
        return found

    monkeypatch.setattr(whole, "decide", meanwhile)
    with town.storage.database.begin() as tx:
        row = store.row(tx, blocker.id)
        unplace(tx, row, now_us=town.clock.now_us(), state="cancelled", why=None)
    passed = whole.run(town.storage)
    assert (passed.placed, passed.overtaken) == (0, 1)
    assert town.see(late).state == "waiting"
    assert town.see(late).why.code in ("compute.waiting_guarantee", "compute.waiting_capacity")


def test_from_application_to_the_holder_who_runs_while_others_fill_the_pool(desk: Desk):
    compute.register_pool(
        desk.storage,
        key="pool",
        provider=desk.provider,
        site="east",
        chip="cpu",
        devices=4,
        price_minor_per_device_hour=1,
        currency="CNY",
    )
    made = desk.apply(device_hours=100, devices=2)
    city = City(desk.storage, desk.clock, desk.chiefs[0], desk.provider, desk.firm)
    city.cash(10**9)
    city.approve_trial()
    other = firm(city, "neighbour")
    one = given(city, made)
    assert (one.organisation, one.chip) == (desk.firm, "cpu")
    rest = [ask(city, other, f"n{n}", wall=9 * HOUR) for n in range(2)]
    lent = ask(city, other, "lent", wall=9 * HOUR, preemptible=True)
    assert [each.state for each in (*rest, lent)] == ["placed", "waiting", "placed"]
    desk.clock.advance(seconds=HOUR)
    own = ask(city, desk.firm, "own", wall=HOUR)
    assert own.why.code == "compute.waiting_window_soon"
    with desk.storage.database.begin() as tx:
        making_room.gone(tx, store.row(tx, lent.id), now_us=desk.clock.now_us())
    assert city.see(own).state == "placed"
    assert {city.see(each).state for each in (rest[1], lent)} == {"waiting"}
    status = stands(city, one)
    assert (status.state, status.used, status.idle) == ("active", 2, 0)
    desk.clock.advance(seconds=2 * HOUR)
    assert stands(city, one).state == "over"
    city.assert_books_are_right()


def test_a_scheduler_killed_between_leaves_the_guarantee_to_the_next(
    town: City, award, monkeypatch
):
    other = firm(town)
    given(town, award)
    town.clock.advance(seconds=HOUR)
    late = [ask(town, other, f"late{n}", wall=9 * HOUR) for n in range(3)]
    first = ask(town, town.university, "first", wall=HOUR)
    own = ask(town, town.university, "own", wall=HOUR)
    assert (first.state, own.state) == ("placed", "waiting")

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with town.storage.database.begin() as tx:
        row = store.row(tx, first.id)
        unplace(tx, row, now_us=town.clock.now_us(), state="cancelled", why=None)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(whole, "_write", killed)
        whole.run(town.storage)
    assert town.see(own).state == "waiting"
    town.clock.advance(seconds=61)
    assert whole.run(town.storage).placed == 1
    assert town.see(own).state == "placed"
    assert [town.see(each).state for each in late] == ["placed", "waiting", "waiting"]
