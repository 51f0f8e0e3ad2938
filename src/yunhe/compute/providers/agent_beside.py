"""An agent's runs on a scheduler beside it, through the same adapters that sites have.

A job there is known by the name of its run, outlives the agent, and is found again by whoever goes
on in the agent's folder. What it used is by the scheduler's own clock; the platform never pays more
than passed there between handing it over and hearing of its end.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from yunhe.compute.providers.agent_watch import AgentWatch, Using
from yunhe.compute.providers.remote import ENDED, Remote, Report, Result, Stream, Watched
from yunhe.compute.providers.seam import Job, Metered, Outcome
from yunhe.compute.providers.sites import AGENT, YUNHE, build, read_sites
from yunhe.compute.providers.staged_live import StagedLive
from yunhe.compute.reasons import Why
from yunhe.kernel.canonical import INTEGER_MAX
from yunhe.kernel.errors import Finding, Invalid, Unavailable, YunheError
from yunhe.storage.blobs import Blobs

if TYPE_CHECKING:
    from yunhe.compute.providers.entry_points import EntryPoint
    from yunhe.outbound.client import Outbound

PAUSE_SECONDS = 2.0
"""Between two looks at the scheduler."""
MISSING_SECONDS = 300.0
"""A job that the scheduler does not know for so long, though it took it, is lost."""
METER_SECONDS = 600.0
"""How long usage is waited for after an end."""
COLLECT_SECONDS = 1_200.0
"""How long what a job left is asked for; then it is lost."""
LOG_BYTES_MAX = 64 << 20
"""Most of one stream that is read."""
_STREAMS: tuple[Stream, Stream] = ("stdout", "stderr")
_log = logging.getLogger("yunhe.agent")
_Found = TypeVar("_Found")


class Heard(Protocol):
    """Who keeps what a job prints."""

    def printed(self, stream: Literal["stdout", "stderr"], data: bytes) -> None:
        """More of it."""
        ...


@dataclass(frozen=True, slots=True)
class Word:
    """What an agent and a run beside it tell each other."""

    stopped: Callable[[], bool]
    """Whether it is to end; raises ``Stopped`` where the agent leaves and the job is to go on."""
    begun: Callable[[], None]
    """Says that it has begun."""
    heard: Heard
    """Keeps what it prints."""
    use: Using = field(default_factory=Using)
    """Keeps what it uses."""


class Beside:
    """Runs jobs through a scheduler's adapter; of one cluster, for every run of an agent."""

    def __init__(
        self,
        remote: Remote,
        *,
        most: Mapping[str, int] | None = None,
        rest: Callable[[float], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``most``: no more devices of these chips are offered, and of no others if any is named.

        ``rest`` waits between two looks; ``clock`` is steady.
        """
        self._remote = remote
        self._most = dict(most or {})
        self._rest = rest or threading.Event().wait
        self._clock = clock
        watch = remote.watch if isinstance(remote, Watched) else None
        self._watch = None if watch is None else AgentWatch(watch, clock=clock)

    def chips(self) -> dict[str, int]:
        """Devices by chip that the scheduler has in order; none while it can't be asked."""
        try:
            nodes = self._remote.capacity().nodes
        except YunheError as error:
            _log.warning("the scheduler could not be asked what it has: %s", error.code)
            return {}
        found: dict[str, int] = {}
        for node in nodes:
            if node.state == "up":
                found[node.chip] = found.get(node.chip, 0) + node.devices
        if self._most:
            found = {
                chip: min(n, self._most[chip]) for chip, n in found.items() if chip in self._most
            }
        return {chip: devices for chip, devices in found.items() if devices > 0}

    def run(self, job: Job, *, blobs: Blobs, word: Word) -> Outcome:
        """Hand the job over, or find it there, and stay with it to its end.

        Errors: what the adapter refuses it with; `Unavailable` when the scheduler lost it.
        """
        while not self._tried(lambda: self._remote.submit(job, blobs=blobs)) and not word.stopped():
            self._rest(PAUSE_SECONDS)
        report, asked = self._ended(job, word)
        if report.phase == "lost":
            why = report.why or Why(
                "compute.remote_lost", (("site", self._remote.adapter), ("reason", "-"))
            )
            raise Unavailable(why.code, **dict(why.params))  # type: ignore[arg-type] # of sentences
        wall_ms = self._wall_ms(job, report, word)
        succeeded = report.phase == "succeeded"
        result = self._insist(
            lambda: self._remote.collect(job, blobs=blobs, succeeded=succeeded),
            word,
            seconds=COLLECT_SECONDS,
        )
        if self._watch is not None and self._watch.watches(job.chip):
            result = replace(result, metered=self._watch.told(job.id, result.metered))
        return self._outcome(report, result, wall_ms=wall_ms, asked=asked)

    def forget(self, job: str) -> None:
        """Remove what the scheduler keeps of a run that is reported, as far as that can be done."""
        try:
            self._remote.forget(job)
        except YunheError as error:
            _log.warning("%s is not removed from the scheduler: %s", job, error.code)

    def _ended(self, job: Job, word: Word) -> tuple[Report, bool]:
        """Its last report, and whether its end was asked for."""
        begun = asked = False
        read = dict.fromkeys(_STREAMS, 0)
        known_at = self._clock()
        while True:
            if word.stopped() and not asked:
                asked = self._tried(lambda: self._remote.cancel(job.id))
            report = self._report(job)
            if report is not None:
                known_at = self._clock()
                if not begun and report.phase != "queued" and report.ran:
                    word.begun()
                    begun = True
                if begun:
                    self._hear(job, word.heard, read)
                    self._see(job, report, word.use)
                if report.phase in ENDED:
                    return report, asked
            elif self._clock() - known_at > MISSING_SECONDS:
                raise Unavailable("compute.remote_missing", site=self._remote.adapter)
            self._rest(PAUSE_SECONDS)

    def _report(self, job: Job) -> Report | None:
        """The newest; None where it is unknown there, or nobody answers."""
        try:
            said = self._remote.status([job.id]).reports
        except YunheError as error:
            _log.info("%s: %s", job.id, error.code)
            return None
        mine = [report for report in said if report.job == job.id]
        return max(mine, key=lambda report: report.order, default=None)

    def _hear(self, job: Job, heard: Heard, read: dict[Stream, int]) -> None:
        for stream in _STREAMS:
            try:
                while read[stream] < LOG_BYTES_MAX:
                    data = self._remote.logs(job.id, stream, offset=read[stream])
                    if not data:
                        break
                    heard.printed(stream, data)
                    read[stream] += len(data)
            except YunheError as error:
                _log.info("%s: %s", job.id, error.code)

    def _see(self, job: Job, report: Report, use: Using) -> None:
        """What it uses: by whoever watches its devices, else by its processor time.

        That only where all of a job runs below its station, as on Slurm; Ray's tasks do not.
        """
        if report.phase != "running":
            return
        if self._watch is not None and self._watch.watches(job.chip):
            self._watch.follow(job, report.handle)
            seen = self._watch.latest(job.id)
            if seen is not None:
                use.utilised(seen)
            return
        live: StagedLive | None = getattr(self._remote, "live", None)
        cpu_ms = None if live is None else live.used(job.id)
        if cpu_ms is not None:
            use.used(cpu_ms)

    def _wall_ms(self, job: Job, report: Report, word: Word) -> int:
        """How long it occupied its devices, by the scheduler; 0 where that never says."""
        until = self._clock() + METER_SECONDS
        while report.ran:
            events = self._insist(lambda: self._remote.meter([job.id]), word)
            spans_us = [
                max(event.end_us - event.start_us, 0)
                for event in events
                if (event.job, event.run) == (job.id, report.run)
            ]
            if spans_us:
                return min(sum(spans_us) // 1_000, INTEGER_MAX)
            if self._clock() > until:
                break
            word.stopped()
            self._rest(PAUSE_SECONDS)
        return 0

    def _outcome(self, report: Report, result: Result, *, wall_ms: int, asked: bool) -> Outcome:
        why = result.why or report.why
        verdict: Literal["succeeded", "failed", "stopped"] = "failed"
        if report.phase == "succeeded" and result.why is None:
            verdict, why = "succeeded", None
        elif report.phase == "stopped" and asked:
            verdict, why = "stopped", None
        elif why is None:
            why = Why("compute.failed_remote")
        measured = result.metered
        return Outcome(
            verdict=verdict,
            metered=Metered(
                wall_ms,
                measured.cpu_user_ms,
                measured.cpu_system_ms,
                measured.memory_bytes_peak,
                utilisation_per_thousand=measured.utilisation_per_thousand,
                utilisation_samples=measured.utilisation_samples,
                unwatched=measured.unwatched,
            ),
            isolation=self._remote.isolation,
            code_digest=result.code_digest,
            why=why,
            outputs=result.outputs if verdict == "succeeded" else {},
        )

    def _tried(self, act: Callable[[], object]) -> bool:
        try:
            act()
        except Unavailable as error:
            _log.info("%s; tried again", error.code)
            return False
        return True

    def _insist(
        self, act: Callable[[], _Found], word: Word, *, seconds: float = float("inf")
    ) -> _Found:
        """Do it until it is done, so long at most; a refusal that time does not cure is raised."""
        until = self._clock() + seconds
        while True:
            try:
                return act()
            except Unavailable as error:
                if self._clock() > until:
                    raise
                word.stopped()
                _log.info("%s; tried again", error.code)
                self._rest(PAUSE_SECONDS)


def scheduler_of(
    file: Path, programs: Mapping[str, EntryPoint], *, outbound: Callable[[], Outbound]
) -> Remote:
    """The adapter of the one scheduler that a file names, as a sites file does.

    Errors: `Invalid` ``compute.sites_invalid``, also unless it names exactly one, and one that is
    neither another platform nor an agent; `Unavailable` when it can't be read.
    """
    found = read_sites(file)
    if len(found) != 1 or found[0].kind in (YUNHE, AGENT):
        finding = Finding(file.name, "compute.site_one_scheduler")
        raise Invalid("compute.sites_invalid", file=file.name, findings=[finding])
    [remote] = build(found, programs, outbound=outbound)
    return remote
