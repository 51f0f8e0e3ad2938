"""Cleansing by HTTP: whose uploads it takes, what it refuses, and whose certificates one sees."""

from __future__ import annotations

import pytest
from test_api_exchange import TICKETS, Market

from yunhe.corpus import service as corpus
from yunhe.kernel.canonical import sha256


@pytest.fixture
def market(desk):
    return Market(desk)


def ask(market, key, **changed):
    body = {
        "input": sha256(TICKETS),
        "file": "tickets.jsonl",
        "name": "hotline",
        "licence": "CC-BY-4.0",
    } | changed
    return market.desk.ask("POST", "/v1/cleansings", key, json=body)


def test_bytes_that_others_sent_are_as_unknown_as_bytes_nobody_sent(market):
    market.cleansed()
    theirs = ask(market, market.rival_steward)
    nobodys = ask(market, market.rival_steward, input="sha256:" + "0" * 64)
    assert theirs.status_code == nobodys.status_code == 404
    assert theirs.json()["code"] == nobodys.json()["code"] == "storage.upload_unknown"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"profile": "no-such"}, "corpus.profile_unknown"),
        ({"file": "tickets.exe"}, "api.invalid"),
        ({"file": "../tickets.jsonl"}, "api.invalid"),
        ({"name": ""}, "api.invalid"),
    ],
)
def test_what_can_be_told_at_once_is(market, changed, code):
    market.cleansed()
    wrong = ask(market, market.steward, **changed)
    assert (wrong.status_code, wrong.json()["code"]) == (422, code)


def test_a_fault_of_the_input_is_told_by_the_operation_in_the_readers_language(market):
    desk = market.desk
    market.cleansed()
    asked = ask(market, market.steward, text="no such column").json()
    from yunhe.operations.worker import Worker  # noqa: PLC0415

    assert Worker(desk.platform, slots=1, duties=()).run_once()
    for language, word in (("en", "column"), ("zh", "列")):
        shown = desk.ask(
            "GET",
            f"/v1/operations/{asked['id']}",
            market.steward,
            headers={"accept-language": language},
        ).json()
        assert shown["state"] == "failed"
        assert word in shown["error"]["findings"][0]["message"]


def test_certificates_and_what_they_name_are_their_holders(market):
    desk = market.desk
    certified = market.cleansed()
    path = f"/v1/certificates/{certified['certificate_id']}"
    listed = desk.ask("GET", "/v1/certificates", market.steward).json()["items"]
    assert [each["id"] for each in listed] == [certified["certificate_id"]]
    for part, name in (
        ("dataset", "output_digest"),
        ("decisions", "decisions_digest"),
        ("spans", "spans_digest"),
        ("sample", "sample_digest"),
    ):
        found = desk.ask("GET", f"{path}/files/{part}", market.steward)
        assert sha256(found.content) == certified[name]
    assert desk.ask("GET", f"{path}/files/input", market.steward).status_code == 422
    assert desk.ask("GET", path, market.rival_steward).status_code == 404
    assert desk.ask("GET", f"{path}/files/dataset", market.rival_steward).status_code == 404
    assert desk.ask("GET", "/v1/certificates", market.rival_steward).json()["items"] == []
    assert desk.ask("GET", path, market.chief).status_code == 200
    assert desk.ask("GET", f"{path}/files/dataset", market.chief).status_code == 403


def test_the_same_request_again_is_the_same_operation(market):
    market.cleansed()
    desk = market.desk
    head = {"idempotency-key": "c"}
    body = {"input": sha256(TICKETS), "file": "t.jsonl", "name": "h", "licence": "CC-BY-4.0"}
    first = desk.ask("POST", "/v1/cleansings", market.steward, json=body, headers=head)
    again = desk.ask("POST", "/v1/cleansings", market.steward, json=body, headers=head)
    assert first.json()["id"] == again.json()["id"]
    other = desk.ask(
        "POST", "/v1/cleansings", market.steward, json=body | {"name": "x"}, headers=head
    )
    assert other.json()["code"] == "storage.key_reused"


def test_pages_of_certificates_hold_each_once(market):
    market.cleansed()
    with market.desk.storage.database.read() as tx:
        [one] = corpus.newest(tx, holder=market.holder)
        assert corpus.newest(tx, holder=market.holder, after=(one.at_us, one.certificate_id)) == []
        assert corpus.newest(tx, holder=market.company) == []
