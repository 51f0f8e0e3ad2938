"""From an upload to another tenant's open dataset, by HTTP alone and one real worker."""

from __future__ import annotations

import json

import pytest
from api_seeds_goods import policy

from yunhe.exchange import service as exchange
from yunhe.exchange.domain import ACTS, PURPOSES
from yunhe.identity.domain import KINDS
from yunhe.kernel.canonical import sha256
from yunhe.ledger import service as ledger
from yunhe.operations.worker import Worker

TICKETS = "".join(
    json.dumps(
        {
            "id": f"t{n}",
            "label": "道路" if n % 2 else "供水",
            "text": f"市民反映第{n}号路口的{fault}，请尽快派人处理这一问题。",
        },
        ensure_ascii=False,
    )
    + "\n"
    for n in range(40)
    for fault in ["路灯不亮" if n % 2 else "水压很低"]
).encode()
PRICE = 120_000


class Market:
    """A holder with a certified dataset, a university with money, a company that may not buy."""

    def __init__(self, desk) -> None:
        self.desk = desk
        self.holder = desk.organisation("holder", "data_holder")
        self.university = desk.organisation("university", "university")
        self.company = desk.organisation("company", "company")
        self.operator = desk.organisation("operator", "operator")
        self.steward_member = desk.member(self.holder, "data_steward")
        self.steward = desk.key(self.steward_member)
        self.buyer_member = desk.member(self.university, "buyer")
        self.buyer = desk.key(self.buyer_member)
        self.trainer = desk.key(desk.member(self.university, "trainer"))
        self.rival = desk.key(desk.member(self.company, "buyer", "trainer"))
        self.rival_steward = desk.key(desk.member(self.company, "data_steward"))
        self.chief = desk.key(desk.member(self.operator, "operator"))

    def cleansed(self) -> dict:
        """The certificate, by upload and operation."""
        desk = self.desk
        sent = desk.ask(
            "POST",
            "/v1/uploads",
            self.steward,
            content=TICKETS,
            headers={"content-type": "application/octet-stream"},
        )
        assert sent.status_code == 201, sent.text
        assert sent.json()["digest"] == sha256(TICKETS)
        body = {
            "input": sent.json()["digest"],
            "file": "tickets.jsonl",
            "name": "hotline",
            "licence": "CC-BY-4.0",
            "label": "label",
            "id": "id",
            "synthetic": True,
        }
        asked = desk.ask("POST", "/v1/cleansings", self.steward, json=body)
        assert asked.status_code == 201, asked.text
        assert asked.json()["state"] == "waiting"
        worker = Worker(desk.platform, slots=1, duties=())
        assert worker.run_once()
        ended = desk.ask("GET", f"/v1/operations/{asked.json()['id']}", self.steward).json()
        assert ended["state"] == "done", ended
        return ended["result"]

    def listed(self, certificate: str, **changed) -> dict:
        body = {
            "certificate": certificate,
            "title": "hotline tickets",
            "price_minor": PRICE,
            "unit": "CNY",
            "policy": policy("university"),
        } | changed
        made = self.desk.ask("POST", "/v1/listings", self.steward, json=body)
        assert made.status_code == 201, made.text
        return made.json()

    def funded(self) -> None:
        body = {"organisation": self.university, "unit": "CNY", "amount": 2 * PRICE}
        with self.desk.storage.database.begin() as tx:
            account = ledger.open_account(
                tx, owner=body["organisation"], unit=body["unit"], purpose="cash"
            )
            ledger.grant(
                tx, key="funds", account=account, amount=body["amount"], at_us=self.desk.now_us()
            )

    def cash(self, owner: str) -> int:
        with self.desk.storage.database.read() as tx:
            return sum(each.available for each in ledger.balances(tx, owner))


@pytest.fixture
def market(desk):
    return Market(desk)


