"""A distant provider on paper: it runs nothing, says what it is told to say, and can break."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from yunhe.compute.providers.remote import Capacity, Node, Report, Result, Seen, UsageEvent
from yunhe.compute.providers.seam import Gap, Job, Metered
from yunhe.kernel.clock import SECOND_US, ManualClock
from yunhe.kernel.errors import Unavailable


class Killed(BaseException):
    """What a kill of the driver looks like from inside: nothing after it runs."""


def nothing(_: str) -> None:
    """The usual fate of a call."""


@dataclass
class PaperSite:
    """Keeps what it was asked; ``before`` and ``after`` may raise in any call."""

    clock: ManualClock
    adapter: str = "paper"
    isolation: str = "paper"
    ahead_seconds: int = 0
    tells_time: bool = True
    jobs: dict[str, Job] = field(default_factory=dict)
    reports: dict[str, Report] = field(default_factory=dict)
    events: list[UsageEvent] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    cancelled: Counter[str] = field(default_factory=Counter)
    forgotten: list[str] = field(default_factory=list)
    extra: list[Report] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    before: Callable[[str], None] = nothing
    after: Callable[[str], None] = nothing

    def now_us(self) -> int:
        return self.clock.now_us() + self.ahead_seconds * SECOND_US

    def gaps(self) -> tuple[Gap, ...]:
        return ()

    def submit(self, job: Job, *, blobs) -> str:
        self._enter("submit")
        self.jobs.setdefault(job.id, job)
        if job.id not in self.reports and not self.cancelled[job.id]:
            self.reports[job.id] = Report(job.id, "queued", handle=str(len(self.jobs)))
        self.after("submit")
        return str(list(self.jobs).index(job.id) + 1)

    def status(self, jobs) -> Seen:
        self._enter("status")
        found = [self.reports[job] for job in jobs if job in self.reports]
        seen = Seen((*found, *self.extra), self.now_us() if self.tells_time else None)
        self.after("status")
        return seen

    def cancel(self, job: str) -> None:
        self._enter("cancel")
        self.cancelled[job] += 1
        report = self.reports.get(job)
        if report is not None and report.phase == "queued":
            self.reports[job] = replace(report, phase="stopped", ran=False)
        elif report is not None and report.phase == "running":
            self.end(job, "stopped")
        self.after("cancel")

    def logs(self, job: str, stream, *, offset: int) -> bytes:
        self._enter("logs")
        said = f"{stream} of {job}".encode()
        return said[offset:] if offset >= 0 else said[max(len(said) + offset, 0) :]

    def meter(self, jobs) -> tuple[UsageEvent, ...]:
        self._enter("meter")
        return tuple(self.events)

    def collect(self, job: Job, *, blobs, succeeded: bool) -> Result:
        self._enter("collect")
        outputs = self.outputs if succeeded else {}
        return Result(outputs, Metered(1_000, 5, 5, 0), code_digest="sha256:" + "0" * 64)

    def forget(self, job: str) -> None:
        self._enter("forget")
        self.forgotten.append(job)

    def capacity(self) -> Capacity:
        self._enter("capacity")
        return Capacity((Node("n1", "cpu", 2, 2, "up"), Node("n2", "cpu", 2, 0, "down")))

    def begin(self, job: str) -> None:
        """Let it start."""
        self.reports[job] = replace(self.reports[job], phase="running")

    def end(
        self, job: str, phase: str = "succeeded", *, seconds: int = 10, meter: bool = True
    ) -> None:
        """Let it end after having run for so long, and report its usage."""
        report = self.reports[job]
        self.reports[job] = replace(report, phase=phase)
        if meter:
            end_us = self.now_us()
            start_us = end_us - seconds * SECOND_US
            self.events.append(self.event(job, start_us, end_us, run=report.run))

    def event(
        self, job: str, start_us: int, end_us: int, *, run: int = 0, name: str = ""
    ) -> UsageEvent:
        return UsageEvent(
            name or f"{job}/{run}", job, start_us, end_us, self.jobs[job].devices, run
        )

    def _enter(self, name: str) -> None:
        self.calls[name] += 1
        self.before(name)


def broken(name: str) -> None:
    """A provider that nobody can reach."""
    raise Unavailable("compute.remote_unreachable", site="paper", reason=name)
