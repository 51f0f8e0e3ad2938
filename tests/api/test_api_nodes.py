"""Nodes of a pool over HTTP: they come once, keep their numbers, stand as said, and are told of."""

from __future__ import annotations

import pytest
from api_seeds import Place
from api_seeds_supply import pool

from yunhe.compute import service as compute

REASON = {"reason": "a second rack"}
ROWS = {"nodes": [{"count": 2, "devices": 4}, {"devices": 8, "domain": 3}], **REASON}


class Hall:
    """A provider's pool of two nodes of four devices."""

    def __init__(self, desk) -> None:
        self.desk = desk
        self.centre = desk.organisation("centre", "provider")
        self.boss = desk.member(self.centre, "administrator")
        self.key = desk.key(self.boss)
        self.pool = pool(desk, Place(self.centre, self.boss.id))

    def grow(self, body: object, word: str = "", pool: str = "", key: str = ""):
        head = {"headers": {"idempotency-key": word}} if word else {}
        path = f"/v1/pools/{pool or self.pool}/nodes"
        return self.desk.ask("POST", path, key or self.key, json=body, **head)

    def stand(self, node: int, state: str, **over):
        path = f"/v1/pools/{self.pool}/nodes/{node}/change"
        body = {"state": state, "reason": "r", **over}
        return self.desk.ask("POST", path, self.key, json=body)

    def offer(self) -> dict:
        [offer] = self.desk.ask("GET", f"/v1/offers?pool={self.pool}", self.key).json()["items"]
        return offer


@pytest.fixture
def hall(desk) -> Hall:
    return Hall(desk)


def codes(answer) -> set[tuple[str, str]]:
    found = answer.json()["findings"]
    return {(each["where"].removeprefix("body."), each["code"]) for each in found}


def test_nodes_sent_twice_under_one_key_come_once(hall) -> None:
    first, second = hall.grow(ROWS, "rack"), hall.grow(ROWS, "rack")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert second.headers["idempotency-replayed"] == "true"
    assert [each["node"] for each in first.json()["nodes"]] == [2, 3, 4]
    offer = hall.offer()
    assert [each["devices"] for each in offer["nodes"]] == [4, 4, 4, 4, 8]
    assert offer["pool"]["devices"] == 24
    assert [(step["what"], step["detail"]) for step in offer["steps"]] == [("nodes_came", "2-4")]


def test_other_nodes_under_a_key_that_was_used_are_refused(hall) -> None:
    hall.grow(ROWS, "rack")
    refused = hall.grow({**ROWS, "nodes": [{"devices": 1}]}, "rack")
    assert (refused.status_code, refused.json()["code"]) == (409, "storage.key_reused")
    assert len(hall.offer()["nodes"]) == 5


def test_the_same_rack_under_another_key_is_another_rack(hall) -> None:
    numbers = [hall.grow(ROWS, word).json()["nodes"][0]["node"] for word in ("one", "two")]
    assert numbers == [2, 5]
    assert hall.offer()["pool"]["devices"] == 8 + 2 * 16


def test_a_key_that_was_used_for_one_pool_is_refused_for_another(hall) -> None:
    other = compute.register_pool(
        hall.desk.storage,
        key="west",
        provider=hall.centre,
        site="west-2",
        chip="h20",
        devices=8,
        price_minor_per_device_hour=1,
        currency="CNY",
        adapter="demonstration",
        nodes=(compute.supply.NodeRow(1, 8),),
    ).id
    assert hall.grow(ROWS, "rack").status_code == 201
    refused = hall.grow(ROWS, "rack", other)
    assert (refused.status_code, refused.json()["code"]) == (409, "storage.key_reused")
    made = hall.grow(ROWS, "other-rack", other).json()["nodes"]
    assert [(each["pool"], each["node"]) for each in made] == [(other, n) for n in (1, 2, 3)]


def test_a_pool_that_is_one_flat_node_has_none_added(hall) -> None:
    flat = compute.register_pool(
        hall.desk.storage,
        key="flat",
        provider=hall.centre,
        site="flat-1",
        chip="cpu",
        devices=4,
        price_minor_per_device_hour=0,
        currency="CNY",
    ).id
    refused = hall.grow(ROWS, pool=flat)
    assert (refused.status_code, refused.json()["code"]) == (409, "compute.pool_flat")


def test_every_wrong_field_of_every_row_is_told_at_once(hall) -> None:
    wrong = {
        "nodes": [
            {"count": 0, "devices": 1_025},
            {"devices": True, "domain": -1},
            {"cpu_milli": 1.5},
        ],
        "reason": "",
    }
    refused = hall.grow(wrong)
    assert refused.status_code == 422
    assert {where for where, _ in codes(refused)} == {
        "nodes.0.count",
        "nodes.0.devices",
        "nodes.1.devices",
        "nodes.1.domain",
        "nodes.2.devices",
        "nodes.2.cpu_milli",
        "reason",
    }
    assert len(hall.offer()["nodes"]) == 2


def test_more_nodes_than_a_pool_may_have_are_refused_together(hall) -> None:
    halves = [{"count": 5_000, "devices": 1}, {"count": 4_999, "devices": 1}]
    refused = hall.grow({"nodes": halves, **REASON})
    assert refused.status_code == 422
    assert codes(refused) == {("nodes", "compute.nodes_many")}
    assert hall.offer()["pool"]["devices"] == 8


def test_a_node_keeps_its_number_when_it_is_gone_and_comes_back_under_it(hall) -> None:
    assert hall.stand(1, "gone").json()["state"] == "gone"
    assert hall.offer()["pool"]["devices"] == 4
    assert hall.grow({"nodes": [{"devices": 2}], **REASON}).json()["nodes"][0]["node"] == 2
    assert hall.stand(1, "open").json()["node"] == 1
    offer = hall.offer()
    assert [(each["node"], each["state"]) for each in offer["nodes"]] == [
        (0, "open"), (1, "open"), (2, "open"),
    ]  # fmt: skip
    assert offer["pool"]["devices"] == 10


def test_what_is_said_of_a_node_twice_is_one_step(hall) -> None:
    first, second = hall.stand(0, "down"), hall.stand(0, "down")
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json()["at"] == second.json()["at"]
    assert [step["what"] for step in hall.offer()["steps"]] == ["node"]


def test_a_node_that_was_never_there_is_unknown(hall) -> None:
    refused = hall.stand(2, "down")
    assert (refused.status_code, refused.json()["code"]) == (404, "compute.node_unknown")
    hall.grow(ROWS)
    assert hall.stand(2, "down").status_code == 200


def test_a_node_stands_in_no_other_way_and_for_no_other_reason(hall) -> None:
    refused = hall.stand(0, "broken", reason="", by="me")
    assert refused.status_code == 422
    assert {where for where, _ in codes(refused)} == {"state", "reason", "by"}
    assert hall.stand(0, "down", reason="x" * 201).status_code == 422
    assert hall.offer()["nodes"][0]["state"] == "open"


def test_a_key_that_may_only_read_changes_no_node(hall) -> None:
    narrow = hall.desk.key(hall.boss, "compute:read")
    assert hall.grow(ROWS, key=narrow).status_code == 403
    path = f"/v1/pools/{hall.pool}/nodes/0/change"
    body = {"state": "down", **REASON}
    assert hall.desk.ask("POST", path, narrow, json=body).status_code == 403
    assert hall.desk.ask("POST", path, json=body).status_code == 401
    assert {each["state"] for each in hall.offer()["nodes"]} == {"open"}
