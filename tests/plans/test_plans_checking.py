"""A plan that a floor would refuse later is refused before anything runs, where it stands."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from yunhe.kernel.errors import Invalid, NotFound
from yunhe.plans.reading import parse_plan, read_plan

HOTLINE = Path(__file__).parents[2] / "examples" / "hotline"
PLAN = (HOTLINE / "plan.yaml").read_text("utf-8")

CASES = {
    "buyer without the role": ("[buyer, trainer]", "[trainer]", "plans.role_missing"),
    "operator without the role": ("roles: [operator]", "roles: [auditor]", "plans.role_missing"),
    "caller without the role": ("roles: [caller]", "roles: [auditor]", "plans.role_missing"),
    "approver without the role": ("[release_owner]}", "[auditor]}", "plans.role_missing"),
    "no data steward": ("roles: [data_steward]", "roles: [auditor]", "plans.no_actor"),
    "no evaluator": ("roles: [evaluator]", "roles: [auditor]", "plans.no_actor"),
    "a university as provider": ("provider: machine-room", "provider: university",
                                 "plans.not_provider"),
    "one approval": ("    - {member: release-owner, role: release_owner}\n", "",
                     "plans.approvals_few"),
    "one person twice": ("{member: release-owner, role: release_owner}",
                         "{member: risk-officer, role: risk_officer}", "plans.approval_twice"),
    "a role that may not approve": ("role: release_owner}\n  valid", "role: caller}\n  valid",
                                    "plans.role_not_approving"),
    "a price finer than a fen": ('price: "1200.00"', 'price: "1200.001"', "kernel.amount_invalid"),
    "a price above the funds": ('funds: "5000.00"', 'funds: "50.00"', "plans.funds_short"),
    "a voucher of nothing": ('amount: "10.00"', 'amount: "0"', "plans.voucher_empty"),
    "an award too small": ("device_seconds: 900", "device_seconds: 9", "plans.award_short"),
    "nothing beyond the award": ("wall_seconds: 7200", "wall_seconds: 800", "plans.beyond_within"),
    "an unknown term of the policy": ("valid_days: 365", "valid_dayz: 365",
                                      "exchange.term_unknown"),
    "a buyer the policy excludes": ("[university, company, sme]", "[company]",
                                    "plans.kind_excluded"),
    "a purpose it does not permit": ("purpose: model-training", "purpose: statistics",
                                     "plans.purpose_excluded"),
    "an unknown fact": ("    minors: false", "    miners: false", "governance.fact_unknown"),
    "a wrong answer": ("decision_effect: advice", "decision_effect: maybe",
                       "governance.option_unknown"),
    "an unknown profile": ("  synthetic: true\n", "  synthetic: true\n  profile: {name: nosuch}\n",
                           "corpus.profile_unknown"),
    "an unknown threshold": ("  synthetic: true\n", "  synthetic: true\n  profile: "
                             "{name: zh-short, changes: {length: {nosuch: 1}}}\n",
                             "plans.threshold_unknown"),
    "no keyword file": ("keywords_file: keywords.yaml", "keywords_file: none.yaml",
                        "plans.keywords_file"),
}  # fmt: skip


def refused(source: str) -> list:
    with pytest.raises(Invalid) as caught:
        parse_plan(source.encode(), HOTLINE / "plan.yaml")
    return list(caught.value.findings)


@pytest.mark.parametrize("what", CASES)
def test_what_would_be_refused_later_is_refused_at_once_where_it_stands(what):
    old, new, code = CASES[what]
    assert PLAN.count(old) >= 1
    source = PLAN.replace(old, new)
    findings = refused(source)
    if code not in {finding.code for finding in findings}:
        raise AssertionError([finding.message("en") for finding in findings])
    found = next(finding for finding in findings if finding.code == code)
    line, column = (int(part) for part in found.where.split(":")[-2:])
    assert 1 <= line <= len(source.splitlines())
    assert 1 <= column <= len(source.splitlines()[line - 1]) + 1
    for language in ("en", "zh"):
        assert code not in found.message(language)  # a bare code would be a missing sentence


def test_all_of_them_are_told_together():
    source = PLAN
    wanted = set()
    for what in ("no evaluator", "a price above the funds", "an award too small", "a wrong answer"):
        old, new, code = CASES[what]
        source, wanted = source.replace(old, new), wanted | {code}
    assert {finding.code for finding in refused(source)} >= wanted


def test_a_stored_plan_is_read_for_its_shape_alone():
    old, new, _ = CASES["no keyword file"]
    plan = parse_plan(PLAN.replace(old, new).encode(), Path("stored.yaml"), meaning=False)
    assert plan.name == "hotline"


@pytest.mark.parametrize(
    "source",
    ["a: \x07", "a: \x00", "a: 2020-13-45", "a: !!int foo", "a: !!float foo", "a: " + "9" * 5000,
     '"\\UFFFFFFFF": 1'],
)  # fmt: skip
def test_what_yaml_itself_stumbles_over_is_a_finding_and_no_trace(source):
    (finding, *_) = refused(source)
    assert finding.code.startswith("plans.")


def test_a_pipe_in_place_of_a_plan_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "plan.yaml")
    with pytest.raises(NotFound):
        read_plan(tmp_path / "plan.yaml")


def test_a_plan_that_links_to_itself_is_an_error_of_the_disk_or_not_there(tmp_path):
    (tmp_path / "plan.yaml").symlink_to(tmp_path / "plan.yaml")
    with pytest.raises(NotFound):
        read_plan(tmp_path / "plan.yaml")
