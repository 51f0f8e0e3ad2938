"""Checks of certified datasets: reviews by people, and checks by rules."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from yunhe.api.call import After, Call, Caller, Key, Limit, PathId, page
from yunhe.api.files import BYTES
from yunhe.api.paths import Routes
from yunhe.api.routes.operations import shown as operation_shown
from yunhe.api.standing import require_whole, whole
from yunhe.client.wire import operations
from yunhe.client.wire import reviews as wire
from yunhe.client.wire.shapes import Page
from yunhe.corpus import errors
from yunhe.corpus import service as corpus
from yunhe.corpus.domain import Certified
from yunhe.corpus.service import datasheets, reviews
from yunhe.kernel.clock import iso
from yunhe.kernel.language import Language
from yunhe.storage import operations as work
from yunhe.storage.database import Transaction

routes = Routes("corpus")
"""Of reviews; cleansing and certificates are in `yunhe.api.routes.corpus`."""
HTML = "text/html"
"""Media type of a datasheet."""
# Such a page shows what people called things: nothing in it may run, load or send anything.
_SEALED = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
_Lang = Annotated[Language | None, Query(description="Language it opens in; it holds both.")]


@routes.add("POST /v1/reviews", wire.ReviewInFull, status=201)
async def create_review(call: Caller, key: Key, body: wire.NewReview) -> Response:
    """Open a review by people of a certified dataset of one's own."""
    require_whole(call)
    await call.look(lambda tx: _certified(tx, call, body.certificate))
    asked = reviews.Asked(
        certificate=body.certificate,
        items=body.items,
        adjudicator=body.adjudicator or "",
        made_by=tuple(body.made_by),
        organisations=tuple(body.organisations),
    )

    def make(_: str) -> wire.ReviewInFull:
        storage = call.runtime.storage
        found = reviews.open_review(storage, asked, by=call.who.member)
        with storage.database.read() as tx:
            return _in_full(tx, call, found)

    return await call.command(key, body, make)


@routes.add("POST /v1/checks", operations.Operation, status=201)
async def create_check(call: Caller, key: Key, body: wire.NewCheck) -> Response:
    """Check a tenth of a certified dataset of one's own by rules."""
    require_whole(call)
    if body.profile is not None:
        corpus.load_profile(body.profile)  # so that a wrong one is told at once
    who, at_us, language = call.who, call.now_us(), call.facts.language
    payload = body.model_dump(exclude_none=True)

    def make(tx: Transaction, name: str) -> operations.Operation:
        _certified(tx, call, body.certificate)
        made = work.create(
            tx,
            kind="corpus.check",
            key=name,
            organisation=who.organisation,
            member=who.member,
            payload=payload,
            at_us=at_us,
        )
        return operation_shown(made, language)

    return await call.create(key, body, make)


@routes.add("GET /v1/reviews", Page[wire.Review])
async def list_reviews(call: Caller, after: After = None, limit: Limit = 50) -> Page[wire.Review]:
    """Reviews that one's organisation holds or was asked into, newest first."""
    last = call.place(after, like=(0, ""))

    def look(tx: Transaction) -> list[reviews.Review]:
        if not whole(call):
            return []
        return reviews.newest(tx, organisation=call.tenant, after=last, limit=limit + 1)

    return page(
        call,
        await call.look(look),
        limit=limit,
        shown=lambda each: wire.Review.model_validate(_fields(each)),
        place=lambda each: (each.opened_at_us, each.id),
    )


@routes.add("GET /v1/reviews/{review}", wire.ReviewInFull)
async def get_review(call: Caller, review: PathId) -> wire.ReviewInFull:
    """One review; its result once it is finished."""
    return await call.look(lambda tx: _in_full(tx, call, _reached(tx, call, review)))


@routes.add("POST /v1/reviews/{review}/claims", wire.Claimed)
async def claim_items(call: Caller, review: PathId, body: wire.NewClaim) -> wire.Claimed:
    """Take items to judge; those the caller holds already come first."""

    def take(tx: Transaction) -> tuple[reviews.Review, list[reviews.Claim]]:
        found = _reached(tx, call, review)
        claims = reviews.claim(
            tx,
            review,
            member=call.who.member,
            items=body.items,
            after=body.after,
            away=body.away,
            now_us=call.now_us(),
        )
        return found, claims

    found, claims = await call.write(take)
    storage, numbers = call.runtime.storage, [each.item for each in claims]
    texts = await call.apart(lambda: reviews.shown(storage, found, numbers))
    return wire.Claimed(
        items=[_item(claim, text) for claim, text in zip(claims, texts, strict=True)]
    )


@routes.add("POST /v1/reviews/{review}/release", wire.ReviewInFull)
async def release_items(call: Caller, review: PathId, body: wire.GivenBack) -> wire.ReviewInFull:
    """Give items back unjudged."""

    def give_back(tx: Transaction) -> wire.ReviewInFull:
        found = _reached(tx, call, review)
        reviews.release(tx, review, member=call.who.member, items=body.items)
        return _in_full(tx, call, found)

    return await call.write(give_back)


