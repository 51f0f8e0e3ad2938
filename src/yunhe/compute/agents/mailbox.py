"""A site whose agent fetches its work: the seam of distant schedulers, over rows of our own.

`yunhe.compute.remote.driver` drives it as it does any other; the agent sees the rows through
`yunhe.compute.agents.service`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Literal, cast

from sqlalchemy import RowMapping

from yunhe.compute.agents import store
from yunhe.compute.agents.domain import Place
from yunhe.compute.providers.remote import (
    LOG_PART_BYTES_MAX,
    Capacity,
    Node,
    Phase,
    Report,
    Result,
    Seen,
    Stream,
    UsageEvent,
)
from yunhe.compute.providers.seam import Gap, Job, Metered
from yunhe.compute.reasons import Why
from yunhe.compute.utilisation.domain import reported
from yunhe.kernel.canonical import Json, JsonObject
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import NotAllowed, NotFound
from yunhe.storage.blobs import Blobs
from yunhe.storage.service import Storage

ISOLATION = "agent"
"""How jobs are kept apart is said by the agent's own provider, job by job."""
ENDLESS_SECONDS = 1_800
"""After so long an agent that was told to end a job, and says that it is there, has failed it."""
OFFER_MINUTES = 15
"""Unless the site says otherwise: work that no agent fetches for so long is offered no more."""
OFFER_MINUTES_MAX = 7 * 24 * 60
"""Longest that a site may say."""
UNBEGUN_SECONDS = 12 * 3_600
"""Longest time in which an agent fetches what a job needs."""
_PHASES: dict[str, Phase] = {"offered": "queued", "handed": "queued", "withdrawn": "lost"}
_FOR_PLATFORMS = ("jurisdictions", "excluded_providers", "consumer", "origin")
_LEFT_OUT = frozenset({*_FOR_PLATFORMS, "places", "id", "secrets", "approved"})


