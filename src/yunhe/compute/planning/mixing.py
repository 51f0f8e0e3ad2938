"""What is usually asked of a node, from plan to plan: what packing looks at beside what is free."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from yunhe.compute.scheduling.adopting import divided, usual_needs
from yunhe.compute.scheduling.estate import Estate
from yunhe.compute.scheduling.state import Picture, Usual

USUAL_MAX = 64
"""Needs that are kept, the most frequent: bounds the programme of prices to a fraction of a second.
"""
_WHOLE = 1 << 20
_Key = tuple[int, int, int, int, tuple[str, ...]]


def mixed(picture: Picture, before: Iterable[Usual] = ()) -> tuple[Usual, ...]:
    """How often each need occurs among what runs and waits, half of it as it was ``before``.

    Counts are powers of two, so that a mix that hardly changes stays the same to the letter, and
    prices made for it hold on.
    """
    now: Counter[_Key] = Counter()
    for one in picture.queue:
        if one.blocked is None and (one.devices or one.cpu_milli or one.memory_mib):
            chips = tuple(sorted({one.chip, *one.substitutes})) if one.devices else ()
            now[one.devices, one.milli, one.cpu_milli, one.memory_mib, chips] += one.replicas
    chip_of = {pool.id: pool.chip for pool in picture.pools}
    for view in picture.running:
        for piece in view.pieces if view.pool in chip_of else ():
            count = len(piece.devices)
            milli = piece.milli % 1_000 if count == 1 else 0
            own = (chip_of[view.pool],) if count else ()
            now[count, milli, piece.cpu_milli, piece.memory_mib, own] += 1
    was: Counter[_Key] = Counter()
    for row in before:
        was[row.devices, row.milli, row.cpu_milli, row.memory_mib, row.chips] += row.count
    parts = [_shares(each) for each in (now, was) if each]
    total: Counter[_Key] = Counter()
    for part in parts:
        total.update(part)
    most = sorted(total.items(), key=lambda item: (-item[1], item[0]))[:USUAL_MAX]
    return tuple(Usual(*key, 1 << (count * 1_000 // _WHOLE).bit_length()) for key, count in most)


def _shares(counts: Counter[_Key]) -> dict[_Key, int]:
    whole = sum(counts.values())
    return {key: count * _WHOLE // whole for key, count in counts.items()}


def priced(picture: Picture) -> None:
    """Make the prices that the next passes will ask for, which takes a while, and keep them."""
    pools = list(divided(picture))
    if any(pool.packed for pool in pools) and picture.usual:
        Estate(pools, usual=usual_needs(picture))
