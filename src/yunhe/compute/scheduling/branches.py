"""What waits, by city, kind of organisation, organisation and project: a tree by shares.

Every branch knows in which lines something waits below it, as a mask, what waits longest there, and
in which order its own branches come: by share, then by that. What arrives or leaves changes a
branch only as far up as it makes a difference; where a branch belongs among its equals is settled
when somebody looks, however often it changed since. With a new tick of the shares a branch is
sorted anew when it is looked at. So whose turn it is takes one way from the root to a leaf.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from heapq import heappop, heappush

from yunhe.compute.scheduling.shares import Account, Path, Shares
from yunhe.compute.scheduling.state import Request

Entry = tuple[tuple[int, ...], int, str, int, Request]
"""Key, number, id, and a ticket that tells a request from itself before it was pushed out."""
Age = tuple[int, str, int]
"""Number, id and ticket: what was submitted first is the least."""
Key = tuple[int, int, str, "Branch"]
"""Share, then number and id of what waits longest there."""
Place = tuple[int, "Branch", int]
"""Ticket of a request that waits, its leaf, and its line."""
_UNSORTED = -1


@dataclass(slots=True, eq=False)
class Branch:
    """One part of the hierarchy, with everything that waits below it."""

    account: Account
    """What it used."""
    name: str = ""
    """Among its equals."""
    parent: Branch | None = None
    """What it belongs to; None for a root."""
    branches: dict[str, Branch] = field(default_factory=dict)
    """Its parts in which something waits; empty for a leaf."""
    mask: int = 0
    """Mask of the lines in which something waits below it."""
    counts: dict[int, int] = field(default_factory=dict)
    """By line, in how many of its branches something waits; of a leaf nothing."""
    ages: list[Age] = field(default_factory=list)
    """Of a leaf everything in it, of others what waits longest in each branch, and also what is
    younger or left; a heap whose first waits. Of a root nothing: nobody asks.
    """
    order: list[Key] = field(default_factory=list)
    """Its branches, the next one first, as of `tick`."""
    tick: int = _UNSORTED
    """Tick of the shares in which `order` was made."""
    key: Key | None = None
    """Its place in the order of its parent."""
    stale: bool = False
    """Whether it may belong elsewhere by now: it is among its parent's `shifted`."""
    shifted: list[Branch] = field(default_factory=list)
    """Its branches that may belong elsewhere in `order`; also some that are empty and gone."""
    heaps: dict[int, list[Entry]] = field(default_factory=dict)
    """Of a leaf: what waits, by line; also what left, but the first of a heap waits."""
    view: list[Key] | None = None
    """While a pass looks at it: `order` as it was."""
    at: int = 0
    """While a pass looks at it: what comes before this in `view` has had its turn."""
    moved: list[Key] = field(default_factory=list)
    """While a pass looks at it: what came elsewhere since, a heap."""
    heads: list[tuple[Entry, int]] | None = None
    """While a pass looks at a leaf: the first of each line, a heap."""


