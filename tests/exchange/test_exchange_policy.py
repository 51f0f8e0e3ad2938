"""Usage policies: every unknown term is named, equal policies are equal, unknown never allows."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunhe.exchange import policy as policies
from yunhe.exchange.domain import ACTS, PURPOSES, Policy
from yunhe.exchange.policy import Request
from yunhe.identity.domain import KINDS
from yunhe.kernel.clock import DAY_US
from yunhe.kernel.errors import Invalid
from yunhe.kernel.language import LANGUAGES, texts

AT = 1_767_225_600_000_000
DOCUMENT = {
    "purposes": ["model-training", "research"],
    "organisation_kinds": ["university"],
    "prohibited": ["onward-transfer", "re-identification"],
    "valid_days": 30,
    "accesses_max": 3,
}
POLICY = policies.parse(DOCUMENT)
KNOWN = Request(
    purpose="research",
    organisation_kind="university",
    acts=frozenset(),
    granted_at_us=AT,
    accesses=0,
)

policies_of_all_sorts = st.builds(
    Policy,
    purposes=st.lists(st.sampled_from(PURPOSES), min_size=1).map(tuple),
    organisation_kinds=st.lists(st.sampled_from(KINDS), min_size=1).map(tuple),
    prohibited=st.lists(st.sampled_from([a for a in ACTS if a != "commercial-use"])).map(tuple),
    valid_days=st.integers(1, policies.VALID_DAYS_MAX),
    accesses_max=st.none() | st.integers(1, policies.ACCESSES_MAX),
)
requests_of_all_sorts = st.builds(
    Request,
    purpose=st.none() | st.sampled_from((*PURPOSES, "resale")),
    organisation_kind=st.none() | st.sampled_from((*KINDS, "bank")),
    acts=st.none() | st.frozensets(st.sampled_from((*ACTS, "burning"))),
    granted_at_us=st.none() | st.integers(AT - 40 * DAY_US, AT + 2 * DAY_US),
    accesses=st.none() | st.integers(0, 5),
)


def faults(document: dict[str, object]) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as error:
        policies.parse(document)
    assert error.value.code == "exchange.policy_invalid"
    return [(finding.where, finding.code) for finding in error.value.findings]


def codes(policy: Policy, request: Request, *, now_us: int = AT) -> list[str]:
    decision = policies.evaluate(policy, request, now_us=now_us)
    assert decision.allowed == (decision.reasons == ())
    return [reason.code for reason in decision.reasons]


def test_a_policy_is_read_as_written() -> None:
    assert (
        Policy(
            purposes=("model-training", "research"),
            organisation_kinds=("university",),
            prohibited=("onward-transfer", "re-identification"),
            valid_days=30,
            accesses_max=3,
        )
        == POLICY
    )


def test_all_faults_of_a_policy_are_found_at_once() -> None:
    assert faults(
        {
            "purposes": ["model-training", "world-domination"],
            "organisation_kinds": [],
            "prohibited": "onward-transfer",
            "valid_days": 0,
            "accesses_max": True,
            "watermark": "yes",
        }
    ) == [
        ("watermark", "exchange.term_unknown"),
        ("purposes[1]", "exchange.term_unknown"),
        ("organisation_kinds", "exchange.term_empty"),
        ("prohibited", "exchange.term_not_list"),
        ("valid_days", "exchange.number_invalid"),
        ("accesses_max", "exchange.number_invalid"),
    ]


def test_an_empty_policy_permits_nothing_and_is_refused() -> None:
    assert {where for where, _ in faults({})} == {
        "purposes",
        "organisation_kinds",
        "prohibited",
        "valid_days",
    }


@pytest.mark.parametrize("term", ["purposes", "organisation_kinds", "prohibited", "valid_days"])
def test_a_term_left_out_is_a_fault_not_a_default(term: str) -> None:
    document = {key: value for key, value in DOCUMENT.items() if key != term}
    assert [where for where, _ in faults(document)] == [term]


def test_a_purpose_that_needs_a_prohibited_act_is_a_contradiction() -> None:
    document = DOCUMENT | {"purposes": ["commercial-product"], "prohibited": ["commercial-use"]}
    assert faults(document) == [("prohibited", "exchange.policy_contradiction")]


@pytest.mark.parametrize("value", [None, 3.5, "30", True, -1, 0, policies.VALID_DAYS_MAX + 1])
def test_days_are_a_whole_number_within_bounds(value: object) -> None:
    assert faults(DOCUMENT | {"valid_days": value}) == [("valid_days", "exchange.number_invalid")]


@pytest.mark.parametrize("term", [["research"], {"research": 1}, 7, None, "Research", "research "])
def test_a_term_is_known_only_if_it_is_exactly_a_known_word(term: object) -> None:
    document = DOCUMENT | {"purposes": [term]}
    assert faults(document) == [("purposes[0]", "exchange.term_unknown")]


@given(policies_of_all_sorts)
def test_the_canonical_form_is_read_back_to_the_same_canonical_form(policy: Policy) -> None:
    document = policies.document_of(policy)
    restored = policies.restore(document)
    assert policies.document_of(restored) == document
    assert policies.digest(restored) == policies.digest(policy)


@given(policies_of_all_sorts, st.randoms())
def test_order_and_repetition_of_terms_do_not_change_the_digest(policy, random) -> None:
    terms = list(policy.purposes) * 2
    random.shuffle(terms)
    assert policies.digest(replace(policy, purposes=tuple(terms))) == policies.digest(policy)


def test_any_difference_in_meaning_changes_the_digest() -> None:
    variants = [
        POLICY,
        replace(POLICY, purposes=("research",)),
        replace(POLICY, organisation_kinds=("company",)),
        replace(POLICY, prohibited=("onward-transfer",)),
        replace(POLICY, valid_days=31),
        replace(POLICY, accesses_max=4),
        replace(POLICY, accesses_max=None),
    ]
    assert len({policies.digest(variant) for variant in variants}) == len(variants)


def test_a_stored_policy_of_another_profile_is_refused() -> None:
    for profile in ("yunhe-policy/2", None):
        with pytest.raises(Invalid) as error:
            policies.restore({**policies.document_of(POLICY), "profile": profile})
        assert [f.code for f in error.value.findings] == ["exchange.profile_unknown"]


def test_a_request_within_the_policy_is_allowed() -> None:
    assert codes(POLICY, KNOWN) == []
    assert codes(POLICY, replace(KNOWN, acts=frozenset({"publication"}))) == []


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"purpose": "statistics"}, "exchange.purpose_not_permitted"),
        ({"purpose": "resale"}, "exchange.purpose_not_permitted"),
        ({"organisation_kind": "company"}, "exchange.kind_not_permitted"),
        ({"acts": frozenset({"onward-transfer"})}, "exchange.act_prohibited"),
        ({"acts": frozenset({"burning"})}, "exchange.act_unknown"),
        ({"accesses": 3}, "exchange.accesses_used_up"),
        ({"granted_at_us": AT - 30 * DAY_US}, "exchange.grant_expired"),
        ({"granted_at_us": AT + 1}, "exchange.before_grant"),
    ],
)
def test_each_breach_is_refused_for_its_own_reason(changed: dict, code: str) -> None:
    assert codes(POLICY, replace(KNOWN, **changed)) == [code]


def test_all_reasons_are_given_at_once() -> None:
    request = Request(
        purpose="statistics",
        organisation_kind="company",
        acts=frozenset(ACTS),
        granted_at_us=AT - 31 * DAY_US,
        accesses=9,
    )
    assert codes(POLICY, request) == [
        "exchange.grant_expired",
        "exchange.purpose_not_permitted",
        "exchange.kind_not_permitted",
        "exchange.act_prohibited",
        "exchange.act_prohibited",
        "exchange.accesses_used_up",
    ]


def test_a_grant_works_from_its_first_instant_to_just_before_its_last() -> None:
    ends = policies.expires_at_us(POLICY, granted_at_us=AT)
    assert ends == AT + 30 * DAY_US
    assert codes(POLICY, KNOWN, now_us=AT) == []
    assert codes(POLICY, KNOWN, now_us=ends - 1) == []
    assert codes(POLICY, KNOWN, now_us=ends) == ["exchange.grant_expired"]
    assert codes(POLICY, KNOWN, now_us=AT - 1) == ["exchange.before_grant"]


def test_a_purpose_brings_the_acts_it_cannot_do_without() -> None:
    policy = replace(
        POLICY, purposes=("commercial-product",), prohibited=("commercial-use",)
    )  # parse refuses it; evaluation of such a one must be safe all the same
    assert codes(policy, replace(KNOWN, purpose="commercial-product")) == [
        "exchange.act_prohibited"
    ]


FACTS = ("purpose", "organisation_kind", "acts", "granted_at_us", "accesses")


@pytest.mark.parametrize("count", range(1, len(FACTS) + 1))
def test_no_combination_of_unknown_facts_is_allowed(count: int) -> None:
    for missing in itertools.combinations(FACTS, count):
        request = replace(KNOWN, **dict.fromkeys(missing))
        assert codes(POLICY, request) == ["exchange.fact_unknown"] * count


def test_an_unknown_count_matters_only_where_accesses_are_limited() -> None:
    unlimited = replace(POLICY, accesses_max=None)
    assert codes(unlimited, replace(KNOWN, accesses=None)) == []


@given(policies_of_all_sorts, requests_of_all_sorts)
def test_what_is_allowed_satisfies_every_clause(policy: Policy, request: Request) -> None:
    """The rule stated a second time, as one conjunction."""
    acts = None if request.acts is None else set(request.acts)
    if acts is not None and request.purpose == "commercial-product":
        acts.add("commercial-use")
    start = request.granted_at_us
    expected = (
        request.purpose in policy.purposes
        and request.organisation_kind in policy.organisation_kinds
        and acts is not None
        and acts <= set(ACTS) - set(policy.prohibited)
        and start is not None
        and start <= AT < start + policy.valid_days * DAY_US
        and (
            policy.accesses_max is None
            or (request.accesses is not None and request.accesses < policy.accesses_max)
        )
    )
    assert policies.evaluate(policy, request, now_us=AT).allowed == expected


@given(policies_of_all_sorts, st.none() | st.sampled_from((*KINDS, "bank")))
def test_only_permitted_kinds_of_organisation_may_order(policy: Policy, kind: str | None) -> None:
    decision = policies.may_order(policy, organisation_kind=kind)
    assert decision.allowed == (kind in policy.organisation_kinds)


@given(st.dictionaries(st.text(max_size=20), st.none() | st.integers() | st.text(max_size=20)))
def test_any_document_is_either_a_policy_or_refused_with_findings(document: dict) -> None:
    with pytest.raises(Invalid) as error:
        policies.parse(document)
    assert error.value.findings
    for language in LANGUAGES:
        assert error.value.message(language).count("\n") == len(error.value.findings) + 1


def test_every_text_exists_in_both_languages_with_the_same_parameters() -> None:
    english, chinese = (texts("exchange", language) for language in LANGUAGES)
    assert english.keys() == chinese.keys()
    for code in english:
        assert _holes(english[code]) == _holes(chinese[code]), code
    for purpose in PURPOSES:
        assert f"exchange.purpose.{purpose}" in english
    for act in ACTS:
        assert f"exchange.act.{act}" in english


def _holes(sentence: str) -> set[str]:
    return {part.split("}")[0] for part in sentence.split("{")[1:]}
