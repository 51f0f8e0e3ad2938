"""One run at an agent, in a thread of its own: fetch, run, send, report; each again until done."""

from __future__ import annotations

import base64
import logging
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, cast

from yunhe.compute.agents.domain import LOG_PIECE_BYTES_MAX
from yunhe.compute.providers.agent_beside import Beside, Word
from yunhe.compute.providers.agent_folder import AgentFolder, Note
from yunhe.compute.providers.agent_watch import Using
from yunhe.compute.providers.seam import Job, Live, Outcome, Silence
from yunhe.kernel.canonical import Json, JsonObject
from yunhe.kernel.errors import Conflict, Invalid, NotAllowed, NotFound, Unavailable, YunheError
from yunhe.kernel.progress import Progress, Silent, Stopped
from yunhe.storage.blobs import Blobs

if TYPE_CHECKING:
    from yunhe.client.client import Client

RETRY_SECONDS = 2.0
"""Between two tries of what could not be sent."""
LOG_FILE_BYTES_MAX = 64 << 20
"""Most of one stream that is written to the agent's disk."""
_OVER = ("compute.agent_fenced", "compute.agent_run", "compute.agent_job_unknown")
_STREAMS: tuple[Literal["stdout", "stderr"], ...] = ("stdout", "stderr")
_log = logging.getLogger("yunhe.agent")


class Runner(Protocol):
    """What an agent runs programs with: a provider whose output can be heard as it comes."""

    def run(
        self,
        job: Job,
        *,
        blobs: Blobs,
        progress: Progress,
        stopped: Callable[[], bool],
        live: Live | None = None,
    ) -> Outcome:
        """As `yunhe.compute.providers.seam.Provider`."""
        ...


@dataclass(frozen=True, slots=True)
class Desk:
    """What all runs of an agent share."""

    client: Client
    """The platform."""
    site: str
    """The agent's site."""
    folder: AgentFolder
    """What is kept."""
    provider: Runner
    """Runs programs here."""
    fence: Callable[[], int]
    """The agent's right now; 0: none, it waits for one."""
    beside: Beside | None = None
    """Runs them on a scheduler instead, where they outlive the agent."""


