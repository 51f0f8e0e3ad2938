"""What reviews refuse."""

from __future__ import annotations

from collections.abc import Sequence

from yunhe.corpus.review.domain import Review
from yunhe.kernel.errors import Conflict, Finding, Invalid, NotAllowed, NotFound


def review_unknown(review: str) -> NotFound:
    """The same whether it does not exist or the caller must not know of it."""
    return NotFound("corpus.review_unknown", review=review[:64])


def review_invalid(findings: Sequence[Finding]) -> Invalid:
    """A review that cannot be opened like this, with every fault."""
    return Invalid("corpus.review_invalid", findings=findings)


def review_running(review: str) -> Conflict:
    """The dataset has a review of this kind already."""
    return Conflict("corpus.review_running", review=review)


def review_ended(review: Review) -> Conflict:
    """It was finished or withdrawn."""
    return Conflict("corpus.review_ended", review=review.id, state=review.state)


def review_own_data() -> NotAllowed:
    """Whoever made the data, or asks for the verdict, gives none."""
    return NotAllowed("corpus.review_own_data")


def judgements_refused(review: str, findings: Sequence[Finding]) -> Conflict:
    """Some judgements do not fit what is known of their items; none was taken."""
    return Conflict("corpus.review_judgements_refused", review=review, findings=findings)


def judgements_invalid(findings: Sequence[Finding]) -> Invalid:
    """Some judgements are none; none was taken."""
    return Invalid("corpus.review_judgements_invalid", findings=findings)
