"""Which devices of this machine each running job has: distinct, the lowest that are free first.

Kept in a folder beside the jobs, one file for each that runs, locked for as long as it does: what a
killed runner leaves is free at once, and its job has the same devices when it runs again, unless
somebody needed them meanwhile. Jobs that share a device are told apart by its place in their pool.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from yunhe.compute.cards import Card
from yunhe.kernel.canonical import canonical_bytes
from yunhe.kernel.errors import Unavailable
from yunhe.storage.blobs import explain_os_error

WAIT_SECONDS = 10.0
"""How long a job waits for a device that one before it is about to leave."""
FOLDER = ".devices"
"""Where it is kept, within the folder of all jobs."""
_TICK_SECONDS = 0.05
_BYTES_MAX = 1 << 20
_MUTEX = ".lock"

Key = tuple[str, int]
"""A device of this machine: its maker and its number."""


@dataclass(frozen=True, slots=True)
class Held:
    """What one job has."""

    devices: tuple[Key, ...] = ()
    """Its devices; of a job that shares, one for each of `places`."""
    places: tuple[str, ...] = ()
    """Places in its pool that it shares with others; none: it has whole devices."""


def choose(
    there: Sequence[Key],
    *,
    count: int,
    places: Sequence[str] = (),
    live: Sequence[Held] = (),
    left: Sequence[Held] = (),
    before: Held | None = None,
) -> tuple[Key, ...] | None:
    """The devices of a job that begins; None while there are not enough of them.

    ``live``: what running jobs have; ``left``: what killed ones had; ``before``: what this one had
    before it was killed. With ``places`` it gets one device for each of them, that of who is at the
    same place; without, ``count`` whole ones. *Order*: those it had, those that nobody had, those
    that killed jobs had; the lowest first.
    """
    taken = {device for held in live for device in held.devices}
    missed = {device for held in left for device in held.devices}
    own = before.devices if before is not None else ()
    free = sorted(
        (device for device in there if device not in taken),
        key=lambda device: (device not in own, device in missed, device),
    )
    if not places:
        return tuple(sorted(free[:count])) if len(free) >= count else None
    at: dict[str, Key] = {}
    for held in (before, *live):
        if held is not None:
            known = zip(held.places, held.devices, strict=False)
            able = there if held is not before else free
            at.update((place, device) for place, device in known if device in able)
    needed = dict.fromkeys(places)
    spare = [device for device in free if device not in {at.get(place) for place in needed}]
    fresh = [place for place in needed if place not in at]
    if len(fresh) > len(spare):
        return None
    at.update(zip(fresh, spare, strict=False))
    return tuple(at[place] for place in places)


class Assignments:
    """Who has which device, on this machine; any number of processes may share the folder."""

    def __init__(self, work_root: Path) -> None:
        """``work_root``: the folder of all jobs; nothing is made before the first assignment."""
        self._folder = work_root / FOLDER

    @contextmanager
    def held(
        self,
        job: str,
        there: Sequence[Card],
        *,
        count: int,
        places: Sequence[str],
        stopped: Callable[[], bool],
    ) -> Iterator[tuple[Card, ...]]:
        """The devices of a job until the block ends; with ``places`` one for each, else ``count``.

        Errors: `Unavailable` ``compute.cards_missing`` when there are not so many here at all,
        ``compute.cards_busy`` when they are not left in time; the disk's.
        """
        wanted, known = len(set(places)) or count, {_key(card): card for card in there}
        if wanted > len(known):
            raise Unavailable(
                "compute.cards_missing", wanted=wanted, there=len(known), retryable=True
            )
        until = time.monotonic() + WAIT_SECONDS
        while (kept := self._try(job, list(known), count, places)) is None:
            if stopped() or time.monotonic() > until:
                raise Unavailable("compute.cards_busy", wanted=wanted, retryable=True)
            time.sleep(_TICK_SECONDS)
        handle, chosen = kept
        try:
            yield tuple(known[device] for device in chosen)
        finally:
            with suppress(OSError), self._alone():  # what stays there is nobody's once it is closed
                (self._folder / job).unlink(missing_ok=True)
            os.close(handle)

    def running(self) -> dict[str, Held]:
        """What each running job has."""
        with suppress(FileNotFoundError), self._alone():
            return {name: held for name, (held, live) in self._all().items() if live}
        return {}

    def _try(
        self, job: str, there: Sequence[Key], count: int, places: Sequence[str]
    ) -> tuple[int, tuple[Key, ...]] | None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._alone():
                kept = self._all()
                before, _ = kept.pop(job, (None, False))
                chosen = choose(
                    there,
                    count=count,
                    places=places,
                    live=[held for held, live in kept.values() if live],
                    left=[held for held, live in kept.values() if not live],
                    before=before,
                )
                if chosen is None:
                    return None
                for name, (held, live) in kept.items():
                    if not live and set(held.devices) & set(chosen):
                        (self._folder / name).unlink(missing_ok=True)  # it will get others
                return self._keep(job, Held(chosen, tuple(places))), chosen
        except OSError as error:
            raise explain_os_error(error, self._folder) from error

    def _keep(self, job: str, held: Held) -> int:
        """Write it and lock it for as long as the handle is open."""
        handle = os.open(self._folder / job, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            said = {"devices": [list(each) for each in held.devices], "places": list(held.places)}
            os.ftruncate(handle, 0)
            os.pwrite(handle, canonical_bytes(said), 0)  # type: ignore[arg-type] # rows of plain values
        except BaseException:
            os.close(handle)
            raise
        return handle

    def _all(self) -> dict[str, tuple[Held, bool]]:
        """What is kept, and whether its job runs; only asked by whoever is alone."""
        found = {}
        for path in sorted(self._folder.iterdir()):
            if path.name == _MUTEX:
                continue
            handle = os.open(path, os.O_RDONLY)
            try:
                said = os.read(handle, _BYTES_MAX)
                try:
                    fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
                    live = False
                except BlockingIOError:
                    live = True
            finally:
                os.close(handle)
            found[path.name] = _read(said), live
        return found

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else looks or writes meanwhile."""
        handle = os.open(self._folder / _MUTEX, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _key(card: Card) -> Key:
    return card.vendor, card.number


def _read(said: bytes) -> Held:
    """What a file says; nothing of one that was not wholly written."""
    try:
        told = json.loads(said)
        devices = tuple((str(vendor), int(number)) for vendor, number in told["devices"])
        return Held(devices, tuple(str(place) for place in told["places"]))
    except (ValueError, KeyError, TypeError):
        return Held()
