"""Applications as plain values: what is asked for, where it stands, every step it took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from yunhe.compute.accepting import Accepted
from yunhe.compute.applications.vocabulary import Facts, canonical
from yunhe.kernel.canonical import Json

ApplicationKind = Literal["new", "extension", "change"]
"""For something new; for more time or hours of an award; for another chip or more at once."""
APPLICATION_KINDS: tuple[ApplicationKind, ...] = get_args(ApplicationKind)
ApplicationState = Literal[
    "returned", "verifying", "voting", "awarded", "refused", "withdrawn", "lapsed", "reported",
    "closed",
]  # fmt: skip
"""``returned`` waits for the applicant, ``verifying`` for one person, ``voting`` for several;
``reported``: the final report waits for the programme; the others wait for nobody."""
APPLICATION_STATES: tuple[ApplicationState, ...] = get_args(ApplicationState)
Verdict = Literal["award", "refuse", "return", "refer"]
"""A verifier's: award it, in part perhaps; refuse; send back; hand on to the committee."""
Vote = Literal["award", "refuse", "abstain", "recuse"]
"""A committee member's; ``recuse`` declares an interest and counts for nothing."""
PaymentState = Literal["open", "asked", "paid", "lapsed"]
"""Set aside; evidence waits for a decision; paid out; not redeemed in time or given up."""

RULES = "rules"
"""Actor of what the rules decided, and of what the clock did."""


@dataclass(frozen=True, slots=True)
class Contract:
    """What a voucher is to pay a part of."""

    number: str
    """As both parties know it."""
    provider: str
    """The organisation that is paid; it confirms settlement."""
    document: str = ""
    """Digest of the signed contract, or empty."""

    def as_json(self) -> dict[str, Json]:
        """As digests are taken of it."""
        return {"number": self.number, "provider": self.provider, "document": self.document}


@dataclass(frozen=True, slots=True)
class Milestone:
    """What a part of a grant is paid for."""

    name: str
    """What is to be reached."""
    amount_minor: int
    """What it pays."""

    def as_json(self) -> dict[str, Json]:
        """As digests are taken of it."""
        return {"name": self.name, "amount_minor": self.amount_minor}


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is asked for, by whom; what its facts mean stands in ``rules/README.md``."""

    key: str
    """Idempotency key within the organisation."""
    programme: str
    """Rule set that decides."""
    organisation: str
    """Who applies."""
    title: str
    """What it is for, in a line; no personal details."""
    facts: Facts
    """What the applicant states; of an extension or change only what is to be different."""
    kind: ApplicationKind = "new"
    """New, or about an award that is there."""
    concerns: str = ""
    """The application whose award it is about; empty for a new one."""
    project: str = ""
    """Project it belongs to; empty: the organisation's own."""
    chip: str = ""
    """On what, for device time; empty of an extension."""
    conflicts: tuple[str, ...] = ()
    """Members and organisations with an interest in it; they decide nothing about it."""
    contract: Contract | None = None
    """For a voucher."""
    milestones: tuple[Milestone, ...] = ()
    """For a grant."""
    add_hours: int = 0
    """Of an extension: device-hours on top."""
    add_months: int = 0
    """Of an extension: months on top."""

    def as_json(self) -> dict[str, Json]:
        """The whole proposal, in the form its digest is taken of."""
        return {
            "key": self.key,
            "programme": self.programme,
            "organisation": self.organisation,
            "title": self.title,
            "facts": canonical(self.facts),
            "kind": self.kind,
            "concerns": self.concerns,
            "project": self.project,
            "chip": self.chip,
            "conflicts": list(self.conflicts),
            "contract": None if self.contract is None else self.contract.as_json(),
            "milestones": [each.as_json() for each in self.milestones],
            "add_hours": self.add_hours,
            "add_months": self.add_months,
        }


@dataclass(frozen=True, slots=True)
class FiredHere:
    """A rule that counted in the last ruling, as it was kept."""

    rule: str
    """Its id."""
    decides: str
    """What it asked for."""
    en: str
    """The rule in English."""
    zh: str
    """The rule in 中文."""
    verified: bool
    """Whether it was checked against the official text."""


