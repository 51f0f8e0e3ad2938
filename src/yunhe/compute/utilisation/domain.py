"""Samples of real use and their mean; what was not reported stays unreported, never zero."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from yunhe.kernel.errors import Finding

FULL = 1_000
"""A device that is used all the time, per thousand."""
SAMPLES_MAX = 10**12
"""More samples than this nobody takes."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at one device."""

    device: str
    """Its name with the instrument: an index or a UUID; a slice of one after a slash."""
    per_thousand: int
    """How much of it was in use, 0 to `FULL`."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What an instrument said at one look."""

    samples: tuple[Sample, ...] = ()
    """By device; those about which it said nothing are left out."""
    findings: tuple[Finding, ...] = ()
    """What of it cannot be true or cannot be read; none of that is in the samples."""


class Mean:
    """Of many looks at the devices of one job."""

    def __init__(self) -> None:
        self._sum = self.samples = 0

    def add(self, samples: Iterable[Sample]) -> None:
        """One look more."""
        for each in samples:
            self._sum += each.per_thousand
            self.samples += 1

    @property
    def per_thousand(self) -> int | None:
        """Rounded to the nearest; None where there is no sample."""
        if not self.samples:
            return None
        return (2 * self._sum + self.samples) // (2 * self.samples)


def of_processors(*, cpu_ms: int, wall_ms: int, devices: int) -> int:
    """Use of processors that are the devices themselves; threads beyond them do not count."""
    return min(cpu_ms * FULL // max(wall_ms * devices, 1), FULL)


@dataclass(frozen=True, slots=True)
class Reported:
    """What a distant provider says of the whole of a job, as far as it can be true."""

    per_thousand: int | None = None
    """Mean use; None: not reported, or refused."""
    samples: int = 0
    """Of how many samples."""
    finding: str = ""
    """Code of what is wrong with it."""


def reported(per_thousand: object, samples: object) -> Reported:
    """What is taken of a report: whole numbers, 0 to `FULL`, of one sample at least.

    Anything else is refused, and the job counts as not reported.
    """
    if per_thousand is None:
        return Reported()
    sound = (
        type(per_thousand) is int
        and type(samples) is int
        and 0 <= per_thousand <= FULL
        and 1 <= samples <= SAMPLES_MAX
    )
    if not sound:
        return Reported(finding="compute.utilisation_refused")
    assert isinstance(per_thousand, int)  # noqa: S101 - looked at above
    assert isinstance(samples, int)  # noqa: S101 - likewise
    return Reported(per_thousand, samples)


@dataclass(frozen=True, slots=True)
class Subject:
    """A running job whose devices are to be watched."""

    job: str
    """Its id."""
    name: str
    """What its site calls it."""
    chip: str
    """What its devices are."""
    devices: int
    """How many it holds."""
    after_us: int
    """Looks up to then are counted already, or were before it ran."""


@dataclass(frozen=True, slots=True)
class Used:
    """What was seen of one job's devices since the last look."""

    sum_per_thousand: int = 0
    """Of all samples that count."""
    samples: int = 0
    """How many they are: one for each device at each instant at which all of them were seen."""
    latest: int | None = None
    """Mean use of its devices at the busiest of the last instants, in per thousand; `FULL` where
    part of it is unseen or can't be true; None: nothing was seen, of which nothing follows."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at all jobs of a site gave."""

    used: Mapping[str, Used]
    """By job; those of which nothing was seen are left out."""
    until_us: int
    """Up to when it looked."""
    finding: str = ""
    """Code of what in it cannot be true; nothing of that counts."""


class Watch(Protocol):
    """Whoever knows of the devices of a site's jobs."""

    def watches(self, chip: str) -> bool:
        """Whether it looks at devices of that chip; then nothing else tells of their use."""
        ...

    def look(self, subjects: Sequence[Subject], *, now_us: int) -> Look:
        """Ask about all of them at once. Errors: `Unavailable` ``compute.watch_…``."""
        ...
