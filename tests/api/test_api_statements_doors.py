"""Who may see and do what in settlement: roles, scopes, projects, pages, months, ids of others."""

from __future__ import annotations

import json

import pytest
from api_seeds import SEEDS, Place

from yunhe.compute.service import statements
from yunhe.compute.statements import importing
from yunhe.compute.statements import store as rows
from yunhe.compute.statements.domain import SUMS, Document

MONTHS = ["2026-13", "2026-00", "2026", "2026-1", "1999-12", "2٠٢٦-01", "2０２６-01", "2026-01%0A"]


@pytest.fixture
def chief(desk):
    """An operator's member with a key for everything."""
    member = desk.member(desk.organisation("operator", "operator"), "operator")
    return member, desk.key(member)


def several(desk, party: str, count: int, *, kind: str = "invoice") -> list[str]:
    """So many documents for a party, the last first."""
    names = []
    with desk.storage.database.begin() as tx:
        for _ in range(count):
            number = rows.number_last(tx, kind) + 1
            name = f"document_{kind}{number}"
            sums = dict.fromkeys(SUMS, number)
            rows.add_document(
                tx,
                Document(
                    name,
                    kind,
                    number,
                    party,
                    f"2026-{number:02}",
                    "CNY",
                    1,
                    issued_at_us=desk.now_us(),
                    digest="sha256:" + "0" * 64,
                    reference="5d" * 32,
                    **sums,
                ),
            )
            names.insert(0, name)
    return names


@pytest.mark.parametrize("role", ["trainer", "data_steward"])
def test_who_has_nothing_to_do_with_money_sees_no_invoice(desk, role):
    home = desk.organisation("university")
    several(desk, home, 1)
    key = desk.key(desk.member(home, role))
    for path in ("invoices", "invoices/document_invoice1", "usage/focus?period=2026-01"):
        refused = desk.ask("GET", f"/v1/{path}", key)
        assert (refused.status_code, refused.json()["code"]) == (403, "api.role_missing")


def test_a_key_without_the_scope_sees_nothing_and_reading_is_not_writing(desk, chief):
    home = desk.organisation("university")
    other = desk.key(desk.member(home, "administrator"), "ledger:read")
    assert desk.ask("GET", "/v1/invoices", other).json()["code"] == "api.scope_missing"
    member, _ = chief
    reading = desk.key(member, "compute:read")
    for path, body in (
        ("periods", {"period": "2026-01"}),
        ("corrections", {"workload": "workload_x", "device_ms": 0, "reason": "r"}),
    ):
        said = desk.ask("POST", f"/v1/{path}", reading, json=body)
        assert (said.status_code, said.json()["code"]) == (403, "api.scope_missing")


@pytest.mark.parametrize("kind", ["university", "provider", "regulator"])
def test_nobody_outside_the_operator_closes_hands_in_or_corrects(desk, kind):
    home = desk.organisation("home", kind)
    key = desk.key(desk.member(home, "administrator"))
    digest = "sha256:" + "0" * 64
    for path, body in (
        ("periods", {"period": "2026-01"}),
        ("provider-statements", {"provider": home, "period": "2026-01", "digest": digest}),
        ("corrections", {"workload": "workload_x", "device_ms": 0, "reason": "r"}),
    ):
        assert desk.ask("POST", f"/v1/{path}", key, json=body).status_code == 403


def test_ids_of_others_and_of_nothing_are_answered_alike(desk, chief):
    member, _ = chief
    home, rival = desk.organisation("university"), desk.organisation("rival", "provider")
    mine = desk.key(desk.member(home, "administrator"))
    theirs = several(desk, rival, 1)[0]
    statement = SEEDS["statement"](desk, Place(rival, member.id))
    for path, name in (
        ("/v1/invoices/{}", theirs),
        ("/v1/invoices/{}/document", theirs),
        ("/v1/provider-statements/{}/findings", statement),
    ):
        there = desk.ask("GET", path.format(name), mine)
        nowhere = desk.ask("GET", path.format("x" * len(name)), mine)
        assert there.status_code == nowhere.status_code == 404
        said = there.text.replace(name, "x" * len(name))
        shown, wanted = json.loads(said), nowhere.json()
        for answer in (shown, wanted):
            answer.pop("request_id", None)
            answer.pop("instance", None)
        assert shown == wanted


def test_a_key_of_one_project_sees_usage_of_it_and_no_paper_of_the_whole_house(desk, chief):
    member, _ = chief
    home = desk.organisation("university")
    project = desk.project(home, "alpha")
    several(desk, home, 2)
    SEEDS["statement"](desk, Place(home, member.id))
    admin = desk.member(home, "administrator")
    whole, narrow = desk.key(admin), desk.key(admin, project=project)
    assert len(desk.ask("GET", "/v1/invoices", whole).json()["items"]) == 2
    assert len(desk.ask("GET", "/v1/provider-statements", whole).json()["items"]) == 1
    for path in ("/v1/invoices", "/v1/provider-statements"):
        said = desk.ask("GET", path, narrow)
        assert (said.status_code, said.json()["items"]) == (200, [])
    assert desk.ask("GET", "/v1/invoices/document_invoice1", narrow).status_code == 404
    asked: list[object] = []
    real = statements.exported

    def watched(tx, **given):
        asked.append(given["projects"])
        return real(tx, **given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statements, "exported", watched)
        for key in (whole, narrow):
            path = "/v1/usage/focus?period=2026-01"
            assert desk.ask("GET", path, key).status_code == 200
    assert asked == [None, frozenset({project})]


