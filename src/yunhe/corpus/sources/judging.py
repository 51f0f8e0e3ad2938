"""Whether what was found in a source's samples lets it be used. Pure, and exact.

The interval is Clopper and Pearson's: its upper end does not lie above the bound exactly when so
few illegal items, or fewer, would come up with a probability of at most 2.5 % in a source that lies
at the bound.

Source: Clopper, Pearson, The use of confidence or fiducial limits, Biometrika 26 (1934).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import ceil, floor
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

from yunhe.corpus.risk.classes import Citation
from yunhe.kernel.canonical import JsonObject

Verdict = Literal["none", "more", "clean", "over"]
"""No sample; the interval holds the bound, so look at more; below it; above it."""
LOOKED_MAX = 10_000_000
"""Most items of one sample."""
_PER_MILLION = 1_000_000


class _Bound(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    percent_max: int
    confidence_percent: int
    source: Citation
    note: str


class _Own(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    source: Citation
    note: str


class Rules(BaseModel):
    """The rule data."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    version: str
    """Raised with every change."""
    illegal_share: _Bound
    """The standard's bound."""
    interval: _Own
    """How it is applied."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What all samples of a source say together."""

    looked: int
    """Items looked at."""
    illegal: int
    """Illegal or unhealthy ones among them."""
    low_per_million: int
    """Lower end of the 95 % interval of their share, rounded down."""
    high_per_million: int
    """Upper end, rounded up."""
    percent_max: int
    """The bound."""
    verdict: Verdict
    """What follows."""
    verified: bool
    """Whether the bound was compared with the official text."""

    def as_json(self) -> JsonObject:
        """As the record carries it."""
        return {
            "looked": self.looked,
            "illegal": self.illegal,
            "low_per_million": self.low_per_million,
            "high_per_million": self.high_per_million,
            "percent_max": self.percent_max,
            "verdict": self.verdict,
            "verified": self.verified,
        }


@cache
def rules() -> Rules:
    """The rule data."""
    data = (files("yunhe.corpus.sources") / "rules.yaml").read_text(encoding="utf-8")
    return Rules.model_validate(yaml.safe_load(data))


def judge(illegal: int, looked: int) -> Judgement:
    """The judgement on ``illegal`` of ``looked`` items. Cost: microseconds."""
    bound = rules().illegal_share
    low, high = interval(illegal, looked, confidence_percent=bound.confidence_percent)
    verdict: Verdict = "clean"
    if not looked:
        verdict = "none"
    elif illegal * 100 > bound.percent_max * looked:
        verdict = "over"
    elif high * 100 > bound.percent_max * _PER_MILLION:
        verdict = "more"
    percent_max, verified = bound.percent_max, bound.source.verified
    return Judgement(illegal=illegal, looked=looked, low_per_million=low, high_per_million=high,
                     percent_max=percent_max, verdict=verdict, verified=verified)  # fmt: skip


def interval(found: int, of: int, *, confidence_percent: int = 95) -> tuple[int, int]:
    """Both ends of the exact interval of a share, per million, rounded outwards."""
    if not of:
        return 0, _PER_MILLION
    from scipy.special import betaincinv  # noqa: PLC0415 (a quarter of a second, for this alone)

    tail = (100 - confidence_percent) / 200
    low = 0.0 if not found else float(betaincinv(found, of - found + 1, tail))
    high = 1.0 if found == of else float(betaincinv(found + 1, of - found, 1 - tail))
    return floor(low * _PER_MILLION), min(ceil(high * _PER_MILLION), _PER_MILLION)
