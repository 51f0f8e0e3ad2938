"""What a distant scheduler promises; `yunhe.compute.providers.conformance` checks that it does.

A job outlives whoever submitted it. It is known by its id alone: submitted again under the same id
it is the same job, and whoever comes after a crash finds it there. Reports may come twice, late and
in any order, and tell the time of a clock that is not ours.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from yunhe.compute.providers.seam import Gap, Job, Metered
from yunhe.compute.reasons import Why
from yunhe.compute.utilisation.domain import Watch
from yunhe.kernel.canonical import Json
from yunhe.storage.blobs import Blobs

Phase = Literal["queued", "running", "succeeded", "failed", "stopped", "lost"]
"""``stopped``: on request. ``lost``: the provider broke it off, by no doing of the job or ours."""
ENDED: tuple[Phase, ...] = ("succeeded", "failed", "stopped", "lost")
"""Phases that no other follows within one run."""
Stream = Literal["stdout", "stderr"]
"""Which of a job's two streams."""
NodeState = Literal["up", "drained", "down"]
"""``drained``: what runs there may end, nothing new starts."""
ANOTHER_PLATFORM = "another-platform"
"""How a provider that is another Yunhe keeps jobs apart: as it pleases, and its record says how."""
LOG_PART_BYTES_MAX = 1 << 20
"""Most bytes of a log in one answer."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the provider says of one job."""

    job: str
    """Its id."""
    phase: Phase
    """How far it is."""
    run: int = 0
    """Counts how often the provider started it over by itself; a greater one is the newer."""
    why: Why | None = None
    """Why it waits there, failed or was lost."""
    handle: str = ""
    """The provider's own name of it."""
    ran: bool = True
    """Of an ended one: whether it ever ran in this run."""

    @property
    def order(self) -> tuple[int, int]:
        """Reports of one job in the order in which they became true, however they arrive."""
        return self.run, ("queued", "running").index(self.phase) if self.phase not in ENDED else 2


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer about many jobs."""

    reports: tuple[Report, ...]
    """Of those it knows; a job that is missing is unknown there."""
    clock_us: int | None = None
    """The provider's clock when it answered; None where it does not tell."""


