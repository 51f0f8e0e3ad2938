"""Ends reviews: both verdicts, and a custody record that rests on the certificate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from yunhe.corpus import store as cleansings
from yunhe.corpus.errors import certificate_unknown
from yunhe.corpus.review import errors, store, verdicts
from yunhe.corpus.review.domain import Review, Stratum
from yunhe.corpus.review.rules import rules
from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.kernel.canonical import JsonObject, digest_of
from yunhe.storage.database import Transaction


def finish(tx: Transaction, found: Review, *, at_us: int) -> Review:
    """End a review by people whose items are all settled."""
    check = rules().checks[found.kind]
    strata: Sequence[Stratum] = store.strata(tx, found.id)
    outcomes = store.outcomes(tx, found.id)
    both = store.pairs(tx, found.id)
    result: JsonObject = {
        **verdicts.weigh(outcomes, strata, check=check, population=found.population),
        "agreement": verdicts.agreement((one.verdict, other.verdict) for one, other in both),
        "disputed": sum(one.verdict != other.verdict for one, other in both),
        "reviewers": len(store.reviewers(tx, found.id)),
    }
    return end(tx, replace(found, state="finished", ended_at_us=at_us, result=result))


def end(tx: Transaction, ended: Review) -> Review:
    """Put the end of a review on record and keep it."""
    row = cleansings.by_certificate(tx, ended.certificate)
    if row is None:
        raise certificate_unknown(ended.certificate)
    result = ended.result or {}
    record = Record(
        kind="data.review",
        subject=ended.id,
        at_us=ended.ended_at_us or 0,
        body={
            "kind": ended.kind,
            "round": ended.round,
            "outcome": ended.state,
            "dataset_digest": ended.dataset_digest,
            "standard": ended.standard,
            "rules_version": ended.rules_version,
            "population": ended.population,
            "items": ended.items,
            "result_digest": digest_of(result),
            **{
                name: result[name]
                for name in ("judged", "passed", "meets_standard", "meets_with_confidence")
                if name in result
            },
        },
        links={"certificate": str(row["certificate_reference"])},
    )
    ended = replace(ended, reference=custody.append(tx, record))
    store.end(tx, ended)
    return ended


def required(tx: Transaction, review_id: str) -> Review:
    """The review. Errors: `NotFound` ``corpus.review_unknown``."""
    found = store.review(tx, review_id)
    if found is None:
        raise errors.review_unknown(review_id)
    return found


def withdraw(tx: Transaction, review_id: str, *, at_us: int) -> Review:
    """Give up a review that is open; that it was is on record, and the next draws the same items.

    Errors: `NotFound` ``corpus.review_unknown``; `Conflict` ``corpus.review_ended`` when it was
    finished. One that was withdrawn already stays so.
    """
    found = required(tx, review_id)
    if found.state == "withdrawn":
        return found
    if found.state != "open":
        raise errors.review_ended(found)
    return end(tx, replace(found, state="withdrawn", ended_at_us=at_us))