@routes.add("POST /v1/reviews/{review}/judgements", wire.ReviewInFull)
async def judge_items(call: Caller, review: PathId, body: wire.NewJudgements) -> wire.ReviewInFull:
    """Judge items the caller holds, also to resolve a disagreement: all of them, or none."""
    said = [
        reviews.Judgement(each.item, each.verdict, tuple(each.reasons)) for each in body.judgements
    ]

    def judge(tx: Transaction) -> wire.ReviewInFull:
        _reached(tx, call, review)
        done = reviews.judge(tx, review, said, member=call.who.member, at_us=call.now_us())
        return _in_full(tx, call, done)

    return await call.write(judge)


@routes.add("POST /v1/reviews/{review}/withdraw", wire.ReviewInFull)
async def withdraw_review(call: Caller, review: PathId) -> wire.ReviewInFull:
    """Give up a review that is open; that stays on record."""

    def withdraw(tx: Transaction) -> wire.ReviewInFull:
        found = reviews.review(tx, review)
        if not call.reaches(found.holder):
            raise reviews.review_unknown(review)
        return _in_full(tx, call, reviews.withdraw(tx, review, at_us=call.now_us()))

    return await call.write(withdraw)


@routes.add("GET /v1/certificates/{certificate}/datasheet", produces=HTML)
async def get_datasheet(call: Caller, certificate: PathId, lang: _Lang = None) -> Response:
    """What a certified dataset is and what checks it had, as a page that needs nothing else."""
    found, checks = await call.look(lambda tx: _with_checks(tx, call, certificate))
    language, blobs = lang or call.facts.language, call.runtime.storage.blobs

    def write() -> bytes:
        issued = json.loads(blobs.read(found.certificate_digest))
        return datasheets.of_certificate(issued, checks, language=language)

    headers = {"content-security-policy": _SEALED, "content-language": language}
    return Response(await call.apart(write), headers=headers, media_type=HTML)


@routes.add("GET /v1/certificates/{certificate}/croissant", produces=BYTES)
async def get_croissant(call: Caller, certificate: PathId) -> Response:
    """The same for programs: Croissant, for the dataset as ``dataset.parquet`` beside it."""
    found, checks = await call.look(lambda tx: _with_checks(tx, call, certificate))
    blobs = call.runtime.storage.blobs

    def write() -> bytes:
        issued = json.loads(blobs.read(found.certificate_digest))
        return datasheets.croissant_of_certificate(issued, checks)

    headers = {"content-disposition": "attachment"}
    return Response(await call.apart(write), headers=headers, media_type=BYTES)


def _with_checks(
    tx: Transaction, call: Call, certificate: str
) -> tuple[Certified, list[reviews.Review]]:
    return _certified(tx, call, certificate), reviews.of_certificate(tx, certificate)


def _certified(tx: Transaction, call: Call, certificate: str) -> Certified:
    """The dataset, if it is the caller's. Errors: `NotFound` ``corpus.certificate_unknown``."""
    found = corpus.certified(tx, certificate)
    if not call.reaches(found.holder):
        raise errors.certificate_unknown(certificate)
    return found


def _reached(tx: Transaction, call: Call, review: str) -> reviews.Review:
    """The review, if the caller's organisation holds it or was asked into it.

    Errors: `NotFound` ``corpus.review_unknown``.
    """
    found = reviews.review(tx, review)
    who = call.who
    guest = (
        not who.project
        and bool(call.row.roles & who.roles)
        and reviews.is_invited(tx, review, who.organisation)
    )
    if not guest and not call.reaches(found.holder):
        raise reviews.review_unknown(review)
    return found


def _fields(found: reviews.Review) -> dict[str, object]:
    result = found.result or {}
    return {
        "id": found.id,
        "kind": found.kind,
        "round": found.round,
        "certificate": found.certificate,
        "holder": found.holder,
        "dataset_digest": found.dataset_digest,
        "standard": found.standard,
        "population": found.population,
        "items": found.items,
        "state": found.state,
        "opened_at": iso(found.opened_at_us),
        "ended_at": None if found.ended_at_us is None else iso(found.ended_at_us),
        "meets_standard": result.get("meets_standard"),
        "meets_with_confidence": result.get("meets_with_confidence"),
        "reference": found.reference,
    }


def _in_full(tx: Transaction, call: Call, found: reviews.Review) -> wire.ReviewInFull:
    there = reviews.progress(tx, found.id, now_us=call.now_us())
    check = reviews.rules().checks[found.kind]
    language = call.facts.language
    return wire.ReviewInFull.model_validate(
        {
            **_fields(found),
            "adjudicator": found.adjudicator or None,
            "opened_by": found.opened_by or None,
            "organisations": list(found.organisations),
            "verified": check.verified,
            "pass_per_thousand_min": check.pass_per_thousand_min,
            "progress": {
                "judgements": there.judgements,
                "settled": there.settled,
                "disputed": there.disputed,
                "claimed": there.claimed,
            },
            "reasons": [
                {"reason": each, "text": reviews.reason_text(each, language)}
                for each in reviews.rules().reasons
            ],
            "result": found.result,
        }
    )


def _item(claim: reviews.Claim, text: reviews.Shown) -> wire.Item:
    return wire.Item(
        item=claim.item,
        text=text.text,
        characters=text.characters,
        label=text.label,
        held_until=iso(claim.lease_until_us),
        disputed=bool(claim.earlier),
        earlier=[
            wire.Earlier(verdict=each.verdict, reasons=list(each.reasons)) for each in claim.earlier
        ],
    )
