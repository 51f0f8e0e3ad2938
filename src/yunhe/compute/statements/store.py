"""What is kept of settlement, and the charges as they follow from the rows of workloads."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import ColumnElement, Row, Select, func, select, update

from yunhe.compute.drawing import store as drawing
from yunhe.compute.machine import shown_chip
from yunhe.compute.scheduling.weights import given_back
from yunhe.compute.statements.domain import (
    SUMS,
    Correction,
    Document,
    DocumentKind,
    NormalisedTime,
    Period,
    ProviderStatement,
    period,
    period_at,
)
from yunhe.compute.statements.figures import idle_ms, taken_back, unwatched_ms
from yunhe.compute.statements.normalising import class_of, rated
from yunhe.compute.statements.tables import (
    EARLIER_MS,
    correction_table,
    document_table,
    period_table,
    statement_table,
)
from yunhe.compute.supply.rating import Ratings
from yunhe.compute.tables import pool_table, voucher_table, workload_table
from yunhe.kernel.canonical import Json, canonical_bytes
from yunhe.storage import dialect
from yunhe.storage.database import Transaction

if TYPE_CHECKING:
    import pyarrow as pa

_IDS_PER_QUERY = 5_000
_ROWS_PER_FETCH = 10_000
_Query = Select[tuple[Any, ...]]

_W, _P, _C = workload_table.c, pool_table.c, correction_table.c
_SHARED = (
    _W.organisation,
    _W.project,
    _W.devices,
    _W.usage,
    _W.spec,
    func.coalesce(_W.term, "on_demand").label("term"),
    _W.ended_at_us.label("used_until_us"),
    _P.id.label("pool"),
    _P.provider,
    _P.site,
    _P.adapter,
    _P.chip,
    func.coalesce(_W.price_held_minor, _P.price_minor_per_device_hour).label(
        "price_minor_per_device_hour"
    ),
    _P.currency,
    func.coalesce(voucher_table.c.share_percent, 0).label("voucher_percent"),
)
_USED = (
    select(_W.id, _W.state, _W.reference, _W.ended_at_us, *_SHARED)
    .join(pool_table, _P.id == _W.pool)
    .outerjoin(voucher_table, voucher_table.c.id == _W.voucher)
    .where(_W.ended_at_us.is_not(None))
)
_CORRECTED = (
    select(correction_table, EARLIER_MS, *_SHARED)
    .join(workload_table, _W.id == _C.workload)
    .join(pool_table, _P.id == _W.pool)
    .outerjoin(voucher_table, voucher_table.c.id == _W.voucher)
)


def charges(
    tx: Transaction,
    *,
    period: Period,
    organisation: str | None = None,
    provider: str | None = None,
    projects: Collection[str] | None = None,
) -> pa.Table:
    """What ended in a period: workloads by end, then corrections. Cost: an index, then a row each.

    Workloads that were cancelled before they ran are there too and not billable.
    """
    from yunhe.compute.statements.charges import table  # noqa: PLC0415

    used = _USED.where(_W.ended_at_us >= period.since_us, _W.ended_at_us < period.until_us)
    corrected = _CORRECTED.where(_C.at_us >= period.since_us, _C.at_us < period.until_us)
    narrowed = [
        column == value
        for column, value in ((_W.organisation, organisation), (_P.provider, provider))
        if value is not None
    ]
    if projects is not None:
        narrowed.append(_W.project.in_(sorted(projects)))
    found = list(_used(tx, used.where(*narrowed).order_by(_W.ended_at_us, _W.number)))
    found += _corrected(tx, corrected.where(*narrowed).order_by(_C.at_us, _C.id))
    return table(found)


def named(tx: Transaction, ids: Collection[str]) -> pa.Table:
    """The charges with these ids, whenever they ended; ids of nothing are left out."""
    from yunhe.compute.statements.charges import table  # noqa: PLC0415

    found: list[dict[str, object]] = []
    ordered = sorted(ids)
    for start in range(0, len(ordered), _IDS_PER_QUERY):
        part = ordered[start : start + _IDS_PER_QUERY]
        found += _used(tx, _USED.where(_W.id.in_(part)))
        found += _corrected(tx, _CORRECTED.where(_C.id.in_(part)))
    return table(found)


def _used(tx: Transaction, query: _Query) -> Iterator[dict[str, object]]:
    rates = Ratings(tx)
    for row in tx.execute(query.execution_options(yield_per=_ROWS_PER_FETCH)):
        usage = json.loads(row.usage) if row.usage else None
        yield {
            **_shared(row),
            "id": row.id,
            "kind": "usage",
            "workload": row.id,
            "corrects": "",
            "outcome": row.state,
            "reference": row.reference or "",
            "billable": usage is not None,
            **(_NOTHING if usage is None else _metered(usage)),
            **_rated(rates, row, device_ms=usage["device_ms"] if usage else 0),
            **_drawn(row, usage or {}),
            "priced_us": row.ended_at_us - (usage["wall_ms"] * 1_000 if usage else 0),
            "ended_us": row.ended_at_us,
        }


_NOTHING = dict.fromkeys(("wall_ms", *SUMS), 0)


def _drawn(row: Row[tuple[Any, ...]], usage: Mapping[str, Any]) -> dict[str, object]:
    """What the ledger has of it, where that is not as much of what the charge names as its chip."""
    several = usage.get("drawn_of")
    if several:
        return {"drawn_of": several, "drawn_ms": usage["drawn_ms"]}
    return {} if row.chip == shown_chip(row.chip, row.adapter) else {"drawn_of": row.chip}


def _metered(usage: Mapping[str, int]) -> dict[str, object]:
    reported = usage.get("utilisation_per_thousand")
    idle = idle_ms(device_ms=usage["device_ms"], utilisation_per_thousand=reported)
    kept = ("wall_ms", "device_ms", "cost_minor", "voucher_minor", "cash_minor")
    samples = usage.get("utilisation_samples") if reported is not None else None
    unknown = unwatched_ms(device_ms=usage["device_ms"], utilisation_per_thousand=reported)
    beside = {"idle_ms": idle, "utilisation_per_thousand": reported, "samples": samples}
    beside["unwatched_ms"] = unknown
    return {**{name: usage[name] for name in kept}, **beside}


def _rated(rates: Ratings, row: Row[tuple[Any, ...]], *, device_ms: int) -> dict[str, object]:
    """Normalised at the end of the work; a correction as well, so that it takes back as much."""
    return rated(
        rates,
        chip=shown_chip(row.chip, row.adapter),
        workload_class=class_of(row.spec),
        device_ms=device_ms,
        at_us=row.used_until_us,
    )


def _shared(row: Row[tuple[Any, ...]]) -> dict[str, object]:
    names = ("organisation", "devices", "pool", "provider", "site", "currency", "term")
    return {
        **{name: getattr(row, name) for name in names},
        "chip": shown_chip(row.chip, row.adapter),
        "project": row.project or "",
        "price_minor_per_device_hour": row.price_minor_per_device_hour,
        "voucher_percent": row.voucher_percent,
    }


def _corrected(tx: Transaction, query: _Query) -> Iterator[dict[str, object]]:
    rates = Ratings(tx)
    for row in tx.execute(query):
        used = json.loads(row.usage) if row.usage else {}
        yield {
            **_shared(row),
            **_rated(rates, row, device_ms=row.device_ms),
            # That of what it corrects: so it takes back what counted as reported and as used.
            "utilisation_per_thousand": used.get("utilisation_per_thousand"),
            "id": row.id,
            "kind": "correction",
            "workload": row.workload,
            "corrects": row.corrects,
            "outcome": "corrected",
            "reference": row.reference,
            "billable": True,
            "wall_ms": 0,
            "device_ms": row.device_ms,
            **_drawn(row, {**used, "drawn_ms": row.drawn_ms}),
            **_unused(row, used),
            "cost_minor": row.cost_minor,
            "voucher_minor": row.voucher_minor,
            "cash_minor": row.cash_minor,
            "priced_us": row.at_us,
            "ended_us": row.at_us,
        }


def _unused(row: Row[tuple[Any, ...]], usage: Mapping[str, Any]) -> dict[str, int]:
    """What a correction takes back of idle time, and of time of which nobody knows."""
    whole = _metered(usage) if usage else dict[str, object]()
    before_ms = usage.get("device_ms", 0) + int(row.earlier_ms)
    return {
        name: taken_back(
            cast("int", whole.get(name, 0)),
            device_ms=usage.get("device_ms", 0),
            before_ms=before_ms,
            after_ms=before_ms + row.device_ms,
        )
        for name in ("idle_ms", "unwatched_ms")
    }


def add_period(tx: Transaction, name: str, *, closed_by: str, at_us: int) -> None:
    """Note that a period is closed."""
    values = {"name": name, "closed_at_us": at_us, "closed_by": closed_by}
    tx.execute(period_table.insert().values(**values))


def closed(tx: Transaction, name: str) -> bool:
    """Whether the period is closed."""
    query = select(period_table.c.name).where(period_table.c.name == name)
    return tx.execute(query).first() is not None


def closed_until_us(tx: Transaction) -> int:
    """When the newest period that is closed ended; 0 before the first. Nothing is booked before."""
    newest = tx.execute(select(func.max(period_table.c.name))).scalar()
    return 0 if newest is None else period(newest).until_us


def number_last(tx: Transaction, kind: DocumentKind) -> int:
    """The highest number of a kind of document; 0 before the first."""
    query = select(func.max(document_table.c.number)).where(document_table.c.kind == kind)
    return int(tx.execute(query).scalar() or 0)


def add_document(tx: Transaction, document: Document) -> None:
    """Keep a document that was issued."""
    said: list[Json] = [
        {**asdict(each), "versions": list(each.versions)} for each in document.normalised
    ]
    normalised = canonical_bytes(said).decode()
    tx.execute(document_table.insert().values(**{**_fields(document), "normalised": normalised}))


def documents(
    tx: Transaction,
    *,
    party: str | None = None,
    period: str | None = None,
    kind: DocumentKind | None = None,
    before: tuple[str, int] | None = None,
    limit: int | None = None,
) -> list[Document]:
    """Documents by kind, the last issued first; a page from behind kind and number."""
    table = document_table.c
    query = select(document_table).order_by(table.kind, table.number.desc()).limit(limit)
    asked = ((table.party, party), (table.period, period), (table.kind, kind))
    query = query.where(*_equal(asked))
    if before is not None:
        later = (table.kind > before[0]) | ((table.kind == before[0]) & (table.number < before[1]))
        query = query.where(later)
    return [_document(row) for row in tx.execute(query)]


def document(tx: Transaction, document_id: str) -> Document | None:
    """The document with that id."""
    row = tx.execute(select(document_table).where(document_table.c.id == document_id)).one_or_none()
    return None if row is None else _document(row)


def add_statement(tx: Transaction, statement: ProviderStatement) -> None:
    """Keep a provider's statement unless its id is there."""
    dialect.insert_new(tx, statement_table, [_fields(statement)])


