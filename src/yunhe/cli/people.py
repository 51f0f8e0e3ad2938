"""`yunhe members`, `yunhe invite` and `yunhe keys`: who may do what on a server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from yunhe.cli import logins
from yunhe.cli.naming import means
from yunhe.cli.remote import (
    checked,
    connected,
    given,
    limited,
    moment,
    on_server,
    plain,
    show_list,
    show_one,
)
from yunhe.cli.session import Session
from yunhe.kernel.clock import SystemClock, iso
from yunhe.kernel.language import Language, text

if TYPE_CHECKING:
    from yunhe.client.wire.credentials import Key
    from yunhe.client.wire.identity import Member, Role

KINDS = ("operator", "provider", "data_holder", "university", "company", "sme", "service_provider",
         "evaluator", "regulator")  # fmt: skip
"""What an organisation may be; as in the messages, which the help need not wait for."""


def members(language: Language) -> click.Command:
    """Lists members and changes their roles."""

    def said(code: str) -> str:
        return text(f"cli.members.{code}", language)

    @click.group("members", invoke_without_command=True, help=text("cli.members", language))
    @on_server(language)
    @limited(language)
    @click.pass_context
    def group(ctx: click.Context, /, *, limit: int, **_: object) -> None:
        if ctx.invoked_subcommand is None:
            session = Session.here()
            with connected(session) as client:
                columns = ("member", "name", "kind", "roles", "ended")
                found = client.identity.members()
                show_list(session, found, limit=limit, columns=columns, row=_member)

    @group.command("grant", help=said("grant"))
    @click.argument("member")
    @click.argument("role")
    @click.option("--project", default="", help=said("project"))
    @on_server(language)
    def grant(member: str, role: str, *, project: str, **_: object) -> None:
        from yunhe.client.wire.identity import GivenRole  # noqa: PLC0415

        session = Session.here()
        sent = checked(GivenRole, {"role": role, "project": project})
        with connected(session) as client:
            _show_member(session, client.identity.grant_role(member, sent))

    @group.command("revoke", help=said("revoke"))
    @click.argument("member")
    @click.argument("role")
    @click.option("--project", default="", help=said("project"))
    @on_server(language)
    def revoke(member: str, role: str, *, project: str, **_: object) -> None:
        session = Session.here()
        with connected(session) as client:
            found = client.identity.revoke_role(member, cast("Role", role), project=project)
        _show_member(session, found)

    @group.command("end", help=said("end"))
    @click.argument("member")
    @on_server(language)
    def end(member: str, **_: object) -> None:
        session = Session.here()
        with connected(session) as client:
            _show_member(session, client.identity.end_member(member))

    return group


def invite(language: Language) -> click.Command:
    """Invites a person."""

    def said(code: str) -> str:
        return text(f"cli.invite.{code}", language)

    @click.command("invite", help=text("cli.invite", language))
    @click.option("--role", "roles", multiple=True, help=said("role"))
    @click.option("--project", default="", help=said("project"))
    @click.option("--contact", default="", help=said("contact"))
    @click.option("--days", type=click.IntRange(1), default=7, show_default=True, help=said("days"))
    @click.option("--new-organisation", default="", metavar="NAME", help=said("new"))
    @click.option("--kind", type=click.Choice(KINDS), help=said("kind"))
    @on_server(language)
    def command(
        *,
        roles: tuple[str, ...],
        project: str,
        contact: str,
        days: int,
        new_organisation: str,
        kind: str | None,
        **_: object,
    ) -> None:
        from yunhe.client.wire.credentials import Offer  # noqa: PLC0415

        session = Session.here()
        means(new_name="new_organisation", project_roles="roles")
        asked = {
            "roles": [] if project else list(roles),
            "project_roles": {project: list(roles)} if project else {},
            "contact": contact,
            "days": days,
            "new_name": new_organisation,
            "new_kind": kind,
        }
        with connected(session) as client:
            made = client.credentials.invite(checked(Offer, asked))
            server = logins.server_of(given("server"), logins.load())
        if session.as_json:
            session.answer(made.model_dump())
            return
        until = moment(made.invitation.expires_at)
        click.echo(session.say("cli.invite.done", id=made.invitation.id, until=until))
        click.echo(f"\n  {made.token}\n")
        click.echo(session.say("cli.invite.how", server=server))

    return command


def keys(language: Language) -> click.Command:
    """Lists, issues and revokes keys."""

    @click.group("keys", invoke_without_command=True, help=text("cli.keys", language))
    @on_server(language)
    @limited(language)
    @click.pass_context
    def group(ctx: click.Context, /, *, limit: int, **_: object) -> None:
        if ctx.invoked_subcommand is None:
            session = Session.here()
            columns = ("key", "label", "scopes", "expires", "used", "state")
            with connected(session) as client:
                found = client.credentials.issued_keys()
                show_list(
                    session,
                    found,
                    limit=limit,
                    columns=columns,
                    row=lambda each: _key(session, each),
                )

    _add_issuing(group, language)
    return group


def _add_issuing(group: click.Group, language: Language) -> None:
    def said(code: str) -> str:
        return text(f"cli.keys.{code}", language)

    @group.command("new", help=said("new"))
    @click.option("--label", default="", help=said("label"))
    @click.option("--scope", "scopes", multiple=True, required=True, help=said("scope"))
    @click.option(
        "--days", type=click.IntRange(1), default=30, show_default=True, help=said("days")
    )
    @click.option("--project", default="", help=said("project"))
    @click.option("--member", help=said("member"))
    @click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help=said("output"))
    @on_server(language)
    def new(
        *,
        label: str,
        scopes: tuple[str, ...],
        days: int,
        project: str,
        member: str | None,
        output: Path | None,
        **_: object,
    ) -> None:
        from yunhe.client.wire.credentials import NewKey  # noqa: PLC0415

        session = Session.here()
        asked = {"label": label, "scopes": list(scopes), "days": days, "project": project}
        asked |= {} if member is None else {"member": member}
        with connected(session) as client:
            made = client.credentials.issue_key(checked(NewKey, asked))
        if output is not None:
            logins.write_private(output, made.secret)
            shown = session.say("cli.keys.kept", key=made.id, path=str(output))
            session.answer({"id": made.id, "output": str(output)}, shown)
        elif session.as_json:
            session.answer(made.model_dump())
        else:
            click.echo(session.say("cli.keys.made", key=made.id))
            click.echo(f"\n  {made.secret}\n")

    @group.command("revoke", help=said("revoke"))
    @click.argument("key")
    @on_server(language)
    def revoke(key: str, **_: object) -> None:
        session = Session.here()
        with connected(session) as client:
            found = client.credentials.revoke_key(key)
        session.answer(found.model_dump(), session.say("cli.keys.revoked", key=found.id))


def _member(each: Member) -> tuple[str, ...]:
    return each.id, each.name, each.kind, _roles(each), moment(each.ended_at)


def _roles(each: Member) -> str:
    return ", ".join(
        f"{held.role} ({held.project})" if held.project else held.role for held in each.roles
    )


def _show_member(session: Session, found: Member) -> None:
    fields = {
        "member": found.id,
        "name": plain(found.name),
        "kind": found.kind,
        "roles": _roles(found) or "–",
        "ended": moment(found.ended_at),
    }
    show_one(session, found, fields)


def _key(session: Session, each: Key) -> tuple[str, ...]:
    over = each.expires_at is not None and each.expires_at <= iso(SystemClock().now_us())
    state = "dead" if each.revoked_at else "over" if over else "live"
    return (
        each.id,
        each.label,
        ", ".join(each.scopes),
        moment(each.expires_at),
        moment(each.used_at),
        session.say(f"cli.keys.{state}"),
    )


COMMANDS = {"members": members, "invite": invite, "keys": keys}
