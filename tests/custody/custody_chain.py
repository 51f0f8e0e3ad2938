"""A realistic chain of custody from a source to an answer, which a test may break anywhere."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from yunhe.custody.domain import Record
from yunhe.kernel.canonical import Json
from yunhe.kernel.clock import DAY_US

START_US = 1_767_225_600_000_000
"""Where the tests' clock starts."""
NAMES = (
    *("source", "certificate", "listing", "grant", "split", "award", "usage", "model"),
    *("evaluation", "risk", "approval_1", "approval_2", "release", "deployment", "answer"),
)
"""The records of an answer's chain, in the order in which they come to be."""


def digest(what: str) -> str:
    """A digest of something that a test need not have."""
    return "sha256:" + hashlib.sha256(what.encode()).hexdigest()


@dataclass
class Changes:
    """What a test wants to be different in one record."""

    body: dict[str, Json] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    links: dict[str, str] = field(default_factory=dict)
    unlinked: tuple[str, ...] = ()
    at_us: int | None = None
    kind: str | None = None


def _body(name: str) -> tuple[str, dict[str, Json], tuple[str, ...]]:
    """Kind, body and the names of the linked records."""
    model = {"model_digest": digest("model")}
    data = {"dataset_digest": digest("clean")}
    policy = {"policy_digest": digest("policy"), "price_minor": 120_000, "unit": "CNY"}
    until = START_US + 90 * DAY_US
    decision = {"decision": "approve", "expires_at_us": until} | model
    approval_links = ("model", "evaluation", "risk")
    shapes: dict[str, tuple[str, dict[str, Json], tuple[str, ...]]] = {
        "source": (
            "data.source",
            {"digest": digest("raw"), "bytes": 4_096, "name": "12345 热线工单", "synthetic": True}
            | {"holder": "org_city", "licence": "CC-BY-4.0"},
            (),
        ),
        "certificate": (
            "data.certificate",
            {"certificate_digest": digest("certificate"), "input_digest": digest("raw")}
            | {"pipeline_digest": digest("pipeline"), "output_digest": digest("clean")}
            | {"documents_in": 20_000, "documents_out": 18_421},
            ("source",),
        ),
        "listing": (
            "data.listing",
            data | policy | {"holder": "org_city", "licence": "CC-BY-4.0"},
            ("certificate",),
        ),
        "grant": (
            "data.grant",
            data
            | policy
            | {"buyer": "org_university", "order": "order_1", "transfer": "transfer_1"}
            | {"expires_at_us": until},
            ("listing",),
        ),
        "split": (
            "evaluation.split",
            data
            | {"train_digest": digest("train"), "heldout_digest": digest("heldout")}
            | {"seed": 7, "groups": 12_345},
            ("grant",),
        ),
        "award": (
            "compute.award",
            {"organisation": "org_university", "unit": "device:cpu", "amount_minor": 3_600_000}
            | {"expires_at_us": until},
            (),
        ),
        "usage": (
            "compute.usage",
            {"organisation": "org_university", "provider": "org_provider", "pool": "pool_1"}
            | {"spec_digest": digest("spec"), "input_digests": [digest("train")]}
            | {"output_digests": [digest("card"), digest("model")], "device_ms": 41_000}
            | {"cost_minor": 12, "unit": "CNY", "voucher_minor": 2, "isolation": "bubblewrap"}
            | {"transfer": "transfer_2"},
            ("award", "input"),
        ),
        "model": (
            "model.version",
            model
            | {"manifest_digest": digest("manifest"), "card_digest": digest("card")}
            | {"train_digest": digest("train"), "name": "routing"},
            ("usage", "split"),
        ),
        "evaluation": (
            "evaluation.run",
            model
            | {"heldout_digest": digest("heldout"), "results_digest": digest("results")}
            | {"metric": "macro_f1", "score": "0.871000", "score_low": "0.858000"}
            | {"score_high": "0.884000", "baseline": "keywords", "baseline_score": "0.702000"}
            | {"gate": "passed"},
            ("model", "split"),
        ),
        "risk": (
            "governance.risk",
            model
            | {"facts_digest": digest("facts"), "rules_version": "2026-10", "tier": "limited"}
            | {"fired": ["public-service"], "measures_digest": digest("measures")},
            ("model",),
        ),
        "approval_1": (
            "governance.approval",
            decision | {"approver": "member_1", "role": "risk_officer"},
            approval_links,
        ),
        "approval_2": (
            "governance.approval",
            decision | {"approver": "member_2", "role": "release_owner"},
            approval_links,
        ),
        "release": (
            "governance.release",
            model | {"valid_until_us": until - DAY_US},
            (*approval_links, "approval_1", "approval_2"),
        ),
        "deployment": ("serving.deployment", model | {"route": "hotline"}, ("release",)),
        "answer": (
            "serving.answer",
            model
            | {"tenant": digest("tenant"), "request_commitment": digest("request")}
            | {"response_commitment": digest("response"), "device_us": 900},
            ("deployment",),
        ),
    }
    return shapes[name]


def build(
    write: Callable[[Record], str],
    changes: Mapping[str, Changes] | None = None,
    *,
    suffix: str = "1",
) -> dict[str, str]:
    """Write the chain; name → reference."""
    known: dict[str, str] = {}
    for name in NAMES:
        kind, body, linked = _body(name)
        links = {role: known["split" if role == "input" else role] for role in linked}
        at_us = START_US - (len(NAMES) - len(known)) * 1_000_000
        record = Record(kind, f"{name}_{suffix}", at_us, body, links)
        known[name] = write(_changed(record, (changes or {}).get(name), known))
    return known


def _changed(record: Record, change: Changes | None, known: Mapping[str, str]) -> Record:
    if change is None:
        return record
    body = {key: value for key, value in record.body.items() if key not in change.without}
    links = {role: to for role, to in record.links.items() if role not in change.unlinked}
    return replace(
        record,
        kind=change.kind or record.kind,
        at_us=record.at_us if change.at_us is None else change.at_us,
        body=body | change.body,
        links=links | {role: known.get(to, to) for role, to in change.links.items()},
    )


KINDS = {name: _body(name)[0] for name in NAMES}
"""Name of a record of the chain → its kind."""
