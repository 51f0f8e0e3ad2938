"""What waits, in which order and until when, and why one workload waits: by HTTP."""

from __future__ import annotations

import pytest

from yunhe.compute import service as compute
from yunhe.compute import store
from yunhe.compute.domain import WorkloadSpec
from yunhe.compute.queueing import service as queueing
from yunhe.kernel.clock import SECOND_US, iso
from yunhe.kernel.errors import NotFound
from yunhe.ledger import service as ledger

HOUR_SECONDS = 3_600
HOUR_US = HOUR_SECONDS * SECOND_US


class City:
    """A pool of four devices, two tenants with awards and money, an operator."""

    def __init__(self, desk) -> None:
        self.desk = desk
        self.chief = desk.key(desk.member(desk.organisation("operator", "operator"), "operator"))
        self.provider = desk.organisation("centre", "provider")
        self.tenants = {name: desk.organisation(name) for name in ("lake", "hill")}
        self.keys = {
            name: desk.key(desk.member(organisation, "trainer"))
            for name, organisation in self.tenants.items()
        }
        self.pool = compute.register_pool(
            desk.storage,
            key="pool",
            provider=self.provider,
            site="east-1",
            chip="h100",
            devices=4,
            price_minor_per_device_hour=100,
            currency="CNY",
            adapter="demonstration",
        )
        awarded_by = desk.member(self._operator(), "operator").id
        for organisation in self.tenants.values():
            compute.award(
                desk.storage,
                key="award",
                organisation=organisation,
                chip="h100",
                device_ms=10**12,
                expires_at_us=desk.now_us() + 1_000 * HOUR_US,
                awarded_by=awarded_by,
            )
            with desk.storage.database.begin() as tx:
                cash = ledger.open_account(tx, owner=organisation, unit="CNY", purpose="cash")
                ledger.grant(
                    tx,
                    key=f"cash {organisation}",
                    account=cash,
                    amount=10**6,
                    at_us=desk.now_us(),
                )

    def _operator(self) -> str:
        return self.desk.ask("GET", "/v1/me", self.chief).json()["organisation"]["id"]

    def submit(self, name: str, key: str, **changed):
        """A workload of a tenant's: one hour on four devices unless said otherwise."""
        asked = {
            "entry_point": "training",
            "arguments": {},
            "inputs": {},
            "chip": "h100",
            "devices": 4,
            "wall_seconds_max": HOUR_SECONDS,
            "cpu_seconds_max": 60,
        } | changed
        spec = WorkloadSpec(key=key, organisation=self.tenants[name], **asked)
        return compute.submit(self.desk.storage, spec)

    def leave(self, name: str, amount: int) -> None:
        """Let a tenant have only so much money that nothing else holds."""
        with self.desk.storage.database.begin() as tx:
            owner, now_us = self.tenants[name], self.desk.now_us()
            cash = ledger.open_account(tx, owner=owner, unit="CNY", purpose="cash")
            ledger.hold(
                tx,
                key="elsewhere",
                account=cash,
                amount=ledger.balance(tx, cash).available - amount,
                expires_at_us=now_us + HOUR_US,
                at_us=now_us,
            )

    def queue(self, name: str = "", **query) -> dict:
        key = self.keys[name] if name else self.chief
        answer = self.desk.ask("GET", "/v1/queue", key, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def why(self, workload: str, name: str, language: str = "en") -> dict:
        answer = self.desk.ask(
            "GET",
            f"/v1/workloads/{workload}/why",
            self.keys[name],
            headers={"accept-language": language},
        )
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
def city(desk):
    return City(desk)


def test_nothing_waits_and_the_queue_is_empty(city):
    assert city.queue() == {"items": [], "next": None}
    runs = city.submit("lake", "one")
    assert runs.state == "placed"
    assert city.queue("lake")["items"] == []


def test_a_share_of_a_device_is_told_as_one_where_it_waits_and_where_it_is_looked_at(city):
    city.submit("lake", "runs")
    small = city.submit("lake", "small", devices=1, devices_milli=250)
    [waits] = city.queue("lake")["items"]
    assert (waits["devices"], waits["devices_milli"]) == (1, 250)
    shown = city.desk.ask("GET", f"/v1/workloads/{small.id}", city.keys["lake"]).json()
    assert (shown["devices"], shown["devices_milli"]) == (1, 250)


def test_the_queue_shows_a_tenant_its_own_with_ranks_among_all_and_an_operator_everything(city):
    city.submit("lake", "runs")
    waits = [city.submit("lake", "a"), city.submit("hill", "b"), city.submit("lake", "c")]
    assert {each.state for each in waits} == {"waiting"}
    everything = city.queue()["items"]
    assert [each["rank"] for each in everything] == [1, 2, 3]
    assert {each["workload"] for each in everything} == {each.id for each in waits}
    assert everything[0]["organisation"] == city.tenants["hill"]  # which holds nothing yet
    own = city.queue("lake")["items"]
    assert own == [each for each in everything if each["organisation"] == city.tenants["lake"]]
    assert [each["rank"] for each in own] == [2, 3]
    [first] = city.queue("hill")["items"]
    assert (first["chip"], first["devices"], first["entry_point"]) == ("h100", 4, "training")
    assert first["devices_milli"] == 0
    assert first["since"] == iso(city.desk.now_us())
    assert first["why"]["code"] == "compute.waiting_capacity"
    assert "\n" not in first["why"]["message"]


def test_the_queue_goes_on_where_the_page_before_ended(city):
    city.submit("lake", "runs")
    waits = {city.submit("lake", f"w{number}").id for number in range(5)}
    whole, found, query = city.queue("lake")["items"], [], {"limit": 2}
    while True:
        page = city.queue("lake", **query)
        found += page["items"]
        assert len(page["items"]) <= 2
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert found == whole
    assert {each["workload"] for each in found} == waits
    strange = city.desk.ask("GET", "/v1/queue", city.keys["lake"], params={"after": "nonsense"})
    assert (strange.status_code, strange.json()["code"]) == (422, "api.invalid")


def test_the_interval_of_the_start_is_that_of_the_forecast_for_the_one_workload(city):
    now_us = city.desk.now_us()
    city.submit("lake", "runs")
    first, second = city.submit("lake", "next"), city.submit("lake", "then")
    listed = {each["workload"]: each for each in city.queue("lake")["items"]}
    for workload, hours in ((first, 1), (second, 2)):
        said, why = listed[workload.id], city.why(workload.id, "lake")
        tenth = hours * HOUR_US // 10
        assert said["early_at"] == why["early_at"] == iso(now_us + tenth)
        assert said["late_at"] == why["late_at"] == iso(now_us + hours * HOUR_US)
        assert (said["rank"], why["of"]) == (why["rank"], 2)


def test_what_lacks_money_has_a_rank_behind_the_others_but_no_start(city):
    city.submit("lake", "runs")
    city.leave("hill", 200)
    poor = city.submit("hill", "poor")
    next_one = city.submit("lake", "next")
    rows = city.queue()["items"]
    assert [each["workload"] for each in rows] == [next_one.id, poor.id]
    assert [each["rank"] for each in rows] == [1, 2]
    assert rows[0]["early_at"] is not None
    assert (rows[1]["early_at"], rows[1]["late_at"]) == (None, None)
    found = city.why(poor.id, "hill")
    assert (found["rank"], found["of"], found["early_at"]) == (2, 2, None)


def test_why_says_the_constraint_the_rank_and_what_would_admit_it_in_both_languages(city):
    city.submit("lake", "runs", devices=2)
    waits = city.submit("lake", "waits")
    found = city.why(waits.id, "lake")
    assert (found["state"], found["rank"], found["of"]) == ("waiting", 1, 1)
    assert found["why"]["code"] == "compute.waiting_capacity"
    assert found["why"]["params"] == {"pool": city.pool.id, "needed": 4, "free": 2}
    [change] = found["together"]
    assert (change["code"], change["params"]["missing"]) == ("compute.change_devices", 2)
    assert {"code": "compute.change_fewer", "params": {"devices": 2}}.items() <= (
        found["alternatives"][0].items()
    )
    chinese = city.why(waits.id, "lake", "zh")
    for part in ("together", "alternatives"):
        assert [each["code"] for each in chinese[part]] == [each["code"] for each in found[part]]
    assert "等待设备" in chinese["why"]["message"]
    assert chinese["do"] != found["do"]
    assert "\n" not in chinese["why"]["message"] + chinese["do"]


def test_missing_money_is_named_with_the_wall_time_that_could_be_paid(city):
    city.leave("hill", 200)
    poor = city.submit("hill", "poor")
    found = city.why(poor.id, "hill")
    assert found["why"]["code"] == "compute.waiting_cash"
    assert [each["code"] for each in found["together"]] == ["compute.change_cash"]
    assert found["together"][0]["params"]["missing"] == 200  # of 400 for four device-hours
    wall = found["alternatives"][0]
    assert (wall["code"], wall["params"]) == ("compute.change_wall", {"wall_seconds": 1_800})


def test_what_does_not_wait_says_so_and_what_failed_says_why(city):
    runs = city.submit("lake", "runs")
    found = city.why(runs.id, "lake")
    assert (found["state"], found["why"], found["rank"]) == ("placed", None, None)
    assert (found["together"], found["alternatives"], found["do"]) == ([], [], "")
    compute.cancel(city.desk.storage, runs.id)
    assert city.why(runs.id, "lake")["state"] == "cancelled"


def test_another_tenant_learns_nothing_of_a_workload(city):
    city.submit("lake", "runs")
    waits = city.submit("lake", "waits")
    paths = [f"/v1/workloads/{name}/why" for name in (waits.id, "workload_" + "0" * 26)]
    answers = [city.desk.ask("GET", path, city.keys["hill"]) for path in paths]
    assert [each.status_code for each in answers] == [404, 404]
    assert {each.json()["code"] for each in answers} == {"compute.workload_unknown"}
    assert city.queue("hill")["items"] == []


def test_a_member_of_a_project_sees_that_projects_queue_alone(city):
    desk, lake = city.desk, city.tenants["lake"]
    project = desk.project(lake, "survey")
    member = desk.key(desk.member(lake, "trainer", project=project))
    city.submit("lake", "runs")
    city.submit("lake", "whole")
    inside = city.submit("lake", "inside", project=project)
    shown = desk.ask("GET", "/v1/queue", member).json()["items"]
    assert [each["workload"] for each in shown] == [inside.id]
    assert shown[0]["project"] == project
    assert shown[0] in city.queue()["items"]


def test_what_the_scheduler_does_not_look_at_yet_stands_behind_everything_else(city, monkeypatch):
    for module in ("yunhe.compute.admission", "yunhe.compute.queueing.service"):
        monkeypatch.setattr(f"{module}.QUEUE_MAX", 2)
    city.submit("lake", "runs")
    lake = [city.submit("lake", f"w{number}").id for number in range(5)]
    hill = city.submit("hill", "one").id
    everything = city.queue()["items"]
    assert [each["rank"] for each in everything] == [1, 2, 3, 4, 5, 6]
    assert [each["workload"] for each in everything] == [hill, *lake]
    assert [each["why"]["code"] for each in everything[3:]] == ["compute.waiting_behind"] * 3
    assert [each["early_at"] for each in everything[3:]] == [None] * 3
    for row in everything[1:]:
        found = city.why(row["workload"], "lake")
        assert (found["rank"], found["of"]) == (row["rank"], 6)
    one_by_one, query = [], {"limit": 1}
    for _ in everything[1:]:
        page = city.queue("lake", **query)
        one_by_one += page["items"]
        query["after"] = page["next"]
    assert one_by_one == everything[1:]
    assert query["after"] is None


def test_what_a_pass_would_place_now_has_rank_nought_and_starts_now(city):
    desk = city.desk
    runs = city.submit("lake", "runs")
    waits, later = city.submit("lake", "waits"), city.submit("lake", "later")
    with desk.storage.database.begin() as tx:  # as when devices came back and no pass ran since
        store.change(tx, runs.id, state="cancelled")
    first, second = city.queue("lake")["items"]
    assert (first["workload"], first["rank"]) == (waits.id, 0)
    assert first["early_at"] == first["late_at"] == iso(desk.now_us())
    assert (second["workload"], second["rank"]) == (later.id, 1)
    found = city.why(waits.id, "lake")
    assert (found["rank"], found["why"], found["state"]) == (0, None, "waiting")


def test_a_question_changes_nothing(city):
    city.submit("lake", "runs")
    waits = city.submit("lake", "waits")

    def kept():
        with city.desk.storage.database.read() as tx:
            return [
                compute.workload(tx, waits.id),
                *ledger.balances(tx, owner=city.tenants["lake"]),
            ]

    before = kept()
    city.queue("lake")
    city.why(waits.id, "lake")
    assert kept() == before
    with city.desk.storage.database.read() as tx, pytest.raises(NotFound) as refused:
        queueing.standing(tx, "workload_none", now_us=1)
    assert refused.value.code == "compute.workload_unknown"


def test_in_a_long_queue_changes_are_tried_that_take_no_pass_and_ranks_agree(city, monkeypatch):
    monkeypatch.setattr("yunhe.compute.queueing.service.FULL_MAX", 1)
    city.submit("lake", "runs", devices=2)
    waits = [city.submit("lake", "one"), city.submit("lake", "two")]
    listed = {each["workload"]: each for each in city.queue("lake")["items"]}
    for each in waits:
        found = city.why(each.id, "lake")
        said = {name: found[name] for name in ("rank", "early_at", "late_at", "why")}
        assert said.items() <= listed[each.id].items()
        assert found["of"] == 2
        assert [change["code"] for change in found["together"]] == ["compute.change_devices"]
        assert [one["code"] for one in found["alternatives"]] == ["compute.change_fewer"]
        assert "compute.untried_many" in [one["code"] for one in found["notes"]]
