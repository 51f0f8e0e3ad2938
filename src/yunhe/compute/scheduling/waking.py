"""Which lines are looked at again: only those that can use what was freed.

A line is *blocked* once one of its requests did not fit; then none of them does, until something is
freed in a group that its shape fits. What a group can then take at most is known without a look at
any request, so what was freed wakes the few shapes that are small enough, all at once by masks.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from yunhe.compute.scheduling.estate import Estate, bits
from yunhe.compute.scheduling.policies import Policy
from yunhe.compute.scheduling.reserving import Reservations
from yunhe.compute.scheduling.shapes import Shape
from yunhe.compute.scheduling.state import Request
from yunhe.kernel.clock import SECOND_US

RECHECKED_MAX = 16
"""Freed groups up to which those that were woken are looked over after every placement."""


class _Sizes:
    """Shapes by a size: which need at most so much."""

    def __init__(self) -> None:
        self._sizes: list[int] = []
        self._masks: list[int] = []

    def add(self, size: int, bit: int) -> None:
        at = bisect_right(self._sizes, size)
        if not at or self._sizes[at - 1] != size:
            self._sizes.insert(at, size)
            self._masks.insert(at, self._masks[at - 1] if at else 0)
            at += 1
        for later in range(at - 1, len(self._masks)):
            self._masks[later] |= bit

    def up_to(self, size: int) -> int:
        at = bisect_right(self._sizes, size)
        return self._masks[at - 1] if at else 0


class Waking:
    """Open and blocked lines, as masks of the numbers of their shapes."""

    def __init__(
        self, estate: Estate, reservations: Reservations, policy: Policy, *, walls: bool
    ) -> None:
        self.open = 0
        """Lines that the next pass looks at."""
        self.blocked = 0
        """Lines in which nothing fits."""
        self.urgent = 0
        """Lines that had a request of a higher class."""
        self.freed = 0
        """Groups in which something was freed since the last `unblock`."""
        self.windowed = 0
        """Groups of guaranteed windows: what fits there depends on who asks."""
        self._estate = estate
        self._reservations = reservations
        self._always = policy.preempts
        self._walls = walls
        self._shapes: dict[int, Shape] = {}
        self._by_fits: dict[int, int] = {}
        self._users: dict[int, int] = {}
        self._asked = 0
        self._one, self._several, self._walls_of = _Sizes(), _Sizes(), _Sizes()
        self._now_us = 0
        self._woken = 0
        self._causes: dict[int, int] = {}

    def add(self, request: Request, shape: Shape) -> None:
        """It waits in the line of this shape."""
        number = shape.number
        if number not in self._shapes:
            self._know(request, shape, 1 << number)
        if not self.blocked >> number & 1:
            if not self.open >> number & 1:
                self.open |= 1 << number
            if self._woken:
                self._woken &= ~(1 << number)

    def _know(self, request: Request, shape: Shape, bit: int) -> None:
        self._shapes[shape.number] = shape
        self._by_fits[shape.fits] = self._by_fits.get(shape.fits, 0) | bit
        for group in bits(shape.fits & self._asked):
            self._users[group] |= bit
        if shape.replicas > 1:
            self._several.add(shape.devices * shape.replicas, bit)
        else:
            self._one.add(shape.devices, bit)
            if shape.walled:  # the shape's other limits are longer than half of this one
                least = 1 << request.wall_seconds_max.bit_length() - 1
                self._walls_of.add(least * 1_000 // max(shape.speeds.values()), bit)

    def block(self, lines: int) -> None:
        """Nothing in these lines fits."""
        self.blocked |= lines

    def reopen(self, lines: int) -> None:
        """Look at these lines again, whatever was freed."""
        if lines:
            self.blocked &= ~lines
            self.open |= lines
            self._woken &= ~lines

    def below(self, levels: Iterable[int]) -> int:
        """Blocked lines that may push out work of one of these levels."""
        highest = max(levels, default=-1)
        if highest < 0 or not self.blocked:
            return 0
        lines = self.blocked & self.urgent
        for number in bits(self.blocked & ~lines):
            if self._shapes[number].level < highest:
                lines |= 1 << number
        return lines

    def take(self) -> int:
        """The lines that a pass looks at now."""
        lines, self.open = self.open, 0
        return lines

    def forget(self) -> None:
        """Nothing is to be looked at: it was done otherwise."""
        self.open = self.freed = self._woken = 0

    def unblock(self, *, now_us: int) -> None:
        """Open the lines that can use what was freed."""
        freed, self.freed, self._now_us = self.freed, 0, now_us
        if not freed:
            self._causes, self._woken = {}, 0
            return
        self._causes = {group: self._can(group) for group in bits(freed)}
        self._woken = self._useful() & self.blocked
        self.blocked &= ~self._woken
        self.open |= self._woken

    def full(self, group: int) -> int:
        """Lines that cannot use any more what they were opened for, after a placement there."""
        if group not in self._causes:
            return 0
        self._causes[group] = self._can(group)
        if not self._woken or len(self._causes) > RECHECKED_MAX:
            return 0
        lines = self._woken & ~self._useful()
        self._woken ^= lines
        return lines

    def only(self, shape: Shape) -> int:
        """Groups outside of which a line certainly finds no room; none where it finds none at all.

        That is known of what was blocked and opened for what was freed since.
        """
        bit = 1 << shape.number
        if not self._woken & bit:
            return -1
        return sum(1 << group for group, lines in self._causes.items() if lines & bit)

    def _useful(self) -> int:
        lines = 0
        for each in self._causes.values():
            lines |= each
        return lines

    def _can(self, group: int) -> int:
        """Lines that may find room in a group."""
        users = self._using(group)
        if self._always or (self.windowed >> group & 1) or self._estate.groups[group].packed:
            return users
        estate = self._estate
        lines = self._one.up_to(estate.most(group))
        lines |= self._several.up_to(estate.groups[group].free_all)
        if self._walls and self._reservations.idle >> group & 1:
            for devices, left_us in self._reservations.lendable(group, now_us=self._now_us):
                some = self._one.up_to(devices)
                lines |= (
                    some if left_us is None else some & self._walls_of.up_to(left_us // SECOND_US)
                )
        return users & lines

    def _using(self, group: int) -> int:
        users = self._users.get(group)
        if users is None:
            users = 0
            for fits, lines in self._by_fits.items():
                if fits >> group & 1:
                    users |= lines
            self._users[group] = users
            self._asked |= 1 << group
        return users
