"""Commands and questions of settlement: close periods, take statements in, match, correct, export.

A period is closed once, after its end; its invoices and our statements to providers are issued with
it and never change. What turns out wrong later is given back by new entries, and belongs to the
period in which that happens.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Literal, cast

from yunhe.compute.drawing.store import used_by_chip
from yunhe.compute.errors import refuse
from yunhe.compute.statements import store
from yunhe.compute.statements.correcting import correct
from yunhe.compute.statements.domain import (
    CLOSE_AFTER_US,
    Concentration,
    Correction,
    Document,
    DocumentKind,
    Form,
    Grouping,
    Matched,
    Mismatch,
    NormalisedTime,
    Period,
    ProviderStatement,
    UsageLine,
    period,
    period_at,
)
from yunhe.compute.statements.figures import concentrated, document_parties
from yunhe.compute.statements.figures import concentration as concentration_of
from yunhe.compute.statements.store import (
    corrections,
    documents,
    invoiced,
    statements,
    utilised_by_chip,
)
from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.identity import service as identity
from yunhe.kernel.canonical import Json, canonical_bytes, sha256
from yunhe.kernel.clock import iso
from yunhe.kernel.errors import Conflict, Finding, Invalid, NotFound
from yunhe.kernel.ids import derived_id
from yunhe.ledger import service as ledger
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

__all__ = [
    "Concentration",
    "Correction",
    "Document",
    "DocumentKind",
    "Form",
    "Grouping",
    "Matched",
    "Mismatch",
    "NormalisedTime",
    "Period",
    "ProviderStatement",
    "UsageLine",
    "close",
    "concentrated",
    "concentration",
    "concentration_of",
    "content",
    "correct",
    "corrections",
    "document",
    "document_csv",
    "document_parties",
    "documents",
    "export",
    "exported",
    "focus_check",
    "invoiced",
    "matched",
    "period",
    "period_at",
    "receive",
    "statement",
    "statements",
    "usage",
    "used_by_chip",
    "utilised_by_chip",
]

MEMOS = ("workload_", "correction_")
"""How the memos of payments for compute begin."""
KINDS: tuple[DocumentKind, ...] = ("invoice", "payable")
"""What is issued when a period is closed, in this order."""


def usage(
    tx: Transaction,
    *,
    period: Period,
    by: Grouping = "organisation",
    organisation: str | None = None,
    provider: str | None = None,
    projects: Collection[str] | None = None,
) -> list[UsageLine]:
    """What was used and paid in a period so far, by group and currency.

    Cost: reads the charges of the period.
    """
    from yunhe.compute.statements import charges as columns  # noqa: PLC0415

    found = store.charges(
        tx, period=period, organisation=organisation, provider=provider, projects=projects
    )
    named = columns.within(found, period)
    if by == "city":  # as the organisations belong today
        own = identity.own_city(tx)
        named = columns.with_cities(named, lambda names: identity.cities_of(tx, names), own=own)
    return columns.usage(named, by)


def concentration(
    tx: Transaction,
    *,
    period: Period,
    by: Grouping = "provider",
    vendors: Mapping[str, str] | None = None,
) -> Concentration:
    """How concentrated the device time of a period is; with ``vendors`` of chips, by vendor."""
    lines = usage(tx, period=period, by="chip" if vendors is not None else by)
    return concentrated(lines, by if vendors is None else "vendor", names=vendors)


def close(storage: Storage, *, period: Period, closed_by: str) -> list[Document]:
    """Close a period and issue its invoices and statements; again: those that were issued.

    Errors: `Invalid` ``compute.period_running`` until `CLOSE_AFTER_US` after its end; `Conflict`
    ``compute.period_order`` while an earlier one that was used is open; `NotAllowed`
    ``identity.role_missing`` unless ``closed_by`` is an operator. Cost: one transaction over the
    period's charges; about 40 µs each.
    """
    from yunhe.compute.statements import charges as columns  # noqa: PLC0415

    now_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        identity.require(tx, closed_by, "operator")
        if store.closed(tx, period.name):
            return store.documents(tx, period=period.name)
        if now_us < period.until_us + CLOSE_AFTER_US:
            opens = iso(period.until_us + CLOSE_AFTER_US)
            raise Invalid("compute.period_running", period=period.name, opens=opens)
        for earlier in store.periods_used(tx):
            if earlier < period.name and not store.closed(tx, earlier):
                raise Conflict("compute.period_order", period=period.name, earlier=earlier)
        found = columns.within(store.charges(tx, period=period), period)
        store.add_period(tx, period.name, closed_by=closed_by, at_us=now_us)
        for kind in KINDS:
            _issue(storage, tx, kind, found, period=period, at_us=now_us)
        return store.documents(tx, period=period.name)


def _issue(
    storage: Storage,
    tx: Transaction,
    kind: DocumentKind,
    charges: pa.Table,
    *,
    period: Period,
    at_us: int,
) -> None:
    from yunhe.compute.statements import documents as paper  # noqa: PLC0415

    last = store.number_last(tx, kind)
    for number, (party, currency, lines) in enumerate(paper.by_party(charges, kind), last + 1):
        written = paper.written(
            lines,
            kind=kind,
            number=number,
            party=party,
            period=period,
            currency=currency,
            issued_at_us=at_us,
        )
        digest = storage.blobs.put(canonical_bytes(written)).digest
        sums = paper.totals(lines)
        name = derived_id("document", kind, party, period.name, currency)
        body: dict[str, Json] = {
            "organisation": party,
            "number": number,
            "period": period.name,
            "unit": currency,
            "lines": lines.num_rows,
            **sums,
            "digest": digest,
        }
        reference = custody.append(tx, Record(f"compute.{kind}", name, at_us, body, {}))
        made = Document(
            name,
            kind,
            number,
            party,
            period.name,
            currency,
            lines.num_rows,
            issued_at_us=at_us,
            digest=digest,
            reference=reference,
            **sums,
            **paper.normalised(lines),
        )
        store.add_document(tx, made)


def document(tx: Transaction, document_id: str) -> Document:
    """One document. Errors: `NotFound` ``compute.document_unknown``."""
    found = store.document(tx, document_id)
    if found is None:
        raise NotFound("compute.document_unknown", document=document_id[:64])
    return found


def content(storage: Storage, document: Document) -> dict[str, Json]:
    """The whole document as it was issued, lines and all. Errors: those of the blobs."""
    import json  # noqa: PLC0415

    return cast("dict[str, Json]", json.loads(storage.blobs.read(document.digest)))


def receive(
    storage: Storage,
    *,
    provider: str,
    period: Period,
    body: bytes,
    form: Form,
    received_by: str,
) -> ProviderStatement:
    """Take in what a provider says it delivered; the same bytes again are the same statement.

    A later statement for the same period stands beside the earlier one; nothing is replaced.
    Errors: `Invalid` ``compute.statement_invalid`` with every fault; `NotFound` for an unknown
    provider.
    """
    from yunhe.compute.statements import importing  # noqa: PLC0415

    lines = importing.read(body, form, provider=provider)
    now_us = storage.clock.now_us()
    digest = sha256(body)
    made = ProviderStatement(
        id=derived_id("statement", provider, period.name, digest),
        provider=provider,
        period=period.name,
        digest=digest,
        form=form,
        lines=lines.num_rows,
        amount_minor=_sum(lines),
        received_at_us=now_us,
        received_by=received_by,
    )
    storage.blobs.put(body)
    with storage.database.begin() as tx:
        identity.organisation(tx, provider)
        store.add_statement(tx, made)
        return statement(tx, made.id)


def _sum(lines: pa.Table) -> int:
    whole = int(sum(lines.column("amount_minor").to_pylist()))
    faults = [Finding("amount", "compute.statement_sum")] if abs(whole) >= 2**53 else []
    refuse("compute.statement_invalid", faults)
    return whole


def statement(tx: Transaction, statement_id: str) -> ProviderStatement:
    """One provider's statement. Errors: `NotFound` ``compute.statement_unknown``."""
    found = store.statements(tx, statement=statement_id)
    if not found:
        raise NotFound("compute.statement_unknown", statement=statement_id[:64])
    return found[0]


