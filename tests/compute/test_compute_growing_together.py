"""Pools of this machine that grow at the same moment never offer more than is in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations_with_replacement
from threading import Barrier

import pytest
from small_city import City

from yunhe.compute import machine
from yunhe.compute import service as compute
from yunhe.compute.domain import Pool
from yunhe.compute.service import supply
from yunhe.kernel.errors import Invalid

GROWTHS = ("offered", "came", "returned", "opened")
PATIENCE_SECONDS = 60


class Hall:
    """Pools of this machine that offer one device, and may offer more in four ways."""

    def __init__(self, city: City) -> None:
        self.city, self.storage = city, city.storage
        self.noded = self.offer("noded", devices=3, nodes=(supply.NodeRow(3, 1),)).id
        self.down = [self.offer(f"down-{at}").id for at in range(2)]
        self.said = {"reason": "moved", "by": city.operator}
        for at in range(2):
            supply.change(self.storage, self.down[at], state="down", **self.said)
            supply.change_node(self.storage, self.noded, at, state="gone", **self.said)

    def offer(self, key: str, **over) -> Pool:
        given = {"chip": "h200", "devices": 1, "price_minor_per_device_hour": 3_600, **over}
        return compute.register_pool(
            self.storage, key=key, provider=self.city.provider, site="hall", currency="CNY", **given
        )

    def grow(self, how: str, at: int) -> None:
        """Offer one device more, the first or the second in that way."""
        if how == "offered":
            self.offer(f"more-{at}")
        elif how == "came":
            row = (supply.NodeRow(1, 1),)
            supply.come(self.storage, self.noded, row, key=f"more-{at}", **self.said)
        elif how == "returned":
            supply.change_node(self.storage, self.noded, at, state="open", **self.said)
        else:
            supply.change(self.storage, self.down[at], state="open", **self.said)

    def sold(self) -> int:
        with self.storage.database.read() as tx:
            return sum(pool.devices for pool in supply.sold_here(tx))


def refused(work: Callable[[], None]) -> list[str]:
    try:
        work()
    except Invalid as error:
        return [finding.code for finding in error.findings]
    return []


@pytest.mark.parametrize("ways", [*combinations_with_replacement(GROWTHS, 2)])
def test_of_two_that_grow_at_once_one_gets_the_last_device(
    bare_city: City, monkeypatch: pytest.MonkeyPatch, ways: tuple[str, str]
) -> None:
    monkeypatch.setattr(machine, "devices", lambda _: Counter(h200=5))
    hall = Hall(bare_city)
    assert hall.sold() == 1
    both = Barrier(2)

    def counted_together(_: object) -> Counter[str]:
        both.wait(PATIENCE_SECONDS)  # neither has written when both have counted
        return Counter(h200=2)

    monkeypatch.setattr(machine, "devices", counted_together)
    with ThreadPoolExecutor(2) as threads:
        asked = [
            threads.submit(refused, lambda how=how, at=at: hall.grow(how, at))
            for at, how in enumerate(ways)
        ]
        found = sorted(each.result(PATIENCE_SECONDS) for each in asked)
    assert found == [[], ["compute.chip_not_here"]]
    assert hall.sold() == 2


def test_this_machine_is_counted_while_others_write(
    bare_city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "devices", lambda _: Counter(h200=5))
    hall = Hall(bare_city)

    def counted_meanwhile(_: object) -> Counter[str]:
        with ThreadPoolExecutor(1) as threads:
            threads.submit(bare_city.award).result(PATIENCE_SECONDS)
        return Counter(h200=2)

    monkeypatch.setattr(machine, "devices", counted_meanwhile)
    hall.grow("came", 0)
    assert hall.sold() == 2


def test_what_grows_nothing_never_waits_for_the_makers_commands(
    bare_city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "devices", lambda _: Counter(h200=5))
    hall = Hall(bare_city)
    hall.grow("came", 0)

    def never(_: object) -> Counter[str]:
        raise AssertionError

    monkeypatch.setattr(machine, "devices", never)
    hall.grow("came", 0)
    assert hall.offer("down-0").id == hall.down[0]
    supply.change(hall.storage, hall.noded, state="draining", **hall.said)
    supply.change_node(hall.storage, hall.noded, 2, state="down", **hall.said)
    supply.change_node(hall.storage, hall.noded, 2, state="gone", **hall.said)
    supply.change(hall.storage, hall.noded, state="down", **hall.said)
    assert hall.sold() == 0
