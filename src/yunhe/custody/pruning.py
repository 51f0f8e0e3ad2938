"""Which old checkpoints need not be kept: a later one covers all that they covered. Pure.

A busy log signs one each second. Of those older than `KEEP_DAYS` the last of each hour is kept, and
the last of each key, which proves the change to the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from yunhe.custody.domain import Checkpoint
from yunhe.kernel.clock import DAY_US, SECOND_US

KEEP_DAYS = 7
"""Checkpoints younger than this are all kept."""
_HOUR_US = 3_600 * SECOND_US


def needless(checkpoints: Sequence[Checkpoint], *, now_us: int) -> list[int]:
    """Numbers of those, in order of number, that may go; the last given always stays."""
    return [
        one.number
        for one, following in pairwise(checkpoints)
        if old(one, now_us=now_us)
        and one.key == following.key
        and one.at_us // _HOUR_US == following.at_us // _HOUR_US
    ]


def old(checkpoint: Checkpoint, *, now_us: int) -> bool:
    """Whether others before this one may be missing by right."""
    return checkpoint.at_us < now_us - KEEP_DAYS * DAY_US
