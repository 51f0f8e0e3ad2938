"""What doors ask of running work: its output from an offset, commands inside it and their input."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from yunhe.compute import columns
from yunhe.compute import store as workloads
from yunhe.compute.errors import refuse, workload_unknown
from yunhe.compute.live import store
from yunhe.compute.live.domain import (
    COMMAND_LETTERS_MAX,
    INPUTS_MAX,
    OPEN_MAX,
    Asked,
    Exec,
    Idle,
    Piece,
)
from yunhe.compute.live.line import Line, unanswered
from yunhe.compute.live.relay import Relay
from yunhe.compute.providers.entry_points import EntryPoint
from yunhe.compute.providers.seam import Job, Outcome, Provider
from yunhe.compute.reasons import Why
from yunhe.kernel.canonical import Json
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Conflict, Exhausted, Finding, NotAllowed, NotFound
from yunhe.kernel.ids import derived_id
from yunhe.kernel.masking import Mask
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

__all__ = ["Asked", "Exec", "Idle", "Line", "Piece", "Relay"]  # part of this face

SESSION = "session"
"""The entry point of a workload that waits for people: it idles until it is closed."""
SESSION_PROGRAM = EntryPoint("yunhe.compute.live.session")
"""Its program."""
FORGET_SECONDS = 86_400
"""Output can be read from an offset for so long; the end of a log is kept with its workload."""
REMEMBER_SECONDS = 90 * FORGET_SECONDS
"""A command that is over can be looked at for so long."""
_FORGET_MAX = 2_000
_ENDS = ("settled", "failed", "cancelled")
_TERMINAL_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Part:
    """Some of what a subject said."""

    pieces: tuple[Piece, ...]
    """In order, from the offset on."""
    ended: bool
    """Whether nothing follows."""
    state: str
    """Of a workload its state; of a command how it stands."""
    status: int | None = None
    """A command's exit status."""
    why: str | None = None
    """Why a command was refused or broken off."""


def log(tx: Transaction, workload: str, offset: int) -> Part:
    """What a workload printed from a byte on. Errors: `NotFound` ``compute.workload_unknown``."""
    row = workloads.row(tx, workload)
    if row is None:
        raise workload_unknown(workload)
    pieces = tuple(store.read(tx, workload, offset))
    return Part(pieces, row["state"] in _ENDS and not pieces, row["state"])


def ask(storage: Storage, asked: Asked, *, key: str) -> Exec:
    """Have a command run inside a workload; the same key is the same command.

    Errors: `NotFound` ``compute.workload_unknown``; `Conflict` ``compute.exec_not_running``;
    `Invalid` ``compute.exec_invalid``; `NotAllowed` ``compute.exec_closes``; `Exhausted`
    ``compute.exec_too_many`` while `OPEN_MAX` are not over.
    """
    refuse("compute.exec_invalid", list(_faults(asked)))
    exec_id = derived_id("exec", asked.workload, key)
    now_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        row = workloads.row(tx, asked.workload)
        if row is None:
            raise workload_unknown(asked.workload)
        if store.exec_row(tx, exec_id) is None:
            if row["state"] != "running":
                raise Conflict("compute.exec_not_running", workload=asked.workload)
            if asked.closes and columns.spec_of(row).entry_point != SESSION:
                raise NotAllowed("compute.exec_closes", workload=asked.workload)
            if store.count_open(tx, asked.workload) >= OPEN_MAX:
                raise Exhausted("compute.exec_too_many", most=OPEN_MAX, retryable=True)
            store.add_exec(tx, exec_id, asked, at_us=now_us)
            store.note(tx, exec_id, at_us=now_us)
        return find(tx, exec_id)


def _faults(asked: Asked) -> list[Finding]:
    found = []
    letters = sum(len(word) + 1 for word in asked.command)
    if not asked.command or not asked.command[0] or letters > COMMAND_LETTERS_MAX:
        found.append(
            Finding("command", "compute.exec_command", (("letters_max", COMMAND_LETTERS_MAX),))
        )
    if any("\0" in word for word in asked.command):
        found.append(Finding("command", "compute.exec_nul"))
    if not 0 < min(asked.rows, asked.columns) <= max(asked.rows, asked.columns) <= _TERMINAL_MAX:
        found.append(Finding("rows", "compute.exec_size", (("most", _TERMINAL_MAX),)))
    return found


def find(tx: Transaction, exec_id: str) -> Exec:
    """One command as it stands. Errors: `NotFound` ``compute.exec_unknown``."""
    row = store.exec_row(tx, exec_id)
    if row is None:
        raise NotFound("compute.exec_unknown", exec=exec_id[:64])
    [found] = store.with_figures(tx, [store.exec_of(row)])
    return found


def execs(tx: Transaction, workload: str, *, after: str = "", limit: int = 50) -> list[Exec]:
    """The commands that were run inside a workload, by id."""
    return store.execs(tx, workload, after=after, limit=limit)


