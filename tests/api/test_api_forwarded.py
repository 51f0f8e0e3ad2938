"""Jobs that another platform hands over, and what it may count on, over HTTP."""

from __future__ import annotations

import pytest
from api_seeds import Place
from api_seeds_supply import pool

from yunhe.compute import store as workloads
from yunhe.compute.service import supply

JOB = "workload_w0h1-1"
LOG = "nation.example.org/log"
CPU = {"wall_seconds_max": 600, "cpu_seconds_max": 600, "command": ["true"]}


def body(**over) -> dict[str, object]:
    workload = {**CPU, "chip": "ascend910b", "devices": 1, **over}
    return {"origin": LOG, "consumer": "CN-BJ", "workload": workload}


class Border:
    """A city with a pool, a nation's account there, and somebody else's."""

    def __init__(self, desk) -> None:
        self.desk = desk
        self.centre = desk.organisation("centre", "provider")
        self.boss = desk.member(self.centre, "administrator")
        self.pool = pool(desk, Place(self.centre, self.boss.id))
        self.nation = desk.organisation("nation", "operator")
        self.key = desk.key(desk.member(self.nation, "trainer"))
        self.other = desk.key(desk.member(desk.organisation("lake"), "trainer"))

    def hand(self, sent: object, job: str = JOB, key: str = ""):
        return self.desk.ask("PUT", f"/v1/forwarded/{job}", key or self.key, json=sent)

    def jobs(self, names: str = JOB, key: str = "") -> list[dict]:
        found = self.desk.ask("GET", f"/v1/forwarded?jobs={names}", key or self.key)
        assert found.status_code == 200, found.text
        return found.json()["items"]

    def act(self, way: str, job: str = JOB, key: str = ""):
        method, path = {"cancel": ("POST", "/cancel"), "forget": ("DELETE", "")}[way]
        return self.desk.ask(method, f"/v1/forwarded/{job}{path}", key or self.key)

    def room(self, key: str = "") -> dict:
        found = self.desk.ask("GET", "/v1/capacity", key or self.key)
        assert found.status_code == 200, found.text
        [one] = found.json()["pools"]
        return one


@pytest.fixture
def border(desk) -> Border:
    return Border(desk)


def test_a_job_is_taken_once_however_often_it_is_handed_over(border) -> None:
    first, second = border.hand(body()), border.hand(body())
    assert (first.status_code, first.json()["job"]) == (200, JOB)
    assert first.json() == second.json()
    assert border.jobs() == [first.json()]
    listed = border.desk.ask("GET", "/v1/workloads", border.key).json()["items"]
    assert [each["id"] for each in listed] == [first.json()["workload"]]
    assert (first.json()["called_off"], first.json()["usage"]) == (False, None)


def test_another_job_under_a_name_that_is_taken_is_refused(border) -> None:
    taken = border.hand(body()).json()
    for sent in (body(devices=2), {**body(), "origin": "moon.example.org/log"}):
        refused = border.hand(sent)
        assert (refused.status_code, refused.json()["code"]) == (409, "compute.workload_differs")
    assert border.jobs() == [taken]


@pytest.mark.parametrize(
    ("over", "code"),
    [
        ({"consumer": ""}, "compute.rule_export_unknown"),  # as a platform that knows no such word
        ({"consumer": "US-CA"}, "compute.rule_export"),
        ({"consumer": "ZZ"}, "compute.jurisdiction_invalid"),
    ],
    ids=["unknown", "kept-off", "nowhere"],
)
def test_where_its_consumer_is_binds_a_job_that_is_handed_over(border, over, code) -> None:
    refused = border.hand({**body(), **over})
    assert refused.status_code == 422
    assert [each["code"] for each in refused.json()["findings"]] == [code]
    assert border.jobs() == []


