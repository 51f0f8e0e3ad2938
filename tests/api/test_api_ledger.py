"""Accounts, statements, grants and transfers over HTTP."""

from __future__ import annotations

import asyncio

import pytest

from yunhe.ledger import service as ledger


@pytest.fixture
def operator(desk):
    place = desk.organisation("operator", "operator")
    return desk.key(desk.member(place, "operator"))


@pytest.fixture
def uni(desk):
    return desk.organisation("uni")


@pytest.fixture
def buyer(desk, uni):
    return desk.key(desk.member(uni, "buyer"))


def top_up(desk, operator, place, *, unit="CNY", purpose="cash", amount=1_000):
    body = {"organisation": place, "unit": unit, "purpose": purpose, "amount": amount, "memo": "m"}
    answer = desk.ask("POST", "/v1/issuances", operator, json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["transfer"]


def accounts(desk, key):
    return {each["purpose"]: each for each in desk.ask("GET", "/v1/accounts", key).json()["items"]}


def test_a_grant_opens_the_account_and_stands_on_its_statement(desk, operator, uni, buyer):
    transfer = top_up(desk, operator, uni)
    account = accounts(desk, buyer)["cash"]
    assert (account["available"], account["held"], account["owner"]) == (1_000, 0, uni)
    [line] = desk.ask("GET", f"/v1/accounts/{account['id']}/entries", buyer).json()["items"]
    assert (line["transfer"], line["kind"], line["amount"]) == (transfer, "grant", 1_000)


def test_a_grant_to_nobody_or_in_no_unit_is_refused(desk, operator, uni):
    good = {"organisation": uni, "unit": "CNY", "amount": 1}
    for changed, status, code in [
        ({"organisation": "org_nobody"}, 404, "identity.organisation_unknown"),
        ({"unit": "doubloons"}, 422, "kernel.unit_unknown"),
        ({"amount": 0}, 422, "api.invalid"),
        ({"amount": 2**53}, 422, "api.invalid"),
        ({"amount": True}, 422, "api.invalid"),
        ({"amount": "1"}, 422, "api.invalid"),
        ({"memo": "\0"}, 422, "api.invalid"),
        ({"memo": "x" * 501}, 422, "api.invalid"),
    ]:
        answer = desk.ask("POST", "/v1/issuances", operator, json={**good, **changed})
        assert (answer.status_code, answer.json()["code"]) == (status, code), changed


def test_many_transfers_at_once_move_what_each_says_and_refuse_what_is_not_there(
    desk, operator, uni, buyer
):
    top_up(desk, operator, uni, amount=100)
    top_up(desk, operator, uni, purpose="fee", amount=1)
    top_up(desk, operator, desk.organisation("other"), purpose="theirs", amount=50)
    mine = accounts(desk, buyer)
    theirs = accounts(desk, operator)["theirs"]["id"]
    cash, fee = mine["cash"]["id"], mine["fee"]["id"]

    async def all_at_once():
        moves = [(cash, fee)] * 30 + [(theirs, cash)] * 5 + [(cash, "acct_none")] * 5
        return await asyncio.gather(
            *(
                desk.asking(
                    "POST",
                    "/v1/transfers",
                    buyer,
                    json={"entries": [{"debit": debit, "credit": credit, "amount": 5}]},
                )
                for debit, credit in moves
            )
        )

    answers = desk.wait(all_at_once())
    paid, stolen, lost = answers[:30], answers[30:35], answers[35:]
    assert sorted(answer.status_code for answer in paid) == [201] * 20 + [429] * 10
    assert {(a.status_code, a.json()["code"]) for a in stolen} == {(404, "ledger.account_unknown")}
    assert {(a.status_code, a.json()["code"]) for a in lost} == {(404, "ledger.account_unknown")}
    assert accounts(desk, buyer)["cash"]["available"] == 0
    with desk.storage.database.read() as tx:
        assert ledger.replay(tx).problems == ()


def test_a_statement_goes_on_where_its_cursor_says(desk, operator, uni, buyer):
    for _ in range(7):
        top_up(desk, operator, uni, amount=1)
    account = accounts(desk, buyer)["cash"]["id"]
    seen, after = [], ""
    while after is not None:
        path = f"/v1/accounts/{account}/entries?limit=3" + (after and f"&after={after}")
        page = desk.ask("GET", path, buyer).json()
        seen += [line["transfer"] for line in page["items"]]
        after = page["next"]
    assert len(seen) == len(set(seen)) == 7


def test_accounts_of_all_come_in_pages_for_who_looks_beyond(desk, operator, uni):
    for name in ("b", "c", "d"):
        top_up(desk, operator, desk.organisation(name))
    top_up(desk, operator, uni)
    seen, after = [], ""
    while after is not None:
        page = desk.ask(
            "GET", "/v1/accounts?limit=2" + (after and f"&after={after}"), operator
        ).json()
        seen += [(each["owner"], each["unit"], each["purpose"]) for each in page["items"]]
        after = page["next"]
    assert len(seen) == len(set(seen)) == 6  # four of organisations, two of the unit itself
    assert seen == sorted(seen)
