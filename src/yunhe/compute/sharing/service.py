"""Cities as operators see them, and taking one away with what was said of its weight."""

from __future__ import annotations

from collections import Counter

from yunhe.compute import store as rows
from yunhe.compute.passes import weighing
from yunhe.compute.sharing import store
from yunhe.compute.sharing.domain import CityShare
from yunhe.identity import service as identity
from yunhe.identity.domain import Principal
from yunhe.storage.database import Transaction

__all__ = ["CityShare", "cities", "remove_city"]


def cities(tx: Transaction, *, now_us: int) -> list[CityShare]:
    """The platform's own city and all others, with what each had of late.

    Cost: a row for each project that ever used anything, and for each workload that runs.
    """
    used: Counter[str] = Counter()
    busy: Counter[str] = Counter()
    had = weighing.used(tx, now_us=now_us)
    running = rows.occupying(tx)
    named = {name for _, name, _ in had} | {row["organisation"] for row in running}
    city_of = identity.cities_of(tx, sorted(named))
    for (_, name, _), used_us in had.items():
        used[city_of.get(name, "")] += used_us // 1_000
    for row in running:
        busy[city_of.get(row["organisation"], "")] += row["devices"]
    weights, whole = weighing.by_city(tx), max(used.total(), 1)
    return [
        CityShare(
            code=each.code,
            name=each.name,
            own=each.own,
            organisations=each.organisations,
            weight=weights.get(code, 1),
            used_ms=used[code],
            used_per_thousand=used[code] * 1_000 // whole,
            busy=busy[code],
            reference=each.reference,
        )
        for each in identity.cities(tx)
        for code in ("" if each.own else each.code,)
    ]


def remove_city(tx: Transaction, code: str, *, by: Principal, at_us: int) -> None:
    """Take a city away that no organisation belongs to, and its weight.

    Errors: as `identity.service.remove_city`.
    """
    identity.remove_city(tx, code, at_us=at_us, by=by)
    store.drop_city_weight(tx, code)
