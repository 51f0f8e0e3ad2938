"""Reads the rules of reviews from ``rules/checks.yaml``."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

from yunhe.corpus.review.domain import Apart, Check, Kind, Rules
from yunhe.corpus.risk.classes import classes
from yunhe.kernel.language import Language
from yunhe.kernel.language import text as sentence


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Check(_Part):
    kind: Kind
    standard: str
    items_min: int
    share_percent_min: int
    pass_per_thousand_min: int
    valid_from: str
    source: str
    verified: bool


class _Apart(_Part):
    who: Literal["declared", "cleanser", "opener"]
    source: str
    verified: bool


class _File(_Part):
    version: str
    checks: list[_Check]
    apart: list[_Apart]
    stratum_items_min: int
    lease_seconds: int
    batch_lease_seconds: int
    length_characters: list[int]
    other_reasons: list[str]


@cache
def rules() -> Rules:
    """The rules that come with Yunhe."""
    text = (files("yunhe.corpus.review") / "rules" / "checks.yaml").read_text(encoding="utf-8")
    read = _File.model_validate(yaml.safe_load(text))
    risks = [each.id for each in classes()]
    return Rules(
        version=read.version,
        checks={each.kind: Check(**each.model_dump()) for each in read.checks},
        apart=tuple(Apart(**each.model_dump()) for each in read.apart),
        stratum_items_min=read.stratum_items_min,
        lease_seconds=read.lease_seconds,
        batch_lease_seconds=read.batch_lease_seconds,
        length_characters=tuple(read.length_characters),
        reasons=(*risks, *read.other_reasons),
    )


def reason_text(reason: str, language: Language) -> str:
    """Why an item failed, for a person."""
    named = {each.id: each.names for each in classes()}
    if reason in named:
        return f"{reason} {named[reason][language]}"
    return sentence(f"corpus.review.reason.{reason}", language)
