"""`yunhe queue`, `yunhe why` and `yunhe logs`: who waits, for what, and what a workload printed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from yunhe.cli.live_desks import Desk, Server, at_home, desk, show_log
from yunhe.cli.remote import connected, limited, moment, on_server, plain, show_list, state, table
from yunhe.cli.session import Session
from yunhe.cli.working import Steps, count_of
from yunhe.kernel.errors import NotFound
from yunhe.kernel.language import Language, text, texts

if TYPE_CHECKING:
    from yunhe.client.client import Client
    from yunhe.client.wire.compute import Workload
    from yunhe.client.wire.queue import Queued, Waiting

_WATCH_SECONDS = 10.0
_OLD_SECONDS = 3
_COLUMNS = ("rank", "workload", "devices", "waits", "starts", "waits_for")
_SPANS = (("minutes", 60, 7_200), ("hours", 3_600, 172_800), ("days", 86_400, 0))
"""Name, its seconds, and the seconds from which the next is used."""


def queue(language: Language) -> click.Command:
    """What waits, in the scheduler's order."""

    @click.command("queue", help=text("cli.queue", language))
    @click.option("--watch", is_flag=True, help=text("cli.usage.watch", language))
    @on_server(language)
    @limited(language)
    def command(*, watch: bool, limit: int, **_: object) -> None:
        session = Session.here()
        with connected(session) as client:
            while True:
                if watch and not session.as_json:
                    click.clear()
                _show_queue(session, client, limit)
                if not watch or session.as_json:
                    return
                time.sleep(_WATCH_SECONDS)

    return command


def _show_queue(session: Session, client: Client, limit: int) -> None:
    items = []
    for each in client.compute.queue():
        items.append(each)
        if len(items) > limit:  # one more than is shown, so that it is said that there are more
            break
    more, shown = len(items) > limit, items[:limit]
    if session.as_json or not shown:
        show_list(session, items, limit=limit, columns=(), row=lambda _: ())
        return
    many = len({each.organisation for each in shown}) > 1
    now = datetime.now(UTC)
    rows = [line for each in shown for line in _rows(session, each, now=now, whose=many)]
    session.answer({}, table(session, _COLUMNS, rows))
    if _is_old(shown[0].as_of, now):
        click.echo(session.say("cli.queue.as_of", at=moment(shown[0].as_of or "")), err=True)
    if more:
        click.echo(session.say("cli.list.more", limit=limit), err=True)


def _is_old(as_of: str | None, now: datetime) -> bool:
    """Whether it is worth saying when the queue was looked at."""
    return -(_seconds(as_of, now) or 0) >= _OLD_SECONDS


def _rows(
    session: Session, each: Queued, *, now: datetime, whose: bool
) -> Iterator[tuple[str, ...]]:
    """A line for each thing, with whose it is where there are several."""
    waits = -(_seconds(each.since, now) or 0)
    code = "" if each.why is None else each.why.code.rpartition(".")[2]
    short = texts("cli", session.language).get(f"cli.queue.for.{code}", code)
    chips = " / ".join((each.chip, *each.substitutes))
    devices = f"{count_of(each.devices, each.devices_milli)} × {chips}"
    name = f"{each.workload} {each.organisation}" if whose else each.workload
    starts = _starts(session, each, now)
    yield str(each.rank), name, devices, _span(session, waits, waits), starts, short


def _starts(session: Session, each: Queued, now: datetime) -> str:
    early, late = _seconds(each.early_at, now), _seconds(each.late_at, now)
    if early is None:
        return "–"
    if late is None:
        return f"> {_span(session, early, early)}"
    return _span(session, early, late)


def _seconds(at: str | None, now: datetime) -> int | None:
    if at is None:
        return None
    return int((datetime.fromisoformat(at) - now).total_seconds())


def _span(session: Session, early: int, late: int) -> str:
    """A stretch of time in the unit that suits its end: the early end down, the late one up."""
    early, late = max(early, 0), max(late, 0)
    unit, seconds = next((n, s) for n, s, most in _SPANS if late < most or not most)
    first, last = early // seconds, -(-late // seconds)
    if early == late:
        last = first
    count = str(last) if first == last else f"{first}–{last}"
    return session.say(f"cli.queue.{unit}", count=count)


