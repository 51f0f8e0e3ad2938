"""`yunhe accounts`, `yunhe log` and `yunhe settings`: what the platform holds, for people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from yunhe.cli.session import Session
from yunhe.kernel.clock import iso
from yunhe.kernel.language import Language, text

if TYPE_CHECKING:
    from yunhe.custody.domain import Audit


def settings(language: Language) -> click.Command:
    """Lists every setting."""

    @click.command("settings", help=text("cli.settings", language))
    def command() -> None:
        from rich.table import Table  # noqa: PLC0415

        from yunhe.settings import PREFIX, shown  # noqa: PLC0415

        session = Session.here()
        present = shown(session.settings())
        table = Table(box=None, pad_edge=False)
        for code in ("variable", "value", "meaning"):
            table.add_column(session.say(f"cli.settings.{code}"), overflow="fold")
        for name, value in present.items():
            meaning = session.say(f"settings.{name}")
            table.add_row(PREFIX + name.upper(), value, meaning)
        session.answer(present, table)

    return command


def accounts(language: Language) -> click.Command:
    """Shows balances and replays the ledger."""

    @click.command("accounts", help=text("cli.accounts", language))
    @click.pass_context
    def command(ctx: click.Context) -> None:
        from rich.console import Group  # noqa: PLC0415
        from rich.table import Table  # noqa: PLC0415

        from yunhe.kernel.units import format_minor  # noqa: PLC0415

        session = Session.here()
        with session.platform() as platform:
            lines, replay, holds = platform.accounts()
        table = Table(box=None, pad_edge=False)
        for code in ("owner", "purpose", "unit"):
            table.add_column(session.say(f"cli.accounts.{code}"))
        for code in ("available", "held"):
            table.add_column(session.say(f"cli.accounts.{code}"), justify="right")
        for owner, line in lines:
            table.add_row(
                owner,
                line.purpose,
                line.unit,
                format_minor(line.available, line.unit),
                format_minor(line.held, line.unit),
            )
        if replay.ok:
            verdict = session.say("cli.accounts.ok", transfers=replay.transfers, holds=holds)
        else:
            problems = [problem.message(session.language) for problem in replay.problems]
            verdict = session.say("cli.accounts.bad", count=len(problems))
            verdict = "\n  - ".join([verdict, *problems])
        answer = {
            "ok": replay.ok,
            "transfers": replay.transfers,
            "holds_open": holds,
            "accounts": [
                {
                    "owner": owner,
                    "purpose": line.purpose,
                    "unit": line.unit,
                    "available_minor": line.available,
                    "held_minor": line.held,
                }
                for owner, line in lines
            ],
        }
        session.answer(answer, Group(table, "", verdict))
        ctx.exit(0 if replay.ok else 1)

    return command


def log(language: Language) -> click.Command:
    """Shows, audits and maintains the custody log."""

    @click.command("log", help=text("cli.log", language))
    @click.option("--audit", is_flag=True, help=text("cli.log.audit", language))
    @click.option(
        "--checkpoints",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help=text("cli.log.checkpoints", language),
    )
    @click.option("--rotate-key", is_flag=True, help=text("cli.log.rotate", language))
    @click.pass_context
    def command(
        ctx: click.Context, *, audit: bool, checkpoints: Path | None, rotate_key: bool
    ) -> None:
        session = Session.here()
        with session.platform() as platform:
            if rotate_key:
                key, trust = platform.rotate_key(), str(platform.trust_path)
                shown = session.say("cli.log.rotated", key=key, trust=trust)
                session.answer({"key": key, "trust": trust}, shown)
                return
            newest = platform.newest_checkpoint()
            checked = platform.audit(checkpoints) if audit or checkpoints else None
            origin = platform.settings.origin
        answer: dict[str, object] = {"origin": origin, "size": 0, "ok": True}
        lines = [session.say("cli.log.empty", origin=origin)]
        if newest is not None:
            answer |= {
                "size": newest.size,
                "root": newest.root.hex(),
                "signed_at": iso(newest.at_us),
                "key": newest.key,
            }
            lines = [
                session.say(
                    "cli.log.size",
                    origin=origin,
                    size=newest.size,
                    root=newest.root.hex(),
                    at=iso(newest.at_us),
                )
            ]
        if checked is not None:
            answer |= {
                "ok": checked.ok,
                "leaves": checked.leaves,
                "checkpoints": checked.checkpoints,
                "problems": [finding.message(session.language) for finding in checked.problems],
            }
            lines += _verdict(session, checked)
        session.answer(answer, "\n".join(lines))
        ctx.exit(0 if answer["ok"] else 1)

    return command


def _verdict(session: Session, checked: Audit) -> list[str]:
    if checked.ok:
        numbers = {"leaves": checked.leaves, "checkpoints": checked.checkpoints}
        return [session.say("cli.log.sound", **numbers)]
    heading = session.say("cli.log.broken", count=len(checked.problems))
    return [heading, *(f"  - {finding.message(session.language)}" for finding in checked.problems)]


COMMANDS = {"accounts": accounts, "log": log, "settings": settings}
