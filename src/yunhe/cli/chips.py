"""`yunhe chips`: the catalogue of chips, rate cards between them, and objections to rates."""

from __future__ import annotations

from pathlib import Path
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
    table,
)
from yunhe.cli.remote import state as stated
from yunhe.cli.session import Session
from yunhe.kernel.errors import NotFound
from yunhe.kernel.language import Language, text

if TYPE_CHECKING:
    from yunhe.client.wire.rating import Chip, Dispute, RateCard

_FILE_BYTES_MAX = 1 << 20
_MS_PER_HOUR = 3_600_000
_US_PER_HOUR = 3_600_000_000


def chips(language: Language) -> click.Command:
    """Chips and how they compare, on a server."""

    @click.group("chips", help=text("cli.chips", language))
    def command() -> None:
        return

    for make in (_list, _show, _rates, _publish, _normalise, _disputes, _dispute, _decide):
        command.add_command(make(language))
    return command


def _said(language: Language, code: str) -> str:
    return text(f"cli.chips.{code}", language)


def _list(language: Language) -> click.Command:
    @click.command("list", help=_said(language, "list"))
    @click.option("--offered", is_flag=True, help=_said(language, "offered"))
    @on_server(language)
    @limited(language)
    def command(*, offered: bool, limit: int, **_: object) -> None:
        session = Session.here()
        with connected(session) as client:
            found = client.supply.chips()
        show_list(
            session,
            (chip for chip in found.chips if chip.devices or not offered),
            limit=limit,
            columns=("chip", "vendor", "name", "kind", "memory", "introduced", "devices"),
            row=_row,
        )
        if not session.as_json:
            click.echo(session.say("cli.chips.as_of", version=found.version, day=found.as_of))

    return command


def _row(chip: Chip) -> tuple[str, ...]:
    return (
        chip.id,
        chip.vendor,
        chip.name,
        chip.kind,
        _memory(chip),
        chip.introduced,
        str(chip.devices),
    )


def _memory(chip: Chip) -> str:
    return "/".join(map(str, chip.memory_gib)) + " GiB"


def _show(language: Language) -> click.Command:
    @click.command("show", help=_said(language, "show"))
    @click.argument("name", metavar="CHIP")
    @on_server(language)
    def command(*, name: str, **_: object) -> None:
        session = Session.here()
        with connected(session) as client:
            found = next((c for c in client.supply.chips().chips if c.id == name), None)
        if found is None:
            raise NotFound("compute.chip_not_listed", chip=name[:64])
        fields = {
            "chip": found.id,
            "vendor": found.vendor,
            "name": found.name,
            "memory": _memory(found),
            "introduced": found.introduced,
            "devices": str(found.devices),
            "source": found.source,
            "verified": _checked(session, verified=found.verified),
        }
        show_one(session, found, fields)
        if not session.as_json:
            rows = [
                (n.valid_from, n.valid_to, n.note, n.source, _checked(session, verified=n.verified))
                for n in found.export
            ]
            columns = ("from", "until", "export", "source", "verified")
            session.answer({}, table(session, columns, rows))

    return command


def _checked(session: Session, *, verified: bool) -> str:
    return session.say("cli.chips.verified" if verified else "cli.chips.unverified")


def _rates(language: Language) -> click.Command:
    @click.command("rates", help=_said(language, "rates"))
    @click.option("--version", type=click.IntRange(1), help=_said(language, "version"))
    @on_server(language)
    def command(*, version: int | None, **_: object) -> None:
        session = Session.here()
        with connected(session) as client:
            found = next(
                (c for c in client.supply.cards() if version in (None, c.version)),
                None,
            )
        if found is None:
            raise NotFound("compute.rate_card_unknown", card=str(version or "–"))
        _show_card(session, found)

    return command


def _show_card(session: Session, found: RateCard) -> None:
    fields = {
        "rate_card": found.id,
        "version": str(found.version),
        "reference_chip": found.reference,
        "from": moment(found.from_at),
        "source": found.provenance,
        "digest": found.digest,
    }
    show_one(session, found, fields)
    if not session.as_json:
        rows = [
            (
                rate.workload_class,
                rate.chip,
                str(rate.per_thousand),
                rate.provenance,
                _checked(session, verified=rate.verified),
            )
            for rate in found.rates
        ]
        columns = ("workload_class", "chip", "per_thousand", "source", "verified")
        session.answer({}, table(session, columns, rows))


