"""A Kubernetes cluster as a provider: one Job for each workload, queued by Kueue where it has it.

Names are unique in a cluster, so a Job handed over twice is the same one. A finalizer keeps ended
pods until their usage is settled, whoever deletes them; a pod's own times are the usage. Files go
through a volume that the platform sees too. Held to the published schemas and tried against a fake;
not run against a real cluster.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from yunhe.compute.providers import kubernetes_gangs as gangs
from yunhe.compute.providers import kubernetes_jobs as cluster
from yunhe.compute.providers import station
from yunhe.compute.providers.kubernetes_access import Access
from yunhe.compute.providers.kubernetes_jobs import Card, part
from yunhe.compute.providers.kubernetes_nodes import nodes_of
from yunhe.compute.providers.kubernetes_server import Server
from yunhe.compute.providers.kueue import manifests
from yunhe.compute.providers.remote import (
    Capacity,
    Node,
    Phase,
    Report,
    Result,
    Seen,
    Stream,
    UsageEvent,
)
from yunhe.compute.providers.rest import shown, text
from yunhe.compute.providers.seam import Gap, Job
from yunhe.compute.providers.staged import Staged
from yunhe.compute.providers.staging import Staging
from yunhe.compute.reasons import Why
from yunhe.kernel.canonical import JsonObject
from yunhe.kernel.errors import NotAllowed
from yunhe.outbound.client import Outbound
from yunhe.storage.blobs import Blobs

if TYPE_CHECKING:
    from collections.abc import Mapping

ISOLATION = "kubernetes-pod"
"""Each job in a pod of its own that sees its own folder only."""
SPARE_SECONDS = 120
"""The Job's deadline is so much later than the program's own, which the station keeps."""
SAVE_SECONDS = 60
"""How long pods may take to end whose work can save itself: longer than it is given for that."""
MEMORY_BYTES_STATION = 128 << 20
"""For the station beside the program."""


@dataclass(frozen=True, slots=True)
class KubernetesOptions:
    """How an operator reaches a cluster."""

    access: Access
    """Its server and who asks."""
    namespace: str
    """Where Jobs are made."""
    image: str
    """What programs run in: it has a shell and a Python."""
    volume: str
    """Claim of the volume whose root, or `below`, is the shared folder."""
    chips: Mapping[str, Card]
    """What each chip is called there."""
    queue: str = ""
    """Kueue's local queue; empty: no Kueue."""
    below: str = ""
    """Folder in the volume that the platform sees."""
    user: int | None = None
    """Whom pods run as; None: whom the image says."""
    pull_secret: str = ""
    """Secret of the namespace by which images are fetched; empty: none is needed."""
    cpu_milli_per_device: int = 4_000
    """Processor for each device; a device that is a processor has one."""


@dataclass(slots=True)
class _Sight:
    """One look at a site: its Jobs by our ids, and the pods of each."""

    jobs: dict[str, JsonObject] = field(default_factory=dict)
    pods: dict[str, list[JsonObject]] = field(default_factory=dict)
    clock_us: int | None = None

    def at(self, clock_us: int | None) -> None:
        """The server's time is this."""
        self.clock_us = clock_us

    def of(self, job: str) -> list[JsonObject]:
        """Pods of a job, the oldest first."""
        return self.pods.get(job, [])


