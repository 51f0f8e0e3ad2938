"""Rule sets and what they decide: facts in, an outcome with rule ids and what they rest on out.

Pure: no clock, no files. Every rule whose condition holds counts; the strictest outcome stands; a
fact that is asked for and unknown sends the proposal back, whatever the rules that don't need it
say, unless one refuses it for certain.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from yunhe.compute.applications.conditions import Condition, evaluate
from yunhe.compute.applications.vocabulary import Fact, Facts
from yunhe.kernel.clock import DAY_US
from yunhe.kernel.language import Language
from yunhe.kernel.truth import TRUE

Outcome = Literal["refuse", "return", "committee", "verifier", "approve"]
"""Excluded; sent back; several people vote; one decides; the rules approve. Strictest first."""
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
Subject = Literal["device_time", "voucher", "grant"]
"""What a programme gives: device time, part of a contract's price, money by milestones."""
SUBJECTS: tuple[Subject, ...] = get_args(Subject)
Certainty = Literal["design", "sourced", "unchecked"]
"""This project's own; read in a source, often a secondary one; general knowledge."""
CERTAINTIES: tuple[Certainty, ...] = get_args(Certainty)

ASKED = "asked"
"""Stands for a rule's id where a fact that is asked for is unknown."""
OWN = "verifier"
"""The role by which a member decides about applications of the own organisation."""
_UTC = datetime.UTC


@dataclass(frozen=True, slots=True)
class Words:
    """A text in both languages."""

    en: str
    """English."""
    zh: str
    """中文."""

    def of(self, language: Language) -> str:
        """In that language."""
        return self.zh if language == "zh" else self.en


@dataclass(frozen=True, slots=True)
class Source:
    """What a rule rests on."""

    instrument: Words
    """The text, or this project."""
    certainty: Certainty
    """How well the text is known."""
    verified: bool
    """Whether the rule was checked against the official text."""
    note: str = ""
    """Where it was read, what is doubtful."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: when it holds, this is to follow."""

    id: str
    """Unique in its set, e.g. ``IN-HOURS``."""
    decides: Outcome
    """What follows."""
    when: Condition | None
    """When it holds; None for what follows if no rule names a decider."""
    text: Words
    """The rule as a sentence."""
    source: Source
    """What it rests on."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Facts that a proposal must state."""

    facts: tuple[str, ...]
    """Their ids."""
    when: Condition | None
    """Only then; None for always."""


