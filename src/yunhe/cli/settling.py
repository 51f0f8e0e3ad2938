"""`yunhe usage` and `yunhe statement`: what was used, what it cost, and whether all agree."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
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
from yunhe.cli.session import Session
from yunhe.kernel.errors import Unavailable
from yunhe.kernel.language import Language, text

if TYPE_CHECKING:
    from yunhe.client.wire.statements import (
        Invoice,
        Matched,
        ProviderStatement,
        Usage,
        UsageLine,
    )

_GROUPINGS = ("city", "organisation", "project", "provider", "pool", "site", "chip", "day")
_WATCH_SECONDS = 10.0
_MISMATCHES_SHOWN = 50


def usage(language: Language) -> click.Command:
    """Shows what was used and paid in a month."""

    def said(code: str) -> str:
        return text(f"cli.usage.{code}", language)

    @click.command("usage", help=text("cli.usage", language))
    @click.option("--period", default="", metavar="YYYY-MM", help=said("period"))
    @click.option("--by", type=click.Choice(_GROUPINGS), default="organisation", help=said("by"))
    @click.option("--to", type=click.Path(path_type=Path, dir_okay=False), help=said("to"))
    @click.option("--watch", is_flag=True, help=said("watch"))
    @on_server(language)
    def command(*, period: str, by: str, to: Path | None, watch: bool, **_: object) -> None:
        session = Session.here()
        month = period or datetime.now(UTC).strftime("%Y-%m")
        with connected(session) as client:
            if to is not None:
                form = "parquet" if to.suffix.lower() == ".parquet" else "csv"
                _save(session, to, client.statements.focus(month, form=form))
                return
            while True:
                found = client.statements.usage(month, by=by)
                if watch and not session.as_json:
                    click.clear()
                _show_usage(session, found)
                if not watch or session.as_json:
                    return
                time.sleep(_WATCH_SECONDS)

    return command


def _show_usage(session: Session, found: Usage) -> None:
    if session.as_json:
        session.answer(found.model_dump())
        return
    if not found.lines:
        session.answer({}, session.say("cli.list.empty"))
        return
    rows = [
        (
            f"{line.name} {line.group}".strip() or "–",
            str(line.charges),
            _raw(session, line),
            _normalised(session, line),
            _idle(session, line),
            _real(line),
            _money(line.cost_minor, line.currency),
            _money(line.voucher_minor, line.currency),
            _money(line.cash_minor, line.currency),
        )
        for line in found.lines
    ]
    names = ("group", "charges", "hours", "normalised", "idle", "real")
    session.answer({}, table(session, (*names, "cost", "voucher", "cash"), rows))
    _explain(session, found.lines)
    for code, hhi, parts in (
        ("concentration", found.hhi, found.shares),
        ("vendors", found.vendor_hhi, found.vendor_shares),
    ):
        said = ", ".join(f"{each.name} {each.share_basis_points / 100:.1f} %" for each in parts[:5])
        click.echo(session.say(f"cli.usage.{code}", hhi=hhi, shares=said))


def _raw(session: Session, line: UsageLine) -> str:
    """Raw hours; those of different chips are not added up for anybody to read."""
    if len(line.chips) > 1:
        return session.say("cli.usage.mixed", count=len(line.chips))
    return _hours(line.device_ms)


def _normalised(session: Session, said: UsageLine | Invoice) -> str:
    """Normalised hours with their chip, the share that has no rate, a mark for disputed rates."""
    shown = [f"{_hours(each.normalised_ms)} × {each.reference}" for each in said.normalised]
    marked = "*" if any(each.disputed_ms for each in said.normalised) else ""
    without = _percent(said.unrated_ms, said.device_ms)
    if not shown:
        return "–"
    left = f" ({session.say('cli.usage.unrated', percent=without)})" if said.unrated_ms else ""
    return f"{' + '.join(shown)}{marked}{left}"


def _idle(session: Session, line: UsageLine) -> str:
    """What was held without being used, and how much of it nobody can tell."""
    unknown = session.say("cli.usage.unknown")
    if line.unwatched_ms and line.unwatched_ms >= line.device_ms:
        return unknown
    mixed = len(line.chips) > 1
    idle = _percent(line.idle_ms, line.device_ms) if mixed else _hours(line.idle_ms)
    if not line.unwatched_ms:
        return idle
    return f"{idle} ({_percent(line.unwatched_ms, line.device_ms)} {unknown})"


def _real(line: UsageLine) -> str:
    """Real utilisation of what was allocated, and of how much of it anybody knows."""
    if not line.reported_ms:
        return "–"
    used = _percent(line.busy_ms, line.reported_ms)
    if line.reported_ms == line.device_ms:
        return used
    return f"{used} ({_percent(line.reported_ms, line.device_ms)})"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole + 0.0:.1f} %" if whole else "–"  # never "-0.0"


def _explain(session: Session, lines: list[UsageLine]) -> None:
    """Which versions and reference chips, and what the marks mean."""
    sums = [each for line in lines for each in line.normalised]
    cards = sorted({(each.reference, version) for each in sums for version in each.versions})
    if cards:
        said = ", ".join(f"{chip} ({version})" for chip, version in cards)
        click.echo(session.say("cli.usage.cards", cards=said))
    if any(each.disputed_ms for each in sums):
        click.echo(session.say("cli.usage.disputed"))
    if any(line.reported_ms not in (0, line.device_ms) for line in lines):
        click.echo(session.say("cli.usage.reported"))


def _hours(device_ms: int) -> str:
    return f"{device_ms / 3_600_000:,.2f}"


def _money(amount: int, unit: str) -> str:
    from yunhe.kernel.units import format_minor  # noqa: PLC0415

    return f"{format_minor(amount, unit)} {unit}"


def _save(session: Session, to: Path, body: bytes) -> None:
    """Put a file in its place, whole or not at all."""
    partial = to.with_name(f"{to.name}.partial")
    try:
        partial.write_bytes(body)
        partial.replace(to)
    except OSError as error:
        partial.unlink(missing_ok=True)
        reason = error.strerror or "–"
        raise Unavailable("cli.not_written", where=str(to), reason=reason) from None
    shown = session.say("cli.statement.saved", path=str(to))
    session.answer({"path": str(to), "bytes": len(body)}, shown)


def statement(language: Language) -> click.Command:
    """Invoices, providers' statements, and the match of all three."""

    @click.group("statement", help=text("cli.statement", language))
    def command() -> None:
        return

    for make in (_list, _show, _close, _hand_in, _match, _correct):
        command.add_command(make(language))
    return command


