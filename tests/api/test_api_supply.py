"""Offers, prices, maintenance, chips, rate cards and objections over HTTP: who may do what."""

from __future__ import annotations

import pytest
from api_seeds_supply import pool as seed_pool

from yunhe.kernel.clock import DAY_US, iso


class Market:
    """An operator, a provider with a pool, and a university."""

    def __init__(self, desk) -> None:
        self.desk = desk
        self.operator = desk.key(desk.member(desk.organisation("operator", "operator"), "operator"))
        provider = desk.organisation("centre", "provider")
        boss = desk.member(provider, "administrator")
        self.provider = desk.key(boss)
        university = desk.organisation("lakeside", "university")
        self.member = desk.key(desk.member(university, "administrator"))
        self.reader = desk.key(desk.member(university, "auditor"))
        self.pool = seed_pool(desk, type("Place", (), {"organisation": provider}))
        self._keys = 0

    def ask(self, method: str, path: str, key: str, **body):
        given = {"json": body} if method == "POST" else {}
        if method == "POST":
            self._keys += 1
            given["headers"] = {"idempotency-key": f"market-{self._keys}"}
        return self.desk.ask(method, path, key, **given)

    def offer(self, key: str = "") -> dict:
        found = self.ask("GET", f"/v1/offers?pool={self.pool}", key or self.member).json()
        (offer,) = found["items"]
        return offer

    def later(self, days: int) -> str:
        return iso(self.desk.now_us() + days * DAY_US)


@pytest.fixture
def market(desk) -> Market:
    return Market(desk)


def test_everybody_sees_an_offer_and_only_its_provider_and_operators_change_it(market) -> None:
    path = f"/v1/pools/{market.pool}/change"
    body = {"state": "draining", "reason": "new racks"}
    refused = market.ask("POST", path, market.member, **body)
    assert (refused.status_code, refused.json()["code"]) == (404, "compute.pool_unknown")
    assert market.ask("POST", path, market.reader, **body).status_code == 403
    assert market.offer()["state"] == "open"
    done = market.ask("POST", path, market.provider, **body)
    assert done.json() == {"pool": market.pool, "state": "draining", "jurisdiction": ""}
    body = {"state": "open", "jurisdiction": "CN", "reason": "checked"}
    assert market.ask("POST", path, market.operator, **body).status_code == 200
    offer = market.offer(market.reader)
    assert (offer["state"], offer["jurisdiction"]) == ("open", "CN")
    steps = [(step["what"], step["detail"], step["reason"]) for step in offer["steps"]]
    assert steps == [
        ("jurisdiction", "CN", "checked"),
        ("state", "open", "checked"),
        ("state", "draining", "new racks"),
    ]


def test_prices_are_set_ended_and_shown_and_never_overlap(market) -> None:
    path = f"/v1/pools/{market.pool}/prices"
    body = {"price_minor_per_device_hour": 900, "until_at": market.later(9), "reason": "spring"}
    made = market.ask("POST", path, market.provider, **body).json()
    assert (made["term"], made["price_minor_per_device_hour"]) == ("on_demand", 900)
    assert made["until_at"] == market.later(9)
    offer = market.offer()
    assert (offer["price_now_minor"], offer["pool"]["price_minor_per_device_hour"]) == (900, 1_200)
    again = market.ask("POST", path, market.operator, **{**body, "from_at": market.later(8)})
    assert again.status_code == 422
    assert [found["code"] for found in again.json()["findings"]] == ["compute.price_overlaps"]
    spot = market.ask("POST", path, market.operator, **{**body, "term": "spot"})
    assert spot.status_code == 201
    assert len(market.offer()["prices"]) == 2
    ending = f"{path}/{made['id']}/end"
    assert market.ask("POST", ending, market.member, reason="mine").status_code == 404
    ended = market.ask("POST", ending, market.provider, reason="over").json()
    assert ended["until_at"] == ended["from_at"]
    assert market.offer()["price_now_minor"] == 1_200


def test_a_price_sent_twice_under_one_key_is_set_once(market) -> None:
    path = f"/v1/pools/{market.pool}/prices"
    body = {"price_minor_per_device_hour": 900, "reason": "spring"}
    headers = {"idempotency-key": "once"}
    first, second = (
        market.desk.ask("POST", path, market.provider, json=body, headers=headers) for _ in range(2)
    )
    assert first.json() == second.json()
    assert second.headers["idempotency-replayed"] == "true"
    assert len(market.offer()["steps"]) == 1


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"price_minor_per_device_hour": -1, "reason": "r"}, "price_minor_per_device_hour"),
        ({"price_minor_per_device_hour": 1.5, "reason": "r"}, "price_minor_per_device_hour"),
        ({"price_minor_per_device_hour": 1}, "reason"),
        ({"price_minor_per_device_hour": 1, "reason": "r", "from_at": "soon"}, "from_at"),
        (
            {"price_minor_per_device_hour": 1, "reason": "r", "from_at": "2999-01-01T00:00:00Z"},
            "from_at",
        ),
        (
            {"price_minor_per_device_hour": 1, "reason": "r", "from_at": "2027-01-01T00:00:00"},
            "from_at",
        ),
        ({"price_minor_per_device_hour": 1, "reason": "r", "term": "gift"}, "term"),
        ({"price_minor_per_device_hour": 1, "reason": "r", "colour": "red"}, "colour"),
    ],
)
def test_a_wrong_price_is_refused_with_its_field(market, body, where) -> None:
    answer = market.ask("POST", f"/v1/pools/{market.pool}/prices", market.provider, **body)
    assert answer.status_code == 422
    assert [found["where"].split(".")[-1] for found in answer.json()["findings"]] == [where]
    assert market.offer()["prices"] == []


