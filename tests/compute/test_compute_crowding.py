"""What others run at a distant site is not given out here, and is as soon as they have left."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paper_site import PaperSite

from yunhe.compute import service as compute
from yunhe.compute.domain import Pool
from yunhe.compute.providers.remote import Capacity, Node
from yunhe.compute.remote.driver import CAPACITY_SECONDS, Driver
from yunhe.compute.scheduling.engine import decide
from yunhe.compute.scheduling.state import (
    AwardView,
    NodeView,
    Picture,
    Placement,
    PoolView,
    Request,
    RunningView,
    Wait,
)
from yunhe.compute.supply.crowding import FRESH_SECONDS, held, usable
from yunhe.kernel.errors import Unavailable


class Shared:
    """A city with a pool at a site that has users of its own, who hold some of its devices."""

    def __init__(self, city, *, devices: int = 8, pool: int | None = None) -> None:
        self.city, self.devices, self.others = city, devices, 0
        self.site = PaperSite(city.clock)
        self.site.capacity = self.capacity
        self.driver = Driver(city.storage, self.site)
        self.pool = self.add("paper", devices if pool is None else pool)
        city.award(seconds=1_000_000)
        city.cash(10**9)
        city.approve_trial()

    def add(self, key: str, devices: int) -> str:
        return compute.register_pool(
            self.city.storage,
            key=key,
            provider=self.city.provider,
            site="远方",
            chip="cpu",
            devices=devices,
            price_minor_per_device_hour=3_600,
            currency="CNY",
            adapter="paper",
        ).id

    def capacity(self) -> Capacity:
        """What it would say: its own users first, then what runs of ours."""
        ours = sum(
            self.site.jobs[job].devices
            for job, report in self.site.reports.items()
            if report.phase == "running"
        )
        free = max(self.devices - self.others - ours, 0)
        return Capacity((Node("n1", "cpu", self.devices, free, "up"),))

    def drive(self, *, seconds: int = CAPACITY_SECONDS) -> None:
        """The driver passes once; whatever it handed over has begun afterwards."""
        self.city.clock.advance(seconds=seconds)
        self.driver.once()
        for job, report in list(self.site.reports.items()):
            if report.phase == "queued":
                self.site.begin(job)

    def look(self) -> None:
        """Everything settles: what began is seen to run, then the site is asked what it has."""
        for _ in range(3):
            self.drive()

    @property
    def placed(self) -> int:
        """Devices given out there."""
        with self.city.storage.database.read() as tx:
            return sum(each.devices_busy for each in compute.pools(tx))


@pytest.fixture
def shared(bare_city) -> Shared:
    return Shared(bare_city)


def test_nothing_is_placed_beyond_what_a_sites_own_users_leave(shared) -> None:
    shared.others = 4
    shared.look()
    first = shared.city.submit("a", devices=4, wall=7_200)
    second = shared.city.submit("b", devices=1, wall=7_200)
    assert (first.state, second.state) == ("placed", "waiting")
    assert second.why is not None
    assert second.why.code == "compute.waiting_site"
    assert dict(second.why.params) == {"pool": shared.pool, "needed": 1, "free": 0, "others": 4}
    for language in ("en", "zh"):
        assert "4" in second.why.message(language)


def test_it_is_placed_when_the_others_have_left(shared) -> None:
    shared.others = 4
    shared.look()
    job = shared.city.submit("large", devices=8, wall=7_200)
    assert job.state == "waiting"
    shared.others = 0
    shared.drive()
    assert shared.city.see(job).state == "placed"


def test_what_runs_from_here_is_not_counted_as_others(shared) -> None:
    shared.look()
    shared.city.submit("a", devices=4, wall=7_200)
    shared.look()
    assert shared.site.capacity().nodes[0].free == 4
    assert shared.city.submit("b", devices=4, wall=7_200).state == "placed"
    shared.look()
    last = shared.city.submit("c", devices=1, wall=7_200)
    assert last.why is not None
    assert last.why.code == "compute.waiting_capacity"


def test_work_that_was_placed_after_the_last_report_counts_as_well(shared) -> None:
    shared.others = 4
    shared.look()  # the site says that 4 are free, and says nothing more
    states = [shared.city.submit(f"j{n}", devices=2, wall=7_200).state for n in range(4)]
    assert states == ["placed", "placed", "waiting", "waiting"]


def test_a_report_that_has_grown_old_is_not_believed(shared) -> None:
    shared.others = 8
    shared.look()
    job = shared.city.submit("a", devices=8, wall=7_200)
    assert job.state == "waiting"

    def away() -> Capacity:
        raise Unavailable("compute.remote_unreachable", site="paper", reason="away")

    shared.site.capacity = away
    shared.city.clock.advance(seconds=FRESH_SECONDS + 1)
    with shared.city.storage.database.begin() as tx:
        compute.admit(tx, now_us=shared.city.clock.now_us())
    assert shared.city.see(job).state == "placed"


def test_a_pool_that_is_a_part_of_a_site_may_be_full_while_others_hold_the_rest(bare_city) -> None:
    shared = Shared(bare_city, devices=8, pool=4)
    shared.others = 4
    shared.look()
    assert shared.city.submit("a", devices=4, wall=7_200).state == "placed"


def test_two_pools_of_one_chip_at_a_site_share_what_is_left(shared) -> None:
    shared.add("paper-2", 8)
    shared.others = 5
    shared.look()
    for number in range(8):
        shared.city.submit(f"j{number}", devices=1, wall=7_200)
    assert shared.placed == 3


def test_a_shrunken_site_takes_nothing_more_and_breaks_nothing(shared) -> None:
    shared.city.submit("a", devices=6, wall=7_200)
    shared.look()
    shared.devices = 4
    shared.look()
    assert shared.city.submit("b", devices=1, wall=7_200).state == "waiting"
    assert shared.placed == 6


def test_what_is_usable_is_what_is_free_and_what_runs_from_here() -> None:
    nodes = '[{"chip":"a","free":3},{"chip":"a","free":-1},{"chip":"b","free":0}]'
    assert usable(nodes, '{"a":2}') == {"a": 5, "b": 0}
    assert usable(nodes, None) == {"a": 3, "b": 0}


@given(
    sizes=st.lists(st.integers(1, 20), min_size=1, max_size=5),
    most=st.integers(0, 60),
    data=st.data(),
)
@settings(max_examples=150, deadline=None)
def test_pools_of_one_site_never_give_out_more_than_is_usable(sizes, most, data) -> None:
    pools = [Pool(f"p{n}", "o", "s", "x", "c", size, 1, "CNY") for n, size in enumerate(sizes)]
    busy = {pool.id: data.draw(st.integers(0, pool.devices)) for pool in pools}
    found = held(pools, most, busy)
    free = {p.id: max(p.devices - busy[p.id] - found.get(p.id, 0), 0) for p in pools}
    assert sum(free.values()) <= max(most - sum(busy.values()), 0)
    if most >= sum(sizes):
        assert not found


_NODES = st.lists(
    st.tuples(st.integers(1, 6), st.integers(1, 3), st.sampled_from([0, 16_000])), max_size=3
)


@given(rows=_NODES, flat=st.integers(1, 12), others=st.integers(0, 30), data=st.data())
@settings(max_examples=150, deadline=None)
def test_no_pass_gives_out_what_others_hold(rows, flat, others, data) -> None:
    nodes = tuple(NodeView(size, count=count, cpu_milli=cpu) for size, count, cpu in rows)
    devices = sum(node.devices * node.count for node in nodes) or flat
    running = []
    if not nodes:
        busy = data.draw(st.integers(0, devices))
        one = _request(1_000, busy, milli=0)
        running = [RunningView(one, "p", (), 0)] if busy else []
    busy = sum(view.request.devices for view in running)
    pool = PoolView("p", "c", devices, busy, 0, "CNY", nodes=nodes, devices_elsewhere=others)
    asked = data.draw(st.lists(st.tuples(st.integers(1, 6), st.booleans()), max_size=12))
    queue = tuple(
        _request(n, 1 if share else size, milli=500 if share else 0)
        for n, (size, share) in enumerate(asked)
    )
    award = AwardView("a", "o", "c", 10**12, 10**15)
    picture = Picture((pool,), (award,), (), {("o", "CNY"): 1}, queue, running=tuple(running))
    decisions = decide(picture, now_us=1)
    placed = [each for each in decisions if isinstance(each, Placement)]
    whole = sum(each.request.devices for each in placed if not each.request.milli)
    shares = sum(1 for each in placed if each.request.milli)
    assert whole + -(-shares // 2) <= max(devices - busy - others, 0)
    assert {each.request.id for each in decisions} == {each.id for each in queue}
    for each in decisions:
        if isinstance(each, Wait) and each.why.code == "compute.waiting_site":
            assert others


def _request(number: int, devices: int, *, milli: int) -> Request:
    return Request(f"w{number}", number, "o", "c", devices, 60, 0, milli=milli)
