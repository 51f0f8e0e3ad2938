"""Runs the service: API, gateway and worker in one process, or each in one of its own.

Stopping is in this order, so that nothing is lost and nobody waits for nothing: not ready any more;
no new requests; those at work end, while the worker hands back what it has; the listener closes;
the sequencer signs what came last.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import FrameType
from typing import Literal, get_args

import uvicorn
from starlette.types import ASGIApp

from yunhe.api.connections import Bounds, guarded
from yunhe.api.listening import FILES_RESERVED, address_of, allow_many_files, listen
from yunhe.api.probes import Probes
from yunhe.api.root import Root
from yunhe.app import Platform
from yunhe.kernel.errors import Unavailable, YunheError
from yunhe.operations.service import Health, Metrics, Worker, systemd, traces

Part = Literal["api", "gateway", "worker"]
"""What a process may run; one without API and gateway answers only the probes."""
PARTS: tuple[Part, ...] = get_args(Part)
STARTING_SECONDS_MAX = 60
"""How long the applications may take to start."""
STOPPING_SECONDS_MAX = 30.0
"""How long requests at work may take once the process is told to stop."""
WORKER_SECONDS_MAX = 20.0
"""How long the worker may take to let go of its work."""
_LAST_SECONDS = 5  # for callers to take their last answers
_LOOK_SECONDS = 0.02

_log = logging.getLogger("yunhe.server")


@dataclass(frozen=True, slots=True)
class Running:
    """A server at work."""

    url: str
    """Where it listens."""
    root: Root
    """The application behind that address."""
    health: Health
    """Whether it is ready."""
    worker: Worker | None
    """The worker in this process."""
    _platform: Platform
    _server: uvicorn.Server
    _thread: threading.Thread

    def alive(self) -> bool:
        """Whether it still serves."""
        return self._thread.is_alive()

    def stop(self, seconds: float = STOPPING_SECONDS_MAX) -> bool:
        """End in good order; whether everything at work could end in time. Again does nothing."""
        self.health.stopping = True
        self.root.stop()
        ended: list[bool] = []
        letting_go = threading.Thread(target=lambda: ended.append(_end_worker(self.worker)))
        letting_go.start()
        until = time.monotonic() + seconds
        pause = threading.Event()
        while self.root.at_work and self.alive() and time.monotonic() < until:
            pause.wait(_LOOK_SECONDS)
        drained = not self.root.at_work
        self._server.should_exit = True
        self._thread.join()
        letting_go.join()
        try:
            self._platform.sequencer.run_once()
        except Exception as error:  # noqa: BLE001 (what waits stays for the next process to sign)
            _log.warning("the last records could not be signed: %s", error)
        return drained and all(ended)


def start(
    platform: Platform,
    *,
    parts: Collection[Part] = PARTS,
    host: str,
    port: int,
    bounds: Bounds | None = None,
) -> Running:
    """Serve from threads of this process; returns once requests are answered.

    Errors: those of `listen`; `Unavailable` ``api.not_started`` with why an application did not
    start.
    """
    files = allow_many_files()
    listener = listen(host, port)
    try:
        url = address_of(listener, host)
        worker = Worker(platform) if "worker" in parts else None
        health = Health(platform, parts, working=worker.alive if worker else None)
        metrics = Metrics(platform, parts=parts)
        platform.storage.database.watch(metrics.transaction)
        limits = _within(bounds or Bounds(), files)
        root = Root(
            app=_application(platform, parts),
            logs_itself="api" in parts,
            probes=Probes(platform.storage, health=health, metrics=metrics),
            metrics=metrics,
            bounds=limits,
        )
        server = uvicorn.Server(_config(root, limits, metrics))
        thread = _serve(server, listener, root, url)
    except BaseException:
        listener.close()
        raise
    if worker is not None:
        worker.start()
    return Running(url, root, health, worker, platform, server, thread)


def run(
    platform: Platform,
    *,
    parts: Collection[Part] = PARTS,
    host: str,
    port: int,
    ready: Callable[[str], None],
) -> None:
    """Serve until SIGTERM or SIGINT, then end in good order; a second signal ends at once.

    ``ready`` is told the address. Errors: as `start`; `Unavailable` ``api.ended`` when the server
    stopped by itself. Only the main thread may call it.
    """
    told = threading.Event()
    traces.start(platform.settings.otlp_endpoint, service="-".join(["yunhe", *sorted(parts)]))
    try:
        with _signals(told):
            running = start(platform, parts=parts, host=host, port=port)
            ready(running.url)
            systemd.notify("READY=1")
            _log.info("serving", extra={"url": running.url, "parts": ",".join(sorted(parts))})
            _wait(running, told)
            by_itself = not told.is_set()
            systemd.notify("STOPPING=1")
            _log.info("stopping", extra={"requests_at_work": running.root.at_work})
            if not running.stop():
                _log.warning("not everything could end in time")
            _log.info("stopped")
    finally:
        traces.stop()
    if by_itself:
        raise Unavailable("api.ended")


def _application(platform: Platform, parts: Collection[Part]) -> ASGIApp | None:
    gateway = platform.answering() if "gateway" in parts else None
    if "api" not in parts:
        return gateway
    from yunhe.api.app import create_app  # noqa: PLC0415 (a gateway alone needs none of it)

    return create_app(platform, gateway=gateway)


def _wait(running: Running, told: threading.Event) -> None:
    """Until a signal or the server's end; tells systemd that the event loop still turns."""
    patience = systemd.watchdog_seconds()
    while running.alive() and not told.wait(patience or 1.0):
        if patience is not None and running.root.beat(patience):
            systemd.notify("WATCHDOG=1")


def _end_worker(worker: Worker | None) -> bool:
    return True if worker is None else worker.stop(WORKER_SECONDS_MAX)


def _within(bounds: Bounds, files: int) -> Bounds:
    """The bounds, made to fit the files that may be open: the database needs some as well."""
    connections_max = min(bounds.connections_max, max(files - FILES_RESERVED, files // 2))
    farewells_max = min(bounds.farewells_max, (files - connections_max) // 2)
    return replace(bounds, connections_max=connections_max, farewells_max=farewells_max)


def _config(root: Root, bounds: Bounds, metrics: Metrics) -> uvicorn.Config:
    return uvicorn.Config(
        root,
        http=guarded(bounds, refused=metrics.refused),
        ws="none",
        loop="uvloop",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_LAST_SECONDS,
    )


def _serve(
    server: uvicorn.Server, listener: socket.socket, root: Root, url: str
) -> threading.Thread:
    """The thread in which the server runs, once it has started."""
    thread = threading.Thread(
        target=_run_server, args=(server, listener), name="yunhe-server", daemon=True
    )
    thread.start()
    pause = threading.Event()
    until = time.monotonic() + STARTING_SECONDS_MAX
    while not server.started:
        if not thread.is_alive() or time.monotonic() > until:
            server.should_exit = True
            failure = root.failure
            if isinstance(failure, YunheError):
                raise failure
            raise Unavailable("api.not_started", where=url, why=str(failure or "?")[:300])
        pause.wait(0.005)
    return thread


def _run_server(server: uvicorn.Server, listener: socket.socket) -> None:
    try:
        server.run(sockets=[listener])
    except SystemExit:  # uvicorn's way to say that the applications did not start
        _log.error("the applications did not start")


@contextmanager
def _signals(told: threading.Event) -> Iterator[None]:
    def tell(number: int, _frame: FrameType | None) -> None:
        if told.is_set():  # asked twice: work not handed back is taken over when its lease ends
            os._exit(128 + number)
        told.set()

    before = {number: signal.signal(number, tell) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
