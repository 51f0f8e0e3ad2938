"""Inference services over HTTP: whose they are, what is refused with every finding, and pages."""

from __future__ import annotations

import pytest
from api_seeds import Place
from api_seeds_supply import pool

from yunhe.api import document
from yunhe.client.wire.services import NewService
from yunhe.kernel.clock import SECOND_US, iso

BODY = document.example(NewService) | {"policy": {"floor": 0, "ceiling": 3, "load_milli": 1_000}}


class Lake:
    """A university that serves, with people of every kind, and a project of its own."""

    def __init__(self, desk) -> None:
        self.desk = desk
        self.home = desk.organisation("lake")
        self.trainer = desk.member(self.home, "trainer")
        pool(desk, Place(self.home, self.trainer.id))
        self.key = desk.key(self.trainer)

    def make(self, word: str = "one", key: str = "", **over):
        head = {"idempotency-key": word}
        return self.desk.ask("POST", "/v1/services", key or self.key, json=BODY | over,
                             headers=head)  # fmt: skip

    def of(self, *roles: str, **given) -> str:
        return self.desk.key(self.desk.member(self.home, *roles, **given))

    def post(self, way: str, body: object = None, key: str = ""):
        given = {} if body is None else {"json": body}
        return self.desk.ask("POST", f"/v1/services/{way}", key or self.key, **given)

    def get(self, path: str = "", key: str = ""):
        return self.desk.ask("GET", f"/v1/services{path}", key or self.key)

    def load(self, ago: int = 0, seconds: int = 10, **over) -> dict[str, object]:
        until_us = self.desk.now_us() - ago * SECOND_US
        since = iso(until_us - seconds * SECOND_US)
        return {"id": "r1", "requests": 30, "since": since, "until": iso(until_us)} | over


@pytest.fixture
def lake(desk) -> Lake:
    return Lake(desk)


def fields(answer) -> set[str]:
    assert answer.status_code == 422, answer.text
    return {each["where"].removeprefix("body.") for each in answer.json()["findings"]}


def test_a_service_created_twice_under_one_key_is_one_and_another_is_refused(lake) -> None:
    first, second = lake.make(), lake.make()
    assert first.json() == second.json()
    assert second.headers["idempotency-replayed"] == "true"
    refused = lake.make(name="other")
    assert (refused.status_code, refused.json()["code"]) == (409, "storage.key_reused")
    assert len(lake.get().json()["items"]) == 1


def test_who_does_not_compute_neither_creates_nor_sees_services(lake) -> None:
    made = lake.make().json()["id"]
    narrow = lake.desk.key(lake.trainer, "compute:read")
    for key in (lake.of("buyer"), lake.of("auditor")):
        assert lake.make("two", key).status_code == 403
        assert lake.get(f"/{made}", key).status_code == 403
    assert lake.make("two", narrow).status_code == 403
    for way, body in (("stop", None), ("change", {"ceiling": 1}), ("load", lake.load())):
        assert lake.post(f"{made}/{way}", body, narrow).status_code == 403
    assert lake.get(f"/{made}", narrow).json()["policy"]["ceiling"] == 3
    assert lake.desk.ask("GET", "/v1/services").status_code == 401


def test_the_operator_sees_and_stops_a_service_but_changes_none(lake) -> None:
    made = lake.make().json()["id"]
    chief = lake.desk.key(
        lake.desk.member(lake.desk.organisation("operator", "operator"), "operator")
    )
    assert lake.get(f"/{made}", chief).json()["name"] == "hotline"
    assert lake.post(f"{made}/change", {"ceiling": 1}, chief).status_code in {403, 404}
    assert lake.post(f"{made}/load", lake.load(), chief).status_code in {403, 404}
    assert lake.get(f"/{made}").json()["policy"]["ceiling"] == 3
    assert lake.post(f"{made}/stop", key=chief).json()["state"] == "stopped"


