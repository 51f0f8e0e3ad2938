"""Whether this process can do its work now: what a load balancer asks, with reasons for people."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from yunhe.app import Platform
from yunhe.custody import service as custody
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Conflict, Unavailable, YunheError
from yunhe.kernel.language import Language
from yunhe.operations import store
from yunhe.storage import upgrade

FREE_BYTES_MIN = 64 << 20
"""With less free space the process says that it is not ready, while it still can."""
SIGNING_SECONDS_MAX = 60
"""A record that has waited longer for the sequencer means that nobody signs."""
WORKING_SECONDS_MAX = 60
"""Some worker ends some duty every few seconds; none for so long means that none works."""
FRESH_SECONDS = 1.0
"""Answers are this old at most, so that asking often costs nothing."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must be well."""

    name: str
    """How it is called in the answer."""
    needed: bool
    """Whether this process can't serve without it; else it is told, and no more."""
    look: Callable[[], None]
    """Returns when all is well, else raises why not."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one check."""

    name: str
    """The check."""
    needed: bool
    """Whether readiness hangs on it."""
    error: YunheError | None
    """Why it failed; None when it did not."""


@dataclass(frozen=True, slots=True)
class Report:
    """What came of all of them."""

    results: Sequence[Result]
    """In the order of the checks."""

    @property
    def ready(self) -> bool:
        """Whether everything needed is well."""
        return all(result.error is None for result in self.results if result.needed)

    def as_json(self, language: Language, *, full: bool) -> dict[str, object]:
        """For the answer; ``full`` adds sentences, which may name places of this machine."""
        return {
            "ready": self.ready,
            "checks": [_described(each, language, full=full) for each in self.results],
        }


def _described(result: Result, language: Language, *, full: bool) -> dict[str, object]:
    said: dict[str, object] = {
        "name": result.name,
        "ok": result.error is None,
        "needed": result.needed,
    }
    if result.error is not None:
        said["code"] = result.error.code
        if full:
            told = result.error.as_json(language)
            said |= {"message": told["message"], "do": told["do"]}
    return said


@dataclass(slots=True)
class Health:
    """Looks at everything this process needs; any thread may ask."""

    platform: Platform
    """What is looked at."""
    parts: Collection[str]
    """What this process runs: ``api``, ``gateway``, ``worker``."""
    working: Callable[[], bool] | None = None
    """Whether the worker of this process is alive; None when it has none."""
    stopping: bool = False
    """Set once the process has been told to stop; it is not ready from then on."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _kept: tuple[float, Report] | None = field(default=None, repr=False)

    def report(self) -> Report:
        """The newest results. Cost: three small reads, at most every `FRESH_SECONDS`."""
        if self.stopping:
            return Report([Result("process", needed=True, error=_stopping())])
        with self._lock:
            if self._kept is not None and time.monotonic() - self._kept[0] < FRESH_SECONDS:
                return self._kept[1]
            made = Report([_result(check) for check in self._checks()])
            self._kept = (time.monotonic(), made)
            return made

    def _checks(self) -> list[Check]:
        works = "worker" in self.parts
        return [
            Check("database", needed=True, look=self._database),
            Check("blobs", needed=True, look=self._blobs),
            Check("disk", needed=True, look=self._disk),
            Check("sequencer", needed=works, look=self._signing),
            Check("worker", needed=works, look=self._worker),
        ]

    def _database(self) -> None:
        database = self.platform.storage.database
        found = upgrade.revision(database)
        if found != upgrade.HEAD:
            raise Conflict(
                "operations.not_migrated",
                where=database.where,
                found=found or "-",
                known=upgrade.HEAD,
            )

    def _blobs(self) -> None:
        probe = getattr(self.platform.storage.blobs, "probe", None)
        if callable(probe):
            probe()

    def _disk(self) -> None:
        home = self.platform.settings.home
        try:
            free_bytes = shutil.disk_usage(home).free
        except OSError as error:
            raise Unavailable("operations.home_gone", where=str(home)) from error
        if free_bytes < FREE_BYTES_MIN:
            raise Unavailable("storage.disk_full", where=str(home), free_bytes=free_bytes)

    def _signing(self) -> None:
        with self.platform.storage.database.read() as tx:
            oldest_us = custody.backlog(tx).oldest_us
        now_us = self.platform.storage.clock.now_us()
        if oldest_us is not None and now_us - oldest_us > SIGNING_SECONDS_MAX * SECOND_US:
            seconds = (now_us - oldest_us) // SECOND_US
            raise Unavailable("operations.nobody_signs", seconds=seconds)

    def _worker(self) -> None:
        if self.working is not None:
            if not self.working():
                raise Unavailable("operations.worker_gone")
            return
        with self.platform.storage.database.read() as tx:
            ended_us = [duty.ended_at_us or 0 for duty in store.all_duties(tx)]
        quiet_us = self.platform.storage.clock.now_us() - max(ended_us, default=0)
        if quiet_us > WORKING_SECONDS_MAX * SECOND_US:
            raise Unavailable("operations.nobody_works")


def _stopping() -> Unavailable:
    return Unavailable("operations.stopping", retryable=True)


def _result(check: Check) -> Result:
    try:
        check.look()
    except YunheError as error:
        return Result(check.name, check.needed, error)
    except Exception as error:  # noqa: BLE001 (whatever breaks a check is a reason not to be ready)
        said = type(error).__name__
        return Result(check.name, check.needed, Unavailable("operations.check_broken", said=said))
    return Result(check.name, check.needed, None)
