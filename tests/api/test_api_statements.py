"""Invoices and statements over HTTP: each sees its own, and the forms a document comes in."""

from __future__ import annotations

import json

from api_seeds import SEEDS, Place

from yunhe.api.routes import statements
from yunhe.compute.statements import importing
from yunhe.identity import service as identity


def test_an_invoice_is_its_organisations_alone_and_comes_in_three_forms(desk):
    operator = desk.organisation("operator", "operator")
    chief = desk.key(desk.member(operator, "operator"))
    university = desk.organisation("university")
    member = desk.member(university, "administrator")
    mine, rival = desk.key(member), desk.key(desk.member(desk.organisation("rival"), "buyer"))
    name = SEEDS["invoice"](desk, Place(university, member.id))
    listed = desk.ask("GET", "/v1/invoices", mine).json()["items"]
    assert [each["id"] for each in listed] == [name]
    assert desk.ask("GET", "/v1/invoices", rival).json()["items"] == []
    assert desk.ask("GET", f"/v1/invoices/{name}", rival).status_code == 404
    assert desk.ask("GET", f"/v1/invoices/{name}", chief).status_code == 200
    path = f"/v1/invoices/{name}/document"
    whole = json.loads(desk.ask("GET", path, mine).content)
    assert whole["party"] == university
    page = desk.ask("GET", f"{path}?form=html", mine, headers={"accept-language": "zh"}).text
    assert "账单" in page
    assert desk.ask("GET", f"{path}?form=csv", mine).content.endswith(b"currency\r\n")
    assert desk.ask("GET", path, rival).status_code == 404


def test_a_providers_statement_must_be_an_upload_and_faults_come_back_whole(desk):
    operator = desk.organisation("operator", "operator")
    boss = desk.member(operator, "operator")
    chief = desk.key(boss)
    provider = desk.organisation("centre", "provider")
    seen = desk.key(desk.member(provider, "administrator"))
    body = {"provider": provider, "period": "2026-01", "digest": "sha256:" + "0" * 64}
    refused = desk.ask("POST", "/v1/provider-statements", chief, json=body)
    assert refused.json()["findings"][0]["code"] == "compute.input_missing"
    name = SEEDS["statement"](desk, Place(provider, boss.id))
    found = desk.ask("GET", f"/v1/provider-statements/{name}/findings", seen).json()
    assert (found["lines"], found["mismatches"], found["more"]) == (0, [], 0)
    listed = desk.ask("GET", "/v1/provider-statements", seen).json()["items"]
    assert [each["id"] for each in listed] == [name]
    other = desk.key(desk.member(desk.organisation("rival"), "administrator"))
    path = f"/v1/provider-statements/{name}/findings"
    assert desk.ask("GET", path, other).status_code == 404
    assert importing.written([]).startswith(b"workload,")


def test_usage_is_asked_for_by_month_and_grouping(desk):
    university = desk.organisation("university")
    mine = desk.key(desk.member(university, "administrator"))
    empty = desk.ask("GET", "/v1/usage?period=2026-01&by=day", mine).json()
    assert (empty["lines"], empty["hhi"]) == ([], 0)
    assert (empty["vendor_hhi"], empty["vendor_shares"]) == (0, [])
    assert desk.ask("GET", "/v1/usage?period=2026-13", mine).status_code == 422
    assert desk.ask("GET", "/v1/usage?period=2026-01&by=mood", mine).status_code == 422
    csv = desk.ask("GET", "/v1/usage/focus?period=2026-01", mine).content
    assert csv.count(b"\n") == 1


def test_usage_tells_what_organisations_and_projects_are_called(desk):
    university = desk.organisation("university")
    member = desk.member(university, "administrator")
    project = desk.project(university, "语言模型")
    SEEDS["invoice"](desk, Place(university, member.id))
    mine = desk.key(member)
    with desk.storage.database.read() as tx:
        called = identity.organisation(tx, university).name
        found = statements._names(tx, "project", [project, "", "proj_gone"])
        assert statements._names(tx, "pool", [project]) == {}
        assert statements._names(tx, "organisation", ["", university]) == {university: called}
    assert found == {project: "语言模型"}
    lines = desk.ask("GET", "/v1/usage?period=2026-01", mine).json()["lines"]
    assert [line["name"] for line in lines] == [called] * len(lines)
