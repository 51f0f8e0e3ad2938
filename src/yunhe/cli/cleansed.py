"""Shows how far a cleansing is, and what came of it."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from typing import TYPE_CHECKING

import click

from yunhe.cli.remote import plain
from yunhe.cli.session import Session, console
from yunhe.kernel.language import step_text

if TYPE_CHECKING:
    from rich.table import Table

    from yunhe.corpus.cleaning import Asked
    from yunhe.corpus.inputs import Found
    from yunhe.corpus.running.job import Done
    from yunhe.corpus.statistics import Statistics

_EVERY_SECONDS = 0.2
_EVENT_SECONDS = 5  # between the lines a program reads, or a file keeps
_RATE_SECONDS = 2  # before that a rate is a guess
_MEGABYTE = 1_000_000
_MINUTE, _HOUR = 60, 3600
_REASONS_MAX = 20


class Rate:
    """Progress on standard error: how far, how fast, how long still.

    A step without a total is a count that goes along with the step that has one.
    """

    def __init__(self, session: Session) -> None:
        """Nothing is under way yet."""
        self._session = session
        self._live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._main: tuple[str, int, int | None] = ("", 0, None)
        self._counts: dict[str, int] = {}
        self._began, self._last, self._shown = time.monotonic(), 0.0, False
        self._ended = False

    def step(self, what: str, *, done: int, total: int | None = None) -> None:
        """Show a step: a live line on a terminal, elsewhere a line every few seconds."""
        now = time.monotonic()
        if total is None and what != self._main[0] and self._main[0]:
            self._counts[what] = done
            return
        if what != self._main[0]:
            self._began, self._last, self._counts, self._ended = now, 0.0, {}, False
        self._main = (what, done, total)
        every = _EVERY_SECONDS if self._live else _EVENT_SECONDS
        ended = total is not None and done >= total
        if now - self._last < every and (self._ended or not ended):
            return
        self._ended = ended
        self._last = now
        if self._session.as_json:
            event = {"event": "progress", "stage": what, "done": done, "total": total}
            click.echo(json.dumps(event | self._counts), err=True)
            return
        said = f"  {step_text(what, self._session.language)}  {self._line(now - self._began)}"
        click.echo(f"\r\x1b[2K{said}" if self._live else said, nl=not self._live, err=True)
        self._shown = True

    def _line(self, spent: float) -> str:
        what, done, total = self._main
        as_bytes = what.endswith("bytes")
        parts = [_amount(done, as_bytes) + (f" / {_amount(total, as_bytes)}" if total else "")]
        for count, number in self._counts.items():
            parts.append(f"{step_text(count, self._session.language)} {number:,}")
        if spent >= _RATE_SECONDS and done:
            if done >= spent:  # less than one a second says nothing
                parts.append(f"{_amount(int(done / spent), as_bytes)}/s")
            if total and done < total:
                left = duration(spent * (total - done) / done)
                parts.append(self._session.say("cli.clean.left", time=left))
        return " · ".join(parts)

    def close(self) -> None:
        """Leave the live line clean."""
        if self._live and self._shown:
            click.echo("\r\x1b[2K", nl=False, err=True)


def _amount(number: int, as_bytes: bool) -> str:  # noqa: FBT001 (two kinds of amount)
    return f"{number / _MEGABYTE:,.1f} MB" if as_bytes else f"{number:,}"


def duration(seconds: float) -> str:
    """``0:07``, ``12:30`` or ``3:02:10``."""
    whole = round(seconds)
    hours, rest = divmod(whole, _HOUR)
    minutes, left = divmod(rest, _MINUTE)
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"


def cpu_seconds() -> float:
    """Processor time of this process and of those it waited for."""
    spent = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        spent += usage.ru_utime + usage.ru_stime
    return spent


def show(session: Session, asked: Asked, there: Found, done: Done) -> None:
    """The run in short: for a program the manifest's summary, for a person a table."""
    from yunhe.corpus import cleaning  # noqa: PLC0415

    counted = cleaning.counted(asked.out)
    findings = [*there.findings, *done.findings]
    spent = cpu_seconds()
    session.answer(
        {
            "out": str(asked.out),
            "documents_in": counted.documents_in,
            "text_bytes_in": counted.bytes_in,
            "documents_out": counted.documents_out,
            "dropped": counted.dropped,
            "details": counted.details,
            "faults": done.faults,
            "unread": list(done.unread),
            "passed_over": there.passed_over,
            "findings": [
                {"where": f.where, "code": f.code, "message": f.message(session.language)}
                for f in findings
            ],
            "pipeline": cleaning.pipeline_digest(done),
            "columns_left_out": cleaning.columns_left_out(done),
            "repeated": done.repeated,
            "cpu_milliseconds": round(spent * 1000),
        }
    )
    if session.as_json:
        return
    out = console()
    out.print(_table(session, counted))
    if asked.ray is None or done.repeated:  # what the others spent is not known here
        _say_speed(session, counted.bytes_in, spent, repeated=done.repeated)
    click.echo(session.say("cli.clean.out", path=str(asked.out)))
    if left := cleaning.columns_left_out(done):
        names = ", ".join(plain(name) for name in left)
        click.echo(session.say("cli.clean.columns_left_out", names=names))
    if "registered" in (asked.source or {}):
        click.echo(session.say("cli.clean.source_unasked"), err=True)
    for finding in findings:
        click.echo(f"  - {plain(finding.message(session.language))}", err=True)
    if there.passed_over:
        click.echo(session.say("cli.clean.passed_over", count=there.passed_over), err=True)
    if done.faults or done.unread or there.findings:
        said = {"faults": done.faults, "files": len(done.unread)}
        click.echo(session.say("cli.clean.faulty", **said), err=True)


def _table(session: Session, counted: Statistics) -> Table:
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(overflow="fold")
    table.add_column(justify="right", no_wrap=True)
    table.add_row(session.say("cli.clean.documents_in"), f"{counted.documents_in:,}")
    dropped = sorted(counted.by_reason("dropped").items(), key=lambda item: (-item[1], item[0]))
    for reason, count in dropped[:_REASONS_MAX]:
        table.add_row(f"[dim]−[/] {session.say(f'corpus.reason.{reason}')}", f"{count:,}")
    table.add_row(
        f"[bold]{session.say('cli.clean.documents_out')}[/]", f"{counted.documents_out:,}"
    )
    if counted.details:
        table.add_row("", "")
        table.add_row(f"[bold]{session.say('cli.clean.details')}[/]", "")
    for kind, counts in sorted(counted.details.items()):
        table.add_row(f"  {session.say(f'corpus.type.{kind}')}", f"{counts['spans']:,}")
    return table


def _say_speed(session: Session, text_bytes: int, spent: float, *, repeated: bool) -> None:
    if repeated:
        click.echo(session.say("cli.clean.repeated"))
        return
    rate = f"{text_bytes / _MEGABYTE / spent:,.1f}" if text_bytes else "–"
    click.echo(session.say("cli.clean.speed", seconds=f"{spent:,.1f}", rate=rate))
