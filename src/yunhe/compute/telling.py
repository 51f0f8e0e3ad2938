"""Tells organisations that a workload has ended and that an award is nearly or wholly used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import RowMapping

from yunhe.compute.domain import Award, State
from yunhe.compute.scheduling.weights import Draw
from yunhe.notices import service as notices
from yunhe.notices.domain import Kind
from yunhe.storage.database import Transaction

WHO_BUDGET = ("administrator", "trainer")
"""Roles that are told about awards: who looks after the organisation, and who spends."""
_MS_PER_HOUR = 3_600_000


def job_ended(
    tx: Transaction, row: RowMapping, *, state: State, device_ms: int, at_us: int
) -> None:
    """A workload is over, and its organisation may know."""
    notices.notify(
        tx,
        key=f"job_ended:{row['id']}",
        kind="job_ended",
        organisation=row["organisation"],
        project=row["project"] or "",
        subject=row["id"],
        params={"outcome": state, "device_seconds": device_ms // 1_000},
        at_us=at_us,
    )


def budgets(
    tx: Transaction,
    draws: Iterable[Draw],
    *,
    taken: Mapping[str, tuple[Award, int]],
    at_us: int,
) -> None:
    """Device time was set aside: tell once when 80 % of an award, and when all of it, is taken.

    What is held counts as used: nothing more can be started with it. ``taken`` is what was used and
    held of each award with these draws, which are told of in their order as if each came alone.
    """
    left_ms: dict[str, int] = {}
    told: set[tuple[Kind, str]] = set()
    draws = list(draws)
    for draw in draws:
        left_ms[draw.award] = left_ms.get(draw.award, 0) + draw.device_ms
    for draw in draws:
        left_ms[draw.award] -= draw.device_ms
        award, all_ms = taken[draw.award]
        taken_ms = all_ms - left_ms[draw.award]
        percent = 100 * taken_ms // award.device_ms
        kind: Kind = "budget_100" if percent >= 100 else "budget_80"
        if percent >= 80 and (kind, award.id) not in told:
            told.add((kind, award.id))
            _budget(tx, award, kind, taken_ms=taken_ms, at_us=at_us)


def _budget(tx: Transaction, award: Award, kind: Kind, *, taken_ms: int, at_us: int) -> None:
    left_tenths = 10 * (award.device_ms - taken_ms) // _MS_PER_HOUR
    notices.notify(
        tx,
        key=f"{kind}:{award.id}",
        kind=kind,
        organisation=award.organisation,
        role=WHO_BUDGET,
        subject=award.id,
        params={
            "percent": 100 * taken_ms // award.device_ms,
            "left_hours": f"{left_tenths // 10}.{left_tenths % 10}",
            "chip": award.chip,
        },
        at_us=at_us,
    )
