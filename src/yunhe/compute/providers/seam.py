"""What a provider of compute promises; `yunhe.compute.providers.conformance` checks that it does.

A provider runs one job per call and blocks until it has ended. One that hands the job to a distant
scheduler submits it under the job's id and finds it again under that id, so that a call repeated
after a crash picks up the same job; one whose jobs die with the caller starts afresh.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from yunhe.compute.reasons import Params, Why
from yunhe.kernel.canonical import JsonObject
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
    approved: frozenset[str] = frozenset()
    """Digests of program files that the operator lets run without a sandbox."""


@dataclass(frozen=True, slots=True)
class Metered:
    """What a job used, by the provider's own instruments."""

    wall_ms: int
    """From its first to its last moment on a clock nobody sets; rounded up, at least 1."""
    cpu_user_ms: int
    """Processor time outside the kernel."""
    cpu_system_ms: int
    """Processor time inside the kernel."""
    memory_bytes_peak: int
    """Largest resident set of one process; 0 where unknown."""


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
    """The end of what it printed."""
    stderr_tail: bytes = b""
    """The end of what it complained about."""


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
