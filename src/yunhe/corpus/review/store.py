"""Rows of reviews, their items, and the slots in which items are judged."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import ColumnElement, Row, and_, exists, func, or_, select, update

from yunhe.corpus.review.domain import (
    RESOLVING,
    Claim,
    Judgement,
    Kind,
    Progress,
    Review,
    Settled,
    Stratum,
)
from yunhe.corpus.review.tables import invited, items, reviews, slots
from yunhe.corpus.review.verdicts import Outcome
from yunhe.kernel.canonical import JsonObject, canonical_bytes
from yunhe.storage.database import Transaction

_AnyRow = Row[tuple[object, ...]]


def add(tx: Transaction, review: Review, strata: Sequence[Stratum], *, request: str) -> None:
    """Keep a review; ``request`` is the digest of what was asked."""
    special = ("strata", "made_by", "organisations", "result", "request_digest")
    values: dict[str, object] = {
        column.name: getattr(review, column.name)
        for column in reviews.columns
        if column.name not in special
    }
    known: list[JsonObject] = [
        {"source": s.source, "label": s.label, "length": s.length, "documents": s.documents}
        for s in strata
    ]
    values |= {
        "request_digest": request,
        "strata": _text(known),
        "made_by": _text(list(review.made_by)),
        "organisations": _text(list(review.organisations)),
        "result": None if review.result is None else _text(review.result),
    }
    tx.execute(reviews.insert().values(**values))
    if review.organisations:
        rows = [{"review": review.id, "organisation": each} for each in review.organisations]
        tx.execute(invited.insert(), rows)


def add_items(tx: Transaction, review: str, drawn: Sequence[tuple[str, int]]) -> None:
    """Keep the items (document, stratum) and open two slots for each."""
    numbered = list(enumerate(drawn, 1))
    tx.execute(
        items.insert(),
        [
            {"review": review, "number": n, "document": d, "stratum": s, "settled": ""}
            for n, (d, s) in numbered
        ],
    )
    tx.execute(slots.insert(), [_open(review, n, slot) for n, _ in numbered for slot in (1, 2)])


def _open(review: str, number: int, slot: int) -> dict[str, object]:
    return {
        "review": review, "number": number, "slot": slot, "reviewer": None,
        "lease_until_us": 0, "verdict": "", "reasons": "[]", "at_us": None,
    }  # fmt: skip


def review(tx: Transaction, review_id: str) -> Review | None:
    """The review; None when there is none."""
    row = tx.execute(select(reviews).where(reviews.c.id == review_id)).one_or_none()
    return None if row is None else _review(row)


def request_of(tx: Transaction, review_id: str) -> str:
    """Digest of what it was asked with."""
    query = select(reviews.c.request_digest).where(reviews.c.id == review_id)
    return str(tx.execute(query).scalar_one())


def strata(tx: Transaction, review_id: str) -> tuple[Stratum, ...]:
    """The strata of its dataset, in order."""
    found = tx.execute(select(reviews.c.strata).where(reviews.c.id == review_id)).scalar_one()
    return tuple(Stratum(**each) for each in json.loads(found))


def of_certificate(tx: Transaction, certificate: str, kind: Kind | None = None) -> list[Review]:
    """Every review of a dataset, oldest first."""
    query = select(reviews).where(reviews.c.certificate == certificate)
    if kind is not None:
        query = query.where(reviews.c.kind == kind)
    order = reviews.c.opened_at_us, reviews.c.round, reviews.c.id
    return [_review(row) for row in tx.execute(query.order_by(*order))]


def newest(
    tx: Transaction, *, organisation: str | None, after: tuple[int, str], limit: int
) -> list[Review]:
    """Reviews that an organisation holds or was asked into, or all of them, newest first."""
    at_us, name = reviews.c.opened_at_us, reviews.c.id
    query = select(reviews)
    if organisation is not None:
        asked = exists().where(invited.c.review == name, invited.c.organisation == organisation)
        query = query.where(or_(reviews.c.holder == organisation, asked))
    if after[1]:
        query = query.where(or_(at_us < after[0], and_(at_us == after[0], name < after[1])))
    rows = tx.execute(query.order_by(at_us.desc(), name.desc()).limit(limit))
    return [_review(row) for row in rows]


def end(tx: Transaction, ended: Review) -> None:
    """Keep how a review ended."""
    tx.execute(
        update(reviews)
        .where(reviews.c.id == ended.id)
        .values(
            state=ended.state,
            ended_at_us=ended.ended_at_us,
            result=None if ended.result is None else _text(ended.result),
            reference=ended.reference,
        )
    )


def claim(
    tx: Transaction,
    review: Review,
    *,
    member: str,
    limit: int,
    after: int,
    now_us: int,
    lease_until_us: int,
) -> list[Claim]:
    """Give this member up to ``limit`` items: those still theirs first, then the next free ones.

    Never two slots of one item, and the resolving slot only to whom the review leaves it.
    """
    other = slots.alias()
    by_me = exists().where(
        other.c.review == slots.c.review,
        other.c.number == slots.c.number,
        other.c.slot != slots.c.slot,
        other.c.reviewer == member,
    )
    named = review.adjudicator
    allowed = slots.c.slot == RESOLVING if named == member else slots.c.slot < RESOLVING
    if not named:
        allowed = slots.c.slot <= RESOLVING
    mine = slots.c.reviewer == member
    free = or_(slots.c.reviewer.is_(None), slots.c.lease_until_us <= now_us)
    query = (
        select(slots)
        .where(slots.c.review == review.id, slots.c.verdict == "", slots.c.number > after)
        .where(or_(mine, free), allowed, ~by_me)
        .order_by(mine.is_(True).desc(), slots.c.number, slots.c.slot)
        .limit(2 * limit)
    )
    chosen: dict[int, tuple[int, int]] = {}
    for row in tx.execute(query):
        if len(chosen) < limit:
            until_us = max(row.lease_until_us, lease_until_us)
            chosen.setdefault(row.number, (row.slot, until_us))
    for number, (slot, until_us) in chosen.items():
        held = {"reviewer": member, "lease_until_us": until_us}
        tx.execute(update(slots).where(*_at(review.id, number, slot)).values(**held))
    disputed = [number for number, (slot, _) in chosen.items() if slot == RESOLVING]
    earlier = _earlier(tx, review.id, disputed)
    return [
        Claim(number, slot, until_us, earlier.get(number, ()))
        for number, (slot, until_us) in sorted(chosen.items())
    ]


def _earlier(
    tx: Transaction, review_id: str, numbers: Sequence[int]
) -> Mapping[int, tuple[Judgement, ...]]:
    if not numbers:
        return {}
    query = select(slots).where(
        slots.c.review == review_id, slots.c.number.in_(numbers), slots.c.slot < RESOLVING
    )
    found: dict[int, tuple[Judgement, ...]] = {}
    for row in tx.execute(query.order_by(slots.c.number, slots.c.slot)):
        found[row.number] = (*found.get(row.number, ()), _judgement(row))
    return found


def release(tx: Transaction, review_id: str, *, member: str, numbers: Iterable[int]) -> None:
    """Give back what this member claimed and did not judge."""
    where = (slots.c.review == review_id, slots.c.reviewer == member, slots.c.verdict == "")
    held = update(slots).where(*where, slots.c.number.in_(list(numbers)))
    tx.execute(held.values(reviewer=None, lease_until_us=0))


def slots_of(
    tx: Transaction, review_id: str, *, member: str, numbers: Sequence[int]
) -> Mapping[int, tuple[int, Judgement | None]]:
    """By item, the slot that this member holds, and what they said in it."""
    query = select(slots).where(
        slots.c.review == review_id, slots.c.reviewer == member, slots.c.number.in_(numbers)
    )
    return {
        row.number: (row.slot, _judgement(row) if row.verdict else None)
        for row in tx.execute(query)
    }


def judge(tx: Transaction, review_id: str, slot: int, said: Judgement, *, at_us: int) -> Settled:
    """Keep a judgement; what the item has come to now, empty while that is open."""
    tx.execute(
        update(slots)
        .where(*_at(review_id, said.item, slot))
        .values(verdict=said.verdict, reasons=_text(list(said.reasons)), at_us=at_us)
    )
    settled: Settled = said.verdict
    if slot != RESOLVING:
        query = select(slots.c.verdict).where(
            slots.c.review == review_id, slots.c.number == said.item, slots.c.slot == 3 - slot
        )
        beside = tx.execute(query).scalar_one()
        if beside != said.verdict:
            settled = ""
            if beside:
                tx.execute(slots.insert().values(**_open(review_id, said.item, RESOLVING)))
    if settled:
        settle(tx, review_id, said.item, settled)
    return settled


def settle(tx: Transaction, review_id: str, number: int, settled: Settled) -> None:
    """Keep what an item came to."""
    where = (items.c.review == review_id, items.c.number == number)
    tx.execute(update(items).where(*where).values(settled=settled))


def unsettled(tx: Transaction, review_id: str) -> int:
    """Items that somebody must still look at."""
    query = select(func.count()).select_from(items)
    query = query.where(items.c.review == review_id, items.c.settled == "")
    return int(tx.execute(query).scalar_one())


def progress(tx: Transaction, review: Review, *, now_us: int) -> Progress:
    """How far it is. Cost: two counts over its items and slots."""
    judged = slots.c.verdict != ""
    held = and_(slots.c.verdict == "", slots.c.lease_until_us > now_us)
    disputed = and_(slots.c.verdict == "", slots.c.slot == RESOLVING)
    query = select(
        *(func.count().filter(condition).label("n") for condition in (judged, held, disputed))
    ).where(slots.c.review == review.id)
    counted, claimed, open_ = tuple(tx.execute(query).one())
    return Progress(
        items=review.items,
        judgements=counted,
        settled=review.items - unsettled(tx, review.id),
        disputed=open_,
        claimed=claimed,
    )


def outcomes(tx: Transaction, review_id: str) -> list[Outcome]:
    """What every item came to, in order, with the reasons of those who failed it."""
    why: dict[int, set[str]] = {}
    for row in tx.execute(select(slots).where(slots.c.review == review_id)):
        if row.verdict == "fail":
            why.setdefault(row.number, set()).update(json.loads(row.reasons))
    query = select(items).where(items.c.review == review_id).order_by(items.c.number)
    return [
        Outcome(
            row.stratum,
            row.settled,
            tuple(sorted(why.get(row.number, ()))) if row.settled == "fail" else (),
        )
        for row in tx.execute(query)
    ]


def pairs(tx: Transaction, review_id: str) -> list[tuple[Judgement, Judgement]]:
    """Both first judgements of each item that has them, by the reviewer of the smaller id first."""
    query = select(slots).where(
        slots.c.review == review_id, slots.c.slot < RESOLVING, slots.c.verdict != ""
    )
    found: dict[int, list[Judgement]] = {}
    for row in tx.execute(query.order_by(slots.c.number, slots.c.reviewer)):
        found.setdefault(row.number, []).append(_judgement(row))
    return [(two[0], two[1]) for two in found.values() if len(two) == RESOLVING - 1]


def reviewers(tx: Transaction, review_id: str) -> list[str]:
    """Everybody who judged, in order."""
    query = select(slots.c.reviewer).where(slots.c.review == review_id, slots.c.verdict != "")
    return [str(each) for each in tx.execute(query.distinct().order_by(slots.c.reviewer)).scalars()]


def is_invited(tx: Transaction, review_id: str, organisation: str) -> bool:
    """Whether that organisation was asked to review."""
    query = select(invited).where(
        invited.c.review == review_id, invited.c.organisation == organisation
    )
    return tx.execute(query).first() is not None


def is_sample(tx: Transaction, digest: str) -> bool:
    """Whether these bytes are the items of a review."""
    query = select(reviews.c.id).where(reviews.c.sample_digest == digest).limit(1)
    return tx.execute(query).first() is not None


def erase(tx: Transaction, review_id: str, number: int, *, sample: str) -> None:
    """Forget which document an item was; nobody is shown it any more."""
    where = (items.c.review == review_id, items.c.number == number)
    tx.execute(update(items).where(*where).values(document=""))
    tx.execute(update(items).where(*where, items.c.settled == "").values(settled="erased"))
    still_open = (slots.c.review == review_id, slots.c.number == number, slots.c.verdict == "")
    tx.execute(slots.delete().where(*still_open))
    tx.execute(update(reviews).where(reviews.c.id == review_id).values(sample_digest=sample))


def _at(review_id: str, number: int, slot: int) -> tuple[ColumnElement[bool], ...]:
    return (slots.c.review == review_id, slots.c.number == number, slots.c.slot == slot)


def _judgement(row: _AnyRow) -> Judgement:
    return Judgement(row.number, row.verdict, tuple(json.loads(row.reasons)))


def _review(row: _AnyRow) -> Review:
    values = {**row._asdict()}
    del values["strata"], values["request_digest"]
    made = Review(**values)
    return replace(
        made,
        made_by=tuple(json.loads(row.made_by)),
        organisations=tuple(json.loads(row.organisations)),
        result=None if row.result is None else json.loads(row.result),
    )


def _text(value: object) -> str:
    return canonical_bytes(value).decode()  # type: ignore[arg-type]
