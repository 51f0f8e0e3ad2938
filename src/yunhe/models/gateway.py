"""The gateway: HTTP in, an accountable answer out. A raw ASGI application without a framework.

| Request | Response |
|---|---|
| ``POST /v1/routes/<route>/answers`` ``{"text": …}`` | the answer, once its record is durable |
| ``GET /v1/answers/<id>`` | its record, for the organisation that asked |
| ``GET /v1/answers/<id>/receipt`` | everything needed to verify it offline, likewise |
| ``GET /v1/routes`` | what answers on each route, and whether it may |
| ``GET /healthz`` | whether questions are answered now; needs no key |
"""

from __future__ import annotations

import asyncio
import logging
import re
from dataclasses import dataclass, field

from yunhe.custody import service as custody
from yunhe.identity import service as identity
from yunhe.identity.domain import ASK, Principal
from yunhe.kernel.canonical import JsonObject, canonical_bytes
from yunhe.kernel.clock import iso
from yunhe.kernel.errors import Conflict, Invalid, NotAllowed, NotFound, Unavailable, YunheError
from yunhe.models import errors, store
from yunhe.models.answers import AnswerWriter, Grouping
from yunhe.models.asgi import (
    Disconnected,
    Receive,
    Request,
    Response,
    Scope,
    Send,
    path_unknown,
    read_body,
)
from yunhe.models.domain import Answer, Served, tenant_of
from yunhe.models.drafts import Question
from yunhe.models.questions import read_question
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

_ANSWERS = re.compile(r"/v1/routes/([^/]{1,64})/answers", re.ASCII)
_ANSWER = re.compile(r"/v1/answers/([^/]{1,64})(/receipt)?", re.ASCII)
_PENDING = "custody.not_sequenced"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may take."""

    body_bytes_max: int = 65_536
    """Largest request body."""
    body_seconds_max: float = 10.0
    """How long a body may take to arrive."""
    grouping: Grouping = field(default_factory=Grouping)
    """How answers share transactions."""


class Gateway:
    """The ASGI application; its lifespan starts and stops the thread that answers."""

    def __init__(self, storage: Storage, limits: Limits | None = None) -> None:
        """Nothing runs before the server says that it starts."""
        self._storage = storage
        self._limits = limits or Limits()
        self._writer = AnswerWriter(storage, self._limits.grouping)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event, as ASGI 3 asks."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._respond(Request.of(scope), receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._writer.start()
                await send({"type": "lifespan.startup.complete"})
            else:
                await asyncio.to_thread(self._writer.stop)
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _respond(self, request: Request, receive: Receive, send: Send) -> None:
        try:
            response = await self._dispatch(request, receive)
        except Disconnected:
            return
        except YunheError as error:
            response = Response.of_error(error, request.language())
        except Exception:  # noqa: BLE001 (the edge of HTTP: a caller gets the one error shape)
            _log.exception("%s %s failed", request.method, request.path)
            response = Response.of_error(Unavailable("models.gateway_failed"), request.language())
        await response.send(send)

    async def _dispatch(self, request: Request, receive: Receive) -> Response:
        if found := _ANSWERS.fullmatch(request.path):
            _require(request, "POST")
            return await self._ask(request, found[1], receive)
        if found := _ANSWER.fullmatch(request.path):
            _require(request, "GET")
            work = self._receipt if found[2] else self._look_up
            return Response(200, await asyncio.to_thread(work, request.secret(), found[1]))
        if request.path == "/v1/routes":
            _require(request, "GET")
            return Response(200, await asyncio.to_thread(self._routes, request.secret()))
        if request.path == "/healthz":
            _require(request, "GET")
            if not self._writer.alive():
                raise Unavailable("models.stopping", retryable=True)
            return Response(200, canonical_bytes({"status": "ok"}))
        raise path_unknown(request.path)

    async def _ask(self, request: Request, route: str, receive: Receive) -> Response:
        secret = request.secret()
        body = await read_body(
            request,
            receive,
            bytes_max=self._limits.body_bytes_max,
            seconds_max=self._limits.body_seconds_max,
        )
        question = Question(route, secret, read_question(body), body)
        return Response(200, await self._writer.answer(question))

    def _look_up(self, secret: str, answer_id: str) -> bytes:
        with self._storage.database.read() as tx:
            answer = self._own(tx, secret, answer_id)
            served = store.deployed(tx, {answer.deployment})[answer.deployment]
        found: JsonObject = {
            "id": answer.id,
            "route": served.deployment.route,
            "label": answer.label,
            "model": served.version.id,
            "model_digest": served.deployment.model_digest,
            "deployment": answer.deployment,
            "nonce": answer.nonce,
            "request_commitment": answer.request_commitment,
            "response_commitment": answer.response_commitment,
            "at": iso(answer.at_us),
            "receipt": f"/v1/answers/{answer.id}/receipt",
        }
        if answer.erased:
            found = {**found, "erased": True}
        return canonical_bytes(found)

    def _receipt(self, secret: str, answer_id: str) -> bytes:
        with self._storage.database.read() as tx:
            answer = self._own(tx, secret, answer_id)
        try:
            # Verifiers accept one spelling of a receipt, so it is sent as custody writes it.
            return custody.receipt_bytes(custody.receipt(self._storage, answer.reference))
        except YunheError as error:
            if error.code != _PENDING:
                raise
            raise Conflict("models.receipt_pending", answer=answer_id, retryable=True) from error

    def _routes(self, secret: str) -> bytes:
        now_us = self._storage.clock.now_us()
        with self._storage.database.read() as tx:
            _reader(tx, secret, now_us=now_us)
            routes = store.served(tx)
        return canonical_bytes([_described(routes[name], now_us=now_us) for name in sorted(routes)])

    def _own(self, tx: Transaction, secret: str, answer_id: str) -> Answer:
        """The answer, if the organisation behind the key was given it; else it does not exist."""
        principal = _reader(tx, secret, now_us=self._storage.clock.now_us())
        answer = store.answer(tx, answer_id)
        if answer is None or answer.tenant != tenant_of(principal.organisation):
            raise NotFound("models.answer_unknown", answer=answer_id)
        return answer


def _reader(tx: Transaction, secret: str, *, now_us: int) -> Principal:
    """Who looks at routes or answers; the key must be meant for asking, or for reading."""
    principal = identity.authenticate(tx, secret, now_us=now_us)
    if not (principal.may(ASK) or principal.may("models:read")):
        raise NotAllowed("identity.scope_missing", scope=ASK)
    return principal


def _require(request: Request, method: str) -> None:
    if request.method != method:
        raise Invalid(
            "models.method_not_allowed", path=request.path, method=request.method, allowed=method
        )


def _described(served: Served, *, now_us: int) -> JsonObject:
    why = errors.why_not_served(served, now_us=now_us)
    return {
        "route": served.deployment.route,
        "model": served.version.id,
        "model_digest": served.deployment.model_digest,
        "name": served.version.name,
        "deployment": served.deployment.id,
        "answers": why is None,
        "why_not": None if why is None else why.code,
        "valid_until": iso(served.version.valid_until_us or 0),
    }
