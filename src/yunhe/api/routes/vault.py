"""Secrets of workloads: put, listed by name and removed; no route gives a value back."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from fastapi import Path

from yunhe.api.call import After, Call, Caller, Limit, OptionalId, page
from yunhe.api.paths import Routes
from yunhe.client.wire import vault as wire
from yunhe.client.wire.shapes import Page
from yunhe.identity import service as identity
from yunhe.kernel.clock import iso
from yunhe.kernel.errors import Finding, Invalid, NotFound
from yunhe.storage.database import Transaction
from yunhe.vault import service as vault
from yunhe.vault.domain import Secret

routes = Routes("vault")
"""Of the vault floor."""
_Name = Annotated[str, Path(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$", examples=["REGISTRY_TOKEN"])]


@routes.add("GET /v1/secrets", Page[wire.Secret])
async def list_secrets(
    call: Caller, project: OptionalId = "", after: After = None, limit: Limit = 50
) -> Page[wire.Secret]:
    """Names of the secrets of one's organisation, or of one project; never their values."""
    [last] = call.place(after, like=("",), project=project)

    def look(tx: Transaction) -> list[Secret]:
        _require_project(tx, call, project)
        found = vault.names(tx, call.who.organisation, project)
        return [each for each in found if each.name > str(last)][: limit + 1]

    return page(
        call,
        await call.look(look),
        limit=limit,
        shown=_secret,
        place=lambda each: (each.name,),
        project=project,
    )


@routes.add("PUT /v1/secrets/{secret}", wire.Secret)
async def put_secret(
    secret: _Name, call: Caller, body: wire.SecretValue, project: OptionalId = ""
) -> wire.Secret:
    """Keep a value under a name, in the place of an earlier one; workloads name it from then on."""
    value, at_us = _bytes(body), call.now_us()

    def put(tx: Transaction) -> wire.Secret:
        _require_project(tx, call, project)
        return _secret(
            vault.put(
                tx,
                call.runtime.platform.vault,
                organisation=call.who.organisation,
                project=project,
                name=secret,
                value=value,
                member=call.who.member,
                at_us=at_us,
            )
        )

    return await call.write(put)


@routes.add("DELETE /v1/secrets/{secret}", wire.Secret)
async def remove_secret(secret: _Name, call: Caller, project: OptionalId = "") -> wire.Secret:
    """Destroy a secret; workloads that name it fail until it is put again."""

    def remove(tx: Transaction) -> wire.Secret:
        _require_project(tx, call, project)
        return _secret(
            vault.remove(tx, organisation=call.who.organisation, project=project, name=secret)
        )

    return await call.write(remove)


def _require_project(tx: Transaction, call: Call, project: str) -> None:
    if not project and not call.reaches(call.who.organisation):
        raise NotFound("identity.project_unknown", project="")
    if project:
        known = identity.project(tx, project)
        if not call.reaches(known.organisation, project) or (
            known.organisation != call.who.organisation
        ):
            raise NotFound("identity.project_unknown", project=project)


def _bytes(body: wire.SecretValue) -> bytes:
    value = body.value.get_secret_value()
    if body.encoding == "text":
        return value.encode()
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        finding = Finding("body.value", "api.field_wrong")
        raise Invalid("api.invalid", findings=[finding]) from None


def _secret(found: Secret) -> wire.Secret:
    return wire.Secret(
        name=found.name,
        project=found.project,
        version=found.version,
        member=found.changed_by,
        at=iso(found.changed_at_us),
    )
