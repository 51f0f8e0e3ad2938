"""`yunhe login`, `yunhe logout` and `yunhe whoami`: who this user is on which server."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from yunhe.cli import logins, remote
from yunhe.cli.remote import checked, connected, hidden, moment, on_server, show_one
from yunhe.cli.session import Session
from yunhe.kernel.errors import Conflict, Invalid
from yunhe.kernel.ids import derived_id
from yunhe.kernel.language import Language, text

if TYPE_CHECKING:
    from yunhe.client.client import Client
    from yunhe.client.wire.identity import Me


def login(language: Language) -> click.Command:
    """Keeps a server and a key."""

    @click.command("login", help=text("cli.login", language))
    @on_server(language)
    @click.option("--claim-token", is_flag=True, help=text("cli.login.claim", language))
    @click.option("--invitation", is_flag=True, help=text("cli.login.invitation", language))
    @click.option("--organisation", metavar="NAME", help=text("cli.login.organisation", language))
    @click.option("--name", metavar="NAME", help=text("cli.login.name", language))
    def command(
        *,
        server: str | None,
        key_file: Path | None,
        claim_token: bool,
        invitation: bool,
        organisation: str | None,
        name: str | None,
    ) -> None:
        from yunhe.client.client import Client  # noqa: PLC0415

        session = Session.here()
        if claim_token + invitation + (key_file is not None) > 1:
            raise Invalid("cli.login_ways")
        kept = logins.load()
        address = logins.server_of(server or _asked_server(session, kept), kept)
        if claim_token or invitation:
            with Client(address, "", remote.options(session)) as nobody:
                token = hidden(session, "cli.login.ask_token")
                person = name or _asked(session, "cli.login.ask_name")
                if claim_token:
                    place = organisation or _asked(session, "cli.login.ask_organisation")
                    key = _claimed(nobody, token, organisation=place, name=person)
                else:
                    key = _accepted(nobody, token, name=person)
        elif key_file is not None:
            key = logins.private(key_file).strip()
        else:
            key = hidden(session, "cli.login.ask_key")
        with Client(address, key, remote.options(session)) as client:
            me = client.identity.me()
        path = logins.keep(logins.with_key(kept, address, key))
        answer = {"server": address, "kept_in": str(path), "me": me.model_dump()}
        said = session.say(
            "cli.login.done",
            server=address,
            name=me.name or me.member,
            organisation=me.organisation.name,
            path=str(path),
        )
        session.answer(answer, _plain(said))

    return command


def logout(language: Language) -> click.Command:
    """Forgets the key of a server."""

    @click.command("logout", help=text("cli.logout", language))
    @click.option("--server", metavar="URL", help=text("cli.server", language))
    @click.option("--revoke-key", is_flag=True, help=text("cli.logout.revoke", language))
    def command(*, server: str | None, revoke_key: bool) -> None:
        from yunhe.client.client import Client  # noqa: PLC0415

        session = Session.here()
        kept = logins.load()
        address = logins.server_of(server, kept)
        key = kept.keys.get(address, "")
        if revoke_key and key:
            with Client(address, key, remote.options(session)) as client:
                client.credentials.revoke_key(client.identity.me().key)
        logins.keep(logins.without(kept, address))
        code = "cli.logout.done" if key else "cli.logout.nothing"
        answer = {"server": address, "forgotten": bool(key), "revoked": revoke_key and bool(key)}
        session.answer(answer, session.say(code, server=address))

    return command


def whoami(language: Language) -> click.Command:
    """Shows for whom the key acts."""

    @click.command("whoami", help=text("cli.whoami", language))
    @on_server(language)
    def command(**_: object) -> None:
        session = Session.here()
        with connected(session) as client:
            me = client.identity.me()
        show_one(session, me, _fields(me))

    return command


def _fields(me: Me) -> dict[str, str]:
    by_project = [f"{project}: {', '.join(roles)}" for project, roles in me.project_roles.items()]
    return {
        "member": me.member,
        "name": me.name,
        "organisation": f"{me.organisation.name} ({me.organisation.id})",
        "kind": me.organisation.kind,
        "roles": ", ".join(me.roles),
        "project_roles": "; ".join(by_project),
        "project": me.project,
        "scopes": ", ".join(me.scopes),
        "key": me.key,
        "expires": moment(me.expires_at),
    }


def _claimed(nobody: Client, token: str, *, organisation: str, name: str) -> str:
    from yunhe.client.wire.credentials import Claim  # noqa: PLC0415

    claim = checked(Claim, {"token": token, "organisation_name": organisation, "name": name})
    # The same token is the same request, so a key whose answer was lost comes once more.
    with _used_once():
        made = nobody.credentials.claim_operator(claim, key=derived_id("claim", token))
    return made.key.secret


def _accepted(nobody: Client, token: str, *, name: str) -> str:
    from yunhe.client.wire.credentials import Acceptance  # noqa: PLC0415

    sent = checked(Acceptance, {"token": token, "name": name})
    with _used_once():
        return nobody.credentials.accept(sent, key=derived_id("claim", token)).key.secret


@contextmanager
def _used_once() -> Iterator[None]:
    """Say of a token that was used under other names just that: nobody chose its request's key."""
    try:
        yield
    except Conflict as error:
        if error.code != "storage.key_reused":
            raise
        raise Conflict("cli.token_used") from None


def _asked_server(session: Session, kept: logins.Logins) -> str | None:
    if os.environ.get(logins.SERVER) or kept.current or not sys.stdin.isatty():
        return None
    return _asked(session, "cli.login.ask_server")


def _asked(session: Session, code: str) -> str:
    if sys.stdin.isatty():
        return str(click.prompt(session.say(code), err=True))
    found = sys.stdin.readline().strip()
    if not found:
        raise Invalid("cli.nothing_given", what=session.say(code))
    return found


def _plain(said: str) -> str:
    from rich.markup import escape  # noqa: PLC0415

    return escape(said)


COMMANDS = {"login": login, "logout": logout, "whoami": whoami}
