"""Gradings as canonical JSON and back: a stored one reads the same when the rules change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

from yunhe.governance.domain import Citation, FiredRule, Grading, Measure, Tier
from yunhe.kernel.canonical import Json, JsonObject, canonical_bytes
from yunhe.kernel.errors import Finding


def write(grading: Grading) -> str:
    """The grading as canonical JSON text."""
    value: dict[str, Json] = {
        "tier": grading.tier,
        "fired": [asdict(hit) for hit in grading.fired],
        "upcoming": [asdict(hit) for hit in grading.upcoming],
        "missing": list(grading.missing),
        "covered": grading.covered,
        "by_jurisdiction": dict(grading.by_jurisdiction),
        "measures": measures(grading),
        "findings": [
            {"where": f.where, "code": f.code, "params": [list(pair) for pair in f.params]}
            for f in grading.findings
        ],
    }
    return canonical_bytes(value).decode()


def measures(grading: Grading) -> list[JsonObject]:
    """The measures as a record's digest covers them."""
    return [asdict(measure) for measure in grading.measures]


def read(text: str) -> Grading:
    """The grading that `write` stored."""
    value = json.loads(text)
    return Grading(
        tier=value["tier"],
        fired=tuple(_fired(item) for item in value["fired"]),
        upcoming=tuple(_fired(item) for item in value["upcoming"]),
        missing=tuple(value["missing"]),
        covered=value["covered"],
        by_jurisdiction=_tiers(value["by_jurisdiction"]),
        measures=tuple(_measure(item) for item in value["measures"]),
        findings=tuple(
            Finding(item["where"], item["code"], tuple((k, v) for k, v in item["params"]))
            for item in value["findings"]
        ),
    )


def _tiers(value: Mapping[str, Tier | None]) -> Mapping[str, Tier | None]:
    return dict(value)


def _fired(value: dict[str, object]) -> FiredRule:
    fields = value | {"missing": _words(value["missing"]), "citation": _citation(value)}
    return FiredRule(**fields)  # type: ignore[arg-type]  # written from the same fields


def _measure(value: dict[str, object]) -> Measure:
    fields = value | {"rows": _words(value["rows"]), "citation": _citation(value)}
    return Measure(**fields)  # type: ignore[arg-type]  # written from the same fields


def _citation(value: dict[str, object]) -> Citation:
    return Citation(**value["citation"])  # type: ignore[arg-type]  # written from the same fields


def _words(value: object) -> tuple[str, ...]:
    return tuple(value) if isinstance(value, list) else ()
