"""Rules of place over HTTP: said by an operator, read by operators, and they bind."""

from __future__ import annotations

import pytest

DIGEST = "sha256:" + "7" * 64


@pytest.fixture
def people(desk):
    """An operator's key and a tenant's key."""
    chief = desk.key(desk.member(desk.organisation("operator", "operator"), "operator"))
    return chief, desk.key(desk.member(desk.organisation("lake"), "trainer"))


def said(*codes: str, what: str = "data", subject: str = DIGEST) -> dict[str, object]:
    return {"what": what, "subject": subject, "jurisdictions": codes, "reason": "contract 7"}


def test_an_operator_says_rules_and_reads_them_page_by_page(desk, people):
    chief, _ = people
    for codes in (("CN",), ("SG", "CN"), ()):
        answer = desk.ask("PUT", "/v1/limits", chief, json=said(*codes))
        assert answer.status_code == 200, answer.text
        assert answer.json()["jurisdictions"] == sorted(codes)
    first = desk.ask("GET", "/v1/limits", chief, params={"limit": 2}).json()
    assert [each["jurisdictions"] for each in first["items"]] == [[], ["CN", "SG"]]
    query = {"limit": 2, "after": first["next"]}
    second = desk.ask("GET", "/v1/limits", chief, params=query).json()
    assert ([each["jurisdictions"] for each in second["items"]], second["next"]) == ([["CN"]], None)


@pytest.mark.parametrize(
    "sent",
    [
        said("ZZ"),
        said("china"),
        said("CN", subject="data"),
        said("CN", subject=""),
        said("CN", what="moon"),
        {**said("CN"), "reason": " "},
        {**said("CN"), "more": 1},
        {"what": "data", "subject": DIGEST},
    ],
    ids=str,
)
def test_what_is_no_rule_is_refused_and_nothing_is_kept(desk, people, sent):
    chief, _ = people
    assert desk.ask("PUT", "/v1/limits", chief, json=sent).status_code == 422
    assert desk.ask("GET", "/v1/limits", chief).json()["items"] == []


def test_a_rule_of_what_is_not_there_is_not_found(desk, people):
    chief, _ = people
    for what in ("award", "organisation", "pool"):
        sent = said("CN", what=what, subject="nothing")
        assert desk.ask("PUT", "/v1/limits", chief, json=sent).status_code == 404


def test_a_tenant_neither_says_nor_reads_rules(desk, people):
    chief, tenant = people
    assert desk.ask("PUT", "/v1/limits", tenant, json=said("CN")).status_code == 403
    assert desk.ask("GET", "/v1/limits", tenant).status_code == 403
    assert desk.ask("GET", "/v1/limits", chief).json()["items"] == []
