"""A platform in little: pools, windows and a clock; passes over pictures, as production makes them.

Work runs as long as it may: exactly to its wall limit, unless it is pushed out.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from yunhe.compute.passes.domain import GRACE_SECONDS
from yunhe.compute.passes.pushing import wanted
from yunhe.compute.reasons import Why
from yunhe.compute.scheduling.engine import decide
from yunhe.compute.scheduling.state import (
    AwardView,
    NodeView,
    Picture,
    Placement,
    PoolView,
    Preemption,
    Request,
    RunningView,
    Wait,
    WindowView,
)
from yunhe.kernel.clock import SECOND_US

HOLDER = "hospital"
AWARD = 10**15


def nodes_of(sizes, *, cpus: int = 0):
    return tuple(NodeView(size, cpu_milli=1_000 * size * cpus) for size in sizes)


@dataclass
class Stage:
    """Everything at an instant."""

    sizes: dict[str, tuple[int, ...]]
    windows: list[WindowView] = field(default_factory=list)
    cpus: int = 0
    now: int = 0
    number: int = 0
    down: dict[str, tuple[int, ...]] = field(default_factory=dict)
    queue: dict[str, Request] = field(default_factory=dict)
    running: dict[str, RunningView] = field(default_factory=dict)
    started: dict[str, int] = field(default_factory=dict)
    pushed: list[str] = field(default_factory=list)
    asked: dict[str, str] = field(default_factory=dict)
    whys: dict[str, Why] = field(default_factory=dict)

    def window(self, devices: int, start: int, end: int, *, holder: str = HOLDER, pools=None):
        one = WindowView(
            f"window-{len(self.windows)}",
            holder,
            "",
            "gpu",
            devices,
            start * SECOND_US,
            end * SECOND_US,
            tuple(sorted(pools or self.sizes)),
            tuple(sorted(self.sizes)),
        )
        self.windows.append(one)
        return one

    def ask(self, who: str, devices: int, wall: int, **more) -> str:
        self.number += 1
        name = f"{who}-{self.number}"
        said = {"replicas": 1, **more}
        self.queue[name] = Request(
            name, self.number, who, "gpu", devices, wall, self.now * SECOND_US, **said
        )
        return name

    def pools(self):
        for name, sizes in sorted(self.sizes.items()):
            flat = sizes if isinstance(sizes, int) else sum(sizes)
            there = [one for one in self.running.values() if one.pool == name]
            busy = sum(one.request.devices_all for one in there)
            nodes = () if isinstance(sizes, int) else nodes_of(sizes, cpus=self.cpus)
            down = self.down.get(name, ())
            yield PoolView(name, "gpu", flat, busy, 1, "CNY", nodes=nodes, down=down)

    def picture(self) -> Picture:
        who = sorted({one.organisation for one in self.queue.values()})
        cash = {(name, "CNY"): AWARD for name in who}
        return Picture(
            tuple(self.pools()),
            tuple(AwardView(f"award-{name}", name, "gpu", AWARD, AWARD) for name in who),
            (),
            cash,
            tuple(self.queue.values()),
            running=tuple(self.running.values()),
            windows=tuple(one for one in self.windows if one.until_us > self.now * SECOND_US),
        )

    def look(self) -> list[Placement]:
        """One pass: who runs, who is asked to make room, and why the rest waits."""
        now_us = self.now * SECOND_US
        picture = self.picture()
        decisions = decide(picture, now_us=now_us)
        served = {name for name in self.asked.values() if name in self.queue}
        asked = (
            wanted(picture, decisions, served=served, now_us=now_us)
            if any(one.request.preemptible for one in picture.running)
            else []
        )
        placed = [one for one in decisions if isinstance(one, Placement)]
        for one in placed:
            del self.queue[one.request.id]
            self.started[one.request.id] = self.now
            self.running[one.request.id] = RunningView(
                replace(one.request, since_us=now_us), one.pool, one.nodes, now_us, one.pieces
            )
        self.whys = {one.request.id: one.why for one in decisions if isinstance(one, Wait)}
        for one in asked:
            self._ask(one)
        return placed

    def _ask(self, one: Preemption) -> None:
        view = self.running[one.request.id]
        ran = self.now - view.since_us // SECOND_US
        request = replace(view.request, preemptible=False, wall_seconds_max=ran + GRACE_SECONDS + 1)
        self.running[one.request.id] = replace(view, request=request, leaving=True)
        self.asked[one.request.id] = one.beneficiary

    def ends(self) -> dict[str, int]:
        """When each that runs is over."""
        return {
            name: one.since_us // SECOND_US + one.request.wall_seconds_max
            for name, one in self.running.items()
        }

    def to(self, then: int) -> None:
        """Time passes; what is over then ends at its very second, and a pass follows each."""
        while True:
            ends = self.ends()
            due = min((at for at in ends.values() if at <= then), default=None)
            begins = [one.from_us // SECOND_US for one in self.windows]
            due = min([at for at in (due, *begins) if at is not None and self.now < at <= then],
                      default=None)  # fmt: skip
            if due is None:
                break
            self.now = due
            self._end([name for name, at in ends.items() if at <= due])
            self.look()
        self.now = then
        self.look()

    def _end(self, names: list[str]) -> None:
        for name in names:
            view = self.running.pop(name)
            if name in self.asked:
                self.pushed.append(name)
                del self.asked[name]
                self.queue[name] = replace(
                    view.request, preemptible=True, wall_seconds_max=10_000, pushed_out=1
                )

    def used(self, who: str = HOLDER) -> int:
        """Devices somebody occupies."""
        return sum(
            one.request.devices_all
            for one in self.running.values()
            if one.request.organisation == who
        )