def test_a_dataset_goes_from_upload_over_certificate_and_order_to_open(market):
    desk = market.desk
    certified = market.cleansed()
    shown = desk.ask("GET", f"/v1/certificates/{certified['certificate_id']}", market.steward)
    assert shown.json()["dataset_digest"] == certified["output_digest"]
    assert shown.json()["certificate"]["body"]
    listing = market.listed(certified["certificate_id"])

    seen = desk.ask("GET", "/v1/listings", market.buyer).json()["items"]
    assert [each["id"] for each in seen] == [listing["id"]]
    market.funded()
    order = desk.ask("POST", "/v1/orders", market.buyer, json={"listing": listing["id"]})
    assert order.status_code == 201, order.text
    assert (order.json()["state"], order.json()["terms"]["price_minor"]) == ("settled", PRICE)
    assert (market.cash(market.university), market.cash(market.holder)) == (PRICE, PRICE)

    grant = order.json()["grant"]
    for key in (market.buyer, market.steward):  # who got it, who gave it
        assert [g["id"] for g in desk.ask("GET", "/v1/grants", key).json()["items"]] == [grant]
    opened = desk.ask(
        "POST", f"/v1/grants/{grant}/open", market.trainer, json={"purpose": "model-training"}
    )
    assert opened.status_code == 200, opened.text
    assert sha256(opened.content) == listing["dataset_digest"]
    assert opened.headers["content-type"] == "application/octet-stream"

    late = desk.ask("POST", f"/v1/orders/{order.json()['id']}/cancel", market.buyer)
    assert late.json()["code"] == "exchange.already_opened"
    revoked = desk.ask("POST", f"/v1/grants/{grant}/revoke", market.steward)
    assert revoked.json()["revoked_at"]
    refused = desk.ask(
        "POST", f"/v1/grants/{grant}/open", market.trainer, json={"purpose": "model-training"}
    )
    assert (refused.status_code, refused.json()["code"]) == (403, "exchange.grant_revoked")


def test_the_catalogue_shows_what_the_policy_lets_one_order_and_hides_the_rest(market):
    desk = market.desk
    listing = market.listed(market.cleansed()["certificate_id"])
    for key, ids in (
        (market.buyer, [listing["id"]]),
        (market.steward, [listing["id"]]),
        (market.chief, [listing["id"]]),
        (market.rival, []),
    ):
        shown = desk.ask("GET", "/v1/listings", key).json()
        assert [each["id"] for each in shown["items"]] == ids
    hidden = desk.ask("GET", f"/v1/listings/{listing['id']}", market.rival)
    unknown = desk.ask("GET", "/v1/listings/listing_0", market.rival)
    assert (hidden.status_code, hidden.json()["code"]) == (404, unknown.json()["code"])
    tried = desk.ask("POST", "/v1/orders", market.rival, json={"listing": listing["id"]})
    assert (tried.status_code, tried.json()["code"]) == (404, "exchange.listing_unknown")
    stolen = desk.ask("POST", f"/v1/listings/{listing['id']}/withdraw", market.rival_steward)
    assert stolen.json()["code"] == "exchange.listing_unknown"
    gone = desk.ask("POST", f"/v1/listings/{listing['id']}/withdraw", market.steward)
    assert gone.json()["state"] == "withdrawn"
    assert desk.ask("GET", "/v1/listings", market.buyer).json()["items"] == []
    assert desk.ask("GET", f"/v1/listings/{listing['id']}", market.buyer).status_code == 404
    assert desk.ask("GET", f"/v1/listings/{listing['id']}", market.steward).status_code == 200


def test_words_of_a_policy_for_kinds_stand_for_nothing_else(market):
    assert set(KINDS).isdisjoint({*PURPOSES, *ACTS})  # the catalogue searches for them


def test_an_order_sent_again_is_one_order_and_one_payment(market):
    desk = market.desk
    listing = market.listed(market.cleansed()["certificate_id"])
    market.funded()
    same = {"json": {"listing": listing["id"]}, "headers": {"idempotency-key": "once"}}
    first = desk.ask("POST", "/v1/orders", market.buyer, **same)
    again = desk.ask("POST", "/v1/orders", market.buyer, **same)
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert market.cash(market.holder) == PRICE
    assert len(desk.ask("GET", "/v1/orders", market.buyer).json()["items"]) == 1
    back = desk.ask("POST", f"/v1/orders/{first.json()['id']}/cancel", market.buyer)
    assert back.json()["state"] == "cancelled"
    assert (market.cash(market.holder), market.cash(market.university)) == (0, 2 * PRICE)


