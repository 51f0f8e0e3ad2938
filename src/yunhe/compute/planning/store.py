"""Plans that were made, the last of them, and what passes take from it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, astuple
from functools import lru_cache

from sqlalchemy import delete, insert, select

from yunhe.compute.planning.domain import ChipLine, Made, PoolLine
from yunhe.compute.planning.tables import plan_table
from yunhe.compute.scheduling.plan_guide import Guide
from yunhe.compute.scheduling.state import Usual
from yunhe.storage.database import Transaction

KEPT = 288
"""Plans that are kept: a day of one every five minutes."""
_COLUMNS = ("number", "at_us", "until_us", "state", "reason")
_FIGURES = ("cpu_us", "classes", "served_ppm", "bound_ppm", "reached_ppm", "gap_ppm")


def keep(tx: Transaction, made: Made, guide: Guide | None, usual: Iterable[Usual] = ()) -> None:
    """Write a plan down and forget those before the last `KEPT`."""
    values = asdict(made)
    figures = {name: values[name] for name in (*_FIGURES, "chips", "pools")}
    row = {name: values[name] for name in _COLUMNS if name != "number"}
    row |= {"figures": json.dumps(figures), "guide": "" if guide is None else _written(guide)}
    row["usual"] = json.dumps([astuple(each) for each in usual])
    made_at = tx.execute(insert(plan_table).values(**row)).inserted_primary_key
    if made_at is not None:
        tx.execute(delete(plan_table).where(plan_table.c.number <= made_at[0] - KEPT))


def latest(tx: Transaction) -> Made | None:
    """The last plan, whatever became of it; None before the first."""
    query = select(plan_table).order_by(plan_table.c.number.desc()).limit(1)
    row = tx.execute(query).mappings().first()
    if row is None:
        return None
    figures = json.loads(row["figures"])
    return Made(
        **{name: row[name] for name in _COLUMNS},
        **{name: figures[name] for name in _FIGURES},
        chips=tuple(ChipLine(**each) for each in figures["chips"]),
        pools=tuple(PoolLine(**each) for each in figures["pools"]),
    )


def guide(tx: Transaction, *, now_us: int) -> Guide | None:
    """What passes follow now: that of the last plan that is sound and not too old, if any.

    A plan made after `now_us` is not followed either: a clock went back. One that cannot be read
    counts as none. *Cost*: one row by its key.
    """
    table = plan_table
    query = (
        select(table.c.guide)
        .where(table.c.state == "sound", table.c.at_us <= now_us, table.c.until_us > now_us)
        .order_by(table.c.number.desc())
        .limit(1)
    )
    said = tx.execute(query).scalar()
    try:
        return _read(said) if said else None
    except (ValueError, TypeError, KeyError):
        return None


def usual(tx: Transaction, *, now_us: int) -> tuple[Usual, ...]:
    """What was usually asked of a node when the last plan was made that is not too old.

    Of what cannot be read nothing counts. *Cost*: one row by its key.
    """
    table = plan_table
    young = table.c.at_us <= now_us, table.c.until_us > now_us
    query = select(table.c.usual).where(*young).order_by(table.c.number.desc()).limit(1)
    said = tx.execute(query).scalar()
    try:
        return tuple(
            Usual(
                int(row[0]),
                int(row[1]),
                int(row[2]),
                int(row[3]),
                tuple(str(chip) for chip in row[4]),
                int(row[5]),
            )
            for row in (json.loads(said) if said else ())
        )
    except (ValueError, TypeError, LookupError):
        return ()


def _written(guide: Guide) -> str:
    return json.dumps(
        {
            "prices": [[*cell, price] for cell, price in sorted(guide.prices_ppm.items())],
            "planned": [
                [chip, list(speeds), [[*cell, part] for cell, part in sorted(cells.items())]]
                for (chip, speeds), cells in sorted(guide.planned.items())
            ],
            "price_ppm_per_minor": guide.price_ppm_per_minor,
        }
    )


@lru_cache(maxsize=4)
def _read(said: str) -> Guide:
    """The guide as it was kept; read once for all the passes that follow it."""
    found: Mapping[str, object] = json.loads(said)
    prices, planned = found["prices"], found["planned"]
    if not isinstance(prices, list) or not isinstance(planned, list):
        raise TypeError("prices")
    return Guide(
        {(str(chip), str(site)): int(price) for chip, site, price in prices},
        {
            (str(chip), tuple((str(name), int(speed)) for name, speed in speeds)): {
                (str(which), str(site)): int(part) for which, site, part in cells
            }
            for chip, speeds, cells in planned
        },
        int(str(found["price_ppm_per_minor"])),
    )
