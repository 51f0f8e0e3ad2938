"""Long operations: listed, polled, followed and cancelled."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Query
from pydantic import JsonValue
from starlette.responses import Response

from yunhe.api import streams
from yunhe.api.call import After, Call, Caller, Limit, OptionalId, PathId, page
from yunhe.api.paths import Routes
from yunhe.client.wire import operations as wire
from yunhe.client.wire.shapes import Page
from yunhe.kernel.canonical import JsonObject
from yunhe.kernel.clock import iso
from yunhe.kernel.errors import NotAllowed, NotFound
from yunhe.kernel.language import Language, step_text
from yunhe.storage import events, operations
from yunhe.storage.database import Transaction
from yunhe.storage.events import Event
from yunhe.storage.kept_errors import restored
from yunhe.storage.operations import ENDS, Operation

routes = Routes("operations")
"""Of long operations."""


@routes.add("GET /v1/operations", Page[wire.Operation])
async def list_operations(
    call: Caller, project: OptionalId = "", after: After = None, limit: Limit = 50
) -> Page[wire.Operation]:
    """Operations, newest first."""
    [last] = call.place(after, like=("",), project=project)
    narrowed = call.who.project or project or None

    def look(tx: Transaction) -> list[Operation]:
        if call.who.project and project not in ("", call.who.project):
            return []
        return operations.listed(
            tx, organisation=call.tenant, after=last, limit=limit + 1, project=narrowed
        )

    found = await call.look(look)
    return page(
        call,
        found,
        limit=limit,
        shown=lambda each: shown(each, call.facts.language),
        place=lambda each: (each.id,),
        project=project,
    )


@routes.add("GET /v1/operations/{operation}", wire.Operation)
async def get_operation(call: Caller, operation: PathId) -> wire.Operation:
    """One operation."""
    found = await call.look(lambda tx: _reached(tx, operation, call))
    return shown(found, call.facts.language)


@routes.add("POST /v1/operations/{operation}/cancel", wire.Operation)
async def cancel_operation(call: Caller, operation: PathId) -> wire.Operation:
    """Ask for it to be stopped: at once while it waits, soon while it runs; again changes nothing.

    Whoever asked for it may, and administrators of its organisation, and operators.
    """
    at_us = call.now_us()

    def cancel(tx: Transaction) -> Operation:
        found = _reached(tx, operation, call)
        own = found.organisation == call.who.organisation
        manages = call.who.has("administrator") if own else True
        if found.member != call.who.member and not manages:
            raise NotAllowed("api.not_yours")
        return operations.ask_cancel(tx, operation, at_us=at_us)

    return shown(await call.write(cancel), call.facts.language)


@routes.add("GET /v1/operations/{operation}/events", produces=streams.MEDIA_TYPE)
async def follow_operation(
    call: Caller,
    operation: PathId,
    after: Annotated[int, Query(ge=0, le=2**53 - 1)] = 0,
) -> Response:
    """Its events as they happen (Server-Sent Events); resumes after Last-Event-ID."""
    seq = streams.resumed_at(call.facts.headers, after)

    def over(tx: Transaction) -> bool:
        ended = _reached(tx, operation, call).ended
        return ended and not events.after(tx, operation, seq, limit=1)

    if await call.look(over):
        return Response(status_code=204)
    return call.runtime.streams.follow(
        operation,
        member=call.who.member,
        after=seq,
        show=lambda event: told(event, call.facts.language),
        ended=_ends,
    )


def _ends(event: Event) -> bool:
    return event.name in ENDS


def _reached(tx: Transaction, operation: str, call: Call) -> Operation:
    found = operations.find(tx, operation)
    if not call.reaches(found.organisation, found.project):
        raise NotFound("storage.operation_unknown", operation=operation)
    return found


def told(event: Event, language: Language) -> JsonObject:
    """What an event says, with a sentence beside the code of a step, or of a failure."""
    body = dict(event.body)
    step, error = body.get("step"), body.get("error")
    if isinstance(step, str) and step:
        body["message"] = step_text(step, language)
    if isinstance(error, dict):
        body["error"] = cast("JsonObject", _failure(error, language).model_dump(mode="json"))
    return body


def shown(found: Operation, language: Language) -> wire.Operation:
    """An operation as it is shown, with its sentences."""
    return wire.Operation(
        id=found.id,
        kind=found.kind,
        organisation=found.organisation,
        project=found.project,
        member=found.member,
        state=found.state,
        created_at=iso(found.created_at_us),
        started_at=_time(found.started_at_us),
        ended_at=_time(found.ended_at_us),
        step=step_text(found.step, language),
        done=found.done,
        total=found.total,
        cancel_asked=found.cancel_asked,
        result=cast("JsonValue", found.result),
        error=None if found.error is None else _failure(found.error, language),
    )


def _failure(error: JsonObject, language: Language) -> wire.Failure:
    return wire.Failure.model_validate(restored(error).as_json(language))


def _time(at_us: int | None) -> str | None:
    return None if at_us is None else iso(at_us)
