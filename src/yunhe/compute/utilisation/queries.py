"""What to ask a site's Prometheus for: makers' exporters as data, or the operator's own query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

JOBS, NAMESPACE = "{jobs}", "{namespace}"
"""What a query says where the names of jobs and the site's namespace go."""
LABELS: Mapping[str, str] = {"kubernetes": "pod", "slurm": "slurmjobid", "ray": "submission_id"}
"""Which label names the job in an operator's own query, by kind of site, unless told otherwise."""
Named = Literal["prefix", "exact"]
"""Whether a label holds more behind the job's name, as a pod's does."""
Each = Literal["device", "job"]
"""What one series tells of."""
EACH: tuple[Each, ...] = get_args(Each)
"""All of them."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for jobs of one kind."""

    text: str
    """PromQL that gives percent."""
    labels: tuple[str, ...]
    """Which hold the job's name; the best one first."""
    named: Named
    """How they hold it."""
    each: Each = "device"
    """What one of its series tells of."""


_Text = Annotated[str, Field(min_length=1, max_length=2_000)]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["kubernetes", "slurm", "ray"]
    vendor: _Text
    query: _Text
    labels: Annotated[tuple[_Text, ...], Field(min_length=1)]
    named: Named
    source: _Text
    verified: bool


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    as_of: _Text
    queries: tuple[_Row, ...]


@cache
def shipped() -> Mapping[tuple[str, str], Query]:
    """The queries that come with the platform, by kind of site and maker of the chip."""
    import yaml  # noqa: PLC0415 - slow, and only where a site is watched

    found = _File.model_validate(yaml.safe_load(files(__package__).joinpath("queries.yaml").open()))
    return {
        (row.kind, row.vendor): Query(row.query, row.labels, row.named) for row in found.queries
    }


def own(kind: str, text: str, *, label: str, each: Each) -> Query:
    """An operator's own; ``label`` empty: the usual one of that kind of site."""
    named: Named = "prefix" if kind == "kubernetes" else "exact"
    return Query(text, (label or LABELS[kind],), named, each)
