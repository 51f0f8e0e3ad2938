"""An agent at a data centre: fetches its provider's work, runs it here, reports.

It only calls, nobody calls it. Killed at any point it goes on when it is started in the same
folder: runs that ended are reported, others come again as new runs; what a scheduler beside it
(`agent_beside`) runs meanwhile is found there. While nobody has answered it
for too long it ends what it runs, because another agent may take its site then.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NotRequired, TypedDict, Unpack, cast

from yunhe.compute.agents.domain import QUIET_SECONDS
from yunhe.compute.providers.agent_beside import Beside
from yunhe.compute.providers.agent_folder import AgentFolder, Note
from yunhe.compute.providers.agent_run import Desk, Run, Runner
from yunhe.compute.providers.exposing import Accelerators, shown
from yunhe.compute.providers.local import LocalProvider
from yunhe.compute.providers.remote import Remote
from yunhe.kernel.canonical import JsonObject
from yunhe.kernel.clock import Clock, SystemClock
from yunhe.kernel.errors import Conflict, YunheError

if TYPE_CHECKING:
    from pathlib import Path

    from yunhe.client.client import Client
    from yunhe.client.wire import agents as wire
    from yunhe.compute.providers.entry_points import EntryPoint

BEAT_SECONDS = 20.0
"""How often it says that it is there."""
WAIT_SECONDS = 5
"""How long a question for work stays open."""
REST_SECONDS = 3.0
"""Between two tries while nobody answers."""
_log = logging.getLogger("yunhe.agent")


@dataclass(frozen=True, slots=True)
class Hardware:
    """What an agent has."""

    name: str
    """Of the machine."""
    chips: Mapping[str, int]
    """Devices by chip."""


class Agent:
    """Call `run` once; from another thread or a signal, `stop`."""

    def __init__(
        self,
        client: Client,
        site: str,
        *,
        folder: AgentFolder,
        provider: Runner,
        hardware: Hardware,
        clock: Clock | None = None,
        beside: Beside | None = None,
    ) -> None:
        """``provider`` runs what is fetched, unless a scheduler ``beside`` does."""
        self._beside = beside
        self._client = client
        self._site = site
        self._folder = folder
        self._hardware = hardware
        self._clock = clock or SystemClock()
        self._desk = Desk(client, site, folder, provider, lambda: self._fence, beside)
        self._stopping = threading.Event()
        self._runs: dict[str, Run] = {}
        self._fence = 0
        self._name = ""
        self._beat_at = self._heard_at = time.monotonic()

    def stop(self) -> None:
        """Leave off soon; what runs is run again by the next start."""
        self._stopping.set()

    def run(self, *, ready: Callable[[int], None] = lambda _: None) -> None:
        """Work until told to stop; ``ready`` hears the fence each time the site is taken.

        Errors: `Conflict` ``compute.agent_folder_used``; refusals of the key or the site at the
        first call. Later ones are logged and tried again.
        """
        with self._folder.entered() as self._name:
            try:
                self._take_first(ready)
                for note in self._folder.notes():
                    if note.ended is not None or self._beside is not None:
                        self._begin(note)
                    else:  # nobody saw its end: it comes again
                        self._folder.drop(note.job)
                while not self._stopping.is_set():
                    self._once(ready)
            finally:
                for run in self._runs.values():
                    run.leave()
                for run in self._runs.values():
                    run.join(15.0)

    def _take_first(self, ready: Callable[[int], None]) -> None:
        while not self._stopping.is_set():
            try:
                self._take(ready)
            except Conflict as error:
                _log.warning("%s", error.message("en").replace("\n", " "))
                self._stopping.wait(REST_SECONDS)
            else:
                return

    def _once(self, ready: Callable[[int], None]) -> None:
        """One question; whatever goes wrong, the next one is asked after a rest."""
        try:
            if not self._fence:
                self._take(ready)
            elif time.monotonic() - self._beat_at > BEAT_SECONDS:
                self._beat()
            self._ask()
        except YunheError as error:
            if error.code == "compute.agent_fenced":
                self._lose()
            _log.warning("%s: %s", self._site, error.code)
            if time.monotonic() - self._heard_at > QUIET_SECONDS:
                self._lose()
            self._stopping.wait(REST_SECONDS)

    def _lose(self) -> None:
        """The site may be another's: end everything and say nothing of it."""
        self._fence = 0
        for run in self._runs.values():
            run.abandon()

    def _take(self, ready: Callable[[int], None]) -> None:
        for run in self._runs.values():  # of a right that was lost; they end within seconds
            if run.stopping:
                run.join(15.0)
        self._fence = self._hello(0)
        ready(self._fence)

    def _beat(self) -> None:
        self._hello(self._fence)
        for run in list(self._runs.values()):
            if run.alive and run.note.ended is None:
                run.send_printed()
                run.send_use()

    def _hello(self, fence: int) -> int:
        from yunhe.client.wire.agents import AgentHello, AgentNode  # noqa: PLC0415 - pydantic

        if self._beside is not None:
            self._hardware = replace(self._hardware, chips=self._beside.chips())
        nodes = []
        for chip, devices in self._hardware.chips.items():
            free = self._free()[chip]
            nodes.append(AgentNode(name=self._hardware.name, chip=chip, devices=devices, free=free))
        said = AgentHello(agent=self._name, fence=fence, clock_us=self._clock.now_us(), nodes=nodes)
        held = self._client.agents.hello(self._site, said)
        self._beat_at = self._heard_at = time.monotonic()
        return held.fence

    def _free(self) -> dict[str, int]:
        """Devices that no run of its own occupies, by chip."""
        free = dict(self._hardware.chips)
        for run in self._runs.values():
            free[run.chip] = max(free.get(run.chip, 0) - run.devices, 0)
        return free

    def _ask(self) -> None:
        from yunhe.client.wire.agents import AgentAsk  # noqa: PLC0415 - likewise

        for job in [job for job, run in self._runs.items() if not run.alive]:
            del self._runs[job]
        held = {job: run for job, run in self._runs.items() if not run.abandoned}
        asked = AgentAsk(
            fence=self._fence,
            room=self._free(),
            holding={job: run.note.run for job, run in held.items()},
            stopping=[job for job, run in held.items() if run.stopping],
            wait_seconds=WAIT_SECONDS,
        )
        told = self._client.agents.work(self._site, asked)
        self._heard_at = time.monotonic()
        self._obey(told)

    def _obey(self, told: wire.AgentWork) -> None:
        for job in told.stop:
            if job in self._runs:
                self._runs[job].stop()
        for order in told.start:
            if order.job not in self._runs and not self._stopping.is_set():
                self._begin(Note(order.job, order.run, cast("JsonObject", order.asked)))

    def _begin(self, note: Note) -> None:
        run = self._runs[note.job] = Run(self._desk, note)
        run.start()


class Wanted(TypedDict):
    """How an agent is to run programs."""

    chips: Mapping[str, int]
    """On which devices; beside a scheduler: on no more than so many, none named: on all it has."""
    isolation: str
    """``approved``: on this machine without a sandbox."""
    beside: NotRequired[Remote]
    """A scheduler which runs them instead of this machine."""


def local_agent(
    client: Client,
    site: str,
    programs: Mapping[str, EntryPoint],
    *,
    folder: Path,
    **given: Unpack[Wanted],
) -> Agent:
    """An agent that works in a folder of this machine."""
    place = folder.resolve()
    provider = LocalProvider(
        place / "work",
        programs,
        protected=[place],
        isolation="digest-approved" if given["isolation"] == "approved" else "auto",
        accelerators=Accelerators(place / "work", own=shown(given["chips"])),
    )
    hardware, scheduler = Hardware(socket.gethostname(), given["chips"]), given.get("beside")
    beside = None if scheduler is None else Beside(scheduler, most=given["chips"])
    kept = AgentFolder(place)
    return Agent(client, site, folder=kept, provider=provider, hardware=hardware, beside=beside)
