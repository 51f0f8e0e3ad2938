"""`yunhe pool`: what providers offer, whether it takes work, what it costs when."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from yunhe.cli.bounds import rule
from yunhe.cli.naming import means
from yunhe.cli.planned import plan
from yunhe.cli.racks import grow, named_nodes, node, node_row, nodes_from
from yunhe.cli.remote import (
    checked,
    connected,
    limited,
    moment,
    on_server,
    show_list,
    show_one,
    state,
    table,
)
from yunhe.cli.roads import way
from yunhe.cli.session import Session
from yunhe.kernel.errors import NotFound
from yunhe.kernel.language import Language, text

if TYPE_CHECKING:
    from yunhe.client.client import Client
    from yunhe.client.wire.compute import Pool
    from yunhe.client.wire.supply import Maintenance, Offer, Price

_STATES = ("open", "draining", "down")
_TERMS = ("on_demand", "reserved", "spot")
_WATCH_SECONDS = 10.0
DEMONSTRATION = "demonstration"
"""Adapter of pools whose chips this machine's processors stand in for."""
_Command = Callable[..., Any]


def pool(language: Language) -> click.Command:
    """Pools on a server."""

    @click.group("pool", help=text("cli.pool", language))
    def command() -> None:
        return

    for make in (_list, _show, _add, _change, _price, _end_price, _maintenance, _call_off, plan,
                 node, grow, way, rule):  # fmt: skip
        command.add_command(make(language))
    return command


def _because(language: Language) -> Callable[[_Command], _Command]:
    return click.option("--reason", required=True, help=text("cli.pool.reason", language))


def _keyed(language: Language) -> Callable[[_Command], _Command]:
    return click.option("--key", default="", metavar="WORD", help=text("cli.submit.key", language))


def _list(language: Language) -> click.Command:
    @click.command("list", help=text("cli.pool.list", language))
    @click.option("--chip", default="", help=text("cli.pool.chip", language))
    @click.option("--watch", is_flag=True, help=text("cli.usage.watch", language))
    @on_server(language)
    @limited(language)
    def command(*, chip: str, watch: bool, limit: int, **_: object) -> None:
        session = Session.here()
        with connected(session) as client:
            while True:
                offers = (o for o in client.supply.offers() if chip in ("", o.pool.chip))
                if watch and not session.as_json:
                    click.clear()
                show_list(
                    session,
                    offers,
                    limit=limit,
                    columns=("pool", "site", "chip", "busy", "price", "state", "maintenance"),
                    row=lambda each: _row(session, each),
                )
                if not watch or session.as_json:
                    return
                time.sleep(_WATCH_SECONDS)

    return command


def _row(session: Session, each: Offer) -> tuple[str, ...]:
    pool = each.pool
    planned = moment(each.maintenance[0].from_at) if each.maintenance else ""
    busy = f"{pool.devices_busy}/{pool.devices}"
    price = _money(each.price_now_minor, pool.currency)
    return (
        pool.id,
        pool.site,
        _chip(session, pool),
        busy,
        price,
        state(session, each.state),
        planned,
    )


def _chip(session: Session, pool: Pool) -> str:
    """What one device is, and whether it only seems to be."""
    if pool.adapter != DEMONSTRATION:
        return pool.chip
    return session.say("cli.pool.demonstration", chip=pool.chip)


def _money(amount: int, unit: str) -> str:
    from yunhe.kernel.units import format_minor  # noqa: PLC0415

    return f"{format_minor(amount, unit)} {unit}"


def _one(client: Client, name: str) -> Offer:
    for found in client.supply.offers(pool=name):
        return found
    raise NotFound("compute.pool_unknown", pool=name)


def _show(language: Language) -> click.Command:
    @click.command("show", help=text("cli.pool.show", language))
    @click.argument("name", metavar="POOL")
    @on_server(language)
    def command(*, name: str, **_: object) -> None:
        session = Session.here()
        with connected(session) as client:
            found = _one(client, name)
        _show_offer(session, found)

    return command