class Tree:
    """Requests of one priority class."""

    def __init__(self, shares: Shares, places: dict[str, Place]) -> None:
        """``places`` says of everything that waits, here or elsewhere, where."""
        self._shares = shares
        self._places = places
        self.root = Branch(Account())

    def add(
        self, request: Request, key: tuple[int, ...], *, path: Path, line: int, at: int
    ) -> None:
        """Let it wait in the leaf of that path, with the ticket `at`."""
        leaf = self.root
        for level, part in enumerate(path, 1):
            below = leaf.branches.get(part)
            if below is None:
                account = self._shares.account(path[:level])
                below = leaf.branches[part] = Branch(account, part, leaf)
            leaf = below
        number, name = request.number, request.id
        entry = (key, number, name, at, request)
        self._places[name] = (at, leaf, line)
        heap = leaf.heaps.get(line)
        if heap is None:
            leaf.heaps[line] = [entry]
            bit = 1 << line
            leaf.mask |= bit
            above = leaf.parent
            while above is not None:
                if line in above.counts:
                    above.counts[line] += 1
                    break
                above.counts[line] = 1
                above.mask |= bit
                above = above.parent
        else:
            heappush(heap, entry)
        if leaf.heads is not None:
            heappush(leaf.heads, (entry, line))
        branch, parent = leaf, leaf.parent
        age = (number, name, at)
        while parent is not None:
            ages = branch.ages
            heappush(ages, age)
            if ages[0] is not age:
                return  # what waited longest there still does
            if not branch.stale and parent.tick != _UNSORTED:
                branch.stale = True
                parent.shifted.append(branch)
            branch, parent = parent, parent.parent

    def remove(self, leaf: Branch, line: int) -> None:
        """Something left this leaf; it is not among the places any more."""
        places, branch, parent = self._places, leaf, leaf.parent
        heap = leaf.heaps[line]
        while heap:
            place = places.get(heap[0][2])
            if place is not None and place[0] == heap[0][3]:
                break
            heappop(heap)
        else:
            _narrow(leaf, line)
        fresh: Age | None = None
        while parent is not None:
            ages = branch.ages
            first = ages[0]
            if fresh is not None:
                heappush(ages, fresh)
            place = places.get(first[1])
            if place is not None and place[0] == first[2]:
                return  # what waited longest there still does
            fresh = self._oldest(ages)
            if not branch.stale and parent.tick != _UNSORTED:
                branch.stale = True
                parent.shifted.append(branch)
            branch, parent = parent, parent.parent

    def _oldest(self, ages: list[Age]) -> Age | None:
        places = self._places
        while ages:
            place = places.get(ages[0][1])
            if place is not None and place[0] == ages[0][2]:
                return ages[0]
            heappop(ages)
        return None

    def shifted(self, path: Path) -> None:
        """The shares on a path are others now."""
        branch = self.root
        for name in path:
            below = branch.branches.get(name)
            if below is None:
                return
            if not below.stale and branch.tick != _UNSORTED:
                below.stale = True
                branch.shifted.append(below)
            branch = below

    def sorted(self, branch: Branch, tick: int) -> list[Key]:
        """The order of a branch in a tick. *Cost*: O(1) unless something changed."""
        if branch.tick != tick:
            branch.tick = tick
            for below in branch.shifted:
                below.stale, below.key = False, None
            branch.shifted.clear()
            share = self._shares.share
            keys = []
            for below in branch.branches.values():
                number, name, _ = below.ages[0]
                below.key = share(below.account, tick), number, name, below
                keys.append(below.key)
            keys.sort()
            branch.order = keys
        elif branch.shifted:
            self._settle(branch, tick)
        return branch.order

    def _settle(self, branch: Branch, tick: int) -> None:
        """Put what changed where it belongs among its equals."""
        order, share, fresh = branch.order, self._shares.share, []
        for below in branch.shifted:
            below.stale = False
            old, new = below.key, None
            if below.mask:
                number, name, _ = below.ages[0]
                account = below.account
                if account.tick == tick and account.weight == 1:  # as `share`, without a call
                    used = account.busy + account.average
                else:
                    used = share(account, tick)
                if old is not None and old[0] == used and old[1] == number and old[2] == name:
                    continue
                new = used, number, name, below
                fresh.append(new)
            if old is not None:
                del order[bisect_left(order, old)]
            below.key = new
        branch.shifted.clear()
        for key in fresh:
            insort(order, key)
        if branch.view is not None:
            for key in fresh:
                heappush(branch.moved, key)


def _narrow(leaf: Branch, line: int) -> None:
    """Nothing waits any more in a line of this leaf."""
    del leaf.heaps[line]
    bit = 1 << line
    leaf.mask ^= bit
    below, above = leaf, leaf.parent
    while above is not None:
        if not below.mask:
            del above.branches[below.name]
        count = above.counts[line] - 1
        if count:
            above.counts[line] = count
            return
        del above.counts[line]
        above.mask ^= bit
        below, above = above, above.parent
