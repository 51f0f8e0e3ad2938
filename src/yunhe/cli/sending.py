"""`yunhe upload` and `yunhe notices`: files to a server, and what it has to tell."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

import click

from yunhe.cli.remote import connected, limited, moment, on_server, plain, show_list
from yunhe.cli.session import Session
from yunhe.kernel.language import Language, text

if TYPE_CHECKING:
    from yunhe.client.wire.notices import Notice

_MARK_MAX = 200  # ids of one request


def upload(language: Language) -> click.Command:
    """Sends files."""

    @click.command("upload", help=text("cli.upload", language))
    @click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
    @on_server(language)
    def command(*, files: tuple[Path, ...], **_: object) -> None:
        session = Session.here()
        with connected(session) as client:
            made = [(path, client.uploads.send(path)) for path in files]
        items = [{"path": str(path), **each.model_dump()} for path, each in made]
        if session.as_json:
            session.answer({"items": items})
            return
        for path, each in made:  # in the form of sha256sum, to be copied and compared
            click.echo(f"{each.digest}  {plain(str(path))}")

    return command


def notices(language: Language) -> click.Command:
    """Shows what one is to know."""

    @click.command("notices", help=text("cli.notices", language))
    @click.option("--unread", is_flag=True, help=text("cli.notices.unread", language))
    @click.option("--mark-read", is_flag=True, help=text("cli.notices.mark", language))
    @on_server(language)
    @limited(language)
    def command(*, unread: bool, mark_read: bool, limit: int, **_: object) -> None:
        from yunhe.client.wire.notices import Seen  # noqa: PLC0415

        session = Session.here()
        with connected(session) as client:
            found = list(itertools.islice(client.notices.listed(unread=unread), limit + 1))
            columns = ("at", "message", "subject")
            show_list(session, found, limit=limit, columns=columns, row=_notice)
            seen = [each.id for each in found[:limit] if each.read_at is None]
            for start in range(0, len(seen) if mark_read else 0, _MARK_MAX):
                client.notices.read(Seen(ids=seen[start : start + _MARK_MAX]))

    return command


def _notice(each: Notice) -> tuple[str, ...]:
    new = "• " if each.read_at is None else "  "
    return new + moment(each.at), each.message, each.subject


COMMANDS = {"upload": upload, "notices": notices}
