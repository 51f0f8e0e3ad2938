"""Rows of applications, their steps and votes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, Select, func, select, update

from yunhe.compute.applications.domain import (
    Application,
    Ballot,
    Contract,
    FiredHere,
    Milestone,
    Proposal,
    Step,
)
from yunhe.compute.applications.rules import Ruling
from yunhe.compute.applications.tables import (
    application_table,
    step_table,
    vote_table,
    window_table,
)
from yunhe.compute.applications.vocabulary import Facts, Value
from yunhe.kernel.canonical import Json, canonical_bytes
from yunhe.storage.database import Transaction

OPEN = ("returned", "verifying", "voting")
"""States in which nothing is decided yet."""
_WAITS = (*OPEN, "reported")
_GIVEN_UP = ("refused", "withdrawn", "lapsed")


def add(tx: Transaction, values: Mapping[str, object]) -> None:
    """Keep a new application."""
    tx.execute(application_table.insert().values(**values))


def change(tx: Transaction, application: str, **values: object) -> None:
    """Set columns of one application."""
    query = update(application_table).where(application_table.c.id == application)
    tx.execute(query.values(**values))


def row(tx: Transaction, application: str) -> RowMapping | None:
    """All columns of one application."""
    query = select(application_table).where(application_table.c.id == application)
    return tx.execute(query).mappings().one_or_none()


def application(tx: Transaction, application_id: str) -> Application | None:
    """One application as it stands."""
    found = row(tx, application_id)
    return None if found is None else _applications(tx, [found])[0]


def newest(
    tx: Transaction,
    *,
    organisation: str | None,
    projects: frozenset[str] | None,
    states: Sequence[str] = (),
    before: str = "",
    limit: int = 50,
) -> list[Application]:
    """Applications, the last one first, from the one after ``before`` on."""
    table = application_table
    query = select(table).order_by(table.c.number.desc()).limit(limit)
    if organisation is not None:
        query = query.where(table.c.organisation == organisation)
    if projects is not None:
        query = query.where(table.c.project.in_(sorted(projects)))
    if states:
        query = query.where(table.c.state.in_(states))
    if before:
        last = select(table.c.number).where(table.c.id == before).scalar_subquery()
        query = query.where(table.c.number < last)
    return _applications(tx, tx.execute(query).mappings().all())


def about(tx: Transaction, application_id: str) -> list[Application]:
    """Extensions and changes of an award, oldest first."""
    table = application_table
    query = select(table).where(table.c.concerns == application_id).order_by(table.c.number)
    return _applications(tx, tx.execute(query).mappings().all())


def waiting(
    tx: Transaction, *, now_us: int, due_before_us: int, limit: int
) -> Sequence[RowMapping]:
    """What is due by then or late and was not told of yet, the first due first.

    What was told of is left out, so that however much lies late, the rest has its turn.
    """
    table = application_table
    lapses = table.c.state == "returned"
    late = (table.c.due_at_us <= now_us) & (lapses | (table.c.reminded < 2))
    soon = (table.c.due_at_us > now_us) & (table.c.reminded < 1)
    query = (
        select(table)
        .where(
            table.c.state.in_(_WAITS),
            table.c.due_at_us <= due_before_us,
            late | soon,
        )
        .order_by(table.c.due_at_us, table.c.number)
        .limit(limit)
    )
    return tx.execute(query).mappings().all()


def unreported(tx: Transaction, *, ended_before_us: int, limit: int) -> Sequence[RowMapping]:
    """Awards that are over without a final report, and nobody was told yet."""
    table = application_table
    query = (
        select(table)
        .where(
            table.c.state == "awarded",
            table.c.ends_at_us <= ended_before_us,
            table.c.reminded < 2,
        )
        .order_by(table.c.ends_at_us)
        .limit(limit)
    )
    return tx.execute(query).mappings().all()


def in_use(tx: Transaction) -> set[str]:
    """Programmes under which something waits or is awarded. Cost: a scan of the applications."""
    table = application_table
    query = select(table.c.programme).distinct().where(table.c.state.in_((*_WAITS, "awarded")))
    return set(tx.scalars(query))


def claimed_minor(
    tx: Transaction, *, organisation: str, programme: str, year: int, but: str
) -> int:
    """What other claims of the firm in that year come to, redeemed or not; given up ones less."""
    table = application_table
    query = select(func.sum(table.c.amount_minor)).where(
        table.c.organisation == organisation,
        table.c.programme == programme,
        table.c.year == year,
        table.c.id != but,
        table.c.state.not_in(_GIVEN_UP),
    )
    return int(tx.execute(query).scalar() or 0)


def claims_of(tx: Transaction, contract: str, *, but: str) -> list[str]:
    """Programmes under which the contract is claimed by other applications."""
    table = application_table
    query = select(table.c.programme).where(
        table.c.contract == contract, table.c.id != but, table.c.state.not_in(_GIVEN_UP)
    )
    return list(tx.scalars(query))


def hours_in_force(
    tx: Transaction, *, organisation: str, programme: str, now_us: int, but: Sequence[str]
) -> int:
    """Device-hours the organisation was awarded and may still use, and those it waits for."""
    table = application_table
    own = table.c.organisation == organisation, table.c.programme == programme
    asked = select(func.sum(table.c.hours)).where(
        *own, table.c.state.in_(OPEN), table.c.id.not_in(but)
    )
    granted = select(func.sum(table.c.granted_ms)).where(
        *own,
        table.c.kind == "new",
        table.c.state.in_(("awarded", "reported", "closed")),  # closing frees no hours
        table.c.ends_at_us > now_us,
        table.c.id.not_in(but),
    )
    whole_ms = int(tx.execute(granted).scalar() or 0)
    return int(tx.execute(asked).scalar() or 0) + -(-whole_ms // 3_600_000)


def add_step(tx: Transaction, application_id: str, step: Step) -> None:
    """Keep the next step."""
    tx.execute(
        step_table.insert().values(
            application=application_id,
            number=step.number,
            action=step.action,
            actor=step.actor,
            at_us=step.at_us,
            reason=step.reason,
            state=step.state,
            detail=_text(dict(step.detail)),
        )
    )


def steps(tx: Transaction, application_id: str) -> list[Step]:
    """Every step of an application, in order."""
    table = step_table
    query = select(table).where(table.c.application == application_id).order_by(table.c.number)
    return [
        Step(
            number=found.number,
            action=found.action,
            actor=found.actor,
            at_us=found.at_us,
            reason=found.reason,
            state=found.state,
            detail=json.loads(found.detail),
        )
        for found in tx.execute(query)
    ]


def add_vote(tx: Transaction, application_id: str, round_: int, ballot: Ballot) -> None:
    """Keep a vote."""
    tx.execute(
        vote_table.insert().values(
            application=application_id,
            round=round_,
            member=ballot.member,
            vote=ballot.vote,
            hours=ballot.hours,
            at_us=ballot.at_us,
        )
    )


def votes(tx: Transaction, application_id: str, round_: int) -> list[Ballot]:
    """Votes of a round, the first first."""
    table = vote_table
    query = (
        select(table)
        .where(table.c.application == application_id, table.c.round == round_)
        .order_by(table.c.at_us, table.c.member)
    )
    return [
        Ballot(found.member, found.vote, found.at_us, found.hours) for found in tx.execute(query)
    ]


def recused(tx: Transaction, application_id: str) -> set[str]:
    """Who ever declared an interest in it while deciding."""
    table = vote_table
    query = select(table.c.member).where(
        table.c.application == application_id, table.c.vote == "recuse"
    )
    return set(tx.scalars(query))


def ruling_text(ruling: Ruling) -> str:
    """A ruling as it is kept."""
    return _text(
        {
            "outcome": ruling.outcome,
            "fired": [
                [hit.rule, hit.decides, hit.text.en, hit.text.zh, hit.verified]
                for hit in ruling.fired
            ],
            "missing": list(ruling.missing),
            "verified": ruling.verified,
        }
    )


def _text(value: dict[str, Json]) -> str:
    return canonical_bytes(value).decode()


def proposal_of(text: str) -> Proposal:
    """The proposal that was kept."""
    said = json.loads(text)
    contract = said["contract"]
    return Proposal(
        **{
            **said,
            "facts": _facts(said["facts"]),
            "conflicts": tuple(said["conflicts"]),
            "contract": None if contract is None else Contract(**contract),
            "milestones": tuple(Milestone(**each) for each in said["milestones"]),
        }
    )


def _facts(said: Mapping[str, Any]) -> Facts:
    facts: dict[str, Value | frozenset[str]] = {}
    for name, value in said.items():
        facts[name] = frozenset(value) if isinstance(value, list) else value
    return facts


def _applications(tx: Transaction, rows: Sequence[RowMapping]) -> list[Application]:
    awards = _awards(tx, [found["id"] for found in rows])
    return [_application(found, awards.get(found["id"], [])) for found in rows]


def _awards(tx: Transaction, ids: Sequence[str]) -> dict[str, list[str]]:
    table = window_table
    query: Select[Any] = (
        select(table.c.application, table.c.award)
        .where(table.c.application.in_(ids), table.c.award != "")
        .order_by(table.c.starts_at_us, table.c.position, table.c.carried)
    )
    found: dict[str, list[str]] = {}
    for one in tx.execute(query):
        found.setdefault(one.application, []).append(one.award)
    return found


def _application(found: RowMapping, awards: Sequence[str]) -> Application:
    ruling = json.loads(found["ruling"])
    return Application(
        id=found["id"],
        proposal=proposal_of(found["proposal"]),
        proposal_digest=found["proposal_digest"],
        facts=_facts(json.loads(found["facts"])),
        state=found["state"],
        outcome=ruling["outcome"],
        fired=tuple(FiredHere(*hit) for hit in ruling["fired"]),
        missing=tuple(ruling["missing"]),
        verified=ruling["verified"],
        rules_version=found["rules_version"],
        rules_digest=found["rules_digest"],
        applied_by=found["applied_by"],
        applied_at_us=found["applied_at_us"],
        waits_since_us=found["waits_since_us"],
        due_at_us=found["due_at_us"],
        round=found["round"],
        decided_by=found["decided_by"],
        granted_ms=found["granted_ms"],
        ends_at_us=found["ends_at_us"],
        amount_minor=found["amount_minor"],
        currency=found["currency"],
        report=found["report"],
        reference=found["reference"],
        awards=tuple(awards),
    )
