"""Whose turn it is within one pass: along the tree of tenants, to the first whose line is open."""

from __future__ import annotations

import heapq

from yunhe.compute.scheduling.branches import Branch, Entry, Key, Tree
from yunhe.compute.scheduling.queues import Queue
from yunhe.compute.scheduling.shapes import Shape
from yunhe.compute.scheduling.state import Request


class Turns:
    """Requests in the order of the queue, from lines that are open, one by one.

    What is served or closed never comes again in a pass, so a branch with nothing open is dropped
    from the pass's view when it is met, and branches are moved only where a share changed.

    *Cost*: a turn takes O(log n) and a few masks of lines; every line of a leaf is looked at once.
    """

    def __init__(self, queue: Queue, lines: int, *, tick: int) -> None:
        self.open = lines
        """Mask of the lines in which somebody may still be served."""
        self._queue = queue
        self._tick = tick
        self._seen: list[Branch] = []

    def __enter__(self) -> Turns:
        return self

    def __exit__(self, *_: object) -> None:
        for branch in self._seen:
            branch.view = branch.heads = None

    def next(self) -> tuple[Request, Shape] | None:
        """Who is considered now; None when nobody is left.

        Before the next call it leaves the queue, or its line is closed.
        """
        for tree in self._queue.trees:
            found = self._first(tree) if tree.root.mask & self.open else None
            if found is not None:
                return found
        return None

    def close(self, lines: int) -> None:
        """Nobody of these lines is considered any more."""
        self.open &= ~lines

    def _first(self, tree: Tree) -> tuple[Request, Shape] | None:
        branch = tree.root
        while True:
            if not branch.branches:
                found = self._of_leaf(branch)
                if found is not None:
                    return found
                key = None
            else:
                key = self._below(tree, branch)
            if key is not None:
                branch = key[3]
            elif branch.parent is None:
                return None
            else:  # something came to a line of it that had been passed by
                branch = branch.parent
                self._pass_by(branch)

    def _below(self, tree: Tree, branch: Branch) -> Key | None:
        """Whose turn it is of the branches of one; None when nothing is open there."""
        view = branch.view
        if view is None:
            view = branch.view = tree.sorted(branch, self._tick).copy()
            branch.at = 0
            if branch.moved:
                branch.moved = []
            self._seen.append(branch)
        elif branch.shifted:
            tree.sorted(branch, self._tick)
        moved, count, lines, at = branch.moved, len(view), self.open, branch.at
        for at in range(at, count):  # noqa: B020 - a third faster than counting
            key = view[at]
            below = key[3]
            if below.mask & lines and below.key is key:
                break
        else:
            at = count
        branch.at = at
        while moved and (moved[0][3].key is not moved[0] or not moved[0][3].mask & lines):
            heapq.heappop(moved)
        if at == count:
            return moved[0] if moved else None
        return moved[0] if moved and moved[0] < key else key

    def _pass_by(self, branch: Branch) -> None:
        """Leave out the one of its branches whose turn it was."""
        view, moved, at = branch.view or [], branch.moved, branch.at
        if at == len(view) or (moved and moved[0] < view[at]):
            heapq.heappop(moved)
        else:
            branch.at += 1

    def _of_leaf(self, leaf: Branch) -> tuple[Request, Shape] | None:
        if leaf.heads is None:
            heaps, left = leaf.heaps, leaf.mask & self.open
            heads: list[tuple[Entry, int]] = []
            while left:  # as `bits`, without a generator's turns
                low = left & -left
                left ^= low
                line = low.bit_length() - 1
                heads.append((heaps[line][0], line))
            heapq.heapify(heads)
            leaf.heads = heads
            self._seen.append(leaf)
        heads = leaf.heads
        while heads:
            entry, line = heads[0]
            if self.open >> line & 1:
                heap = leaf.heaps.get(line)
                if heap is not None and heap[0] is entry:
                    return entry[4], self._queue.lines[line]
                if heap is None:
                    heapq.heappop(heads)
                else:
                    heapq.heapreplace(heads, (heap[0], line))
            else:
                heapq.heappop(heads)
        return None


class Later:
    """Who does not fit where it can pay, in lines where others may pay for more."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._requests: list[tuple[Request, Shape]] = []
        self._known: set[tuple[str, int]] = set()

    def takes(self, request: Request, shape: Shape) -> bool:
        """Whether another of its organisation was in the same case, and so is this one."""
        if (request.organisation, shape.number) not in self._known:
            return False
        self.add(request, shape)
        return True

    def add(self, request: Request, shape: Shape) -> None:
        """Take it out of the queue for the rest of the pass."""
        self._known.add((request.organisation, shape.number))
        self._queue.remove(request.id)
        self._requests.append((request, shape))

    def end(self) -> int:
        """Put them back; their lines."""
        for request, shape in self._requests:
            self._queue.add(request, shape)
        return sum(1 << line for line in {shape.number for _, shape in self._requests})
