"""`yunhe pool plan`: demand and supply by chip, scarcity, and where devices are missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from yunhe.cli.remote import connected, moment, on_server, table
from yunhe.cli.session import Session
from yunhe.kernel.language import Language, text

if TYPE_CHECKING:
    from yunhe.client.wire.planning import Plan

POOLS_SHOWN = 5
"""Pools named in the table; `--json` has more."""


def plan(language: Language) -> click.Command:
    """The slow plan of a server."""

    @click.command("plan", help=text("cli.pool.plan", language))
    @on_server(language)
    def command(**_: object) -> None:
        session = Session.here()
        with connected(session) as client:
            found = client.supply.allocation()
        if session.as_json:
            session.answer(found.model_dump())
            return
        _show(session, found)

    return command


def _show(session: Session, found: Plan) -> None:
    if found.at is None:
        session.answer({}, session.say("cli.pool.plan.none"))
        return
    key = "followed" if found.followed else "empty" if found.state == "empty" else "ignored"
    until = moment(found.until)
    at, reason = moment(found.at), found.reason or session.say("cli.pool.plan.too_old")
    click.echo(session.say(f"cli.pool.plan.{key}", at=at, until=until, reason=reason))
    if found.chips:
        rows = [
            (
                each.chip,
                str(each.supply),
                str(each.busy),
                str(each.wanted),
                _devices(each.planned_milli, 1_000),
                _share(each.price_ppm),
            )
            for each in found.chips
        ]
        names = ("chip", "supply", "busy", "wanted", "planned", "scarcity")
        session.answer({}, table(session, names, rows))
    scarce = [each for each in found.pools if each.price_ppm][:POOLS_SHOWN]
    if scarce:
        said = ", ".join(f"{e.pool} ({e.chip}, {_share(e.price_ppm)})" for e in scarce)
        click.echo(session.say("cli.pool.plan.where", pools=said))
    if found.state == "sound":
        click.echo(
            session.say(
                "cli.pool.plan.bound",
                bound=_devices(found.bound_ppm, 1_000_000),
                reached=_devices(found.reached_ppm, 1_000_000),
                share=f"{100 * found.reached_ppm / max(found.bound_ppm, 1):.1f} %",
                gap=f"{found.gap_ppm / 10_000:.2f} %",
            )
        )


def _devices(amount: int, scale: int) -> str:
    return f"{amount / scale:,.1f}"


def _share(ppm: int) -> str:
    return f"{ppm / 1_000_000:.2f}"
