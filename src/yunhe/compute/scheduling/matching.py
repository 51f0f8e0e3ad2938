"""Which work goes on which devices when everything that may move is dealt out anew.

A market: each kind of device has a price, each piece of work takes what is worth most to it over
its price, and a price rises until no more is wanted than there is. So work that gains little from a
fast chip leaves it to work that gains much, which taking the fastest free one never does.

*Source*: the duals of the assignment problem, found by rising prices, as in Bertsekas: The auction
algorithm, Annals of Operations Research 14, 1988; here for pieces that take several devices, so the
whole-number answer that follows is greedy: of those who can pay the largest first, then along the
surplus.
*Cost*: O(rounds × columns × n log n); a few milliseconds for thousands of pieces and few columns.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NOWHERE = -1
"""Column of what is left out."""
ROUNDS_MAX = 12
"""Rounds of raising every price once; prices move little after three or four."""
CLOSE = 1e-3
"""Prices that move by less than this part are taken as found."""
FIELD = 4
"""Only the dearest pieces count for prices, up to so many times all devices."""

Worths = NDArray[np.float64]
"""float64[n, columns]: what a piece is worth there; 0 where it cannot be."""
Counts = NDArray[np.int64]
"""int64[n] or int64[columns]."""


def prices(worth: Worths, devices: Counts, room: Counts) -> NDArray[np.float64]:
    """Price of one device of each column, so that about as many are wanted as there are.

    *Shapes*: worth float64[n, columns]; devices int64[n], at least 1; room int64[columns].
    """
    each = worth / devices[:, None]
    order = np.argsort(-each.max(axis=1), kind="stable") if len(each) else np.zeros(0, np.int64)
    field = int(np.searchsorted(np.cumsum(devices[order]), FIELD * int(room.sum()))) + 1
    each, sizes = each[order[:field]], devices[order[:field]]
    found = np.zeros(len(room), np.float64)
    for _ in range(ROUNDS_MAX):
        before = found.copy()
        for column in range(len(room)):
            net = each - found
            net[:, column] = 0.0
            bids = each[:, column] - np.maximum(net.max(axis=1, initial=0.0), 0.0)
            ranked = np.argsort(-bids, kind="stable")
            wanted = np.cumsum(sizes[ranked])
            last = int(np.searchsorted(wanted, room[column], side="right"))
            least = float(bids[ranked[last]]) if last < len(ranked) else 0.0
            served = float(bids[ranked[last - 1]]) if last else 2 * least
            found[column] = (served + least) / 2 if least > 0 else 0.0  # between them: no ties
        if np.all(np.abs(found - before) <= CLOSE * np.maximum(found, before)):
            break
    return found


def assign(worth: Worths, devices: Counts, room: Counts) -> NDArray[np.int64]:
    """Column of each piece, or `NOWHERE`; never more in a column than there is room.

    Nothing is left out that would still fit where it is worth something.
    """
    chosen = np.full(len(devices), NOWHERE, np.int64)
    if not len(devices) or not len(room):
        return chosen
    each = worth / devices[:, None]
    net = np.where(worth > 0, each - prices(worth, devices, room), -np.inf)
    ways = np.argsort(-net, axis=1, kind="stable").tolist()
    left, sizes = room.tolist(), devices.tolist()
    surplus = net.max(axis=1)
    large = np.where(surplus > 0, devices, 0)  # they find no room once small ones are everywhere
    for piece in np.lexsort((-surplus, -large)).tolist():
        if not any(left):
            break
        for column in ways[piece]:
            if worth[piece, column] <= 0:
                break
            if sizes[piece] <= left[column]:
                left[column] -= sizes[piece]
                chosen[piece] = column
                break
    return chosen
