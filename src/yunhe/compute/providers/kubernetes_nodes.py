"""What a cluster's machines have, and what of it nobody uses now."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from yunhe.compute.providers import kubernetes_jobs as cluster
from yunhe.compute.providers.kubernetes_jobs import Card, part
from yunhe.compute.providers.remote import Node, NodeState
from yunhe.compute.providers.rest import text
from yunhe.kernel.canonical import INTEGER_MAX, JsonObject


def nodes_of(
    said: JsonObject, pods: Sequence[JsonObject], chips: Mapping[str, Card]
) -> Iterator[Node]:
    """Of one machine what it has of each chip; ``pods``: all that are on it and not over."""
    has = part(said, "status", "allocatable")
    state: NodeState = "up"
    if part(said, "spec").get("unschedulable") is True:
        state = "drained"
    if not cluster.holds(said, "Ready"):
        state = "down"
    for chip, card in chips.items():
        resource = card.resource or "cpu"
        devices = min(cluster.thousandths(has.get(resource)) // 1_000, INTEGER_MAX)
        if not devices or not card.on(cluster.labels_of(said)):
            continue
        used = math.ceil(sum(cluster.asked(pod, resource) for pod in pods) / 1_000)
        yield Node(
            name=text(part(said, "metadata").get("name")),
            chip=chip,
            devices=devices,
            free=max(devices - used, 0) if state == "up" else 0,
            state=state,
            cpu_milli=min(cluster.thousandths(has.get("cpu")), INTEGER_MAX),
            memory_mib=min(cluster.thousandths(has.get("memory")) // 1_000 >> 20, INTEGER_MAX),
        )