@dataclass(frozen=True, slots=True)
class UsageEvent:
    """A closed stretch of time for which a job occupied devices; never changed once reported."""

    id: str
    """The same for ever, and no other event's."""
    job: str
    """Whose."""
    start_us: int
    """By the provider's clock."""
    end_us: int
    """By the same clock."""
    devices: int
    """How many, raw; 0 where the provider does not tell: then as many as were asked for."""
    run: int = 0
    """Which run of the job."""
    cost_minor: int | None = field(default=None, compare=False)
    """What the provider charges for it, where it says so; never part of what is paid here."""
    currency: str = field(default="", compare=False)
    """Of that."""

    @property
    def device_ms(self) -> int:
        """Device time, rounded up."""
        return -(-(self.end_us - self.start_us) * self.devices // 1_000)


@dataclass(frozen=True, slots=True)
class Result:
    """What an ended job left at the provider's, taken over."""

    outputs: Mapping[str, str] = field(default_factory=dict)
    """Digests by file name, already stored; only after success."""
    metered: Metered = field(default_factory=lambda: Metered(1, 0, 0, 0))
    """By the instruments on the node, for people to read; paid is what usage events say."""
    code_digest: str = ""
    """The program that ran."""
    why: Why | None = None
    """Why it failed, where the provider's own words for it say less, or the outputs are none."""
    evidence: Mapping[str, Json] = field(default_factory=dict)
    """What the record of its usage is to say besides, e.g. where the provider's own proof lies."""
    saved: Mapping[str, str] = field(default_factory=dict)
    """Digests by name of what it saved when it was pushed out, for its next run."""
    proved_ms: int | None = None
    """Most device time that is charged: what that proof says; None: the provider gives none."""


@dataclass(frozen=True, slots=True)
class Node:
    """One machine of the provider."""

    name: str
    """In the provider's words."""
    chip: str
    """What its devices are."""
    devices: int
    """How many it has."""
    free: int
    """How many nobody uses now; 0 unless it is up."""
    state: NodeState
    """Whether work can start there."""
    cpu_milli: int = 0
    """Processors in thousandths; 0 where unknown."""
    memory_mib: int = 0
    """Memory; 0 where unknown."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the provider has."""

    nodes: tuple[Node, ...]
    """Every node, those out of order too."""

    def devices(self, chip: str) -> int:
        """Devices of a chip on nodes that are up."""
        return sum(node.devices for node in self.nodes if (node.chip, node.state) == (chip, "up"))


class Remote(Protocol):
    """Hands jobs to a scheduler elsewhere; every method may be repeated and returns within seconds.

    Errors of every method: `Unavailable` when the provider can't be reached or does not make sense,
    after which the same may be tried again.
    """

    @property
    def adapter(self) -> str:
        """The kind of pool whose workloads it takes: the name of the site."""
        ...

    @property
    def isolation(self) -> str:
        """How it keeps jobs apart."""
        ...

    def gaps(self) -> tuple[Gap, ...]:
        """What it cannot do, and why."""
        ...

    def submit(self, job: Job, *, blobs: Blobs) -> str:
        """Hand the job over, once however often it is called; returns the provider's handle.

        A job that was cancelled under this id never starts. Errors: `NotAllowed`, `Invalid` or
        `NotFound` when this provider will never take it.
        """
        ...

    def status(self, jobs: Collection[str]) -> Seen:
        """How far each is, in one question for all of them."""
        ...

    def cancel(self, job: str) -> None:
        """Ask for its end; of one that is unknown or over nothing is asked."""
        ...

    def logs(self, job: str, stream: Stream, *, offset: int) -> bytes:
        """What it printed from that byte on, at most `LOG_PART_BYTES_MAX`; empty: nothing yet."""
        ...

    def meter(self, jobs: Collection[str]) -> tuple[UsageEvent, ...]:
        """Every usage event of those jobs that there is so far, always all of them."""
        ...

    def collect(self, job: Job, *, blobs: Blobs, succeeded: bool) -> Result:
        """Take over what an ended job left; it stays there until `forget`."""
        ...

    def forget(self, job: str) -> None:
        """Remove what was kept for a job that is over and settled."""
        ...

    def capacity(self) -> Capacity:
        """What there is now."""
        ...


@runtime_checkable
class RunsImages(Protocol):
    """A `Remote` that runs commands in container images."""

    @property
    def images(self) -> tuple[str, ...]:
        """Registries, or parts of registries, whose images it runs; none: it runs no images."""
        ...


@runtime_checkable
class Pushes(Protocol):
    """A `Remote` that can have running work save itself and end, to make room for other work.

    What it saved comes with `Result.saved`, and goes along with `Job.saved` when it runs again.
    """

    def push_out(self, job: str, *, grace_seconds: int) -> None:
        """Ask for that; of one that is unknown or over nothing is asked.

        It has so long; then it is ended as if cancelled. Reported is ``stopped``. One that has not
        begun never begins. Errors: `Unavailable`, after which the same may be asked again.
        """
        ...


@runtime_checkable
class Refuses(Protocol):
    """A `Remote` that says beforehand what of a workload it takes none with."""

    @property
    def refuses(self) -> tuple[str, ...]:
        """Fields of a workload: ``command``, ``folder``, ``outputs``, ``secrets``."""
        ...


@runtime_checkable
class Watched(Protocol):
    """A `Remote` the use of whose devices is asked for elsewhere, as at its site's Prometheus."""

    @property
    def watch(self) -> Watch | None:
        """Whom to ask; None: nobody."""
        ...


@runtime_checkable
class TellsUse(Protocol):
    """A `Remote` whose jobs' use comes by itself, as with an agent's reports."""

    @property
    def tells_use(self) -> Literal[True]:
        """It does."""
        ...
