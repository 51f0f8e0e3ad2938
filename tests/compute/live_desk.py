"""A worker with one running job, and somebody who runs commands inside it."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from yunhe.compute import service as compute
from yunhe.compute.domain import Workload
from yunhe.compute.live import service as live
from yunhe.compute.live.service import Asked, Exec, Input
from yunhe.compute.providers.entry_points import EntryPoint
from yunhe.compute.providers.local import LocalProvider
from yunhe.kernel.clock import SystemClock
from yunhe.storage.service import Storage

TALKER = EntryPoint("talker", root=Path(__file__).parent / "programs")
SECONDS = 180
"""Far more than anything takes: the machine may be busy with other tests."""


def eventually(found: Callable[[], object], what: str) -> object:
    """Look until there is something; another process is waited for."""
    until = time.monotonic() + SECONDS
    while not (one := found()):
        assert time.monotonic() < until, f"waited {SECONDS} s for {what}"
        time.sleep(0.02)
    return one


@dataclass
class Running:
    """One workload that runs in a thread, and commands inside it."""

    city: object
    workload: Workload
    keys: Iterator[int] = field(default_factory=itertools.count)

    @property
    def storage(self):
        return self.city.storage

    def look(self, work, *arguments):
        with self.storage.database.read() as tx:
            return work(tx, *arguments)

    def log(self) -> bytes:
        return b"".join(each.data for each in all_of(self, live.log, self.workload.id))

    def ask(self, *command: str, **over) -> Exec:
        asked = Asked(
            self.workload.id, self.city.university, "member_me", command=tuple(command), **over
        )
        return live.ask(self.storage, asked, key=f"k{next(self.keys)}")

    def type_in(self, made: Exec, seq: int, data: bytes = b"", **over) -> None:
        with self.storage.database.begin() as tx:
            live.type_in(tx, made.id, Input(seq, data, **over), member="member_me")

    def follow(self, made: Exec, *, until: bytes = b"", offset: int = 0) -> tuple[bytes, Exec]:
        """Read a command's output as a door does, to its end or until something was said."""
        said = bytearray()

        def look() -> Exec | None:
            nonlocal offset
            part = self.look(live.output, made.id, offset)
            offset += sum(piece.size for piece in part.pieces)
            said.extend(b"".join(piece.data for piece in part.pieces))
            with self.storage.database.begin() as tx:
                live.given(tx, made.id, offset, at_us=self.storage.clock.now_us())
            found = self.look(live.find, made.id)
            return found if part.ended or (until and until in said) else None

        found = eventually(look, f"the end of a command; so far {bytes(said)[-200:]!r}")
        return bytes(said), found

    def run(self, *command: str, **over) -> tuple[bytes, Exec]:
        return self.follow(self.ask(*command, **over))

    def state(self) -> str:
        return self.city.see(self.workload).state


def all_of(running: Running, read, subject: str, offset: int = 0) -> list[live.Piece]:
    """Every piece there is now."""
    found: list[live.Piece] = []
    while pieces := running.look(read, subject, offset).pieces:
        found += pieces
        offset += sum(piece.size for piece in pieces)
    return found


def provider_of(folder: Path, **over) -> LocalProvider:
    programs = {"talker": TALKER, live.SESSION: live.SESSION_PROGRAM}
    return LocalProvider(folder / "work", programs, **over)


@contextmanager
def running(city, provider, *, entry_point: str = "talker", until=None, **over):
    """The workload while a thread runs it; when the block ends it is cancelled."""
    arguments = over.pop("arguments", {})
    options = {name: over.pop(name) for name in ("vault", "idle") if name in over}
    made = city.submit(
        entry_point=entry_point, arguments=arguments, wall=over.pop("wall", 300), **over
    )
    ended: list[Workload] = []

    def work() -> None:
        ended.append(compute.run_next(city.storage, provider, **options))

    thread = threading.Thread(target=work)
    thread.start()
    found = Running(city, made)
    try:
        eventually(lambda: found.state() != "placed", "the workload")
        yield found
    finally:
        if found.state() == "running":
            compute.cancel(city.storage, made.id)
        thread.join(SECONDS)
        assert not thread.is_alive()


def on_the_real_clock(city):
    """The city, with time that passes by itself."""
    clock = SystemClock()
    storage = Storage(city.storage.database, city.storage.blobs, clock)
    return replace(city, storage=storage, clock=clock)
