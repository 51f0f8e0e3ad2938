"""Months in which pools open, break and change their price while work comes: what always holds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from yunhe.compute import service as compute
from yunhe.compute import store as rows
from yunhe.compute.admission import unplace
from yunhe.compute.domain import Workload
from yunhe.compute.service import supply
from yunhe.compute.supply import changing
from yunhe.compute.supply.domain import Maintenance, Price
from yunhe.compute.tables import workload_table
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Invalid

PRICES = (100, 3_600, 9_000)
moves = st.lists(
    st.one_of(
        st.tuples(
            st.just("state"), st.integers(0, 2), st.sampled_from(["open", "draining", "down"])
        ),
        st.tuples(st.just("price"), st.integers(0, 2), st.sampled_from(PRICES)),
        st.tuples(st.just("plan"), st.integers(0, 2), st.integers(0, 200)),
        st.tuples(st.just("call_off"), st.integers(0, 2), st.integers(0, 3)),
        st.tuples(st.just("submit"), st.integers(1, 2), st.integers(1, 120)),
        st.tuples(st.just("cancel"), st.integers(0, 9), st.just(0)),
        st.tuples(st.just("pass"), st.integers(1, 150), st.just(0)),
    ),
    max_size=25,
)


@dataclass
class Months:
    """A city with three pools, and a plain account of everything that was said of them."""

    city: object
    pools: list[str]
    states: dict[str, str] = field(default_factory=dict)
    prices: list[Price] = field(default_factory=list)
    windows: list[Maintenance] = field(default_factory=list)
    jobs: list[Workload] = field(default_factory=list)
    placed: dict[str, tuple[str, int]] = field(default_factory=dict)

    @property
    def now(self) -> int:
        return self.city.clock.now_us()

    def closed(self, pool: str, wall: int) -> bool:
        """Whether work of that length must not begin there now, by a plain scan."""
        over = self.now + wall * SECOND_US
        return self.states.get(pool, "open") != "open" or any(
            window.pool == pool
            and window.cancelled_at_us is None
            and window.from_us < over
            and self.now < window.until_us
            for window in self.windows
        )

    def price(self, pool: str) -> int:
        """What a device-hour costs there now, by a plain scan."""
        holding = [p for p in self.prices if p.pool == pool and p.holds(self.now)]
        assert len(holding) <= 1
        return holding[0].price_minor_per_device_hour if holding else 3_600

    def move(self, number: int, what: str, which: int, how: object) -> None:
        """Do one thing, and note it where it succeeded."""
        storage, said = self.city.storage, {"reason": "trial", "by": "mem_a"}
        pool = self.pools[which % len(self.pools)]
        if what == "state":
            supply.change(storage, pool, state=how, **said)
            self.states[pool] = how
        elif what == "price":
            self._set_price(number, pool, how, said)
        elif what == "plan":
            begins = self.now + how * SECOND_US
            self.windows.append(
                supply.plan_maintenance(
                    storage,
                    pool,
                    key=f"w{number}",
                    from_us=begins,
                    until_us=begins + 60 * SECOND_US,
                    **said,
                )
            )
        elif what == "call_off" and self.windows:
            place = how % len(self.windows)
            window = self.windows[place]
            self.windows[place] = supply.call_off(storage, window.pool, window.id, **said)
        elif what == "submit":
            self.jobs.append(self.city.submit(f"job{number}", devices=which, wall=how))
        elif what == "cancel" and self.jobs:
            compute.cancel(storage, self.jobs[which % len(self.jobs)].id)
        elif what == "pass":
            self.city.clock.advance(seconds=which)
            compute.reconsider(storage)

    def _set_price(self, number: int, pool: str, minor: int, said: dict[str, str]) -> None:
        """A new price from now on, in place of the one that holds."""
        storage = self.city.storage
        for place, price in enumerate(self.prices):
            if price.pool == pool and price.until_us is None:
                self.prices[place] = supply.end_price(
                    storage, pool, price.id, until_us=None, **said
                )
        self.prices.append(
            supply.set_price(
                storage, pool, key=f"p{number}", price_minor_per_device_hour=minor, **said
            )
        )

    def look(self) -> None:
        """Hold what the platform says against the account."""
        with self.city.storage.database.read() as tx:
            found = {job.id: rows.row(tx, job.id) for job in self.jobs}
        for name, row in found.items():
            if row["state"] != "placed":
                self.placed.pop(name, None)
                continue
            if name not in self.placed:  # it was placed in this very move
                assert not self.closed(row["pool"], row["wall_seconds_max"])
                self.placed[name] = row["pool"], self.price(row["pool"])
            assert (row["pool"], row["price_held_minor"]) == self.placed[name]
            held = row["held_voucher_minor"] + row["held_cash_minor"]
            need_ms = row["devices"] * row["wall_seconds_max"] * 1_000
            assert held == -(-need_ms * row["price_held_minor"] // 3_600_000)
        self.city.assert_books_are_right()


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(moves)
def test_nothing_begins_where_it_must_not_and_every_hold_is_at_the_price_of_its_moment(
    new_city, asked
) -> None:
    city = new_city()
    city.award(seconds=10**6)
    city.cash(10**6)
    city.voucher()
    months = Months(city, [city.pool(key=name).id for name in "abc"])
    for number, (what, which, how) in enumerate(asked):
        months.move(number, what, which, how)
        months.look()
    for pool in months.pools:
        if months.states.get(pool, "open") != "open":
            supply.change(city.storage, pool, state="open", reason="trial", by="mem_a")
            months.states[pool] = "open"
    months.move(len(asked), "pass", 10_000, 0)  # every maintenance is over
    months.look()
    with city.storage.database.read() as tx:
        waiting = [w for w in compute.workloads(tx) if w.state == "waiting"]
        free = [s for s in compute.pools(tx) if s.devices_busy < s.pool.devices]
    assert {w.why.code for w in waiting} <= {"compute.waiting_capacity", "compute.waiting_turn"}
    assert not waiting or all(
        s.pool.devices - s.devices_busy < max(w.spec.devices for w in waiting) for s in free
    )


def test_what_was_placed_before_prices_had_periods_is_paid_at_the_pools_own(city, local) -> None:
    placed = city.submit(wall=100)
    with city.storage.database.begin() as tx:  # as an older version left it
        tx.execute(update(workload_table).values(price_held_minor=None))
    with city.storage.database.read() as tx:
        pool = compute.pools(tx)[0].pool.id
    supply.set_price(
        city.storage, pool, key="p", price_minor_per_device_hour=3_600_000, reason="r", by="m"
    )
    done = compute.run_next(city.storage, local)
    assert done.id == placed.id
    assert done.usage.cost_minor == -(-done.usage.device_ms * 3_600 // 3_600_000)
    city.assert_books_are_right()


def test_a_workload_placed_anew_takes_the_price_of_that_moment(city) -> None:
    placed = city.submit(wall=100)
    with city.storage.database.read() as tx:
        pool = compute.pools(tx)[0].pool.id
        before = rows.row(tx, placed.id)["price_held_minor"]
    supply.set_price(
        city.storage, pool, key="p", price_minor_per_device_hour=7_200, reason="r", by="m"
    )
    with city.storage.database.begin() as tx:
        row = rows.row(tx, placed.id)
        compute_unplace(tx, row, city.clock.now_us())
    compute.reconsider(city.storage)
    with city.storage.database.read() as tx:
        after = rows.row(tx, placed.id)
    assert (before, after["price_held_minor"], after["state"]) == (3_600, 7_200, "placed")
    assert city.see(placed).held_minor == 200
    city.assert_books_are_right()


def compute_unplace(tx, row, now_us: int) -> None:
    """Back to the queue, as when its runner finds that its holds have run out."""
    unplace(tx, row, now_us=now_us, state="waiting", pool=None, voucher=None)


def test_a_change_that_breaks_off_half_way_leaves_nothing_behind(city, monkeypatch) -> None:
    with city.storage.database.read() as tx:
        pool = compute.pools(tx)[0].pool.id

    def breaks(*_: object, **__: object) -> int:
        raise RuntimeError("killed")

    monkeypatch.setattr(changing, "admit", breaks)
    now = city.clock.now_us()
    said = {"reason": "r", "by": "m"}
    broken = (
        lambda: supply.change(city.storage, pool, state="down", **said),
        lambda: supply.set_price(
            city.storage, pool, key="p", price_minor_per_device_hour=1, **said
        ),
        lambda: supply.plan_maintenance(
            city.storage, pool, key="w", until_us=now + SECOND_US, **said
        ),
    )
    for command in broken:
        with pytest.raises(RuntimeError, match="killed"):
            command()
    monkeypatch.undo()
    with city.storage.database.read() as tx:
        (offer,) = supply.offers(tx, compute.pools(tx), now_us=now)
        assert supply.steps(tx, pool) == []
    assert (offer.standing.state, offer.prices, offer.maintenances) == ("open", (), ())
    assert city.submit().state == "placed"


def test_of_two_who_set_a_price_for_the_same_time_at_once_one_is_refused(city) -> None:
    with city.storage.database.read() as tx:
        pool = compute.pools(tx)[0].pool.id
    ready = Barrier(2)

    def ask(who: str) -> str:
        ready.wait(timeout=30)
        try:
            supply.set_price(
                city.storage,
                pool,
                key=who,
                price_minor_per_device_hour=5,
                reason="at once",
                by=who,
            )
        except Invalid as error:
            return error.findings[0].code
        return "set"

    with ThreadPoolExecutor(2) as both:
        said = sorted(both.map(ask, ("mem_a", "mem_b")))
    assert said == ["compute.price_overlaps", "set"]
    with city.storage.database.read() as tx:
        (offer,) = supply.offers(tx, compute.pools(tx), now_us=city.clock.now_us())
        assert len(supply.steps(tx, pool)) == 1
    assert len(offer.prices) == 1