class KubernetesProvider(Staged):
    """Hands jobs to one cluster; satisfies `yunhe.compute.providers.remote.Remote`."""

    def __init__(
        self, name: str, options: KubernetesOptions, *, staging: Staging, outbound: Outbound
    ) -> None:
        """``name``: the site's, which pools give as their adapter."""
        super().__init__(name, staging)
        self._label = cluster.label_of(name)
        self._options = options
        access = options.access
        if access.tls is not None:
            outbound = Outbound(outbound.guard, tls=access.tls)
        self._server = Server(
            outbound,
            access.server,
            site=name,
            namespace=options.namespace,
            headers=access.headers,
        )

    @property
    def namespace(self) -> str:
        """Where its pods are."""
        return self._options.namespace

    @property
    def isolation(self) -> str:
        """A pod for each."""
        return ISOLATION

    def gaps(self) -> tuple[Gap, ...]:
        """What it does not do."""
        return (Gap("compute.gap_secrets"), Gap("compute.gap_progress"))

    # --- Handing over --------------------------------------------------------------------------

    def submit(self, job: Job, *, blobs: Blobs) -> str:
        """Hand it over; a name that is there already is the same job."""
        command = self._staging.prepare(job, blobs=blobs, site=self._name)
        name = cluster.name_of(job.id)
        if self._staging.is_cancelled(job.id):
            return name
        card = self._options.chips.get(job.chip)
        if card is None:
            raise NotAllowed("compute.remote_chip", site=self._name, chip=job.chip)
        cut = self._split(job)
        body = cluster.manifest(self._wanted(job, name, command, card=card, cut=cut))
        if cut.pods > 1:
            body = gangs.spread(body, name, cut, replicas=job.replicas)
            labels = {cluster.SITE: self._label}
            self._server.create(self._server.path("services"), gangs.service(name, {**labels}))
        self._server.create(self._server.path("jobs"), body)
        return name

    def _split(self, job: Job) -> gangs.Split:
        """Into as many pods as its nodes' size asks for."""
        largest = job.devices
        if job.devices > 1:
            sizes = (node.devices for node in self.capacity().nodes if node.chip == job.chip)
            largest = max(sizes, default=job.devices)
        cut = gangs.split(devices=job.devices, replicas=job.replicas, largest=largest)
        if cut is None and job.replicas > 1:
            raise NotAllowed("compute.replicas_not_run", site=self._name, largest=largest)
        if cut is None:
            site, devices = self._name, job.devices
            raise NotAllowed("compute.remote_uneven", site=site, devices=devices, largest=largest)
        return cut

    def _wanted(
        self, job: Job, name: str, command: str, *, card: Card, cut: gangs.Split
    ) -> cluster.Wanted:
        options = self._options
        each = options.cpu_milli_per_device if card.resource else 1_000
        parts = cut.pods if job.replicas == 1 else 1
        said = math.ceil(job.cpu_milli * cut.replicas / parts)
        place = self._staging.place(job.id)
        return cluster.Wanted(
            name=name,
            job=job.id,
            site=self._label,
            queue=options.queue,
            image=job.image or options.image,
            pull_secret=options.pull_secret,
            command=command,
            card=card,
            devices=cut.devices,
            cpu_milli=said if said and card.resource else each * max(cut.devices, 1),
            memory_bytes=job.memory_of(cut.replicas) + MEMORY_BYTES_STATION,
            seconds_max=job.wall_seconds_max + SPARE_SECONDS,
            volume=options.volume,
            below="/".join(filter(None, (options.below.strip("/"), job.id))),
            folder=place,
            user=options.user,
            grace_seconds=SAVE_SECONDS if job.saves else station.STOP_SECONDS * 2,
        )

    def cancel(self, job: str) -> None:
        """Ask for its end; first make sure that it never begins if it has not."""
        self._staging.cancelled(job)
        self._end(job)

    def push_out(self, job: str, *, grace_seconds: int) -> None:
        """Ask its stations to have it save its work; its pods have so long before they are ended.

        A Job that is deleted stays in sight until its usage is settled.
        """
        if not self._staging.asked_to_save(job, seconds=grace_seconds):
            self.cancel(job)
            return
        self._end(job)

    def _end(self, job: str) -> None:
        """Delete its Job, unless it is over."""
        path = self._server.path("jobs", cluster.name_of(job))
        found = self._server.get(path)
        if found and not any(cluster.holds(found, kind) for kind in ("Complete", "Failed")):
            self._server.delete(path)

    def forget(self, job: str) -> None:
        """Let its pods and its Job go, and remove its folder."""
        sight, name = self._look([job]), cluster.name_of(job)
        for pod in sight.of(job):
            self._server.release(pod)
            if job not in sight.jobs and cluster.container(pod).get("running") is not None:
                # Its Job was deleted without it, so that nothing but this ends it.
                self._server.delete(
                    self._server.path("pods", text(part(pod, "metadata").get("name")))
                )
        if gangs.size(sight.jobs.get(job, {})) > 1:
            self._server.delete(self._server.path("services", name))
        elif job not in sight.jobs:
            with suppress(NotAllowed):  # who may not delete services made none
                self._server.delete(self._server.path("services", name))
        self._server.delete(self._server.path("jobs", name))
        self._staging.remove(job)

    def manifests(self) -> list[JsonObject]:
        """What the cluster's people apply so that our Jobs queue there; errors as `capacity`."""
        options = self._options
        return manifests(
            options.chips, self.capacity(), queue=options.queue, namespace=options.namespace
        )

    # --- Looking -------------------------------------------------------------------------------

    def status(self, jobs: Collection[str]) -> Seen:
        """How far each is: Jobs and pods of the site, and of Kueue why some wait."""
        sight = self._look(jobs)
        found = [(job, self._phase(sight, job)) for job in sight.jobs]
        waits = any(phase == "queued" for _, phase in found)
        workloads = self._server.workloads() if waits and self._options.queue else []
        reports = [self._report(sight, job, phase, workloads) for job, phase in found]
        # A Job that waits is gone once it is deleted; that it never began is known all the same.
        reports += [
            Report(job, "stopped", handle=cluster.name_of(job), ran=False)
            for job in dict.fromkeys(jobs)
            if job not in sight.jobs and self._staging.never_begins(job)
        ]
        return Seen(tuple(reports), sight.clock_us)

    def _phase(self, sight: _Sight, job: str) -> cluster.Phase:
        said = self._staging.ended(job)
        ended = (
            bool(said) and said.get("cause") != "stopped"
        )  # a pod is asked to stop before it goes
        if gangs.size(sight.jobs[job]) > 1:
            return gangs.gang_phase(sight.jobs[job], sight.of(job), ended=ended)
        return cluster.phase_of(sight.jobs[job], sight.of(job)[-1:], ended=ended)

    def _report(
        self, sight: _Sight, job: str, phase: cluster.Phase, workloads: Iterable[JsonObject]
    ) -> Report:
        said, pods = sight.jobs[job], sight.of(job)
        gang = gangs.size(said) > 1
        last, site = pods if gang else pods[-1:], ("site", self._name)
        saved = self._staging.is_saved(job)
        shown_phase = _shown(phase, asked_for=saved or self._staging.is_cancelled(job))
        if saved and shown_phase == "failed":
            shown_phase = "stopped"
        why: Why | None = None
        if shown_phase == "queued":
            uid = text(part(said, "metadata").get("uid"))
            own = [one for one in workloads if cluster.owned(one, uid)]
            reason = shown(cluster.waits_for(last, own))
            why = Why("compute.remote_reason", (site, ("reason", reason))) if reason else None
        elif shown_phase == "lost":
            there = cluster.conditions(said).get("Failed", {})
            reason = shown(f"{text(there.get('reason'))} {text(there.get('message'))}")
            why = Why("compute.remote_lost", (site, ("reason", reason or "-")))
        elif shown_phase == "failed" and any(cluster.killed_for_memory(pod) for pod in last):
            limit = cluster.asked(last[0], "memory") // 1_000
            why = Why("compute.failed_memory", (("memory_bytes_max", limit),))
        ran = any(cluster.stretch_us(pod) for pod in last) or shown_phase == "succeeded"
        # Kueue may push one out and let it begin again; a gang is lost then, and placed anew.
        run = 0 if gang else max(len(pods) - 1, 0)
        return Report(job, shown_phase, run=run, why=why, handle=cluster.name_of(job), ran=ran)

    def logs(self, job: str, stream: Stream, *, offset: int) -> bytes:
        """From the file it is written to."""
        return self._staging.log(job, stream, offset=offset)

    def meter(self, jobs: Collection[str]) -> tuple[UsageEvent, ...]:
        """One event for each pod that ran to an end, in whole seconds of its node's clock."""
        sight, events = self._look(jobs), list[UsageEvent]()
        for job in jobs:
            if gangs.size(sight.jobs.get(job, {})) > 1:
                events += self._gang_event(job, sight)
                continue
            for run, pod in enumerate(sight.of(job)):
                stretch = cluster.stretch_us(pod)
                if stretch is not None:
                    event = UsageEvent(
                        id=text(part(pod, "metadata").get("uid")),
                        job=job,
                        start_us=stretch[0],
                        end_us=stretch[1],
                        devices=self._devices(pod),
                        run=run,
                    )
                    events.append(event)
        return tuple(events)

    def _gang_event(self, job: str, sight: _Sight) -> Iterator[UsageEvent]:
        pods, said = sight.of(job), sight.jobs[job]
        stretch = gangs.gang_stretch(said, pods)
        if stretch is not None:
            devices = sum(self._devices(pod) for pod in pods if cluster.stretch_us(pod))
            name = text(part(said, "metadata").get("uid"))
            yield UsageEvent(name, job, stretch[0], stretch[1], devices=devices)

    def _devices(self, pod: JsonObject) -> int:
        """Cards it asked for, or whole processors where it asked for none."""
        for card in self._options.chips.values():
            found = cluster.asked(pod, card.resource) // 1_000 if card.resource else 0
            if found:
                return found
        return cluster.asked(pod, "cpu") // 1_000

    def collect(self, job: Job, *, blobs: Blobs, succeeded: bool) -> Result:
        """From its folder."""
        return self._staging.result(job, blobs=blobs, succeeded=succeeded)

    def capacity(self) -> Capacity:
        """Every node, with the resource of each chip that the site's options name.

        What pods of other namespaces use is known only where we may list them.
        """
        alive = {"fieldSelector": "status.phase!=Succeeded,status.phase!=Failed"}
        try:
            pods = list(self._server.all("/api/v1/pods", alive))
        except NotAllowed:
            pods = list(self._server.all(self._server.path("pods"), alive))
        by_node: dict[str, list[JsonObject]] = {}
        for pod in pods:
            by_node.setdefault(text(part(pod, "spec").get("nodeName")), []).append(pod)
        nodes: list[Node] = []
        for said in self._server.all("/api/v1/nodes", {}):
            name = text(part(said, "metadata").get("name"))
            nodes += nodes_of(said, by_node.get(name, []), self._options.chips)
        return Capacity(tuple(nodes))

    def _look(self, jobs: Collection[str]) -> _Sight:
        """The site's Jobs and pods, as far as they are of these jobs."""
        wanted, sight = set(jobs), _Sight()
        mine = {"labelSelector": f"{cluster.SITE}={self._label}"}
        for said in self._server.all(self._server.path("jobs"), mine, clock=sight.at):
            if cluster.job_id(said) in wanted:
                sight.jobs[cluster.job_id(said)] = said
        for said in self._server.all(self._server.path("pods"), mine):
            if cluster.job_id(said) in wanted:
                sight.pods.setdefault(cluster.job_id(said), []).append(said)
        for pods in sight.pods.values():
            pods.sort(key=cluster.age)
        return sight


def _shown(phase: cluster.Phase, *, asked_for: bool) -> Phase:
    """A phase in the seam's words; ``asked_for``: we wanted its end."""
    if phase in ("leaving", "lost", "deadline") and asked_for:
        return "stopped"
    if phase == "leaving":  # by the cluster's own people
        return "lost"
    return "failed" if phase == "deadline" else phase