def test_pages_hold_every_document_once_in_order_and_a_strange_cursor_is_refused(desk):
    home = desk.organisation("university")
    names = several(desk, home, 5) + several(desk, home, 3, kind="payable")
    several(desk, desk.organisation("rival"), 2)
    mine = desk.key(desk.member(home, "buyer"))
    seen, after, pages = [], "", 0
    while True:
        said = desk.ask("GET", f"/v1/invoices?limit=3{after}", mine).json()
        seen += [each["id"] for each in said["items"]]
        pages += 1
        if not said.get("next"):
            break
        after = f"&after={said['next']}"
    assert (seen, pages) == (names, 3)
    for odd in ("x", "e30", "W10", "%00"):
        assert desk.ask("GET", f"/v1/invoices?after={odd}", mine).status_code in (400, 422)
    for limit in ("0", "-1", "1000000", "many"):
        assert desk.ask("GET", f"/v1/invoices?limit={limit}", mine).status_code == 422


@pytest.mark.parametrize("month", MONTHS)
def test_a_month_has_one_name_at_every_door(desk, chief, month):
    _, key = chief
    for path in ("usage", "usage/focus"):
        assert desk.ask("GET", f"/v1/{path}?period={month}", key).status_code == 422
    plain = month.replace("%0A", "\n")
    assert desk.ask("POST", "/v1/periods", key, json={"period": plain}).status_code == 422
    body = {"provider": "org_x", "period": plain, "digest": "sha256:" + "0" * 64}
    assert desk.ask("POST", "/v1/provider-statements", key, json=body).status_code == 422


def test_a_period_that_runs_is_not_closed_and_one_that_is_over_is_closed_once(desk, chief):
    _, key = chief
    running = statements.period_at(desk.now_us())
    said = desk.ask("POST", "/v1/periods", key, json={"period": running.name})
    assert (said.status_code, said.json()["code"]) == (422, "compute.period_running")
    wanted = {"period": "2025-01", "invoices": 0, "payables": 0}
    for _ in range(2):
        made = desk.ask("POST", "/v1/periods", key, json={"period": "2025-01"})
        assert (made.status_code, made.json()) == (201, wanted)


@pytest.mark.parametrize(
    "body",
    [
        {"device_ms": -1},
        {"device_ms": 1.0},
        {"device_ms": "0"},
        {"device_ms": True},
        {"device_ms": 2**53},
        {"reason": ""},
        {"reason": "x" * 201},
        {"price_minor_per_device_hour": 0},
    ],
    ids=str,
)
def test_a_correction_is_asked_for_exactly_or_not_at_all(desk, chief, body):
    _, key = chief
    asked = {"workload": "workload_x", "device_ms": 0, "reason": "broke"}
    assert desk.ask("POST", "/v1/corrections", key, json=asked).status_code == 404
    assert desk.ask("POST", "/v1/corrections", key, json={**asked, **body}).status_code == 422


def test_a_file_is_whose_it_is_in_every_form_and_language(desk):
    home = desk.organisation("university")
    member = desk.member(home, "administrator")
    mine = desk.key(member)
    name = SEEDS["invoice"](desk, Place(home, member.id))
    path = f"/v1/invoices/{name}/document"
    for language, word in (("en", "Invoice"), ("zh", "账单"), ("zh-CN,zh;q=0.9", "账单")):
        headers = {"accept-language": language}
        page = desk.ask("GET", f"{path}?form=html", mine, headers=headers)
        assert word in page.text
        assert "<script" not in page.text
        assert page.headers["content-type"] == "application/octet-stream"
    assert desk.ask("GET", f"{path}?form=pdf", mine).status_code == 422
    parquet = desk.ask("GET", "/v1/usage/focus?period=2026-01&form=parquet", mine).content
    assert (parquet[:4], parquet[-4:]) == (b"PAR1", b"PAR1")


def test_a_hostile_statement_is_a_finding_and_never_a_fault_of_the_server(desk, chief):
    member, _ = chief
    provider = desk.organisation("centre", "provider")
    seen = desk.key(desk.member(provider, "administrator"))
    hostile = "=cmd|'/c calc'!A1<script>\x1b[2J"
    line = {
        "workload": hostile,
        "device_seconds": "1",
        "price_per_device_hour": "1",
        "currency": "CNY",
        "amount": "1",
        "ended_at": "2026-01-02T00:00:00Z",
    }
    made = statements.receive(
        desk.storage,
        provider=provider,
        period=statements.period("2026-01"),
        body=importing.written([line, line]),
        form="csv",
        received_by=member.id,
    )
    for language in ("en", "zh"):
        said = desk.ask(
            "GET",
            f"/v1/provider-statements/{made.id}/findings",
            seen,
            headers={"accept-language": language},
        )
        assert said.status_code == 200
        found = said.json()["mismatches"]
        assert [each["kind"] for each in found] == ["unknown_job"] * 2
        assert {each["charge"] for each in found} == {hostile}
        assert all(each["do"] for each in found)
        assert "\x1b" not in said.text