def matched(storage: Storage, statement_id: str) -> Matched:
    """Job log, ledger and one provider's statement of a period, compared to the minor unit.

    Decides and changes nothing. Errors: `NotFound` ``compute.statement_unknown``; those of the
    blobs. Cost: reads the provider's charges of the period and the ledger's payments of that time.
    """
    from yunhe.compute.statements import importing  # noqa: PLC0415

    with storage.database.read() as tx:
        asked = statement(tx, statement_id)
    body = storage.blobs.read(asked.digest)
    form: Form = "csv" if asked.form == "csv" else "json"
    lines = importing.read(body, form, provider=asked.provider)
    with storage.database.read() as tx:
        return compared(tx, lines, period=period(asked.period), providers=[asked.provider])


def compared(
    tx: Transaction, lines: pa.Table, *, period: Period, providers: Collection[str]
) -> Matched:
    """`matching.match` of what is kept here and these lines of these providers."""
    import pyarrow as pa  # noqa: PLC0415

    from yunhe.compute.statements import matching  # noqa: PLC0415

    chosen = next(iter(providers)) if len(providers) == 1 else None
    log = store.charges(tx, period=period, provider=chosen)
    paid = _paid(tx, period, providers)
    known = set(log.column("id").to_pylist())
    asked = set(lines.column("workload").to_pylist()) | set(paid.column("charge").to_pylist())
    beyond = asked - known
    if beyond:
        log = pa.concat_tables([log, store.named(tx, beyond)])
    return matching.match(log, paid, lines, period=period, providers=providers)


