"""What the pools of this machine offer together is held to what is in it, however they change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from yunhe.compute import cards, machine
from yunhe.compute import store as workloads
from yunhe.compute.domain import Pool
from yunhe.compute.machine import LOCAL, PROCESSOR
from yunhe.compute.supply import store
from yunhe.compute.supply.chips import catalogue_of
from yunhe.kernel.errors import Finding
from yunhe.storage.database import Transaction

_Result = TypeVar("_Result")


def sold_here(tx: Transaction) -> list[Pool]:
    """Pools that offer what is in this machine, but for those that are down."""
    standings = store.standings(tx)
    own = [each.pool for each in workloads.pools(tx) if each.pool.adapter == LOCAL]
    return [pool for pool in own if pool.id not in standings or standings[pool.id].state != "down"]


class Stock:
    """What is in this machine, counted between transactions: its makers' commands take seconds."""

    def __init__(self) -> None:
        self._has: dict[str, Counter[str]] = {}

    def count(self, chip: str, makers: Mapping[str, str]) -> None:
        """Count its devices. Cost: the makers' commands, seconds at worst."""
        self._has[chip] = machine.counted(chip, makers)

    def lacks(
        self, tx: Transaction, chip: str, devices: int, *, adapter: str, where: str
    ) -> list[Finding]:
        """Why this machine cannot offer so many more than its pools do in this transaction.

        Only in the transaction that then offers them: what others offer meanwhile counts too.
        """
        if adapter != LOCAL or chip == PROCESSOR:
            return []
        makers = catalogue_of(tx).vendors()
        if chip not in self._has:
            raise _Uncounted(chip, makers)
        vendor = makers.get(chip, "")
        alike = {chip}
        if cards.counted_by_files(vendor):  # the files tell no models apart
            alike |= {other for other, maker in makers.items() if maker == vendor}
        offered = sum(pool.devices for pool in sold_here(tx) if pool.chip in alike)
        found = machine.short(chip, offered + devices, has=self._has[chip])
        return [replace(fault, where=where) for fault in found]


class _Uncounted(Exception):
    """Takes a command back until this machine's devices of a chip have been counted."""

    def __init__(self, chip: str, makers: Mapping[str, str]) -> None:
        self.chip, self.makers = chip, makers


def held_to_stock(command: Callable[[Stock], _Result]) -> _Result:
    """Run a command that may offer more of one chip of this machine, in one transaction of its own.

    Most offer nothing more, so it is run at first without a count. One that turns out to need it is
    undone, and run again once the devices are counted: nobody who writes waits for that.
    """
    stock = Stock()
    try:
        return command(stock)
    except _Uncounted as wanted:
        stock.count(wanted.chip, wanted.makers)
    return command(stock)