def _publish(language: Language) -> click.Command:
    @click.command("publish", help=_said(language, "publish"))
    @click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
    @click.option("--key", default="", metavar="WORD", help=text("cli.submit.key", language))
    @on_server(language)
    def command(*, file: Path, key: str, **_: object) -> None:
        import yaml  # noqa: PLC0415

        from yunhe.client.wire.rating import NewRateCard  # noqa: PLC0415

        session = Session.here()
        with file.open("rb") as opened:
            given = opened.read(_FILE_BYTES_MAX + 1)
        try:
            said = yaml.safe_load(given) if len(given) <= _FILE_BYTES_MAX else None
        except (yaml.YAMLError, RecursionError, ValueError):
            said = None
        if not isinstance(said, dict):
            raise click.UsageError(session.say("cli.chips.no_yaml", file=str(file)))
        with connected(session) as client:
            made = client.supply.publish(checked(NewRateCard, said), key=key)
        _show_card(session, made)

    return command


def _normalise(language: Language) -> click.Command:
    @click.command("normalise", help=_said(language, "normalise"))
    @click.argument("chip")
    @click.argument("workload_class", metavar="CLASS")
    @click.argument("hours", type=click.IntRange(0, 10**6))
    @on_server(language)
    def command(*, chip: str, workload_class: str, hours: int, **_: object) -> None:
        session = Session.here()
        with connected(session) as client:
            found = client.supply.normalised(chip, workload_class, hours * _MS_PER_HOUR)
        if found.reference_us is None:
            if session.as_json:
                session.answer(found.model_dump())
                return
            click.echo(session.say("cli.chips.no_rate", chip=chip, workload_class=workload_class))
            return
        fields = {
            "hours": str(hours),
            "normalised": f"{found.reference_us / _US_PER_HOUR:,.3f} h × {found.reference}",
            "version": str(found.version),
            "verified": _checked(session, verified=found.verified),
            "disputed": session.say("cli.chips.disputed") if found.disputed else "",
        }
        show_one(session, found, fields)

    return command


def _disputes(language: Language) -> click.Command:
    @click.command("disputes", help=_said(language, "disputes"))
    @on_server(language)
    @limited(language)
    def command(*, limit: int, **_: object) -> None:
        session = Session.here()
        with connected(session) as client:
            show_list(
                session,
                client.supply.disputes(),
                limit=limit,
                columns=("dispute", "chip", "workload_class", "state", "at", "why"),
                row=lambda each: (
                    each.id,
                    each.chip,
                    each.workload_class,
                    stated(session, each.state),
                    moment(each.at),
                    each.decision or each.reason,
                ),
            )

    return command


def _dispute(language: Language) -> click.Command:
    @click.command("dispute", help=_said(language, "dispute"))
    @click.argument("card", metavar="RATE-CARD")
    @click.argument("chip")
    @click.argument("workload_class", metavar="CLASS")
    @click.option("--reason", required=True, help=text("cli.pool.reason", language))
    @click.option("--key", default="", metavar="WORD", help=text("cli.submit.key", language))
    @on_server(language)
    def command(
        *, card: str, chip: str, workload_class: str, reason: str, key: str, **_: object
    ) -> None:
        from yunhe.client.wire.rating import NewDispute  # noqa: PLC0415

        session = Session.here()
        sent = {"card": card, "chip": chip, "workload_class": workload_class, "reason": reason}
        with connected(session) as client:
            made = client.supply.dispute(checked(NewDispute, sent), key=key)
        _show_dispute(session, made)

    return command


def _decide(language: Language) -> click.Command:
    @click.command("decide", help=_said(language, "decide"))
    @click.argument("dispute")
    @click.argument("verdict", type=click.Choice(("upheld", "rejected")))
    @click.option("--reason", required=True, help=text("cli.pool.reason", language))
    @on_server(language)
    def command(*, dispute: str, verdict: str, reason: str, **_: object) -> None:
        from yunhe.client.wire.rating import DisputeDecision  # noqa: PLC0415

        session = Session.here()
        sent = checked(DisputeDecision, {"verdict": verdict, "reason": reason})
        with connected(session) as client:
            made = client.supply.decide(dispute, sent)
        _show_dispute(session, made)

    return command


def _show_dispute(session: Session, made: Dispute) -> None:
    fields = {
        "dispute": made.id,
        "chip": made.chip,
        "workload_class": made.workload_class,
        "organisation": made.organisation,
        "why": made.reason,
        "state": stated(session, made.state),
        "decided_by": made.decided_by,
        "result": made.decision,
    }
    show_one(session, made, fields)


COMMANDS = {"chips": chips}
