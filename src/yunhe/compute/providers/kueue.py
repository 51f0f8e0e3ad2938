"""What a cluster's people apply so that our Jobs queue there: flavours, a cluster queue, a queue.

Source: Kueue's ``v1beta2`` kinds as published. Quotas are what its nodes have when this is asked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from yunhe.compute.providers.kubernetes_jobs import Card
from yunhe.compute.providers.remote import Capacity
from yunhe.kernel.canonical import Json, JsonObject

VERSION = "kueue.x-k8s.io/v1beta2"
"""Of everything that is made here."""


def manifests(
    chips: Mapping[str, Card], capacity: Capacity, *, queue: str, namespace: str
) -> list[JsonObject]:
    """A flavour for each chip that the cluster has, a cluster queue over them, and the local queue.

    Chips of one resource, told apart by a label, share a group; processor and memory have a group
    of their own, as Kueue takes every resource in one group only.
    """
    groups: dict[str, list[str]] = {}
    for chip, card in chips.items():
        if capacity.devices(chip):
            groups.setdefault(card.resource, []).append(chip)
    cards = {resource: names for resource, names in groups.items() if resource}
    flavors: list[JsonObject] = [_flavor(flavor_name("plain"), Card(""))]
    covered: list[Json] = [_group(["cpu", "memory"], {"plain": _plain(capacity)})]
    for resource, names in cards.items():
        flavors += [_flavor(flavor_name(chip), chips[chip]) for chip in names]
        quotas: dict[str, dict[str, str]] = {
            chip: {resource: str(capacity.devices(chip))} for chip in names
        }
        covered.append(_group([resource], quotas))
    name = queue or "yunhe"
    return [
        *flavors,
        {
            "apiVersion": VERSION,
            "kind": "ClusterQueue",
            "metadata": {"name": name},
            "spec": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                # The platform decides who goes first; here it is the order of arrival.
                "queueingStrategy": "BestEffortFIFO",
                "resourceGroups": covered,
            },
        },
        {
            "apiVersion": VERSION,
            "kind": "LocalQueue",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"clusterQueue": name},
        },
    ]


def flavor_name(chip: str) -> str:
    """A chip's name as a cluster takes it."""
    return re.sub(r"[^a-z0-9-]+", "-", chip.lower()).strip("-") or "chip"


def _flavor(name: str, card: Card) -> JsonObject:
    labels: dict[str, Json] = {"nodeLabels": {card.label: card.value}} if card.label else {}
    return {
        "apiVersion": VERSION,
        "kind": "ResourceFlavor",
        "metadata": {"name": name},
        "spec": labels,
    }


def _group(resources: list[str], quotas: Mapping[str, Mapping[str, str]]) -> JsonObject:
    return {
        "coveredResources": list(resources),
        "flavors": [
            {
                "name": flavor_name(chip),
                "resources": [
                    {"name": resource, "nominalQuota": amounts[resource]} for resource in resources
                ],
            }
            for chip, amounts in quotas.items()
        ],
    }


def _plain(capacity: Capacity) -> dict[str, str]:
    """Processor and memory of all nodes that are up, each counted once."""
    up = {node.name: node for node in capacity.nodes if node.state == "up"}
    return {
        "cpu": f"{sum(node.cpu_milli for node in up.values())}m",
        "memory": f"{sum(node.memory_mib for node in up.values())}Mi",
    }