def _list(language: Language) -> click.Command:
    @click.command("list", help=text("cli.statement.list", language))
    @click.option("--received", is_flag=True, help=text("cli.statement.received", language))
    @on_server(language)
    @limited(language)
    def command(*, received: bool, limit: int, **_: object) -> None:
        session = Session.here()
        with connected(session) as client:
            if received:
                show_list(
                    session,
                    client.statements.statements(),
                    limit=limit,
                    columns=("statement", "provider", "period", "lines", "at"),
                    row=_received,
                )
                return
            show_list(
                session,
                client.statements.invoices(),
                limit=limit,
                columns=("invoice", "kind", "number", "period", "cost", "voucher", "cash"),
                row=_invoice,
            )

    return command


def _received(each: ProviderStatement) -> tuple[str, ...]:
    return each.id, each.provider, each.period, str(each.lines), moment(each.received_at)


def _invoice(each: Invoice) -> tuple[str, ...]:
    amounts = (each.cost_minor, each.voucher_minor, each.cash_minor)
    money = tuple(_money(amount, each.currency) for amount in amounts)
    return each.id, each.kind, str(each.number), each.period, *money


def _show(language: Language) -> click.Command:
    @click.command("show", help=text("cli.statement.show", language))
    @click.argument("invoice")
    @click.option(
        "--to",
        type=click.Path(path_type=Path, dir_okay=False),
        help=text("cli.statement.to", language),
    )
    @on_server(language)
    def command(*, invoice: str, to: Path | None, **_: object) -> None:
        session = Session.here()
        with connected(session) as client:
            if to is not None:
                suffix = to.suffix.lower()
                form = suffix[1:] if suffix in (".csv", ".html") else "json"
                _save(session, to, client.statements.document(invoice, form=form))
                return
            found = client.statements.invoice(invoice)
        fields = {
            "invoice": found.id,
            "kind": found.kind,
            "number": str(found.number),
            "organisation": found.party,
            "period": found.period,
            "charges": str(found.lines),
            "hours": _hours(found.device_ms),
            "normalised": _normalised(session, found),
            "idle": _hours(found.idle_ms),
            "cost": _money(found.cost_minor, found.currency),
            "voucher": _money(found.voucher_minor, found.currency),
            "cash": _money(found.cash_minor, found.currency),
            "digest": found.digest,
            "reference": found.reference,
        }
        show_one(session, found, fields)

    return command


