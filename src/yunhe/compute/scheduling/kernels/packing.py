"""Which node takes a piece of work: every node scored, scores kept until a node changes.

A node's free devices are a run of ``size`` whole numbers, thousandths of a device each, below zero
where the node has no such device. What is asked for is one vector: see `ASK`.
"""

# ruff: noqa: PLR0913, PLR0917, C901 - a kernel takes each array by itself

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from yunhe.native.compiled import I4, I8, inner, kernel

Long = NDArray[np.int64]
Short = NDArray[np.int32]

RANDOM, BEST_FIT, FGD, YUNHE = range(4)
"""Ways to score: any node, the fullest, least fragmentation, least value lost."""
ASK = 9
"""An ask: way, CPU milli, memory MiB, devices, milli of each, mask of chips (0: any), group (below
0: any), and two draws for `RANDOM`."""
WHOLE = 1000
"""Thousandths of a device in a whole one."""
TYPICAL = 5
"""A typical shape: CPU milli, devices, milli of each, mask of chips, how many were seen."""
QUANTUM = 30_000
"""Losses of value are compared in steps of 3 % of a device; chosen on seeds 1-4 of
`benchmarks/compute/packing.py` (15 000 to 45 000 were alike). Within a step the first node wins,
which keeps the last ones empty."""
NOWHERE = np.int32(-(2**31))
"""Score of a node that can't take it."""
_MOST = 2**62


@inner
def _fits(ask: Long, chip: int, cpu: int, memory: int, work: Short) -> bool:
    """Whether a node has the CPU, the memory and the devices."""
    if cpu < ask[1] or memory < ask[2]:
        return False
    if ask[3] == 0:
        return True
    if chip < 0 or (ask[5] != 0 and (ask[5] >> chip) & 1 == 0):
        return False
    fitting = 0
    for free in work:
        if free >= ask[4]:
            fitting += 1
    return bool(fitting >= ask[3])


@inner
def _take(ask: Long, work: Short, device: int) -> None:
    """Take a fraction of that device, or the first whole devices."""
    if device >= 0:
        work[device] -= ask[4]
        return
    left = ask[3]
    for at in range(work.shape[0]):
        if left > 0 and work[at] >= WHOLE:
            work[at] -= WHOLE
            left -= 1


@inner
def _fragments(chip: int, cpu: int, work: Short, typical: Long) -> int:
    """Milli that typical shapes can't use, summed over them by how often they come.

    Source: Weng et al.: Beware of Fragmentation, USENIX ATC 2023, section 4, and the behaviour of
    its published simulator: shapes without devices count everything as fragmented.
    """
    total = 0
    for free in work:
        if free > 0:
            total += free
    if total == 0:
        return 0
    fragments = 0
    for at in range(0, typical.shape[0], TYPICAL):
        usable = 0
        lost = 0
        for free in work:
            if free >= typical[at + 2]:
                usable += 1
            elif free > 0:
                lost += free
        chips = typical[at + 3]
        served = typical[at + 1] > 0 and cpu >= typical[at] and usable >= typical[at + 1]
        if chips != 0 and (chip < 0 or (chips >> chip) & 1 == 0):
            served = False
        fragments += typical[at + 4] * (lost if served else total)
    return fragments


@inner
def _worth(chip: int, cpu: int, memory: int, work: Short, prices: Long, tables: Short) -> int:
    """What a node can still earn, at most, by weak duality.

    It is the least, over prices of CPU and memory, of what its CPU and memory cost and what its
    devices earn at those prices.
    """
    if chip < 0:
        return 0
    steps = prices.shape[0] // 2
    least = _MOST
    for step in range(steps):
        value = prices[2 * step] * cpu + prices[2 * step + 1] * memory
        at = (chip * steps + step) * (WHOLE + 1)
        for free in work:
            if free > 0:
                value += tables[at + free]
        least = min(least, value)
    return least


@inner
def _value(
    way: int, chip: int, cpu: int, memory: int, work: Short, data: tuple[Long, Long, Long, Short]
) -> int:
    """What a way to score wants much of."""
    if way == FGD:
        return -_fragments(chip, cpu, work, data[0])
    return _worth(chip, cpu, memory, work, data[2], data[3])


@inner
def _graded(way: int, gain: int, limits: Long) -> int:
    """A gain as it is compared between nodes."""
    if way != FGD:
        return gain // QUANTUM
    grade = 0
    while grade < limits.shape[0] and gain >= limits[grade]:
        grade += 1
    return grade


