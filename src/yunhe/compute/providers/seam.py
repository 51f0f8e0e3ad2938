"""What a provider of compute promises; `yunhe.compute.providers.conformance` checks that it does.

A provider runs one job per call and blocks until it has ended. One that hands the job to a distant
scheduler submits it under the job's id and finds it again under that id, so that a call repeated
after a crash picks up the same job; one whose jobs die with the caller starts afresh.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from yunhe.compute.reasons import Params, Why
from yunhe.kernel.canonical import Json, JsonObject
from yunhe.kernel.language import Language, text
from yunhe.kernel.progress import Progress
from yunhe.storage.blobs import Blobs

LOG_BYTES_MAX = 64 << 10
"""How much of the end of each output stream is kept."""
STOP_SECONDS_MAX = 5
"""A provider looks whether it should stop at least this often, and then stops as quickly."""


@dataclass(frozen=True, slots=True)
class Job:
    """One run of one program."""

    id: str
    """Letters, digits, ``_`` and ``-``; the same for every attempt at one workload."""
    entry_point: str
    """Which program."""
    arguments: JsonObject
    """For the program."""
    inputs: Mapping[str, str]
    """Digests by the name the program finds the bytes under."""
    devices: int
    """How many it may use at once."""
    wall_seconds_max: int
    """Stopped after so long."""
    cpu_seconds_max: int
    """Processor time of one of its processes."""
    memory_bytes_max: int
    """Memory of one of its processes."""
    chip: str = ""
    """What its devices are."""
    maker: str = ""
    """Who makes them; empty: as the catalogue says."""
    places: tuple[str, ...] | None = None
    """Where in its pool it shares devices, one for each of its replicas that does; empty: it has
    whole ones; None: of its chip no device of the machine it runs on is given to it."""
    approved: frozenset[str] = frozenset()
    """Digests of program files that the operator lets run without a sandbox."""
    secrets: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """Values by the environment variable in which the program, and nobody else, finds them: never
    on a command line, in a file or in a log."""
    origin: str = ""
    """The log of the platform that handed it over here; empty for one that was asked for here."""
    jurisdictions: tuple[str, ...] | None = None
    """Whose law may hold where it runs, by its own words, its data's and its award's; None:
    anybody's; empty: they contradict each other by now."""
    excluded_providers: tuple[str, ...] = ()
    """Organisations whose pools it never runs in, by their names here."""
    consumer: str = ""
    """Where whoever it is done for is, for another platform; empty: nobody said it."""
    replicas: int = 1
    """How often the program runs side by side, which share `devices`; ``YUNHE_REPLICA`` counts
    them from 0 and ``YUNHE_REPLICAS`` says how many there are."""
    cpu_milli: int = 0
    """Processors of one replica in thousandths; 0: as the provider sees fit."""
    replica_memory_bytes: int = 0
    """Memory of one replica with all its processes; 0: it does not say."""
    command: tuple[str, ...] = ()
    """Command line to run in its folder in place of a program."""
    image: str = ""
    """Container image that its command runs in."""
    folder: str = ""
    """Digest of the manifest of its working folder (`yunhe.compute.folders`); empty: none."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Environment variables besides."""
    keeps: tuple[str, ...] = ()
    """Patterns of the files in its folder that are outputs as well."""
    saves: bool = False
    """Whether it may be asked to save its work and end, to go on later."""
    saved: Mapping[str, str] = field(default_factory=dict)
    """Digests of what its last run saved then, by name."""

    def memory_of(self, replicas: int) -> int:
        """What so many replicas get together where memory is given out.

        What they said, or each as much as one of its processes may use.
        """
        return (self.replica_memory_bytes or self.memory_bytes_max) * replicas


