"""Commands about a pool: whether it takes work, what it costs when, when it is maintained."""

from __future__ import annotations

import re
from collections.abc import Iterator

from yunhe.compute import store as pools
from yunhe.compute.admission import admit
from yunhe.compute.domain import Pool
from yunhe.compute.errors import refuse
from yunhe.compute.specs import amount_faults, key_faults, text_faults
from yunhe.compute.supply import store
from yunhe.compute.supply.domain import (
    POOL_STATES,
    TERMS,
    Maintenance,
    Price,
    Standing,
    overlapping,
)
from yunhe.compute.supply.losing import lose
from yunhe.compute.supply.own import Stock, held_to_stock
from yunhe.compute.windows.checking import Shut
from yunhe.compute.windows.grounds import broken_by
from yunhe.kernel.clock import iso
from yunhe.kernel.errors import Conflict, Finding, NotFound
from yunhe.kernel.ids import derived_id
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

PRICE_MINOR_MAX = 10**12
"""Highest price of a device-hour."""
INSTANT_MAX_US = 4_102_444_800 * 1_000_000
"""2100: no period begins or ends later."""
_JURISDICTION = re.compile(r"([A-Z]{2}(-[A-Z0-9]{1,3})?)?")


def pool_unknown(pool_id: str) -> NotFound:
    """There is no such pool, or it is not for the caller to change."""
    return NotFound("compute.pool_unknown", pool=pool_id)


def reached(tx: Transaction, pool_id: str) -> Pool:
    """The pool. Errors: `NotFound` ``compute.pool_unknown``."""
    found = pools.pool(tx, pool_id)
    if found is None:
        raise pool_unknown(pool_id)
    return found


def change(
    storage: Storage,
    pool_id: str,
    *,
    state: str | None = None,
    jurisdiction: str | None = None,
    reason: str,
    by: str,
) -> Standing:
    """Open, drain or close a pool, or say whose law holds there.

    States mean what they mean for nodes: on one that is ``draining`` what runs goes on; on one that
    is ``down`` it is ended unpaid and waits again, with the place in the queue that it had, and
    what it held is given back. What waits is looked at again. Saying what is so already changes
    nothing. A pool of this machine that was down opens again only with devices that are still in
    it. Errors: `Invalid` ``compute.offer_invalid`` with every finding; `NotFound`
    ``compute.pool_unknown``.
    """
    findings = list(text_faults("reason", reason))
    if state is not None and state not in POOL_STATES:
        params = (("value", state[:40]), ("known", ", ".join(POOL_STATES)))
        findings.append(Finding("state", "compute.pool_state_unknown", params))
    if jurisdiction is not None and not _JURISDICTION.fullmatch(jurisdiction):
        wrong = (("value", jurisdiction[:40]),)
        findings.append(Finding("jurisdiction", "compute.jurisdiction_invalid", wrong))
    refuse("compute.offer_invalid", findings)
    return held_to_stock(
        lambda stock: _change(storage, pool_id, state, jurisdiction, stock, reason=reason, by=by)
    )


def _change(
    storage: Storage,
    pool_id: str,
    state: str | None,
    jurisdiction: str | None,
    stock: Stock,
    *,
    reason: str,
    by: str,
) -> Standing:
    now_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        pool = reached(tx, pool_id)
        before = store.standing(tx, pool_id)
        said = Standing(
            pool_id,
            next((known for known in POOL_STATES if known == state), before.state),
            before.jurisdiction if jurisdiction is None else jurisdiction,
        )
        if before.state == "down" and said.state != "down":
            lacking = stock.lacks(tx, pool.chip, pool.devices, adapter=pool.adapter, where="state")
            refuse("compute.offer_invalid", lacking)
        store.set_standing(tx, said)
        for what in ("state", "jurisdiction"):
            value = getattr(said, what)
            if value != getattr(before, what):
                store.add_step(tx, pool_id, what, value, reason=reason, by=by, at_us=now_us)
        # Also where it is down already: what the platform closed may still have work on it.
        lost = lose(tx, pool, now_us=now_us) if state == "down" else 0
        if lost or said != before:
            admit(tx, now_us=now_us)
    return said


