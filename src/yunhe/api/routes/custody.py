"""The log's checkpoints and keys, and receipts."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Path
from pydantic import JsonValue
from starlette.responses import Response

from yunhe.api.call import Call, Caller, Key
from yunhe.api.paths import JSON, Routes
from yunhe.api.routes.operations import shown
from yunhe.client.wire import custody as wire
from yunhe.client.wire import operations
from yunhe.client.wire.shapes import Finding
from yunhe.custody import service as custody
from yunhe.custody.domain import REASONS, LinkVerdict, Record
from yunhe.kernel.clock import iso
from yunhe.kernel.errors import NotFound
from yunhe.kernel.language import Language
from yunhe.models.domain import tenant_of
from yunhe.storage import operations as work
from yunhe.storage.database import Transaction

routes = Routes("custody")
"""Of the custody floor."""
Reference = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
"""Hash of a record's leaf."""
_NAMES = ("organisation", "owner", "provider", "holder", "buyer", "tenant")
TEXT = "text/plain"
"""Media type of what people compare by eye."""


@routes.add("GET /v1/log/checkpoint", produces=TEXT)
async def get_checkpoint(call: Caller) -> Response:
    """The newest signed checkpoint of the log."""
    found = await call.look(custody.newest)
    if found is None:
        raise NotFound("api.no_checkpoint")
    return Response(found.note, media_type=TEXT)


@routes.add("GET /v1/log/trust", produces=TEXT)
async def get_trust(call: Caller) -> Response:
    """The public keys that checkpoints are signed with, as a trust file."""
    home = call.runtime.settings.home
    return Response(await call.runtime.apart(lambda: custody.trust(home)), media_type=TEXT)


@routes.add("GET /v1/records/{reference}/receipt", wire.Receipt)
async def get_receipt(call: Caller, reference: Reference) -> Response:
    """Everything needed to check a record, and all it rests on, offline.

    A record is the organisation's whose id it, or else the nearest record it rests on, carries.
    """
    await call.read(lambda tx: _require_reached(tx, reference, call))
    made = await call.apart(lambda: custody.receipt(call.runtime.storage, reference))
    # Verifiers accept one spelling of a receipt, so it is sent as custody writes it.
    return Response(custody.receipt_bytes(made), media_type=JSON)


@routes.add("GET /v1/records/{reference}", wire.Record)
async def get_record(call: Caller, reference: Reference) -> wire.Record:
    """One record of the log; whose it is, is decided as for its receipt."""

    def look(tx: Transaction) -> Record:
        _require_reached(tx, reference, call)
        return custody.record(tx, reference)

    found = await call.read(look)
    return wire.Record(
        reference=reference,
        kind=found.kind,
        subject=found.subject,
        at=iso(found.at_us),
        body=cast("dict[str, JsonValue]", dict(found.body)),
        links=dict(found.links),
    )


@routes.add("POST /v1/verify", wire.Verdict)
async def verify_receipt(call: Caller, body: wire.SentReceipt) -> wire.Verdict:
    """Judge a receipt by this platform's own keys; nothing is kept."""
    home, language = call.runtime.settings.home, call.facts.language
    found = await call.apart(
        lambda: custody.verify(body.receipt.encode("utf-8", "replace"), custody.trust(home))
    )
    return wire.Verdict(
        ok=found.ok,
        seal=_judgement(found.seal, language),
        links=[_judgement(each, language) for each in found.links],
    )


@routes.add("GET /v1/log/audit", wire.Audit)
async def get_audit(call: Caller) -> wire.Audit:
    """A look at the end of the log: its newest signature and what was written last."""
    home, language = call.runtime.settings.home, call.facts.language
    found = await call.apart(lambda: custody.glance(call.runtime.storage, custody.trust(home)))
    return wire.Audit(
        ok=found.ok,
        leaves=found.leaves,
        pending=found.pending,
        checkpoints=found.checkpoints,
        problems=[
            Finding(where=each.where, code=each.code, message=each.message(language))
            for each in found.problems
        ],
    )


@routes.add("POST /v1/log/audits", operations.Operation, status=201)
async def create_audit(call: Caller, key: Key, body: wire.NewAudit) -> Response:
    """Recompute the whole log and hold it against the outside checkpoints."""
    who, at_us, language = call.who, call.now_us(), call.facts.language

    def make(tx: Transaction, name: str) -> operations.Operation:
        made = work.create(
            tx,
            kind="custody.audit",
            key=name,
            organisation=who.organisation,
            member=who.member,
            payload={},
            at_us=at_us,
        )
        return shown(made, language)

    return await call.create(key, body, make)


def _judgement(found: LinkVerdict, language: Language) -> wire.Judgement:
    english, chinese = REASONS.get(found.reason, ("", ""))
    return wire.Judgement(
        role=found.role,
        kind=found.kind,
        subject=found.subject,
        ok=found.ok,
        reason=found.reason,
        message=chinese if language == "zh" else english,
        detail=found.detail,
    )


def _require_reached(tx: Transaction, reference: str, call: Call) -> None:
    chain = custody.ancestors(tx, reference)
    near = [reference]
    seen: set[str] = set()
    while near:
        records = [chain.entries[each].record for each in near]
        found = [record for record in records if record is not None]
        owners = {name for record in found for name in _named(record)}
        if owners:
            break
        seen.update(near)
        parents = {to for record in found for to in record.links.values()}
        near = sorted(parents - seen)
    else:
        owners = set()
    own = {call.who.organisation, tenant_of(call.who.organisation)}
    if not owners & own and call.tenant is not None:
        raise NotFound("custody.record_unknown", reference=reference)


def _named(record: Record) -> set[str]:
    return {str(record.body[key]) for key in _NAMES if record.body.get(key)}