@dataclass(frozen=True, slots=True)
class Deciders:
    """Who may decide, and how many must agree."""

    roles: tuple[str, ...]
    """Any of these roles."""
    kinds: tuple[str, ...]
    """Members of organisations of these kinds."""
    quorum: int
    """How many votes are needed before a majority counts; 1 for a verifier."""
    source: Source
    """What it rests on."""
    own: tuple[str, ...] = ()
    """Members with the role `OWN` decide about organisations of these kinds: each its own."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """By when something is to happen."""

    days: int
    """So many days after it began to wait; 0 when the calendar says."""
    cutoff_day: int
    """Proposals up to this day of a month are collated in it; 0 without a calendar."""
    result_day: int
    """The result is due by this day of the month after; 0 without a calendar."""
    source: Source
    """What it rests on."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What an award under the programme comes with."""

    months: int
    """How long an award lasts where the proposal need not say."""
    window_months: int
    """Device time is given out over windows of so many months; 0: one window."""
    carry_over_percent: int
    """Share of what a window left unused that the next one gets."""
    decay_percent: int
    """What a carried amount loses each further time it is carried."""
    carry_windows_max: int
    """How often an amount is carried at most."""
    report_days: int
    """The final report is due so many days after the end."""
    redeem_days: int
    """A voucher or milestone not redeemed so many days after the decision lapses."""
    source: Source
    """What it rests on."""
    priority_max: str | None = None
    """Highest class in the queue that awards allow; None: the usual one."""
    jurisdictions: tuple[str, ...] = ()
    """Where awards may be used; none: anywhere."""


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Everything a programme decides by."""

    id: str
    """Its name, e.g. ``indiaai``."""
    version: str
    """As its file says."""
    digest: str
    """Of the file and the vocabulary."""
    title: Words
    """What it is called."""
    subject: Subject
    """What it gives."""
    currency: str
    """ISO 4217; empty where no money is paid."""
    zone_minutes: int
    """Its days and years begin so many minutes before UTC's."""
    asks: tuple[Ask, ...]
    """What a proposal states."""
    rules: tuple[Rule, ...]
    """What follows from it."""
    otherwise: Rule
    """Who decides if no rule says."""
    deciders: Mapping[str, Deciders]
    """Of ``verifier`` and ``committee``."""
    deadlines: Mapping[str, Deadline]
    """Of ``verifier``, ``committee`` and ``applicant``."""
    terms: Terms
    """What an award comes with."""
    vocabulary: Mapping[str, Fact]
    """Every fact it may name."""

    def day(self, at_us: int) -> datetime.date:
        """The programme's own day at that time."""
        moment = datetime.datetime.fromtimestamp(at_us // 1_000_000, _UTC)
        return (moment + datetime.timedelta(minutes=self.zone_minutes)).date()

    def midnight_us(self, day: datetime.date) -> int:
        """When that day begins in the programme's zone."""
        start = datetime.datetime(day.year, day.month, day.day, tzinfo=_UTC)
        return (int(start.timestamp()) - self.zone_minutes * 60) * 1_000_000


@dataclass(frozen=True, slots=True)
class Fired:
    """A rule that counted."""

    rule: str
    """Its id."""
    decides: Outcome
    """What it asks for."""
    text: Words
    """The rule as a sentence."""
    verified: bool
    """Whether it was checked against the official text."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a rule set says about a proposal."""

    outcome: Outcome
    """What follows."""
    fired: tuple[Fired, ...]
    """Every rule that held, strictest first; the first ones led to the outcome."""
    missing: tuple[str, ...]
    """Facts asked for that are unknown."""
    undecided: tuple[str, ...]
    """Rules nobody can decide while those are unknown."""
    verified: bool
    """Whether every rule that led to the outcome was checked against its official text."""

    @property
    def rules(self) -> tuple[str, ...]:
        """Ids of those that led to the outcome."""
        return tuple(hit.rule for hit in self.fired if hit.decides == self.outcome)


def rule_on(rules: RuleSet, facts: Facts) -> Ruling:
    """What follows from the facts. Cost: one pass over the rules."""
    fired: list[Fired] = []
    undecided = []
    needed = asked(rules, facts)
    for rule in rules.rules:
        truth = TRUE if rule.when is None else evaluate(rule.when, facts)
        if truth.value is None:
            undecided.append(rule.id)
            if rule.decides != "approve":  # what a stricter rule needs, it needs unasked, too
                needed |= truth.missing
        elif truth.value:
            fired.append(_fired(rule))
    missing = tuple(sorted(needed - facts.keys()))
    if missing:
        text = Words(f"Not stated: {', '.join(missing)}.", f"未说明：{'、'.join(missing)}。")
        fired.append(Fired(ASKED, "return", text, verified=True))
    if not any(hit.decides in ("committee", "verifier", "approve") for hit in fired):
        fired.append(_fired(rules.otherwise))
    fired.sort(key=lambda hit: OUTCOMES.index(hit.decides))
    outcome = fired[0].decides
    return Ruling(
        outcome=outcome,
        fired=tuple(fired),
        missing=missing,
        undecided=tuple(undecided),
        verified=all(hit.verified for hit in fired if hit.decides == outcome),
    )


def asked(rules: RuleSet, facts: Facts) -> frozenset[str]:
    """The facts a proposal must state; those of a condition nobody can decide included."""
    holding: Iterable[Ask] = (
        ask
        for ask in rules.asks
        if ask.when is None or evaluate(ask.when, facts).value is not False
    )
    return frozenset(name for ask in holding for name in ask.facts)


def _fired(rule: Rule) -> Fired:
    return Fired(rule.id, rule.decides, rule.text, rule.source.verified)


def due_on(rules: RuleSet, waits_for: str, since: datetime.date) -> datetime.date:
    """The day by which what waits since then is to be done; it is in time on that whole day."""
    deadline = rules.deadlines[waits_for]
    if not deadline.cutoff_day:
        return since + datetime.timedelta(days=deadline.days)
    months = 1 if since.day <= deadline.cutoff_day else 2
    year, month = divmod(since.year * 12 + since.month - 1 + months, 12)
    return datetime.date(year, month + 1, deadline.result_day)


def due_at_us(rules: RuleSet, waits_for: str, *, since_us: int) -> int:
    """The instant after `due_on`'s day, in the programme's zone."""
    return rules.midnight_us(due_on(rules, waits_for, rules.day(since_us))) + DAY_US