class Run:
    """One run from its order to the report of its end."""

    def __init__(self, desk: Desk, note: Note) -> None:
        """Nothing happens before `start`."""
        self._desk = desk
        self.note = note
        self.stopping = False
        """Whether it was told to end."""
        self._gone = threading.Event()
        self._leaving = threading.Event()
        self._use = Using()
        self._thread = threading.Thread(target=self._live, name=f"run-{note.job}", daemon=True)

    @property
    def devices(self) -> int:
        """How many it occupies."""
        return cast("int", self.note.asked.get("devices", 1))

    @property
    def chip(self) -> str:
        """Of what kind."""
        return cast("str", self.note.asked.get("chip", ""))

    @property
    def alive(self) -> bool:
        """Whether it still does anything."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin, or go on where a process before this one was killed."""
        self._thread.start()

    def stop(self) -> None:
        """End it: it is wanted no more."""
        self.stopping = True

    def abandon(self) -> None:
        """End it and say nothing of it: it is no longer this agent's."""
        self.stopping = True
        self._gone.set()
        self._leaving.set()

    @property
    def abandoned(self) -> bool:
        """Whether it is no longer this agent's, or done with."""
        return self._gone.is_set()

    def leave(self) -> None:
        """The agent ends: leave off at once, so that the next start goes on or begins anew."""
        self._leaving.set()

    def join(self, seconds: float) -> None:
        """Wait so long for its end."""
        self._thread.join(seconds)

    def _live(self) -> None:
        try:
            if self.note.ended is None:
                self._desk.folder.keep(self.note)
                self.note = replace(self.note, ended=self._ended())
                self._desk.folder.keep(self.note)
            try:
                self._deliver()
            except YunheError as error:  # what it left is not taken: say at least that
                _log.warning("%s: %s", self.note.job, error.code)
                self.note = replace(self.note, ended=_lost(error))
                self._deliver()
        except Stopped:
            pass
        except Exception:  # noqa: BLE001 - a thread's edge: the agent goes on
            _log.exception("the run of %s met a fault of ours", self.note.job)
            self._gone.set()
        if self._gone.is_set():
            if self._desk.beside is not None:
                self._desk.beside.forget(self._id)
            self._desk.folder.drop(self.note.job)

    @property
    def _id(self) -> str:
        return f"{self.note.job}-r{self.note.run}"

    def _ended(self) -> JsonObject:
        """Run it; how it ended, ready to be sent. What its provider refused or broke is lost."""
        try:
            job = self._job()
            if self._desk.beside is None:
                self._until(self._begun)
            with _Streams(self._desk.folder, self.note.job, self._use) as streams:
                outcome = self._outcome(job, streams)
        except YunheError as error:
            if self._gone.is_set() or self._leaving.is_set():
                raise Stopped from error
            return _lost(error)
        if self._leaving.is_set():  # it was stopped by our leaving, not by its own doing
            raise Stopped
        for stream, tail in (("stdout", outcome.stdout_tail), ("stderr", outcome.stderr_tail)):
            path = self._desk.folder.printed(self.note.job, stream)
            if tail and not path.is_file():
                path.write_bytes(tail)
        return _said(outcome)

    def _outcome(self, job: Job, streams: _Streams) -> Outcome:
        if self._desk.beside is not None:
            begun = partial(self._until, self._begun)
            word = Word(self._told_to_end, begun, streams, self._use)
            return self._desk.beside.run(job, blobs=self._desk.folder.blobs, word=word)
        return self._desk.provider.run(
            job,
            blobs=self._desk.folder.blobs,
            progress=Silent(),
            stopped=lambda: self.stopping or self._leaving.is_set(),
            live=streams,
        )

    def _told_to_end(self) -> bool:
        """Whether a run beside is to end; ``Stopped`` when only the agent leaves: it goes on."""
        if self._leaving.is_set() and not self.stopping:
            raise Stopped
        return self.stopping

    def _job(self) -> Job:
        """The job with its inputs fetched, under a name of this run."""
        asked = dict(self.note.asked)
        inputs = cast("dict[str, str]", asked.get("inputs", {}))
        for name, digest in sorted(inputs.items()):
            self._until(partial(self._fetch, name, digest))
        given: dict[str, object] = {"arguments": {}, "inputs": {}}
        for name, value in asked.items():
            if name in Job.__dataclass_fields__:
                given[name] = tuple(value) if isinstance(value, list) else value
        given["approved"] = frozenset(cast("list[str]", asked.get("approved", [])))
        given["id"] = self._id
        return Job(**given)  # type: ignore[arg-type]

    def _fetch(self, name: str, digest: str) -> None:
        blobs = self._desk.folder.blobs
        if blobs.exists(digest):
            return
        with tempfile.TemporaryDirectory(prefix="input-", dir=self._desk.folder.root) as folder:
            target = Path(folder) / "input"
            self._desk.client.agents.fetch(
                self._desk.site, self.note.job, name, target, fence=self._fence()
            )
            if blobs.put_file(target).digest != digest:
                raise Unavailable("client.digest_differs", digest=digest, retryable=True)

    def _begun(self) -> None:
        from yunhe.client.wire.agents import AgentReport  # noqa: PLC0415 - pydantic, only here

        said = AgentReport(fence=self._fence(), run=self.note.run)
        self._desk.client.agents.report(self._desk.site, self.note.job, said)

    # --- Sending ------------------------------------------------------------------------------

    def _deliver(self) -> None:
        """Send what it printed and left, then how it ended; then nothing of it is kept."""
        from yunhe.client.wire.agents import AgentEnd, AgentReport  # noqa: PLC0415 - likewise

        said = AgentEnd.model_validate(self.note.ended)
        for stream in _STREAMS:
            self._until(partial(self._send_log, stream))
        for name, digest in sorted(said.outputs.items()):
            self._until(partial(self._send_output, name, digest))

        def report() -> None:
            message = AgentReport(fence=self._fence(), run=self.note.run, ended=said)
            self._desk.client.agents.report(self._desk.site, self.note.job, message)

        self._until(report)
        self._gone.set()

    def _send_log(self, stream: Literal["stdout", "stderr"]) -> None:
        from yunhe.client.wire.agents import AgentPiece  # noqa: PLC0415 - likewise

        path, offset, before = self._desk.folder.printed(self.note.job, stream), 0, -1
        while path.is_file() and offset > before:
            with path.open("rb") as printed:
                printed.seek(offset)
                data = printed.read(LOG_PIECE_BYTES_MAX)
            piece = AgentPiece(
                fence=self._fence(),
                run=self.note.run,
                stream=stream,
                offset=offset,
                data=base64.b64encode(data).decode(),
            )
            kept = self._desk.client.agents.printed(self._desk.site, self.note.job, piece)
            before, offset = offset, kept.size_bytes
            if not data:
                return

    def _send_output(self, name: str, digest: str) -> None:
        path = self._desk.folder.blobs.path(digest)
        kept = self._desk.client.agents.send(
            self._desk.site, self.note.job, name, path, fence=self._fence(), run=self.note.run
        )
        if kept.digest != digest:
            raise Unavailable("client.digest_differs", digest=digest, retryable=True)

    def send_printed(self) -> None:
        """Send what has been printed so far; what can't be sent now goes later."""
        for stream in _STREAMS:
            self._send_log(stream)

    def send_use(self) -> None:
        """Say what it uses of its devices, if that was seen since it was said last."""
        from yunhe.client.wire.agents import AgentReport, AgentUse  # noqa: PLC0415 - likewise

        per_thousand, cpu_ms = self._use.taken()
        if per_thousand is None and cpu_ms is None:
            return
        using = AgentUse(per_thousand=per_thousand, cpu_ms=cpu_ms)
        said = AgentReport(fence=self._fence(), run=self.note.run, using=using)
        self._desk.client.agents.report(self._desk.site, self.note.job, said)

    def _fence(self) -> int:
        number = self._desk.fence()
        if not number:
            raise Unavailable("compute.agent_silent", site=self._desk.site, retryable=True)
        return number

    def _until(self, act: Callable[[], None]) -> None:
        """Do it until it is done; a refusal that time does not cure ends the run.

        Raises ``Stopped`` when the agent ends, or the run is no longer its own.
        """
        while not self._leaving.is_set():
            try:
                act()
            except (Conflict, NotFound) as error:
                if error.code == "compute.agent_fenced" and self._desk.fence() == 0:
                    self._leaving.wait(RETRY_SECONDS)
                    continue
                if error.code in _OVER:
                    self._gone.set()
                    raise Stopped from error
                raise
            except (Invalid, NotAllowed):
                raise
            except YunheError as error:
                _log.info("%s: %s; tried again", self.note.job, error.code)
                self._leaving.wait(RETRY_SECONDS)
            else:
                return
        raise Stopped


