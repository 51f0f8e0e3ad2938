"""Usage, invoices, providers' statements, the three-way match, corrections."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import Query
from starlette.responses import Response

from yunhe.api.call import After, Call, Caller, Key, Limit, PathId, page
from yunhe.api.files import BYTES
from yunhe.api.naming import require_named
from yunhe.api.paths import Routes
from yunhe.client.wire import statements as wire
from yunhe.client.wire.shapes import Page
from yunhe.compute.service import statements, supply
from yunhe.identity import service as identity
from yunhe.kernel.clock import iso
from yunhe.kernel.errors import NotFound
from yunhe.kernel.language import Language
from yunhe.storage.database import Transaction

routes = Routes("compute")
"""Of settlement."""
MISMATCHES_MAX = 10_000
"""Findings of one answer; the rest are counted."""
NAMED_MAX = 500
"""Lines of usage that are told with a name, the dearest; the rest by id alone."""
_Month = Annotated[str, Query(pattern=r"^2[0-9]{3}-(0[1-9]|1[0-2])$", examples=["2026-11"])]
_By = Annotated[statements.Grouping, Query()]
_FocusForm = Annotated[Literal["csv", "parquet"], Query()]
_DocumentForm = Annotated[Literal["json", "csv", "html"], Query()]


@routes.add("GET /v1/usage", wire.Usage)
async def get_usage(call: Caller, period: _Month, by: _By = "organisation") -> wire.Usage:
    """What was used and paid in a month so far, by group, and how concentrated the supply is."""
    month = statements.period(period)

    def read(tx: Transaction) -> wire.Usage:
        lines, held, chips = (
            statements.usage(
                tx,
                period=month,
                by=each,
                organisation=call.tenant,
                projects=call.projects,
            )
            for each in (by, "provider", "chip")
        )
        vendors = statements.concentrated(chips, "vendor", names=supply.catalogue_of(tx).vendors())
        found = _usage(period, by, lines, (statements.concentrated(held), vendors))
        names = _names(tx, by, [line.group for line in lines[:NAMED_MAX]])
        return found.model_copy(
            update={
                "lines": [
                    line.model_copy(update={"name": names.get(line.group, "")})
                    for line in found.lines
                ]
            }
        )

    return await call.read(read)


def _names(tx: Transaction, by: str, groups: Iterable[str]) -> dict[str, str]:
    """What the organisations or projects are called that these lines are of."""
    names: dict[str, str] = {}
    for group in filter(None, groups if by in ("organisation", "project") else ()):
        try:
            found = (
                identity.organisation(tx, group)
                if by == "organisation"
                else identity.project(tx, group)
            )
        except NotFound:
            continue
        names[group] = found.name
    return names


def _usage(
    period: str,
    by: str,
    lines: list[statements.UsageLine],
    concentrations: tuple[statements.Concentration, statements.Concentration],
) -> wire.Usage:
    found, vendors = concentrations
    return wire.Usage(
        period=period,
        by=by,
        lines=[_line(line) for line in lines],
        hhi=found.hhi,
        shares=_shares(found),
        vendor_hhi=vendors.hhi,
        vendor_shares=_shares(vendors),
    )


def _line(line: statements.UsageLine) -> wire.UsageLine:
    own = ("chips", "normalised", "name")
    fields = [name for name in wire.UsageLine.model_fields if name not in own]
    return wire.UsageLine(
        **{name: getattr(line, name) for name in fields},
        chips=list(line.chips),
        normalised=_normalised(line.normalised),
    )


def _normalised(found: Iterable[statements.NormalisedTime]) -> list[wire.NormalisedTime]:
    return [
        wire.NormalisedTime(**{**asdict(each), "versions": list(each.versions)}) for each in found
    ]


def _shares(found: statements.Concentration) -> list[wire.Share]:
    return [
        wire.Share(name=name, device_ms=device_ms, share_basis_points=share)
        for name, device_ms, share in found.shares
    ]


@routes.add("GET /v1/usage/focus", produces=BYTES)
async def get_usage_focus(call: Caller, period: _Month, form: _FocusForm = "csv") -> Response:
    """The charges of a month as FOCUS 1.2, one's own or, where one looks beyond, all."""
    month = statements.period(period)

    def read(tx: Transaction) -> bytes:
        return statements.exported(
            tx, period=month, organisation=call.tenant, projects=call.projects, form=form
        )

    return Response(await call.read(read), media_type=BYTES)


@routes.add("POST /v1/periods", wire.ClosedPeriod, status=201)
async def close_period(call: Caller, key: Key, body: wire.NewPeriod) -> Response:
    """Close a month: its invoices and statements are issued and never change."""

    def make(_: str) -> wire.ClosedPeriod:
        month = statements.period(body.period)
        issued = statements.close(call.runtime.storage, period=month, closed_by=call.who.member)
        invoices = sum(each.kind == "invoice" for each in issued)
        payables = len(issued) - invoices
        return wire.ClosedPeriod(period=body.period, invoices=invoices, payables=payables)

    return await call.command(key, body, make)


@routes.add("GET /v1/invoices", Page[wire.Invoice])
async def list_invoices(call: Caller, after: After = None, limit: Limit = 50) -> Page[wire.Invoice]:
    """Invoices and statements to providers, the last issued first in each kind."""
    kind, number = call.place(after, like=("", 0))
    before = (kind, number) if kind else None

    def read(tx: Transaction) -> list[statements.Document]:
        if call.projects is not None:  # a document is a whole organisation's
            return []
        return statements.documents(tx, party=call.tenant, before=before, limit=limit + 1)

    found = await call.look(read)
    return page(
        call, found, limit=limit, shown=_invoice, place=lambda each: (each.kind, each.number)
    )