def test_maintenance_is_announced_and_called_off(market) -> None:
    path = f"/v1/pools/{market.pool}/maintenance"
    body = {"from_at": market.later(1), "until_at": market.later(2), "reason": "switches"}
    assert market.ask("POST", path, market.member, **body).status_code == 404
    made = market.ask("POST", path, market.provider, **body).json()
    assert (made["reason"], made["cancelled_at"]) == ("switches", None)
    (shown,) = market.offer()["maintenance"]
    assert shown == made
    past = {"from_at": "2020-01-01T00:00:00Z", "until_at": market.later(2), "reason": "r"}
    refused = market.ask("POST", path, market.provider, **past)
    assert refused.json()["findings"][0]["code"] == "compute.period_past"
    off = f"{path}/{made['id']}/cancel"
    assert market.ask("POST", off, market.member, reason="no").status_code == 404
    assert market.ask("POST", off, market.provider, reason="late").json()["cancelled_at"]
    assert market.offer()["maintenance"] == []


def test_offers_come_in_pages_by_id_and_without_steps(market) -> None:
    for number in range(3):
        provider = market.desk.organisation(f"p{number}", "provider")
        seed_pool(market.desk, type("Place", (), {"organisation": provider}))
    first = market.ask("GET", "/v1/offers?limit=3", market.member).json()
    ids = [offer["pool"]["id"] for offer in first["items"]]
    rest = market.ask("GET", f"/v1/offers?limit=3&after={first['next']}", market.member).json()
    ids += [offer["pool"]["id"] for offer in rest["items"]]
    assert ids == sorted(ids)
    assert (len(set(ids)), rest["next"]) == (4, None)
    assert all(offer["steps"] == [] for offer in first["items"])
    nothing = market.ask("GET", "/v1/offers?pool=pool_none", market.member).json()
    assert nothing == {"items": [], "next": None}


def test_the_catalogue_says_what_is_offered_here_in_the_readers_language(market) -> None:
    found = market.desk.ask("GET", "/v1/chips", market.member, headers={"accept-language": "zh"})
    chips = {chip["id"]: chip for chip in found.json()["chips"]}
    assert (chips["ascend910b"]["devices"], chips["h20"]["devices"]) == (8, 0)
    assert "实体清单" in chips["ascend910b"]["export"][0]["note"]
    english = market.ask("GET", "/v1/chips", market.member).json()["chips"]
    assert "licence" in next(c for c in english if c["id"] == "h20")["export"][0]["note"]
    assert {chip["verified"] for chip in english} == {False}


CARD = {
    "reference": "v100",
    "provenance": "a trial",
    "rates": [
        {"chip": "v100", "workload_class": "training.x", "per_thousand": 1_000},
        {"chip": "p100", "workload_class": "training.x", "per_thousand": 631},
    ],
}


def test_rate_cards_are_published_by_operators_and_applied_for_everybody(market) -> None:
    query = "/v1/normalised?chip=p100&workload_class=training.x&device_ms=1000"
    before = market.ask("GET", query, market.reader).json()
    assert (before["device_ms"], before["reference_us"], before["version"]) == (1_000, None, 0)
    assert market.ask("POST", "/v1/rate-cards", market.provider, **CARD).status_code == 403
    made = market.ask("POST", "/v1/rate-cards", market.operator, **CARD).json()
    assert (made["version"], len(made["rates"])) == (1, 2)
    after = market.ask("GET", query, market.reader).json()
    assert (after["reference_us"], after["reference"], after["version"]) == (631_000, "v100", 1)
    listed = market.ask("GET", "/v1/rate-cards", market.reader).json()["items"]
    assert listed == [made]
    wrong = {**CARD, "rates": [CARD["rates"][0], CARD["rates"][0]]}
    refused = market.ask("POST", "/v1/rate-cards", market.operator, **wrong).json()
    assert [found["code"] for found in refused["findings"]] == ["compute.rate_twice"]
    for bad in ("device_ms=-1", "device_ms=9007199254740991", "device_ms=x"):
        path = query.replace("device_ms=1000", bad)
        assert market.ask("GET", path, market.reader).status_code == 422