class _Streams(Silence):
    """Writes what a job prints to the agent's disk as it comes."""

    def __init__(self, folder: AgentFolder, job: str, use: Using) -> None:
        self._paths = {name: folder.printed(job, name) for name in ("stdout", "stderr")}
        self._files = {name: path.open("wb", buffering=0) for name, path in self._paths.items()}
        self._sizes = dict.fromkeys(self._paths, 0)
        self._use = use

    def __enter__(self) -> _Streams:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()
        for path in self._paths.values():
            if path.stat().st_size == 0:
                path.unlink()

    def printed(self, stream: Literal["stdout", "stderr"], data: bytes) -> None:
        """Keep it, as far as there is room."""
        fits = data[: max(LOG_FILE_BYTES_MAX - self._sizes[stream], 0)]
        self._sizes[stream] += self._files[stream].write(fits) or 0

    def used(self, cpu_ms: int) -> None:
        """As `Live.used`."""
        self._use.used(cpu_ms)

    def utilised(self, per_thousand: int) -> None:
        """As `Live.utilised`."""
        self._use.utilised(per_thousand)


def _said(outcome: Outcome) -> JsonObject:
    """An outcome as it is reported."""
    metered = outcome.metered
    why = outcome.why
    params: dict[str, Json] = {}
    if why is not None:
        params = {
            name: value[:200] if isinstance(value, str) else value for name, value in why.params
        }
    return {
        "phase": outcome.verdict,
        "wall_ms": metered.wall_ms,
        "isolation": outcome.isolation,
        "code_digest": outcome.code_digest,
        "cpu_ms": metered.cpu_user_ms + metered.cpu_system_ms,
        "memory_bytes_peak": metered.memory_bytes_peak,
        "utilisation_per_thousand": metered.utilisation_per_thousand,
        "utilisation_samples": metered.utilisation_samples,
        "unwatched": metered.unwatched,
        "outputs": dict(outcome.outputs),
        "why_code": "" if why is None else why.code,
        "why_params": params,
    }


def _lost(error: YunheError) -> JsonObject:
    """What is reported when nothing was run, or the agent's own provider failed it."""
    params: dict[str, Json] = {
        name: value[:200] if isinstance(value, str) else value
        for name, value in error.params.items()
    }
    return {
        "phase": "lost",
        "wall_ms": 0,
        "isolation": "",
        "code_digest": "",
        "why_code": error.code,
        "why_params": params,
    }
