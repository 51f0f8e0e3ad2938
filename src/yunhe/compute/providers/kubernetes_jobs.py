"""What a cluster is asked for and what its answers mean; nothing is sent from here.

Source: Kubernetes' ``batch/v1`` Job and ``v1`` Pod, and Kueue's ``v1beta2`` kinds, as published.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from yunhe.compute.providers import station
from yunhe.compute.providers.rest import objects, text
from yunhe.kernel.canonical import Json, JsonObject
from yunhe.kernel.clock import SECOND_US

SITE, JOB = "yunhe.dev/site", "yunhe.dev/job"
"""Label of everything of one site; annotation with our id of a job."""
QUEUE = "kueue.x-k8s.io/queue-name"
"""Kueue's label for the queue a Job waits in."""
KEEP = "yunhe.dev/usage"
"""Finalizer by which an ended pod stays until its usage is settled."""
CONTAINER = "main"
"""Name of the one container."""
_DISRUPTED = frozenset({"Evicted", "NodeLost", "NodeShutdown", "Preempting", "Preempted"})
_DISRUPTED |= {"Terminated", "UnexpectedAdmissionError", "OutOfcpu", "OutOfmemory"}
_UNITS = {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_UNITS |= {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40, "Pi": 1 << 50}
_QUANTITY = re.compile(r"(\d{1,18})(?:\.(\d{1,9}))?(m|[kMGTP]|[KMGTP]i)?")

Phase = Literal["queued", "running", "succeeded", "failed", "deadline", "lost", "leaving"]
"""``deadline``: ended for taking too long; ``leaving``: somebody deleted it."""


@dataclass(frozen=True, slots=True)
class Card:
    """What a chip is called in a cluster."""

    resource: str
    """Extended resource, ``huawei.com/Ascend910``; empty for plain processors."""
    label: str = ""
    """Label that nodes with it have; empty: the resource is enough."""
    value: str = ""
    """Value of that label."""

    @classmethod
    def read(cls, said: str) -> Card:
        """Of ``resource`` or ``resource@label=value``."""
        resource, _, rest = said.partition("@")
        label, _, value = rest.partition("=")
        return cls(resource, label, value)

    def on(self, labels: Json) -> bool:
        """Whether a node with these labels has it."""
        if not self.label:
            return True
        return isinstance(labels, dict) and labels.get(self.label) == self.value


@dataclass(frozen=True, slots=True)
class Wanted:
    """A job to hand over, in a cluster's terms."""

    name: str
    """Its name there."""
    job: str
    """Our id."""
    site: str
    """Whose label it bears."""
    queue: str
    """Kueue's local queue; empty: it starts at once or waits for a node."""
    image: str
    """Container image; it has a Python and a shell."""
    command: str
    """For the shell."""
    card: Card
    """What its devices are called."""
    devices: int
    """Of its one pod."""
    cpu_milli: int
    """Of that pod."""
    memory_bytes: int
    """Of that pod."""
    seconds_max: int
    """Ended after so long."""
    volume: str
    """Claim of the shared volume."""
    below: str
    """The job's folder in that volume."""
    folder: str
    """Where the container sees it."""
    user: int | None
    """Whom it runs as; None: whom the image says."""
    grace_seconds: int = station.STOP_SECONDS * 2
    """Between asking its pods to end and ending them."""
    pull_secret: str = ""
    """Name of the secret its image is fetched with; empty: none."""


def name_of(job: str) -> str:
    """A name the cluster takes, always the same for one job."""
    return "yunhe-" + hashlib.sha256(job.encode()).hexdigest()[:40]


def label_of(site: str) -> str:
    """A label value for a site's name, which may be longer than a label takes."""
    return site if len(site) < 63 else "site-" + hashlib.sha256(site.encode()).hexdigest()[:40]


def manifest(wanted: Wanted) -> JsonObject:
    """The Job. With a queue it is suspended; Kueue lets it begin."""
    labels: dict[str, Json] = {"app.kubernetes.io/managed-by": "yunhe", SITE: wanted.site}
    notes: dict[str, Json] = {JOB: wanted.job}
    queued: dict[str, Json] = {QUEUE: wanted.queue} if wanted.queue else {}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": wanted.name,
            "labels": {**labels, **queued},
            "annotations": notes,
        },
        "spec": {
            "suspend": bool(wanted.queue),
            "parallelism": 1,
            "completions": 1,
            "backoffLimit": 0,  # what is broken off is placed anew, by the platform
            "activeDeadlineSeconds": wanted.seconds_max,
            "template": {
                "metadata": {"labels": labels, "annotations": notes, "finalizers": [KEEP]},
                "spec": _pod(wanted),
            },
        },
    }


def _pod(wanted: Wanted) -> JsonObject:
    amounts: dict[str, Json] = {
        "cpu": f"{wanted.cpu_milli}m",
        "memory": f"{math.ceil(wanted.memory_bytes / (1 << 20))}Mi",
    }
    if wanted.card.resource:
        amounts[wanted.card.resource] = str(wanted.devices)
    claim = {"fieldPath": "metadata.labels['batch.kubernetes.io/controller-uid']"}
    who: dict[str, Json] = {}
    if wanted.user is not None:
        who = {"runAsUser": wanted.user, "runAsNonRoot": wanted.user != 0}
    selector: dict[str, Json] = {}
    if wanted.pull_secret:
        selector = {"imagePullSecrets": [{"name": wanted.pull_secret}]}
    if wanted.card.label:
        selector |= {"nodeSelector": {wanted.card.label: wanted.card.value}}
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": wanted.grace_seconds,
        **selector,
        "containers": [
            {
                "name": CONTAINER,
                "image": wanted.image,
                "command": ["/bin/sh", "-c", wanted.command],
                "env": [{"name": "YUNHE_CLAIM", "valueFrom": {"fieldRef": claim}}],
                "resources": {"requests": amounts, "limits": amounts},
                "securityContext": {
                    **who,
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "volumeMounts": [
                    {"name": "shared", "mountPath": wanted.folder, "subPath": wanted.below}
                ],
            }
        ],
        "volumes": [{"name": "shared", "persistentVolumeClaim": {"claimName": wanted.volume}}],
    }


