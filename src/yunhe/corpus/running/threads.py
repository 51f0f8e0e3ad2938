"""Does units with threads of this process: blocks side by side, results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field

from yunhe.corpus.running.folder import disk
from yunhe.corpus.running.intake import Plan
from yunhe.corpus.running.shop import Shop
from yunhe.corpus.running.unit import Worked, Writer

BLOCKS_IN_FLIGHT = 2
"""Blocks read ahead for each thread."""
_SHARE = 16
"""Of the memory, one part in so many for blocks in flight; steps hold several copies of each."""

_Result = tuple[str, Worked | None]
"""A unit and one of its blocks, or None where it ends."""


def by_threads(
    plans: Iterator[Plan],
    shop: Shop,
    *,
    threads: int,
    memory_bytes_max: int,
    told: Callable[[int, int], None],
) -> Iterator[str]:
    """Every unit's name in order, once it is finished.

    ``told``: each block's documents, and how far the inputs are then.
    """
    bytes_max = memory_bytes_max // _SHARE
    results = _alone(plans, shop) if threads <= 1 else _together(plans, shop, threads, bytes_max)
    line = _Line(shop)
    with ExitStack() as stack:
        stack.push(line.leave)
        for name, worked in results:
            if worked is None:
                line.end()
                yield name
            else:
                line.take(name, worked)
                told(worked.processed.count, worked.reached)


@dataclass
class _Line:
    """The unit that is being written."""

    shop: Shop
    stack: ExitStack = field(default_factory=ExitStack)
    writer: Writer | None = None

    def take(self, name: str, worked: Worked) -> None:
        if self.writer is None:
            self.writer = self.stack.enter_context(self.shop.writer(name))
        with disk(self.shop.folder):
            self.writer.add(worked)

    def end(self) -> None:
        self.stack.close()
        self.writer = None

    def leave(self, *error: object) -> bool:
        """Give the unit up when something was raised."""
        return bool(self.stack.__exit__(*error))  # type: ignore[arg-type]


def _alone(plans: Iterator[Plan], shop: Shop) -> Iterator[_Result]:
    for plan in plans:
        if not shop.has(plan.name):
            plan.blocks.reverse()
            while plan.blocks:
                yield plan.name, shop.work(plan.blocks.pop())
        yield plan.name, None


def _together(plans: Iterator[Plan], shop: Shop, threads: int, bytes_max: int) -> Iterator[_Result]:
    waiting: deque[tuple[str, Future[Worked] | None, int]] = deque()
    held = 0

    def drained(blocks: int, bytes_: int) -> Iterator[_Result]:
        nonlocal held
        while len(waiting) > blocks or held > bytes_:
            name, future, size = waiting.popleft()
            held -= size
            yield name, None if future is None else future.result()

    with ThreadPoolExecutor(threads, thread_name_prefix="corpus") as pool:
        try:
            for plan in plans:
                if not shop.has(plan.name):
                    plan.blocks.reverse()
                    while plan.blocks:
                        block = plan.blocks.pop()
                        size = len(block.packed)
                        waiting.append((plan.name, pool.submit(shop.work, block), size))
                        held += size
                        yield from drained(BLOCKS_IN_FLIGHT * threads, bytes_max)
                waiting.append((plan.name, None, 0))
            yield from drained(0, 0)
        finally:
            for _, future, _ in waiting:
                if future is not None:
                    future.cancel()
