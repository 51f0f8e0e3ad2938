"""A database whose process dies with SIGKILL at the commit it was told; for programs of tests."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from yunhe.storage.database import Database, Transaction
from yunhe.storage.dialect import Turn


class Mortal(Database):
    """Dies right before or right after the commit of the write transaction with that number."""

    def __init__(self, url: str, when: str, number: int) -> None:
        super().__init__(url)
        self._end, self._begun = (when, number), 0

    @contextmanager
    def _transaction(self, turn: Turn) -> Iterator[Transaction]:
        with super()._transaction(turn) as tx:
            yield tx
            self._begun += turn != "read"
            if turn != "read":
                self._die("before")
        if turn != "read":
            self._die("after")

    def _die(self, when: str) -> None:
        if (when, self._begun) == self._end:
            os.kill(os.getpid(), signal.SIGKILL)
