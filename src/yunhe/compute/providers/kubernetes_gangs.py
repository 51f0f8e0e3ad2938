"""Work larger than a node: one Job of several pods, which begin, fail and end together.

Source: Kubernetes' Jobs with ``completionMode: Indexed``, whose pods have an index and, with a
headless Service, a host name each; Kueue admits all pods of a Job or none. A pod that fails ends
the others, as no pod of a Job with a ``backoffLimit`` of 0 is made anew. What the cluster itself
breaks off is lost as a whole: half of a gang is of no use to anybody.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from yunhe.compute.providers.kubernetes_jobs import (
    Phase,
    container,
    disrupted,
    holds,
    part,
    phase_of,
    stretch_us,
)
from yunhe.compute.providers.rest import text
from yunhe.kernel.canonical import Json, JsonObject

PODS_MAX = 1_000
"""Most pods of one Job."""
INDEX = "batch.kubernetes.io/job-completion-index"
"""Annotation and label that the cluster puts on each pod: its place among them, from 0."""
_ENDING = ("Complete", "Failed", "FailureTarget", "SuccessCriteriaMet")


@dataclass(frozen=True, slots=True)
class Split:
    """How work is cut into pods, all alike."""

    pods: int
    """How many."""
    devices: int
    """Of each."""
    replicas: int
    """That start in each; where one is larger than a node, 1: a part of it in each."""


def split(*, devices: int, replicas: int, largest: int) -> Split | None:
    """The fewest pods that nodes of ``largest`` devices take; None when that does not come out.

    A replica lies within one pod, unless there is one only.
    """
    if devices <= largest or largest < 1:
        return Split(1, devices, replicas)
    if replicas == 1:
        pods = math.ceil(devices / largest)
        even = devices % pods == 0 and pods <= PODS_MAX
        return Split(pods, devices // pods, 1) if even else None
    each = devices // replicas
    if each > largest:
        return None
    here = next(n for n in range(largest // each, 0, -1) if replicas % n == 0)
    pods = replicas // here
    return Split(pods, here * each, here) if pods <= PODS_MAX else None


def spread(body: JsonObject, name: str, cut: Split, *, replicas: int) -> JsonObject:
    """A Job of one pod made one of several, which know their place and find each other."""
    spec = part(body, "spec")
    template = part(spec, "template")
    pod = part(template, "spec")
    containers = pod["containers"]
    assert isinstance(containers, list)  # noqa: S101 - made by `manifest`
    index: Json = {"fieldRef": {"fieldPath": f"metadata.annotations['{INDEX}']"}}
    said: list[Json] = [
        {"name": "YUNHE_NODE", "valueFrom": index},
        {"name": "YUNHE_NODES", "value": str(cut.pods)},
        {"name": "YUNHE_MASTER", "value": f"{name}-0.{name}"},
        {"name": "YUNHE_REPLICAS", "value": str(replicas)},
        {"name": "YUNHE_REPLICAS_HERE", "value": str(cut.replicas)},
    ]
    told: list[Json] = [
        {**one, "env": [*_listed(one.get("env")), *said]}
        for one in containers
        if isinstance(one, dict)
    ]
    return {
        **body,
        "spec": {
            **spec,
            "completionMode": "Indexed",
            "parallelism": cut.pods,
            "completions": cut.pods,
            "template": {**template, "spec": {**pod, "subdomain": name, "containers": told}},
        },
    }


def service(name: str, labels: JsonObject) -> JsonObject:
    """By which the pods of a Job find each other, also before all of them are there."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {"batch.kubernetes.io/job-name": name},
        },
    }


def size(job: JsonObject) -> int:
    """How many pods a Job has at once."""
    found = part(job, "spec").get("parallelism")
    return found if type(found) is int and found > 1 else 1


def gang_phase(job: JsonObject, pods: Sequence[JsonObject], *, ended: bool) -> Phase:
    """How far a Job of several pods is; ``ended``: one of its programs wrote down its own end."""
    over = any(holds(job, kind) for kind in _ENDING)
    leaving = part(job, "metadata").get("deletionTimestamp") is not None
    broken = any(disrupted(pod) or "deletionTimestamp" in part(pod, "metadata") for pod in pods)
    if not over and not leaving and not ended and (broken or len(pods) > size(job)):
        return "lost"
    if holds(job, "Failed") and any(container(pod).get("running") is not None for pod in pods):
        return "running"  # they are asked to end, and hold their devices until they do
    return phase_of(job, pods, ended=ended)


def gang_stretch(job: JsonObject, pods: Sequence[JsonObject]) -> tuple[int, int] | None:
    """From its first pod's start to its last one's end; None while any runs, or none ever did.

    That is how long a gang occupies its devices: none of it can be given to others before.
    """
    if any(container(pod).get("running") is not None for pod in pods):
        return None
    found = [one for one in map(stretch_us, pods) if one is not None]
    whole = len(found) == size(job) or any(holds(job, kind) for kind in ("Complete", "Failed"))
    gone = "deletionTimestamp" in part(job, "metadata")
    if not found or not (whole or gone):
        return None
    return min(start for start, _ in found), max(end for _, end in found)


def first_failed(pods: Sequence[JsonObject]) -> JsonObject | None:
    """The pod whose end ended the others, as far as can be told."""
    ended = [
        (stretch_us(pod) or (0, 0), text(part(pod, "metadata").get("uid")), pod)
        for pod in pods
        if part(container(pod), "terminated").get("exitCode") not in (None, 0)
    ]
    return min(ended, key=lambda one: (one[0][1], one[1]))[2] if ended else None


def _listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []
