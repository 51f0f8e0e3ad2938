"""Weighing approvals: a brute-force reading of the rule agrees, and each obstacle has its word."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from yunhe.custody.domain import Record
from yunhe.governance import obstacles, tables
from yunhe.governance.domain import Approval, Citation, Evidence, Measure, Risk
from yunhe.governance.measures import state_of
from yunhe.governance.rules import ReleaseTerms
from yunhe.kernel.clock import DAY_US

NOW = 1_767_225_600_000_000
TERMS = tables.book().release
THREE = replace(TERMS, approvals_min=3, roles=("risk_officer", "release_owner", "auditor"))
RISK = Risk(
    id="risk_1",
    reference="r",
    model_version="model_1",
    model_reference="m",
    model_digest="d",
    facts={},
    facts_digest="f",
    on="2026-11-22",
    rules_version="v",
    tier="R1",
    fired=(),
    upcoming=(),
    missing=(),
    by_jurisdiction={},
    measures=(),
    measures_digest="x",
    findings=(),
    at_us=NOW,
)
PASSED = Record("evaluation.run", "eval_1", NOW, {"gate": "passed"}, {})


def approval(number: int, **changed: object) -> Approval:
    given_values = {
        "id": f"approval_{number}",
        "reference": f"a{number}",
        "model_version": "model_1",
        "model_digest": "d",
        "approver": f"mem_{number}",
        "role": "risk_officer",
        "decision": "approve",
        "evaluation_reference": "e",
        "risk": "risk_1",
        "expires_at_us": NOW + DAY_US,
        "at_us": NOW - 100 + number,
    }
    return Approval(**(given_values | changed))  # type: ignore[arg-type]


def weigh(
    *approvals: Approval,
    terms: ReleaseTerms = TERMS,
    risk: Risk = RISK,
    evaluation: Record = PASSED,
    valid_until_us: int | None = None,
) -> obstacles.Standing:
    return obstacles.weigh(
        terms,
        risk=risk,
        evaluation=evaluation,
        evaluation_reference="e",
        approvals=approvals,
        valid_until_us=valid_until_us,
        now_us=NOW,
    )


def codes(standing: obstacles.Standing) -> list[str]:
    return [finding.code for finding in standing.obstacles]


def test_the_earliest_fitting_pair_is_taken() -> None:
    first, second = approval(1), approval(2)
    third, fourth = approval(3, role="release_owner"), approval(4, role="release_owner")
    standing = weigh(first, second, third, fourth)
    assert standing.approvals == (first, third)
    assert codes(standing) == []


def test_how_many_fitting_approvals_there_are_is_said() -> None:
    for given_approvals, count in (
        ((), 0),
        ((approval(1),), 1),
        ((approval(1), approval(2)), 1),
        ((approval(1), approval(1, id="x", role="release_owner")), 1),
    ):
        [missing] = weigh(*given_approvals).obstacles
        assert dict(missing.params)["count"] == count
        assert dict(missing.params)["needed"] == 2


def test_more_people_can_be_asked_for_by_the_rule_data() -> None:
    pair = (approval(1), approval(2, role="release_owner"))
    assert codes(weigh(*pair, terms=THREE)) == ["governance.approvals_missing"]
    third = approval(3, role="auditor")
    assert weigh(*pair, third, terms=THREE).approvals == (*pair, third)


def test_an_approval_in_a_role_that_no_longer_approves_does_not_count() -> None:
    standing = weigh(approval(1), approval(2, role="auditor"))
    assert codes(standing) == ["governance.approvals_missing"]


def test_a_role_that_no_longer_approves_may_still_have_rejected() -> None:
    standing = weigh(
        approval(1),
        approval(2, role="release_owner"),
        approval(3, role="auditor", decision="reject"),
    )
    assert codes(standing) == ["governance.approval_rejecting"]


def test_expired_and_misplaced_approvals_are_named_only_while_others_are_too_few() -> None:
    stale = approval(1, expires_at_us=NOW)
    elsewhere = approval(2, evaluation_reference="other")
    assert codes(weigh(stale, elsewhere)) == [
        "governance.approval_expired",
        "governance.approval_elsewhere",
        "governance.approvals_missing",
    ]
    assert codes(weigh(stale, elsewhere, approval(3), approval(4, role="release_owner"))) == []


def test_the_end_is_the_earliest_of_what_was_asked_and_given() -> None:
    pair = (
        approval(1, expires_at_us=NOW + 2 * DAY_US),
        approval(2, role="release_owner", expires_at_us=NOW + 3 * DAY_US),
    )
    assert weigh(*pair).valid_until_us == NOW + 2 * DAY_US
    assert weigh(*pair, valid_until_us=NOW + DAY_US).valid_until_us == NOW + DAY_US
    assert weigh(*pair, valid_until_us=NOW + 9 * DAY_US).valid_until_us == NOW + 2 * DAY_US
    assert codes(weigh(*pair, valid_until_us=NOW)) == ["governance.valid_until_past"]


def test_only_the_word_passed_passes_the_gate() -> None:
    pair = (approval(1), approval(2, role="release_owner"))
    for gate in ("failed", "Passed", "", None, True, 1):
        record = replace(PASSED, body={"gate": gate, "metric": "macro_f1", "score": "0.5"})
        standing = weigh(*pair, evaluation=record)
        assert codes(standing) == ["governance.gate_failed"]
        assert "macro_f1" in standing.obstacles[0].message("zh")
    assert codes(weigh(*pair, evaluation=replace(PASSED, body={}))) == ["governance.gate_failed"]


def test_only_the_prohibited_tier_is_refused() -> None:
    pair = (approval(1), approval(2, role="release_owner"))
    for tier in ("R0", "R1", "R2", "R3"):
        assert codes(weigh(*pair, risk=replace(RISK, tier=tier))) == []
    assert codes(weigh(*pair, risk=replace(RISK, tier="R4"))) == ["governance.tier_refused"]


some_approvals = st.lists(
    st.builds(
        approval,
        st.integers(1, 4),
        role=st.sampled_from(("risk_officer", "release_owner", "auditor", "trainer")),
        decision=st.sampled_from(("approve", "approve", "approve", "reject")),
        evaluation_reference=st.sampled_from(("e", "e", "other")),
        risk=st.sampled_from(("risk_1", "risk_1", "risk_2")),
        expires_at_us=st.sampled_from((NOW - 1, NOW, NOW + 1, NOW + DAY_US)),
    ),
    max_size=6,
)


@given(some_approvals, st.sampled_from((TERMS, THREE)))
def test_a_release_is_open_exactly_when_the_rule_says_so(approvals, terms) -> None:
    """The rule stated a second time: enough people, as many roles, nobody against."""
    live = [a for a in approvals if a.expires_at_us > NOW]
    rejected = any(a.decision == "reject" for a in live)
    fitting = [
        a
        for a in live
        if a.decision == "approve"
        and a.role in terms.roles
        and (a.evaluation_reference, a.risk) == ("e", "risk_1")
    ]
    enough = any(
        len({a.approver for a in chosen}) == len({a.role for a in chosen}) == terms.approvals_min
        for chosen in combinations(fitting, terms.approvals_min)
    )
    standing = weigh(*approvals, terms=terms)
    assert (not standing.obstacles) == (enough and not rejected)
    assert bool(standing.approvals) == enough
    if enough:
        assert standing.valid_until_us > NOW
        assert all(standing.valid_until_us <= a.expires_at_us for a in standing.approvals)


@given(some_approvals)
def test_one_more_approval_never_closes_a_release(approvals) -> None:
    before = weigh(*approvals)
    after = weigh(*approvals, approval(5, role="release_owner"))
    if not before.obstacles:
        assert not after.obstacles


# --- Where a measure stands -------------------------------------------------------------------

CITATION = Citation("platform", "en", "zh", "", "2025-01-01", "", "", "design", True, "")


def measure(stage: str, *, every_days: int = 0) -> Measure:
    return Measure("m", stage, "record", every_days, (), CITATION)  # type: ignore[arg-type]


def shown(at_us: int) -> Evidence:
    return Evidence("evidence_1", "risk_1", "m", "sha256:x", "mem_1", at_us)


def test_before_release_a_measure_is_due_until_it_is_shown() -> None:
    once = measure("before_release")
    assert state_of(once, None, released_at_us=None, now_us=NOW).status == "due"
    assert state_of(once, None, released_at_us=NOW, now_us=NOW).status == "due"
    met = state_of(once, shown(NOW), released_at_us=None, now_us=NOW + 10_000 * DAY_US)
    assert (met.status, met.due_at_us, met.evidence) == ("met", None, "sha256:x")


def test_in_operation_a_standing_measure_is_due_from_the_release_on() -> None:
    standing = measure("in_operation")
    assert state_of(standing, None, released_at_us=None, now_us=NOW).status == "later"
    assert state_of(standing, None, released_at_us=NOW, now_us=NOW).status == "due"
    assert state_of(standing, shown(NOW), released_at_us=None, now_us=NOW).status == "met"


@given(st.integers(1, 400), st.integers(0, 800 * DAY_US), st.booleans(), st.booleans())
def test_a_recurring_measure_is_overdue_from_its_day_on(every, waited, has_evidence, live) -> None:
    recurring = measure("in_operation", every_days=every)
    latest = shown(NOW) if has_evidence else None
    released_at_us = NOW if live else None
    state = state_of(recurring, latest, released_at_us=released_at_us, now_us=NOW + waited)
    if not has_evidence and not live:
        assert (state.status, state.due_at_us) == ("later", None)
    else:
        assert state.due_at_us == NOW + every * DAY_US
        late = waited >= every * DAY_US
        assert state.status == ("overdue" if late else "met" if has_evidence else "due")