def test_an_objection_is_seen_by_its_organisation_and_operators_and_decided_by_one(market) -> None:
    card = market.ask("POST", "/v1/rate-cards", market.operator, **CARD).json()
    body = {"card": card["id"], "chip": "p100", "workload_class": "training.x", "reason": "700"}
    assert market.ask("POST", "/v1/disputes", market.reader, **body).status_code == 403
    made = market.ask("POST", "/v1/disputes", market.provider, **body).json()
    assert (made["state"], made["decided_at"]) == ("open", None)
    assert market.ask("GET", "/v1/disputes", market.member).json()["items"] == []
    for key in (market.provider, market.operator):
        assert market.ask("GET", "/v1/disputes", key).json()["items"] == [made]
    query = "/v1/normalised?chip=p100&workload_class=training.x&device_ms=1"
    assert market.ask("GET", query, market.member).json()["disputed"] is True
    path, verdict = f"/v1/disputes/{made['id']}/decide", {"verdict": "rejected", "reason": "no"}
    assert market.ask("POST", path, market.provider, **verdict).status_code == 403
    decided = market.ask("POST", path, market.operator, **verdict).json()
    assert (decided["state"], decided["decision"]) == ("rejected", "no")
    assert market.ask("GET", query, market.member).json()["disputed"] is False
    twice = market.ask("POST", path, market.operator, verdict="upheld", reason="yes")
    assert (twice.status_code, twice.json()["code"]) == (409, "compute.dispute_decided")


def test_nodes_are_added_and_changed_by_their_provider_and_operators_alone(market) -> None:
    path = f"/v1/pools/{market.pool}/nodes"
    body = {"nodes": [{"count": 2, "devices": 4}], "reason": "a rack"}
    assert market.ask("POST", path, market.member, **body).status_code == 404
    assert market.ask("POST", path, market.reader, **body).status_code == 403
    other = market.desk.organisation("elsewhere", "provider")
    stranger = market.desk.key(market.desk.member(other, "administrator"))
    refused = market.ask("POST", path, stranger, **body)
    assert (refused.status_code, refused.json()["code"]) == (404, "compute.pool_unknown")
    made = market.ask("POST", path, market.provider, **body)
    assert made.status_code == 201
    first = made.json()["nodes"][0]["node"]
    one = f"{path}/{first}/change"
    lost = {"state": "down", "reason": "a fan"}
    for key, status in ((market.member, 404), (stranger, 404), (market.reader, 403)):
        assert market.ask("POST", one, key, **lost).status_code == status
    assert market.ask("POST", one, market.provider, **lost).json()["state"] == "down"
    shown = {node["node"]: (node["state"], node["reason"]) for node in market.offer()["nodes"]}
    assert shown[first] == ("down", "a fan")
    assert shown[first + 1] == ("open", "a rack")
    assert "by" not in market.offer()["nodes"][0]  # who said so is nobody else's to know
    back = market.ask("POST", one, market.operator, state="open", reason="a new fan")
    assert (back.status_code, back.json()["state"]) == (200, "open")


@pytest.mark.parametrize("number", ["-1", "10001", "x", "99999999999999999999"])
def test_a_node_with_no_possible_number_is_refused(market, number) -> None:
    path = f"/v1/pools/{market.pool}/nodes/{number}/change"
    said = market.ask("POST", path, market.operator, state="down", reason="r")
    assert said.status_code in {404, 422}


@pytest.mark.parametrize(
    "wrong",
    [
        {"nodes": []},
        {"nodes": [{"count": 0, "devices": 1}]},
        {"nodes": [{"count": 1, "devices": -1}]},
        {"nodes": [{"count": 10_001, "devices": 1}]},
        {"nodes": [{"count": 1, "devices": 1, "cpu_milli": 10**12}]},
        {"nodes": [{"count": 1, "devices": "8"}]},
        {"nodes": [{"count": 1, "devices": 1, "name": "n1"}]},
    ],
)
def test_racks_that_cannot_be_are_refused_and_nothing_changes(market, wrong) -> None:
    before = market.offer()
    path = f"/v1/pools/{market.pool}/nodes"
    said = market.ask("POST", path, market.provider, **{**wrong, "reason": "r"})
    assert said.status_code == 422
    assert market.offer() == before


def test_the_plan_is_for_operators_and_says_nothing_of_who_asked_for_what(market) -> None:
    for key in (market.member, market.provider, market.reader):
        assert market.ask("GET", "/v1/plan", key).status_code in {403, 404}
    said = market.ask("GET", "/v1/plan", market.operator)
    assert (said.status_code, said.json()["state"]) == (200, "none")
    made = set(said.json())
    assert not made & {"tenants", "organisations", "entitled", "budgets", "demands"}
