"""What a simulation reads and what it leaves: columns of numbers, one row a job, and plain values.

*Units*: times are whole microseconds from the start of the trace, which is 0; devices are whole,
shares of one device and sums of both are thousandths (milli); memory is MiB; speeds are per
thousand of the reference chip.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.int64]
"""Microseconds."""
Whole = NDArray[np.int32]
"""Counts and positions in another table."""
Small = NDArray[np.int16]
"""Chips, thousandths of one device, priorities."""
Flags = NDArray[np.bool_]
"""Yes or no."""

NONE = -1
"""In a column of positions: there is none."""
FABRIC_ANY, FABRIC_SITE, FABRIC_DOMAIN, FABRIC_NODE = 0, 1, 2, 3
"""How close the devices of one job must lie: anywhere, one site, one fabric domain, one node."""
FINISHED, PREEMPTED, FAILED, RUNNING = 0, 1, 2, 3
"""How a stretch of running ended: done, pushed out, its node broke, still running when the
simulation stopped.
"""


@dataclass(frozen=True, slots=True)
class Jobs:
    """What arrives: n jobs in order of arrival, ties in the order of the file."""

    id: tuple[str, ...]
    """Names, unique; length n."""
    arrive_us: Times
    """int64[n], never falling, the first at 0 or later."""
    service_us: Times
    """int64[n]: true run time on the reference chip, more than 0. Hidden from the engine unless the
    policy is an oracle.
    """
    wall_us: Times
    """int64[n]: the limit asked for, which the engine may know; 0 = none given, else never below
    service_us.
    """
    devices: Whole
    """int32[n]: whole devices, of all replicas together; 0 for a share of one device and for work
    on processors only.
    """
    milli: Small
    """int16[n]: share of one device, 0..999; more than 0 only where devices is 0."""
    cpu_milli: Times
    """int64[n]: processor asked for, thousandths of a core, of the whole job; 0 = not said."""
    memory_mib: Times
    """int64[n]: memory asked for, of the whole job; 0 = not said."""
    tenant: Whole
    """int32[n]: position in the trace's tenants."""
    home: Whole
    """int32[n]: site whose users sent it, where its data lies; NONE = any site is as good."""
    kind: Whole
    """int32[n]: row of the trace's speeds; NONE = every chip runs it at reference speed."""
    fabric: NDArray[np.int8]
    """int8[n]: FABRIC_*, how close its devices must lie."""
    priority: Small
    """int16[n]: 0 is usual, more goes first."""
    preemptible: Flags
    """bool[n]: may be pushed out and resumed."""
    pinned: Flags
    """bool[n]: must run at its home whatever the trace's eligible sites say."""
    replicas: Whole = field(default_factory=lambda: np.zeros(0, np.int32))
    """int32[n]: equal parts that start together, each close as `fabric` says; 1 unless given.
    `milli` is that of each, everything else of all together.
    """
    saves_seconds: Whole = field(default_factory=lambda: np.zeros(0, np.int32))
    """int32[n]: how often it saves its work; 0, unless given: whenever it is asked to."""
    bound: Whole = field(default_factory=lambda: np.zeros(0, np.int32))
    """int32[n]: row of the trace's bounds; NONE, unless given: no rule keeps it off any site."""

    def __post_init__(self) -> None:
        """Columns that were not given."""
        if not len(self.replicas):
            object.__setattr__(self, "replicas", np.ones(len(self.id), np.int32))
        if not len(self.saves_seconds):
            object.__setattr__(self, "saves_seconds", np.zeros(len(self.id), np.int32))
        if not len(self.bound):
            object.__setattr__(self, "bound", np.full(len(self.id), NONE, np.int32))

    def __len__(self) -> int:
        """How many."""
        return len(self.id)

    def load_milli(self) -> Times:
        """Devices that each holds while it runs. *Shapes*: int64[n], thousandths."""
        return self.devices.astype(np.int64) * 1000 + self.milli * self.replicas


@dataclass(frozen=True, slots=True)
class Fleet:
    """What there is: S sites, C chips, m nodes; nodes of a site stand together, sites in order."""

    sites: tuple[str, ...]
    """Names; length S."""
    chips: tuple[str, ...]
    """Names; length C. The reference chip is the one with speed 1000."""
    site: Whole
    """int32[m]: where the node stands."""
    chip: Small
    """int16[m]: what its devices are; NONE where it has none."""
    devices: Small
    """int16[m]: how many it has."""
    cpu_milli: Times
    """int64[m]: thousandths of a core; 0 = not limited by it."""
    memory_mib: Times
    """int64[m]: memory; 0 = not limited by it."""
    domain: Whole
    """int32[m]: fabric domain, numbered over the whole fleet; nodes of one domain stand at one
    site.
    """

    def __len__(self) -> int:
        """How many nodes."""
        return len(self.site)

    def capacity_milli(self) -> int:
        """All devices, in thousandths."""
        return int(self.devices.astype(np.int64).sum()) * 1000