@pytest.mark.parametrize("more", [{"consumer": "China"}, {"never_in": ["US"]}], ids=["form", "new"])
def test_a_limit_that_this_version_cannot_read_is_refused_and_not_left_out(border, more) -> None:
    refused = border.hand({**body(), **more})
    assert (refused.status_code, refused.json()["code"]) == (422, "api.invalid")
    assert border.jobs() == []


def test_two_accounts_may_use_one_name_and_see_only_their_own_job(border) -> None:
    mine = border.hand(body()).json()
    assert border.jobs(key=border.other) == []
    theirs = border.hand(body(devices=2), key=border.other).json()
    assert theirs["workload"] != mine["workload"]
    assert (theirs["devices"], mine["devices"]) == (2, 1)
    assert border.act("cancel", key=border.other).status_code == 204
    assert border.jobs() == [mine]
    [called_off] = border.jobs(key=border.other)
    assert (called_off["state"], called_off["called_off"]) == ("cancelled", True)


def test_what_is_called_off_before_it_comes_never_starts(border) -> None:
    assert border.act("cancel").status_code == 204
    [early] = border.jobs()
    assert (early["state"], early["devices"], early["called_off"]) == ("cancelled", 0, True)
    late = border.hand(body())
    assert (late.status_code, late.json()["state"]) == (200, "cancelled")
    assert border.desk.ask("GET", "/v1/workloads", border.key).json()["items"] == []
    assert border.act("forget").json()["code"] == "compute.forward_unknown"


def test_a_job_is_called_off_twice_and_forgotten_and_its_record_stays(border) -> None:
    border.hand(body())
    assert [border.act("cancel").status_code for _ in range(2)] == [204, 204]
    assert border.jobs()[0]["forgotten"] is False
    assert [border.act("forget").status_code for _ in range(2)] == [204, 204]
    [kept] = border.jobs()
    assert (kept["state"], kept["forgotten"], kept["logged"]) == ("cancelled", True, False)


def test_a_job_nobody_handed_over_cannot_be_forgotten(border) -> None:
    border.hand(body())
    for job, key in (("unheard_of", border.key), (JOB, border.other)):
        refused = border.act("forget", job, key)
        assert (refused.status_code, refused.json()["code"]) == (404, "compute.forward_unknown")
    assert border.jobs()[0]["forgotten"] is False


def test_this_platforms_own_jobs_do_not_come_back_to_it(border) -> None:
    own = border.desk.platform.settings.origin
    refused = border.hand({**body(), "origin": own})
    assert (refused.status_code, refused.json()["code"]) == (403, "compute.forward_loop")
    assert border.jobs() == []


def test_a_project_or_a_secret_is_not_handed_over(border) -> None:
    refused = border.hand(body(project="proj_9xj4c8t3r6w0h1ab7v1k0e5m2q"))
    assert (refused.status_code, refused.json()["code"]) == (403, "compute.forward_project")
    refused = border.hand(body(secrets={"TOKEN": "secret_9xj4c8t3r6w0h1ab7v1k0e5m2q"}))
    assert (refused.status_code, refused.json()["code"]) == (403, "compute.remote_secrets")
    assert border.jobs() == []


def test_somebody_of_one_project_alone_hands_nothing_over(border) -> None:
    project = border.desk.project(border.nation, "inner")
    member = border.desk.member(border.nation, "trainer", project=project)
    refused = border.hand(body(), key=border.desk.key(member))
    assert (refused.status_code, refused.json()["code"]) == (403, "compute.forward_project")


def test_a_wrong_job_is_refused_with_every_field_and_none_is_kept(border) -> None:
    sent = {**body(devices=0, wall_seconds_max="long", colour="red"), "origin": "", "more": 1}
    refused = border.hand(sent)
    assert refused.status_code == 422
    places = {each["where"] for each in refused.json()["findings"]}
    wrong = {"origin", "more", "workload.devices", "workload.wall_seconds_max", "workload.colour"}
    assert {each.removeprefix("body.") for each in places} == wrong
    assert border.jobs() == []


