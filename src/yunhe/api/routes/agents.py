"""Agents at data centres: they call, fetch work of their provider, and report."""

from __future__ import annotations

import asyncio
import base64
import binascii
from typing import Annotated, cast

from fastapi import Path, Query, Request
from pydantic import JsonValue
from starlette.responses import Response

from yunhe.api.call import Call, Caller
from yunhe.api.files import BYTES, file
from yunhe.api.paths import Routes
from yunhe.api.pulling import pulled
from yunhe.client.wire import agents as wire
from yunhe.compute.service import agents
from yunhe.kernel.clock import iso
from yunhe.kernel.errors import Invalid
from yunhe.storage.database import Transaction

routes = Routes("compute")
"""Of agents."""
LOOK_SECONDS = 0.5
"""How often a question that waits is looked at again."""
_Site = Annotated[
    str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", examples=["ascend-centre"])
]
_Job = Annotated[
    str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$", examples=["workload_w0h1-1"])
]
_FileName = Annotated[
    str, Path(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$", examples=["model.safetensors"])
]
_Number = Annotated[int, Query(ge=1, le=2**31 - 1)]


def _place(call: Call, site: str) -> agents.Place:
    """The mailbox of the caller's own organisation: no other's exists for it."""
    return agents.Place(call.who.organisation, site)


@routes.add("PUT /v1/agents/{site}", wire.AgentHeld)
async def put_agent(site: _Site, call: Caller, body: wire.AgentHello) -> wire.AgentHeld:
    """Take a site for an agent, or keep it; one agent has it at a time."""
    now_us, place = call.now_us(), _place(call, site)
    nodes = [agents.Node(**node.model_dump()) for node in body.nodes]

    def take(tx: Transaction) -> agents.Held:
        return agents.take(
            tx,
            place,
            agent=body.agent,
            fence=body.fence,
            nodes=nodes,
            clock_us=body.clock_us,
            now_us=now_us,
        )

    held = await call.write(take)
    return wire.AgentHeld(fence=held.fence, seconds=held.seconds, at=iso(now_us))


@routes.add("POST /v1/agents/{site}/work", wire.AgentWork)
async def ask_for_work(site: _Site, call: Caller, body: wire.AgentAsk) -> wire.AgentWork:
    """What an agent is to start and to stop; the answer waits a while for something to say."""
    call.facts.unbounded()
    place, looks = _place(call, site), round(body.wait_seconds / LOOK_SECONDS)
    stopping = frozenset(body.stopping)

    def new(tx: Transaction) -> bool:
        return agents.anything_new(
            tx,
            place,
            fence=body.fence,
            room=body.room,
            holding=body.holding,
            stopping=stopping,
        )

    while not await call.look(new) and looks > 0:
        looks -= 1
        await asyncio.sleep(LOOK_SECONDS)
    now_us = call.now_us()

    def hand(tx: Transaction) -> agents.Orders:
        return agents.orders(
            tx, place, fence=body.fence, room=body.room, holding=body.holding, now_us=now_us
        )

    found = await call.write(hand)
    start = [
        wire.AgentJob(job=o.job, run=o.run, asked=cast("dict[str, JsonValue]", o.asked))
        for o in found.start
    ]
    return wire.AgentWork(start=start, stop=list(found.stop))


@routes.add("PUT /v1/agents/{site}/jobs/{job}", status=204)
async def report_run(site: _Site, job: _Job, call: Caller, body: wire.AgentReport) -> None:
    """Say that a run began or ended; said again it changes nothing."""
    place, now_us, said = _place(call, site), call.now_us(), body.ended

    def keep(tx: Transaction) -> None:
        if said is None:
            agents.started(tx, place, job, fence=body.fence, run=body.run)
            if body.using is not None:
                use = agents.Use(**body.using.model_dump())
                mine = {"fence": body.fence, "run": body.run}
                agents.using(tx, place, job, use, **mine, now_us=now_us)
            return
        end = agents.Ended(**said.model_dump())
        agents.ended(tx, place, job, fence=body.fence, run=body.run, said=end, now_us=now_us)

    await call.write(keep)


@routes.add("PUT /v1/agents/{site}/jobs/{job}/log", wire.AgentKept)
async def append_log(site: _Site, job: _Job, call: Caller, body: wire.AgentPiece) -> wire.AgentKept:
    """Append what a run printed; the answer says how much there is, and so where to go on."""
    try:
        data = base64.b64decode(body.data, validate=True)
    except (ValueError, binascii.Error):
        raise Invalid("compute.agent_piece", most=agents.LOG_PIECE_BYTES_MAX) from None
    place, storage = _place(call, site), call.runtime.storage
    piece = agents.Piece(body.stream, body.offset, data)
    kept = await call.apart(
        lambda: agents.printed(storage, place, job, fence=body.fence, run=body.run, piece=piece)
    )
    return wire.AgentKept(size_bytes=kept)


@routes.add("GET /v1/agents/{site}/jobs/{job}/inputs/{name}", produces=BYTES)
async def get_agent_input(
    site: _Site, job: _Job, name: _FileName, call: Caller, fence: _Number
) -> Response:
    """A file that a job which was handed to this agent finds under a name."""
    place = _place(call, site)
    digest = await call.look(lambda tx: agents.input_digest(tx, place, job, name, fence=fence))
    return await file(call, digest)


@routes.add(
    "POST /v1/agents/{site}/jobs/{job}/outputs/{name}", wire.AgentKept, status=201, consumes=BYTES
)
async def send_agent_output(
    site: _Site,
    job: _Job,
    name: _FileName,
    call: Caller,
    request: Request,
    fence: _Number,
    run: _Number,
) -> wire.AgentKept:
    """Send a file that a run wrote; sent again it replaces the former.

    No Idempotency-Key: the name is one.
    """
    place, storage = _place(call, site), call.runtime.storage
    await call.look(lambda tx: agents.require_run(tx, place, job, fence=fence, run=run))
    call.facts.unbounded()
    chunks = pulled(request.stream(), asyncio.get_running_loop())
    most = call.runtime.settings.upload_bytes_max
    blob = await call.runtime.with_file(lambda: storage.blobs.put_stream(chunks, bytes_max=most))

    def keep(tx: Transaction) -> None:
        agents.keep_output(tx, place, job, fence=fence, run=run, name=name, digest=blob.digest)

    await call.write(keep)
    return wire.AgentKept(size_bytes=blob.size_bytes, digest=blob.digest)
