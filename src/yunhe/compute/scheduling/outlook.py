"""How soon work is likely to end that has had so much: learnt from what ended, without foresight.

The Gittins index of run times: over all the times one could give to a piece of work from here on,
the most likely ends for the time spent. Ends and, as not yet ended, what still runs or waits are
counted in classes that double; a few pieces that nobody saw stand in for run times without a
typical length until there are enough. Nothing is known of work before it runs.

*Source*: Aalto, Ayesta, Righter, Queueing Systems 63, 2009 (the index); Kaplan, Meier, 1958 (counts
of what has not ended yet); the classes and the stand-ins are ours.
*Cost*: O(classes²) to learn, with 15 classes; a look-up is one interpolation.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

MINUTE_US = 60_000_000
"""The first class ends here, the others double."""
CLASSES = 15
"""The last begins after 136 hours."""
STAND_INS = 10.0
"""Pieces of work nobody saw, in every class."""
EVERY = 10
"""Ends after which it is time to learn again."""
BOUNDS_US: NDArray[np.float64] = np.append(
    0.0, MINUTE_US * 2.0 ** np.arange(CLASSES - 1, dtype=np.float64)
)
"""Where the classes begin."""


class Outlook:
    """What was learnt of run times."""

    def __init__(self, settle_us: int) -> None:
        self._settle_us = settle_us
        self._ended = np.zeros(CLASSES, np.int64)
        self._new = 0
        self._index = _index(_ends(self._ended, self._ended, settle_us))

    @property
    def due(self) -> bool:
        """Whether enough ended to learn again."""
        return self._new >= EVERY

    @property
    def ended(self) -> int:
        """How many ends were seen."""
        return int(self._ended.sum())

    def saw(self, run_us: int) -> None:
        """Something ended after so much run time."""
        self._ended[class_of(run_us)] += 1
        self._new += 1

    def learn(self, so_far_us: Iterable[int]) -> None:
        """Weigh what was seen against what had so much and has not ended."""
        there = np.bincount([class_of(each) for each in so_far_us], minlength=CLASSES)
        self._index = _index(_ends(self._ended, there, self._settle_us))
        self._new = 0

    def per_second(self, done_us: int) -> float:
        """How likely it ends within a second that is well spent on it."""
        place = np.log1p(done_us / MINUTE_US)
        return float(np.interp(place, np.log1p(BOUNDS_US / MINUTE_US), self._index))


def class_of(run_us: int) -> int:
    """The class that so much run time falls in."""
    return int(np.searchsorted(BOUNDS_US, run_us, side="right")) - 1 if run_us > 0 else 0


def _ends(
    ended: NDArray[np.int64], there: NDArray[np.int64], settle_us: int
) -> NDArray[np.float64]:
    """Part of what reaches each class that ends in it; what is in a class counts half for it."""
    reach = (ended + there)[::-1].cumsum()[::-1] - there / 2
    beyond = settle_us / (np.append(BOUNDS_US, np.inf) + settle_us)
    usual = 1 - beyond[1:] / beyond[:-1]
    part: NDArray[np.float64] = (ended + STAND_INS * usual) / (reach + STAND_INS)
    part[-1] = 1.0
    return np.clip(part, 1e-6, 1.0)


def _index(part: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ends a second from the beginning of each class on, over the best stretch of classes."""
    width = np.diff(np.append(BOUNDS_US, 2 * BOUNDS_US[-1])) / 1_000_000
    found = np.zeros(CLASSES, np.float64)
    for first in range(CLASSES):
        reach = np.append(1.0, np.cumprod(1 - part[first:]))[:-1]
        likely = np.cumsum(reach * part[first:])
        spent = np.cumsum(reach * width[first:] * (1 - part[first:] / 2))
        found[first] = (likely / spent).max()
    return found
