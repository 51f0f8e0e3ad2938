"""`yunhe award window`: devices guaranteed to an award's holder for a while."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from yunhe.cli.remote import (
    checked,
    connected,
    limited,
    moment,
    on_server,
    show_list,
    show_one,
    state,
)
from yunhe.cli.session import Session
from yunhe.kernel.language import Language, text

if TYPE_CHECKING:
    from yunhe.client.client import Client
    from yunhe.client.wire.windows import GuaranteedWindow

_COLUMNS = ("window", "state", "chip", "devices", "used_now", "from", "until")


def add_guaranteeing(group: click.Group, language: Language) -> None:
    """Add the commands to ``yunhe award``."""
    _add_window(group, language)
    _add_windows(group, language)


def _said(name: str, language: Language) -> str:
    return text(f"cli.award.window.{name}", language)


def _add_window(group: click.Group, language: Language) -> None:
    @group.command("window", help=text("cli.award.window", language))
    @click.argument("award", metavar="AWARD|WINDOW")
    @click.option("--devices", type=int, help=_said("devices", language))
    @click.option("--from", "since", metavar="TIME", help=_said("from", language))
    @click.option("--until", metavar="TIME", help=_said("until", language))
    @click.option("--pool", default="", help=_said("pool", language))
    @click.option("--site", default="", help=_said("site", language))
    @click.option("--project", default="", help=_said("project", language))
    @click.option("--withdraw", is_flag=True, help=_said("withdraw", language))
    @click.option("--reason", required=True, help=text("cli.award.reason", language))
    @click.option("--key", default="", metavar="WORD", help=text("cli.submit.key", language))
    @on_server(language)
    def window(*, award: str, key: str, **said: object) -> None:
        session = Session.here()
        changes = award.startswith("window_")
        given = {name: said[name] for name in ("devices", "reason")}
        given["until_at"] = _when(said["until"])
        others = {name: said[name] for name in ("pool", "site", "project")}
        if changes and any((said["since"], *others.values())):
            raise click.UsageError(session.say("cli.award.window.moved"))
        if said["withdraw"] and not changes:
            raise click.UsageError(session.say("cli.award.window.which"))
        with connected(session) as client:
            if changes:
                made = _changed(client, award, {**given, "withdraw": said["withdraw"]})
            else:
                given = {"award": award, "from_at": _when(said["since"]), **given, **others}
                made = _given(client, given, key)
        _show(session, made)


def _given(client: Client, said: dict[str, object], key: str) -> GuaranteedWindow:
    from yunhe.client.wire.windows import NewWindow  # noqa: PLC0415

    return client.compute.guarantee(checked(NewWindow, said), key=key)


def _changed(client: Client, window: str, said: dict[str, object]) -> GuaranteedWindow:
    from yunhe.client.wire.windows import WindowChange  # noqa: PLC0415

    return client.compute.change_window(window, checked(WindowChange, said))


def _add_windows(group: click.Group, language: Language) -> None:
    @group.command("windows", help=text("cli.award.window.list", language))
    @on_server(language)
    @limited(language)
    def windows(*, limit: int, **_: object) -> None:
        session = Session.here()
        with connected(session) as client:
            found = client.compute.windows()
            show_list(
                session, found, limit=limit, columns=_COLUMNS, row=lambda one: _row(session, one)
            )


def _row(session: Session, one: GuaranteedWindow) -> tuple[str, ...]:
    used = f"{one.used}/{one.devices}" if one.state == "active" else ""
    begins, ends = moment(one.from_at), moment(one.ends_at)
    return one.id, state(session, one.state), one.chip, str(one.devices), used, begins, ends


def _show(session: Session, one: GuaranteedWindow) -> None:
    fields = dict(zip(_COLUMNS, _row(session, one), strict=True))
    fields |= {"pool": one.pool, "site": one.site, "short": str(one.missing or "")}
    fields |= {"why": one.ended_reason or one.reason, "reference": one.reference}
    show_one(session, one, fields)


def _when(said: object) -> str | None:
    """A day or a time as the server reads it; without an offset it is UTC."""
    if not isinstance(said, str):
        return None
    try:
        found = datetime.fromisoformat(said)
    except ValueError:
        return said  # the message's own check tells what is wrong with it
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).isoformat()