@dataclass(frozen=True, slots=True)
class Application:
    """An application as it stands."""

    id: str
    """Derived from organisation and key."""
    proposal: Proposal
    """What is asked for, as last amended."""
    proposal_digest: str
    """Digest of its canonical bytes."""
    facts: Facts
    """All facts of the last ruling, those the platform found included."""
    state: ApplicationState
    """Where it stands."""
    outcome: str
    """What the rules said last."""
    fired: tuple[FiredHere, ...]
    """The rules that counted then."""
    missing: tuple[str, ...]
    """Facts asked for that are unknown."""
    verified: bool
    """Whether every rule that led to the outcome was checked against its official text."""
    rules_version: str
    """Version of the rule set."""
    rules_digest: str
    """Its digest."""
    applied_by: str
    """Member id."""
    applied_at_us: int
    """When."""
    waits_since_us: int
    """Since when it is in this state."""
    due_at_us: int | None
    """By when whoever it waits for is to act; None: waits for nobody."""
    round: int
    """Counts up each time it is sent back; votes belong to a round."""
    decided_by: str
    """Member id, `RULES`, or ``committee``; empty while undecided."""
    granted_ms: int
    """Device time awarded in all, extensions included."""
    ends_at_us: int | None
    """Until when; None while not awarded."""
    amount_minor: int
    """Money awarded."""
    currency: str
    """Of it."""
    report: str
    """Digest of the final report; empty before."""
    reference: str
    """Custody record of the decision; empty while undecided."""
    awards: tuple[str, ...] = ()
    """Ids of the awards that came of it, the first to begin first."""

    @property
    def waits(self) -> bool:
        """Whether anybody has to act."""
        return self.state in ("returned", "verifying", "voting", "reported")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened to an application."""

    number: int
    """1, 2, …"""
    action: str
    """What, e.g. ``applied``, ``voted``."""
    actor: str
    """Member id, or `RULES`."""
    at_us: int
    """When."""
    reason: str = field(repr=False)
    """Why, in the actor's words; rule ids where the rules acted. The log has only its digest."""
    state: ApplicationState
    """Where the application stood afterwards."""
    detail: Mapping[str, Json] = field(default_factory=dict)
    """Numbers that belong to it."""


@dataclass(frozen=True, slots=True)
class Ballot:
    """One vote of a committee member."""

    member: str
    """Who."""
    vote: Vote
    """What."""
    at_us: int
    """When."""
    hours: int
    """Device-hours the member would award; 0: what was asked for."""


@dataclass(frozen=True, slots=True)
class Window:
    """Device time for a while: an award of its own once it begins."""

    application: str
    """The application it came of."""
    position: int
    """1, 2, … in order."""
    carried: int
    """How often this amount was carried over; 0: awarded for this window."""
    chip: str
    """On what."""
    starts_at_us: int
    """From when."""
    ends_at_us: int
    """Until when."""
    device_ms: int
    """How much."""
    award: str
    """Id of the award; empty before it begins."""
    moved_ms: int
    """Of what it left, reissued under other terms and hence not lapsed."""
    closed: bool
    """Whether what it left was counted and carried over."""
    decision: str
    """Reference of the decision it rests on."""
    accepts: Accepted | None = None
    """The chips it is for and how each counts; None: the one chip, as it is."""


@dataclass(frozen=True, slots=True)
class Payment:
    """One payment under an application: a voucher's, or a milestone's."""

    application: str
    """The application."""
    number: int
    """1, 2, …"""
    name: str
    """What it is for."""
    amount_minor: int
    """How much."""
    state: PaymentState
    """Where it stands."""
    hold: str
    """The ledger hold on the programme's account."""
    lapses_at_us: int
    """Not redeemed by then, it lapses."""
    evidence: Mapping[str, str]
    """Digests by name, e.g. ``invoice``."""
    asked_by: str
    """Member who asked for it; empty before."""
    confirmed_by: str
    """Member of the provider who confirmed settlement; empty before."""
    decided_by: str
    """Member who decided; empty before."""
    transfer: str
    """The ledger transfer that paid; empty before."""
    reference: str
    """Custody record of the payment's decision; empty before."""


@dataclass(frozen=True, slots=True)
class Affiliation:
    """Two organisations that are affiliated, as the register has it."""

    first: str
    """One."""
    second: str
    """The other; after the first in order."""
    basis: str
    """How it is known."""
    at_us: int
    """Since when."""
