"""Rows of guaranteed windows."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import RowMapping, or_, select, update

from yunhe.compute.accepting import accepted_from
from yunhe.compute.applications.tables import application_table
from yunhe.compute.scheduling.weights import rate_of
from yunhe.compute.tables import award_table
from yunhe.compute.windows.domain import Guarantee
from yunhe.compute.windows.tables import guarantee_table
from yunhe.storage.database import Transaction

_G, _A, _F = guarantee_table, award_table, application_table
_WITH_END = (
    select(
        _G,
        _A.c.expires_at_us.label("award_ends_us"),
        _F.c.ends_at_us.label("granted_until_us"),
        _F.c.state.label("granted"),
    )
    .outerjoin(_A, _A.c.id == _G.c.award)
    .outerjoin(_F, _F.c.id == _G.c.award)
)


def add(tx: Transaction, one: Guarantee) -> None:
    """Keep a new window."""
    tx.execute(_G.insert().values(**_fields(one)))


def put(tx: Transaction, one: Guarantee) -> None:
    """Keep what is said of a window now."""
    tx.execute(update(_G).where(_G.c.id == one.id).values(**_fields(one)))


def _fields(one: Guarantee) -> dict[str, object]:
    return {name: getattr(one, name) for name in Guarantee.__dataclass_fields__}


def window(tx: Transaction, name: str) -> tuple[Guarantee, int] | None:
    """The window with that id, and when it ends."""
    found = tx.execute(_WITH_END.where(_G.c.id == name)).mappings().one_or_none()
    return None if found is None else _read(found)


def standing(tx: Transaction, *, now_us: int) -> list[tuple[Guarantee, int]]:
    """Windows that are not over, each with when it ends. Cost: their rows, by index."""
    query = _WITH_END.where(_G.c.until_us > now_us, _G.c.ended_at_us.is_(None))
    rows = (_read(found) for found in tx.execute(query.order_by(_G.c.id)).mappings())
    return [(one, ends_us) for one, ends_us in rows if ends_us > now_us]


def page(
    tx: Transaction,
    *,
    organisation: str | None,
    projects: frozenset[str] | None,
    after: str,
    limit: int,
) -> list[tuple[Guarantee, int]]:
    """Windows by id, of all or one organisation, each with when it ends."""
    query = _WITH_END.where(_G.c.id > after).order_by(_G.c.id).limit(limit)
    if organisation is not None:
        query = query.where(_G.c.organisation == organisation)
    if projects is not None:
        query = query.where(_G.c.project.in_(["", *sorted(projects)]))
    return [_read(found) for found in tx.execute(query).mappings()]


def ceilings(
    tx: Transaction, *, organisation: str, chips: Sequence[str], work: str, now_us: int
) -> list[str | None]:
    """The highest classes that awards in force for these chips allow; None: the usual one.

    Those for several chips count where one of them has a rate for that class of work.
    """
    query = select(_A.c.priority_max, _A.c.accepts).distinct()
    mine = _A.c.organisation == organisation, _A.c.expires_at_us > now_us
    for_it = or_(_A.c.chip.in_(chips), _A.c.accepts.is_not(None))
    found = []
    for row in tx.execute(query.where(*mine, for_it)):
        accepts = accepted_from(row.accepts)
        rates = {} if accepts is None else {(chip, of): rate for chip, of, rate in accepts.rates}
        if accepts is None or any(rate_of(rates, each, work) is not None for each in chips):
            found.append(row.priority_max)
    return found


def _read(found: RowMapping) -> tuple[Guarantee, int]:
    """A window ends with its award: when that expires, or when the application is closed."""
    one = Guarantee(**{name: found[name] for name in Guarantee.__dataclass_fields__})
    ends_us = one.until_us if one.ended_at_us is None else min(one.until_us, one.ended_at_us)
    if found["award_ends_us"] is not None:
        ends_us = min(ends_us, found["award_ends_us"])
    elif found["granted"] is not None:
        held = found["granted"] == "awarded"
        ends_us = min(ends_us, (found["granted_until_us"] or 0) if held else 0)
    return one, ends_us
