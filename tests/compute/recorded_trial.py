"""A live platform on which everything happens that a recording has to hold, by a seed.

Pools with nodes and without, two chips, prices by term, ways, weights, a guaranteed window; shares
of devices, replicas, elastic work, substitutes, data that may not leave, deadlines, classes,
checkpoints; work that makes room, nodes that break, and another policy now and then.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from test_compute_windows import firm

from yunhe.compute import service as compute
from yunhe.compute import store
from yunhe.compute.domain import Workload
from yunhe.compute.passes import whole
from yunhe.compute.passes.domain import Weight
from yunhe.compute.service import policy, supply, ways, windows
from yunhe.compute.yielding import service as making_room
from yunhe.kernel.clock import DAY_US, SECOND_US
from yunhe.kernel.errors import Invalid

HOUR = 3_600
CHIPS = ("cpu", "mlu370")
BIG, SMALL = "east", "west"
ENOUGH = 10**10


@dataclass
class Trial:
    """A city, what was submitted to it, and the dice."""

    city: object
    seed: int
    owners: list[str] = field(default_factory=list)
    pools: list[str] = field(default_factory=list)
    jobs: list[Workload] = field(default_factory=list)
    pushed: int = 0
    refused: int = 0

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self._found()

    @property
    def storage(self):
        return self.city.storage

    def _found(self) -> None:
        city = self.city
        for key, site, chip, devices, nodes in (
            ("flat", BIG, "cpu", 6, ()),
            ("noded", SMALL, "cpu", 8, (supply.NodeRow(2, 4, 16_000, 65_536, 1),)),
            ("other", SMALL, "mlu370", 8, (supply.NodeRow(2, 2), supply.NodeRow(1, 4, domain=2))),
        ):
            pool = compute.register_pool(
                self.storage,
                key=key,
                provider=city.provider,
                site=site,
                chip=chip,
                devices=devices,
                price_minor_per_device_hour=3_600,
                currency="CNY",
                nodes=nodes,
                adapter="local" if chip == "cpu" else "slurm",
            )
            self.pools.append(pool.id)
        self.owners = [firm(city, name) for name in ("one", "two", "three")]
        for owner in self.owners:
            self._grant(owner)
        said = {"start": BIG, "end": SMALL, "megabit_per_second": 800}
        ways.say(self.storage, member=city.operator, **said)
        with self.storage.database.begin() as tx:
            weight = Weight("company", self.owners[1], "", 3)
            now_us = city.clock.now_us()
            compute.passes.weigh(tx, weight, said_by=city.operator, at_us=now_us)

    def _grant(self, owner: str) -> None:
        for chip in CHIPS:
            compute.award(
                self.storage,
                key=f"{owner}-{chip}",
                organisation=owner,
                chip=chip,
                device_ms=ENOUGH,
                expires_at_us=self.city.clock.now_us() + 300 * DAY_US,
                awarded_by=self.city.operator,
            )

    def guarantee(self) -> None:
        """Two devices for one of them, an hour from now."""
        with self.storage.database.read() as tx:
            award = next(
                each.award
                for each in compute.awards(tx)
                if (each.award.organisation, each.award.chip) == (self.owners[2], "cpu")
            )
        begins = self.city.clock.now_us() + HOUR * SECOND_US
        windows.give(
            self.storage,
            award=award.id,
            devices=2,
            from_us=begins,
            until_us=begins + 5 * HOUR * SECOND_US,
            key="window",
            reason="trial",
            given_by=self.city.operator,
        )

    def asks(self) -> dict[str, object]:
        """What the next workload asks for."""
        dice, now_us = self.dice, self.city.clock.now_us()
        wanted: dict[str, object] = {
            "organisation": dice.choice(self.owners),
            "chip": dice.choice(("cpu", "cpu", "mlu370")),
            "devices": dice.choice((1, 1, 2, 4)),
            "wall": dice.choice((HOUR, 4 * HOUR, 9 * HOUR)),
            "priority": dice.choice(("low", "usual", "usual", "high")),
        }
        match dice.randrange(14):
            case 0 | 1 | 2 | 10 | 11 | 12 | 13:
                wanted |= {"preemptible": True, "checkpoint_seconds": dice.choice((0, 300))}
            case 3:
                wanted |= {"devices": 1, "devices_milli": dice.choice((250, 500))}
            case 4:
                wanted |= {"devices": 2, "replicas": 2, "fabric": dice.choice(("any", "domain"))}
            case 5:
                wanted |= {"devices": 1, "replicas": 4, "replicas_min": 2}
            case 6:
                wanted |= {"chip": "cpu", "substitutes": {"mlu370": 700}}
            case 7:
                data = {"data_site": BIG, "egress": dice.choice(("allow", "forbid"))}
                wanted |= {"chip": "cpu", "egress_bytes": 10**10, **data}
            case 8:
                wanted |= {"deadline_us": now_us + 9 * HOUR * SECOND_US}
            case 9:
                wanted |= {"cpu_milli": 8_000, "replica_memory_bytes": 1 << 34}
        return wanted

    def submit(self) -> None:
        try:
            self.jobs.append(self.city.submit(f"job-{len(self.jobs)}", **self.asks()))
        except Invalid:  # somebody asked for what nothing here can ever give
            self.refused += 1

    def end(self) -> None:
        """Something that holds devices is given up; what was asked to, makes room."""
        now_us = self.city.clock.now_us()
        with self.storage.database.begin() as tx:
            busy = sorted(store.occupying(tx), key=lambda row: row["number"])
            for row in busy:
                if row["push_asked_us"] is not None:
                    making_room.gone(tx, store.row(tx, row["id"]), now_us=now_us)
                    self.pushed += 1
                    return
        if busy:
            compute.cancel(self.storage, self.dice.choice(busy)["id"])

    def step(self) -> None:
        """One thing happens."""
        dice, city = self.dice, self.city
        city.clock.advance(seconds=dice.choice((1, 400, 900)))
        match dice.randrange(12):
            case 0 | 1:
                self.end()
            case 2:
                position, state = dice.randrange(2), dice.choice(("down", "open"))
                said = {"state": state, "reason": "trial", "by": city.operator}
                supply.change_node(self.storage, self.pools[1], position, **said)
            case 3:
                whole.run(self.storage)
            case _:
                self.submit()

    def choose(self, name: str) -> None:
        city = self.city
        with self.storage.database.begin() as tx:
            policy.choose(tx, name, said_by=city.operator, at_us=city.clock.now_us())

    def run(self, steps: int) -> None:
        self.guarantee()
        for number in range(steps):
            if number in (steps // 2, steps * 3 // 4):
                self.choose(self.dice.choice(policy.ON_PLATFORM))
            self.step()