@inner
def _best(
    ask: Long, chip: int, cpu: int, memory: int, work: Short, data: tuple[Long, Long, Long, Short]
) -> tuple[int, int]:
    """Score of a node that fits, and which device a fraction should take (else -1)."""
    way, milli = ask[0], ask[4]
    free_all = 0
    tightest = -1
    for at in range(work.shape[0]):
        free_all += max(work[at], 0)
        if work[at] >= milli and (tightest < 0 or work[at] < work[tightest]):
            tightest = at
    if ask[3] != 1 or milli >= WHOLE:
        tightest = -1
    if way == RANDOM:
        return 0, tightest
    after, left = cpu - ask[1], memory - ask[2]
    if way == BEST_FIT:  # of 128 CPU and 8 devices, in equal parts, in hundredths
        return (256_000 - after - 16 * (free_all - ask[3] * milli)) // 2560, tightest
    before = _value(way, chip, cpu, memory, work, data)
    if tightest < 0:
        _take(ask, work, -1)
        return _graded(way, _value(way, chip, after, left, work, data) - before, data[1]), -1
    top = -_MOST
    chosen = -1
    for at in range(work.shape[0]):
        if work[at] < milli or (at > 0 and work[at] == work[at - 1]):
            continue  # alike devices are alike; the first is taken
        work[at] -= milli
        gain = _value(way, chip, after, left, work, data) - before
        work[at] += milli
        if way == FGD:
            gain = _graded(way, gain, data[1])
        if gain > top:
            top, chosen = gain, at
    return (top if way == FGD else _graded(way, top, data[1])), chosen


@inner
def _load(devices: Short, node: int, work: Short) -> None:
    """Copy a node's free devices."""
    for at in range(work.shape[0]):
        work[at] = devices[node * work.shape[0] + at]


@inner
def _drawn(ask: Long, work: Short) -> int:
    """One of the devices a fraction fits on."""
    fitting = 0
    for free in work:
        if free >= ask[4]:
            fitting += 1
    left = ask[8] % fitting
    for at in range(work.shape[0]):
        if work[at] >= ask[4]:
            if left == 0:
                return at
            left -= 1
    return -1


@inner
def _picked(ask: Long, group: Long, score: Short) -> int:
    """The node that wins: the first of the highest score, or for `RANDOM` the one drawn."""
    top = NOWHERE
    winner = -1
    fitting = 0
    for node in range(group.shape[0]):
        if group[node] < 0 or (ask[6] >= 0 and group[node] != ask[6]):
            continue
        if score[node] != NOWHERE:
            fitting += 1
            if score[node] > top:
                top, winner = score[node], node
    if ask[0] != RANDOM or fitting == 0:
        return winner
    left = ask[7] % fitting
    for node in range(group.shape[0]):
        if group[node] < 0 or (ask[6] >= 0 and group[node] != ask[6]):
            continue
        if score[node] != NOWHERE:
            if left == 0:
                return node
            left -= 1
    return -1


@kernel(I8, I8, I8, I8, I8, I4, I4, I4, I4, I8, I8, I8, I4, I4)
def choose(
    ask: Long,
    chip: Long,
    group: Long,
    cpu: Long,
    memory: Long,
    devices: Short,
    version: Short,
    score: Short,
    seen: Short,
    typical: Long,
    limits: Long,
    prices: Long,
    tables: Short,
    work: Short,
) -> int:
    """The node for an ask, -1 where none fits; ``work``: then its free devices with it in place.

    Shapes: chip, group (below 0: closed), cpu, memory, version: [n]; devices: [n × size]; score,
    seen: [n], kept from call to call for equal asks, ``seen`` being the version that a score is of;
    typical: [T × `TYPICAL`]; limits: [99]; prices: [A × 2]; tables: [chips × A × 1001]; work: int32
    [size].
    """
    data = (typical, limits, prices, tables)
    for node in range(chip.shape[0]):
        if seen[node] == version[node]:
            continue
        seen[node] = version[node]
        _load(devices, node, work)
        if _fits(ask, chip[node], cpu[node], memory[node], work):
            score[node] = _best(ask, chip[node], cpu[node], memory[node], work, data)[0]
        else:
            score[node] = NOWHERE
    node = _picked(ask, group, score)
    if node >= 0:
        _load(devices, node, work)
        device = _best(ask, chip[node], cpu[node], memory[node], work, data)[1]
        _load(devices, node, work)
        if ask[0] == RANDOM and device >= 0:
            device = _drawn(ask, work)
        _take(ask, work, device)
    return int(node)


@kernel(I8, I8, I8, I8)
def knapsack(values: Long, sizes: Long, table: Long, choice: Long) -> int:
    """Fill ``table[h]`` with the most that pieces of these values and sizes are worth in ``h``.

    A piece may be used again and again. ``choice[h]``: the piece to take out next, -1: leave one
    unit unused. Returns ``table`` at its end. *Cost*: O(units × pieces).
    """
    table[0] = 0
    choice[0] = -1
    for room in range(1, table.shape[0]):
        table[room] = table[room - 1]
        choice[room] = -1
        for piece in range(sizes.shape[0]):
            if sizes[piece] <= room:
                worth = table[room - sizes[piece]] + values[piece]
                if worth > table[room]:
                    table[room] = worth
                    choice[room] = piece
    return int(table[-1])
