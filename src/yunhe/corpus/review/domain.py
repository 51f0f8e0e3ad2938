"""Reviews of a certified dataset as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from yunhe.kernel.canonical import JsonObject

Kind = Literal["manual", "technical"]
"""By people, or by rules."""
State = Literal["open", "finished", "withdrawn"]
"""Where a review stands."""
Verdict = Literal["pass", "fail"]
"""What somebody, or a rule, says of one item."""
Settled = Literal["", "pass", "fail", "erased"]
"""What an item came to; empty as long as nobody knows."""
RESOLVING = 3
"""The slot in which a disagreement of slots 1 and 2 is resolved."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check that a standard asks for."""

    kind: Kind
    """By people or by rules."""
    standard: str
    """The standard."""
    items_min: int
    """Items to look at, where the dataset has so many."""
    share_percent_min: int
    """Share of the dataset to look at; 0 where only the number counts."""
    pass_per_thousand_min: int
    """How many must pass."""
    valid_from: str
    """Day from which it holds."""
    source: str
    """Where the figures were read."""
    verified: bool
    """Whether they were compared with the standard's own text."""

    def items(self, population: int) -> int:
        """How many items of so many documents are looked at."""
        share = -(-population * self.share_percent_min // 100)
        return min(max(self.items_min, share), population)


@dataclass(frozen=True, slots=True)
class Apart:
    """Somebody who must not review."""

    who: Literal["declared", "cleanser", "opener"]
    """Whom it is about; see ``rules/checks.yaml``."""
    source: str
    """Why."""
    verified: bool
    """Whether that was compared with the text it names."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What reviews go by."""

    version: str
    """Of the rule file."""
    checks: Mapping[Kind, Check]
    """By kind."""
    apart: tuple[Apart, ...]
    """Who must not review."""
    stratum_items_min: int
    """Items of every stratum, where it has so many."""
    lease_seconds: int
    """How long an item shown is its reviewer's."""
    batch_lease_seconds: int
    """The same for items taken away as a file."""
    length_characters: tuple[int, ...]
    """Borders of the length classes."""
    reasons: tuple[str, ...]
    """Why an item may fail."""


@dataclass(frozen=True, slots=True)
class Stratum:
    """Documents that are alike in source, label and length."""

    source: str
    """Where they came from; empty where the dataset does not say."""
    label: str
    """Their class; empty for none."""
    length: int
    """Their length class: how many borders they reach."""
    documents: int
    """How many there are."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A review to be opened."""

    certificate: str
    """The dataset's certificate."""
    items: int = 0
    """More items than the rule asks for; 0: as the rule asks."""
    adjudicator: str = ""
    """The member who resolves disagreements; empty: any third reviewer."""
    made_by: tuple[str, ...] = ()
    """Members who made or labelled the data and so must not review."""
    organisations: tuple[str, ...] = ()
    """Other organisations whose members may review."""


@dataclass(frozen=True, slots=True)
class Review:
    """One check of one certified dataset."""

    id: str
    """Derived from certificate, kind and round."""
    kind: Kind
    """By people or by rules."""
    round: int
    """1 for the first of its kind, 2 for the one after that was withdrawn …"""
    certificate: str
    """The dataset's certificate."""
    holder: str
    """Organisation that holds the dataset."""
    standard: str
    """What it is checked against."""
    rules_version: str
    """Version of the rules it goes by."""
    dataset_digest: str
    """The dataset; the draw of the sample comes from it."""
    sample_digest: str
    """Parquet: the items with their texts, masked as released."""
    population: int
    """Documents of the dataset."""
    items: int
    """Items drawn."""
    adjudicator: str
    """Who resolves disagreements; empty: any third reviewer."""
    opened_by: str
    """The member who opened it; empty for a check by rules."""
    made_by: tuple[str, ...]
    """Members who must not review, besides the opener."""
    organisations: tuple[str, ...]
    """Other organisations whose members may review."""
    state: State
    """Where it stands."""
    opened_at_us: int
    """When it was opened."""
    ended_at_us: int | None
    """When it was finished or withdrawn."""
    result: JsonObject | None
    """Verdicts, shares and intervals, once it is finished."""
    reference: str | None
    """Its record in the log, once it has ended."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a review by people is; nothing of it tells what anybody judged."""

    items: int
    """Items drawn."""
    judgements: int
    """Judgements given."""
    settled: int
    """Items that need nobody any more."""
    disputed: int
    """Items on which two reviewers differ and nobody has decided yet."""
    claimed: int
    """Items that somebody is looking at now."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one reviewer says of one item."""

    item: int
    """The item's number in the review, from 1."""
    verdict: Verdict
    """Whether it may stay."""
    reasons: tuple[str, ...] = ()
    """Why not; none for a pass."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to judge one item until the lease ends."""

    item: int
    """The item's number."""
    slot: int
    """1 or 2 for a first look, `RESOLVING` for a disagreement."""
    lease_until_us: int
    """Until when nobody else is given this slot."""
    earlier: tuple[Judgement, ...] = ()
    """In a disagreement: what the two said; in a first look nothing, so that nobody is led."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One item as a reviewer sees it."""

    item: int
    """Its number."""
    text: str
    """The released text, personal details masked."""
    characters: int
    """Its length; more than ``text`` has where it was cut."""
    label: str
    """Its class; empty for none."""