def statements(
    tx: Transaction,
    *,
    provider: str | None = None,
    period: str | None = None,
    statement: str | None = None,
    after: str = "",
    limit: int | None = None,
) -> list[ProviderStatement]:
    """Statements of providers by id, from behind ``after``."""
    table = statement_table.c
    asked = ((table.provider, provider), (table.period, period), (table.id, statement))
    query = select(statement_table).where(table.id > after, *_equal(asked)).order_by(table.id)
    return [_statement(row) for row in tx.execute(query.limit(limit))]


def add_correction(tx: Transaction, correction: Correction) -> None:
    """Keep a correction; the voucher and the workload's award have so much more again."""
    tx.execute(correction_table.insert().values(**_fields(correction)))
    chosen = update(workload_table).where(_W.id == correction.workload)
    voucher = _W.used_voucher_minor + correction.voucher_minor
    tx.execute(chosen.values(used_voucher_minor=voucher))
    used = drawing.used(tx, correction.workload)
    drawing.set_used(tx, correction.workload, given_back(used, -correction.device_ms))


def corrections(
    tx: Transaction, *, workload: str | None = None, correction: str | None = None
) -> list[Correction]:
    """Corrections, the first first."""
    asked = ((_C.workload, workload), (_C.id, correction))
    query = select(correction_table).where(*_equal(asked)).order_by(_C.at_us, _C.id)
    return [
        Correction(**{name: getattr(row, name) for name in Correction.__dataclass_fields__})
        for row in tx.execute(query)
    ]


