"""What all requests of one process share: how they reach the database, and what is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from yunhe.api.streams import Streams
from yunhe.api.turns import Turns
from yunhe.app import Platform
from yunhe.kernel.errors import Unavailable, YunheError
from yunhe.settings import Settings
from yunhe.storage.database import Transaction
from yunhe.storage.grouping import Batch, GroupCommit
from yunhe.storage.service import Storage

THREADS = 8
"""Requests that wait for a database elsewhere, or for long reads and commands, at a time."""

PLACES = 20
"""Items of work in the group that is written and the one that comes next, all organisations': what
one can have others wait for. More would bring little: a flush of the disk is shared by these."""

FILES_MAX = 16
"""Files taken in at a time."""

OWN = "*"
"""Whose turn it is where the platform itself looks, e.g. who a key belongs to; like no id."""

_Result = TypeVar("_Result")
_Item = TypeVar("_Item")


class Runtime:
    """The ways from a request to storage; started and stopped with the server.

    A look-up in a database that is a file of this machine takes some ten microseconds and waits for
    nobody, so it is done where the request is; handing it to a thread and back costs several times
    as much. Everything else goes to threads, and short writes go in groups.
    """

    def __init__(self, platform: Platform) -> None:
        """Nothing runs before `start`."""
        self.platform = platform
        self.storage: Storage = platform.storage
        self.settings: Settings = platform.settings
        self.writes = GroupCommit(platform.storage.database)
        self.document: Callable[[], bytes] = bytes
        """Writes the OpenAPI document, once; half a second that no start has to wait for."""
        self.streams = Streams(self.look)
        """Open streams of events."""
        database = platform.storage.database
        self._reader = database.reader() if database.embedded else None
        self._threads, self._files = _pools()
        self._files_open = 0
        self._turns, self._places = Turns(THREADS), Turns(PLACES)

    def start(self) -> None:
        """Begin to commit."""
        self._threads, self._files = _pools()
        self.writes.start()

    def stop(self) -> None:
        """Commit what waits, let running work end; blocks until then."""
        self.writes.stop()
        self._threads.shutdown()
        self._files.shutdown()
        if self._reader is not None:
            self._reader.close()

    def now_us(self) -> int:
        """The platform's time."""
        return self.storage.clock.now_us()

    async def look(self, work: Callable[[Transaction], _Result], *, whose: str = OWN) -> _Result:
        """Read a few rows by their keys or an index in one consistent state."""
        if self._reader is not None:
            return self._reader.run(work)
        return await self.read(work, whose=whose)

    def version(self) -> int | None:
        """What `look` reads has not changed as long as this number is the same; None: unknown."""
        return None if self._reader is None else self._reader.version()

    async def read(self, work: Callable[[Transaction], _Result], *, whose: str = "") -> _Result:
        """Read as much as the work wants, without keeping other requests waiting."""
        return await self.apart(lambda: self._read(work), whose=whose)

    async def write(self, work: Callable[[Transaction], _Result]) -> _Result:
        """Run a short command in the next group; returns when it is durable."""
        return await asyncio.wrap_future(self.writes.run(work))

    async def join(self, batch: Batch[_Item, _Result], item: _Item) -> _Result:
        """Run an item together with like ones of the same group; returns when it is durable."""
        return await asyncio.wrap_future(self.writes.join(batch, item))

    async def join_in_turn(
        self, batch: Batch[_Item, _Result], item: _Item, *, whose: str
    ) -> _Result:
        """As `join`, for items of some work: organisations take turns at the places in groups."""

        def begin() -> asyncio.Future[_Result]:
            return asyncio.wrap_future(self.writes.join(batch, item))

        return await self._places.run(whose, begin)

    def write_later(self, work: Callable[[Transaction], object]) -> None:
        """Run a command in some group soon; nobody is told what came of it, so it may be lost."""
        with suppress(YunheError):
            self.writes.run(work)

    async def apart(self, work: Callable[[], _Result], *, whose: str = "") -> _Result:
        """Run what blocks in a thread: a command with its own transactions, a file, a network.

        Organisations take turns; ``whose`` it is, empty for nobody's.
        """
        loop = asyncio.get_running_loop()
        return await self._turns.run(whose, lambda: loop.run_in_executor(self._threads, work))

    async def with_file(self, work: Callable[[], _Result]) -> _Result:
        """Take in or give out a file, which goes as slowly as its caller's connection.

        Errors: `Unavailable` ``api.files_busy`` when too many are under way.
        """
        if self._files_open >= FILES_MAX:
            raise Unavailable("api.files_busy", most=FILES_MAX, retryable=True)
        self._files_open += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._files, work)
        finally:
            self._files_open -= 1

    def _read(self, work: Callable[[Transaction], _Result]) -> _Result:
        with self.storage.database.read() as tx:
            return work(tx)


def _pools() -> tuple[ThreadPoolExecutor, ThreadPoolExecutor]:
    """Threads for what blocks, and for files; made only when they are needed."""
    return (
        ThreadPoolExecutor(THREADS, "yunhe-api"),
        ThreadPoolExecutor(FILES_MAX, "yunhe-files"),
    )
