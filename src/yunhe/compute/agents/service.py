"""What an agent asks and reports; every call may come twice, late and in any order.

One agent has a site at a time, by a lease. Its fence, a number that counts up with every agent that
takes the site and every start of one, stands in every call: what comes under an older one is
refused, so a job that was handed to somebody else can't be reported by the first. How long a job
ran is what the agent's steady clock says, and never more than passed here between handing it over
and hearing of its end: no clock that somebody can set has a part in it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import cast

from sqlalchemy import RowMapping

from yunhe.compute import store as compute
from yunhe.compute.agents import store
from yunhe.compute.agents.domain import (
    ENDS,
    LEASE_SECONDS,
    LOG_BYTES_MAX,
    LOG_PIECE_BYTES_MAX,
    QUIET_SECONDS,
    WAIT_SECONDS_MAX,
    Ended,
    Held,
    Order,
    Orders,
    Piece,
    Place,
    Use,
)
from yunhe.compute.providers.folder import FILE_NAME, OUTPUT_FILES_MAX
from yunhe.compute.providers.remote import Capacity, Node, UsageEvent
from yunhe.compute.remote.metering import TOLERANCE_US, Judged
from yunhe.compute.remote.store import add_usage, capacity_text, change_job, usage_of
from yunhe.compute.utilisation.domain import reported
from yunhe.kernel.canonical import JsonObject
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Conflict, Invalid, NotFound
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

__all__ = [
    "LEASE_SECONDS",
    "LOG_PIECE_BYTES_MAX",
    "QUIET_SECONDS",
    "WAIT_SECONDS_MAX",
    "Ended",
    "Held",
    "Node",
    "Order",
    "Orders",
    "Piece",
    "Place",
    "Use",
    "anything_new",
    "ended",
    "input_digest",
    "keep_output",
    "orders",
    "printed",
    "require_run",
    "started",
    "take",
    "using",
]


def take(
    tx: Transaction,
    place: Place,
    *,
    agent: str,
    fence: int,
    nodes: Sequence[Node],
    clock_us: int,
    now_us: int,
) -> Held:
    """Take a site, or keep it: ``fence`` 0 at an agent's start, then the one it got.

    Errors: `NotFound` ``compute.agent_site_unknown`` unless the provider has a pool there;
    `Conflict` ``compute.agent_held`` while another agent has it, ``compute.agent_fenced`` when it
    has lost it.
    """
    if not any(
        (each.pool.adapter, each.pool.provider) == (place.site, place.organisation)
        for each in compute.pools(tx)
    ):
        raise NotFound("compute.agent_site_unknown", site=place.site)
    row = store.agent(tx, place)
    if fence:
        _own(tx, place, fence)
        number = fence
    else:
        left_us = 0 if row is None else row["lease_until_us"] - now_us
        if row is not None and row["agent"] != agent and 0 < left_us <= LEASE_SECONDS * SECOND_US:
            seconds = -(-left_us // SECOND_US)
            raise Conflict("compute.agent_held", site=place.site, seconds=seconds)
        number = 1 if row is None else row["fence"] + 1
    store.set_agent(
        tx,
        place,
        agent=agent,
        fence=number,
        lease_until_us=now_us + LEASE_SECONDS * SECOND_US,
        seen_at_us=now_us,
        ahead_us=clock_us - now_us,
        nodes=capacity_text(Capacity(tuple(nodes))),
    )
    return Held(number, LEASE_SECONDS)


def _own(tx: Transaction, place: Place, fence: int) -> None:
    row = store.agent(tx, place)
    if row is None:
        raise NotFound("compute.agent_site_unknown", site=place.site)
    if row["fence"] != fence:
        raise Conflict("compute.agent_fenced", site=place.site)


def anything_new(
    tx: Transaction,
    place: Place,
    *,
    fence: int,
    room: Mapping[str, int],
    holding: Mapping[str, int],
    stopping: Collection[str],
) -> bool:
    """Whether `orders` would say anything an agent does not know."""
    _own(tx, place, fence)
    for row in store.open_offers(tx, place):
        if row["cancelled"]:
            if row["phase"] == "offered" or row["job"] not in stopping:
                return True
        elif row["job"] not in holding:
            if row["devices"] <= _free(room, row):
                return True
        elif holding[row["job"]] != row["run"] and row["job"] not in stopping:
            return True
    return False


def orders(
    tx: Transaction,
    place: Place,
    *,
    fence: int,
    room: Mapping[str, int],
    holding: Mapping[str, int],
    now_us: int,
) -> Orders:
    """What an agent with so many free devices by chip, holding these runs, is to start and stop.

    A job that was handed to it and that it does not hold, because its answer was lost, is named
    again; one that an agent before it had is a new run. Errors: `Conflict`
    ``compute.agent_fenced``.
    """
    _own(tx, place, fence)
    start: list[Order] = []
    stop: list[str] = []
    left = dict(room)
    for row in store.open_offers(tx, place):
        job = row["job"]
        if row["cancelled"]:
            if job in holding:
                stop.append(job)
            else:  # nobody runs it: never begun, or gone with the agent that had it
                store.change(tx, place, job, phase="stopped")
        elif job in holding:
            if holding[job] != row["run"]:  # somebody else got it since
                stop.append(job)
            elif row["fence"] != fence:  # it lived through a restart of its agent
                store.change(tx, place, job, fence=fence)
        elif row["devices"] <= _free(left, row):
            left[row["chip"]] = _free(left, row) - row["devices"]
            start.append(_handed(tx, place, row, fence=fence, now_us=now_us))
    gone = set(holding) - {row["job"] for row in store.open_offers(tx, place)}
    return Orders(tuple(start), (*stop, *sorted(gone)))


def _free(room: Mapping[str, int], row: RowMapping) -> int:
    """Devices for a job: those of its chip."""
    return room.get(row["chip"], 0)


def _handed(tx: Transaction, place: Place, row: RowMapping, *, fence: int, now_us: int) -> Order:
    run = row["run"]
    if row["phase"] == "offered" or row["fence"] != fence:
        run += 1
        handed = {"phase": "handed", "fence": fence, "handed_at_us": now_us}
        store.change(tx, place, row["job"], run=run, **handed)
    return Order(row["job"], run, store.asked(row))


def require_run(tx: Transaction, place: Place, job: str, *, fence: int, run: int) -> RowMapping:
    """The row of a job whose run this still is.

    Errors: `Conflict` ``compute.agent_fenced``, ``compute.agent_run``; `NotFound`
    ``compute.agent_job_unknown``.
    """
    _own(tx, place, fence)
    found = store.some(tx, place, [job])
    if not found or not found[0]["asked"]:
        raise NotFound("compute.agent_job_unknown", job=job)
    if found[0]["run"] != run:
        raise Conflict("compute.agent_run", job=job, run=run)
    return found[0]


def input_digest(tx: Transaction, place: Place, job: str, name: str, *, fence: int) -> str:
    """The blob that a job which this agent has finds under a name; nothing of one that is over.

    Errors: `Conflict` ``compute.agent_fenced``; `NotFound` ``compute.agent_job_unknown``.
    """
    _own(tx, place, fence)
    for row in store.some(tx, place, [job]):
        inputs = cast("dict[str, str]", store.asked(row).get("inputs", {}))
        has_it = row["fence"] == fence and row["phase"] in ("handed", "running")
        if has_it and name in inputs:
            return inputs[name]
    raise NotFound("compute.agent_job_unknown", job=job)


def started(tx: Transaction, place: Place, job: str, *, fence: int, run: int) -> None:
    """A run has begun; errors as `ended`."""
    row = require_run(tx, place, job, fence=fence, run=run)
    if row["phase"] == "handed":
        store.change(tx, place, job, phase="running")


def using(
    tx: Transaction, place: Place, job: str, use: Use, *, fence: int, run: int, now_us: int
) -> None:
    """What a run uses while it runs; of one that is over nothing is kept. Errors as `ended`."""
    row = require_run(tx, place, job, fence=fence, run=run)
    seen = reported(use.per_thousand, 1)
    if row["phase"] != "running" or seen.finding:
        return
    told = {"use_latest": seen.per_thousand, "use_cpu_ms": use.cpu_ms, "use_at_us": now_us}
    change_job(tx, job, **told)


def ended(
    tx: Transaction, place: Place, job: str, *, fence: int, run: int, said: Ended, now_us: int
) -> None:
    """A run has ended; said again, in whatever words, it changes nothing.

    What it says of its time that cannot be, or differs from what it said first, is kept as a
    finding. Errors: `Conflict` ``compute.agent_fenced``, ``compute.agent_run``; `NotFound`
    ``compute.agent_job_unknown``; `Invalid` ``compute.agent_outputs`` when it names files that it
    has not sent.
    """
    row = require_run(tx, place, job, fence=fence, run=run)
    if row["phase"] in ENDS:
        first = store.result(row)
        if first is not None and (first["phase"], first["wall_ms"]) != (said.phase, said.wall_ms):
            _found(tx, place, row, said, "compute.usage_changed", now_us=now_us)
        return
    sent = store.outputs(tx, place, job, run=run)
    if any(sent.get(name) != digest for name, digest in said.outputs.items()):
        raise Invalid("compute.agent_outputs", job=job)
    passed_us = max(now_us - (row["handed_at_us"] or now_us), 0)
    span_us = min(max(said.wall_ms, 0) * 1_000, passed_us)
    if said.phase != "lost":
        store.add_stretch(
            tx,
            place,
            job,
            run=run,
            start_us=now_us - span_us,
            end_us=now_us,
            devices=row["devices"],
            said_ms=said.wall_ms,
        )
    if said.wall_ms < 0:
        _found(tx, place, row, said, "compute.usage_negative", now_us=now_us)
    elif said.wall_ms * 1_000 > passed_us + TOLERANCE_US:
        _found(tx, place, row, said, "compute.usage_clock", now_us=now_us)
    store.change(
        tx, place, job, phase=said.phase, result=store.text(cast("JsonObject", asdict(said)))
    )


def _found(
    tx: Transaction, place: Place, row: RowMapping, said: Ended, finding: str, *, now_us: int
) -> None:
    """Keep what an agent said of a run that cannot be, beside what is charged; the first time."""
    name = f"{place.organisation}/{row['job']}/{row['run']}/{finding.partition('.')[2]}"
    known = usage_of(tx, [row["job"]]).get(row["job"], [])
    if any(one.event.id == name for one in known):
        return
    start_us = now_us - said.wall_ms * 1_000
    event = UsageEvent(name, row["job"], start_us, now_us, row["devices"], row["run"])
    judged = Judged(event, counts=False, finding=finding)
    add_usage(tx, place.site, [judged], at_us=now_us)


def printed(storage: Storage, place: Place, job: str, *, fence: int, run: int, piece: Piece) -> int:
    """Keep a piece of what a run printed; how many bytes of the stream there are then.

    A piece that was kept before is not kept again, one behind a gap not yet: the answer says where
    to go on. Errors: as `ended`; `Invalid` ``compute.agent_piece`` for one that is too long.
    """
    if len(piece.data) > LOG_PIECE_BYTES_MAX or piece.offset < 0:
        raise Invalid("compute.agent_piece", most=LOG_PIECE_BYTES_MAX)
    digest = storage.blobs.put(piece.data).digest if piece.data else ""
    with storage.database.begin() as tx:
        row = require_run(tx, place, job, fence=fence, run=run)
        there = store.printed_bytes(tx, place, job, run=run, stream=piece.stream)
        fits = there + len(piece.data) <= LOG_BYTES_MAX
        if piece.offset != there or not piece.data or not fits or row["forgotten"]:
            return there
        where = {"run": run, "stream": piece.stream, "start_bytes": there}
        store.add_piece(tx, place, job, size_bytes=len(piece.data), digest=digest, **where)
        return there + len(piece.data)


def keep_output(
    tx: Transaction, place: Place, job: str, *, fence: int, run: int, name: str, digest: str
) -> None:
    """Keep a file that a run wrote, whose bytes are stored.

    Errors: as `ended`; `Invalid` ``compute.agent_outputs`` for a name that can't be, or too many.
    """
    row = require_run(tx, place, job, fence=fence, run=run)
    sent = store.outputs(tx, place, job, run=run)
    full = name not in sent and len(sent) >= OUTPUT_FILES_MAX
    if full or not FILE_NAME.fullmatch(name) or row["phase"] in ENDS:
        raise Invalid("compute.agent_outputs", job=job)
    store.set_output(tx, place, job, run=run, name=name, digest=digest)
