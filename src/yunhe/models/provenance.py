"""Whether what is to be registered fits together: artefacts, the metered workload, the split."""

from __future__ import annotations

import json
from collections.abc import Mapping

from yunhe.custody import service as custody
from yunhe.kernel.canonical import Json
from yunhe.kernel.errors import Finding
from yunhe.models.domain import ModelVersion
from yunhe.storage.blobs import Blobs
from yunhe.storage.database import Transaction


def identity_of(version: ModelVersion) -> dict[str, Json]:
    """What a registration fixes for ever."""
    return {
        "model_digest": version.model_digest,
        "manifest_digest": version.manifest_digest,
        "card_digest": version.card_digest,
        "train_digest": version.train_digest,
        "name": version.name,
        "owner": version.owner,
    }


def artefact_faults(blobs: Blobs, asked: ModelVersion) -> list[Finding]:
    """Where manifest and card are not what they claim to be."""
    findings = []
    manifest = _object(blobs.read(asked.manifest_digest))
    if manifest is None:
        findings.append(Finding("manifest_digest", "models.manifest_unreadable"))
    else:
        for name in ("model_digest", "train_digest"):
            found, expected = str(manifest.get(name))[:80], str(identity_of(asked)[name])
            if found != expected:
                params = (("found", found), ("expected", expected))
                findings.append(Finding(f"manifest.{name}", "models.manifest_differs", params))
    if _object(blobs.read(asked.card_digest)) is None:
        findings.append(Finding("card_digest", "models.card_unreadable"))
    return findings


def _object(data: bytes) -> dict[str, object] | None:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def provenance_faults(
    tx: Transaction, asked: ModelVersion, links: Mapping[str, str]
) -> list[Finding]:
    """Where the records of the metered workload and of the split say otherwise."""
    findings = []
    records = {name: custody.record(tx, reference) for name, reference in links.items()}
    for name, kind in (("usage", "compute.usage"), ("split", "evaluation.split")):
        if records[name].kind != kind:
            params = (("found", records[name].kind), ("expected", kind))
            findings.append(Finding(f"{name}_reference", "models.provenance_kind", params))
    if findings:
        return findings
    usage, split = records["usage"].body, records["split"].body
    if not _lists(usage.get("output_digests"), asked.model_digest):
        digest = (("digest", asked.model_digest),)
        findings.append(Finding("usage_reference", "models.not_an_output", digest))
    if not _lists(usage.get("input_digests"), asked.train_digest):
        digest = (("digest", asked.train_digest),)
        findings.append(Finding("usage_reference", "models.not_an_input", digest))
    if records["usage"].links.get("input") != links["split"]:
        findings.append(Finding("split_reference", "models.usage_of_another_split"))
    if split.get("train_digest") != asked.train_digest:
        params = (("found", str(split.get("train_digest"))), ("expected", asked.train_digest))
        findings.append(Finding("split_reference", "models.not_the_training_part", params))
    return findings


def _lists(digests: Json, digest: str) -> bool:
    return isinstance(digests, (list, tuple)) and digest in digests