@routes.add("GET /v1/invoices/{invoice}", wire.Invoice)
async def get_invoice(invoice: PathId, call: Caller) -> wire.Invoice:
    """One invoice or statement to a provider."""
    return _invoice(await call.look(lambda tx: _reached(tx, call, invoice)))


@routes.add("GET /v1/invoices/{invoice}/document", produces=BYTES)
async def get_invoice_document(
    invoice: PathId, call: Caller, form: _DocumentForm = "json"
) -> Response:
    """The document: ``json`` byte for byte as issued, ``csv``, or ``html`` to print."""
    language = call.facts.language

    def read() -> bytes:
        with call.runtime.storage.database.read() as tx:
            found = _reached(tx, call, invoice)
        return _written(call, found, form=form, language=language)

    return Response(await call.apart(read), media_type=BYTES)


def _written(call: Call, found: statements.Document, *, form: str, language: Language) -> bytes:
    if form == "json":
        return call.runtime.storage.blobs.read(found.digest)
    whole = statements.content(call.runtime.storage, found)
    if form == "csv":
        return statements.document_csv(whole)
    from yunhe.reports.invoice import render_invoice  # noqa: PLC0415 (templates, when asked for)

    with call.runtime.storage.database.read() as tx:
        parties = statements.document_parties(whole)
        names = {each: identity.organisation(tx, each).name for each in parties}
    return render_invoice(whole, digest=found.digest, names=names, language=language).encode()


@routes.add("GET /v1/provider-statements", Page[wire.ProviderStatement])
async def list_provider_statements(
    call: Caller, after: After = None, limit: Limit = 50
) -> Page[wire.ProviderStatement]:
    """Statements that providers handed in, by id."""
    [last] = call.place(after, like=("",))

    def read(tx: Transaction) -> list[statements.ProviderStatement]:
        if call.projects is not None:
            return []
        return statements.statements(tx, provider=call.tenant, after=last, limit=limit + 1)

    found = await call.look(read)
    return page(call, found, limit=limit, shown=_statement, place=lambda each: (each.id,))


@routes.add("POST /v1/provider-statements", wire.ProviderStatement, status=201)
async def create_provider_statement(
    call: Caller, key: Key, body: wire.NewProviderStatement
) -> Response:
    """Take in what a provider says it delivered: a file uploaded before, every fault at once."""

    def make(_: str) -> wire.ProviderStatement:
        storage, own = call.runtime.storage, call.who.organisation
        with storage.database.read() as tx:
            require_named(tx, organisation=own, inputs={"digest": body.digest})
        made = statements.receive(
            storage,
            provider=body.provider,
            period=statements.period(body.period),
            body=storage.blobs.read(body.digest),
            form=body.form,
            received_by=call.who.member,
        )
        return _statement(made)

    return await call.command(key, body, make)


@routes.add("GET /v1/provider-statements/{statement}/findings", wire.Matched)
async def get_provider_statement_findings(statement: PathId, call: Caller) -> wire.Matched:
    """Where job log, ledger and this statement do not say the same; nothing is changed."""
    language = call.facts.language

    def read() -> wire.Matched:
        with call.runtime.storage.database.read() as tx:
            found = statements.statement(tx, statement)
        if not call.reaches(found.provider):
            raise NotFound("compute.statement_unknown", statement=statement[:64])
        return _matched(statements.matched(call.runtime.storage, statement), language)

    return await call.apart(read)


@routes.add("POST /v1/corrections", wire.Correction, status=201)
async def create_correction(call: Caller, key: Key, body: wire.NewCorrection) -> Response:
    """Give back what a workload was charged too much, by new entries of today."""

    def make(name: str) -> wire.Correction:
        made = statements.correct(
            call.runtime.storage,
            key=name,
            workload=body.workload,
            device_ms=body.device_ms,
            reason=body.reason,
            corrected_by=call.who.member,
        )
        return wire.Correction(
            at=iso(made.at_us),
            **{name: getattr(made, name) for name in wire.Correction.model_fields if name != "at"},
        )

    return await call.command(key, body, make)


def _reached(tx: Transaction, call: Call, name: str) -> statements.Document:
    found = statements.document(tx, name)
    if not call.reaches(found.party):
        raise NotFound("compute.document_unknown", document=name[:64])
    return found


def _invoice(found: statements.Document) -> wire.Invoice:
    own = ("issued_at", "normalised")
    fields = [name for name in wire.Invoice.model_fields if name not in own]
    return wire.Invoice(
        issued_at=iso(found.issued_at_us),
        normalised=_normalised(found.normalised),
        **{name: getattr(found, name) for name in fields},
    )


def _statement(found: statements.ProviderStatement) -> wire.ProviderStatement:
    fields = [name for name in wire.ProviderStatement.model_fields if name != "received_at"]
    return wire.ProviderStatement(
        received_at=iso(found.received_at_us), **{name: getattr(found, name) for name in fields}
    )


def _matched(found: statements.Matched, language: Language) -> wire.Matched:
    return wire.Matched(
        charges=found.charges,
        agreed=found.agreed,
        lines=found.lines,
        mismatches=[
            wire.Mismatch(
                kind=each.kind,
                side=each.side,
                charge=each.charge,
                where=each.where,
                currency=each.currency,
                quantity=each.quantity,
                expected=each.expected,
                found=each.found,
                message=each.message(language),
                do=each.do(language),
            )
            for each in found.mismatches[:MISMATCHES_MAX]
        ],
        more=max(len(found.mismatches) - MISMATCHES_MAX, 0),
    )
