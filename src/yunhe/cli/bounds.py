"""`yunhe pool rule`: where data, awards, organisations and pools are bound to."""

from __future__ import annotations

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
)
from yunhe.cli.session import Session
from yunhe.kernel.language import Language, text

if TYPE_CHECKING:
    from yunhe.client.wire.limits import Limit

_WHATS = ("data", "award", "organisation", "pool")
_COLUMNS = ("rule", "subject", "jurisdictions", "why", "at")


def rule(language: Language) -> click.Command:
    """Lists the rules of place, or says one."""

    @click.command("rule", help=text("cli.pool.rule", language))
    @click.argument("what", type=click.Choice(_WHATS), required=False)
    @click.argument("subject", required=False, default="")
    @click.option(
        "--in", "codes", multiple=True, metavar="CODE", help=text("cli.rule.in", language)
    )
    @click.option("--lift", is_flag=True, help=text("cli.rule.lift", language))
    @click.option("--reason", default="", help=text("cli.pool.reason", language))
    @on_server(language)
    @limited(language)
    def command(
        *,
        what: str | None,
        subject: str,
        codes: tuple[str, ...],
        lift: bool,
        reason: str,
        limit: int,
        **_: object,
    ) -> None:
        session = Session.here()
        if not codes and not lift:
            with connected(session) as client:
                found = (
                    one
                    for one in client.supply.limits()
                    if what in (None, one.what) and subject in ("", one.subject)
                )
                show_list(
                    session,
                    found,
                    limit=limit,
                    columns=_COLUMNS,
                    row=lambda one: _row(session, one),
                )
            return
        if not (what and subject and reason) or (codes and lift):
            raise click.UsageError(session.say("cli.rule.whole"))
        from yunhe.client.wire.limits import NewLimit  # noqa: PLC0415 - only where one is said

        sent = {"what": what, "subject": subject, "jurisdictions": list(codes), "reason": reason}
        with connected(session) as client:
            said = client.supply.say_limit(checked(NewLimit, sent))
        show_one(session, said, dict(zip(_COLUMNS, _row(session, said), strict=True)))

    return command


def _row(session: Session, one: Limit) -> tuple[str, ...]:
    about = session.say(f"cli.rule.{one.what}")
    return about, one.subject, ", ".join(one.jurisdictions) or "-", one.reason, moment(one.at)
