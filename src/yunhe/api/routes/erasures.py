"""People's requests to be erased."""

from __future__ import annotations

from starlette.responses import Response

from yunhe.api.call import Call, Caller, Key
from yunhe.api.paths import Routes
from yunhe.api.routes.operations import shown
from yunhe.client.wire import operations
from yunhe.client.wire.erasures import NewErasure
from yunhe.corpus import service as corpus
from yunhe.identity import service as identity
from yunhe.kernel.canonical import JsonObject
from yunhe.kernel.errors import Finding, Invalid, NotFound
from yunhe.storage import operations as work
from yunhe.storage.database import Transaction

routes = Routes("identity")
"""Of erasure, which reaches every floor."""


@routes.add("POST /v1/erasures", operations.Operation, status=201)
async def create_erasure(call: Caller, key: Key, body: NewErasure) -> Response:
    """Erase a member, or a person's document; by its organisation's administrator or an operator.

    It can't be undone. The operation's result says what went, what stays and why. The last
    administrator of an organisation does not erase itself.
    """
    payload = _payload(body)
    who, at_us, language = call.who, call.now_us(), call.facts.language

    def make(tx: Transaction, name: str) -> operations.Operation:
        _require_reached(tx, call, body)
        made = work.create(
            tx,
            kind="identity.erasure",
            key=name,
            organisation=who.organisation,
            member=who.member,
            payload=payload,
            at_us=at_us,
        )
        return shown(made, language)

    return await call.create(key, body, make)


def _payload(body: NewErasure) -> JsonObject:
    """What the operation is asked with, if everything its subject needs is there and no more."""
    needed = {"member": ("member",), "document": ("source", "document")}[body.subject]
    given = body.model_dump(exclude_defaults=True)
    allowed = {"subject", *needed, *(["remove_dataset"] if body.subject == "document" else [])}
    findings = [
        *(Finding(f"body.{name}", "api.field_missing") for name in needed if name not in given),
        *(Finding(f"body.{name}", "api.field_wrong") for name in given if name not in allowed),
    ]
    if findings:
        raise Invalid("api.invalid", findings=findings)
    return given


def _require_reached(tx: Transaction, call: Call, body: NewErasure) -> None:
    """Somebody else's members and sources are as unknown as those that do not exist."""
    if body.member is not None:
        identity.require_dispensable(tx, body.member, by=call.who)
        if not call.reaches(identity.member(tx, body.member).organisation):
            raise NotFound("identity.member_unknown", member=body.member)
    elif body.source is not None and not call.reaches(corpus.holder_of(tx, body.source)):
        raise NotFound("corpus.source_unknown", source=body.source)
