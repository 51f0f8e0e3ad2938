"""What stands between a model version and its release. Pure: rows and records in, findings out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from yunhe.custody.domain import Record
from yunhe.governance.domain import Approval, Risk
from yunhe.governance.rules import ReleaseTerms
from yunhe.kernel.clock import iso
from yunhe.kernel.errors import Finding

PASSED = "passed"
"""What an evaluation's record says when its gate was met."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The approvals a release would rest on, and everything that stands in its way."""

    approvals: tuple[Approval, ...]
    """Of different people in different roles; empty when there are too few."""
    valid_until_us: int
    """When the first of them expires, or earlier if asked; 0 when there are too few."""
    obstacles: tuple[Finding, ...]
    """Empty when the release may be given."""


def weigh(
    terms: ReleaseTerms,
    *,
    risk: Risk,
    evaluation: Record,
    evaluation_reference: str,
    approvals: Sequence[Approval],
    valid_until_us: int | None,
    now_us: int,
) -> Standing:
    """Whether a release may be given now, with every obstacle at once."""
    obstacles = [*_tier(terms, risk), *_gate(evaluation)]
    good: list[Approval] = []
    for approval in approvals:
        fault = _fault(approval, risk, evaluation_reference, now_us)
        if fault is None and approval.role in terms.roles:
            good.append(approval)
        elif fault is not None:
            obstacles.append(fault)
    chosen = _distinct(good, terms.approvals_min)
    if chosen:
        # An expired or misplaced approval is in the way only while the others are too few.
        obstacles = [f for f in obstacles if f.code not in _MADE_GOOD]
    else:
        params = (
            ("count", _most_distinct(good)),
            ("needed", terms.approvals_min),
            ("roles", ", ".join(terms.roles)),
        )
        obstacles.append(Finding("approvals", "governance.approvals_missing", params))
    if valid_until_us is not None and valid_until_us <= now_us:
        obstacles.append(Finding("valid_until_us", "governance.valid_until_past"))
    ends = [approval.expires_at_us for approval in chosen]
    if valid_until_us is not None:
        ends.append(valid_until_us)
    return Standing(chosen, min(ends, default=0), tuple(obstacles))


_MADE_GOOD = frozenset({"governance.approval_expired", "governance.approval_elsewhere"})


def _tier(terms: ReleaseTerms, risk: Risk) -> Iterator[Finding]:
    if risk.tier in terms.refused_tiers:
        yield Finding("risk", "governance.tier_refused", (("tier", risk.tier),))


def _gate(evaluation: Record) -> Iterator[Finding]:
    body = evaluation.body
    if body.get("gate") != PASSED:
        params = (
            ("metric", str(body.get("metric", "?"))),
            ("score", str(body.get("score", "?"))),
            ("low", str(body.get("score_low", "?"))),
        )
        yield Finding("evaluation", "governance.gate_failed", params)


def _fault(
    approval: Approval, risk: Risk, evaluation_reference: str, now_us: int
) -> Finding | None:
    who = (("member", approval.approver), ("role", approval.role))
    if approval.expires_at_us <= now_us:
        when = (("expired_at", iso(approval.expires_at_us)),)
        return Finding("approvals", "governance.approval_expired", who + when)
    if approval.decision != "approve":
        return Finding("approvals", "governance.approval_rejecting", who)
    if (approval.evaluation_reference, approval.risk) != (evaluation_reference, risk.id):
        return Finding("approvals", "governance.approval_elsewhere", who[:1])
    return None


def _distinct(good: Sequence[Approval], needed: int) -> tuple[Approval, ...]:
    """The earliest ``needed`` approvals of different people in different roles.

    Cost: a person has one approval in force, so there are as few as there are approvers.
    """
    for chosen in combinations(good, needed):
        people, roles = {a.approver for a in chosen}, {a.role for a in chosen}
        if len(people) == len(roles) == needed:
            return chosen
    return ()


def _most_distinct(good: Sequence[Approval]) -> int:
    for count in range(len({a.role for a in good}), 0, -1):
        if _distinct(good, count):
            return count
    return 0
