"""The labelled cases of the three programmes, and what the engine says about each."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from applications_desk import VOUCHER, Desk

from yunhe.compute.applications import service as applications
from yunhe.compute.applications.domain import Application, Contract, Proposal
from yunhe.compute.applications.reading import shipped
from yunhe.compute.applications.rules import RuleSet, due_on, rule_on
from yunhe.compute.applications.ruling import OUTCOME_STATES
from yunhe.compute.applications.vocabulary import Facts, read
from yunhe.identity import service as identity
from yunhe.kernel.clock import DAY_US

FOLDER = Path(__file__).parent / "gold"
FILES = ("indiaai", "uk_airr", "beijing")
SAID_BY_PLATFORM: Mapping[str, object] = {
    "registered": True,
    "stage": "apply",
    "contract_claimed": False,
    "claimed_this_year_minor": 0,
}
"""What the platform finds of a firm that is new and applies; it cannot be stated."""
ORGANISATIONS = {
    "student": "university",
    "university": "university",
    "public_body": "regulator",
    "company": "company",
}
"""As what an organisation is registered, by what the applicant calls itself; others as an SME."""
NOON_UTC_US = DAY_US // 6
"""04:00 UTC: the same day in London, Delhi and Beijing."""
EARLIER_CONTRACT_MINOR = 1_000_000_000
"""Price of an earlier claim's contract: so high that its share never excludes it."""


@dataclass(frozen=True, slots=True)
class Case:
    """One labelled case."""

    id: str
    """Unique."""
    programme: str
    """The rule set it is about."""
    facts: Mapping[str, object]
    """What is stated."""
    outcome: str
    """What should follow."""
    line: str
    """What the label follows: ``sheet.*`` or ``page.*``."""
    why: str
    """In a sentence."""
    due_on: datetime.date | None = None
    """By when, where the label says so."""
    contract: str = ""
    """Number of its contract, where it has a history."""
    day: datetime.date | None = None
    """Day on which a case with a history comes in."""
    history: Sequence[Mapping[str, object]] | None = None
    """Earlier claims; None where the facts say it all."""
    corrected: str = ""
    """Why the label was changed after the first run; empty where it was not."""
    added: str = ""
    """Why the case was added after the first run, with the rules in sight; empty where not."""


@dataclass(frozen=True, slots=True)
class Said:
    """What the engine says."""

    outcome: str
    """What follows."""
    rules: tuple[str, ...]
    """Rules that led to it."""
    fired: tuple[str, ...]
    """Every rule that held."""
    due_on: datetime.date | None
    """By when, where the label asks."""


def head(file: str) -> dict:
    """A file of cases as it is written."""
    return yaml.safe_load((FOLDER / f"{file}.yaml").read_text(encoding="utf-8"))


def cases(file: str) -> list[Case]:
    """The cases of one file."""
    whole = head(file)
    return [Case(programme=whole["programme"], **each) for each in whole["cases"]]


def every_case() -> Iterator[Case]:
    """The cases of all files."""
    for file in FILES:
        yield from cases(file)


def said_of_facts(case: Case, rules: RuleSet | None = None) -> Said:
    """What follows from the facts alone; by the shipped rule set unless another is given."""
    rules = rules or shipped(case.programme)
    ruling = rule_on(rules, read(rules.vocabulary, case.facts))
    day = _day_of(case)
    due = due_on(rules, "committee", day) if case.due_on is not None and day else None
    return Said(ruling.outcome, ruling.rules, tuple(hit.rule for hit in ruling.fired), due)


def can_be_applied(case: Case) -> bool:
    """Whether a new applicant can bring the case about by applying, without earlier claims."""
    programme = shipped(case.programme)
    asked = {name for ask in programme.asks for name in ask.facts}
    if case.history is not None or ("submitted_on" in asked and not _day_of(case)):
        return False
    found = SAID_BY_PLATFORM.items()
    return all(case.facts.get(name) == value for name, value in found if name in asked)


def said_of_applying(case: Case, desk: Desk) -> Said:
    """What the platform says when the case is applied for, on its day, by somebody new."""
    kind = ORGANISATIONS.get(str(case.facts.get("applicant_kind")), "sme")
    of = _newcomer(desk, case.id, kind)
    if day := _day_of(case):
        desk.clock.advance(seconds=(_noon_us(day) - desk.clock.now_us()) / 1_000_000)
    made = _apply(desk, of, case.facts, programme=case.programme, key=case.id, contract=case.id)
    assert made.state == OUTCOME_STATES[made.outcome]
    due = None
    if case.due_on is not None and made.due_at_us is not None:
        due = shipped(case.programme).day(made.due_at_us - 1)
    return _said_of(made, due)


