"""`yunhe secrets`: this home's as a whole, and one's own on a server, by name."""

from __future__ import annotations

import base64
import sys
from pathlib import Path

import click

from yunhe.cli.remote import (
    checked,
    connected,
    hidden,
    limited,
    moment,
    on_server,
    show_list,
    show_one,
)
from yunhe.cli.session import Session
from yunhe.kernel.errors import Invalid, NotFound
from yunhe.kernel.language import Language, text


def secrets(language: Language) -> click.Command:
    """Of this home: whether they can be opened. On a server: their names. Never a value."""

    @click.group("secrets", invoke_without_command=True, help=text("cli.secrets", language))
    @click.option("--rotate-key", is_flag=True, help=text("cli.secrets.rotate", language))
    @click.pass_context
    def command(ctx: click.Context, *, rotate_key: bool) -> None:
        if ctx.invoked_subcommand is not None:
            return
        session = Session.here()
        with session.platform() as platform:
            where = platform.secrets_key.where
            if rotate_key:
                count, destroyed = platform.rotate_secrets_key()
                code = "cli.secrets.rotated" if destroyed else "cli.secrets.rotated_kept"
                answer = {"sealed_anew": count, "old_key_destroyed": destroyed, "key": where}
                session.answer(answer, session.say(code, count=count, where=where))
                return
            found = platform.secrets_condition()
        numbers = {"count": found.secrets, "lost": found.lost, "waiting": found.waiting}
        lines = [session.say("cli.secrets.count", count=found.secrets, where=where)]
        if found.lost:
            lines.append(session.say("cli.secrets.lost", lost=found.lost))
        if found.waiting:
            lines.append(session.say("cli.secrets.waiting", waiting=found.waiting))
        session.answer({**numbers, "key": where}, "\n".join(lines))
        ctx.exit(1 if found.lost else 0)

    _add_remote(command, language)
    return command


def _add_remote(group: click.Group, language: Language) -> None:
    def said(code: str) -> str:
        return text(f"cli.secrets.{code}", language)

    @group.command("list", help=said("list"))
    @click.option("--project", default="", help=said("project"))
    @on_server(language)
    @limited(language)
    def listed(*, project: str, limit: int, **_: object) -> None:
        session = Session.here()
        columns = ("name", "project", "version", "member", "at")
        with connected(session) as client:
            found = client.vault.secrets(project=project)
            show_list(
                session,
                found,
                limit=limit,
                columns=columns,
                row=lambda s: (s.name, s.project, str(s.version), s.member, moment(s.at)),
            )

    @group.command("put", help=said("put"))
    @click.argument("name")
    @click.option("--project", default="", help=said("project"))
    @click.option("--from-file", type=click.Path(path_type=Path), help=said("from_file"))
    @on_server(language)
    def put(*, name: str, project: str, from_file: Path | None, **_: object) -> None:
        from yunhe.client.wire.vault import SecretValue  # noqa: PLC0415

        session = Session.here()
        value = base64.b64encode(_value(session, from_file)).decode()
        with connected(session) as client:
            sent = checked(SecretValue, {"value": value, "encoding": "base64"})
            made = client.vault.put(name, sent, project=project)
        fields = {"name": made.name, "project": made.project, "version": str(made.version)}
        show_one(session, made, fields)

    @group.command("remove", help=said("remove"))
    @click.argument("name")
    @click.option("--project", default="", help=said("project"))
    @on_server(language)
    def remove(*, name: str, project: str, **_: object) -> None:
        session = Session.here()
        with connected(session) as client:
            client.vault.remove(name, project=project)
        session.answer({"removed": name}, session.say("cli.secrets.removed", name=name))


def _value(session: Session, file: Path | None) -> bytes:
    """From a file as it is, typed without being shown, or piped in without the last line's end."""
    if file is not None:
        if not file.is_file():
            raise NotFound("cli.no_file", path=str(file))
        return file.read_bytes()
    if sys.stdin.isatty():
        return hidden(session, "cli.secrets.ask").encode()
    found = sys.stdin.buffer.read().removesuffix(b"\n")
    if not found:
        raise Invalid("cli.nothing_given", what=session.say("cli.secrets.ask"))
    return found


COMMANDS = {"secrets": secrets}
