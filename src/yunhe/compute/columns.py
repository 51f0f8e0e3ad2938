"""What the columns of a workload's row mean."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from sqlalchemy import Row, RowMapping

from yunhe.compute.accepting import accepted_from, accepted_text
from yunhe.compute.domain import (
    Approval,
    Award,
    Pool,
    State,
    Usage,
    Voucher,
    Workload,
    WorkloadSpec,
)
from yunhe.compute.reasons import Why, why_from
from yunhe.compute.scheduling.weights import Draw
from yunhe.kernel.canonical import canonical_bytes

_USAGE_FIELDS = tuple(Usage.__dataclass_fields__)
_STATES: tuple[State, ...] = get_args(State)


def pool_of(row: RowMapping) -> Pool:
    """The pool."""
    return Pool(**{name: row[name] for name in Pool.__dataclass_fields__})


def award_of(row: RowMapping) -> Award:
    """The award."""
    kept = {name: row[name] for name in Award.__dataclass_fields__}
    return Award(**{**kept, "accepts": accepted_from(row["accepts"])})


def draw_of(row: RowMapping, device_ms: int) -> Draw:
    """So much of an award, with what of the chip's time that is; ``row`` names the award's chip."""
    if row["raw_ms"] is None:
        return Draw(row["award"], device_ms)
    raw_ms = row["raw_ms"] if device_ms else 0
    return Draw(row["award"], device_ms, row["chip"], raw_ms, row["per_thousand"])


def covers(row: Row[tuple[Any, ...]]) -> int:
    """Time of the chip that a row of what is held of awards covers now."""
    return int(row.held_ms if row.raw_ms is None or not row.held_ms else row.raw_ms)


def fields_of(value: Pool | Award | Voucher | Approval) -> dict[str, object]:
    """The columns of a value whose fields are columns."""
    kept = {name: getattr(value, name) for name in value.__dataclass_fields__}
    return {**kept, "accepts": accepted_text(value.accepts)} if isinstance(value, Award) else kept


def workload_of(
    row: RowMapping, drawn: Sequence[tuple[str, int]], *, chip_placed: str = ""
) -> Workload:
    """The workload, with the award of each of its draws and the chip's milliseconds it covers."""
    usage = json.loads(row["usage"]) if row["usage"] else None
    return Workload(
        id=row["id"],
        spec=spec_of(row),
        spec_digest=row["spec_digest"],
        state=next(state for state in _STATES if state == row["state"]),
        why=why_of(row),
        pool=row["pool"],
        chip_placed=chip_placed,
        awards=tuple(award for award, _ in drawn),
        held_device_ms=sum(held for _, held in drawn),
        held_minor=row["held_voucher_minor"] + row["held_cash_minor"],
        outputs=json.loads(row["outputs"]) if row["outputs"] else {},
        usage=None if usage is None else _usage(usage),
        reference=row["reference"],
        log=row["log"],
        attempts=row["attempts"],
        member=row["member"],
        replicas=row["replicas"] or 0,
    )


def _usage(said: Mapping[str, Any]) -> Usage:
    """What was used, also as it was written down before there were terms and utilisation."""
    return Usage(**{name: said[name] for name in _USAGE_FIELDS if name in said})


def spec_of(row: RowMapping) -> WorkloadSpec:
    """What was asked for."""
    return WorkloadSpec.from_json(json.loads(row["spec"]))


def says(row: RowMapping, why: Why) -> bool:
    """Whether ``why`` is what is written down already."""
    return bool(row["why"] == why_text(why))


def why_of(row: RowMapping) -> Why | None:
    """Why it waits or failed."""
    return why_from(json.loads(row["why"])) if row["why"] else None


def why_text(why: Why) -> str:
    """The form in which a reason is kept."""
    return canonical_bytes(why.as_json()).decode()
