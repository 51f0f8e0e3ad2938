"""What the register of sources speaks of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from yunhe.corpus.sources.judging import Judgement
from yunhe.corpus.sources.licences import Answer, Terms

Method = Literal[
    "crawled", "purchased", "own", "donated", "public_release", "user_generated", "synthetic"
]
"""How data is collected."""
Consent = Literal["none_needed", "consent", "separate_consent", "contract", "law", "unknown"]
"""On what basis personal information is in it."""
Robots = Literal["allowed", "excluded", "not_applicable", "unknown"]
"""What robots rules said when somebody evaluated them."""
PersonalData = Literal["none", "personal", "sensitive", "unknown"]
"""Whether it holds personal information."""
State = Literal["registered", "sampled", "accepted", "refused", "withdrawn"]
"""How far supervision has come; only an accepted source may be used."""
Decision = Literal["accept", "refuse", "withdraw"]
"""What may be decided."""
METHODS: tuple[Method, ...] = get_args(Method)
CONSENTS: tuple[Consent, ...] = get_args(Consent)
ROBOTS: tuple[Robots, ...] = get_args(Robots)
PERSONAL_DATA: tuple[PersonalData, ...] = get_args(PersonalData)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the holder declares of a source."""

    name: str
    """What people call it."""
    method: Method
    """How it is collected."""
    licence: str
    """SPDX id or a name the rule data knows."""
    declared: Mapping[str, Answer] = field(default_factory=dict)
    """Each term, where the licence is a contract."""
    agreement: str = ""
    """Number or digest of the contract, or where the licence is stated."""
    consent: Consent = "unknown"
    """Basis of the personal information in it."""
    personal_data: PersonalData = "unknown"
    """Whether there is any."""
    robots: Robots = "unknown"
    """What robots rules said."""
    site_terms: str = ""
    """Which terms of use were evaluated, and what came of it."""
    collected_from: str = ""
    """First day of collection, ``YYYY-MM-DD``, or empty."""
    collected_to: str = ""
    """Last day."""
    contact: str = field(default="", repr=False)
    """An office at the origin that answers questions; never written to custody."""
    languages: tuple[str, ...] = ()
    """Tags, e.g. ``zh-Hans``."""


@dataclass(frozen=True, slots=True)
class Source:
    """A registered source."""

    id: str
    """Names it in `yunhe.corpus.domain.CleanseRequest.source`."""
    holder: str
    """Organisation that collects it."""
    facts: Facts
    """What was declared."""
    state: State
    """How far supervision has come."""
    judgement: Judgement
    """What all samples say together."""
    terms: Terms
    """What the licence permits and asks for."""
    registered_by: str
    """Member who declared it."""
    at_us: int
    """When."""
    decided_by: str
    """Member who decided last; empty before."""
    decided_at_us: int | None
    """When."""
    reference: str
    """Custody record of the last decision; empty before."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at some items of a source."""

    number: int
    """1 for the first."""
    looked: int
    """Items looked at."""
    illegal: int
    """Illegal or unhealthy ones among them."""
    method: str
    """How the items were drawn and judged."""
    labelled_by: str
    """Member who judged them."""
    at_us: int
    """When."""
