"""What settlement deals in: periods, documents, statements of providers, findings, corrections."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Invalid
from yunhe.kernel.language import Language, text

DocumentKind = Literal["invoice", "payable"]
"""``invoice``: what an organisation was charged; ``payable``: what a provider is owed."""
Form = Literal["csv", "json"]
"""What a provider's statement may come as."""
Side = Literal["statement", "ledger", "jobs"]
"""Which of the three disagrees with what the other two, or the rules, say."""
Quantity = Literal["money", "device_ms", "none"]
"""What the two numbers of a finding are."""

Grouping = Literal["city", "organisation", "project", "provider", "pool", "site", "chip", "day"]
"""What usage can be grouped by."""
SUMS = ("device_ms", "idle_ms", "cost_minor", "voucher_minor", "cash_minor")
"""Columns of charges that are added up."""
CLOSE_AFTER_US = 3_600 * SECOND_US
"""A period is closed this long after its end, so that what was being settled then is in it."""
IDLE_PER_THOUSAND = 10
"""Devices are idle below this much processor time or reported utilisation, per thousand."""
_MONTH = re.compile(r"(2[0-9]{3})-(0[1-9]|1[0-2])")  # not \d: a month has one name


@dataclass(frozen=True, slots=True)
class Period:
    """A calendar month in UTC; what ended in it belongs to it."""

    name: str
    """E.g. ``2026-11``."""
    since_us: int
    """Its first instant."""
    until_us: int
    """The first instant of the next."""


def period(name: str) -> Period:
    """The month of that name. Errors: `Invalid` ``compute.period_invalid``."""
    found = _MONTH.fullmatch(name)
    if found is None:
        raise Invalid("compute.period_invalid", value=name[:40])
    year, month = int(found[1]), int(found[2])
    after = (year + 1, 1) if month == 12 else (year, month + 1)
    return Period(name, _begins(year, month), _begins(*after))


