"""Cities of the programme: which there are, what each had, and who belongs to which."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

from yunhe.api.call import After, Caller, Limit, PathId, page
from yunhe.api.paths import Routes
from yunhe.api.routes.identity import shown_organisation
from yunhe.client.wire import cities as wire
from yunhe.client.wire.identity import Organisation
from yunhe.client.wire.shapes import Page
from yunhe.compute.service import sharing
from yunhe.identity import service as identity
from yunhe.storage.database import Transaction

routes = Routes("identity")
"""Of cities."""
_City = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$", examples=["CN-11"])]


@routes.add("GET /v1/cities", Page[wire.City])
async def list_cities(call: Caller, after: After = None, limit: Limit = 50) -> Page[wire.City]:
    """Cities with their weights and what each had of late, by code."""
    [last] = call.place(after, like=("",))
    now_us = call.now_us()
    found = await call.read(lambda tx: sharing.cities(tx, now_us=now_us))
    rest = sorted((each for each in found if each.code > last), key=lambda each: each.code)
    return page(call, rest[: limit + 1], limit=limit, shown=_shown, place=lambda each: (each.code,))


@routes.add("PUT /v1/cities/{city}", wire.City)
async def put_city(city: _City, call: Caller, body: wire.NewCity) -> wire.City:
    """Add a city, or rename it."""
    at_us = call.now_us()

    def put(tx: Transaction) -> wire.City:
        identity.add_city(tx, city, name=body.name, at_us=at_us, by=call.who)
        return next(_shown(one) for one in sharing.cities(tx, now_us=at_us) if one.code == city)

    return await call.write(put)


@routes.add("DELETE /v1/cities/{city}", status=204)
async def remove_city(city: _City, call: Caller) -> None:
    """Take away a city to which no organisation belongs, and its weight."""
    at_us = call.now_us()
    await call.write(lambda tx: sharing.remove_city(tx, city, by=call.who, at_us=at_us))


@routes.add("PUT /v1/organisations/{organisation}/city", Organisation)
async def set_organisation_city(
    organisation: PathId, call: Caller, body: wire.GivenCity
) -> Organisation:
    """Say which city an organisation belongs to; what it used of late counts there from now on."""
    at_us, here = call.now_us(), call.runtime.settings.city

    def change(tx: Transaction) -> Organisation:
        moved = identity.set_city(tx, organisation, body.city or "", at_us=at_us, by=call.who)
        return shown_organisation(moved, here=here)

    return await call.write(change)


def _shown(found: sharing.CityShare) -> wire.City:
    return wire.City(
        city=found.code,
        name=found.name,
        own=found.own,
        organisations=found.organisations,
        weight=found.weight,
        used_ms=found.used_ms,
        used_per_thousand=found.used_per_thousand,
        busy=found.busy,
        reference=found.reference,
    )
