"""Cities above the kinds: shares in the long run, and what the platform's picture says of them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from dispatch_trial import found_town, queue_up
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute import service as compute
from yunhe.compute import store as rows_of
from yunhe.compute.passes import service as passes
from yunhe.compute.passes import weighing, whole
from yunhe.compute.passes.domain import SMALL_MAX, Weight
from yunhe.compute.picture import picture_of
from yunhe.compute.scheduling.engine import Engine
from yunhe.compute.scheduling.events import Arrived, Ended
from yunhe.compute.scheduling.policies import preset
from yunhe.compute.scheduling.shares import Cities
from yunhe.compute.scheduling.state import NodeView, Placement, PoolView, Request
from yunhe.compute.service import forwarding, sharing, statements
from yunhe.identity import service as identity
from yunhe.identity.domain import Principal
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Invalid, NotFound

DEVICES = 24
POOL = PoolView("a", "npu", DEVICES, 0, 100, "CNY", "north", (NodeView(8, 0, 3),))
HOUR_US = 3_600 * SECOND_US


class Months:
    """Two cities that always want everything; work lasts as long as its place in a list says."""

    def __init__(self, weights: dict[str, int], tenants: dict[str, int], lasts: list[int]) -> None:
        of = {f"{city}-{n}": city for city, many in tenants.items() for n in range(many)}
        self.engine = Engine(
            (POOL,), preset("yunhe", half_life_us=48 * HOUR_US), cities=Cities(of, weights)
        )
        self.of, self.names, self.lasts = of, sorted(of), lasts
        self.had = dict.fromkeys(tenants, 0)
        self.number = self.now_us = 0
        self.ends: list[tuple[int, str]] = []
        self.waiting = dict.fromkeys(self.names, 0)

    def run(self, steps: int) -> None:
        for _ in range(steps):
            for name in self.names:
                while self.waiting[name] < 4:
                    self._ask(name)
            for one in self.engine.decide(now_us=self.now_us):
                assert isinstance(one, Placement)
                self._start(one.request)
            self.ends.sort()
            self.now_us, done = self.ends.pop(0)
            self.engine.note(Ended(done), now_us=self.now_us)

    def _ask(self, name: str) -> None:
        self.number += 1
        self.waiting[name] += 1
        kind = ("sme", "university")[self.names.index(name) % 2]
        request = Request(
            f"r{self.number}", self.number, name, "npu", 1, 3_600, self.now_us, kind=kind
        )
        self.engine.note(Arrived(request), now_us=self.now_us)

    def _start(self, request: Request) -> None:
        lasts_us = self.lasts[request.number % len(self.lasts)] * 600 * SECOND_US
        self.waiting[request.organisation] -= 1
        self.had[self.of[request.organisation]] += lasts_us
        self.ends.append((self.now_us + lasts_us, request.id))


@settings(max_examples=12, deadline=None)
@given(
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(1, 5),
    st.integers(1, 5),
    st.lists(st.integers(1, 6), min_size=1, max_size=7),
)
def test_two_cities_that_want_everything_come_out_by_their_weights(
    heavy, light, many, few, lasts
) -> None:
    months = Months({"x": heavy, "y": light}, {"x": many, "y": few}, lasts)
    months.run(700)
    share = Fraction(months.had["x"], sum(months.had.values()))
    assert abs(share - Fraction(heavy, heavy + light)) <= Fraction(4, 100)


def test_a_city_alone_gets_everything_whatever_it_weighs() -> None:
    months = Months({"x": 1, "y": 1_000}, {"x": 3}, [1])
    months.run(100)
    assert len(months.engine.floor.all) == DEVICES - 1  # one has just ended


def weigh(city, code: str, weight: int, **below: str) -> Weight:
    said = Weight(
        below.get("kind", ""), below.get("organisation", ""), "", weight, city=code
    )  # fmt: skip
    with city.storage.database.begin() as tx:
        return passes.weigh(tx, said, said_by=city.operator, at_us=city.clock.now_us())


def two_cities(city, devices: int = 12) -> list[str]:
    """Four firms, of which the last is Beijing's; each with more work than there are devices."""
    named = found_town(city.storage, organisations=4, pools=1, devices=devices)
    queue_up(city.storage, named, each=SMALL_MAX, most=1)
    identity.take_city(city.storage.database, "CN-31")
    with city.storage.database.begin() as tx:
        identity.add_city(tx, "CN-11", name="北京", at_us=city.clock.now_us())
        identity.set_city(tx, named[3], "CN-11", at_us=city.clock.now_us())
    return named


def placed(city, named: list[str]) -> list[int]:
    whole.run(city.storage)
    counts = dict.fromkeys(named, 0)
    with city.storage.database.read() as tx:
        for one in compute.workloads(tx):
            counts[one.spec.organisation] += one.state == "placed"
    return list(counts.values())