def test_a_service_of_a_project_is_for_its_people_and_the_organisations(lake) -> None:
    inner, outer = (lake.desk.project(lake.home, name) for name in ("inner", "outer"))
    replica = {**BODY["replica"], "project": inner}
    key, stranger = (lake.of("trainer", project=each) for each in (inner, outer))
    made = lake.make("one", key, replica=replica).json()
    assert made["project"] == inner
    assert [each["id"] for each in lake.get(key=key).json()["items"]] == [made["id"]]
    assert [each["id"] for each in lake.get().json()["items"]] == [made["id"]]
    assert lake.get(f"/{made['id']}", key).json()["id"] == made["id"]
    assert lake.get(key=stranger).json()["items"] == []
    assert lake.get(f"/{made['id']}", stranger).json()["code"] == "compute.service_unknown"
    assert lake.make("two", stranger, replica=replica).status_code in {403, 404}


def test_services_come_in_pages_and_a_cursor_is_ones_own(lake) -> None:
    made = sorted(lake.make(str(number)).json()["id"] for number in range(3))
    first = lake.get("?limit=2").json()
    rest = lake.get(f"?limit=2&after={first['next']}").json()
    assert [each["id"] for each in first["items"] + rest["items"]] == made
    assert rest["next"] is None
    other = lake.desk.key(lake.desk.member(lake.desk.organisation("hill"), "trainer"))
    assert lake.get(f"?after={first['next']}", other).status_code == 422
    assert lake.get("?after=nonsense").status_code == 422


def test_every_wrong_field_of_a_service_is_told_at_once(lake) -> None:
    wrong = lake.make(name="", policy={"floor": -1, "ceiling": 1_001, "unit": "jokes"}, more=1)
    assert fields(wrong) == {"name", "more", "policy.floor", "policy.ceiling", "policy.unit"}
    replica = {**BODY["replica"], "replicas": 2, "replicas_min": 1, "chip": "abacus"}
    both = fields(lake.make(replica=replica, policy={"floor": 2, "ceiling": 1, "slots": 1}))
    assert {"ceiling", "latency_ms", "replicas_min"} <= both
    assert any(each.endswith("chip") for each in both)
    assert lake.get().json()["items"] == []


def test_a_target_that_cannot_be_reached_is_refused_and_the_policy_stays(lake) -> None:
    aims = {"floor": 1, "ceiling": 2, "latency_ms": 100, "service_ms": 800, "unloaded_ms": 200}
    assert fields(lake.make(policy=aims)) == {"latency_ms"}
    made = lake.make().json()
    assert fields(lake.post(f"{made['id']}/change", {"floor": 4})) == {"ceiling"}
    assert "ceiling" in fields(lake.post(f"{made['id']}/change", {"ceiling": 1.5, "unit": "x"}))
    assert lake.get(f"/{made['id']}").json()["policy"] == made["policy"]


def test_a_change_of_nothing_changes_nothing(lake) -> None:
    made = lake.make().json()
    assert lake.post(f"{made['id']}/change", {}).json()["policy"] == made["policy"]


def test_a_report_is_wrong_in_the_words_it_was_sent_in(lake) -> None:
    path = f"{lake.make().json()['id']}/load"
    for seconds in (-5, 0, 301):
        assert fields(lake.post(path, lake.load(seconds=seconds))) == {"since"}
    assert fields(lake.post(path, lake.load(until="2027-02-20T09:30:00"))) == {"until"}
    assert fields(lake.post(path, lake.load(since="9" * 41))) == {"since"}
    wrong = lake.load(id="a b", requests=-1, tokens="5", latency_ms=3_600_001, more=1)
    assert fields(lake.post(path, wrong)) == {"id", "requests", "tokens", "latency_ms", "more"}


def test_a_report_that_comes_late_is_not_kept_and_one_that_comes_twice_counts_once(lake) -> None:
    path = f"{lake.make().json()['id']}/load"
    said = [
        lake.post(path, lake.load(ago, id=name)).json()["taken"]
        for ago, name in ((1_000, "old"), (20, "r1"), (20, "r1"), (5, "r2"))
    ]
    assert said == ["late", "counted", "known", "counted"]


def test_a_service_that_was_stopped_stays_so(lake) -> None:
    made = lake.make(policy={**BODY["policy"], "floor": 1}).json()["id"]
    first, second = lake.post(f"{made}/stop"), lake.post(f"{made}/stop")
    assert (first.json()["state"], second.status_code) == ("stopped", 200)
    refused = lake.post(f"{made}/change", {"ceiling": 9})
    assert refused.status_code == 409
    assert (lake.get(f"/{made}").json()["state"], refused.json()["kind"]) == ("stopped", "conflict")
