"""A Ray cluster as a provider, by its Jobs API and a folder both sides see.

Ray takes an id of ours for a job and refuses it a second time, which is all that idempotence needs.
It counts accelerators as the resources its nodes were started with; its own times of a job are the
usage. Source: the Ray Jobs REST API of 2.60 (``/api/jobs/``), seen against a real head node.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

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
from yunhe.compute.providers.staging import Staging
from yunhe.compute.reasons import Why
from yunhe.kernel.canonical import INTEGER_MAX, Json
from yunhe.kernel.errors import NotAllowed
from yunhe.storage.blobs import Blobs, explain_os_error

if TYPE_CHECKING:
    from yunhe.outbound.client import Outbound

ISOLATION = "digest-approved"
"""Jobs of one cluster run as one user, so only approved programs do."""
_CPU = "CPU"
_GPU = "GPU"
_PHASES: Mapping[str, Phase] = {
    "PENDING": "queued",
    "RUNNING": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "STOPPED": "stopped",
}
_LOST = re.compile(r"node .*(died|dead)|supervisor|actor died|failed to schedule", re.IGNORECASE)


class RayProvider(Staged):
    """Hands jobs to one cluster; satisfies `yunhe.compute.providers.remote.Remote`."""

    def __init__(
        self,
        name: str,
        *,
        address: str,
        chips: Mapping[str, str],
        staging: Staging,
        outbound: Outbound,
        token_file: Path | None = None,
    ) -> None:
        """``chips``: Ray's resource for each, ``GPU``, ``CPU`` or one of the cluster's own.

        ``token_file`` holds the token of a cluster that wants one (``RAY_AUTH_MODE=token``).
        """
        super().__init__(name, staging)
        self._chips = dict(chips)
        self._token_file = token_file
        self._rest = Rest(outbound, address, site=name, headers=self._headers)

    @property
    def isolation(self) -> str:
        """Only programs that the operator approved run there."""
        return ISOLATION

    def gaps(self) -> tuple[Gap, ...]:
        """What Ray does not do."""
        return (
            Gap("compute.gap_isolation_site"),
            Gap("compute.gap_secrets"),
            Gap("compute.gap_tree_limits"),
            Gap("compute.gap_progress"),
        )

    def submit(self, job: Job, *, blobs: Blobs) -> str:
        """Hand it over; an id that is there already is the same job."""
        command = self._staging.prepare(job, blobs=blobs, site=self._name)
        if self._staging.is_cancelled(job.id):
            return job.id
        resource = self._chips.get(job.chip)
        if resource is None:
            raise NotAllowed("compute.remote_chip", site=self._name, chip=job.chip)
        body: dict[str, Json] = {
            # Ray does not tell a job its own id.
            "entrypoint": f"export YUNHE_CLAIM={job.id}; {command}",
            "submission_id": job.id,
            "metadata": {"yunhe_devices": str(job.devices)},
            "runtime_env": {},
        }
        if resource == _CPU:
            body["entrypoint_num_cpus"] = job.devices
        elif resource == _GPU:
            body["entrypoint_num_gpus"] = job.devices
        else:
            body["entrypoint_resources"] = {resource: job.devices}
        if job.cpu_milli and resource != _CPU:
            body["entrypoint_num_cpus"] = math.ceil(job.cpu_milli * job.replicas / 1_000)
        if job.replica_memory_bytes:
            body["entrypoint_memory"] = job.memory_of(job.replicas)
        if self._find(job.id) is not None:
            return job.id
        answer = self._rest.ask("POST", "/api/jobs/", body)
        if answer.status >= 400 and self._find(job.id) is None:
            if answer.status in (400, 422):
                raise NotAllowed(
                    "compute.remote_refused", site=self._name, reason=shown(_said(answer))
                )
            raise self._rest.unreachable(f"HTTP {answer.status}")
        return job.id

    def status(self, jobs: Collection[str]) -> Seen:
        """How far each is; one question."""
        listed, clock_us = self._listed()
        reports = [self._report(listed[job]) for job in jobs if job in listed]
        return Seen(tuple(reports), clock_us)

    def _report(self, said: Mapping[str, Json]) -> Report:
        job, message = text(said.get("submission_id")), shown(text(said.get("message")))
        phase = _PHASES.get(text(said.get("status")), "queued")
        why: Why | None = None
        site = ("site", self._name)
        if phase == "queued" and message:
            why = Why("compute.remote_reason", (site, ("reason", message)))
        ran = bool(self._staging.claimed(job)) or phase == "succeeded"
        if phase == "queued" and self._staging.is_cancelled(job):
            # Ray does not stop what waits for devices (seen with 2.60); whenever it gets them, it
            # finds that it was cancelled and never begins.
            phase, why = "stopped", None
        broken_off = phase == "failed" and not self._staging.ended(job)
        if broken_off and (_LOST.search(message) or not ran):
            phase, why = "lost", Why("compute.remote_lost", (site, ("reason", message or "-")))
        if phase in ("failed", "stopped") and self._staging.is_saved(job):
            phase, why = "stopped", None
        elif phase == "stopped" and not self._staging.is_cancelled(job):
            phase, why = "lost", Why("compute.remote_lost", (site, ("reason", message or "-")))
        return Report(job, phase, why=why, handle=job, ran=ran)

    def cancel(self, job: str) -> None:
        """Ask for its end; first make sure that it never begins if it has not."""
        self._staging.cancelled(job)
        found = self._find(job)
        if found is not None and _PHASES.get(text(found.get("status")), "queued") not in ENDED:
            answer = self._rest.ask("POST", f"/api/jobs/{job}/stop")
            if answer.status >= 500:
                raise self._rest.unreachable(f"HTTP {answer.status}")

    def push_out(self, job: str, *, grace_seconds: int) -> None:
        """Ask its station to have it save its work; by a file, as Ray's own stop waits for 3 s."""
        if not self._staging.asked_to_save(job, seconds=grace_seconds):
            self.cancel(job)

    def logs(self, job: str, stream: Stream, *, offset: int) -> bytes:
        """From the file it is written to."""
        return self._staging.log(job, stream, offset=offset)

    def meter(self, jobs: Collection[str]) -> tuple[UsageEvent, ...]:
        """One event for each job that ran to an end, in milliseconds of the head node's clock."""
        events = []
        listed, _ = self._listed()
        for job in jobs:
            said = listed.get(job, {})
            start, end = said.get("start_time"), said.get("end_time")
            if type(start) is int and type(end) is int and self._staging.claimed(job):
                event = UsageEvent(
                    id=f"{job}/{start}",
                    job=job,
                    start_us=start * 1_000,
                    end_us=end * 1_000,
                    devices=_devices(said),
                )
                events.append(event)
        return tuple(events)

    def collect(self, job: Job, *, blobs: Blobs, succeeded: bool) -> Result:
        """From its folder."""
        return self._staging.result(job, blobs=blobs, succeeded=succeeded)

    def forget(self, job: str) -> None:
        """Remove its folder, and Ray's memory of it."""
        self._staging.remove(job)
        self._rest.ask("DELETE", f"/api/jobs/{job}")

    def capacity(self) -> Capacity:
        """Every node, with the resources of each chip that the site's options name."""
        answer = self._rest.ask("GET", "/nodes?view=summary")
        if answer.status >= 400:
            raise self._rest.unreachable(f"HTTP {answer.status}")
        said = answer.get("data")
        usage = self._rest.ask("GET", "/api/cluster_status").get("data")
        per_node = _usage_by_node(usage)
        totals: dict[str, tuple[Mapping[str, Json], bool]] = {}
        for one in objects(said.get("summary") if isinstance(said, dict) else None):
            raylet = one.get("raylet")
            has = raylet.get("resourcesTotal") if isinstance(raylet, dict) else None
            if isinstance(raylet, dict) and isinstance(has, dict) and has:
                totals[text(raylet.get("nodeId"))] = has, raylet.get("state") == "ALIVE"
        # The summary leaves a node out, or names it without its resources, for seconds after it
        # came and while its head is busy (seen with 2.60); whoever reports usage is there.
        for name, busy in per_node.items():
            if name not in totals and isinstance(busy, dict):
                totals[name] = {key: int(_of(pair, 1)) for key, pair in busy.items()}, True
        if not totals:  # there is a head at least: no node at all would take away every device
            raise self._rest.nonsense("nodes")
        nodes: list[Node] = []
        for name, (has, up) in totals.items():
            nodes += self._nodes(name, has, per_node.get(name), up="up" if up else "down")
        return Capacity(tuple(nodes))

    def _nodes(
        self, name: str, totals: Mapping[str, Json], busy: Json, *, up: NodeState
    ) -> list[Node]:
        made = []
        for chip, resource in self._chips.items():
            devices = _whole(totals.get(resource))
            taken = math.ceil(_of(busy.get(resource), 0)) if isinstance(busy, dict) else 0
            if devices:
                free = max(devices - taken, 0) if up == "up" else 0
                memory_mib = _whole(totals.get("memory")) >> 20
                cpu_milli = _whole(totals.get(_CPU)) * 1_000
                made.append(Node(name, chip, devices, free, up, cpu_milli, memory_mib))
        return made

    def _listed(self) -> tuple[dict[str, dict[str, Json]], int | None]:
        answer = self._rest.ask("GET", "/api/jobs/")
        if answer.status >= 400:
            raise self._rest.unreachable(f"HTTP {answer.status}")
        if answer.listed is None:  # an empty list would mean that every job is lost
            raise self._rest.nonsense("jobs")
        found = {text(one.get("submission_id")): one for one in objects(answer.listed)}
        return found, answer.clock_us

    def _find(self, job: str) -> dict[str, Json] | None:
        return self._listed()[0].get(job)

    def _headers(self) -> Mapping[str, str]:
        if self._token_file is None:
            return {}
        try:
            token = self._token_file.read_text("utf-8").strip()
        except OSError as error:
            raise explain_os_error(error, self._token_file) from error
        return {"authorization": f"Bearer {token}"}


def _devices(said: Mapping[str, Json]) -> int:
    metadata = said.get("metadata")
    named = metadata.get("yunhe_devices") if isinstance(metadata, dict) else None
    return int(named) if isinstance(named, str) and named.isdecimal() and len(named) < 8 else 0


def _said(answer: Answer) -> str:
    return text(answer.get("error")) or text(answer.get("msg")) or f"HTTP {answer.status}"


def _usage_by_node(data: Json) -> dict[str, Json]:
    status = data.get("clusterStatus") if isinstance(data, dict) else None
    report = status.get("loadMetricsReport") if isinstance(status, dict) else None
    usage = report.get("usageByNode") if isinstance(report, dict) else None
    return usage if isinstance(usage, dict) else {}


def _of(pair: Json, place: int) -> float:
    """What is used of a resource, or all there is of it."""
    return _number(pair[place]) if isinstance(pair, list) and len(pair) > place else 0.0


def _number(value: Json) -> float:
    """Never negative, endless or too large to be kept."""
    if not isinstance(value, (int, float)) or not value > 0:
        return 0.0
    return float(min(value, INTEGER_MAX >> 10))


def _whole(value: Json) -> int:
    return int(_number(value))
