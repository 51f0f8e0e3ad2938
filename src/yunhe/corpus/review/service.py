"""Commands of reviews: open one, take an item, judge it, see what came of it.

A review draws its items from the dataset's own digest, shows each to two people who do not learn
of each other's verdict, gives disagreements to a third, and ends by itself with the last item:
with both verdicts in a custody record that rests on the certificate.
"""

from __future__ import annotations

from collections.abc import Sequence

from yunhe.corpus.review import errors, store
from yunhe.corpus.review.domain import Asked, Claim, Judgement, Progress, Review, Shown
from yunhe.corpus.review.ending import finish, required, withdraw
from yunhe.corpus.review.errors import review_unknown
from yunhe.corpus.review.opening import ITEMS_MAX, open_review
from yunhe.corpus.review.rules import reason_text, rules
from yunhe.corpus.review.samples import forget, shown
from yunhe.corpus.review.technical import check
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Finding
from yunhe.storage.database import Transaction

__all__ = [
    "ITEMS_MAX",
    "JUDGEMENTS_MAX",
    "Asked",
    "Claim",
    "Judgement",
    "Progress",
    "Review",
    "Shown",
    "check",
    "claim",
    "forget",
    "is_invited",
    "is_sample",
    "judge",
    "newest",
    "of_certificate",
    "open_review",
    "progress",
    "reason_text",
    "release",
    "review",
    "review_unknown",
    "rules",
    "shown",
    "withdraw",
]

JUDGEMENTS_MAX = 5_000
"""Most judgements, or items taken, at once."""

review = required
"""The review. Errors: `NotFound` ``corpus.review_unknown``."""


def of_certificate(tx: Transaction, certificate: str) -> list[Review]:
    """Every review of a dataset, oldest first, those by rules and the withdrawn ones included."""
    return store.of_certificate(tx, certificate)


def newest(
    tx: Transaction, *, organisation: str | None, after: tuple[int, str] = (0, ""), limit: int = 50
) -> list[Review]:
    """Reviews that an organisation holds or was asked into, or all, newest first."""
    return store.newest(tx, organisation=organisation, after=after, limit=limit)


def is_invited(tx: Transaction, review_id: str, organisation: str) -> bool:
    """Whether that organisation was asked to review."""
    return store.is_invited(tx, review_id, organisation)


def is_sample(tx: Transaction, digest: str) -> bool:
    """Whether these bytes are the items of a review."""
    return store.is_sample(tx, digest)


def progress(tx: Transaction, review_id: str, *, now_us: int) -> Progress:
    """How far a review is. Errors: `NotFound` ``corpus.review_unknown``."""
    return store.progress(tx, required(tx, review_id), now_us=now_us)


def claim(
    tx: Transaction,
    review_id: str,
    *,
    member: str,
    items: int,
    now_us: int,
    after: int = 0,
    away: bool = False,
) -> list[Claim]:
    """Take up to so many items to judge; those one holds already come first.

    So asking twice is asking once. ``away`` gives the longer lease of items that are taken away as
    a file, ``after`` leaves out those up to that number.

    None at all means that nothing is left for this member now, or that the review has ended.
    Errors: `NotFound` ``corpus.review_unknown``; `NotAllowed` ``corpus.review_own_data``.
    """
    found = required(tx, review_id)
    _must_be_apart(found, member)
    if found.state != "open" or found.kind != "manual":
        return []
    known = rules()
    seconds = known.batch_lease_seconds if away else known.lease_seconds
    return store.claim(
        tx,
        found,
        member=member,
        limit=min(items, JUDGEMENTS_MAX),
        after=after,
        now_us=now_us,
        lease_until_us=now_us + seconds * SECOND_US,
    )


def _must_be_apart(found: Review, member: str) -> None:
    if member in (found.opened_by, *found.made_by):
        raise errors.review_own_data()


def _may_judge(found: Review, member: str) -> None:
    _must_be_apart(found, member)
    if found.state != "open" or found.kind != "manual":
        raise errors.review_ended(found)


def release(tx: Transaction, review_id: str, *, member: str, items: Sequence[int]) -> None:
    """Give back items one has taken and not judged; others change nothing.

    Errors: `NotFound` ``corpus.review_unknown``.
    """
    store.release(tx, required(tx, review_id).id, member=member, numbers=items)


def judge(
    tx: Transaction, review_id: str, said: Sequence[Judgement], *, member: str, at_us: int
) -> Review:
    """Take judgements on items that this member holds: all of them, or with any fault none.

    The same judgement again changes nothing, in whatever order they come, also after the review
    has ended. A lease that ran out still counts while nobody else was given the item. The last
    item's judgement ends the review.

    Errors: `NotFound` ``corpus.review_unknown``; `Invalid` ``corpus.review_judgements_invalid``;
    `Conflict` ``corpus.review_judgements_refused`` and ``corpus.review_ended``; `NotAllowed`
    ``corpus.review_own_data``.
    """
    found = required(tx, review_id)
    _check_judgements(said)
    held = store.slots_of(tx, review_id, member=member, numbers=[each.item for each in said])
    findings = [finding for each in said for finding in _refusals(each, held.get(each.item))]
    if findings:
        raise errors.judgements_refused(review_id, findings)
    new = [each for each in said if held[each.item][1] is None]
    if new:
        _may_judge(found, member)
    for each in new:
        store.judge(tx, review_id, held[each.item][0], each, at_us=at_us)
    if new and not store.unsettled(tx, review_id):
        return finish(tx, found, at_us=at_us)
    return found


def _check_judgements(said: Sequence[Judgement]) -> None:
    known, findings, met = set(rules().reasons), list[Finding](), set[int]()
    if not 1 <= len(said) <= JUDGEMENTS_MAX:
        range_ = (("max", JUDGEMENTS_MAX),)
        findings.append(Finding("judgements", "corpus.review_judgements_count", range_))
    for each in said:
        where = f"item {each.item}"
        if each.item in met:
            findings.append(Finding(where, "corpus.review_item_twice"))
        met.add(each.item)
        if (each.verdict == "fail") != bool(each.reasons):
            findings.append(Finding(where, "corpus.review_reason_needed"))
        if not known.issuperset(each.reasons) or len(set(each.reasons)) != len(each.reasons):
            findings.append(Finding(where, "corpus.review_reason_unknown"))
    if findings:
        raise errors.judgements_invalid(findings)


def _refusals(said: Judgement, held: tuple[int, Judgement | None] | None) -> list[Finding]:
    if held is None:
        return [Finding(f"item {said.item}", "corpus.review_not_held")]
    there = held[1]
    if there is None or (there.verdict, set(there.reasons)) == (said.verdict, set(said.reasons)):
        return []
    return [Finding(f"item {said.item}", "corpus.review_judged_otherwise")]
