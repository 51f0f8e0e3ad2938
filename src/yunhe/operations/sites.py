"""Looks after one distant scheduler: a thread for each site, however many jobs it has."""

from __future__ import annotations

import logging
import threading

from yunhe.app import Platform
from yunhe.compute import service as compute
from yunhe.compute.domain import Remote
from yunhe.kernel.errors import YunheError
from yunhe.settings import Settings

POLL_SECONDS = 1.0
"""Between two passes over a site."""
REST_SECONDS_MAX = 60
"""How long a site that can't be reached is left alone; doubled from a second at each failure."""
_log = logging.getLogger("yunhe.operations")


def idle_of(settings: Settings) -> compute.live.Idle:
    """When work that does nothing is stopped."""
    return compute.live.Idle(settings.idle_minutes, settings.idle_cpu_percent)


class SiteLoop:
    """Drives a site until told to stop."""

    def __init__(
        self,
        platform: Platform,
        remote: Remote,
        stopping: threading.Event,
        *,
        follows: bool = False,
    ) -> None:
        """Nothing runs before `run`; ``follows``: its pools keep to what it has."""
        self.name = remote.adapter
        self._driver = compute.remote.Driver(
            platform.storage, remote, vault=platform.vault, follows=follows
        )
        self._platform, self._remote = platform, remote
        self._stopping = stopping
        self._failures = 0

    def run(self) -> None:
        """Pass after pass; what a stop leaves undone, the next worker does."""
        idle = idle_of(self._platform.settings)
        relay = compute.live.Relay(self._platform.storage, self._remote, idle=idle)
        watcher = compute.remote.Watcher(self._platform.storage, self._remote)
        beside = [
            threading.Thread(target=each.run, args=[self._stopping], daemon=True)
            for each in (relay, watcher)
        ]
        for thread in beside:
            thread.start()
        while not self._stopping.is_set():
            self._stopping.wait(self.once())
        for thread in beside:
            thread.join()

    def once(self) -> float:
        """One pass; for how many seconds the site is then left alone."""
        try:
            self._driver.once(stopped=self._stopping.is_set)
        except YunheError as error:
            rest = min(2.0**self._failures, REST_SECONDS_MAX)
            self._failures = min(self._failures + 1, 10)
            _log.warning("site %s: %s; next try in %d s", self.name, error.code, rest)
            return rest
        except Exception:  # noqa: BLE001 -- a thread's edge: one broken site must not end it
            _log.exception("site %s met a fault of ours", self.name)
            return REST_SECONDS_MAX
        self._failures = 0
        return POLL_SECONDS
