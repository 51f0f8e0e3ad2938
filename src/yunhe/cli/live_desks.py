"""Where commands reach running work: a server, or the database of a home folder on this machine."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import click

from yunhe.cli.remote import connected, given
from yunhe.cli.session import Session
from yunhe.kernel.errors import Exhausted, NotFound, Unavailable

if TYPE_CHECKING:
    from yunhe.client.client import Client
    from yunhe.client.events import Event
    from yunhe.compute.live.service import Part
    from yunhe.operations.at_home import AtHome

_LOOK_SECONDS = 0.1
_FULL_SECONDS = 0.1
_AGAIN_SECONDS = 1.0
_LASTING_SECONDS = 60.0
_SHOWN_AGAIN_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Said:
    """Something that was printed, that is missing, or the end."""

    name: str
    """``stdout``, ``stderr``, ``gap`` or ``done``."""
    data: bytes = b""
    """What was printed."""
    left_out: int = 0
    """Of a gap: how many bytes are not kept."""
    state: str = ""
    """Of the end: how it stands."""
    status: int | None = None
    """Of the end: a command's exit status."""
    why: str | None = None
    """Of the end: code of why it was refused or broken off."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A command that is to be run."""

    command: tuple[str, ...]
    """Its words."""
    tty: bool = False
    """Whether it gets a terminal."""
    rows: int = 24
    """Of the terminal."""
    columns: int = 80
    """Of the terminal."""
    closes: bool = False
    """Whether the session ends with it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody comes back to a command."""

    offset: int
    """From where its output is shown again."""
    seq: int
    """Number of the last piece of input."""


class Desk(Protocol):
    """What both can do."""

    def log(self, workload: str) -> Iterator[Said]:
        """What a workload prints, to its end."""
        ...

    def run(self, workload: str, wanted: Wanted) -> str:
        """Start a command; its id."""
        ...

    def place(self, exec_id: str) -> Place:
        """Where to go on with a command that was left."""
        ...

    def output(self, exec_id: str, *, after: int = 0) -> Iterator[Said]:
        """What a command says, to its end."""
        ...

    def type_in(self, exec_id: str, seq: int, data: bytes, **over: int) -> None:
        """Give it input; ``eof``, ``rows`` and ``columns`` besides. Waits while it takes none."""
        ...

    def end(self, exec_id: str) -> None:
        """End it."""
        ...


def at_home(session: Session) -> bool:
    """Whether a home folder is meant: one is named, and no server is."""
    return session.home is not None and given("server") is None


def show_log(session: Session, log: Iterator[Said]) -> str:
    """Print what comes; the workload's last state, empty when nothing was printed."""
    from yunhe.cli.terminal import Shown  # noqa: PLC0415

    shown, any_shown = Shown(raw=False), False
    for said in log:
        if said.name == "done":
            return said.state if any_shown else ""
        any_shown = True
        if said.name == "gap":
            click.echo(session.say("cli.logs.gap", bytes=said.left_out), err=True)
        else:
            shown.show(said)
    return ""


@contextmanager
def desk(session: Session) -> Iterator[Desk]:
    """The home folder where one is named and no server is; else the server."""
    if at_home(session):
        from yunhe.operations.at_home import AtHome  # noqa: PLC0415

        with session.platform() as platform:
            yield Home(AtHome(platform))
    else:
        with connected(session) as client:
            yield Server(client)


