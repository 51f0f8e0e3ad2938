"""`yunhe balance`: what an organisation has left, and how its money is topped up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from yunhe.cli.naming import means
from yunhe.cli.remote import checked, connected, limited, on_server, show_list, show_one, worded
from yunhe.cli.session import Session
from yunhe.kernel.language import Language, text

if TYPE_CHECKING:
    from yunhe.client.wire.ledger import Account

_MS_PER_HOUR = 3_600_000
_COLUMNS = ("organisation", "purpose", "unit", "available", "held")


def balance(language: Language) -> click.Command:
    """What is there, account by account, on a server."""

    @click.group("balance", invoke_without_command=True, help=text("cli.balance", language))
    @on_server(language)
    @limited(language)
    @click.pass_context
    def group(ctx: click.Context, /, *, limit: int, **_: object) -> None:
        if ctx.invoked_subcommand is not None:
            return
        session = Session.here()
        with connected(session) as client:
            found = client.ledger.accounts()
            show_list(
                session, found, limit=limit, columns=_COLUMNS, row=lambda each: _row(session, each)
            )

    _add_topping_up(group, language)
    return group


def _add_topping_up(group: click.Group, language: Language) -> None:
    @group.command("top-up", help=text("cli.balance.top_up", language))
    @click.argument("organisation")
    @click.argument("amount")
    @click.option("--currency", default="CNY", show_default=True, help=_said("currency", language))
    @click.option("--reason", required=True, help=_said("reason", language))
    @click.option("--key", default="", metavar="WORD", help=text("cli.submit.key", language))
    @on_server(language)
    def top_up(
        *, organisation: str, amount: str, currency: str, reason: str, key: str, **_: object
    ) -> None:
        from yunhe.client.wire.ledger import NewIssuance  # noqa: PLC0415
        from yunhe.kernel.units import format_minor, to_minor  # noqa: PLC0415

        session = Session.here()
        means(memo="reason", unit="currency")
        minor = to_minor(amount, currency)
        told = {"organisation": organisation, "unit": currency, "amount": minor, "memo": reason}
        asked = checked(NewIssuance, told)
        with connected(session) as client:
            made = client.ledger.issue(asked, key=key)
        shown = f"{format_minor(minor, currency)} {currency}"
        fields = {"organisation": organisation, "asked": shown, "transfer": made.transfer}
        show_one(session, made, fields)


def _row(session: Session, each: Account) -> tuple[str, ...]:
    left = (_amount(each.unit, minor) for minor in (each.available, each.held))
    unit = each.unit.removeprefix("device:").removeprefix("voucher:")
    return each.owner, worded(session, "purpose", each.purpose), unit, *left


def _amount(unit: str, minor: int) -> str:
    """Device time in hours; the rest as its unit is written."""
    from yunhe.kernel.units import format_minor  # noqa: PLC0415

    if unit.startswith("device:"):
        return f"{round(minor / _MS_PER_HOUR, 3):,.15g} h"
    return format_minor(minor, unit)


def _said(name: str, language: Language) -> str:
    return text(f"cli.balance.{name}", language)


COMMANDS = {"balance": balance}