def said_of_history(case: Case, desk: Desk) -> Said:
    """What the platform says when the earlier claims were really made on it.

    The desk must be new, and its clock before the first of them.
    """
    assert case.history is not None
    assert case.day is not None
    firms = {
        "": (desk.firm, desk.applicant),
        "another": _newcomer(desk, "another", "sme"),
    }
    desk.fund(10**10)
    for number, claim in enumerate(case.history):
        _go_to(desk, claim["day"])
        facts = {
            **case.facts,
            "claim_minor": claim["claim_minor"],
            "contract_minor": EARLIER_CONTRACT_MINOR,
        }
        of = firms[str(claim.get("firm", ""))]
        made = _apply(
            desk,
            of,
            facts,
            programme=VOUCHER,
            key=f"earlier-{number}",
            contract=str(claim["contract"]),
        )
        _end(desk, made, str(claim["ended"]), of[1])
    _go_to(desk, case.day)
    made = _apply(desk, firms[""], case.facts, programme=VOUCHER, key="now", contract=case.contract)
    return _said_of(made, None)


def agrees(case: Case, said: Said) -> bool:
    """Whether the engine says what the label says."""
    return (case.outcome, case.due_on) == (said.outcome, said.due_on)


def _end(desk: Desk, made: Application, ended: str, by: str) -> None:
    assert made.state == "verifying", made.fired
    match ended:
        case "awarded":
            made = desk.decide(made, "award")
        case "refused":
            made = desk.decide(made, "refuse")
        case "withdrawn":
            made = desk.withdraw(made, by=by)
        case _:
            assert ended == "open"
    assert made.state == {"open": "verifying"}.get(ended, ended)


def _said_of(made: Application, due: datetime.date | None) -> Said:
    rules = tuple(hit.rule for hit in made.fired if hit.decides == made.outcome)
    return Said(made.outcome, rules, tuple(hit.rule for hit in made.fired), due)


def _day_of(case: Case) -> datetime.date | None:
    day = case.facts.get("submitted_on")
    return day if isinstance(day, datetime.date) else None


def _noon_us(day: datetime.date) -> int:
    return (day - datetime.date(1970, 1, 1)).days * DAY_US + NOON_UTC_US


def _go_to(desk: Desk, day: object) -> None:
    assert isinstance(day, datetime.date)
    ahead_us = _noon_us(day) - desk.clock.now_us()
    assert ahead_us >= 0, "a history goes forward"
    desk.clock.advance(seconds=ahead_us / 1_000_000)


def _newcomer(desk: Desk, name: str, kind: str) -> tuple[str, str]:
    """A new organisation and somebody who may apply for it."""
    now_us = desk.clock.now_us()
    with desk.storage.database.begin() as tx:
        firm = identity.add_organisation(tx, key=name, name=name, kind=kind, at_us=now_us).id
        member = identity.add_member(
            tx, key=name, organisation=firm, name="applicant", at_us=now_us
        ).id
        identity.grant_role(tx, member=member, role="administrator", at_us=now_us)
    return firm, member


def _apply(
    desk: Desk,
    of: tuple[str, str],
    facts: Mapping[str, object],
    *,
    programme: str,
    key: str,
    contract: str,
) -> Application:
    voucher = programme == VOUCHER
    known = shipped(programme).vocabulary
    stated = _stated(facts).items()
    proposal = Proposal(
        key=key,
        programme=programme,
        organisation=of[0],
        title="申请",
        facts={name: value for name, value in stated if not known[name].by_platform},
        chip="" if voucher else "cpu",
        contract=Contract(contract, desk.provider) if voucher else None,
    )
    with desk.storage.database.read() as tx:
        before = applications.explain(tx, proposal, now_us=desk.clock.now_us())
    made = applications.apply(desk.storage, proposal, by=of[1])
    told = Said(before.outcome, before.rules, tuple(hit.rule for hit in before.fired), None)
    assert told == _said_of(made, None), "asked beforehand, the platform said something else"
    assert before.missing == made.missing
    return made


def said_of_supposing(case: Case, desk: Desk) -> Said:
    """What the platform says when all that the case says is only supposed of somebody."""
    voucher = case.programme == VOUCHER
    proposal = Proposal(
        key="",
        programme=case.programme,
        organisation=desk.firm,
        title="",
        facts=_stated(case.facts),
        contract=Contract(case.id, desk.provider) if voucher else None,
    )
    with desk.storage.database.read() as tx:
        now_us = desk.clock.now_us()
        said = applications.explain(tx, proposal, now_us=now_us, own="supposed")
    return Said(said.outcome, said.rules, tuple(hit.rule for hit in said.fired), None)


def _stated(facts: Mapping[str, object]) -> Facts:
    """The facts that are known, as somebody who applies types them."""
    typed = {
        name: str(value) if isinstance(value, datetime.date) else value
        for name, value in facts.items()
    }
    return applications.as_facts(typed)
