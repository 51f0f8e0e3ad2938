"""Running work of a home folder on this machine, for whoever may write to the folder.

The folder's own rights are the authority here: who opens its database needs no key of it.
"""

from __future__ import annotations

import uuid

from yunhe.app import Platform
from yunhe.compute import service as compute
from yunhe.compute.service import live
from yunhe.kernel.clock import Clock
from yunhe.storage.database import Database

HOME = "home"
"""Stands for a member."""


class AtHome:
    """What `yunhe.compute.live.service` offers, for one platform."""

    def __init__(self, platform: Platform) -> None:
        """``platform`` stays open as long as this is used."""
        self._storage = platform.storage

    @property
    def _database(self) -> Database:
        return self._storage.database

    @property
    def _clock(self) -> Clock:
        return self._storage.clock

    def log(self, workload: str, offset: int) -> live.Part:
        """As `live.service.log`."""
        with self._database.read() as tx:
            return live.log(tx, workload, offset)

    def run(
        self,
        workload: str,
        command: tuple[str, ...],
        *,
        tty: bool,
        rows: int,
        columns: int,
        closes: bool,
    ) -> str:
        """Start a command; its id. Errors: as `live.service.ask`."""
        with self._database.read() as tx:
            organisation = compute.workload(tx, workload).spec.organisation
        asked = live.Asked(
            workload,
            organisation,
            HOME,
            command=command,
            tty=tty,
            rows=rows,
            columns=columns,
            closes=closes,
        )
        return live.ask(self._storage, asked, key=uuid.uuid4().hex).id

    def place(self, exec_id: str) -> tuple[int, int]:
        """How much a command said, and the number of the last piece of input it was given."""
        with self._database.read() as tx:
            found = live.find(tx, exec_id)
        return found.said_bytes, found.input_last

    def output(self, exec_id: str, offset: int) -> live.Part:
        """What a command says from a byte on; so far the reader has it."""
        with self._database.begin_shared() as tx:
            live.given(tx, exec_id, offset, at_us=self._clock.now_us())
            return live.output(tx, exec_id, offset)

    def type_in(self, exec_id: str, seq: int, data: bytes, **over: int) -> None:
        """Give a command a piece of input. Errors: as `live.service.type_in`."""
        piece = live.Input(
            seq,
            data,
            eof=bool(over.get("eof")),
            rows=over.get("rows"),
            columns=over.get("columns"),
        )
        with self._database.begin() as tx:
            live.type_in(tx, exec_id, piece, member=HOME)

    def end(self, exec_id: str) -> None:
        """End a command."""
        with self._database.begin() as tx:
            live.end(tx, exec_id, member=HOME)
