"""Work while it runs: its output as it comes, and commands inside it."""

from __future__ import annotations

import base64
from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from yunhe.api import streams
from yunhe.api.byte_streams import ByteStream
from yunhe.api.call import After, Call, Caller, Key, Limit, PathId, page
from yunhe.api.paths import Routes
from yunhe.client.wire import live as wire
from yunhe.client.wire.shapes import Page
from yunhe.compute import errors
from yunhe.compute import service as compute
from yunhe.compute.domain import Workload
from yunhe.compute.service import live
from yunhe.kernel.clock import iso
from yunhe.kernel.errors import Finding, Invalid, NotFound
from yunhe.kernel.language import texts
from yunhe.storage.database import Transaction
from yunhe.vault.domain import reference

routes = Routes("live")
"""Of work while it runs."""
_Offset = Annotated[int, Query(ge=0, le=2**53 - 1)]


@routes.add("GET /v1/workloads/{workload}/log/stream", produces=streams.MEDIA_TYPE)
async def stream_workload_log(workload: PathId, call: Caller, after: _Offset = 0) -> Response:
    """What a workload prints, as it comes, from a byte on (Server-Sent Events)."""
    offset = streams.resumed_at(call.facts.headers, after)

    def over(tx: Transaction) -> bool:
        _workload(tx, call, workload)
        return offset > 0 and live.log(tx, workload, offset - 1).ended

    if await call.look(over):
        return Response(status_code=204)
    return ByteStream(call, workload, offset=offset, read=live.log)


@routes.add("GET /v1/workloads/{workload}/execs", Page[wire.Exec])
async def list_execs(
    workload: PathId, call: Caller, after: After = None, limit: Limit = 50
) -> Page[wire.Exec]:
    """The commands that were run inside a workload, by id; their words are not kept."""
    [last] = call.place(after, like=("",))

    def look(tx: Transaction) -> list[live.Exec]:
        _workload(tx, call, workload)
        return live.execs(tx, workload, after=str(last), limit=limit + 1)

    found = await call.look(look)
    return page(
        call,
        found,
        limit=limit,
        shown=lambda each: _shown(each, call),
        place=lambda each: (each.id,),
    )


@routes.add("POST /v1/workloads/{workload}/execs", wire.Exec, status=201)
async def create_exec(workload: PathId, call: Caller, key: Key, body: wire.NewExec) -> Response:
    """Run a command inside a workload that runs; who did is recorded, with a digest of it."""

    def make(name: str) -> wire.Exec:
        with call.runtime.storage.database.read() as tx:
            found = _workload(tx, call, workload)
        for named in found.spec.secrets.values():  # a command finds their values there
            secret = reference(named)
            if secret is not None and not call.reaches(found.spec.organisation, secret.project):
                raise NotFound("vault.secret_unknown", name=named)
        asked = live.Asked(
            workload,
            found.spec.organisation,
            call.who.member,
            command=tuple(body.command),
            tty=body.tty,
            rows=body.rows,
            columns=body.columns,
            closes=body.closes,
        )
        return _shown(live.ask(call.runtime.storage, asked, key=name), call)

    return await call.command(key, body, make)


@routes.add("GET /v1/execs/{exec}", wire.Exec)
async def get_exec(exec: PathId, call: Caller) -> wire.Exec:  # noqa: A002 (the name in the path)
    """One command as it stands."""
    return _shown(await call.look(lambda tx: _exec(tx, call, exec)), call)


@routes.add("GET /v1/execs/{exec}/stream", produces=streams.MEDIA_TYPE)
async def stream_exec(
    exec: PathId,  # noqa: A002 (the name in the path)
    call: Caller,
    after: _Offset = 0,
) -> Response:
    """What a command says, as it comes, from a byte on (Server-Sent Events)."""
    offset = streams.resumed_at(call.facts.headers, after)

    def over(tx: Transaction) -> bool:
        _exec(tx, call, exec)
        return offset > 0 and live.output(tx, exec, offset - 1).ended

    if await call.look(over):
        return Response(status_code=204)
    return ByteStream(
        call,
        exec,
        offset=offset,
        read=live.output,
        given=lambda tx, at: live.given(tx, exec, at, at_us=call.now_us()),
    )


@routes.add("POST /v1/execs/{exec}/input", wire.Exec)
async def type_in_exec(
    exec: PathId,  # noqa: A002 (the name in the path)
    call: Caller,
    body: wire.Input,
) -> wire.Exec:
    """Give a command its next piece of input, or its terminal another size."""
    try:
        data = base64.b64decode(body.data, validate=True)
    except ValueError:  # letters beyond ASCII are another error than wrong base64
        raise Invalid("api.invalid", findings=[Finding("data", "api.not_base64")]) from None
    piece = live.Input(body.seq, data, eof=body.eof, rows=body.rows, columns=body.columns)

    def give(tx: Transaction) -> live.Exec:
        _exec(tx, call, exec)
        return live.type_in(tx, exec, piece, member=call.who.member)

    return _shown(await call.write(give), call)


@routes.add("POST /v1/execs/{exec}/end", wire.Exec)
async def end_exec(exec: PathId, call: Caller) -> wire.Exec:  # noqa: A002 (the name in the path)
    """End a command with all it started."""

    def end(tx: Transaction) -> live.Exec:
        _exec(tx, call, exec)
        return live.end(tx, exec, member=call.who.member)

    return _shown(await call.write(end), call)


def _workload(tx: Transaction, call: Call, workload: str) -> Workload:
    found = compute.workload(tx, workload)
    if not call.reaches(found.spec.organisation, found.spec.project):
        raise errors.workload_unknown(workload)
    return found


def _exec(tx: Transaction, call: Call, exec_id: str) -> live.Exec:
    found = live.find(tx, exec_id)
    work = compute.workload(tx, found.workload)
    if not call.reaches(work.spec.organisation, work.spec.project):
        raise NotFound("compute.exec_unknown", exec=exec_id[:64])
    return found


def _shown(found: live.Exec, call: Call) -> wire.Exec:
    said = texts("compute", call.facts.language)
    return wire.Exec(
        id=found.id,
        workload=found.workload,
        member=found.member,
        command_digest=found.command_digest,
        tty=found.tty,
        closes=found.closes,
        state=found.state,
        why=found.why,
        message="" if found.why is None else said.get(found.why, found.why),
        status=found.status,
        input_done=found.input_done,
        input_last=found.input_last,
        said_bytes=found.said_bytes,
        at=iso(found.at_us),
        ended_at=None if found.ended_at_us is None else iso(found.ended_at_us),
    )
