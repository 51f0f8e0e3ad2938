"""One admitted request, as a route sees it: who calls, what they reach, and the ways to storage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar, cast

from fastapi import Depends, Header, Path, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from yunhe.api import access, cursors
from yunhe.api.access import Row
from yunhe.api.idempotency import Answer, Attempt, answered, once
from yunhe.api.requests import Facts
from yunhe.api.runtime import Runtime
from yunhe.client.wire.shapes import PAGE_MAX, Page
from yunhe.identity.domain import Principal
from yunhe.kernel.canonical import Json
from yunhe.kernel.errors import NotAllowed
from yunhe.kernel.ids import derived_id
from yunhe.storage.database import Transaction
from yunhe.storage.grouping import Batch

_Result = TypeVar("_Result")
_Row = TypeVar("_Row")
_Shown = TypeVar("_Shown")
_Item = TypeVar("_Item")
_Place = TypeVar("_Place", bound=cursors.Place)
_CALL = "yunhe.call"  # key in the scope


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """Given to every route; made only after its row admitted the caller."""

    runtime: Runtime
    """What all requests share."""
    facts: Facts
    """What the head of the request says."""
    row: Row
    """The route's row of the table."""
    principal: Principal | None
    """Who calls; None only on routes that are open to anyone."""

    @property
    def who(self) -> Principal:
        """Who calls a route that is not open to anyone."""
        if self.principal is None:
            raise NotAllowed("api.credential_missing")
        return self.principal

    @property
    def tenant(self) -> str | None:
        """The organisation a list is narrowed to; None: the whole programme is shown."""
        return None if access.looks_beyond(self.row, self.who) else self.who.organisation

    @property
    def projects(self) -> frozenset[str] | None:
        """The projects a list is narrowed to; None: not narrowed."""
        return access.projects(self.row, self.who)

    def reaches(self, organisation: str, project: str = "") -> bool:
        """Whether a thing exists for this caller; if not, answer as if its id were unknown."""
        return access.reaches(
            self.row,
            self.who,
            organisation=organisation,
            project=project,
            write=self.facts.unsafe,
        )

    @property
    def _whose(self) -> str:
        """Whose turn it takes."""
        return "" if self.principal is None else self.principal.organisation

    def now_us(self) -> int:
        """The platform's time."""
        return self.runtime.now_us()

    async def look(self, work: Callable[[Transaction], _Result]) -> _Result:
        """Read a few rows by key or index; for anything longer use `read`."""
        return await self.runtime.look(work, whose=self._whose)

    async def read(self, work: Callable[[Transaction], _Result]) -> _Result:
        """Read as much as needed, in a thread."""
        return await self.runtime.read(work, whose=self._whose)

    async def write(self, work: Callable[[Transaction], _Result]) -> _Result:
        """Run a short command that may be repeated harmlessly; returns when it is durable."""
        return await self.runtime.write(work)

    async def apart(self, work: Callable[[], _Result]) -> _Result:
        """Run what blocks, e.g. a command with its own transactions, in a thread."""
        return await self.runtime.apart(work, whose=self._whose)

    async def create(
        self,
        key: str,
        body: BaseModel,
        work: Callable[[Transaction, str], BaseModel],
        *,
        status: int = 201,
        sealed: bool = False,
        token: str = "",
    ) -> Response:
        """Run a command once for this Idempotency-Key; the answer, or the one it got before.

        ``work`` gets the transaction and a key of its own for the floor's command, which is the
        same whenever this caller's organisation sends this Idempotency-Key to this route.
        ``sealed`` when the answer holds a secret; ``token`` as in `attempt`.
        """
        attempt = self.attempt(key, body, sealed=sealed, token=token)
        command = derived_id("api", attempt.tenant, attempt.route, key)

        def run(tx: Transaction) -> Answer:
            return once(tx, attempt, status=status, work=lambda tx: work(tx, command))

        return self.answer(await self.runtime.write(run))

    async def command(
        self, key: str, body: BaseModel, work: Callable[[str], BaseModel], *, status: int = 201
    ) -> Response:
        """As `create`, for a command with transactions of its own.

        ``work`` runs in a thread and gets the command's key. It may run twice when the process is
        killed before its answer is kept, so with the same key it must do the same thing once.
        """
        attempt = self.attempt(key, body)
        before = await self.look(lambda tx: answered(tx, attempt))
        if before is not None:
            return self.answer(before)
        name = derived_id("api", attempt.tenant, attempt.route, attempt.key)
        made = await self.apart(lambda: work(name))
        return self.answer(
            await self.write(lambda tx: once(tx, attempt, status=status, work=lambda _: made))
        )

    async def create_together(
        self,
        key: str,
        body: BaseModel,
        item: _Item,
        batch: Batch[tuple[Attempt, _Item], Answer],
        *,
        in_turns: bool = False,
    ) -> Response:
        """As `create`, for a command that takes the items of many callers at once.

        ``batch`` comes from `yunhe.api.idempotency.once_each`, made once for the route.
        ``in_turns`` where an item is work: then organisations take turns at the groups.
        """
        one, runtime = (self.attempt(key, body), item), self.runtime
        if in_turns:
            return self.answer(await runtime.join_in_turn(batch, one, whose=self._whose))
        return self.answer(await runtime.join(batch, one))

    def attempt(
        self, key: str, body: BaseModel, *, sealed: bool = False, token: str = ""
    ) -> Attempt:
        """The keyed request as `yunhe.api.idempotency` knows it.

        ``token`` stands for the key of a caller who has none yet; it tells callers apart as well.
        """
        return Attempt(
            tenant=self.who.organisation if not token else derived_id("token", token),
            key=key,
            route=f"{self.facts.method} {self.facts.path}",
            body=body.model_dump_json(),
            at_us=self.now_us(),
            secret=(token or self.facts.secret) if sealed else "",
        )

    def command_key(self, key: str) -> str:
        """The floor's key behind this caller's Idempotency-Key, as `create` gives it."""
        route = f"{self.facts.method} {self.facts.path}"
        return derived_id("api", self.who.organisation, route, key)

    @staticmethod
    def answer(answer: Answer) -> Response:
        """A remembered or new answer; a repeated one says so."""
        headers = {"idempotency-replayed": "true"} if answer.repeated else None
        return Response(answer.body, answer.status, headers, media_type="application/json")

    def place(self, after: str | None, *, like: _Place, **filters: Json) -> _Place:
        """Where a list goes on; ``like`` itself without a cursor. Errors: `cursors.place`."""
        return cursors.place(after, of=self._list(filters), like=like) or like

    def cursor(self, place: cursors.Place | None, **filters: Json) -> str | None:
        """The cursor after ``place``, for the list asked for with the same filters."""
        return None if place is None else cursors.cursor(place, of=self._list(filters))

    def _list(self, filters: dict[str, Json]) -> Json:
        return {"path": self.facts.path, "organisation": self.who.organisation, **filters}


