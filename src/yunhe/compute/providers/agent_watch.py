"""What an agent knows of the use of its runs' devices, between two of its reports."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from yunhe.compute.providers.seam import Job, Metered
from yunhe.compute.utilisation.domain import Subject, Used, Watch
from yunhe.kernel.errors import YunheError

EVERY_SECONDS = 30.0
"""Between two looks at all runs beside a scheduler."""
_log = logging.getLogger("yunhe.agent")


class Using:
    """Of one run: what was said since it was reported last."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._lock = threading.Lock()
        self._per_thousand: int | None = None
        self._cpu_ms: int | None = None

    def used(self, cpu_ms: int) -> None:
        """Processor time so far."""
        with self._lock:
            self._cpu_ms = cpu_ms

    def utilised(self, per_thousand: int) -> None:
        """Real use of its devices; the busiest look between two reports counts."""
        with self._lock:
            self._per_thousand = max(per_thousand, self._per_thousand or 0)

    def taken(self) -> tuple[int | None, int | None]:
        """Both, each said once."""
        with self._lock:
            said = self._per_thousand, self._cpu_ms
            self._per_thousand = self._cpu_ms = None
        return said


class AgentWatch:
    """Looks at the devices of all runs together; the threads of the runs call it."""

    def __init__(
        self,
        watch: Watch,
        *,
        clock: Callable[[], float] = time.monotonic,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1_000,
    ) -> None:
        """``clock`` is steady, ``now_us`` tells the time."""
        self._watch, self._clock, self._now_us = watch, clock, now_us
        self._lock, self._looking = threading.Lock(), threading.Lock()
        self._subjects: dict[str, Subject] = {}
        self._total: dict[str, Used] = {}
        self._latest: dict[str, int] = {}
        self._looked_at = -EVERY_SECONDS
        self._error = ""

    def watches(self, chip: str) -> bool:
        """As `Watch.watches`."""
        return self._watch.watches(chip)

    def follow(self, job: Job, name: str) -> None:
        """It runs, under this name there; look at all of them if it is time."""
        with self._lock:
            if job.id not in self._subjects:
                after_us = self._now_us()
                self._subjects[job.id] = Subject(job.id, name, job.chip, job.devices, after_us)
                self._total[job.id] = Used()
        if not self._looking.acquire(blocking=False):
            return  # another run's thread is at it
        try:
            if self._clock() - self._looked_at >= EVERY_SECONDS:
                self._looked_at = self._clock()
                self._look()
        finally:
            self._looking.release()

    def _look(self) -> None:
        with self._lock:
            subjects = list(self._subjects.values())
        try:
            look = self._watch.look(subjects, now_us=self._now_us())
        except YunheError as error:
            self._tell(error.code)
            return
        self._tell(look.finding)
        with self._lock:
            for one in subjects:
                seen = look.used.get(one.job, Used())
                if one.job not in self._subjects:
                    continue  # it ended meanwhile
                self._subjects[one.job] = replace(one, after_us=max(look.until_us, one.after_us))
                total = self._total[one.job]
                self._total[one.job] = Used(
                    total.sum_per_thousand + seen.sum_per_thousand, total.samples + seen.samples
                )
                if seen.latest is not None:
                    self._latest[one.job] = seen.latest

    def _tell(self, code: str) -> None:
        """Once, not at each look."""
        if code and code != self._error:
            _log.warning("use of devices: %s", code)
        self._error = code

    def latest(self, job: str) -> int | None:
        """Use at the last look; None where there was none since this was asked last."""
        with self._lock:
            return self._latest.pop(job, None)

    def told(self, job: str, metered: Metered) -> Metered:
        """What a job that has ended used, with what was seen of its devices; then it is let go."""
        with self._lock:
            self._subjects.pop(job, None)
            self._latest.pop(job, None)
            seen = self._total.pop(job, Used())
        if not seen.samples:
            return replace(metered, unwatched=metered.utilisation_per_thousand is None)
        mean = (2 * seen.sum_per_thousand + seen.samples) // (2 * seen.samples)
        return replace(metered, utilisation_per_thousand=mean, utilisation_samples=seen.samples)