def why(language: Language) -> click.Command:
    """Why one workload is not running."""

    @click.command("why", help=text("cli.why", language))
    @click.argument("workload")
    @on_server(language)
    def command(*, workload: str, **_: object) -> None:
        session = Session.here()
        with connected(session) as client:
            found = client.compute.why(workload)
        session.answer(found.model_dump())
        if not session.as_json:
            click.echo("\n".join(_sentences(session, found)))

    return command


def _sentences(session: Session, found: Waiting) -> list[str]:
    lines = [] if found.why is None else [plain(found.why.message)]
    if found.state != "waiting":
        lines.insert(0, session.say("cli.why.state", state=state(session, found.state)))
        if found.state == "placed":
            lines.append(session.say("cli.why.placed"))
    elif found.rank == 0:
        lines.append(session.say("cli.why.next"))
    else:
        if found.rank is not None and found.of is not None:
            lines.append(session.say("cli.why.rank", rank=found.rank, of=found.of))
        lines.append(_when(session, found))
    turns = [each for each in found.levels if each.of > 1 and found.rank]
    if turns:
        lines += ["", session.say("cli.why.turns")]
        lines += [f"  - {plain(each.message)}" for each in turns]
    told = {
        "together": found.together,
        "alternatives": found.alternatives,
        "sooner": found.sooner,
        "notes": found.notes,
    }
    for name, changes in told.items():
        if changes:
            lines += ["", session.say(f"cli.why.{name}")]
            lines += [f"  - {plain(each.message)}" for each in changes]
    if found.do:
        lines += ["", plain(found.do)]
    if _is_old(found.as_of, datetime.now(UTC)):
        lines += ["", session.say("cli.queue.as_of", at=moment(found.as_of or ""))]
    return lines


def _when(session: Session, found: Waiting) -> str:
    if found.early_at is None:
        return session.say("cli.why.unseen")
    early = moment(found.early_at)
    if found.late_at is None:
        return session.say("cli.why.starts_after", early=early)
    return session.say("cli.why.starts", early=early, late=moment(found.late_at))


def logs(language: Language) -> click.Command:
    """What a workload printed."""

    @click.command("logs", help=text("cli.logs", language))
    @click.argument("workload")
    @click.option("--follow", is_flag=True, help=text("cli.logs.follow", language))
    @on_server(language)
    @click.pass_context
    def command(ctx: click.Context, /, *, workload: str, follow: bool, **_: object) -> None:
        from yunhe.client.floors.compute import ENDS  # noqa: PLC0415

        session = Session.here()
        if at_home(session):
            with desk(session) as home:
                ctx.exit(_home_log(session, home, workload))
        with connected(session) as client:
            if follow:
                found = _followed(session, client, workload)
                if found is not None:
                    ctx.exit(1 if found.state != "settled" else 0)
            found = client.compute.workload(workload)
            if found.state not in ENDS:
                raise NotFound("cli.logs_not_yet", workload=workload)
            printed = client.compute.log(workload)
        session.answer({"workload": workload, "state": found.state, "log": printed})
        if not session.as_json:
            click.echo(session.say("cli.logs.end"), err=True)
            click.echo("\n".join(plain(line) for line in printed.splitlines()))
        ctx.exit(1 if follow and found.state != "settled" else 0)

    return command


def _followed(session: Session, client: Client, workload: str) -> Workload | None:
    """Print what it prints, as it comes, and say how it stands; None when nothing was kept so.

    Programs wait for the end, and then get it all at once.
    """
    steps = Steps(session)
    found = client.compute.wait(
        workload, progress=steps.workload, also=() if session.as_json else ("running",)
    )
    if session.as_json or not show_log(session, Server(client).log(workload)):
        if found.state == "running":
            client.compute.wait(workload, progress=steps.workload)
        return None
    found = client.compute.wait(workload)
    steps.workload(found)
    return found


def _home_log(session: Session, home: Desk, workload: str) -> int:
    """The same from a home folder; whatever is there, to its end."""
    end = show_log(session, home.log(workload))
    if not end:
        raise NotFound("cli.logs_not_yet", workload=workload)
    return 0 if end == "settled" else 1


COMMANDS = {"queue": queue, "why": why, "logs": logs}
