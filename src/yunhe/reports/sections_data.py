"""What happened to the data and the compute: corpus, exchange, compute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from yunhe.reports.values import Amount, Artefact, Check, Count, Score, Words

WorkloadState = Literal["waiting", "placed", "running", "settled", "failed"]
"""The states of compute's workloads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailLine:
    """Personal details of one type."""

    name: Words
    """The type, e.g. mobile number."""
    masked: int
    """How many were masked."""
    recall: Score | None = None
    """Share of those known from the truth file that were masked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusSection:
    """What cleansing did to the raw text."""

    name: str
    """Name of the dataset."""
    holder: Words
    """Who holds it."""
    licence: str
    """Under what licence."""
    documents_in: int
    """Rows read."""
    documents_out: int
    """Rows in the certified dataset."""
    repaired: int = 0
    """Documents whose encoding was repaired."""
    drops: tuple[Count, ...] = ()
    """Documents dropped, by reason."""
    details: tuple[DetailLine, ...] = ()
    """Personal details masked, by type."""
    recall: Score | None = None
    """Over all types together; ``None`` where no truth is known."""
    review_sample: int | None = None
    """Documents set aside for people to review."""
    near_duplicate_groups: int | None = None
    """Groups of near-duplicates, which the split keeps whole."""
    certificate_id: str | None = None
    """Id of the dataset certificate."""
    artefacts: tuple[Artefact, ...] = ()
    """Input, pipeline, output, certificate, sample."""
    checks: tuple[Check, ...] = ()
    """What was tried on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeSection:
    """How the dataset was listed, ordered and opened."""

    title: Words
    """Title of the listing."""
    holder: Words
    """Who sells."""
    buyer: Words
    """Who ordered."""
    licence: str
    """Under what licence."""
    price: Amount
    """What the buyer paid."""
    purposes: tuple[Words, ...] = ()
    """Purposes the usage policy permits."""
    listing_id: str | None = None
    """The listing."""
    order_id: str | None = None
    """The order; ``None`` when the run stopped before it."""
    grant_id: str | None = None
    """The grant; access exists only with it."""
    expires_at_us: int | None = None
    """When the grant ends."""
    artefacts: tuple[Artefact, ...] = ()
    """Dataset, policy."""
    checks: tuple[Check, ...] = ()
    """What was tried on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadLine:
    """One workload and what became of it."""

    id: str
    """Its id."""
    name: Words
    """What it was to do, e.g. its entry point."""
    state: WorkloadState
    """Where it stands."""
    why: Words | None = None
    """Why it waits or failed."""
    held: tuple[Amount, ...] = ()
    """What was held for it, or would have to be: device time and money."""
    used: Amount | None = None
    """Device time metered."""
    cost: Amount | None = None
    """Its price in money."""
    voucher: Amount | None = None
    """The part of the price that the voucher paid."""
    isolation: Words | None = None
    """How it was kept apart."""
    wall_seconds: str | None = None
    """From start to end."""
    memory_bytes_max: int | None = None
    """Largest memory seen."""
    artefacts: tuple[Artefact, ...] = ()
    """Specification, inputs, outputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeSection:
    """The pool, the award and the workloads."""

    provider: Words
    """Who offers the pool."""
    site: Words
    """Where it stands."""
    chip: str
    """Kind of device."""
    devices: int
    """How many."""
    price_per_device_hour: Amount
    """The pool's price."""
    organisation: Words | None = None
    """Who holds the award."""
    award: Amount | None = None
    """Device time awarded (算力额度)."""
    award_expires_at_us: int | None = None
    """When the award ends."""
    voucher: Amount | None = None
    """Voucher issued (算力券)."""
    voucher_share_percent: int | None = None
    """Largest share of a price the voucher pays."""
    workloads: tuple[WorkloadLine, ...] = ()
    """In order of submission."""
    checks: tuple[Check, ...] = ()
    """What was tried on purpose."""
