"""`yunhe doctor`: what is wrong with this installation, and how to mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from yunhe.cli.session import Session, console
from yunhe.kernel.language import Language, text

if TYPE_CHECKING:
    from yunhe.operations.doctor import Line

_MARKS = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "failed": "[red]✗[/]", "skipped": "–"}


def doctor(language: Language) -> click.Command:
    """Examines the installation."""

    @click.command("doctor", help=text("cli.doctor", language))
    @click.option("--deep", is_flag=True, help=text("cli.doctor.deep", language))
    @click.pass_context
    def command(ctx: click.Context, *, deep: bool) -> None:
        from yunhe.operations.doctor import examine, healthy  # noqa: PLC0415

        session = Session.here()
        lines: list[Line] = []
        counted: list[Line] = []
        for line in examine(session.settings(), deep=deep):
            before = lines[-1] if lines else None
            lines.append(line)
            # What several checks say alike is shown once; what is shown is what is counted.
            if session.as_json or not _is_repeated(line, before):
                counted.append(line)
            if not session.as_json:
                _show(session, line, before)
        well = healthy(lines)
        told = [line.as_json(session.language) for line in lines]
        counts = {state: sum(line.found.state == state for line in counted) for state in _MARKS}
        verdict = session.say("cli.doctor.well" if well else "cli.doctor.ill", **counts)
        session.answer({"ok": well, "counts": counts, "checks": told}, f"\n{verdict}")
        ctx.exit(0 if well else 1)

    return command


def _is_repeated(line: Line, before: Line | None) -> bool:
    """Whether the check before it in its group said the very same."""
    if before is None or before.group != line.group:
        return False
    return (before.found.code, before.found.params) == (line.found.code, line.found.params)


def _show(session: Session, line: Line, before: Line | None) -> None:
    from rich.markup import escape  # noqa: PLC0415

    out = console()
    if before is None or before.group != line.group:
        out.print(f"[bold]{session.say(f'operations.doctor.group.{line.group}')}[/]")
    elif _is_repeated(line, before):
        return
    said = escape(line.found.message(session.language))
    # The terminal wraps, so that a command or path can be copied in one piece.
    out.print(f" {_MARKS[line.found.state]} {said}", soft_wrap=True)
    advice = line.found.advice(session.language)
    if advice and line.found.state in ("warning", "failed"):
        out.print(f"   [dim]{escape(advice)}[/]", soft_wrap=True)


COMMANDS = {"doctor": doctor}
