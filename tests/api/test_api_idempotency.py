"""The same key and request give the same answer, made once; whatever comes at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from sqlalchemy import delete, select

from yunhe.api.idempotency import Attempt, once_each
from yunhe.kernel.errors import Conflict, YunheError
from yunhe.ledger import service as ledger
from yunhe.storage.database import Transaction
from yunhe.storage.idempotency import purge, remembered


@pytest.fixture
def operator(desk):
    place = desk.organisation("operator", "operator")
    return desk.key(desk.member(place, "operator", "administrator"))


@pytest.fixture
def buyer(desk):
    """A buyer with 1000 in its account, and another account to pay into."""
    place = desk.organisation("uni")
    key = desk.key(desk.member(place, "buyer", "administrator"))
    with desk.storage.database.begin() as tx:
        cash, fee = (
            ledger.open_account(tx, owner=place, unit="CNY", purpose=purpose)
            for purpose in ("cash", "fee")
        )
        ledger.grant(tx, key="top-up", account=cash, amount=1_000, at_us=1)
    return key, cash, fee


def keyed(key: str) -> dict[str, str]:
    return {"idempotency-key": key}


def body(cash: str, fee: str, amount: int = 10) -> dict[str, object]:
    return {"entries": [{"debit": cash, "credit": fee, "amount": amount}], "memo": "m"}


def available(desk, key, account):
    return desk.ask("GET", f"/v1/accounts/{account}", key).json()["available"]


@pytest.mark.parametrize("path", ["/v1/organisations", "/v1/projects", "/v1/service-accounts"])
def test_a_repeated_creation_gives_its_first_answer_and_says_so(desk, operator, path):
    sent = {"name": "N", **({"kind": "sme"} if path.endswith("organisations") else {})}
    first = desk.ask("POST", path, operator, json=sent, headers=keyed("k"))
    again = desk.ask("POST", path, operator, json=dict(reversed(sent.items())), headers=keyed("k"))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    other = desk.ask("POST", path, operator, json={**sent, "name": "M"}, headers=keyed("k"))
    assert (other.status_code, other.json()["code"]) == (409, "storage.key_reused")


def test_a_key_belongs_to_its_organisation_and_its_route(desk, operator, buyer):
    key, cash, fee = buyer
    theirs = desk.ask("POST", "/v1/projects", operator, json={"name": "P"}, headers=keyed("k"))
    ours = desk.ask("POST", "/v1/projects", key, json={"name": "P"}, headers=keyed("k"))
    assert theirs.status_code == ours.status_code == 201
    assert theirs.json()["id"] != ours.json()["id"]
    elsewhere = desk.ask("POST", "/v1/transfers", key, json=body(cash, fee), headers=keyed("k"))
    assert elsewhere.json()["code"] == "storage.key_reused"


def test_without_a_key_nothing_is_created(desk, operator):
    answer = desk.wait(
        desk._client.request(
            "POST",
            "/v1/organisations",
            headers={"authorization": f"Bearer {operator}"},
            json={"name": "N", "kind": "sme"},
        )
    )
    assert answer.status_code == 422
    assert [each["where"] for each in answer.json()["findings"]] == ["header.Idempotency-Key"]


def test_a_refused_request_may_succeed_later_under_the_same_key(desk, buyer):
    key, cash, fee = buyer
    big = body(cash, fee, 5_000)
    refused = desk.ask("POST", "/v1/transfers", key, json=big, headers=keyed("k"))
    assert (refused.status_code, refused.json()["code"]) == (429, "ledger.insufficient")
    with desk.storage.database.begin() as tx:
        ledger.grant(tx, key="more", account=cash, amount=9_000, at_us=2)
    assert desk.ask("POST", "/v1/transfers", key, json=big, headers=keyed("k")).status_code == 201


@pytest.mark.parametrize("path", ["/v1/transfers", "/v1/projects"])
def test_simultaneous_duplicates_happen_once_and_all_get_the_one_answer(desk, buyer, path):
    key, cash, fee = buyer
    sent = body(cash, fee) if path == "/v1/transfers" else {"name": "P"}

    async def all_at_once():
        return await asyncio.gather(
            *(
                desk.asking("POST", path, key, json=sent, headers=keyed(f"k{i % 3}"))
                for i in range(60)
            )
        )

    answers = desk.wait(all_at_once())
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 3
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 3
    if path == "/v1/transfers":
        assert available(desk, key, cash) == 1_000 - 3 * 10


def test_simultaneous_requests_of_one_key_that_differ_are_told_apart(desk, buyer):
    key, cash, fee = buyer

    async def all_at_once():
        return await asyncio.gather(
            *(
                desk.asking(
                    "POST", "/v1/transfers", key, json=body(cash, fee, i), headers=keyed("k")
                )
                for i in range(1, 20)
            )
        )

    answers = desk.wait(all_at_once())
    codes = sorted(answer.status_code for answer in answers)
    assert codes == [201] + [409] * 18
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"storage.key_reused"}


def test_an_answer_with_a_secret_is_given_again_to_the_same_key_and_lies_nowhere_in_the_rows(
    desk, operator
):
    sent = {"scopes": ["ledger:read"], "label": "x"}
    first = desk.ask("POST", "/v1/keys", operator, json=sent, headers=keyed("k"))
    again = desk.ask("POST", "/v1/keys", operator, json=sent, headers=keyed("k"))
    secret = first.json()["secret"]
    assert first.content == again.content
    assert desk.ask("GET", "/v1/me", secret).status_code == 200
    with desk.storage.database.read() as tx:
        rows = repr(tx.execute(select(remembered)).all())
    assert secret not in rows
    assert secret[-20:] not in rows
    member = desk.ask("GET", "/v1/me", operator).json()["member"]
    colleague = desk.ask("POST", "/v1/keys", desk.key(member), json=sent, headers=keyed("k"))
    assert (colleague.status_code, colleague.json()["code"]) == (409, "api.repeated_by_another")


def test_a_forgotten_key_counts_as_new(desk, operator):
    sent = {"name": "P"}
    first = desk.ask("POST", "/v1/projects", operator, json=sent, headers=keyed("k"))
    with desk.storage.database.begin() as tx:
        assert purge(tx, before_us=desk.now_us() + 1) == 1
        assert purge(tx, before_us=desk.now_us() + 1) == 0
    again = desk.ask("POST", "/v1/projects", operator, json=sent, headers=keyed("k"))
    assert again.status_code == 201
    assert "idempotency-replayed" not in again.headers
    assert again.json() == first.json()  # the floor's own key still leads to the same project


class Made(BaseModel):
    """What the command below makes."""

    value: str


def making(_: Transaction, items: Sequence[str]) -> list[Made | YunheError]:
    """Refuses what begins with no."""
    return [
        Conflict("storage.busy", where=each) if each.startswith("no") else Made(value=each)
        for each in items
    ]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    asked=st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["no 1", "no 2", "yes 1", "yes 2"])),
        min_size=1,
        max_size=12,
    )
)
def test_a_group_tells_everybody_what_they_would_be_told_one_after_the_other(storage, asked):
    batch = once_each(making)

    def run(tx, tenant, of):
        each = [(Attempt(tenant, key, "POST /", item, 1), item) for key, item in of]
        return [
            (told.code, dict(told.params)) if isinstance(told, YunheError) else told
            for told in batch(tx, each)
        ]

    with storage.database.begin() as tx:
        tx.execute(delete(remembered))
        together = run(tx, "together", asked)
        apart = [told for each in asked for told in run(tx, "apart", [each])]
    assert together == apart
