"""The register of sources, their samples and decisions, and versions of keyword libraries."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, cast

from fastapi import Query
from pydantic import JsonValue
from starlette.responses import Response

from yunhe.api.call import After, Call, Caller, Key, Limit, PathId, page
from yunhe.api.paths import Routes
from yunhe.api.standing import require_whole, whole
from yunhe.client.wire import sources as wire
from yunhe.client.wire.shapes import Finding, Page
from yunhe.corpus import service as corpus
from yunhe.kernel.clock import iso
from yunhe.kernel.language import Language, text
from yunhe.storage import uploads
from yunhe.storage.database import Transaction

routes = Routes("corpus")
"""Of the corpus floor's supervision."""
_State = Annotated[str, Query(pattern=r"^(registered|sampled|accepted|refused|withdrawn)?$")]


@routes.add("POST /v1/sources", wire.SourceInFull, status=201)
async def register_source(call: Caller, key: Key, body: wire.NewSource) -> Response:
    """Put a source of one's own organisation into the register."""
    require_whole(call)
    who, at_us, language = call.who, call.now_us(), call.facts.language
    declared = {} if body.terms is None else body.terms.model_dump()
    content = body.model_dump(exclude={"terms", "languages"})
    facts = corpus.sources.Facts(**content, declared=declared, languages=tuple(body.languages))

    def make(tx: Transaction, key: str) -> wire.SourceInFull:
        made = corpus.sources.register(
            tx, facts, key=key, holder=who.organisation, member=who.member, at_us=at_us
        )
        return _in_full(tx, made, language)

    return await call.create(key, body, make)


@routes.add("GET /v1/sources", Page[wire.Source])
async def list_sources(
    call: Caller, state: _State = "", after: After = None, limit: Limit = 50
) -> Page[wire.Source]:
    """Registered sources, newest first; with ``state`` only those in it."""
    last = call.place(after, like=(0, ""), state=state)

    def look(tx: Transaction) -> list[corpus.sources.Source]:
        if not whole(call):
            return []
        return corpus.sources.newest(
            tx, holder=call.tenant, state=state, after=last, limit=limit + 1
        )

    return page(
        call,
        await call.look(look),
        limit=limit,
        shown=_source,
        place=lambda each: (each.at_us, each.id),
        state=state,
    )


@routes.add("GET /v1/sources/{source}", wire.SourceInFull)
async def get_source(source: PathId, call: Caller) -> wire.SourceInFull:
    """One source with its samples and what stands against accepting it."""
    language = call.facts.language
    return await call.look(lambda tx: _in_full(tx, _reached(tx, call, source), language))


@routes.add("POST /v1/sources/{source}/samples", wire.SourceInFull, status=201)
async def add_source_sample(
    source: PathId, call: Caller, key: Key, body: wire.NewSample
) -> Response:
    """Add what was found in a sample; not by whoever registered the source."""
    who, at_us, language = call.who, call.now_us(), call.facts.language

    def make(tx: Transaction, key: str) -> wire.SourceInFull:
        _reached(tx, call, source)
        made = corpus.sources.sample(
            tx,
            source,
            key=key,
            looked=body.looked,
            illegal=body.illegal,
            method=body.method,
            member=who.member,
            at_us=at_us,
        )
        return _in_full(tx, made, language)

    return await call.create(key, body, make)


@routes.add("POST /v1/sources/{source}/decide", wire.SourceInFull)
async def decide_source(
    source: PathId, call: Caller, body: wire.SourceDecision
) -> wire.SourceInFull:
    """Accept, refuse or withdraw a source; not by whoever registered it or judged a sample."""
    who, at_us, language = call.who, call.now_us(), call.facts.language

    def decide(tx: Transaction) -> wire.SourceInFull:
        _reached(tx, call, source)
        decided = corpus.sources.decide(
            tx, source, body.decision, reason=body.reason, member=who.member, at_us=at_us
        )
        return _in_full(tx, decided, language)

    return await call.write(decide)


@routes.add("POST /v1/keyword-libraries", wire.Library, status=201)
async def put_library(call: Caller, key: Key, body: wire.NewLibrary) -> Response:
    """Put an upload in use as one's organisation's library of risk words."""
    require_whole(call)
    who, storage = call.who, call.runtime.storage
    await call.look(lambda tx: uploads.require(tx, who.organisation, [body.input]))

    def put(key: str) -> wire.Library:
        return _library(
            corpus.libraries.put(
                storage,
                key=key,
                organisation=who.organisation,
                name=body.file,
                digest=body.input,
                member=who.member,
            )
        )

    return await call.command(key, body, put)


@routes.add("GET /v1/keyword-libraries", Page[wire.Library])
async def list_libraries(
    call: Caller, after: After = None, limit: Limit = 50
) -> Page[wire.Library]:
    """Versions of the library of risk words, newest first; the newest is in use."""
    last = call.place(after, like=(0, ""))

    def look(tx: Transaction) -> list[corpus.libraries.LibraryVersion]:
        if not whole(call):
            return []
        return corpus.libraries.newest(tx, organisation=call.tenant, after=last, limit=limit + 1)

    return page(
        call,
        await call.look(look),
        limit=limit,
        shown=_library,
        place=lambda each: (each.at_us, each.id),
    )


@routes.add("GET /v1/keyword-libraries/{library}", wire.Library)
async def get_library(library: PathId, call: Caller) -> wire.Library:
    """One version of a library of risk words: its coverage, never its words."""

    def look(tx: Transaction) -> wire.Library:
        found = corpus.libraries.version(tx, library)
        if not call.reaches(found.organisation):
            raise corpus.libraries.library_unknown(library)
        return _library(found)

    return await call.look(look)


def _reached(tx: Transaction, call: Call, source: str) -> corpus.sources.Source:
    found = corpus.sources.source(tx, source)
    if not call.reaches(found.holder):
        raise corpus.sources.source_unknown(source)
    return found


def _source(found: corpus.sources.Source) -> wire.Source:
    return wire.Source(
        id=found.id,
        holder=found.holder,
        name=found.facts.name,
        method=found.facts.method,
        licence=found.facts.licence,
        terms=cast("JsonValue", found.terms.as_json()),
        state=found.state,
        sample=wire.Judgement(**asdict(found.judgement)),
        registered_by=found.registered_by,
        at=iso(found.at_us),
        decided_by=found.decided_by,
        reference=found.reference,
    )


def _in_full(
    tx: Transaction, found: corpus.sources.Source, language: Language
) -> wire.SourceInFull:
    declared = {**asdict(found.facts), "languages": list(found.facts.languages)}
    return wire.SourceInFull(
        **_source(found).model_dump(),
        declared=declared,
        samples=[
            wire.Sample(
                number=each.number,
                looked=each.looked,
                illegal=each.illegal,
                method=each.method,
                labelled_by=each.labelled_by,
                at=iso(each.at_us),
            )
            for each in corpus.sources.samples(tx, found.id)
        ],
        against=[
            Finding(
                where=each.where,
                code=each.code,
                message=text(each.code, language, **dict(each.params)),
            )
            for each in corpus.sources.obstacles(found)
        ],
    )


def _library(found: corpus.libraries.LibraryVersion) -> wire.Library:
    return wire.Library(
        id=found.id,
        organisation=found.organisation,
        name=found.name,
        digest=found.digest,
        entries=found.entries,
        coverage=cast("JsonValue", found.coverage),
        member=found.member,
        at=iso(found.at_us),
    )
