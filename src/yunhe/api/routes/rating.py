"""Chips, rate cards, objections to their rates, and normalised device time."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from yunhe.api.call import After, Caller, Key, Limit, PathId, page
from yunhe.api.paths import Routes
from yunhe.api.routes.supply import instant
from yunhe.client.wire import rating as wire
from yunhe.client.wire.shapes import INTEGER_MAX, Page
from yunhe.compute import service as compute
from yunhe.compute.service import supply
from yunhe.kernel.clock import iso
from yunhe.kernel.language import Language
from yunhe.storage.database import Transaction

routes = Routes("compute")
"""Of the catalogue and of rate cards."""
_Word = Annotated[str, Query(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
# So that the reference's microseconds stay whole for every reader of JSON
_DeviceMs = Annotated[int, Query(ge=0, le=INTEGER_MAX // 1_000_000)]


@routes.add("GET /v1/chips", wire.Catalogue)
async def list_chips(call: Caller) -> wire.Catalogue:
    """The catalogue of chips, with how many devices of each are offered here."""
    devices: dict[str, int] = {}
    for status in await call.read(compute.pools):
        devices[status.pool.chip] = devices.get(status.pool.chip, 0) + status.pool.devices
    found, language = await call.read(supply.catalogue_of), call.facts.language
    return wire.Catalogue(
        version=found.version,
        as_of=found.as_of,
        chips=[_chip(chip, devices.get(chip.id, 0), language) for chip in found.chips],
    )


@routes.add("GET /v1/rate-cards", Page[wire.RateCard])
async def list_rate_cards(
    call: Caller, after: After = None, limit: Limit = 50
) -> Page[wire.RateCard]:
    """Versions of the rate card, the last first."""
    [last] = call.place(after, like=(0,))
    found = await call.look(lambda tx: supply.cards(tx, before=last, limit=limit + 1))
    return page(call, found, limit=limit, shown=_card, place=lambda each: (each.version,))


@routes.add("POST /v1/rate-cards", wire.RateCard, status=201)
async def create_rate_card(call: Caller, key: Key, body: wire.NewRateCard) -> Response:
    """Publish the next version; what was normalised by an earlier one stays so."""

    def make(name: str) -> wire.RateCard:
        return _card(
            supply.publish(
                call.runtime.storage,
                key=name,
                reference=body.reference,
                rates=[supply.Rate(**rate.model_dump()) for rate in body.rates],
                provenance=body.provenance,
                from_us=instant(body.from_at),
                by=call.who.member,
            )
        )

    return await call.command(key, body, make)


@routes.add("GET /v1/disputes", Page[wire.Dispute])
async def list_disputes(call: Caller, after: After = None, limit: Limit = 50) -> Page[wire.Dispute]:
    """Objections to rates, by id: one's own or, where one looks beyond, all."""
    [last] = call.place(after, like=("",))
    found = await call.look(
        lambda tx: supply.disputes(tx, organisation=call.tenant, after=last, limit=limit + 1)
    )
    return page(call, found, limit=limit, shown=_dispute, place=lambda each: (each.id,))


@routes.add("POST /v1/disputes", wire.Dispute, status=201)
async def create_dispute(call: Caller, key: Key, body: wire.NewDispute) -> Response:
    """Object to a rate, as a provider or as whoever uses the chip."""

    def make(name: str) -> wire.Dispute:
        return _dispute(
            supply.dispute(
                call.runtime.storage,
                key=name,
                organisation=call.who.organisation,
                by=call.who.member,
                **body.model_dump(),
            )
        )

    return await call.command(key, body, make)


@routes.add("POST /v1/disputes/{dispute}/decide", wire.Dispute)
async def decide_dispute(dispute: PathId, call: Caller, body: wire.DisputeDecision) -> wire.Dispute:
    """Decide an objection; by an operator who did not raise it."""
    decided = await call.apart(
        lambda: supply.decide(
            call.runtime.storage,
            dispute,
            verdict=body.verdict,
            reason=body.reason,
            by=call.who.member,
        )
    )
    return _dispute(decided)


@routes.add("GET /v1/normalised", wire.Normalised)
async def get_normalised(
    call: Caller, chip: _Word, workload_class: _Word, device_ms: _DeviceMs
) -> wire.Normalised:
    """Device time of a chip as time of the reference chip, by the version in force now."""

    def read(tx: Transaction) -> supply.Normalised | None:
        return supply.normalised(tx, chip, workload_class, device_ms, call.now_us())

    found = await call.look(read)
    return wire.Normalised(
        device_ms=device_ms,
        reference_us=None if found is None else found.reference_us,
        reference="" if found is None else found.reference,
        version=0 if found is None else found.version,
        per_thousand=0 if found is None else found.per_thousand,
        verified=found is not None and found.verified,
        disputed=found is not None and found.disputed,
    )


def _chip(chip: supply.Chip, devices: int, language: Language) -> wire.Chip:
    return wire.Chip(
        id=chip.id,
        vendor=chip.vendor,
        name=chip.name,
        kind=chip.kind,
        memory_gib=list(chip.memory_gib),
        introduced=chip.introduced,
        source=chip.source,
        verified=chip.verified,
        export=[
            wire.ExportNote(
                note=note.of(language),
                valid_from=note.valid_from,
                valid_to=note.valid_to,
                source=note.source,
                verified=note.verified,
            )
            for note in chip.export
        ],
        devices=devices,
    )


def _card(found: supply.RateCard) -> wire.RateCard:
    fields = supply.Rate.__dataclass_fields__
    return wire.RateCard(
        id=found.id,
        version=found.version,
        reference=found.reference,
        from_at=iso(found.from_us),
        provenance=found.provenance,
        rates=[wire.Rate(**{name: getattr(each, name) for name in fields}) for each in found.rates],
        digest=found.digest,
        published_by=found.published_by,
        at=iso(found.at_us),
    )


def _dispute(found: supply.Dispute) -> wire.Dispute:
    return wire.Dispute(
        id=found.id,
        card=found.card,
        chip=found.chip,
        workload_class=found.workload_class,
        organisation=found.organisation,
        reason=found.reason,
        opened_by=found.opened_by,
        at=iso(found.at_us),
        state=found.state,
        decision=found.decision,
        decided_by=found.decided_by,
        decided_at=None if found.decided_at_us is None else iso(found.decided_at_us),
    )