def set_price(  # noqa: PLR0913 - each named; a price has as many parts
    storage: Storage,
    pool_id: str,
    *,
    key: str,
    price_minor_per_device_hour: int,
    term: str = "on_demand",
    from_us: int | None = None,
    until_us: int | None = None,
    reason: str,
    by: str,
) -> Price:
    """Set a price for a period from now on; the same key again returns the price of the first time.

    What is placed already keeps the price it was placed at. Errors: `Invalid`
    ``compute.offer_invalid`` with every finding, among them a period that has begun before now or
    overlaps another of the same term; `NotFound`; `Conflict` ``compute.price_differs``.
    """
    now_us = storage.clock.now_us()
    begins_us = now_us if from_us is None else from_us
    findings = [*key_faults(key), *text_faults("reason", reason)]
    findings += amount_faults(
        "price_minor_per_device_hour", price_minor_per_device_hour, least=0, most=PRICE_MINOR_MAX
    )
    known = next((each for each in TERMS if each == term), None)
    if known is None:
        params = (("value", term[:40]), ("known", ", ".join(TERMS)))
        findings.append(Finding("term", "compute.term_unknown", params))
    price_id = derived_id("price", pool_id, key)
    with storage.database.begin() as tx:
        reached(tx, pool_id)
        there = store.price(tx, price_id)
        if there is not None:
            said = (term, price_minor_per_device_hour)
            same = (there.term, there.price_minor_per_device_hour) == said
            if not same or from_us not in (None, there.from_us):
                raise Conflict("compute.price_differs", key=key)
            return there
        findings += _period_faults(begins_us, until_us, now_us=now_us)
        if not findings and known is not None:
            of_term = store.prices(tx, pools=[pool_id], term=known)
            findings += _overlap_faults(of_term, begins_us, until_us)
        refuse("compute.offer_invalid", findings)
        assert known is not None  # noqa: S101 - refused above
        made = Price(
            price_id, pool_id, known, price_minor_per_device_hour, begins_us, until_us, by, now_us,
            reason,
        )  # fmt: skip
        store.add_price(tx, made)
        store.add_step(tx, pool_id, "price", price_id, reason=reason, by=by, at_us=now_us)
        admit(tx, now_us=now_us)
    return made


def end_price(
    storage: Storage, pool_id: str, price_id: str, *, until_us: int | None, reason: str, by: str
) -> Price:
    """Let a price end sooner, at the earliest now; one that has not begun never will.

    Errors: `Invalid` ``compute.offer_invalid``; `NotFound` ``compute.pool_unknown``,
    ``compute.price_unknown``.
    """
    now_us = storage.clock.now_us()
    findings = list(text_faults("reason", reason))
    with storage.database.begin() as tx:
        reached(tx, pool_id)
        there = store.price(tx, price_id)
        if there is None or there.pool != pool_id:
            raise NotFound("compute.price_unknown", price=price_id)
        ends_us = max(now_us, there.from_us) if until_us is None else until_us
        if there.until_us is not None and there.until_us <= ends_us:
            if until_us is None:
                return there  # over already
            findings.append(Finding("until_at", "compute.period_longer"))
        if ends_us < max(now_us, there.from_us):
            findings.append(Finding("until_at", "compute.period_past", (("now", iso(now_us)),)))
        refuse("compute.offer_invalid", findings)
        store.end_price(tx, price_id, until_us=ends_us)
        store.add_step(tx, pool_id, "price_ended", price_id, reason=reason, by=by, at_us=now_us)
        admit(tx, now_us=now_us)
        ended = store.price(tx, price_id)
    assert ended is not None  # noqa: S101 - prices are never removed
    return ended


