"""The production scheduler under a stepped clock: what holds at every moment of a long day."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from yunhe.compute.scheduling import cost
from yunhe.compute.scheduling.engine import PATIENCE_US, decide
from yunhe.compute.scheduling.state import (
    AwardView,
    Picture,
    Placement,
    PoolView,
    Request,
    VoucherView,
    Wait,
)

SECOND_US = 10**6
DAY_US = 86_400 * SECOND_US
TENANTS = ("north", "south", "east")


@dataclass
class Day:
    """A tiny simulator: arrivals and ends move the clock, `decide` does everything else."""

    seed: int
    devices: int = 8
    award_ms: int = 10**12
    cash: int = 10**12
    now_us: int = 0
    waiting: dict[str, Request] = field(default_factory=dict)
    running: dict[str, tuple[int, Placement]] = field(default_factory=dict)
    started_us: dict[str, int] = field(default_factory=dict)
    used_ms: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TENANTS, 0))
    paid: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TENANTS, 0))

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def picture(self) -> Picture:
        held_ms, held_cash = dict.fromkeys(TENANTS, 0), dict.fromkeys(TENANTS, 0)
        busy = dict.fromkeys(TENANTS, 0)
        for _, placement in self.running.values():
            name = placement.request.organisation
            held_ms[name] += sum(draw.device_ms for draw in placement.draws)
            held_cash[name] += placement.cash_minor
            busy[name] += placement.request.devices
        left = {name: self.award_ms - self.used_ms[name] - held_ms[name] for name in TENANTS}
        return Picture(
            pools=(PoolView("pool", "cpu", self.devices, sum(busy.values()), 360, "CNY"),),
            awards=tuple(
                AwardView(f"award-{name}", name, "cpu", left[name], 10 * DAY_US) for name in TENANTS
            ),
            vouchers=(VoucherView("voucher", "north", "CNY", 0, 20),),
            cash={(name, "CNY"): self.cash - self.paid[name] - held_cash[name] for name in TENANTS},
            queue=tuple(self.waiting.values()),
            busy=busy,
        )

    def arrive(self, name: str, *, number: int, devices: int, wall: int) -> None:
        identity = f"job{number}"
        self.waiting[identity] = Request(identity, number, name, "cpu", devices, wall, self.now_us)

    def schedule(self) -> list[Wait]:
        """One pass; what is placed runs for a random part of what it asked for."""
        waits = []
        for decision in decide(self.picture(), now_us=self.now_us):
            if isinstance(decision, Wait):
                waits.append(decision)
                continue
            request = decision.request
            del self.waiting[request.id]
            seconds = self.random.randint(1, request.wall_seconds_max)
            self.running[request.id] = (self.now_us + seconds * SECOND_US, decision)
            self.started_us[request.id] = self.now_us
        self.check()
        return waits

    def check(self) -> None:
        occupied = sum(placement.request.devices for _, placement in self.running.values())
        assert 0 <= occupied <= self.devices
        for view in self.picture().awards:
            assert view.left_ms >= 0
        for left in self.picture().cash.values():
            assert left >= 0

    def next_end(self) -> None:
        """Let the running job that ends first end, and settle it."""
        identity = min(self.running, key=lambda name: (self.running[name][0], name))
        self.now_us, placement = self.running.pop(identity)
        request = placement.request
        wall_ms = (self.now_us - self.started_us[identity]) // 1_000
        device_ms = wall_ms * request.devices
        assert device_ms <= sum(draw.device_ms for draw in placement.draws)
        self.used_ms[request.organisation] += device_ms
        price = cost.cost(device_ms, price_minor_per_device_hour=360)
        assert price <= placement.cash_minor
        self.paid[request.organisation] += price


@pytest.mark.parametrize("seed", range(5))
def test_through_a_busy_day_everything_with_a_budget_is_run(seed: int) -> None:
    day = Day(seed)
    for number in range(150):
        day.now_us += day.random.randint(0, 120) * SECOND_US
        while day.running and min(end for end, _ in day.running.values()) <= day.now_us:
            later = day.now_us
            day.next_end()
            day.now_us = later
            day.schedule()
        name = day.random.choice(TENANTS)
        day.arrive(
            name,
            number=number,
            devices=day.random.choice([1, 1, 1, 2, 4, 8]),
            wall=day.random.randint(10, 600),
        )
        day.schedule()
    while day.running:
        day.next_end()
        day.schedule()
    assert day.waiting == {}
    assert len(day.started_us) == 150


@pytest.mark.parametrize("seed", range(5))
def test_a_stream_of_small_jobs_cannot_starve_one_that_needs_the_whole_pool(seed: int) -> None:
    day = Day(seed)
    number = 0
    for number in range(8):
        day.arrive("north", number=number, devices=1, wall=300)
    day.schedule()
    large = number + 1
    day.arrive("south", number=large, devices=8, wall=60)
    day.schedule()
    number = large
    while f"job{large}" in day.waiting:
        day.next_end()
        for _ in range(2):  # twice as much arrives as there is room for
            number += 1
            day.arrive("north", number=number, devices=1, wall=300)
        day.schedule()
    waited_us = day.started_us[f"job{large}"]
    # Its patience, and then at most the longest job that was running at that moment.
    assert waited_us <= PATIENCE_US + 2 * 300 * SECOND_US


@pytest.mark.parametrize("seed", range(5))
def test_a_tenant_who_floods_the_queue_does_not_push_the_others_out(seed: int) -> None:
    day = Day(seed, devices=6)
    number = 0
    for _ in range(600):
        for name in TENANTS:
            mine = [one for one in day.waiting.values() if one.organisation == name]
            # The north floods the queue; the others ask one by one.
            for _ in range(10 if name == "north" else 3):
                if len(mine) < (40 if name == "north" else 3):
                    number += 1
                    day.arrive(name, number=number, devices=1, wall=60)
        day.schedule()
        day.next_end()
    shares = sorted(day.used_ms.values())
    assert shares[0] > 0
    # Those who wait longer than the patience go first in order of submission, which favours the
    # flood; even so nobody is pushed out.
    assert shares[2] <= 3 * shares[0]


@pytest.mark.parametrize("seed", range(5))
def test_a_tenant_whose_award_runs_out_stops_exactly_there(seed: int) -> None:
    day = Day(seed, award_ms=2_000_000)
    for number in range(60):
        day.arrive(TENANTS[number % 3], number=number, devices=1, wall=day.random.randint(30, 400))
    waits = day.schedule()
    while day.running:
        day.next_end()
        waits = day.schedule()
    for name in TENANTS:
        assert day.used_ms[name] <= day.award_ms
    assert waits
    for wait in waits:  # nothing runs any more, so only the award can be what is missing
        assert wait.why.code == "compute.waiting_award"
        need_ms = wait.request.wall_seconds_max * 1_000
        left_ms = day.award_ms - day.used_ms[wait.request.organisation]
        (change,) = wait.why.changes
        assert dict(change.params)["missing"] == need_ms - left_ms
        assert wait.why.shorter_wall_seconds == left_ms // 1_000