def placements(tx: Transaction, workload: str) -> int:
    """How often it was placed; its holds are named by it."""
    query = select(_W.placements).where(_W.id == workload)
    return int(tx.execute(query).scalar() or 0)


def periods_used(tx: Transaction) -> tuple[str, ...]:
    """Names of the periods in which anything ended or was corrected, and of those in between."""
    first, last = tx.execute(select(func.min(_W.ended_at_us), func.max(_W.ended_at_us))).one()
    if first is None:
        return ()
    last = max(last, tx.execute(select(func.max(_C.at_us))).scalar() or 0)
    names, at_us = [period_at(first).name], period_at(first).until_us
    while at_us <= last:
        found = period_at(at_us)
        names.append(found.name)
        at_us = found.until_us
    return tuple(names)


def utilised_by_chip(tx: Transaction) -> list[tuple[str, int, int]]:
    """Device-milliseconds whose real use was reported, and of them used, by chip of the pool.

    Cost: a scan of the workloads.
    """
    sums = func.sum(_W.reported_ms), func.sum(_W.busy_ms)
    query = select(_P.chip, *sums).join(pool_table, _P.id == _W.pool)
    rows = tx.execute(query.where(_W.reported_ms.is_not(None)).group_by(_P.chip).order_by(_P.chip))
    return [(str(chip), int(reported), int(busy)) for chip, reported, busy in rows]


def invoiced(tx: Transaction) -> list[tuple[str, int, int]]:
    """Currency, voucher and cash of all invoices so far."""
    table = document_table.c
    sums = func.sum(table.voucher_minor), func.sum(table.cash_minor)
    query = select(table.currency, *sums).where(table.kind == "invoice")
    rows = tx.execute(query.group_by(table.currency).order_by(table.currency))
    return [(str(unit), int(voucher), int(cash)) for unit, voucher, cash in rows]


def _equal(asked: Sequence[tuple[ColumnElement[Any], str | None]]) -> list[ColumnElement[bool]]:
    return [column == value for column, value in asked if value is not None]


def _fields(value: Document | ProviderStatement | Correction) -> dict[str, object]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _document(row: Row[tuple[Any, ...]]) -> Document:
    kept = {name: getattr(row, name) for name in Document.__dataclass_fields__}
    normalised = tuple(
        NormalisedTime(**{**each, "versions": tuple(each["versions"])})
        for each in json.loads(row.normalised or "[]")
    )
    return Document(**{**kept, "normalised": normalised, "unrated_ms": row.unrated_ms or 0})


def _statement(row: Row[tuple[Any, ...]]) -> ProviderStatement:
    fields = ProviderStatement.__dataclass_fields__
    return ProviderStatement(**{name: getattr(row, name) for name in fields})
