"""Refusals that several modules of the floor share."""

from __future__ import annotations

from yunhe.kernel.errors import Conflict, Invalid, NotFound


def dataset_unreadable(digest: str) -> Invalid:
    """The blob is no table of documents."""
    return Invalid("evaluation.dataset_unreadable", digest=digest)


def split_unknown(split: str) -> NotFound:
    """No such split."""
    return NotFound("evaluation.split_unknown", split=split[:64])


def evaluation_unknown(evaluation: str) -> NotFound:
    """No such evaluation."""
    return NotFound("evaluation.unknown", evaluation=evaluation[:64])


def key_differs(code: str, key: str) -> Conflict:
    """The key made something else before."""
    return Conflict(code, key=key[:200])