def output(tx: Transaction, exec_id: str, offset: int) -> Part:
    """What a command said from a byte on. Errors: `NotFound` ``compute.exec_unknown``."""
    found = find(tx, exec_id)
    pieces = tuple(store.read(tx, exec_id, offset))
    return Part(pieces, found.over and not pieces, found.state, found.status, found.why)


def given(tx: Transaction, exec_id: str, offset: int, *, at_us: int) -> None:
    """A reader has everything up to that byte; more may be sent, and old pieces be let go of."""
    row = store.exec_row(tx, exec_id)
    if row is None:
        return
    values: dict[str, object] = {"seen_us": at_us}
    if offset > row["taken"]:
        values["taken"] = min(offset, store.end_of(tx, exec_id))
    store.change_exec(tx, exec_id, **values)
    workload = workloads.row(tx, row["workload"])
    running = workload is not None and workload["state"] == "running"
    if row["state"] == "asked" and unanswered(row["at_us"], now_us=at_us):
        _over(tx, exec_id, "compute.exec_unanswered", at_us=at_us)
    elif row["state"] in store.OPEN and not running:
        _over(tx, exec_id, "compute.exec_ended_with_work", at_us=at_us)


def _over(tx: Transaction, exec_id: str, why: str, *, at_us: int) -> None:
    if store.over(tx, exec_id, why=why, status=None, at_us=at_us):
        store.note(tx, exec_id, at_us=at_us)


@dataclass(frozen=True, slots=True)
class Input:
    """A piece of what is typed."""

    seq: int
    """Counts from 1."""
    data: bytes = b""
    """What was typed."""
    eof: bool = False
    """Whether nothing follows."""
    rows: int | None = None
    """The terminal's new height."""
    columns: int | None = None
    """And width."""


def type_in(tx: Transaction, exec_id: str, piece: Input, *, member: str) -> Exec:
    """Give a command a piece of input, once; a piece that comes twice is the first.

    Errors: `NotFound`; `NotAllowed` ``compute.exec_not_yours``; `Exhausted`
    ``compute.exec_input_full`` until some was taken.
    """
    found = find(tx, exec_id)
    if found.member != member:
        raise NotAllowed("compute.exec_not_yours", exec=exec_id)
    if (piece.rows is None) != (piece.columns is None):
        sizes = [Finding("rows", "compute.exec_size", (("most", _TERMINAL_MAX),))]
        refuse("compute.exec_invalid", sizes)
    if found.over or piece.seq <= found.input_done:
        return found
    if piece.seq > found.input_done + INPUTS_MAX:
        raise Exhausted("compute.exec_input_full", most=INPUTS_MAX, retryable=True)
    content: dict[str, Json] = {}
    if piece.data:
        content["data"] = base64.b64encode(piece.data).decode()
    if piece.eof:
        content["eof"] = True
    if piece.rows and piece.columns:
        content |= {"rows": piece.rows, "cols": piece.columns}
    store.add_input(tx, exec_id, piece.seq, content)
    return found


def end(tx: Transaction, exec_id: str, *, member: str) -> Exec:
    """End a command with all it started. Errors: as `type_in`."""
    found = find(tx, exec_id)
    if found.member != member:
        raise NotAllowed("compute.exec_not_yours", exec=exec_id)
    if not found.over:
        store.change_exec(tx, exec_id, end_asked=1)
    return find(tx, exec_id)


def forget(storage: Storage) -> int:
    """Remove output older than a day, and what was over long ago; how many pieces went.

    Commands whose workload ended while nobody looked after it end here too.
    """
    now_us = storage.clock.now_us()
    before_us = now_us - FORGET_SECONDS * SECOND_US
    with storage.database.begin_shared() as tx:
        store.close_ended(tx, _ENDS, at_us=now_us, limit=_FORGET_MAX)
        long_ago_us = now_us - REMEMBER_SECONDS * SECOND_US
        store.forget_execs(tx, before_us=long_ago_us, limit=_FORGET_MAX)
        return store.forget(tx, before_us=before_us, limit=_FORGET_MAX)


def line(storage: Storage, job: Job, idle: Idle | None = None) -> Line:
    """A line to a job that is about to run; its own idle limit counts where that is shorter."""
    with storage.database.read() as tx:
        row = workloads.row(tx, job.id)
    if row is not None:
        idle = (idle or Idle()).asked(columns.spec_of(row).idle_minutes)
    return Line(storage, job.id, mask=Mask(job.secrets.values()), devices=job.devices, idle=idle)


def runs(provider: Provider, held: Line) -> Callable[..., Outcome]:
    """The provider's way to run a job, with the line held to it where the provider can do that."""
    if getattr(provider, "lively", False):
        return partial(provider.run, live=held)  # type: ignore[call-arg]
    return provider.run


def explained(outcome: Outcome, held: Line) -> Outcome:
    """The outcome, with the reason where it was stopped for doing nothing."""
    if not held.released or outcome.verdict != "stopped":
        return outcome
    return replace(outcome, why=Why("compute.idle_released", (("minutes", held.idle_minutes),)))
