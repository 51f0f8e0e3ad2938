"""`yunhe award`: apply for device time, vouchers and grants, and follow what becomes of it."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

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
    worded,
)
from yunhe.cli.session import Session
from yunhe.kernel.language import Language, text

if TYPE_CHECKING:
    from yunhe.client.client import Client
    from yunhe.client.wire.applications import Application, ApplicationInFull, Window
    from yunhe.client.wire.programmes import Rule

_FILE_BYTES_MAX = 1 << 18
_MS_PER_HOUR = 3_600_000
_RATES_SHOWN = 12
_COMMANDS = {"redeem": "claim"}  # steps whose command has another name


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
    return each.id, each.programme, shown, given(each), moment(each.due_at)[:10], each.title


def given(each: Application) -> str:
    """What was awarded, or of money what is asked for."""
    if each.currency:
        return _money(each.amount_minor, each.currency)
    hours = _hours(each.granted_ms) if each.granted_ms else ""
    return f"{hours} {each.chip}".strip()


def _money(amount_minor: int, currency: str) -> str:
    from yunhe.kernel.units import format_minor  # noqa: PLC0415

    return f"{format_minor(amount_minor, currency)} {currency}"


def _hours(device_ms: int) -> str:
    """Device-hours to the thousandth, never in powers of ten."""
    return f"{round(device_ms / _MS_PER_HOUR, 3):,.15g} h"


def show_application(session: Session, found: Application) -> None:
    """One application for a person, with the rules that counted and what is possible now."""
    fields = {
        "application": found.id,
        "name": found.title,
        "organisation": found.organisation,
        "programme": found.programme,
        "concerns": found.concerns,
        "state": state(session, found.state),
        "asked": given(found),
        "why": _rules(session, found.rules),
        "missing": ", ".join(found.missing),
        "due": moment(found.due_at),
        "decided_by": found.decided_by,
        "expires": moment(found.ends_at),
        "possible": ", ".join(_COMMANDS.get(each, each) for each in found.possible),
        "awards": ", ".join(found.awards),
        "reference": found.reference,
    }
    show_one(session, found, fields)


def payment_state(session: Session, word: str) -> str:
    """How a payment stands: open means that nobody asked for it yet."""
    return worded(session, "payment", word)


def _done(session: Session, action: str) -> str:
    return worded(session, "step", action)


def _rules(session: Session, rules: Iterable[Rule]) -> str:
    unchecked = session.say("cli.award.unverified")
    said = (f"{r.rule}: {r.text}{'' if r.verified else f' ({unchecked})'}" for r in rules)
    return " ".join(said)


def _show_in_full(session: Session, found: ApplicationInFull) -> None:
    show_application(session, found)
    if session.as_json:
        return
    steps = "\n".join(
        f"  {moment(step.at)}  {_done(session, step.action)}  {step.actor}  {step.reason}"
        for step in found.steps
    )
    facts = "\n".join(f"  {name}: {_fact(told)}" for name, told in sorted(found.facts.items()))
    windows = "\n".join(
        f"  {window.starts_at[:10]} – {window.ends_at[:10]}  "
        f"{_hours(window.device_ms)} {window.chip}  {window.award}{_counted(window)}"
        for window in found.windows
    )
    payments = "\n".join(
        f"  {one.number}  {one.name}  {_money(one.amount_minor, found.currency)}"
        f"  {payment_state(session, one.state)}"
        for one in found.payments
    )
    parts = {"asked": facts, "steps": steps, "windows": windows, "payments": payments}
    for heading, lines in parts.items():
        if lines:
            session.answer({}, _plain(f"{session.say(f'cli.award.{heading}')}\n{lines}"))


def _fact(told: object) -> str:
    """As it stands in a proposal's file."""
    if isinstance(told, bool):
        return "true" if told else "false"
    return ", ".join(map(str, told)) if isinstance(told, list) else str(told)


def _counted(window: Window) -> str:
    """How an hour of each chip counts, of an award for several."""
    accepts = window.accepts
    if accepts is None:
        return ""
    rates = ", ".join(
        f"{each.chip} {each.workload_class} {each.per_thousand / 1_000:g}"
        for each in accepts.rates[:_RATES_SHOWN]
    )
    more = " …" if len(accepts.rates) > _RATES_SHOWN else ""
    return f"\n      1 h = {accepts.reference} ({accepts.version}): {rates}{more}"


def _plain(lines: str) -> Any:  # noqa: ANN401 (rich is imported late)
    from rich.text import Text  # noqa: PLC0415

    return Text("".join(c if c == "\n" or c.isprintable() else " " for c in lines))


def _add_looking(group: click.Group, language: Language) -> None:
    @group.command("show", help=text("cli.award.show", language))
    @click.argument("application")
    @on_server(language)
    def show(*, application: str, **_: object) -> None:
        session = Session.here()
        with connected(session) as client:
            _show_in_full(session, client.applications.application(application))

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
            "why": _rules(session, found.rules),
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
            fields = {"name": made.name, "state": payment_state(session, made.state)}
            show_one(session, made, fields)


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
