"""What one node has and what is asked of it: devices, shares of one, CPU and memory.

The slow and plain half of packing: used to ask when a node will be free enough and whom to push out
for it, and by tests as the reference of the fast half.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

WHOLE = 1_000
"""Thousandths of a device in a whole one."""
DEVICES_MAX = 1_024
"""Devices of one node that are told apart; a pool with larger nodes only counts them."""
UNCOUNTED = 1 << 40
"""CPU or memory of a node that does not say what it has."""


class Claim(NamedTuple):
    """What is taken of one node of a group."""

    node: int
    """Node of the group."""
    devices: tuple[int, ...]
    """Which of its devices."""
    milli: int
    """Thousandths of each."""
    cpu_milli: int
    """Thousandths of a CPU."""
    memory_mib: int
    """MiB."""


class Need(NamedTuple):
    """What one piece of work asks of one node."""

    devices: int
    """How many; 0: none."""
    milli: int
    """A share of one device; 0: whole devices."""
    cpu_milli: int
    """Thousandths of a CPU."""
    memory_mib: int
    """MiB."""

    @property
    def each(self) -> int:
        """Thousandths taken of each device."""
        return (self.milli or WHOLE) if self.devices else 0

    def claim(self, node: int, devices: tuple[int, ...]) -> Claim:
        """It, on those devices of a node."""
        return Claim(node, devices, self.each, self.cpu_milli, self.memory_mib)


class Wanted(Protocol):
    """What a request or its shape says of one replica."""

    @property
    def devices(self) -> int: ...  # noqa: D102 - as in `Need`
    @property
    def milli(self) -> int: ...  # noqa: D102
    @property
    def cpu_milli(self) -> int: ...  # noqa: D102
    @property
    def memory_mib(self) -> int: ...  # noqa: D102


@dataclass(slots=True)
class Free:
    """What is free on a node."""

    cpu_milli: int
    """Thousandths of a CPU; below zero where more is taken than there is."""
    memory_mib: int
    """MiB; likewise."""
    devices: list[int]
    """Thousandths of each device."""

    def choose(self, need: Need) -> tuple[int, ...] | None:
        """Devices for it, the tightest for a share and the first for whole ones; None: no room."""
        if self.cpu_milli < need.cpu_milli or self.memory_mib < need.memory_mib:
            return None
        able = [at for at, free in enumerate(self.devices) if free >= need.each]
        if need.milli:
            able.sort(key=lambda at: (self.devices[at], at))
        return None if len(able) < need.devices else tuple(able[: need.devices])

    def take(self, claim: Claim, *, times: int = 1) -> None:
        """Occupy it; with ``times`` -1 free it."""
        self.cpu_milli -= claim.cpu_milli * times
        self.memory_mib -= claim.memory_mib * times
        for device in claim.devices:
            self.devices[device] -= claim.milli * times

    def lets(self, needs: Iterable[Need]) -> bool:
        """Whether all of them find room together, in their order; nothing is taken at last."""
        taken: list[Claim] = []
        for need in needs:
            devices = self.choose(need)
            if devices is None:
                break
            taken.append(need.claim(0, devices))
            self.take(taken[-1])
        else:
            needs = ()
        for claim in taken:
            self.take(claim, times=-1)
        return needs == ()


def split(wanted: Wanted, size: int) -> list[Need]:
    """One replica in pieces for nodes of `size` devices: whole nodes, then what is left.

    CPU and memory go with the devices, rounded up.
    """
    devices = wanted.devices
    if devices <= size or not size:
        return [Need(devices, wanted.milli, wanted.cpu_milli, wanted.memory_mib)]
    needs = []
    left = devices
    while left > 0:
        part = min(left, size)
        cpu = -(-wanted.cpu_milli * part // devices)
        memory = -(-wanted.memory_mib * part // devices)
        needs.append(Need(part, 0, cpu, memory))
        left -= part
    return needs


def per_node(wanted: Wanted, *, size: int, cpu_milli: int, memory_mib: int) -> int:
    """How many replicas an empty node takes; of one that is split, how many of its pieces (1)."""
    need = split(wanted, size)[0]
    if need.devices > size or need.cpu_milli > cpu_milli or need.memory_mib > memory_mib:
        return 0
    counts = [UNCOUNTED]
    if need.devices:
        counts.append(size * (WHOLE // need.milli) if need.milli else size // need.devices)
    if need.cpu_milli:
        counts.append(cpu_milli // need.cpu_milli)
    if need.memory_mib:
        counts.append(memory_mib // need.memory_mib)
    return min(counts)
