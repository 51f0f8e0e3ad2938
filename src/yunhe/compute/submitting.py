"""A workload is asked for, or only what the platform would say to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from sqlalchemy import RowMapping

from yunhe.compute import store
from yunhe.compute.admission import BEHIND, arrived, is_small
from yunhe.compute.arriving import Known, digest, row_of
from yunhe.compute.columns import workload_of
from yunhe.compute.domain import Pool, Workload, WorkloadSpec
from yunhe.compute.errors import refuse, workload_unknown
from yunhe.compute.gaps import READ, Asked, Unread
from yunhe.compute.lasting import lasting
from yunhe.compute.limits import service as limits
from yunhe.compute.nearest import nodes_for, rooms
from yunhe.compute.passes import store as passes
from yunhe.compute.passes.domain import QUEUE_MAX
from yunhe.compute.queueing import service as queueing
from yunhe.compute.queueing.domain import Standing
from yunhe.compute.referring import folder_found
from yunhe.compute.remote import store as sites
from yunhe.compute.scheduling.cost import cost
from yunhe.compute.supply.offering import offering
from yunhe.compute.wanted import device_ms, wall_seconds_on
from yunhe.kernel.errors import Conflict, Exhausted, YunheError
from yunhe.kernel.ids import derived_id
from yunhe.storage.database import Database, Transaction, carried
from yunhe.storage.service import Storage

HOMES_MAX = 20
"""Most pools that a preview names, the cheapest."""
WAITING_MAX = 20_000
"""Workloads of one organisation that wait, unless the operator says otherwise."""
_NAME = "waiting_max"


@dataclass(frozen=True, slots=True)
class Home:
    """A pool that could take a workload when empty."""

    pool: Pool
    """Which."""
    device_ms: int
    """Device time that is held there, with all its replicas."""
    cost_minor: int
    """What that costs at most, at the price of now."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What the platform would say to a workload if it came now."""

    workload: Workload
    """As it would stand; its id means nothing."""
    standing: Standing | None
    """Its place and when it starts; None where it would be placed at once."""
    homes: tuple[Home, ...]
    """Pools it fits, the cheapest first."""


def take_waiting_max(database: Database, most: int) -> None:
    """Let so many workloads of one organisation wait from now on, whoever hands them over."""
    database.carry(**{_NAME: most})


def submit(
    storage: Storage,
    spec: WorkloadSpec,
    *,
    member: str | None = None,
    unread: Unread = READ,
) -> Workload:
    """Ask for a workload to be run; it is placed under holds, or waits and says why.

    The same spec again returns the same workload as it stands. ``unread``: what the caller found
    wrong with it already. Errors: `Invalid` ``compute.spec_invalid`` with every finding that no
    waiting would cure; `Conflict` ``compute.workload_differs`` when the key came with another spec
    before; `Exhausted` ``compute.waiting_full`` when as many of its organisation wait as may.
    """
    now_us = storage.clock.now_us()
    asked = looked_into(storage, spec, member=member, unread=unread)
    with storage.database.begin() as tx:
        [made] = submit_many(storage, tx, [asked], now_us=now_us)
        if isinstance(made, YunheError):
            raise made
        return made


def looked_into(
    storage: Storage, spec: WorkloadSpec, *, member: str | None = None, unread: Unread = READ
) -> Asked:
    """A request as `submit_many` takes it. Reads its working folder, so not in a transaction."""
    # Nothing is looked for in a folder that was not read or is not theirs to look into.
    unfound, lying = ([], []) if "folder" in unread.places else folder_found(storage, spec)
    return Asked(spec, unread, tuple(unfound), tuple(lying), member)


def look_over(storage: Storage, tx: Transaction, asked: Asked) -> None:
    """Raise what `submit_many` would refuse it with, as far as a transaction that reads can say.

    Nothing of what lies in a folder, since what holds for that is worked out when it is written.
    Errors: `Invalid` ``compute.spec_invalid``.
    """
    name = derived_id("workload", asked.spec.organisation, asked.spec.key)
    if not asked.lying and (asked.unread.findings or name not in store.digests(tx, [name])):
        known = Known(storage, tx, now_us=storage.clock.now_us())
        refuse("compute.spec_invalid", known.findings(asked))


def submit_many(
    storage: Storage, tx: Transaction, asked: Sequence[Asked], *, now_us: int
) -> list[Workload | YunheError]:
    """As `submit`, one after the other in a transaction that writes alone; an outcome for each.

    Each is shown as it stands after the last of them. Errors: those of the ledger and the database,
    which belong to none; then nothing of it may be kept, and each may be tried alone.
    """
    names = [derived_id("workload", each.spec.organisation, each.spec.key) for each in asked]
    there = store.digests(tx, names)
    arrivals = _Arrivals(storage, tx, now_us=now_us)
    errors: dict[int, YunheError] = {}
    for index, (name, each) in enumerate(zip(names, asked, strict=True)):
        try:
            if name not in there or each.unread.findings:
                there[name] = arrivals.take(name, each)
            elif there[name] != digest(each.spec):
                raise Conflict("compute.workload_differs", key=each.spec.key)
        except _Refused as refused:
            errors[index] = refused.error
        except Conflict as error:
            errors[index] = error
    arrivals.write()
    made = store.named(tx, {name for at, name in enumerate(names) if at not in errors})
    return [errors[at] if at in errors else made[name] for at, name in enumerate(names)]


class _Undone(Exception):
    """Takes back everything that a preview did."""


class _Refused(Exception):
    """One request is not taken, and nothing of it stays."""

    def __init__(self, error: YunheError) -> None:
        self.error = error