def _paid(tx: Transaction, period: Period, providers: Collection[str]) -> pa.Table:
    import pyarrow as pa  # noqa: PLC0415

    from yunhe.compute.statements.captured import LEDGER  # noqa: PLC0415

    rows = ledger.paid(tx, memos=MEMOS, since_us=period.since_us, until_us=period.until_us)
    among = frozenset(providers)
    chosen = [row for row in rows if row[1] in among]
    parts = list(zip(*chosen, strict=True)) or [()] * len(LEDGER)
    numbers = ("amount", "at_us")
    return pa.table(
        {
            name: pa.array(list(part), pa.int64() if name in numbers else pa.string())
            for name, part in zip(LEDGER, parts, strict=True)
        }
    )


def export(
    tx: Transaction,
    *,
    period: Period,
    organisation: str | None = None,
    projects: Collection[str] | None = None,
) -> pa.Table:
    """The charges of a period as a FOCUS 1.2 table, of all organisations or of one's projects."""
    from yunhe.compute.statements import charges as columns  # noqa: PLC0415
    from yunhe.compute.statements import focus  # noqa: PLC0415

    charged = columns.within(
        store.charges(tx, period=period, organisation=organisation, projects=projects), period
    )
    parties = {
        name
        for column in ("organisation", "provider")
        for name in charged.column(column).to_pylist()
    }
    issued = store.documents(tx, period=period.name, kind="invoice", party=organisation)
    return focus.rows(
        charged,
        period=period,
        names={name: identity.organisation(tx, name).name for name in sorted(parties)},
        invoices={(each.party, each.currency): f"{each.number:08}" for each in issued},
    )


def focus_check(rows: pa.Table) -> list[Finding]:
    """What FOCUS 1.2 would object to in a table; nothing, for one of ours."""
    from yunhe.compute.statements.focus_checks import check  # noqa: PLC0415

    return check(rows)


def exported(
    tx: Transaction,
    *,
    period: Period,
    organisation: str | None,
    form: Literal["csv", "parquet"],
    projects: Collection[str] | None = None,
) -> bytes:
    """`export` as a file: CSV (times to the second, null as nothing) or Parquet."""
    from yunhe.compute.statements import writing  # noqa: PLC0415

    rows = export(tx, period=period, organisation=organisation, projects=projects)
    return writing.parquet(rows) if form == "parquet" else writing.csv(rows)


def document_csv(document: Mapping[str, Json]) -> bytes:
    """The lines of a document for a spreadsheet."""
    from yunhe.compute.statements import documents as paper  # noqa: PLC0415

    lines = cast("list[Mapping[str, object]]", document["lines"])
    return paper.as_csv(lines, str(document["currency"]))