@dataclass(frozen=True, slots=True)
class Trace:
    """A workload and the fleet it meets."""

    name: str
    """For people and file names."""
    format: str
    """Which reader made it: philly, openb, gavel, azure, swf, yunhe, synthetic."""
    jobs: Jobs
    """What arrives."""
    fleet: Fleet
    """What there is."""
    tenants: tuple[str, ...]
    """Who sends; length T."""
    weights: NDArray[np.int64]
    """int64[T]: shares of the tenants to one another, more than 0."""
    speeds: Whole
    """int32[K, C]: speed of kind k on chip c, per thousand of the reference; 0 = cannot run
    there.
    """
    kinds: tuple[str, ...]
    """Names of the rows of speeds; length K, may be 0."""
    eligible: Flags
    """bool[S, S]: a job with home h may run at site s; a job without home may run anywhere."""
    transfer_us: Times
    """int64[S, S]: time a job with home h holds its devices at s before its work starts; 0 on the
    diagonal.
    """
    prices: Times | None = None
    """int64[S, C]: minor units per device-hour; None = not known."""
    currency: str = ""
    """Of the prices."""
    epoch_us: int = 0
    """Instant that is 0 here, microseconds since 1970 UTC; 0 where the trace has no calendar."""
    cities: tuple[str, ...] = ()
    """Of each tenant its city; length T, or none: all of one."""
    bounds: Flags = field(default_factory=lambda: np.zeros((0, 0), np.bool_))
    """bool[B, S]: where rules of place let the jobs of that row run."""
    city_weights: Mapping[str, int] = field(default_factory=dict)
    """Shares of the cities to one another; 1 unsaid."""
    source: str = ""
    """File or generator it came from, without folders."""
    notes: tuple[Note, ...] = ()
    """Licence, what the trace lacks, what was synthesised: to be shown with every figure."""


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence to show with a trace, as a text key with its parameters."""

    key: str
    """Key below `simulate.note.` in the texts of compute."""
    params: Mapping[str, str | int] = field(default_factory=dict)
    """What the sentence names."""


@dataclass(frozen=True, slots=True)
class Faults:
    """When nodes break and return: f events in order of time."""

    at_us: Times
    """int64[f]."""
    node: Whole
    """int32[f]: position in the fleet."""
    up: Flags
    """bool[f]: it returns; else it breaks. Breaking a broken node, or returning a sound one, does
    nothing.
    """


@dataclass(frozen=True, slots=True)
class Stretches:
    """Every stretch of running, in order of its end: r rows.

    One job has several when it was pushed out or a node of it broke.
    """

    job: Whole
    """int32[r]: position in the jobs."""
    start_us: Times
    """int64[r]: devices taken (transfer and restart count as held)."""
    end_us: Times
    """int64[r]: devices returned."""
    site: Whole
    """int32[r]: where."""
    chip: Small
    """int16[r]: on what."""
    ended: NDArray[np.int8]
    """int8[r]: FINISHED, PREEMPTED, FAILED or RUNNING."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one policy made of one trace. Columns have one row a job of the trace, in its order."""

    policy: str
    """Its name."""
    first_start_us: Times
    """int64[n]: first placed; NONE = never."""
    end_us: Times
    """int64[n]: finished; NONE = never."""
    waited_us: Times
    """int64[n]: all time in the queue, also after being pushed out, up to the end of the
    simulation.
    """
    run_us: Times
    """int64[n]: all time on devices, including repeated work, transfer and restarts."""
    lost_us: Times
    """int64[n]: of run_us, work that had to be done again, and restarts."""
    preemptions: Whole
    """int32[n]: times pushed out by the engine."""
    failures: Whole
    """int32[n]: times its node broke."""
    site: Whole
    """int32[n]: where it ran last; NONE = never."""
    chip: Small
    """int16[n]: on what it ran last; NONE = never."""
    stretches: Stretches
    """Every stretch of running."""
    stopped_us: int
    """When the simulation ended."""
    decisions: int
    """Placements, preemptions and answers to wait that the engine gave."""
    passes: int
    """Events given to the engine."""
    engine_cpu_seconds: float
    """Processor time inside the engine alone."""
    partial_us: Times = field(default_factory=lambda: np.zeros(0, np.int64))
    """int64[k]: instants of partial_milli, rising; may be empty."""
    partial_milli: Times = field(default_factory=lambda: np.zeros(0, np.int64))
    """int64[k]: free device capacity on nodes that are partly taken, from that instant on."""
