"""Threads for what blocks, shared fairly: whoever asks for much waits behind nobody but itself.

Organisations take turns for a thread, one piece of work each; within one it goes in order. One
alone never has all threads, so that another's next piece begins at once or after one of theirs.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from typing import TypeVar

SPARE = 4
"""Threads that one organisation leaves to others, however much it asks for; writers take turns at
the database anyway, so more threads of one's own would bring it little."""
_Result = TypeVar("_Result")


class Turns:
    """Who may use a thread next. Of one event loop."""

    def __init__(self, threads: int) -> None:
        """``threads``: how many there are."""
        self._free = threads
        self._most = max(threads - SPARE, 1)
        self._busy: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @property
    def free(self) -> int:
        """Threads that nobody uses now."""
        return self._free

    async def run(self, whose: str, begin: Callable[[], asyncio.Future[_Result]]) -> _Result:
        """Wait for a thread and let work begin in it; ``whose``: the organisation, or another name.

        Work that has begun keeps its thread until it ends, though nobody may wait for it any more.
        """
        await self._take(whose)
        try:
            working = begin()
        except BaseException:
            self._give(whose)
            raise
        working.add_done_callback(lambda ended: self._ended(ended, whose))
        return await asyncio.shield(working)

    def _ended(self, work: asyncio.Future[_Result], whose: str) -> None:
        if not work.cancelled():
            work.exception()  # whoever waits is told; if nobody does, nobody need hear of it
        self._give(whose)

    async def _take(self, whose: str) -> None:
        if self._may(whose) and not self._waiting.get(whose):
            self._begin(whose)
            return
        asked: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(whose, deque()).append(asked)
        try:
            await asked
        except asyncio.CancelledError:
            if asked.done() and not asked.cancelled():  # it was its turn in the same moment
                self._give(whose)
            raise

    def _may(self, whose: str) -> bool:
        return self._free > 0 and self._busy[whose] < self._most

    def _begin(self, whose: str) -> None:
        self._free -= 1
        self._busy[whose] += 1

    def _give(self, whose: str) -> None:
        self._free += 1
        self._busy[whose] -= 1
        if not self._busy[whose]:
            del self._busy[whose]
        for name in list(self._waiting):
            if not self._free:
                return
            self._serve(name)

    def _serve(self, whose: str) -> None:
        """Let the first that waits begin, and put its organisation behind the others."""
        queue = self._waiting[whose]
        while queue and queue[0].done():  # its request was given up
            queue.popleft()
        if not queue:
            del self._waiting[whose]
        elif self._may(whose):
            self._begin(whose)
            queue.popleft().set_result(None)
            self._waiting.move_to_end(whose)
            if not queue:
                del self._waiting[whose]
