"""Looks at the devices of a job while it runs, by whatever instrument this machine has.

Whose a device is only the machine knows: so samples count for a job when the instrument shows
exactly as many devices as the job holds, as inside a container or a batch job, or where it has the
machine to itself. Otherwise its use stays unreported.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol
from urllib.parse import urlsplit

from yunhe.compute.providers.seam import Live
from yunhe.compute.utilisation import reading
from yunhe.compute.utilisation.domain import Mean, Reading

EVERY_SECONDS = 10.0
"""Between two looks; the first is that long after the job began, when it is under way."""
ANSWER_SECONDS = 5.0
"""An instrument that takes longer is given up for this look."""
_KEPT = ("PATH", "LD_LIBRARY_PATH")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_log = logging.getLogger("yunhe.compute")


class Sampler(Protocol):
    """An instrument."""

    def read(self) -> Reading:
        """What it says now; nothing while it does not answer."""
        ...


class CommandSampler:
    """A command of the vendor that prints the use of every device that it sees."""

    def __init__(self, command: tuple[str, ...], parse: Callable[[str], Reading]) -> None:
        """``command`` is run without a shell."""
        self._command, self._parse = command, parse

    def read(self) -> Reading:
        """As `Sampler.read`."""
        try:
            child = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_environment(),
                start_new_session=True,
            )
        except (OSError, ValueError):
            return Reading()
        late = threading.Timer(ANSWER_SECONDS, _kill, (child,))
        late.daemon = True
        late.start()
        with child:
            assert child.stdout is not None  # noqa: S101 - a pipe was asked for
            said = child.stdout.read(reading.TEXT_BYTES_MAX + 1)
            if len(said) > reading.TEXT_BYTES_MAX:
                _kill(child)  # it says more than any machine has devices
        late.cancel()
        return Reading() if child.returncode else self._parse(said.decode("utf-8", "replace"))


def _environment() -> dict[str, str]:
    """What a vendor's command needs to know: no secrets, and numbers as they are in English."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, "LC_ALL": "C"}


def _kill(child: subprocess.Popen[bytes]) -> None:
    """With all that it started, which would keep its output open."""
    with suppress(OSError):
        os.killpg(child.pid, signal.SIGKILL)


class ExporterSampler:
    """An exporter on this machine that tells Prometheus of the devices."""

    def __init__(
        self,
        url: str,
        *,
        fetch: Callable[[str], str] | None = None,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1_000,
    ) -> None:
        """``fetch``: gets the text, or raises ``OSError``.

        Errors: `ValueError` for a ``url`` that does not lead to this machine itself.
        """
        there = urlsplit(url)
        if there.scheme != "http" or there.hostname not in _LOOPBACK:
            raise ValueError(url)
        self._url, self._fetch, self._now_us = url, fetch or _fetched, now_us

    def read(self) -> Reading:
        """As `Sampler.read`."""
        try:
            said = self._fetch(self._url)
        except OSError:
            return Reading()
        return reading.exporter(said, now_us=self._now_us())


def _fetched(url: str) -> str:
    import httpx  # noqa: PLC0415 - slow, and only where there is an exporter

    until = time.monotonic() + ANSWER_SECONDS
    try:
        with httpx.stream("GET", url, timeout=ANSWER_SECONDS, trust_env=False) as answer:
            answer.raise_for_status()
            body = b""
            for part in answer.iter_bytes():
                body += part
                if len(body) > reading.TEXT_BYTES_MAX or time.monotonic() > until:
                    raise OSError(url)
    except httpx.HTTPError as error:
        raise OSError(str(error)) from error
    return body.decode("utf-8", "replace")


def here(vendor: str) -> Sampler | None:
    """The vendor's own command, where this machine has it."""
    command, parse = _COMMANDS.get(vendor, ((), reading.nvidia_smi))
    found = shutil.which(command[0]) if command else None
    if found is None or not Path(found).is_absolute():  # never one that lies where work is done
        return None
    return CommandSampler((found, *command[1:]), parse)


_COMMANDS: Mapping[str, tuple[tuple[str, ...], Callable[[str], Reading]]] = {
    "NVIDIA": (reading.NVIDIA_SMI, reading.nvidia_smi),
    "Huawei": (reading.NPU_SMI, reading.npu_smi),
}


class _Hearing:
    """A `Live` that also hears what a meter sees, from the thread that calls all the rest."""

    def __init__(self, live: Live, meter: Meter) -> None:
        self._live, self._meter = live, meter
        self.printed, self.attended = live.printed, live.attended
        self.asks, self.told, self.utilised = live.asks, live.told, live.utilised

    def used(self, cpu_ms: int) -> None:
        """Hand both on."""
        self._live.used(cpu_ms)
        latest = self._meter.latest()
        if latest is not None:
            self._live.utilised(latest)


class Meter:
    """Used as ``with Meter(...) as meter`` around a job."""

    def __init__(
        self, sampler: Sampler | None, *, devices: int, every_seconds: float = EVERY_SECONDS
    ) -> None:
        """``devices`` that the job holds; without a sampler it hears nothing."""
        self._sampler, self._devices, self._every = sampler, devices, every_seconds
        self._mean, self._latest = Mean(), 0
        self._new = False
        self._told: set[str] = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="compute-meter", daemon=True)

    def __enter__(self) -> Meter:
        """Begin to look."""
        if self._sampler is not None:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Look no more; waits for a look that is under way."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join(2 * ANSWER_SECONDS)

    @property
    def per_thousand(self) -> int | None:
        """Mean use so far; None where nobody knows."""
        return self._mean.per_thousand

    @property
    def samples(self) -> int:
        """How many samples that is the mean of."""
        return self._mean.samples

    def latest(self) -> int | None:
        """Mean use at the last look; None where there was none since this was asked last."""
        if not self._new:
            return None
        self._new = False
        return self._latest

    def look(self) -> None:
        """Take one sample of every device."""
        assert self._sampler is not None  # noqa: S101 - only called with one
        found = self._sampler.read()
        for each in found.findings:
            if each.code not in self._told:  # once for each job: it looks for days
                self._told.add(each.code)
                _log.warning("use of devices: %s", each.message("en"))
        if len(found.samples) != self._devices:
            return
        now = Mean()
        now.add(found.samples)
        self._mean.add(found.samples)
        self._latest, self._new = now.per_thousand or 0, True

    def told(self, live: Live | None) -> Live | None:
        """Who hears the job, made to hear of its devices too."""
        if live is None or self._sampler is None:
            return live
        return _Hearing(live, self)

    def _run(self) -> None:
        while not self._end.wait(self._every):
            self.look()
