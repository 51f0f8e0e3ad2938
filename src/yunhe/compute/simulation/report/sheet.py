"""What a report shows, as plain values."""

from __future__ import annotations

from dataclasses import dataclass

from yunhe.compute.simulation.domain import Note
from yunhe.compute.simulation.figures import Figures
from yunhe.kernel.errors import Finding


@dataclass(frozen=True, slots=True)
class Sheet:
    """One trace and what each policy made of it."""

    trace: str
    """Name of the trace."""
    format: str
    """Its format."""
    jobs: int
    """Jobs replayed."""
    rows: int
    """Rows read."""
    faults: int
    """Faulty rows."""
    findings: tuple[Finding, ...]
    """The first of them."""
    sites: int
    """Of the fleet."""
    nodes: int
    """Of the fleet."""
    devices: int
    """Of the fleet."""
    chips: tuple[str, ...]
    """Of the fleet."""
    load: float
    """Device time asked for, on the reference chip, over device time there is while jobs arrive."""
    days: float
    """From the first arrival to the last."""
    notes: tuple[Note, ...]
    """What must be known about trace and fleet."""
    figures: tuple[Figures, ...]
    """One for each policy, in the order asked for."""
    command: str
    """What repeats it."""
    version: str
    """Of Yunhe."""
    whole: bool = False
    """Whether all jobs are counted, without warm-up and cool-down."""