def keep(request: Request, call: Call) -> None:
    """Leave the call for the route."""
    request.scope[_CALL] = call


async def _call(request: Request) -> Call:
    return cast("Call", request.scope[_CALL])


Caller = Annotated[Call, Depends(_call)]
"""What a route declares to get its `Call`."""
Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[A-Za-z0-9._:-]{1,100}$",
        description="Names this attempt; send the same one to repeat it harmlessly.",
        examples=["7c3f6d0e-2f4b-4f0e-9b6a-1f3c5a7e9d11"],
    ),
]
"""The header of every route that creates something."""
After = Annotated[
    str | None,
    Query(
        max_length=cursors.CURSOR_LETTERS_MAX,
        description="The `next` of the page before.",
    ),
]
"""Cursor of a list."""
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX, description="Most items of the page.")]
"""Length of a page; lists give 50 unless asked."""
OptionalId = Annotated[str, Query(pattern=r"^([a-z][a-z0-9_]{0,63})?$")]
"""An id in a query; empty for none."""
PathId = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]{0,63}$", examples=["acct_01k9z…"])]
"""An id in an address."""


def page(
    call: Call,
    rows: Sequence[_Row],
    *,
    limit: int,
    shown: Callable[[_Row], _Shown],
    place: Callable[[_Row], cursors.Place],
    **filters: Json,
) -> Page[_Shown]:
    """A page of at most ``limit`` items, of rows that were read with ``limit + 1``.

    ``place`` says where the list goes on after a row; ``filters`` are those of `Call.place`.
    """
    last = place(rows[limit - 1]) if len(rows) > limit else None
    items = [shown(row) for row in rows[:limit]]
    return Page.model_construct(items=items, next=call.cursor(last, **filters))
