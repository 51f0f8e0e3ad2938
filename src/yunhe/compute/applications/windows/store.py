"""Rows of windows."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import RowMapping, select, update

from yunhe.compute.accepting import accepted_from, accepted_text
from yunhe.compute.applications.domain import Window
from yunhe.compute.applications.tables import window_table
from yunhe.storage.database import Transaction

_TABLE = window_table


def add(tx: Transaction, window: Window) -> None:
    """Keep a new window."""
    values = {name: getattr(window, name) for name in Window.__dataclass_fields__}
    values |= {"closed": int(window.closed), "accepts": accepted_text(window.accepts)}
    tx.execute(_TABLE.insert().values(**values))


def change(tx: Transaction, window: Window, **values: object) -> None:
    """Set columns of one window."""
    query = update(_TABLE).where(
        _TABLE.c.application == window.application,
        _TABLE.c.position == window.position,
        _TABLE.c.carried == window.carried,
    )
    tx.execute(query.values(**values))


def of(tx: Transaction, application: str) -> list[Window]:
    """Every window of an application, in order."""
    query = (
        select(_TABLE)
        .where(_TABLE.c.application == application)
        .order_by(_TABLE.c.position, _TABLE.c.carried)
    )
    return [_window(found) for found in tx.execute(query).mappings()]


def beginning(tx: Transaction, *, now_us: int, limit: int) -> list[Window]:
    """Windows that have begun and have no award yet."""
    query = (
        select(_TABLE)
        .where(
            _TABLE.c.closed == 0,
            _TABLE.c.award == "",
            _TABLE.c.starts_at_us <= now_us,
            _TABLE.c.ends_at_us > now_us,
        )
        .order_by(_TABLE.c.starts_at_us, _TABLE.c.application, _TABLE.c.position, _TABLE.c.carried)
        .limit(limit)
    )
    return [_window(found) for found in tx.execute(query).mappings()]


def ended(tx: Transaction, *, now_us: int, limit: int) -> list[Window]:
    """Windows that are over and not closed, the first to end first."""
    query = (
        select(_TABLE)
        .where(_TABLE.c.closed == 0, _TABLE.c.ends_at_us <= now_us)
        .order_by(_TABLE.c.ends_at_us, _TABLE.c.application, _TABLE.c.position, _TABLE.c.carried)
        .limit(limit)
    )
    return [_window(found) for found in tx.execute(query).mappings()]


def awards_of(tx: Transaction, awards: Sequence[str]) -> dict[str, str]:
    """The application behind each award that came of one."""
    query = select(_TABLE.c.award, _TABLE.c.application).where(_TABLE.c.award.in_(awards))
    return {found.award: found.application for found in tx.execute(query)}


def _window(found: RowMapping) -> Window:
    values = {name: found[name] for name in Window.__dataclass_fields__}
    values |= {"closed": bool(found["closed"]), "accepts": accepted_from(found["accepts"])}
    return Window(**values)
