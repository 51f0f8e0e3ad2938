"""`yunhe rejects`: raw text of dropped documents is read by its owner, and deleted in time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from yunhe.cli.session import Session, console
from yunhe.kernel.errors import YunheError
from yunhe.kernel.language import Language, text

if TYPE_CHECKING:
    from yunhe.corpus.retention import Kept, Reject
    from yunhe.kernel.canonical import JsonObject

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path)


def rejects(language: Language) -> click.Command:
    """Reads and deletes rejects."""

    @click.group("rejects", help=text("cli.rejects", language))
    def command() -> None:
        """Three subcommands."""

    for made in (_read, _delete, _new_key):
        command.add_command(made(language))
    return command


def _said(code: str, language: Language) -> str:
    return text(f"cli.rejects.{code}", language)


class _Given(TypedDict):
    """What `yunhe rejects read` was told, by the names of its parameters."""

    out: Path
    key: Path
    to: Path | None
    reasons: tuple[str, ...]
    documents: tuple[str, ...]
    limit: int | None


def _read(language: Language) -> click.Command:
    count = click.IntRange(1)
    several = {"multiple": True}
    return click.Command(
        "read",
        params=[
            click.Argument(["out"], type=FOLDER, metavar="OUT"),
            click.Option(["--key"], type=FILE, required=True, help=_said("key", language)),
            click.Option(["--to"], type=FILE, help=_said("to", language)),
            click.Option(["--reason", "reasons"], **several, help=_said("reason", language)),
            click.Option(["--document", "documents"], **several, help=_said("document", language)),
            click.Option(["--limit"], type=count, metavar="N", help=_said("limit", language)),
        ],
        help=_said("read", language),
        callback=_show,
    )


def _show(**given: Unpack[_Given]) -> None:
    from yunhe.corpus import retention  # noqa: PLC0415 (Arrow: a second)

    session, out, to = Session.here(), given["out"], given["to"]
    wanted = retention.Wanted(given["reasons"], given["documents"], given["limit"])
    found = retention.read(out, given["key"], wanted, today=datetime.now(UTC).date())
    after = retention.until(out)
    notice = session.say("cli.rejects.notice", after=after)
    if to is not None:
        count = retention.write(found, to)
        click.echo(notice, err=True)
        told = session.say("cli.rejects.written", count=count, path=str(to))
        session.answer({"documents": count, "written": str(to), "delete_after": after}, told)
        return
    visible = sys.stdout.isatty() and not session.as_json
    if session.as_json:
        rows = [_row(each) for each in found]
        session.answer({"documents": rows, "delete_after": after})
        return
    if visible:
        click.echo(notice, err=True)
    count = 0
    for count, each in enumerate(found, 1):  # noqa: B007 (the last one counts)
        _print(session, each, visible=visible)
    click.echo(session.say("cli.rejects.counted", count=count))
    if not visible:
        click.echo(session.say("cli.rejects.hidden"), err=True)


def _row(each: Reject) -> dict[str, object]:
    """Everything but the text."""
    names = ("document", "source", "row", "step", "reason")
    return {name: getattr(each, name) for name in names}


def _print(session: Session, each: Reject, *, visible: bool) -> None:
    from rich.markup import escape  # noqa: PLC0415

    from yunhe.cli.explained import shown  # noqa: PLC0415

    out = console()
    reason = session.say(f"corpus.reason.{each.reason}")
    said = session.say("cli.rejects.line", **{**_row(each), "reason": reason})  # type: ignore[arg-type]
    out.print(f"[bold]{escape(shown(said))}[/]", soft_wrap=True)
    if visible:
        out.print(escape(shown(each.text)), soft_wrap=True)


def _delete(language: Language) -> click.Command:
    def run(outs: tuple[Path, ...], *, dry_run: bool, early: bool) -> None:
        from yunhe.corpus import retention  # noqa: PLC0415 (Arrow: a second)

        session, now = Session.here(), datetime.now(UTC)
        told: list[JsonObject] = []
        failed: list[YunheError] = []
        for out in outs:  # one that is missing or busy does not keep the others
            due = retention.overdue([out], today=now.date(), early=early)
            try:
                told += _deleted(session, due, at=now, dry_run=dry_run)
            except YunheError as error:
                failed.append(error)
        if failed:
            raise failed[0]
        session.answer({"dry_run": dry_run, "deleted": told})
        if not told and not session.as_json:
            click.echo(session.say("cli.rejects.nothing"))

    return click.Command(
        "delete",
        params=[
            click.Argument(["outs"], type=FOLDER, nargs=-1, required=True, metavar="OUT…"),
            click.Option(["--dry-run"], is_flag=True, help=_said("dry_run", language)),
            click.Option(["--early"], is_flag=True, help=_said("early", language)),
        ],
        help=_said("delete", language),
        callback=run,
    )


def _deleted(
    session: Session, due: Iterator[Kept], *, at: datetime, dry_run: bool
) -> Iterator[JsonObject]:
    from yunhe.corpus import retention  # noqa: PLC0415 (loaded by then)

    for kept in due:
        about = retention.told(kept) if dry_run else retention.delete(kept, at=at.isoformat())
        code = "cli.rejects.going" if dry_run else "cli.rejects.gone"
        if not session.as_json:
            params = {name: str(about[name]) for name in ("folder", "files", "bytes")}
            click.echo(session.say(code, after=str(about["delete_after"]), **params))
        yield about


def _new_key(language: Language) -> click.Command:
    def run(path: Path) -> None:
        from yunhe.corpus import retention  # noqa: PLC0415 (Arrow: a second)

        session = Session.here()
        retention.make_key(path)
        told = session.say("cli.rejects.key_made", path=str(path))
        session.answer({"key": str(path)}, told)

    return click.Command(
        "new-key",
        params=[click.Argument(["path"], type=FILE, metavar="KEYFILE")],
        help=_said("new_key", language),
        callback=run,
    )


COMMANDS = {"rejects": rejects}
