"""`yunhe cities` and `yunhe organisations`: who belongs where, and what each city had."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from yunhe.cli.remote import checked, connected, limited, on_server, plain, show_list, table
from yunhe.cli.session import Session
from yunhe.kernel.language import Language, text

if TYPE_CHECKING:
    from yunhe.client.wire.cities import City
    from yunhe.client.wire.identity import Organisation

_MS_PER_HOUR = 3_600_000
_CITIES = ("city", "name", "organisations", "weight", "had", "had_share", "busy")
_ORGANISATIONS = ("organisation", "name", "kind", "city")


def cities(language: Language) -> click.Command:
    """Lists cities with what each had; adds, removes and weighs them."""

    def said(code: str) -> str:
        return text(f"cli.cities.{code}", language)

    @click.group("cities", invoke_without_command=True, help=text("cli.cities", language))
    @on_server(language)
    @limited(language)
    @click.pass_context
    def group(ctx: click.Context, /, *, limit: int, **_: object) -> None:
        if ctx.invoked_subcommand is None:
            session = Session.here()
            with connected(session) as client:
                found = client.identity.cities()
                show_list(session, found, limit=limit, columns=_CITIES, row=_city)

    @group.command("add", help=said("add"))
    @click.argument("city")
    @click.option("--name", default="", help=said("name"))
    @on_server(language)
    def add(city: str, *, name: str, **_: object) -> None:
        session = Session.here()
        with connected(session) as client:
            _show(session, client.identity.put_city(city, name))

    @group.command("remove", help=said("remove"))
    @click.argument("city")
    @on_server(language)
    def remove(city: str, **_: object) -> None:
        session = Session.here()
        with connected(session) as client:
            client.identity.remove_city(city)
        session.answer({"city": city}, session.say("cli.cities.removed", city=city))

    @group.command("weigh", help=said("weigh"))
    @click.argument("city")
    @click.argument("weight", type=click.IntRange(1, 1_000))
    @on_server(language)
    def weigh(city: str, weight: int, **_: object) -> None:
        from yunhe.client.wire.queue import NewWeight  # noqa: PLC0415 - only where one is said

        session = Session.here()
        with connected(session) as client:
            done = client.compute.weigh(checked(NewWeight, {"city": city, "weight": weight}))
        session.answer(
            done.model_dump(), table(session, ("city", "weight"), [(done.city, str(done.weight))])
        )

    return group


def organisations(language: Language) -> click.Command:
    """Lists organisations, and says of which city one is."""

    def said(code: str) -> str:
        return text(f"cli.organisations.{code}", language)

    @click.group(
        "organisations", invoke_without_command=True, help=text("cli.organisations", language)
    )
    @on_server(language)
    @limited(language)
    @click.pass_context
    def group(ctx: click.Context, /, *, limit: int, **_: object) -> None:
        if ctx.invoked_subcommand is None:
            session = Session.here()
            with connected(session) as client:
                found = client.identity.organisations()
                show_list(session, found, limit=limit, columns=_ORGANISATIONS, row=_organisation)

    @group.command("city", help=said("city"))
    @click.argument("organisation")
    @click.argument("city", required=False, default="")
    @on_server(language)
    def city(organisation: str, city: str, **_: object) -> None:
        session = Session.here()
        with connected(session) as client:
            found = client.identity.set_city(organisation, city)
        rows = [_organisation(found)]
        session.answer(found.model_dump(), table(session, _ORGANISATIONS, rows))

    return group


def _show(session: Session, found: City) -> None:
    session.answer(found.model_dump(), table(session, _CITIES, [_city(found)]))


def _city(found: City) -> tuple[str, ...]:
    return (
        f"{found.city} *" if found.own else found.city,
        plain(found.name),
        str(found.organisations),
        str(found.weight),
        f"{found.used_ms / _MS_PER_HOUR:,.1f}",
        f"{found.used_per_thousand / 10:.1f} %",
        str(found.busy),
    )


def _organisation(found: Organisation) -> tuple[str, ...]:
    return found.id, plain(found.name), found.kind, found.city


COMMANDS = {"cities": cities, "organisations": organisations}
"""By name."""
