"""Requests of many callers, handed to the compute floor together: one transaction for a group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pydantic import BaseModel
from starlette.responses import Response

from yunhe.api.asking import Handed, Mended, Require, handed, points_at_files
from yunhe.api.call import Call
from yunhe.api.idempotency import answered, once_each
from yunhe.client.wire.asking import NewWorkload
from yunhe.compute import domain
from yunhe.compute import service as compute
from yunhe.compute.domain import Asked, Unread
from yunhe.kernel.errors import Invalid, YunheError
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """One request, with all that was found out about it before its transaction."""

    storage: Storage
    """Where it goes."""
    handed: Handed
    """As it was read."""
    asked: Asked
    """As the compute floor takes it."""
    shown: Callable[[domain.Workload], BaseModel]
    """How its sender is shown what came of it."""


async def hand_over(
    call: Call,
    key: str,
    body: NewWorkload,
    *,
    require: Sequence[tuple[str, Require]],
    shown: Callable[[domain.Workload], BaseModel],
) -> Response:
    """Submit a request once for this Idempotency-Key; ``shown``: how its sender sees it.

    Organisations take turns at the groups. What reads files, or may take long to refuse, is looked
    at in a thread beforehand, in a transaction that only reads, so that no writer waits for it.
    """
    name, organisation, storage = call.command_key(key), call.who.organisation, call.runtime.storage

    def read() -> Order:
        said = handed(storage, body, key=name, organisation=organisation, require=require)
        places = said.before.places | {each.where for each in said.found}
        asked = compute.submitting.looked_into(
            storage,
            said.spec,
            member=call.who.member,
            unread=Unread((), frozenset(places)),
        )
        return Order(storage, said, asked, shown)

    def looked_over() -> Order:
        made = read()
        _look_over(made)
        return made

    if isinstance(body, Mended):  # always refused; what is left of it must not pass for another
        made = await call.apart(looked_over)
        await call.runtime.join_in_turn(_take, made, whose=organisation)
    single = body.devices == body.replicas == 1
    if single and not (body.cpu_milli or body.replica_memory_bytes or points_at_files(body)):
        return await call.create_together(key, body, read(), TOGETHER, in_turns=True)
    before = await call.look(lambda tx: answered(tx, call.attempt(key, body)))
    if before is not None:
        return call.answer(before)
    made = await call.apart(looked_over)
    return await call.create_together(key, body, made, TOGETHER, in_turns=True)


def _look_over(made: Order) -> None:
    """Raise what it will be refused with, as far as that can be said beforehand."""
    with made.storage.database.read() as tx:
        unread, refused = made.handed.allowed(tx)
        try:
            compute.submitting.look_over(made.storage, tx, replace(made.asked, unread=unread))
        except Invalid as error:
            raise made.handed.told(error, refused) from None


def _take(tx: Transaction, orders: Sequence[Order]) -> Sequence[BaseModel | YunheError]:
    """Submit them in their order; what each sender is told."""
    if not orders:
        return []
    storage = orders[0].storage
    allowed = [each.handed.allowed(tx) for each in orders]
    asked = [
        replace(each.asked, unread=unread)
        for each, (unread, _) in zip(orders, allowed, strict=True)
    ]
    made = compute.submitting.submit_many(storage, tx, asked, now_us=storage.clock.now_us())
    return [
        _told(each, outcome, refused)
        for each, outcome, (_, refused) in zip(orders, made, allowed, strict=True)
    ]


def _told(
    each: Order, outcome: domain.Workload | YunheError, refused: Sequence[YunheError]
) -> BaseModel | YunheError:
    if isinstance(outcome, Invalid):
        return each.handed.told(outcome, refused)
    return outcome if isinstance(outcome, YunheError) else each.shown(outcome)


TOGETHER = once_each(_take)
"""Takes many requests, each once for its Idempotency-Key."""