def test_a_name_no_platform_gives_is_refused(border) -> None:
    for job in ("-x", "a.b", "x" * 129, "%20", "a%0Ab"):
        assert border.hand(body(), job).status_code in {404, 422}, job
        assert border.act("cancel", job).status_code in {404, 422}, job


def test_many_jobs_are_asked_for_at_once_each_named_once_and_strange_ones_left_out(border) -> None:
    for job in ("b", "a"):
        border.hand(body(), job)
    assert [each["job"] for each in border.jobs("b,a,b,,unheard_of")] == ["a", "b"]
    assert border.jobs("") == []
    assert border.jobs(",".join(f"n{number}" for number in range(50)) + ",a") == []  # beyond 50
    refused = border.desk.ask("GET", "/v1/forwarded?jobs=a%20b", border.key)
    assert refused.status_code == 422


def test_who_does_not_compute_neither_hands_over_nor_asks(border) -> None:
    buyer = border.desk.key(border.desk.member(border.nation, "buyer"))
    narrow = border.desk.key(border.desk.member(border.nation, "trainer"), "compute:read")
    assert border.hand(body(), key=buyer).status_code == 403
    assert border.hand(body(), key=narrow).status_code == 403
    assert border.act("cancel", key=narrow).status_code == 403
    assert border.act("forget", key=buyer).status_code == 403
    assert border.desk.ask("GET", "/v1/forwarded?jobs=a", buyer).status_code == 403
    assert border.jobs(key=narrow) == []
    assert border.desk.ask("GET", "/v1/capacity").status_code == 401


def test_why_a_job_waits_is_told_in_the_askers_language(border) -> None:
    border.hand(body())
    said = {}
    for language in ("en", "zh"):
        headers = {"accept-language": language}
        path = f"/v1/forwarded?jobs={JOB}"
        found = border.desk.ask("GET", path, border.key, headers=headers).json()["items"][0]
        said[language] = found["why"]
    assert said["en"]["code"] == said["zh"]["code"]
    assert said["en"]["message"] != said["zh"]["message"]


def test_capacity_says_what_is_free_now_and_at_what_price(border) -> None:
    room = border.room()
    assert room == {
        "pool": border.pool,
        "site": "east-1",
        "chip": "ascend910b-demonstration",  # nobody is to take it for the real one
        "devices": 8,
        "free": 8,
        "state": "open",
        "price_minor_per_device_hour": 1_200,
        "currency": "CNY",
    }
    storage, boss = border.desk.storage, border.boss.id
    supply.change_node(storage, border.pool, 0, state="down", reason="fan", by=boss)
    assert border.room()["free"] == 4
    supply.set_price(storage, border.pool, key="p", price_minor_per_device_hour=900,
                     reason="spring", by=boss)  # fmt: skip
    assert border.room(border.other)["price_minor_per_device_hour"] == 900
    for state in ("draining", "down"):
        supply.change(storage, border.pool, state=state, jurisdiction=None, reason="r", by=boss)
        assert (border.room()["state"], border.room()["free"]) == (state, 0)


def test_capacity_counts_what_runs_and_tells_nobody_whose_it_is(border) -> None:
    made = border.hand(body(devices=3)).json()
    with border.desk.storage.database.begin() as tx:
        workloads.change(tx, made["workload"], state="running", pool=border.pool)
    room = border.room(border.other)
    assert (room["free"], room["devices"]) == (5, 8)
    assert not {"organisation", "workloads", "provider"} & set(room)


def test_capacity_during_maintenance_takes_nothing_new(border) -> None:
    now_us = border.desk.now_us()
    supply.plan_maintenance(border.desk.storage, border.pool, key="m", until_us=now_us + 10**12,
                            reason="switches", by=border.boss.id)  # fmt: skip
    assert (border.room()["state"], border.room()["free"]) == ("draining", 0)
