"""Device time of a chip as time of an award for several chips, in whole numbers.

A hold is rounded up from the raw time it covers, a capture from the raw time that was metered; the
metered time is never above the covered one, so no capture is above its hold, and no sum of holds
above the award.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

ONE = 1_000
"""What the reference counts, and every chip of an award for one chip."""
Rates = Mapping[tuple[str, str], int]
"""Per thousand of the reference, by chip and class of work."""


@dataclass(frozen=True, slots=True)
class Draw:
    """Device time held of one award."""

    award: str
    """The award."""
    device_ms: int
    """How much of it, more than zero, in its own time."""
    of: str = ""
    """What the award is for, of one for several chips; empty: the very chip."""
    raw_ms: int = 0
    """Time of the chip that this pays for, of an award for several."""
    per_thousand: int = 1_000
    """What an hour of the chip counts in the award."""

    @property
    def covers_ms(self) -> int:
        """Time of the chip that this pays for."""
        return self.raw_ms if self.of else self.device_ms


def works(workload_class: str) -> Iterator[str]:
    """A class of work, then what it is a kind of: ``training.resnet50``, ``training``."""
    while workload_class:
        yield workload_class
        workload_class = workload_class.rpartition(".")[0]


def rate_of(rates: Rates, chip: str, workload_class: str) -> int | None:
    """What a chip counts in a class of work or what that is a kind of; None: nobody said."""
    found = (rates.get((chip, each)) for each in works(workload_class))
    return next((each for each in found if each is not None), None)


def units(raw_ms: int, per_thousand: int) -> int:
    """What so much time of a chip takes of the award, rounded up."""
    return -(-raw_ms * per_thousand // ONE)


def covered(left_units: int, per_thousand: int) -> int:
    """The most time of a chip that so much of the award pays for; `units` of it is not more."""
    return left_units * ONE // per_thousand


def captured(draws: Iterable[Draw], raw_ms: int) -> list[Draw]:
    """What of each draw so much time of the chip takes, in their order; nothing is left out of it.

    ``raw_ms`` is at most what they cover together; none takes more than it has.
    """
    found = []
    for draw in draws:
        part = min(draw.covers_ms, raw_ms)
        raw_ms -= part
        if not part:
            continue
        if draw.of:
            taken = units(part, draw.per_thousand)
            found.append(Draw(draw.award, taken, draw.of, part, draw.per_thousand))
        else:
            found.append(Draw(draw.award, part))
    return found


def given_back(used: Iterable[Draw], raw_ms: int) -> list[Draw]:
    """What is left of draws that were used when so much of the chip's time is given back.

    From the last one on; one of which nothing is left stays with zero.
    """
    found = []
    for draw in reversed([*used]):
        part = min(draw.covers_ms, raw_ms)
        raw_ms -= part
        raw = draw.covers_ms - part
        if draw.of:
            left = units(raw, draw.per_thousand)
            found.append(Draw(draw.award, left, draw.of, raw, draw.per_thousand))
        else:
            found.append(Draw(draw.award, raw))
    return found[::-1]
