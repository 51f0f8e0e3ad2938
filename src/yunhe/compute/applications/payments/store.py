"""Rows of payments and of the register of affiliations."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from sqlalchemy import RowMapping, delete, or_, select, update

from yunhe.compute.applications.domain import Affiliation, Payment
from yunhe.compute.applications.tables import affiliation_table, evidence_table, payment_table
from yunhe.kernel.canonical import canonical_bytes
from yunhe.storage import dialect
from yunhe.storage.database import Transaction

_TABLE = payment_table


def add(tx: Transaction, payment: Payment) -> None:
    """Keep a new payment."""
    tx.execute(
        _TABLE.insert().values(
            application=payment.application,
            number=payment.number,
            name=payment.name,
            amount_minor=payment.amount_minor,
            state=payment.state,
            hold=payment.hold,
            lapses_at_us=payment.lapses_at_us,
            evidence="{}",
            asked_by="",
            confirmed_by="",
            decided_by="",
            transfer="",
            reference="",
        )
    )


def change(tx: Transaction, payment: Payment, **values: object) -> None:
    """Set columns of one payment; ``evidence`` is given as a mapping."""
    evidence = values.get("evidence")
    if isinstance(evidence, dict):
        values["evidence"] = canonical_bytes(evidence).decode()
    query = update(_TABLE).where(
        _TABLE.c.application == payment.application, _TABLE.c.number == payment.number
    )
    tx.execute(query.values(**values))


def of(tx: Transaction, application: str) -> list[Payment]:
    """Every payment of an application, in order."""
    query = select(_TABLE).where(_TABLE.c.application == application).order_by(_TABLE.c.number)
    return [_payment(found) for found in tx.execute(query).mappings()]


def late(tx: Transaction, *, before_us: int, state: str, limit: int) -> list[Payment]:
    """Payments in that state whose time was up by then."""
    query = (
        select(_TABLE)
        .where(_TABLE.c.state == state, _TABLE.c.lapses_at_us <= before_us)
        .order_by(_TABLE.c.lapses_at_us, _TABLE.c.application, _TABLE.c.number)
        .limit(limit)
    )
    return [_payment(found) for found in tx.execute(query).mappings()]


def asked(tx: Transaction) -> list[Payment]:
    """Payments that were asked for and wait for a decision. Cost: their rows, by index."""
    order = _TABLE.c.application, _TABLE.c.number
    query = select(_TABLE).where(_TABLE.c.state == "asked").order_by(*order)
    return [_payment(found) for found in tx.execute(query).mappings()]


def show(tx: Transaction, payment: Payment, evidence: Mapping[str, str]) -> None:
    """Keep what each document serves as, instead of what was shown for this payment before."""
    table = evidence_table
    own = table.c.application == payment.application, table.c.number == payment.number
    tx.execute(delete(table).where(*own))
    place = {"application": payment.application, "number": payment.number}
    rows = [{"digest": digest, "name": name, **place} for name, digest in evidence.items()]
    if rows:
        tx.execute(table.insert(), rows)


def shown_for(tx: Transaction, digests: Collection[str]) -> list[tuple[str, str, int, str]]:
    """Digest, application, number and name of every payment that one of the documents serves."""
    table = evidence_table
    query = (
        select(table.c.digest, table.c.application, table.c.number, table.c.name)
        .where(table.c.digest.in_(digests))
        .order_by(table.c.digest, table.c.application, table.c.number)
    )
    return [(row.digest, row.application, row.number, row.name) for row in tx.execute(query)]


def _payment(found: RowMapping) -> Payment:
    values = {name: found[name] for name in Payment.__dataclass_fields__}
    return Payment(**{**values, "evidence": json.loads(found["evidence"])})


def affiliate(tx: Transaction, *, first: str, second: str, basis: str, by: str, at_us: int) -> None:
    """Keep that two organisations are affiliated, unless it is known."""
    one, other = sorted((first, second))
    row = {"first": one, "second": other, "basis": basis, "by": by, "at_us": at_us}
    dialect.insert_new(tx, affiliation_table, [row])


def affiliation(tx: Transaction, first: str, second: str) -> Affiliation:
    """An entry of the register that is there."""
    one, other = sorted((first, second))
    table = affiliation_table
    query = select(table).where(table.c.first == one, table.c.second == other)
    row = tx.execute(query).one()
    return Affiliation(row.first, row.second, row.basis, row.at_us)


def affiliates(tx: Transaction, organisations: Collection[str]) -> set[str]:
    """Organisations directly affiliated with any of these."""
    table = affiliation_table
    query = select(table.c.first, table.c.second).where(
        or_(table.c.first.in_(organisations), table.c.second.in_(organisations))
    )
    return {name for found in tx.execute(query) for name in (found.first, found.second)}


def affiliations(
    tx: Transaction, *, after: tuple[str, str] = ("", ""), limit: int = 50
) -> list[Affiliation]:
    """A page of the register, by the two ids."""
    table = affiliation_table
    first, second = after
    query = (
        select(table)
        .where(or_(table.c.first > first, (table.c.first == first) & (table.c.second > second)))
        .order_by(table.c.first, table.c.second)
        .limit(limit)
    )
    return [Affiliation(row.first, row.second, row.basis, row.at_us) for row in tx.execute(query)]