def _show_offer(session: Session, found: Offer) -> None:
    pool = found.pool
    fields = {
        "pool": pool.id,
        "provider": pool.provider,
        "site": pool.site,
        "jurisdiction": found.jurisdiction,
        "chip": _chip(session, pool),
        "adapter": pool.adapter,
        "busy": f"{pool.devices_busy}/{pool.devices}",
        "state": state(session, found.state),
        "price": _money(found.price_now_minor, pool.currency),
    }
    special = {"reserved": found.price_now_reserved_minor, "spot": found.price_now_spot_minor}
    for term, amount in special.items():
        if amount is not None:
            fields[f"price_{term}"] = _money(amount, pool.currency)
    show_one(session, found, fields)
    if session.as_json:
        return
    if found.prices:
        rows = [_price_row(session, each, pool.currency) for each in found.prices]
        session.answer({}, table(session, ("name", "term", "price", "from", "until"), rows))
    if found.maintenance:
        planned = [_window_row(each) for each in found.maintenance]
        session.answer({}, table(session, ("maintenance", "from", "until", "why"), planned))
    if found.nodes:
        nodes = [node_row(session, each) for each in found.nodes]
        columns = ("node", "devices", "cpus", "node_memory", "domain", "state", "why")
        session.answer({}, table(session, columns, nodes))
    if found.steps:
        done = [
            (moment(each.at), state(session, each.what), state(session, each.detail), each.reason)
            for each in found.steps
        ]
        session.answer({}, table(session, ("at", "step", "result", "why"), done))


def _price_row(session: Session, each: Price, currency: str) -> tuple[str, ...]:
    amount = _money(each.price_minor_per_device_hour, currency)
    term = session.say(f"cli.pool.term.{each.term}")
    return each.id, term, amount, moment(each.from_at), moment(each.until_at)


def _window_row(each: Maintenance) -> tuple[str, ...]:
    return each.id, moment(each.from_at), moment(each.until_at), each.reason


def _add(language: Language) -> click.Command:
    def said(code: str) -> str:
        return text(f"cli.pool.{code}", language)

    @click.command("add", help=said("add"))
    @click.option("--provider", required=True, help=said("provider"))
    @click.option("--site", required=True, help=said("site"))
    @click.option("--chip", required=True, help=said("chip"))
    @click.option("--devices", type=click.IntRange(1), help=said("devices"))
    @named_nodes(language)
    @click.option("--price", required=True, metavar="AMOUNT", help=said("amount"))
    @click.option("--currency", default="CNY", show_default=True, help=said("currency"))
    @click.option("--adapter", default="local", show_default=True, help=said("adapter"))
    @click.option("--jurisdiction", default="", metavar="CODE", help=said("jurisdiction"))
    @_keyed(language)
    @on_server(language)
    def command(
        *,
        price: str,
        jurisdiction: str,
        key: str,
        rows: tuple[str, ...],
        file: Path | None,
        **given: object,
    ) -> None:
        from yunhe.client.wire.compute import NewPool  # noqa: PLC0415
        from yunhe.client.wire.supply import PoolChange  # noqa: PLC0415
        from yunhe.kernel.units import to_minor  # noqa: PLC0415

        session = Session.here()
        amount = to_minor(price, str(given["currency"]))
        names = ("provider", "site", "chip", "devices", "currency", "adapter")
        sent = {name: given[name] for name in names} | {"price_minor_per_device_hour": amount}
        nodes = nodes_from(session, rows, file)
        if nodes and sent["devices"] is None:
            sent["devices"] = sum(row.count * row.devices for row in nodes)
        if sent["devices"] is None:
            raise click.UsageError(session.say("cli.pool.devices_or_nodes"))
        sent["nodes"] = [row.model_dump() for row in nodes]
        with connected(session) as client:
            made = client.compute.add_pool(checked(NewPool, sent), key=key)
            if jurisdiction:
                change = {"jurisdiction": jurisdiction, "reason": session.say("cli.pool.added")}
                client.supply.change(made.id, checked(PoolChange, change))
            _show_offer(session, _one(client, made.id))

    return command


def _change(language: Language) -> click.Command:
    @click.command("change", help=text("cli.pool.change", language))
    @click.argument("name", metavar="POOL")
    @click.option("--state", "wanted", type=click.Choice(_STATES), help=_said(language, "state"))
    @click.option("--jurisdiction", metavar="CODE", help=_said(language, "jurisdiction"))
    @_because(language)
    @on_server(language)
    def command(
        *, name: str, wanted: str | None, jurisdiction: str | None, reason: str, **_: object
    ) -> None:
        from yunhe.client.wire.supply import PoolChange  # noqa: PLC0415

        session = Session.here()
        sent = {"state": wanted, "jurisdiction": jurisdiction, "reason": reason}
        with connected(session) as client:
            made = client.supply.change(name, checked(PoolChange, sent))
        fields = {"pool": made.pool, "state": state(session, made.state)}
        show_one(session, made, fields | {"jurisdiction": made.jurisdiction})

    return command


