"""Device time of charges as time of a reference chip: for comparison, beside the raw time.

Every charge is taken at the rate card that was in force when its work ended, a correction at that
of what it corrects. Versions never reach back, so what is normalised once stays so. Where the card
has no rate nothing is made up: such time is counted apart.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from yunhe.compute.statements.domain import SUMS, NormalisedTime
from yunhe.kernel.canonical import INTEGER_MAX

if TYPE_CHECKING:
    import pyarrow as pa

    from yunhe.compute.supply.rating import Ratings

CLASS_USUAL = "batch"
"""Class of work that did not say what it is for, as `WorkloadSpec.kind` has it."""


KNOWN = ("reported_ms", "busy_ms", "unwatched_ms")
"""Sums of how much is known of real use."""


class Told(TypedDict):
    """What a line or a document says of normalised time."""

    normalised: tuple[NormalisedTime, ...]
    unrated_ms: int


def class_of(spec: str) -> str:
    """Class of work of a request as it is kept."""
    if '"kind"' not in spec and '"workload_class"' not in spec:
        return CLASS_USUAL
    said = json.loads(spec)
    return str(said.get("workload_class") or said.get("kind") or CLASS_USUAL)


def rated(
    rates: Ratings, *, chip: str, workload_class: str, device_ms: int, at_us: int
) -> dict[str, object]:
    """The columns of a charge that say its normalised time; empty where there is no rate.

    To the millisecond, so that a sum of lines is the sum of what they show. A rate that makes more
    of it than a whole number of JSON can hold is none.
    """
    found = rates.normalised(chip, workload_class, device_ms, at_us)
    if found is None or abs(found.reference_us) > INTEGER_MAX:
        return {"workload_class": workload_class}
    milli = (abs(found.reference_us) + 500) // 1_000  # a correction takes back what was counted
    return {
        "workload_class": workload_class,
        "rate_reference": found.reference,
        "normalised_ms": milli if found.reference_us >= 0 else -milli,
        "rate_version": found.version,
        "rate_per_thousand": found.per_thousand,
        "rate_disputed": found.disputed,
        "rate_verified": found.verified,
    }


def summed(charges: pa.Table, keys: Sequence[str]) -> list[Mapping[str, Any]]:
    """Sums of charges by these columns, and by chip, version and standing of the rate."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    device, used = charges.column("device_ms"), charges.column("utilisation_per_thousand")
    reported = pc.if_else(pc.is_valid(used), device, 0)
    # In parts, so that no product passes 64 bits.
    busy = pc.add(
        pc.multiply(pc.divide(reported, 1_000), pc.fill_null(used, 0)),
        pc.divide(
            pc.multiply(
                pc.subtract(reported, pc.multiply(pc.divide(reported, 1_000), 1_000)),
                pc.fill_null(used, 0),
            ),
            1_000,
        ),
    )
    by = (*keys, "chip", "rate_reference", "rate_version", "rate_disputed")
    wanted = (*SUMS, "normalised_ms", "unwatched_ms")
    keyed = charges.select([*by, *wanted])
    keyed = keyed.append_column("reported_ms", reported).append_column("busy_ms", busy)
    amounts = (*wanted, "reported_ms", "busy_ms")
    asked = [(name, "sum") for name in amounts] + [("cost_minor", "count")]
    rows = pa.TableGroupBy(keyed, list(by)).aggregate(asked).to_pylist()
    return [
        {
            **{name: row[name] for name in by},
            **{name: row[f"{name}_sum"] or 0 for name in amounts},
            "charges": row["cost_minor_count"],
        }
        for row in rows
    ]


def told(rows: Iterable[Mapping[str, Any]]) -> Told:
    """What rows of `summed` come to: a sum for each reference chip, and what has no rate."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["rate_reference"], []).append(row)
    unrated = sum(row["device_ms"] for row in found.pop("", []))
    made = []
    for reference, parts in sorted(found.items()):
        whole = sum(row["normalised_ms"] for row in parts)
        if abs(whole) > INTEGER_MAX:
            unrated += sum(row["device_ms"] for row in parts)
            continue
        made.append(
            NormalisedTime(
                reference,
                tuple(sorted({row["rate_version"] for row in parts})),
                normalised_ms=whole,
                device_ms=sum(row["device_ms"] for row in parts),
                disputed_ms=sum(row["device_ms"] for row in parts if row["rate_disputed"]),
            )
        )
    return {"normalised": tuple(made), "unrated_ms": unrated}