def test_an_access_sent_again_is_counted_once_and_another_purpose_is_a_conflict(market):
    desk = market.desk
    listing = market.listed(market.cleansed()["certificate_id"], price_minor=0)
    order = desk.ask("POST", "/v1/orders", market.buyer, json={"listing": listing["id"]}).json()
    path, head = f"/v1/grants/{order['grant']}/open", {"idempotency-key": "open"}
    for _ in range(4):  # the policy lets it be opened three times
        body = {"purpose": "model-training"}
        assert desk.ask("POST", path, market.buyer, json=body, headers=head).status_code == 200
    other = {"purpose": "model-training", "acts": ["linkage"]}
    assert (
        desk.ask("POST", path, market.buyer, json=other, headers=head).json()["code"]
        == "storage.key_reused"
    )
    wrong = desk.ask("POST", path, market.buyer, json={"purpose": "research"})
    assert wrong.json()["code"] == "exchange.purpose_not_permitted"
    with desk.storage.database.read() as tx:
        tried = exchange.accesses(tx, order["grant"])
    assert [each.allowed for each in tried] == [True, False]


def test_a_strangers_attempt_to_open_is_on_record_and_learns_nothing(market):
    desk = market.desk
    listing = market.listed(market.cleansed()["certificate_id"], price_minor=0)
    order = desk.ask("POST", "/v1/orders", market.buyer, json={"listing": listing["id"]}).json()
    body = {"purpose": "model-training"}
    there = desk.ask("POST", f"/v1/grants/{order['grant']}/open", market.rival, json=body)
    gone = desk.ask("POST", "/v1/grants/grant_0/open", market.rival, json=body)
    assert (there.status_code, there.json()["code"]) == (404, "exchange.grant_unknown")
    assert (gone.status_code, gone.json()["code"]) == (404, "exchange.grant_unknown")
    with desk.storage.database.read() as tx:
        [tried] = exchange.accesses(tx, order["grant"])
    assert (tried.organisation, tried.allowed) == (market.company, False)


def test_a_key_of_one_project_does_not_trade_for_the_whole_organisation(market):
    desk = market.desk
    listing = market.listed(market.cleansed()["certificate_id"], price_minor=0)
    project = desk.project(market.university, "p")
    bound = desk.key(market.buyer_member, project=project)
    tried = desk.ask("POST", "/v1/orders", bound, json={"listing": listing["id"]})
    assert (tried.status_code, tried.json()["code"]) == (403, "api.role_missing")
    order = desk.ask("POST", "/v1/orders", market.buyer, json={"listing": listing["id"]}).json()
    assert desk.ask("GET", "/v1/orders", bound).json()["items"] == []
    assert desk.ask("GET", "/v1/grants", bound).json()["items"] == []
    assert desk.ask("GET", f"/v1/grants/{order['grant']}", bound).status_code == 404


def test_only_the_holder_of_a_certificate_can_offer_it_and_faults_are_listed(market):
    desk = market.desk
    certificate = market.cleansed()["certificate_id"]
    body = {
        "certificate": certificate,
        "title": "mine now",
        "price_minor": 0,
        "unit": "CNY",
        "policy": policy("university"),
    }
    stolen = desk.ask("POST", "/v1/listings", market.rival_steward, json=body)
    assert (stolen.status_code, stolen.json()["code"]) == (404, "corpus.certificate_unknown")
    clash = policy("university") | {
        "purposes": ["commercial-product"],
        "prohibited": ["commercial-use"],
    }
    wrong = desk.ask("POST", "/v1/listings", market.steward, json=body | {"policy": clash})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "exchange.policy_invalid")
    odd = desk.ask("POST", "/v1/listings", market.steward, json=body | {"unit": "XXX"})
    assert [each["where"] for each in odd.json()["findings"]] == ["unit"]


def test_pages_of_the_catalogue_hold_every_offer_once_newest_first(market):
    desk, clock = market.desk, market.desk.storage.clock
    certificate = market.cleansed()["certificate_id"]
    made = []
    for number in range(5):
        made.append(market.listed(certificate, title=f"offer {number}")["id"])
        clock.advance(seconds=number % 2)  # some of them at the same instant
    seen, after = [], None
    for _ in range(10):
        query = {"limit": 2} | ({"after": after} if after else {})
        found = desk.ask("GET", "/v1/listings", market.buyer, params=query).json()
        seen += [each["id"] for each in found["items"]]
        after = found["next"]
        if after is None:
            break
    assert sorted(seen) == sorted(made)
    assert len(seen) == 5
    assert seen[0] in made[3:]
