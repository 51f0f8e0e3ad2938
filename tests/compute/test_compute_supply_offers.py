"""Pools that drain, break, are maintained, and change their price: what placement makes of it."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from yunhe.compute import service as compute
from yunhe.compute.domain import Pool, Workload
from yunhe.compute.scheduling.state import Request
from yunhe.compute.service import supply
from yunhe.compute.statements import store as statement_rows
from yunhe.compute.statements.domain import period_at
from yunhe.compute.supply.domain import Maintenance, Price, Standing
from yunhe.compute.supply.offering import Offering
from yunhe.kernel.clock import DAY_US, SECOND_US, iso
from yunhe.kernel.errors import Conflict, Invalid, NotFound, YunheError

HOUR_US = 3_600 * SECOND_US


@contextmanager
def refused(kind: type[YunheError], code: str, *where: str):
    """The code of a refusal and the fields of its findings; both languages have words for it."""
    with pytest.raises(kind) as caught:
        yield
    assert caught.value.code == code
    assert code not in caught.value.message("en") + caught.value.message("zh")
    assert tuple(found.where for found in caught.value.findings) == where


class Yard:
    """A city with one pool, and what its provider does to it."""

    def __init__(self, city) -> None:
        self.city, self.storage = city, city.storage
        with self.storage.database.read() as tx:
            self.pool = compute.pools(tx)[0].pool.id

    def change(self, state: str | None = None, *, pool: str = "", **more) -> Standing:
        return supply.change(
            self.storage, pool or self.pool, state=state, reason="new racks", by="mem_x", **more
        )

    def price(self, minor: int, *, key: str = "p", since: int | None = None, **more) -> Price:
        return supply.set_price(
            self.storage,
            more.pop("pool", self.pool),
            key=key,
            price_minor_per_device_hour=minor,
            from_us=since,
            reason=more.pop("reason", "new tariff"),
            by="mem_x",
            **more,
        )

    def plan(self, since: int | None, until: int, *, key: str = "w", **more) -> Maintenance:
        return supply.plan_maintenance(
            self.storage,
            more.pop("pool", self.pool),
            key=key,
            from_us=since,
            until_us=until,
            reason=more.pop("reason", "new switches"),
            by="mem_x",
        )

    @property
    def now(self) -> int:
        return self.city.clock.now_us()

    def offer(self, pool: str = "") -> supply.Offer:
        with self.storage.database.read() as tx:
            found = [s for s in compute.pools(tx) if s.pool.id == (pool or self.pool)]
            return supply.offers(tx, found, now_us=self.now)[0]

    def steps(self) -> list[tuple[str, str]]:
        with self.storage.database.read() as tx:
            return [(step.what, step.detail) for step in supply.steps(tx, self.pool)]

    def passes(self, seconds: int) -> None:
        """Time goes by, and somebody looks at the queue again."""
        self.city.clock.advance(seconds=seconds)
        compute.reconsider(self.storage)


@pytest.fixture
def yard(city) -> Yard:
    return Yard(city)


def says(workload: Workload) -> str:
    """The code of why it waits; its sentences exist in both languages."""
    assert workload.state == "waiting"
    assert workload.why is not None
    for language in ("en", "zh"):
        assert workload.why.code not in workload.why.message(language)
    return workload.why.code


@pytest.mark.parametrize("state", ["draining", "down"])
def test_a_pool_that_is_not_open_is_not_placed_on_until_it_is(yard, state) -> None:
    yard.change(state)
    waiting = yard.city.submit()
    assert says(waiting) == "compute.waiting_pool_closed"
    assert dict(waiting.why.params) == {"pool": yard.pool, "state": state}
    yard.change("open")
    assert yard.city.see(waiting).state == "placed"
    yard.city.assert_books_are_right()


def test_what_is_placed_when_a_pool_begins_to_drain_runs_to_its_end(yard, local) -> None:
    placed = yard.city.submit()
    yard.change("draining")
    assert yard.city.see(placed).state == "placed"
    done = compute.run_next(yard.storage, local)
    assert (done.id, done.state) == (placed.id, "settled")
    assert yard.offer().status.devices_busy == 0


def test_work_goes_to_another_open_pool_however_dear(yard) -> None:
    dear = yard.city.pool(price=9_000, key="dear")
    yard.change("down")
    assert yard.city.submit().pool == dear.id
    yard.change("draining", pool=dear.id)
    assert says(yard.city.submit("second")) == "compute.waiting_pool_closed"


def test_the_reason_is_capacity_where_an_open_pool_is_full(yard) -> None:
    other = yard.city.pool(key="other", devices=1)
    yard.change("down")
    assert yard.city.submit().pool == other.id
    assert says(yard.city.submit("second")) == "compute.waiting_capacity"


def test_a_closed_pool_that_is_too_small_is_not_the_reason(yard) -> None:
    yard.city.pool(key="large", devices=4)
    with yard.storage.database.read() as tx:
        large = next(s.pool.id for s in compute.pools(tx) if s.pool.devices == 4)
    yard.change("down", pool=large)
    waiting = yard.city.submit(devices=3)
    assert says(waiting) == "compute.waiting_pool_closed"
    assert dict(waiting.why.params)["pool"] == large
    assert yard.city.submit("fits", devices=2).pool == yard.pool


def test_work_that_could_run_into_a_maintenance_waits_and_shorter_work_does_not(yard) -> None:
    window = yard.plan(yard.now + HOUR_US // 36, yard.now + HOUR_US)
    long = yard.city.submit("long", wall=101)
    assert says(long) == "compute.waiting_maintenance"
    assert dict(long.why.params) == {
        "pool": yard.pool,
        "begins": iso(window.from_us),
        "ends": iso(window.until_us),
    }
    assert yard.city.submit("short", wall=100).state == "placed"  # over when it begins
    yard.passes(3_600)
    assert yard.city.see(long).state == "placed"


def test_nothing_is_placed_while_a_maintenance_lasts_and_calling_it_off_opens_the_pool(yard):
    window = yard.plan(None, yard.now + DAY_US)
    waiting = yard.city.submit(wall=1)
    assert says(waiting) == "compute.waiting_maintenance"
    yard.passes(60)
    assert says(yard.city.see(waiting)) == "compute.waiting_maintenance"
    off = supply.call_off(yard.storage, yard.pool, window.id, reason="done", by="mem_y")
    assert off.cancelled_at_us == yard.now
    assert yard.city.see(waiting).state == "placed"
    again = supply.call_off(yard.storage, yard.pool, window.id, reason="again", by="mem_y")
    assert again == off
    assert yard.steps() == [("maintenance_off", window.id), ("maintenance", window.id)]


def test_of_several_closed_pools_the_one_that_opens_first_is_named(yard) -> None:
    other = yard.city.pool(key="other")
    third = yard.city.pool(key="third")
    yard.plan(None, yard.now + 2 * DAY_US)
    yard.plan(None, yard.now + DAY_US, pool=other.id)
    yard.change("down", pool=third.id)
    assert dict(yard.city.submit().why.params)["pool"] == other.id


def test_overlapping_maintenance_is_one_long_one(yard) -> None:
    yard.plan(yard.now, yard.now + HOUR_US, key="a")
    yard.plan(yard.now + HOUR_US // 2, yard.now + 2 * HOUR_US, key="b")
    waiting = yard.city.submit(wall=10)
    yard.passes(3_600)
    assert says(yard.city.see(waiting)) == "compute.waiting_maintenance"
    yard.passes(3_600)
    assert yard.city.see(waiting).state == "placed"
    assert yard.offer().maintenances == ()


def test_the_price_of_the_moment_is_held_and_a_later_one_never_reaches_back(yard, local) -> None:
    yard.price(3_600_000, key="summer")
    placed = yard.city.submit(wall=100)
    assert placed.held_minor == 100_000  # 100 s at 36,000.00 an hour
    yard.city.clock.advance(seconds=1)
    summer = yard.offer().prices[0]
    supply.end_price(yard.storage, yard.pool, summer.id, until_us=None, reason="r", by="m")
    yard.price(1, key="autumn")
    assert yard.offer().price_minor_per_device_hour == 1
    done = compute.run_next(yard.storage, local)
    assert done.usage.cost_minor == done.usage.device_ms > 1
    with yard.storage.database.read() as tx:
        month = period_at(yard.storage.clock.now_us())
        charged = statement_rows.charges(tx, period=month).to_pylist()
    assert [row["price_minor_per_device_hour"] for row in charged] == [3_600_000]
    yard.city.assert_books_are_right()


def test_a_price_that_has_not_begun_or_is_over_or_is_of_another_term_is_not_held(yard) -> None:
    yard.price(36_000, key="later", since=yard.now + DAY_US)
    yard.price(1, key="spot", term="spot")
    assert yard.city.submit(wall=100).held_minor == 100  # the pool's own 36.00
    yard.passes(86_400)
    assert yard.city.submit("second", wall=100).held_minor == 1_000
    ended = yard.offer().prices[0]
    supply.end_price(
        yard.storage, yard.pool, ended.id, until_us=yard.now + SECOND_US, reason="r", by="m"
    )
    yard.passes(1)
    assert yard.offer().price_minor_per_device_hour == 3_600


def test_a_workload_waits_for_money_at_the_price_of_the_moment(yard) -> None:
    yard.price(36_000_000)
    waiting = yard.city.submit(wall=100, devices=2)
    assert says(waiting) == "compute.waiting_cash"
    (price,) = yard.offer().prices
    supply.end_price(yard.storage, yard.pool, price.id, until_us=None, reason="r", by="m")
    assert yard.city.see(waiting).state == "placed"


def test_the_cheaper_pool_of_the_moment_is_taken(yard) -> None:
    other = yard.city.pool(key="other", price=4_000)
    assert yard.city.submit("a").pool == yard.pool
    yard.price(9_000)
    assert yard.city.submit("b").pool == other.id


def test_every_change_is_kept_with_actor_time_and_reason(yard) -> None:
    yard.change(jurisdiction="CN-BJ")
    yard.change("draining")
    yard.change("draining")  # says what is so: no step
    with yard.storage.database.read() as tx:
        last, first = supply.steps(tx, yard.pool)
    assert (first.what, first.detail) == ("jurisdiction", "CN-BJ")
    assert (last.what, last.detail) == ("state", "draining")
    assert (last.by, last.reason, last.at_us) == ("mem_x", "new racks", yard.now)
    assert yard.offer().standing == Standing(yard.pool, "draining", "CN-BJ")
    assert yard.change("open", jurisdiction="").jurisdiction == ""


def test_everything_wrong_with_a_change_is_told_at_once_and_nothing_is_kept(yard) -> None:
    with refused(Invalid, "compute.offer_invalid", "reason", "state", "jurisdiction"):
        supply.change(
            yard.storage, yard.pool, state="gone", jurisdiction="china", reason=" ", by="m"
        )
    wrong = ("key", "reason", "price_minor_per_device_hour", "term", "from_at", "until_at")
    with refused(Invalid, "compute.offer_invalid", *wrong):
        yard.price(-1, key="", since=yard.now - 1, until_us=yard.now - 2, term="gift", reason="")
    with refused(Invalid, "compute.offer_invalid", "from_at", "until_at"):
        yard.plan(2**60, 2**60 + 1)
    with refused(Invalid, "compute.offer_invalid", "until_at"):
        yard.plan(yard.now, yard.now)
    assert yard.offer() == supply.Offer(yard.offer().status, Standing(yard.pool), 3_600, (), ())
    assert yard.steps() == []


def test_what_is_not_there_is_not_changed(yard) -> None:
    other = yard.city.pool(key="other")
    price, window = yard.price(1), yard.plan(None, yard.now + DAY_US)
    with refused(NotFound, "compute.pool_unknown"):
        yard.change("open", pool="pool_none")
    for pool, name in ((yard.pool, "price_none"), (other.id, price.id)):
        with refused(NotFound, "compute.price_unknown"):
            supply.end_price(yard.storage, pool, name, until_us=None, reason="r", by="m")
    for pool, name in ((yard.pool, "maintenance_none"), (other.id, window.id)):
        with refused(NotFound, "compute.maintenance_unknown"):
            supply.call_off(yard.storage, pool, name, reason="r", by="m")


def test_the_same_key_again_is_the_same_price_or_maintenance_and_never_another(yard) -> None:
    price, window = yard.price(5), yard.plan(None, yard.now + DAY_US)
    yard.city.clock.advance(seconds=5)
    assert yard.price(5) == price
    assert yard.plan(None, window.until_us) == window
    assert yard.plan(window.from_us, window.until_us) == window
    with refused(Conflict, "compute.price_differs"):
        yard.price(6)
    with refused(Conflict, "compute.price_differs"):
        yard.price(5, since=price.from_us + 1)
    with refused(Conflict, "compute.maintenance_differs"):
        yard.plan(None, window.until_us + 1)
    assert len(yard.steps()) == 2


def test_a_price_ends_sooner_never_later_and_never_in_the_past(yard) -> None:
    price = yard.price(5, until_us=yard.now + DAY_US)

    def end(until: int | None) -> Price:
        return supply.end_price(
            yard.storage, yard.pool, price.id, until_us=until, reason="r", by="m"
        )

    with refused(Invalid, "compute.offer_invalid", "until_at"):
        end(yard.now + 2 * DAY_US)
    yard.city.clock.advance(seconds=10)
    with refused(Invalid, "compute.offer_invalid", "until_at"):
        end(yard.now - 1)
    ended = end(None)
    assert ended.until_us == yard.now
    yard.city.clock.advance(seconds=10)
    assert end(None) == ended
    with refused(Invalid, "compute.offer_invalid", "until_at"):
        end(yard.now)


def test_a_price_withdrawn_before_it_begins_makes_room_for_another(yard) -> None:
    later = yard.price(5, key="a", since=yard.now + DAY_US)
    with refused(Invalid, "compute.offer_invalid", "from_at"):
        yard.price(6, key="b", since=yard.now + DAY_US)
    ended = supply.end_price(yard.storage, yard.pool, later.id, until_us=None, reason="r", by="m")
    assert ended.until_us == ended.from_us
    assert yard.offer().prices == ()
    assert yard.price(6, key="b", since=yard.now + DAY_US).price_minor_per_device_hour == 6


def pool(name: str, *, devices: int = 8, chip: str = "a100") -> Pool:
    return Pool(name, "org", "here", "local", chip, devices, 100, "CNY")


def request(*, wall: int = 10, devices: int = 1, **more) -> Request:
    return Request("w", 1, "org", "a100", devices, wall, 0, **more)


def test_an_offering_without_anything_closed_leaves_requests_as_they_are() -> None:
    offered = Offering([pool("a")], standings={}, prices=(), maintenances=(), now_us=0)
    asked = request()
    assert offered.limited(asked) is asked
    assert offered.price(pool("a")) == 100


def test_an_offering_narrows_sites_that_a_request_is_kept_to_already() -> None:
    offered = Offering(
        [pool("a"), pool("b"), pool("c")],
        standings={"a": Standing("a", "down")},
        prices=(),
        maintenances=(),
        now_us=0,
    )
    assert offered.limited(request()).sites == {"b", "c"}
    assert offered.limited(request(sites=frozenset("ab"))).sites == {"b"}


def test_an_offering_leaves_to_the_scheduler_what_no_pool_would_ever_suit() -> None:
    offered = Offering(
        [pool("a", devices=2)],
        standings={"a": Standing("a", "down")},
        prices=(),
        maintenances=(),
        now_us=0,
    )
    assert offered.limited(request(devices=3)).blocked is None
    assert offered.limited(request(devices=2)).blocked.code == "compute.waiting_pool_closed"
    assert offered.limited(request(devices=2, replicas=2)).blocked is None


def test_an_offering_counts_pools_of_chips_that_will_do_instead() -> None:
    offered = Offering(
        [pool("a"), pool("h", chip="h100")],
        standings={"a": Standing("a", "down")},
        prices=(),
        maintenances=(),
        now_us=0,
    )
    assert offered.limited(request()).blocked is not None
    instead = offered.limited(request(substitutes={"h100": 2_000}))
    assert instead.blocked is None
    assert instead.sites == {"h"}


def test_a_pass_over_a_long_queue_looks_at_the_pools_once_for_each_need() -> None:
    looked: list[str] = []

    class Seen(str):
        """A chip that tells when it is compared by its hash."""

        __slots__ = ()

        def __hash__(self) -> int:
            looked.append(str(self))
            return super().__hash__()

    many = [pool(f"p{number}", chip=Seen("a100")) for number in range(100)]
    shut = {"p0": Standing("p0", "down")}
    offered = Offering(many, standings=shut, prices=(), maintenances=(), now_us=0)
    limited = [offered.limited(request(wall=1 + number % 2)) for number in range(1_000)]
    assert len({one.sites for one in limited}) == 1
    assert limited[0].sites == {f"p{number}" for number in range(1, 100)}
    assert len(looked) <= 2 * len(many)