def _close(language: Language) -> click.Command:
    @click.command("close", help=text("cli.statement.close", language))
    @click.argument("period", metavar="YYYY-MM")
    @on_server(language)
    def command(*, period: str, **_: object) -> None:
        from yunhe.client.wire.statements import NewPeriod  # noqa: PLC0415

        session = Session.here()
        with connected(session) as client:
            made = client.statements.close(checked(NewPeriod, {"period": period}))
        numbers = {"invoices": made.invoices, "payables": made.payables}
        shown = session.say("cli.statement.closed", period=made.period, **numbers)
        session.answer(made.model_dump(), shown)

    return command


def _hand_in(language: Language) -> click.Command:
    @click.command("hand-in", help=text("cli.statement.hand_in", language))
    @click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
    @click.option("--provider", required=True, help=text("cli.statement.provider", language))
    @click.option(
        "--period", required=True, metavar="YYYY-MM", help=text("cli.usage.period", language)
    )
    @on_server(language)
    @click.pass_context
    def command(
        ctx: click.Context, /, *, file: Path, provider: str, period: str, **_: object
    ) -> None:
        from yunhe.client.wire.statements import NewProviderStatement  # noqa: PLC0415

        session = Session.here()
        with connected(session) as client:
            sent = {
                "provider": provider,
                "period": period,
                "form": "json" if file.suffix.lower() == ".json" else "csv",
                "digest": client.uploads.send(file).digest,
            }
            made = client.statements.hand_in(checked(NewProviderStatement, sent))
            found = client.statements.findings(made.id)
        _show_matched(session, found, statement_id=made.id)
        ctx.exit(1 if found.mismatches else 0)

    return command


def _match(language: Language) -> click.Command:
    @click.command("match", help=text("cli.statement.match", language))
    @click.argument("statement_id", metavar="STATEMENT")
    @on_server(language)
    @click.pass_context
    def command(ctx: click.Context, /, *, statement_id: str, **_: object) -> None:
        session = Session.here()
        with connected(session) as client:
            found = client.statements.findings(statement_id)
        _show_matched(session, found, statement_id=statement_id)
        ctx.exit(1 if found.mismatches else 0)

    return command


def _show_matched(session: Session, found: Matched, *, statement_id: str) -> None:
    if session.as_json:
        session.answer({"statement": statement_id, **found.model_dump()})
        return
    shown = found.mismatches[:_MISMATCHES_SHOWN]
    if shown:
        rows = [(each.message, _two(each.quantity)(each.expected, each), each.do) for each in shown]
        session.answer({}, table(session, ("finding", "expected_found", "to_do"), rows))
    more = found.more + len(found.mismatches) - len(shown)
    numbers = {"agreed": found.agreed, "charges": found.charges, "more": more}
    click.echo(session.say("cli.statement.matched", statement=statement_id, **numbers))


def _two(quantity: str) -> Callable[..., str]:
    """How the two numbers of a finding are written."""
    if quantity == "money":
        return lambda expected, each: (
            f"{_money(expected, each.currency)} → {_money(each.found, each.currency)}"
        )
    if quantity == "device_ms":
        return lambda expected, each: _times(expected, each.found)
    return lambda _expected, _each: ""


def _times(expected: int, found: int) -> str:
    """Two device times in hours, or in seconds where hours would look alike."""
    if _hours(expected) != _hours(found):
        return f"{_hours(expected)} h → {_hours(found)} h"
    return f"{expected / 1_000:,.3f} s → {found / 1_000:,.3f} s"


def _correct(language: Language) -> click.Command:
    @click.command("correct", help=text("cli.statement.correct", language))
    @click.argument("workload")
    @click.option(
        "--device-seconds",
        type=click.IntRange(0),
        required=True,
        help=text("cli.statement.device_seconds", language),
    )
    @click.option("--reason", required=True, help=text("cli.statement.reason", language))
    @click.option("--key", default="", metavar="WORD", help=text("cli.submit.key", language))
    @on_server(language)
    def command(*, workload: str, device_seconds: int, reason: str, key: str, **_: object) -> None:
        from yunhe.client.wire.statements import NewCorrection  # noqa: PLC0415

        session = Session.here()
        sent = {"workload": workload, "device_ms": device_seconds * 1_000, "reason": reason}
        with connected(session) as client:
            made = client.statements.correct(checked(NewCorrection, sent), key=key)
        fields = {
            "name": made.id,
            "workload": made.workload,
            "period": made.corrects,
            "hours": _hours(made.device_ms),
            "reference": made.reference,
        }
        show_one(session, made, fields)

    return command


COMMANDS = {"usage": usage, "statement": statement}