def period_at(at_us: int) -> Period:
    """The month an instant is in."""
    return period(datetime.fromtimestamp(at_us // SECOND_US, UTC).strftime("%Y-%m"))


def _begins(year: int, month: int) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * SECOND_US


@dataclass(frozen=True, slots=True)
class Document:
    """An invoice, or our statement of what a provider is owed; issued once, never changed."""

    id: str
    """Derived from kind, party, period and currency."""
    kind: DocumentKind
    """Which of the two."""
    number: int
    """1, 2, … without gaps in each kind."""
    party: str
    """The organisation it is for."""
    period: str
    """Name of its period."""
    currency: str
    """Of its amounts."""
    lines: int
    """How many charges it lists."""
    device_ms: int
    """Device time in all."""
    idle_ms: int
    """Of that, held and not used."""
    cost_minor: int
    """Cost in all."""
    voucher_minor: int
    """Of that, paid by vouchers."""
    cash_minor: int
    """Of that, paid in cash."""
    issued_at_us: int
    """When it was issued."""
    digest: str
    """The document itself, an artefact."""
    reference: str
    """Its custody record."""
    normalised: tuple[NormalisedTime, ...] = ()
    """The device time in normalised time, by the rates of when it was issued."""
    unrated_ms: int = 0
    """Device time for which there was no rate."""


@dataclass(frozen=True, slots=True)
class ProviderStatement:
    """What a provider says it delivered in a period, as it was handed in."""

    id: str
    """Derived from provider, period and the bytes."""
    provider: str
    """Who says so."""
    period: str
    """Name of the period."""
    digest: str
    """The file, an artefact."""
    form: str
    """``csv`` or ``json``."""
    lines: int
    """How many it has."""
    amount_minor: int
    """Sum of their amounts, whatever their currencies."""
    received_at_us: int
    """When it was handed in."""
    received_by: str
    """Member who did."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One place where job log, ledger and statement do not say the same."""

    kind: str
    """Stable name; the sentences are ``compute.match_<kind>`` and ``….do``."""
    side: Side
    """Who is to look."""
    charge: str
    """Id of the workload or correction; as written where nobody knows it."""
    provider: str
    """Whose."""
    where: str
    """Line of the statement, or transfer of the ledger; empty: it is missing there."""
    currency: str
    """Of the amounts."""
    quantity: Quantity = "none"
    """What the next two count."""
    expected: int = 0
    """What the others say."""
    found: int = 0
    """What is said there."""

    def message(self, language: Language) -> str:
        """The finding as a sentence."""
        return text(f"compute.match_{self.kind}", language, **self._params())

    def do(self, language: Language) -> str:
        """What to do about it."""
        return text(f"compute.match_{self.kind}.do", language, **self._params())

    def _params(self) -> dict[str, str | int]:
        return {"charge": self.charge[:80], "where": self.where or "–"}


@dataclass(frozen=True, slots=True)
class Matched:
    """What matching found."""

    charges: int
    """Charges of the period that were looked at."""
    transfers: int
    """Payments in the ledger for them."""
    lines: int
    """Lines of providers' statements."""
    agreed: int
    """Charges about which all three say the same."""
    mismatches: tuple[Mismatch, ...]
    """The rest, statement first, in the order of its lines."""


@dataclass(frozen=True, slots=True)
class Correction:
    """Something given back of a charge, by new entries; the charge itself stays as it was."""

    id: str
    """Derived from workload and key."""
    workload: str
    """What it corrects."""
    corrects: str
    """Name of the period of what it corrects."""
    device_ms: int
    """Device time given back, below zero."""
    cost_minor: int
    """Change of the cost, below zero or zero."""
    voucher_minor: int
    """Of that, of the voucher."""
    cash_minor: int
    """Of that, in cash."""
    reason: str
    """Why, in words; kept for ever, so never personal."""
    corrected_by: str
    """Member who decided."""
    at_us: int
    """When; it belongs to the period of this instant."""
    reference: str
    """Its custody record."""
    drawn_ms: int | None = None
    """Given back to an award for several chips, in its time, below zero; None: `device_ms`."""


@dataclass(frozen=True, slots=True)
class NormalisedTime:
    """Device time of any chips as time of one reference chip; settlement is on the raw time."""

    reference: str
    """The chip that counts as 1,000."""
    versions: tuple[int, ...]
    """Versions of the rate card that were used."""
    normalised_ms: int
    """Milliseconds of the reference."""
    device_ms: int
    """Raw device time that it stands for."""
    disputed_ms: int
    """Of that, at rates to which somebody objects."""


@dataclass(frozen=True, slots=True)
class UsageLine:
    """What was used and paid in a period, of one group."""

    group: str
    """Value it was grouped by: an organisation, project, provider, pool, chip or day."""
    currency: str
    """Of the amounts."""
    charges: int
    """Workloads that ended, with corrections."""
    device_ms: int
    """Device time."""
    idle_ms: int
    """Of that, held without being used."""
    cost_minor: int
    """What it cost."""
    voucher_minor: int
    """Of that, by voucher."""
    cash_minor: int
    """Of that, in cash."""
    reported_ms: int = 0
    """Device time whose real utilisation somebody reported."""
    busy_ms: int = 0
    """Of that, really used."""
    unwatched_ms: int = 0
    """Device time of which nobody knows whether it idled; in no other sum of use."""
    chips: tuple[str, ...] = ()
    """The chips; device time of several is compared in normalised time only."""
    normalised: tuple[NormalisedTime, ...] = ()
    """By reference chip; more than one where versions of the rate card name different ones."""
    unrated_ms: int = 0
    """Device time for which there is no rate; in no normalised sum."""


@dataclass(frozen=True, slots=True)
class Concentration:
    """How much of the compute of a period comes from few hands."""

    by: str
    """``provider``, ``vendor`` or ``chip``."""
    hhi: int
    """Herfindahl-Hirschman index of device time: 0 … 10,000, the sum of squared percent shares."""
    shares: tuple[tuple[str, int, int], ...]
    """Name, device time and share in hundredths of a percent, the largest first."""
