"""Refusals of the exchange that several commands share."""

from __future__ import annotations

from collections.abc import Sequence

from yunhe.kernel.errors import Finding, NotAllowed


def refused(reasons: Sequence[Finding]) -> NotAllowed:
    """Not allowed for the first reason, with all of them as findings when there are several."""
    first = reasons[0]
    findings = reasons if len(reasons) > 1 else ()
    return NotAllowed(first.code, findings=findings, retryable=False, **dict(first.params))


def no_grant(grant: str) -> NotAllowed:
    """The same whether the grant is unknown or somebody else's, so that nobody can probe for it."""
    return NotAllowed("exchange.no_grant", grant=grant[:64])