def test_a_city_of_one_firm_gets_as_much_as_one_of_three(new_city) -> None:
    city = new_city()
    assert placed(city, two_cities(city)) == [2, 2, 2, 6]


def test_a_city_of_twice_the_weight_gets_twice_as_much(new_city) -> None:
    city = new_city()
    named = two_cities(city)
    weigh(city, "CN-11", 2)
    assert placed(city, named) == [2, 1, 1, 8]


def test_the_platforms_own_city_is_weighed_by_its_code(new_city) -> None:
    city = new_city()
    named = two_cities(city)
    weigh(city, "CN-31", 3)
    assert placed(city, named) == [3, 3, 3, 3]


def test_what_a_city_used_of_late_puts_it_behind(new_city) -> None:
    city = new_city()
    named = two_cities(city)
    now_us = city.clock.now_us()
    with city.storage.database.begin() as tx:  # a firm of it that wants nothing any more
        gone = identity.add_organisation(
            tx, key="gone", name="gone", kind="company", city="CN-11", at_us=now_us
        )
        weighing.note(tx, gone.id, "", device_ms=86_400_000 * 30, now_us=now_us)
    first = placed(city, named)
    assert first == [4, 4, 4, 0]
    with city.storage.database.read() as tx:
        shares = {one.code: one for one in sharing.cities(tx, now_us=now_us)}
    assert [shares[code].used_per_thousand for code in ("CN-31", "CN-11")] == [0, 1_000]
    assert [shares[code].busy for code in ("CN-31", "CN-11")] == [12, 0]
    assert [shares[code].organisations for code in ("CN-31", "CN-11")] == [7, 2]


def test_weights_of_cities_are_said_of_cities_that_are_there(city) -> None:
    two = two_cities(city, devices=1)
    for wrong in ({"kind": "sme"}, {"organisation": two[0]}):
        with pytest.raises(Invalid):
            weigh(city, "CN-11", 2, **wrong)
    with pytest.raises(NotFound):
        weigh(city, "CN-99", 2)
    first = weigh(city, "CN-11", 2)
    assert weigh(city, "CN-11", 2) == first
    weigh(city, "CN-31", 4)
    with city.storage.database.read() as tx:
        assert weighing.by_city(tx) == {"CN-11": 2, "": 4}
        assert weighing.by_path(tx) == {}


def test_a_city_that_is_taken_away_weighs_nothing_when_it_comes_back(city) -> None:
    two_cities(city, devices=1)
    weigh(city, "CN-11", 5)
    chief = _operator(city)
    with city.storage.database.begin() as tx:
        for name in identity.cities_of(tx, [each.id for each in identity.organisations(tx)]):
            identity.set_city(tx, name, "", at_us=city.clock.now_us())
        sharing.remove_city(tx, "CN-11", by=chief, at_us=city.clock.now_us())
        assert weighing.by_city(tx) == {}
        city.clock.advance(seconds=1)
        identity.add_city(tx, "CN-11", at_us=city.clock.now_us())
        assert {one.code: one.weight for one in sharing.cities(tx, now_us=1)}["CN-11"] == 1


def _operator(city) -> Principal:
    roles, scopes = frozenset({"operator"}), frozenset({"*"})
    return Principal(city.operator, "org", roles, "operator", scopes=scopes)


def test_work_that_a_city_node_hands_over_is_of_that_nodes_city(city) -> None:
    now_us = city.clock.now_us()
    with city.storage.database.begin() as tx:
        identity.add_city(tx, "CN-11", at_us=now_us)
        identity.set_city(tx, city.university, "CN-11", at_us=now_us)
    spec = replace(city.spec("unused"), wall_seconds_max=60)
    taken = forwarding.take(
        city.storage,
        spec,
        job="job-1",
        member=city.operator,
        origin="beijing/log",
        here="nation/log",
    )
    with city.storage.database.read() as tx:
        rows = rows_of.occupying(tx)
        assert [row["id"] for row in rows] == [taken.workload]
        seen = picture_of(tx, (), now_us=now_us)
    assert seen.cities == {city.university: "CN-11"}


def test_usage_can_be_told_by_city(city, local) -> None:
    with city.storage.database.begin() as tx:
        identity.add_city(tx, "CN-11", at_us=city.clock.now_us())
    city.submit()
    used = compute.run_next(city.storage, local).usage
    period = statements.period_at(city.clock.now_us())

    def by_city() -> dict[str, int]:
        with city.storage.database.read() as tx:
            lines = statements.usage(tx, period=period, by="city")
        return {line.group: line.device_ms for line in lines}

    assert by_city() == {"local": used.device_ms}
    with city.storage.database.begin() as tx:
        identity.set_city(tx, city.university, "CN-11", at_us=city.clock.now_us())
    assert by_city() == {"CN-11": used.device_ms}