def _said(language: Language, code: str) -> str:
    return text(f"cli.pool.{code}", language)


def _price(language: Language) -> click.Command:
    @click.command("price", help=_said(language, "price"))
    @click.argument("name", metavar="POOL")
    @click.argument("amount")
    @click.option("--term", type=click.Choice(_TERMS), default="on_demand", show_default=True,
                  help=_said(language, "term"))  # fmt: skip
    @click.option("--from", "since", metavar="TIME", help=_said(language, "from"))
    @click.option("--until", metavar="TIME", help=_said(language, "until"))
    @_because(language)
    @_keyed(language)
    @on_server(language)
    def command(
        *,
        name: str,
        amount: str,
        term: str,
        since: str | None,
        until: str | None,
        reason: str,
        key: str,
        **_: object,
    ) -> None:
        from yunhe.client.wire.supply import NewPrice  # noqa: PLC0415
        from yunhe.kernel.units import to_minor  # noqa: PLC0415

        session = Session.here()
        means(price_minor_per_device_hour="amount")
        sent = {"term": term, "from_at": _when(since), "until_at": _when(until), "reason": reason}
        with connected(session) as client:
            currency = _one(client, name).pool.currency
            minor = to_minor(amount, currency)
            sent_price = checked(NewPrice, sent | {"price_minor_per_device_hour": minor})
            made = client.supply.set_price(name, sent_price, key=key)
        _show_price(session, made, currency)

    return command


def _show_price(session: Session, made: Price, currency: str) -> None:
    columns = ("name", "term", "price", "from", "until")
    show_one(session, made, dict(zip(columns, _price_row(session, made, currency), strict=True)))


def _end_price(language: Language) -> click.Command:
    @click.command("end-price", help=_said(language, "end_price"))
    @click.argument("name", metavar="POOL")
    @click.argument("price", metavar="PRICE")
    @click.option("--until", metavar="TIME", help=_said(language, "until_now"))
    @_because(language)
    @on_server(language)
    def command(*, name: str, price: str, until: str | None, reason: str, **_: object) -> None:
        from yunhe.client.wire.supply import PriceEnd  # noqa: PLC0415

        session = Session.here()
        said = {"until_at": _when(until), "reason": reason}
        with connected(session) as client:
            sent = checked(PriceEnd, said)
            made = client.supply.end_price(name, price, sent)
            currency = _one(client, name).pool.currency
        _show_price(session, made, currency)

    return command


def _maintenance(language: Language) -> click.Command:
    @click.command("maintenance", help=_said(language, "maintenance"))
    @click.argument("name", metavar="POOL")
    @click.option("--from", "since", metavar="TIME", help=_said(language, "from"))
    @click.option("--until", metavar="TIME", required=True, help=_said(language, "until"))
    @_because(language)
    @_keyed(language)
    @on_server(language)
    def command(
        *, name: str, since: str | None, until: str, reason: str, key: str, **_: object
    ) -> None:
        from yunhe.client.wire.supply import NewMaintenance  # noqa: PLC0415

        session = Session.here()
        sent = {"from_at": _when(since), "until_at": _when(until), "reason": reason}
        with connected(session) as client:
            made = client.supply.plan(name, checked(NewMaintenance, sent), key=key)
        _show_window(session, made)

    return command


def _show_window(session: Session, made: Maintenance) -> None:
    columns = ("maintenance", "from", "until", "why")
    fields = dict(zip(columns, _window_row(made), strict=True))
    show_one(session, made, fields | {"ended": moment(made.cancelled_at)})


def _call_off(language: Language) -> click.Command:
    @click.command("call-off", help=_said(language, "call_off"))
    @click.argument("name", metavar="POOL")
    @click.argument("maintenance", metavar="MAINTENANCE")
    @_because(language)
    @on_server(language)
    def command(*, name: str, maintenance: str, reason: str, **_: object) -> None:
        from yunhe.client.wire.supply import Because  # noqa: PLC0415

        session = Session.here()
        with connected(session) as client:
            made = client.supply.call_off(name, maintenance, checked(Because, {"reason": reason}))
        _show_window(session, made)

    return command


def _when(said: str | None) -> str | None:
    """A day or a time as the server reads it; without an offset it is UTC."""
    if said is None:
        return None
    try:
        found = datetime.fromisoformat(said)
    except ValueError:
        return said  # the message's own check tells what is wrong with it
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).isoformat()


COMMANDS = {"pool": pool}