def plan_maintenance(
    storage: Storage,
    pool_id: str,
    *,
    key: str,
    from_us: int | None = None,
    until_us: int,
    reason: str,
    by: str,
) -> Maintenance:
    """Announce that a pool runs nothing in a period: no work that could still run then is placed.

    What runs already is not stopped. Periods may overlap. It is refused where guaranteed windows
    could not be kept then. Errors: `Invalid`
    ``compute.offer_invalid``; `NotFound`; `Conflict` ``compute.maintenance_differs``.
    """
    now_us = storage.clock.now_us()
    begins_us = now_us if from_us is None else from_us
    maintenance_id = derived_id("maintenance", pool_id, key)
    findings = [*key_faults(key), *text_faults("reason", reason)]
    with storage.database.begin() as tx:
        reached(tx, pool_id)
        there = store.maintenance(tx, maintenance_id)
        if there is not None:
            if there.until_us != until_us or from_us not in (None, there.from_us):
                raise Conflict("compute.maintenance_differs", key=key)
            return there
        findings += _period_faults(begins_us, until_us, now_us=now_us)
        if not findings:
            findings += _guarantee_faults(tx, pool_id, begins_us, until_us, now_us=now_us)
        refuse("compute.offer_invalid", findings)
        made = Maintenance(maintenance_id, pool_id, begins_us, until_us, reason, by, now_us)
        store.add_maintenance(tx, made)
        detail = maintenance_id
        store.add_step(tx, pool_id, "maintenance", detail, reason=reason, by=by, at_us=now_us)
        admit(tx, now_us=now_us)
    return made


def _guarantee_faults(
    tx: Transaction, pool_id: str, from_us: int, until_us: int, *, now_us: int
) -> Iterator[Finding]:
    status = pools.pool(tx, pool_id)
    assert status is not None  # noqa: S101 - it was reached before
    for view in broken_by(tx, status, Shut(pool_id, from_us, until_us), now_us=now_us):
        params = (("begins", iso(view.from_us)), ("ends", iso(view.until_us)))
        yield Finding("from_at", "compute.maintenance_guaranteed", params)


def call_off(
    storage: Storage, pool_id: str, maintenance_id: str, *, reason: str, by: str
) -> Maintenance:
    """Call a maintenance off, or end it; doing so twice changes nothing.

    Errors: `Invalid`; `NotFound` ``compute.pool_unknown``, ``compute.maintenance_unknown``.
    """
    refuse("compute.offer_invalid", list(text_faults("reason", reason)))
    now_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        reached(tx, pool_id)
        there = store.maintenance(tx, maintenance_id)
        if there is None or there.pool != pool_id:
            raise NotFound("compute.maintenance_unknown", maintenance=maintenance_id)
        if there.cancelled_at_us is None:
            store.cancel_maintenance(tx, maintenance_id, at_us=now_us)
            what = "maintenance_off"
            store.add_step(tx, pool_id, what, there.id, reason=reason, by=by, at_us=now_us)
            admit(tx, now_us=now_us)
            there = store.maintenance(tx, maintenance_id)
    assert there is not None  # noqa: S101 - maintenance is never removed
    return there


def _period_faults(from_us: int, until_us: int | None, *, now_us: int) -> Iterator[Finding]:
    """A period that reaches back, is empty, or lies beyond all calendars."""
    if from_us < now_us:
        yield Finding("from_at", "compute.period_past", (("now", iso(now_us)),))
    if until_us is not None and until_us <= from_us:
        yield Finding("until_at", "compute.period_empty")
    for where, at_us in (("from_at", from_us), ("until_at", until_us)):
        if at_us is not None and at_us > INSTANT_MAX_US:
            yield Finding(where, "compute.period_far", (("latest", iso(INSTANT_MAX_US)),))


def _overlap_faults(prices: list[Price], from_us: int, until_us: int | None) -> Iterator[Finding]:
    for price in overlapping(prices, from_us, until_us):
        ends = "…" if price.until_us is None else iso(price.until_us)
        params = (("price", price.id), ("from", iso(price.from_us)), ("until", ends))
        yield Finding("from_at", "compute.price_overlaps", params)
