"""What settlement reads off without columns: idle time, concentration, whom a paper names; pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import cast

from yunhe.compute.statements.domain import IDLE_PER_THOUSAND, Concentration, UsageLine
from yunhe.kernel.canonical import Json


def idle_ms(*, device_ms: int, utilisation_per_thousand: int | None) -> int:
    """Device time that was held and is known not to have been used.

    The unused part, once real use is below `IDLE_PER_THOUSAND`. A whole workload is judged, not
    each minute of it. Of what nobody measured (`unwatched_ms`) nothing counts as idle: a process
    that needs little processor time may keep an accelerator busy.
    """
    used = utilisation_per_thousand
    if used is None or used >= IDLE_PER_THOUSAND:
        return 0
    return device_ms * (1_000 - used) // 1_000


def unwatched_ms(*, device_ms: int, utilisation_per_thousand: int | None) -> int:
    """Device time of which nobody knows whether it was used: no instrument told of it."""
    return device_ms if utilisation_per_thousand is None else 0


def taken_back(part_ms: int, *, device_ms: int, before_ms: int, after_ms: int) -> int:
    """What a correction takes of a part of device time, below 0: in proportion, rounded down.

    ``device_ms``: the whole of which it is a part; ``before_ms``, ``after_ms``: what was left of
    the whole before the correction and after it. What is left of the part never exceeds what is
    left of the whole, whatever corrections led there.
    """
    if not device_ms:
        return 0
    return part_ms * after_ms // device_ms - part_ms * before_ms // device_ms


def concentration(device_ms: Mapping[str, int], by: str) -> Concentration:
    """Shares of device time and their Herfindahl-Hirschman index.

    *Source*: A. O. Hirschman, "The Paternity of an Index", American Economic Review 54 (1964): the
    sum of squared shares, here of shares in percent, so one supplier alone gives 10,000. Rounded to
    the nearest; no use at all gives 0.
    """
    used = {name: amount for name, amount in device_ms.items() if amount > 0}
    whole = sum(used.values())
    if not whole:
        return Concentration(by, 0, ())
    squares = sum(amount * amount for amount in used.values())
    ordered = sorted(used.items(), key=lambda item: (-item[1], item[0]))
    shares = tuple((name, part, (20_000 * part + whole) // (2 * whole)) for name, part in ordered)
    return Concentration(by, (20_000 * squares + whole * whole) // (2 * whole * whole), shares)


def concentrated(
    lines: Collection[UsageLine],
    by: str = "provider",
    *,
    names: Mapping[str, str] | None = None,
) -> Concentration:
    """How concentrated usage is over the groups of these lines; those of one name are one."""
    used: dict[str, int] = {}
    for line in lines:
        name = line.group if names is None else names.get(line.group, line.group)
        used[name] = used.get(name, 0) + line.device_ms
    return concentration(used, by)


def document_parties(document: Mapping[str, Json]) -> list[str]:
    """Every organisation that a document names."""
    lines = cast("list[Mapping[str, str]]", document["lines"])
    named = {line[column] for line in lines for column in ("organisation", "provider")}
    return sorted({str(document["party"]), *named})