class _Arrivals:
    """Requests that come together, in one transaction: written in one go, and decided in one pass.

    Those behind `QUEUE_MAX` of their organisation only wait.
    """

    def __init__(self, storage: Storage, tx: Transaction, *, now_us: int) -> None:
        self._tx, self._now_us = tx, now_us
        self._known = Known(storage, tx, now_us=now_us)
        self._most = cast("int", carried(tx, _NAME) or WAITING_MAX)
        self._waiting: dict[str, int] = {}
        self._rows: list[Mapping[str, object]] = []
        self._first: list[str] = []
        self._hopeful: set[str] = set()

    def take(self, name: str, asked: Asked) -> str:
        """Refuse it with every finding, or let the scheduler have it; the digest of its spec.

        Errors: `_Refused`.
        """
        spec, now_us = asked.spec, self._now_us
        if spec.organisation in self._hopeful and self._waiting[spec.organisation] >= self._most:
            self.write()  # what is placed of those before it waits no more
        try:
            if asked.lying:
                with self._tx.begin_nested():
                    limits.carry(self._tx, asked.lying, [spec.folder], at_us=now_us)
                    self._check(asked)
            else:
                self._check(asked)
        except YunheError as error:
            raise _Refused(error) from None
        row = row_of(name, spec, member=asked.member, why=BEHIND, at_us=now_us)
        self._rows.append(row)
        if self._waiting[spec.organisation] < QUEUE_MAX:
            self._first.append(name)
            self._hopeful.add(spec.organisation)
        self._waiting[spec.organisation] += 1
        return str(row["spec_digest"])

    def write(self) -> None:
        """Keep them, and let the scheduler decide about those that come first."""
        rows, first = self._rows, self._first
        self._rows, self._first, self._hopeful, self._waiting = [], [], set(), {}
        store.add_workloads(self._tx, rows)
        placed = arrived(self._tx, first, now_us=self._now_us) if first else 0
        if placed and len(first) < len(rows):
            passes.mark(self._tx)  # for some it is their turn already

    def _check(self, asked: Asked) -> None:
        refuse("compute.spec_invalid", self._known.findings(asked))
        of, most = asked.spec.organisation, self._most
        if of not in self._waiting:
            self._waiting[of] = passes.waiting(self._tx, of, most=most)
        if self._waiting[of] >= most:
            raise Exhausted("compute.waiting_full", most=most)


def preview(
    storage: Storage,
    spec: WorkloadSpec,
    *,
    member: str | None = None,
    unread: Unread = READ,
) -> Preview:
    """What `submit` would do with a workload now; nothing of it stays.

    It is submitted in a transaction that is then taken back, so the answer is the platform's own:
    findings, place, holds and forecast. ``spec.key`` must be new. Errors: as `submit`. Cost: a
    submission in the writers' turn, with a picture of the queue where that is small; a larger
    queue is only read, beside them, and the forecast needs no transaction at all.
    """
    now_us = storage.clock.now_us()
    found: list[tuple[RowMapping, Workload]] = []
    looked: list[tuple[Callable[[], Standing | None], tuple[Home, ...]]] = []
    asked = looked_into(storage, spec, member=member, unread=unread)
    try:
        with storage.database.begin() as tx:
            [came] = submit_many(storage, tx, [asked], now_us=now_us)
            if isinstance(came, YunheError):
                raise came
            row = store.row(tx, came.id)
            assert row is not None  # noqa: S101 - it was added in this transaction
            found.append((row, came))
            if is_small(tx):  # then others may have been placed with it
                standing = queueing.looked(tx, came.id, now_us=now_us)
                looked.append((standing, _homes(tx, spec, now_us=now_us)))
            raise _Undone
    except _Undone:
        [(row, made)] = found
    if not looked:
        with storage.database.read() as tx:
            standing = queueing.looked(tx, row["id"], now_us=now_us, coming=row)
            looked.append((standing, _homes(tx, spec, now_us=now_us)))
    [(standing, homes)] = looked
    return Preview(made, standing(), homes)


def _homes(tx: Transaction, spec: WorkloadSpec, *, now_us: int) -> tuple[Home, ...]:
    """Where it fits when nothing else runs, and what would be held there."""
    pools = lasting(tx, [status.pool for status in store.pools(tx)])
    nodes = nodes_for(tx, spec, pools)
    able = limits.looking_at(tx, sites.abilities(tx), spec, now_us=now_us)
    fitting = rooms(spec, pools, nodes, able=able).homes(spec)
    offered = offering(tx, pools, now_us=now_us)
    found = []
    for pool in fitting:
        wall_ms = wall_seconds_on(spec, pool.chip) * 1_000
        held_ms = device_ms(spec, wall_ms=wall_ms, replicas=spec.replicas)
        price = offered.price(pool)
        found.append(Home(pool, held_ms, cost(held_ms, price_minor_per_device_hour=price)))
    found.sort(key=lambda home: (home.cost_minor, home.pool.id))
    return tuple(found[:HOMES_MAX])


def workload(tx: Transaction, workload_id: str) -> Workload:
    """A workload as it stands. Errors: `NotFound` ``compute.workload_unknown``."""
    found = store.row(tx, workload_id)
    if found is None:
        raise workload_unknown(workload_id)
    held = store.draws(tx, workload_id)
    chips = store.chips_placed(tx, [found["pool"]] if found["pool"] else [])
    return workload_of(
        found,
        [(draw.award, draw.covers_ms) for draw in held],
        chip_placed=chips.get(found["pool"], ""),
    )
