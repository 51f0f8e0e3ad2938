"""`yunhe award`: apply for device time, vouchers and grants, and follow what becomes of it."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from yunhe.cli.awarded import given, rules_said, show_application, show_in_full, show_payment
from yunhe.cli.guaranteeing import add_guaranteeing
from yunhe.cli.judging import add_judging
from yunhe.cli.naming import means
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
    from yunhe.client.wire.applications import Application

_FILE_BYTES_MAX = 1 << 18


def award(language: Language) -> click.Command:
    """Applications and what came of them, on a server."""

    @click.group("award", invoke_without_command=True, help=text("cli.award", language))
    @click.option("--state", default="", metavar="STATE", help=text("cli.award.state", language))
    @on_server(language)
    @limited(language)
    @click.pass_context
    def group(ctx: click.Context, /, *, state: str, limit: int, **_: object) -> None:
        if ctx.invoked_subcommand is not None:
            return
        session = Session.here()
        with connected(session) as client:
            columns = ("application", "programme", "state", "asked", "due", "name")
            found = client.applications.listed(state=state)
            show_list(
                session, found, limit=limit, columns=columns, row=lambda each: _row(session, each)
            )

    _add_looking(group, language)
    _add_applying(group, language)
    _add_more(group, language)
    _add_ending(group, language)
    add_judging(group, language)
    add_guaranteeing(group, language)
    return group


def _row(session: Session, each: Application) -> tuple[str, ...]:
    shown = state(session, each.state)
    asked = given(session, each)
    return each.id, each.programme, shown, asked, moment(each.due_at)[:10], each.title


def _add_looking(group: click.Group, language: Language) -> None:
    @group.command("show", help=text("cli.award.show", language))
    @click.argument("application")
    @on_server(language)
    def show(*, application: str, **_: object) -> None:
        session = Session.here()
        with connected(session) as client:
            show_in_full(session, client.applications.application(application))

    @group.command("programmes", help=text("cli.award.programmes", language))
    @on_server(language)
    @limited(language)
    def programmes(*, limit: int, **_: object) -> None:
        session = Session.here()
        with connected(session) as client:
            show_list(
                session,
                client.applications.programmes(),
                limit=limit,
                columns=("programme", "name", "version", "facts"),
                row=lambda each: (
                    each.id,
                    each.title,
                    f"{each.version} {each.digest[7:15]}",
                    ", ".join(fact.id for fact in each.asks if not fact.told_by_platform),
                ),
            )

    @group.command("explain", help=text("cli.award.explain", language))
    @click.argument("file", type=click.File("rb"))
    @on_server(language)
    def explain(*, file: Any, **_: object) -> None:  # noqa: ANN401 (click's)
        from yunhe.client.wire.applications import NewRuling  # noqa: PLC0415

        session = Session.here()
        asked = checked(NewRuling, {"programme": "yunhe", **_yaml(session, file)})
        with connected(session) as client:
            found = client.applications.explain(asked)
        fields = {
            "outcome": session.say(f"cli.award.outcome.{found.outcome}"),
            "why": rules_said(session, found.rules, found.outcome),
            "missing": ", ".join(found.missing),
        }
        show_one(session, found, fields)


def _add_applying(group: click.Group, language: Language) -> None:
    @group.command("apply", help=text("cli.award.apply", language))
    @click.argument("file", type=click.File("rb"))
    @click.option("--key", default="", metavar="WORD", help=text("cli.submit.key", language))
    @on_server(language)
    def apply(*, file: Any, key: str, **_: object) -> None:  # noqa: ANN401 (click's)
        from yunhe.client.wire.applications import NewApplication  # noqa: PLC0415

        session = Session.here()
        asked = checked(NewApplication, _yaml(session, file))
        with connected(session) as client:
            show_application(session, client.applications.apply(asked, key=key))

    @group.command("amend", help=text("cli.award.amend", language))
    @click.argument("application")
    @click.option("--fact", multiple=True, metavar="NAME=VALUE", help=_said("fact", language))
    @click.option("--reason", required=True, help=_said("reason", language))
    @on_server(language)
    def amend(*, application: str, fact: tuple[str, ...], reason: str, **_: object) -> None:
        from yunhe.client.wire.applications import Amendment  # noqa: PLC0415

        session = Session.here()
        told = {"reason": reason, "facts": _facts(session, fact)}
        with connected(session) as client:
            made = client.applications.amend(application, checked(Amendment, told))
            show_application(session, made)


def _add_more(group: click.Group, language: Language) -> None:
    @group.command("extend", help=text("cli.award.extend", language))
    @click.argument("application")
    @click.option("--hours", type=int, default=0, help=_said("add_hours", language))
    @click.option("--months", type=int, default=0, help=_said("add_months", language))
    @click.option("--reason", required=True, help=_said("reason", language))
    @click.option("--key", default="", metavar="WORD", help=text("cli.submit.key", language))
    @on_server(language)
    def extend(
        *, application: str, hours: int, months: int, reason: str, key: str, **_: object
    ) -> None:
        more = {"kind": "extension", "add_hours": hours, "add_months": months, "title": reason}
        _ask(application, more, key)

    @group.command("change", help=text("cli.award.change", language))
    @click.argument("application")
    @click.option("--chip", required=True, help=_said("chip", language))
    @click.option("--fact", multiple=True, metavar="NAME=VALUE", help=_said("fact", language))
    @click.option("--reason", required=True, help=_said("reason", language))
    @click.option("--key", default="", metavar="WORD", help=text("cli.submit.key", language))
    @on_server(language)
    def change(
        *, application: str, chip: str, fact: tuple[str, ...], reason: str, key: str, **_: object
    ) -> None:
        facts = _facts(Session.here(), fact)
        _ask(application, {"kind": "change", "chip": chip, "facts": facts, "title": reason}, key)


def _ask(application: str, more: dict[str, object], key: str) -> None:
    """Apply for something about an award, under the programme it came of."""
    from yunhe.client.wire.applications import NewApplication  # noqa: PLC0415

    session = Session.here()
    means(title="reason")
    with connected(session) as client:
        about = client.applications.application(application)
        known = {"concerns": about.id, "programme": about.programme, "project": about.project}
        made = client.applications.apply(checked(NewApplication, {**known, **more}), key=key)
        show_application(session, made)


def _add_ending(group: click.Group, language: Language) -> None:
    file = click.Path(path_type=Path, dir_okay=False, exists=True)

    @group.command("withdraw", help=text("cli.award.withdraw", language))
    @click.argument("application")
    @click.option("--reason", required=True, help=_said("reason", language))
    @on_server(language)
    def withdraw(*, application: str, reason: str, **_: object) -> None:
        from yunhe.client.wire.deciding import Because  # noqa: PLC0415

        session = Session.here()
        with connected(session) as client:
            told = checked(Because, {"reason": reason})
            show_application(session, client.applications.withdraw(application, told))

    @group.command("report", help=text("cli.award.report", language))
    @click.argument("application")
    @click.argument("document", type=file)
    @click.option("--reason", required=True, help=_said("reason", language))
    @on_server(language)
    def report(*, application: str, document: Path, reason: str, **_: object) -> None:
        from yunhe.client.wire.deciding import FinalReport  # noqa: PLC0415

        session = Session.here()
        with connected(session) as client:
            told = {"document": client.uploads.send(document).digest, "reason": reason}
            made = client.applications.report(application, checked(FinalReport, told))
            show_application(session, made)

    @group.command("claim", help=text("cli.award.claim", language))
    @click.argument("application")
    @click.option("--payment", type=int, default=1, help=_said("payment", language))
    @click.option(
        "--evidence", multiple=True, metavar="NAME=FILE", help=_said("evidence", language)
    )
    @click.option("--reason", required=True, help=_said("reason", language))
    @on_server(language)
    def claim(
        *, application: str, payment: int, evidence: tuple[str, ...], reason: str, **_: object
    ) -> None:
        from yunhe.client.wire.deciding import Redemption  # noqa: PLC0415

        session = Session.here()
        with connected(session) as client:
            shown = {name: _sent(client, path) for name, path in _pairs(session, evidence)}
            told = {"payment": payment, "evidence": shown, "reason": reason}
            made = client.applications.redeem(application, checked(Redemption, told))
            show_payment(session, made)


def _said(name: str, language: Language) -> str:
    return text(f"cli.award.{name}", language)


def _sent(client: Client, value: str) -> str:
    """A digest as it is; a file is uploaded first."""
    return value if value.startswith("sha256:") else client.uploads.send(Path(value)).digest


def _pairs(session: Session, given_: Iterable[str]) -> list[tuple[str, str]]:
    pairs = [each.partition("=") for each in given_]
    if any(not equals or not name for name, equals, _ in pairs):
        raise click.UsageError(session.say("cli.award.no_pair"))
    return [(name, value) for name, _, value in pairs]


def _facts(session: Session, given_: Iterable[str]) -> dict[str, object]:
    """``device_hours=100``, ``contract_covers=[compute]``, ``registered=true`` as they read."""
    import yaml  # noqa: PLC0415

    try:
        return {name: _told(yaml.safe_load(value)) for name, value in _pairs(session, given_)}
    except (yaml.YAMLError, RecursionError, ValueError):
        raise click.UsageError(session.say("cli.award.no_yaml")) from None


def _yaml(session: Session, file: Any) -> dict[str, object]:  # noqa: ANN401 (click's)
    import yaml  # noqa: PLC0415

    data = file.read(_FILE_BYTES_MAX + 1)
    if len(data) > _FILE_BYTES_MAX:  # cut off, it might read as another application
        raise click.UsageError(session.say("cli.award.no_yaml"))
    try:
        said = _told(yaml.safe_load(data))
    except (yaml.YAMLError, RecursionError, ValueError):
        raise click.UsageError(session.say("cli.award.no_yaml")) from None
    if not isinstance(said, dict):
        raise click.UsageError(session.say("cli.award.no_yaml"))
    return cast("dict[str, object]", said)


def _told(value: object) -> object:
    """YAML's own days as texts; they are days to the server, too."""
    if isinstance(value, dict):
        return {name: _told(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_told(each) for each in value]
    return value.isoformat() if isinstance(value, datetime.date) else value


COMMANDS = {"award": award}
