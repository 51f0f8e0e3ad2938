"""A Slurm cluster as a provider, by slurmrestd with JWT and a folder both sides see.

Slurm knows no idempotency key: a job's name there is our id, looked for before it is handed over,
and should it be there twice all the same, a file in its folder decides which of the two runs. Usage
is what the controller says when a job has ended, or its completion file once it has forgotten it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from yunhe.compute.providers import completions, slurm_rest, station
from yunhe.compute.providers.remote import (
    ENDED,
    Capacity,
    Node,
    NodeState,
    Phase,
    Report,
    Result,
    Seen,
    Stream,
    UsageEvent,
)
from yunhe.compute.providers.rest import Answer, Rest, objects, shown, text
from yunhe.compute.providers.seam import Gap, Job
from yunhe.compute.providers.staged import Staged
from yunhe.compute.providers.staged_live import StagedLive
from yunhe.compute.providers.staging import Staging
from yunhe.compute.reasons import Why
from yunhe.kernel.canonical import Json
from yunhe.kernel.clock import SECOND_US, Clock, SystemClock
from yunhe.kernel.errors import NotAllowed, Unavailable
from yunhe.storage.blobs import Blobs

if TYPE_CHECKING:
    from pathlib import Path

    from yunhe.outbound.client import Outbound

ISOLATION = "digest-approved"
"""Jobs of one site run as one user of the cluster, so only approved programs do."""
SPARE_MINUTES = 2
"""Slurm's time limit is so much longer than the job's own, which the station keeps to the second:
starting and stopping are not the program's time."""
MIB_PER_JOB = 128
"""Memory for the station beside the program."""
_CPU = "cpu"
_INVALID_JOB = 2017
# Source: slurm_errno.h. No waiting cures these; 2000 and 2014 were seen.
_REFUSED = frozenset({*range(2000, 2007), 2014, 2051, 2072})
_RUNNING = frozenset({"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT"})
_LOST = frozenset({"NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "REVOKED"})
_OVER = frozenset({"COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "DEADLINE", "OUT_OF_MEMORY"})
_HELD = re.compile(r"launch.?failed|JobHeldAdmin", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SlurmOptions:
    """How an operator reaches a cluster."""

    address: str
    """Of slurmrestd."""
    user: str
    """Who jobs run as there."""
    partition: str
    """Where they run."""
    chips: Mapping[str, str]
    """Slurm's name of each chip's cards, ``gpu:ascend910b``; empty for plain processors."""
    key_file: Path | None = None
    """The cluster's JWT key, of which tokens are made."""
    token_file: Path | None = None
    """Or a file in which somebody keeps a good token."""
    account: str = ""
    """Slurm account to name; empty: the user's default."""
    completions: Path | None = None
    """The controller's job completion file, if it can be seen from here."""
    timezone: str = "UTC"
    """In which the completion file tells the time."""


class SlurmProvider(Staged):
    """Hands jobs to one cluster; satisfies `yunhe.compute.providers.remote.Remote`."""

    def __init__(
        self,
        name: str,
        options: SlurmOptions,
        *,
        staging: Staging,
        outbound: Outbound,
        clock: Clock | None = None,
    ) -> None:
        """``name``: the site's, which pools give as their adapter."""
        super().__init__(name, staging)
        self._options = options
        self._tokens = slurm_rest.Tokens(
            user=options.user,
            key_file=options.key_file,
            token_file=options.token_file,
            clock=clock or SystemClock(),
        )
        self._rest = Rest(outbound, options.address, site=name, headers=self._tokens.headers)
        self._speak = ""

    @property
    def live(self) -> StagedLive:
        """How its jobs are heard while they run, and commands run inside them."""
        return StagedLive(self._staging)

    @property
    def isolation(self) -> str:
        """Only programs that the operator approved run there."""
        return ISOLATION

    def gaps(self) -> tuple[Gap, ...]:
        """What a cluster without containers and accounting does not do."""
        return (
            Gap("compute.gap_isolation_site"),
            Gap("compute.gap_secrets"),
            Gap("compute.gap_tree_limits"),
            Gap("compute.gap_progress"),
        )

    def submit(self, job: Job, *, blobs: Blobs) -> str:
        """Hand it over unless it is there; errors as the seam says."""
        command = self._staging.prepare(job, blobs=blobs, site=self._name)
        there = self._named([job.id]).get(job.id)
        if there is not None:
            return str(there.number)
        if self._staging.is_cancelled(job.id):
            return ""
        wanted = self._wanted(job)
        script = f"#!/bin/sh\n{command}\n"
        body = slurm_rest.submission(wanted, script, speak=self._version())
        answer = self._ask("POST", "job/submit", body)
        number = slurm_rest.number(answer.get("job_id"))
        if number <= 0:
            raise self._rest.nonsense("job/submit")
        return str(number)

    def _wanted(self, job: Job) -> slurm_rest.Wanted:
        gres = self._options.chips.get(job.chip)
        if gres is None:
            raise NotAllowed("compute.remote_chip", site=self._name, chip=job.chip)
        nodes, each = 1, job.devices
        said = math.ceil(job.cpu_milli * job.replicas / 1_000)
        if gres:
            sizes = {node.devices for node in self.capacity().nodes if node.chip == job.chip}
            largest = max(sizes, default=0)
            if largest and job.devices > largest:  # whole nodes, all alike
                nodes, each = job.devices // largest, largest
                if job.replicas > 1:  # only the first node's processes are ours to start
                    raise NotAllowed("compute.replicas_not_run", site=self._name, largest=largest)
                if nodes * each != job.devices:
                    raise NotAllowed(
                        "compute.remote_uneven",
                        site=self._name,
                        devices=job.devices,
                        largest=largest,
                    )
        return slurm_rest.Wanted(
            name=job.id,
            partition=self._options.partition,
            gres=f"{gres}:{each}" if gres else "",
            nodes=nodes,
            # Plain processors are the devices themselves.
            cpus=math.ceil(said / nodes) if gres and said else each,
            memory_mib=math.ceil(job.memory_of(job.replicas) / (1 << 20)) + MIB_PER_JOB,
            minutes=math.ceil(job.wall_seconds_max / 60) + SPARE_MINUTES,
            folder=self._staging.place(job.id),
            account=self._options.account,
        )

    def status(self, jobs: Collection[str]) -> Seen:
        """How far each is; one question, and the completion file for what Slurm has forgotten."""
        found = self._named(jobs)
        reports = [self._report(one) for one in found.values()]
        return Seen(tuple(reports), self._clock_us())

    def _report(self, job: slurm_rest.Job) -> Report:
        phase = self._phase(job)
        why: Why | None = None
        if phase == "queued" and job.reason not in ("", "None"):
            why = Why(
                "compute.remote_reason", (("site", self._name), ("reason", shown(job.reason)))
            )
        elif phase == "lost":
            said = f"{' '.join(job.states)} {job.reason}"
            why = Why("compute.remote_lost", (("site", self._name), ("reason", shown(said))))
        return Report(
            job.name,
            phase,
            run=job.restarts,
            why=why,
            handle=str(job.number),
            ran=bool(job.start and job.nodes),
        )

    def _phase(self, job: slurm_rest.Job) -> Phase:
        states = set(job.states)
        if states & (_RUNNING | _LOST):
            return "running" if states & _RUNNING else "lost"
        if not states & _OVER:
            return "lost" if _HELD.search(job.reason) else "queued"
        if "COMPLETED" in states:
            return "succeeded"
        if self._staging.is_saved(job.name):
            return "stopped"
        if "CANCELLED" in states:  # by the cluster's own people, where we did not ask for it
            return "stopped" if self._staging.is_cancelled(job.name) else "lost"
        broken = job.status in (station.EXIT_NOT_MINE, station.EXIT_BROKEN) or not job.nodes
        launched = "FAILED" not in states or not (broken or "JobLaunchFailure" in job.reason)
        return "failed" if launched or self._staging.ended(job.name) else "lost"

    def cancel(self, job: str) -> None:
        """Ask for its end; first make sure that it never begins if it has not."""
        self._staging.cancelled(job)
        for one in self._listed():
            if one.name == job and self._phase(one) not in ENDED:
                self._ask("DELETE", f"job/{one.number}", absent=True)

    def push_out(self, job: str, *, grace_seconds: int) -> None:
        """Ask its station to have it save its work, by a file and by a signal that comes sooner."""
        if not self._staging.asked_to_save(job, seconds=grace_seconds):
            self.cancel(job)
            return
        for one in self._listed():
            if one.name == job and self._phase(one) == "running":
                self._ask("DELETE", f"job/{one.number}?signal=TERM", absent=True)

    def logs(self, job: str, stream: Stream, *, offset: int) -> bytes:
        """From the file it is written to."""
        return self._staging.log(job, stream, offset=offset)

    def meter(self, jobs: Collection[str]) -> tuple[UsageEvent, ...]:
        """One event for each job that ran to an end, in whole seconds of the controller's clock."""
        events = []
        for one in self._named(jobs).values():
            if self._phase(one) in ENDED and one.start and one.nodes:
                event = UsageEvent(
                    id=f"{one.number}/{one.restarts}",
                    job=one.name,
                    start_us=one.start * SECOND_US,
                    end_us=one.end * SECOND_US,
                    devices=slurm_rest.devices_of(one),
                    run=one.restarts,
                )
                events.append(event)
        return tuple(events)

    def collect(self, job: Job, *, blobs: Blobs, succeeded: bool) -> Result:
        """From its folder."""
        return self._staging.result(job, blobs=blobs, succeeded=succeeded)

    def forget(self, job: str) -> None:
        """Remove its folder."""
        self._staging.remove(job)

    def capacity(self) -> Capacity:
        """Every node with the cards of each chip that the site's options name."""
        answer = self._ask("GET", "nodes")
        if "nodes" not in answer.said:
            raise self._rest.nonsense("nodes")
        nodes = []
        for said in objects(answer.get("nodes")):
            nodes += self._nodes(said)
        return Capacity(tuple(nodes))

    def _nodes(self, said: Mapping[str, Json]) -> list[Node]:
        has, used = (
            slurm_rest.cards_of(text(said.get("gres"))),
            slurm_rest.cards_of(text(said.get("gres_used"))),
        )
        states = {*slurm_rest.words(said.get("state")), *slurm_rest.words(said.get("state_flags"))}
        state: NodeState = "up"
        if states & {"DRAIN", "DRAINED", "DRAINING", "MAINTENANCE", "RESERVED"}:
            state = "drained"
        if states & {"DOWN", "NOT_RESPONDING", "FAIL", "ERROR", "UNKNOWN", "POWERED_DOWN"}:
            state = "down"
        cpus, idle = slurm_rest.number(said.get("cpus")), slurm_rest.number(said.get("idle_cpus"))
        made = []
        for chip, gres in self._options.chips.items():
            devices, busy = (has.get(gres, 0), used.get(gres, 0)) if gres else (cpus, cpus - idle)
            if devices > 0:
                made.append(
                    Node(
                        name=text(said.get("name")),
                        chip=chip,
                        devices=devices,
                        free=min(max(devices - busy, 0), devices) if state == "up" else 0,
                        state=state,
                        cpu_milli=max(cpus, 0) * 1_000,
                        memory_mib=max(slurm_rest.number(said.get("real_memory")), 0),
                    )
                )
        return made

    # --- Talking to slurmrestd ----------------------------------------------------------------

    def _named(self, names: Collection[str]) -> dict[str, slurm_rest.Job]:
        """The one of Slurm's jobs that each of ours is."""
        wanted, found = set(names), dict[str, list[slurm_rest.Job]]()
        for one in self._listed():
            if one.name in wanted:
                found.setdefault(one.name, []).append(one)
        chosen = {name: self._chosen(name, jobs) for name, jobs in found.items()}
        if self._options.completions is not None and wanted - chosen.keys():
            chosen |= completions.read(
                self._options.completions,
                names=wanted - chosen.keys(),
                timezone=self._options.timezone,
            )
        return chosen

    def _chosen(self, name: str, jobs: list[slurm_rest.Job]) -> slurm_rest.Job:
        """The one that claimed the folder; else one that still may; else the last refused."""
        if len(jobs) == 1:
            return jobs[0]
        claimed = self._staging.claimed(name)
        return min(
            jobs,
            key=lambda one: (
                str(one.number) != claimed,
                bool(set(one.states) & (_OVER | _LOST)),
                not one.nodes,
                one.number,
            ),
        )

    def _listed(self) -> list[slurm_rest.Job]:
        answer = self._ask("GET", "jobs")
        if "jobs" not in answer.said:
            raise self._rest.nonsense("jobs")
        return [slurm_rest.job_of(one) for one in objects(answer.get("jobs"))]

    def _clock_us(self) -> int | None:
        statistics = self._ask("GET", "diag").get("statistics")
        if not isinstance(statistics, dict):
            return None
        seconds = slurm_rest.number(statistics.get("req_time"))
        return seconds * SECOND_US if seconds else None

    def _version(self) -> str:
        if not self._speak:
            paths = self._rest.ask("GET", "/openapi/v3").get("paths")
            self._speak = slurm_rest.version(list(paths) if isinstance(paths, dict) else [])
            if not self._speak:
                raise Unavailable("compute.remote_version", site=self._name)
        return self._speak

    def _ask(self, method: str, what: str, body: Json = None, *, absent: bool = False) -> Answer:
        """One question; an old token is renewed once. ``absent``: no such job is an answer too."""
        path = f"/slurm/{self._version()}/{what}"
        answer = self._rest.ask(method, path, body)
        if answer.status == 401 or (answer.status >= 500 and slurm_rest.codes(answer) <= {-1}):
            self._tokens.renew()  # 22.05 answers 500 without a reason to a token that has run out
            answer = self._rest.ask(method, path, body)
        if answer.status < 400:
            return answer
        codes, said = slurm_rest.codes(answer), slurm_rest.said_of(answer)
        if absent and _INVALID_JOB in codes:
            return answer
        if codes & _REFUSED:
            raise NotAllowed("compute.remote_refused", site=self._name, reason=shown(said))
        self._speak = ""  # it may have been upgraded meanwhile
        raise self._rest.unreachable(said or f"HTTP {answer.status}")