# --- Reading what it says -------------------------------------------------------------------


def part(value: Json, *names: str) -> JsonObject:
    """An object inside others; empty where there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def job_id(said: JsonObject) -> str:
    """Our id of a Job or pod; empty for one that is not ours."""
    return text(part(said, "metadata", "annotations").get(JOB))


def conditions(said: JsonObject) -> dict[str, JsonObject]:
    """Its conditions by type."""
    found = objects(part(said, "status").get("conditions"))
    return {text(one.get("type")): one for one in found}


def holds(said: JsonObject, kind: str) -> bool:
    """Whether a condition is true."""
    return conditions(said).get(kind, {}).get("status") == "True"


def container(pod: JsonObject) -> JsonObject:
    """The state of the pod's container: ``waiting``, ``running`` or ``terminated``."""
    for status in objects(part(pod, "status").get("containerStatuses")):
        if status.get("name") == CONTAINER:
            return part(status, "state")
    return {}


def stretch_us(pod: JsonObject) -> tuple[int, int] | None:
    """From when to when its container ran; None while it runs and if it never did."""
    ended = part(container(pod), "terminated")
    start, end = instant_us(ended.get("startedAt")), instant_us(ended.get("finishedAt"))
    return (start, end) if start and end else None


def disrupted(pod: JsonObject) -> bool:
    """Whether the cluster took it down, not the program or its limits."""
    reason = text(part(pod, "status").get("reason"))
    return holds(pod, "DisruptionTarget") or reason in _DISRUPTED


def phase_of(job: JsonObject, pods: Iterable[JsonObject], *, ended: bool) -> Phase:
    """How far it is; ``ended``: the program wrote down its own end."""
    pods = list(pods)
    running = any(container(pod).get("running") is not None for pod in pods)
    if holds(job, "Complete"):
        return "succeeded"
    if holds(job, "Failed"):
        if ended:
            return "failed"
        statuses = [part(container(pod), "terminated").get("exitCode") for pod in pods]
        ran = any(stretch_us(pod) for pod in pods)
        refused = {station.EXIT_NOT_MINE, station.EXIT_BROKEN} & {
            status for status in statuses if type(status) is int
        }
        if not ran or refused or any(disrupted(pod) for pod in pods):
            return "lost"
        late = conditions(job)["Failed"].get("reason") == "DeadlineExceeded"
        return "deadline" if late else "failed"
    if part(job, "metadata").get("deletionTimestamp"):
        return "running" if running else "leaving"
    return "running" if running else "queued"


def waits_for(pods: Iterable[JsonObject], workloads: Iterable[JsonObject]) -> str:
    """Why it does not run yet, in the cluster's words; empty where it says nothing."""
    for pod in pods:
        waiting = part(container(pod), "waiting")
        if waiting:
            return f"{text(waiting.get('reason'))} {text(waiting.get('message'))}".strip()
        scheduled = conditions(pod).get("PodScheduled", {})
        if scheduled.get("status") == "False":
            return text(scheduled.get("message")) or text(scheduled.get("reason"))
    for workload in workloads:
        for kind in ("QuotaReserved", "Admitted"):
            said = conditions(workload).get(kind, {})
            if said.get("status") == "False":
                return text(said.get("message")) or text(said.get("reason"))
    return ""


def instant_us(value: Json) -> int:
    """Microseconds since 1970 of an RFC 3339 time; 0 for what is none."""
    try:
        at = datetime.fromisoformat(text(value))
        return max(int(at.timestamp() * SECOND_US), 0) if at.tzinfo is not None else 0
    except (ValueError, OverflowError):
        return 0


def thousandths(value: Json) -> int:
    """A quantity (``8``, ``1500m``, ``64Gi``) times 1,000, rounded down; 0 for what is none."""
    found = _QUANTITY.fullmatch(str(value)) if isinstance(value, (str, int)) else None
    if found is None:
        return 0
    whole, fine, unit = found.groups()
    scaled = int(whole) * 10**9 + int((fine or "").ljust(9, "0"))
    return scaled // 10**9 if unit == "m" else scaled * _UNITS.get(unit or "", 1) // 10**6


def asked(pod: JsonObject, resource: str) -> int:
    """How much of a resource a pod's containers ask for together, in thousandths."""
    containers = objects(part(pod, "spec").get("containers"))
    return sum(thousandths(part(one, "resources", "requests").get(resource)) for one in containers)


def owned(said: JsonObject, uid: str) -> bool:
    """Whether something belongs to the object with that id."""
    owners = objects(part(said, "metadata").get("ownerReferences"))
    return bool(uid) and any(owner.get("uid") == uid for owner in owners)


def labels_of(said: JsonObject) -> Mapping[str, Json]:
    """Its labels."""
    return part(said, "metadata", "labels")


def age(pod: JsonObject) -> tuple[int, bool, str]:
    """Order of beginning; of two of one second, the one that is to go was there before."""
    meta = part(pod, "metadata")
    created = instant_us(meta.get("creationTimestamp"))
    return created, "deletionTimestamp" not in meta, text(meta.get("uid"))


def killed_for_memory(pod: JsonObject) -> bool:
    """Whether its node ended it for using more memory than it asked for."""
    return part(container(pod), "terminated").get("reason") == "OOMKilled"