class Server:
    """By HTTP."""

    def __init__(self, client: Client) -> None:
        """``client`` stays open as long as this is used."""
        self._client = client

    def log(self, workload: str) -> Iterator[Said]:
        """As `Desk.log`."""
        return _lasting(lambda after: self._client.live.log(workload, after=after), 0)

    def run(self, workload: str, wanted: Wanted) -> str:
        """As `Desk.run`."""
        from yunhe.client.wire.live import NewExec  # noqa: PLC0415

        sent = NewExec(
            command=list(wanted.command),
            tty=wanted.tty,
            rows=wanted.rows,
            columns=wanted.columns,
            closes=wanted.closes,
        )
        return self._client.live.run(workload, sent).id

    def place(self, exec_id: str) -> Place:
        """As `Desk.place`."""
        found = self._client.live.exec(exec_id)
        return Place(max(found.said_bytes - _SHOWN_AGAIN_BYTES, 0), found.input_last)

    def output(self, exec_id: str, *, after: int = 0) -> Iterator[Said]:
        """As `Desk.output`."""
        return _lasting(lambda seq: self._client.live.output(exec_id, after=seq), after)

    def type_in(self, exec_id: str, seq: int, data: bytes, **over: int) -> None:
        """As `Desk.type_in`."""
        from yunhe.client.wire.live import Input  # noqa: PLC0415

        sent = Input(
            seq=seq,
            data=base64.b64encode(data).decode(),
            eof=bool(over.get("eof")),
            rows=over.get("rows"),
            columns=over.get("columns"),
        )
        _patiently(lambda: self._client.live.type_in(exec_id, sent))

    def end(self, exec_id: str) -> None:
        """As `Desk.end`."""
        self._client.live.end(exec_id)


def _lasting(read: Callable[[int], Iterator[Event]], after: int) -> Iterator[Said]:
    """What a stream says, also over a restart of the server, which the client alone gives up on."""
    until = time.monotonic() + _LASTING_SECONDS
    while True:
        try:
            for event in read(after):
                after, until = event.seq, time.monotonic() + _LASTING_SECONDS
                yield _said(event)
        except Unavailable as error:
            if not error.retryable or time.monotonic() > until:
                raise
            time.sleep(_AGAIN_SECONDS)
        else:
            return


def _said(event: Event) -> Said:
    from yunhe.client.floors.live import bytes_of  # noqa: PLC0415

    body = event.body
    left_out, status, why = body.get("left_out"), body.get("status"), body.get("why")
    return Said(
        event.name,
        bytes_of(event),
        left_out=left_out if isinstance(left_out, int) else 0,
        state=str(body.get("state", "")),
        status=status if isinstance(status, int) else None,
        why=None if why is None else str(why),
    )


class Home:
    """In the database itself, for whoever may write to it."""

    def __init__(self, work: AtHome) -> None:
        """``work``: of a platform that stays open as long as this is used."""
        self._work = work

    def log(self, workload: str) -> Iterator[Said]:
        """As `Desk.log`."""
        return _followed(lambda offset: self._work.log(workload, offset), 0)

    def run(self, workload: str, wanted: Wanted) -> str:
        """As `Desk.run`."""
        return self._work.run(
            workload,
            wanted.command,
            tty=wanted.tty,
            rows=wanted.rows,
            columns=wanted.columns,
            closes=wanted.closes,
        )

    def place(self, exec_id: str) -> Place:
        """As `Desk.place`."""
        said_bytes, seq = self._work.place(exec_id)
        return Place(max(said_bytes - _SHOWN_AGAIN_BYTES, 0), seq)

    def output(self, exec_id: str, *, after: int = 0) -> Iterator[Said]:
        """As `Desk.output`."""
        return _followed(lambda offset: self._work.output(exec_id, offset), after)

    def type_in(self, exec_id: str, seq: int, data: bytes, **over: int) -> None:
        """As `Desk.type_in`."""
        _patiently(lambda: self._work.type_in(exec_id, seq, data, **over))

    def end(self, exec_id: str) -> None:
        """As `Desk.end`."""
        self._work.end(exec_id)


def _followed(look: Callable[[int], Part], offset: int) -> Iterator[Said]:
    while True:
        part = look(offset)
        for piece in part.pieces:
            offset += piece.size
            if piece.left_out:
                yield Said("gap", left_out=piece.left_out)
            else:
                yield Said(piece.stream, piece.data)
        if part.ended:
            yield Said("done", state=part.state, status=part.status, why=part.why)
            return
        if not part.pieces:
            time.sleep(_LOOK_SECONDS)


def _patiently(give: Callable[[], object]) -> None:
    """Try again while the command takes no more."""
    while True:
        try:
            give()
        except Exhausted as error:
            if error.code != "compute.exec_input_full":
                raise
            time.sleep(_FULL_SECONDS)
        except NotFound:
            return
        else:
            return