@dataclass(frozen=True, slots=True)
class Metered:
    """What a job used, by the provider's own instruments."""

    wall_ms: int
    """From its first to its last moment on a clock nobody sets; rounded up, at least 1."""
    cpu_user_ms: int
    """Processor time outside the kernel; 0 here and below: nobody counted it."""
    cpu_system_ms: int
    """Processor time inside the kernel."""
    memory_bytes_peak: int
    """Largest resident set of one process; 0 where unknown."""
    device_ms: int | None = None
    """Device time where the provider counts it itself; None: wall time × devices."""
    utilisation_per_thousand: int | None = None
    """Mean real use of its devices, where it was sampled; None: nobody knows."""
    utilisation_samples: int = 0
    """How many samples that is the mean of."""
    unwatched: bool = False
    """Its devices were to be watched and nothing was seen of them: processor time is no sign."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended; whatever is said here happened by the job's own doing or on request."""

    verdict: Literal["succeeded", "failed", "stopped"]
    """``stopped``: because the caller asked for it."""
    metered: Metered
    """What it used, in every case."""
    isolation: str
    """How it was kept from the rest of the machine."""
    code_digest: str
    """The program file that ran."""
    why: Why | None = None
    """Why it failed."""
    outputs: Mapping[str, str] = field(default_factory=dict)
    """Digests of what it wrote, by file name; only after success, and already stored."""
    stdout_tail: bytes = b""
    """The end of what it printed, the values of its secrets masked before it was cut."""
    stderr_tail: bytes = b""
    """The end of what it complained about, masked in the same way."""
    saved: Mapping[str, str] = field(default_factory=dict)
    """Digests of what it saved after it was asked to, for its next run."""
    evidence: Mapping[str, Json] = field(default_factory=dict)
    """What its record says besides: where another platform ran it, how that can be proved."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Something a provider cannot do, said beforehand."""

    code: str
    """What, and (as a sentence of the locale files) why."""
    params: Params = ()
    """Values of the sentence."""

    def message(self, language: Language) -> str:
        """The gap as one sentence."""
        return text(self.code, language, **dict(self.params))


class Live(Protocol):
    """Who hears a job while it runs, and may have commands run inside it.

    Every method returns at once; the same thread calls them all.
    """

    def printed(self, stream: Literal["stdout", "stderr"], data: bytes) -> None:
        """The job printed this; the values of its secrets are masked already."""
        ...

    def attended(self, why: str) -> None:
        """Commands can be run inside from now on; else, as a code, why they can't."""
        ...

    def asks(self) -> list[dict[str, Json]]:
        """What is asked of the job's attendant since the last call, one line each."""
        ...

    def told(self, line: Mapping[str, Json]) -> None:
        """The attendant answered this; nothing of it is to be trusted."""
        ...

    def used(self, cpu_ms: int) -> None:
        """Processor time of everything in the job so far."""
        ...

    def utilised(self, per_thousand: int) -> None:
        """Mean real use of its devices at a look, where an instrument says so."""
        ...


class Silence:
    """Hears nothing and asks for nothing; a `Live`."""

    def printed(self, stream: Literal["stdout", "stderr"], data: bytes) -> None:
        """Nothing is kept."""

    def attended(self, why: str) -> None:
        """Nobody asks."""

    def asks(self) -> list[dict[str, Json]]:
        """Nothing."""
        return []

    def told(self, line: Mapping[str, Json]) -> None:
        """Nothing is kept."""

    def used(self, cpu_ms: int) -> None:
        """Nothing is kept."""

    def utilised(self, per_thousand: int) -> None:
        """Nothing is kept."""


@runtime_checkable
class Provider(Protocol):
    """Runs jobs for one kind of pool."""

    @property
    def adapter(self) -> str:
        """The kind of pool whose workloads it takes."""
        ...

    @property
    def isolation(self) -> str:
        """How it keeps jobs from the rest of the machine."""
        ...

    def gaps(self) -> tuple[Gap, ...]:
        """What it cannot do, and why; never empty-handed about a limit it does not enforce."""
        ...

    def run(
        self, job: Job, *, blobs: Blobs, progress: Progress, stopped: Callable[[], bool]
    ) -> Outcome:
        """Run the job to its end.

        Errors are the provider's own: nothing is charged and the job may be tried again.
        `NotAllowed` ``compute.entry_point_not_approved``, `NotFound`
        ``compute.entry_point_unknown``, `Conflict` ``compute.job_running`` while another call runs
        the same job, `Unavailable` ``compute.launch_failed``, what the blobs and the disk raise.
        """
        ...
