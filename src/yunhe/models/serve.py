"""Runs the gateway: beside other work in a thread, or alone until it is told to stop."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

import uvicorn

from yunhe.kernel.errors import Unavailable
from yunhe.models.gateway import Gateway, Limits
from yunhe.storage.service import Storage

STARTING_SECONDS_MAX = 20
"""How long the server may take to start."""
STOPPING_SECONDS_MAX = 30
"""How long answers in flight may take once the server is told to stop."""
_BACKLOG = 512  # connections the system keeps while we accept others


@dataclass(frozen=True, slots=True, eq=False)
class Running:
    """A gateway that serves."""

    url: str
    """Its address, with the port it got."""
    _server: uvicorn.Server
    _thread: threading.Thread

    def stop(self) -> None:
        """Take no new questions, answer those in flight, end; again does nothing."""
        self._server.should_exit = True
        self._thread.join()

    def alive(self) -> bool:
        """Whether it still serves."""
        return self._thread.is_alive()


def start(
    storage: Storage, *, host: str = "127.0.0.1", port: int = 0, limits: Limits | None = None
) -> Running:
    """Serve from a thread of this process; returns when questions are answered.

    Errors: `Unavailable` ``models.cannot_listen`` when the address is taken or not ours.
    """
    listener = _listen(host, port)
    config = uvicorn.Config(
        Gateway(storage, limits),
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=STOPPING_SECONDS_MAX,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listener]}, name="yunhe-gateway", daemon=True
    )
    thread.start()
    name = f"[{host}]" if ":" in host else host
    running = Running(f"http://{name}:{listener.getsockname()[1]}", server, thread)
    _await_start(server, thread, running.url)
    return running


def run(
    storage: Storage,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    limits: Limits | None = None,
    ready: Callable[[str], None],
) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is in flight and return.

    ``ready`` is told the address. Errors: as `start`. Only the main thread may call it.
    """
    told = threading.Event()
    with _signals(told):
        running = start(storage, host=host, port=port, limits=limits)
        ready(running.url)
        while running.alive() and not told.wait(1.0):
            pass
        running.stop()


@contextmanager
def _signals(told: threading.Event) -> Iterator[None]:
    def tell(_signal: int, _frame: FrameType | None) -> None:
        told.set()

    before = {number: signal.signal(number, tell) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # The protocol is named because asyncio sets TCP_NODELAY only on sockets that say they are
        # TCP; without it each response waits 40 ms for the caller's delayed acknowledgement.
        listener = socket.socket(family, kind, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(_BACKLOG)
        except BaseException:
            listener.close()
            raise
    except (OSError, OverflowError) as error:
        where, why = f"{host}:{port}", str(error)
        raise Unavailable("models.cannot_listen", where=where, why=why) from error
    return listener


def _await_start(server: uvicorn.Server, thread: threading.Thread, url: str) -> None:
    pause = threading.Event()
    for _ in range(STARTING_SECONDS_MAX * 200):
        if server.started:
            return
        if not thread.is_alive():
            break
        pause.wait(0.005)
    server.should_exit = True
    raise Unavailable("models.cannot_listen", where=url, why="the server did not start")