class Mailbox:
    """Satisfies `yunhe.compute.providers.remote.Remote`."""

    def __init__(
        self,
        name: str,
        organisation: str,
        *,
        storage: Storage,
        offer_minutes: int = OFFER_MINUTES,
    ) -> None:
        """``name``: the site's; ``organisation``: the provider whose keys its agent may use."""
        self._offer_minutes = offer_minutes
        self._name = name
        self._place = Place(organisation, name)
        self._storage = storage

    @property
    def adapter(self) -> str:
        """The site's name."""
        return self._name

    @property
    def isolation(self) -> str:
        """The agent's business."""
        return ISOLATION

    @property
    def refuses(self) -> tuple[str, ...]:
        """What has no way to an agent yet."""
        return ("folder", "outputs", "secrets")

    @property
    def tells_use(self) -> Literal[True]:
        """Its agent says how much of their devices its runs use."""
        return True

    def gaps(self) -> tuple[Gap, ...]:
        """What does not reach an agent."""
        return Gap("compute.gap_secrets"), Gap("compute.gap_progress")

    def submit(self, job: Job, *, blobs: Blobs) -> str:
        """Lay it out for the agent."""
        if job.secrets:
            raise NotAllowed("compute.remote_secrets", site=self._name)
        if job.folder or job.image or job.keeps:  # their blobs have no way to the agent yet
            raise NotAllowed("compute.forward_folder", site=self._name)
        for digest in job.inputs.values():
            if not blobs.exists(digest):
                raise NotFound("storage.blob_missing", digest=digest)
        asked = store.text(_asked(job))
        with self._storage.database.begin() as tx:
            at_us = self._storage.clock.now_us()
            store.offer(
                tx,
                self._place,
                job.id,
                asked=asked,
                devices=job.devices,
                chip=job.chip,
                at_us=at_us,
            )
        return job.id

    def status(self, jobs: Collection[str]) -> Seen:
        """What the agent has reported."""
        now_us = self._storage.clock.now_us()
        with self._storage.database.read() as tx:
            rows, agent = store.some(tx, self._place, jobs), store.agent(tx, self._place)
        silent = agent is None or agent["lease_until_us"] < now_us
        if any(self._overdue(row, now_us) for row in rows):
            rows = self._withdrawn(jobs, now_us, silent=silent)
        return Seen(tuple(self._report(row, now_us, silent=silent) for row in rows), now_us)

    def _overdue(self, row: RowMapping, now_us: int) -> bool:
        most_us = self._offer_minutes * 60 * SECOND_US
        return row["phase"] == "offered" and bool(now_us - row["at_us"] >= most_us)

    def _withdrawn(
        self, jobs: Collection[str], now_us: int, *, silent: bool
    ) -> Sequence[RowMapping]:
        """Take back what nobody fetched in time: whoever comes later does not get it."""
        why = Why(
            "compute.agent_absent" if silent else "compute.agent_full",
            (("site", self._name), ("minutes", self._offer_minutes)),
        )
        kept = store.text({"why_code": why.code, "why_params": dict(why.params)})
        with self._storage.database.begin() as tx:
            for row in store.some(tx, self._place, jobs):
                if self._overdue(row, now_us):  # an agent may just have fetched it
                    store.change(tx, self._place, row["job"], phase="withdrawn", result=kept)
            return store.some(tx, self._place, jobs)

    def _report(self, row: RowMapping, now_us: int, *, silent: bool) -> Report:
        """What is known of a job; one that was with an agent of which nobody hears is lost."""
        job, run = row["job"], row["run"]
        if row["phase"] in ("handed", "running"):
            why = self._given_up(row, now_us, silent=silent)
            if why is not None:
                return Report(job, "lost", run=run, why=why, handle=job)
        phase = _PHASES.get(row["phase"], cast("Phase", row["phase"]))
        result = store.result(row)
        why_failed = _why(result) if phase in ("failed", "lost") and result is not None else None
        ran = result is not None and row["phase"] != "withdrawn"
        return Report(job, phase, run=run, why=why_failed, handle=job, ran=ran)

    def _given_up(self, row: RowMapping, now_us: int, *, silent: bool) -> Why | None:
        """Why nobody waits any longer for what an agent has; None while one does."""
        site = ("site", self._name)
        if silent:
            return Why("compute.agent_silent", (site,))
        told_us = row["cancelled_at_us"]
        if told_us is not None and now_us - told_us > ENDLESS_SECONDS * SECOND_US:
            return Why("compute.agent_endless", (site, ("minutes", ENDLESS_SECONDS // 60)))
        since_us = now_us - (row["handed_at_us"] or now_us)
        if row["phase"] == "handed" and since_us > UNBEGUN_SECONDS * SECOND_US:
            return Why("compute.agent_unbegun", (site, ("hours", UNBEGUN_SECONDS // 3_600)))
        return None

    def cancel(self, job: str) -> None:
        """Tell the agent; one that it has not got yet is over at once."""
        with self._storage.database.begin() as tx:
            at_us = self._storage.clock.now_us()
            row = store.offer(tx, self._place, job, at_us=at_us)
            if not row["cancelled"]:
                store.change(tx, self._place, job, cancelled=1, cancelled_at_us=at_us)
            if row["phase"] == "offered":
                store.change(tx, self._place, job, phase="stopped")

    def logs(self, job: str, stream: Stream, *, offset: int) -> bytes:
        """What the agent has sent of its newest run."""
        with self._storage.database.read() as tx:
            rows = store.some(tx, self._place, [job])
            if not rows:
                return b""
            found = store.pieces(tx, self._place, job, run=rows[0]["run"], stream=stream)
        size = sum(piece["size_bytes"] for piece in found)
        begin = offset if offset >= 0 else max(size + offset, 0)
        part = bytearray()
        for piece in found:
            if piece["start_bytes"] + piece["size_bytes"] <= begin + len(part):
                continue
            data = self._storage.blobs.read(piece["digest"])
            part += data[max(begin - piece["start_bytes"], 0) :]
            if len(part) >= LOG_PART_BYTES_MAX:
                break
        return bytes(part[:LOG_PART_BYTES_MAX])

    def meter(self, jobs: Collection[str]) -> tuple[UsageEvent, ...]:
        """One event for each run that ended, in our own time (see `agents.service.ended`)."""
        with self._storage.database.read() as tx:
            rows = store.stretches(tx, self._place, jobs)
        return tuple(
            UsageEvent(
                id=f"{row['organisation']}/{row['job']}/{row['run']}",
                job=row["job"],
                start_us=row["start_us"],
                end_us=row["end_us"],
                devices=row["devices"],
                run=row["run"],
            )
            for row in rows
        )

    def collect(self, job: Job, *, blobs: Blobs, succeeded: bool) -> Result:
        """What the agent sent; it is here already."""
        del blobs
        with self._storage.database.read() as tx:
            rows = store.some(tx, self._place, [job.id])
        said = store.result(rows[0]) if rows else None
        if said is None:
            return Result()
        numbers = {
            name: max(cast("int", said[name]), 0) for name in ("cpu_ms", "memory_bytes_peak")
        }
        used = reported(said.get("utilisation_per_thousand"), said.get("utilisation_samples"))
        return Result(
            outputs=cast("dict[str, str]", said["outputs"]) if succeeded else {},
            metered=Metered(
                1,
                numbers["cpu_ms"],
                0,
                numbers["memory_bytes_peak"],
                utilisation_per_thousand=used.per_thousand,
                utilisation_samples=used.samples,
                unwatched=said.get("unwatched") is True and used.per_thousand is None,
            ),
            code_digest=str(said["code_digest"]),
            why=_why(said),
            evidence={"utilisation_finding": used.finding} if used.finding else {},
        )

    def forget(self, job: str) -> None:
        """Drop what it printed and left."""
        with self._storage.database.begin() as tx:
            store.forget(tx, self._place, job)

    def capacity(self) -> Capacity:
        """What the agent said it has; out of order while nobody has heard of it for too long."""
        with self._storage.database.read() as tx:
            row = store.agent(tx, self._place)
        if row is None:
            return Capacity(())
        nodes = [Node(**node) for node in json.loads(row["nodes"])]
        if row["lease_until_us"] < self._storage.clock.now_us():
            nodes = [replace(node, free=0, state="down") for node in nodes]
        return Capacity(tuple(nodes))


def _asked(job: Job) -> JsonObject:
    """The job as an agent gets it; what is empty is left out."""
    said: dict[str, Json] = {"approved": sorted(job.approved)}
    for name in Job.__dataclass_fields__:
        value = getattr(job, name)
        if name not in _LEFT_OUT and value not in ("", (), {}):
            said[name] = list(value) if isinstance(value, tuple) else value
    return said


def _why(said: JsonObject) -> Why | None:
    code = str(said["why_code"])
    if not code:
        return None
    params = cast("dict[str, str | int]", said["why_params"])
    return Why(code, tuple(sorted(params.items())))
