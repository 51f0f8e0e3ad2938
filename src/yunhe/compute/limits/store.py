"""What is kept of what was said of places."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from sqlalchemy import RowMapping, Select, func, select

from yunhe.compute.limits.tables import limit_table
from yunhe.kernel.canonical import canonical_bytes
from yunhe.storage.database import Transaction

_NAMED_MAX = 500
"""Subjects of one question."""


def say(
    tx: Transaction,
    what: str,
    subject: str,
    jurisdictions: Sequence[str],
    *,
    reason: str,
    by: str,
    at_us: int,
) -> None:
    """Keep what somebody said; what was said before of the same stays behind it."""
    kept = canonical_bytes(list(jurisdictions)).decode()
    said = {"what": what, "subject": subject, "jurisdictions": kept, "reason": reason}
    tx.execute(limit_table.insert().values(**said, by=by, at_us=at_us))


def _last(what: str) -> Select[tuple[int]]:
    at = limit_table.c
    return select(func.max(at.number)).where(at.what == what).group_by(at.subject)


def standing(
    tx: Transaction, what: str, subjects: Iterable[str] | None = None
) -> dict[str, tuple[str, ...]]:
    """What holds of these subjects, or of all; without those where it was lifted."""
    at = limit_table.c
    named = None if subjects is None else sorted(set(subjects))
    parts = [None] if named is None else _parts(named)
    found: dict[str, tuple[str, ...]] = {}
    for part in parts:
        last = _last(what) if part is None else _last(what).where(at.subject.in_(part))
        query = select(at.subject, at.jurisdictions).where(at.number.in_(last))
        for subject, said in tx.execute(query):
            if codes := json.loads(said):
                found[subject] = tuple(codes)
    return found


def last(
    tx: Transaction, what: str, subjects: Iterable[str]
) -> dict[str, tuple[tuple[str, ...], str]]:
    """What was said last of these subjects, and by whom; with those where it was lifted."""
    at = limit_table.c
    found: dict[str, tuple[tuple[str, ...], str]] = {}
    for part in _parts(sorted(set(subjects))):
        numbers = _last(what).where(at.subject.in_(part))
        query = select(at.subject, at.jurisdictions, at.by).where(at.number.in_(numbers))
        for subject, said, by in tx.execute(query):
            found[subject] = tuple(json.loads(said)), by
    return found


def _parts(names: Sequence[str]) -> Iterable[Sequence[str]]:
    return [names[at : at + _NAMED_MAX] for at in range(0, len(names), _NAMED_MAX)]


def any_data(tx: Transaction) -> bool:
    """Whether anything was ever said of data."""
    query = select(limit_table.c.number).where(limit_table.c.what == "data").limit(1)
    return tx.execute(query).first() is not None


def any_records(tx: Transaction) -> bool:
    """Whether anything was ever said of a custody record."""
    at = limit_table.c
    query = select(at.number).where(at.what == "data", at.subject.not_like("sha256:%"))
    return tx.execute(query.limit(1)).first() is not None


def number(tx: Transaction) -> int:
    """Of the last thing that somebody said; 0: nothing ever was."""
    at = limit_table.c
    return int(tx.execute(select(func.max(at.number)).where(at.by != "")).scalar() or 0)


def said(
    tx: Transaction, *, what: str, subject: str, before: int, limit: int
) -> Sequence[RowMapping]:
    """Rows, the last one first, from the one before that number on (0: from the last)."""
    at = limit_table.c
    query = select(limit_table).order_by(at.number.desc()).limit(limit)
    if what:
        query = query.where(at.what == what)
    if subject:
        query = query.where(at.subject == subject)
    if before:
        query = query.where(at.number < before)
    return tx.execute(query).mappings().all()
