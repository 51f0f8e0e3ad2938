"""Applications by HTTP: what applicants, deciders and providers may do, and what they are shown."""

from __future__ import annotations

import pytest

from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT
from yunhe.compute.providers.entry_points import find_program
from yunhe.compute.providers.local import LocalProvider
from yunhe.operations.worker import Worker

FACTS = {
    "applicant_kind": "sme",
    "conflict_declared": False,
    "device_hours": 100,
    "devices": 1,
    "window_months": 3,
}


class Town:
    """An operator with three people, a firm, a provider, and another tenant."""

    def __init__(self, desk) -> None:
        self.desk = desk
        operator = desk.organisation("operator", "operator")
        self.chiefs = [desk.key(desk.member(operator, "operator", name=f"c{n}")) for n in range(3)]
        self.firm = desk.organisation("firm", "sme")
        self.trainer = desk.key(desk.member(self.firm, "trainer"))
        self.officer = desk.key(desk.member(self.firm, "risk_officer"))
        self.head = desk.key(desk.member(self.firm, "administrator"))
        self.provider = desk.organisation("centre", "provider")
        self.seller = desk.key(desk.member(self.provider, "administrator"))
        self.rival = desk.key(desk.member(desk.organisation("rival"), "trainer"))

    def post(self, path: str, key: str, body: dict, *, status: int = 200) -> dict:
        answer = self.desk.ask("POST", path, key, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def apply(self, **over) -> dict:
        facts = {**FACTS, **over.pop("facts", {})}
        body = {"title": "训练", "chip": "cpu", "facts": facts, **over}
        return self.post("/v1/applications", self.trainer, body, status=201)

    def act(self, made: dict, step: str, key: str, body: dict, *, status: int = 200) -> dict:
        return self.post(f"/v1/applications/{made['id']}/{step}", key, body, status=status)

    def upload(self, data: bytes) -> str:
        answer = self.desk.ask(
            "POST",
            "/v1/uploads",
            self.trainer,
            content=data,
            headers={"content-type": "application/octet-stream"},
        )
        assert answer.status_code in (200, 201), answer.text
        return answer.json()["digest"]


@pytest.fixture
def town(desk) -> Town:
    return Town(desk)


def test_what_is_approved_at_once_is_an_award_when_the_answer_comes(town: Town):
    made = town.apply()
    assert (made["state"], made["outcome"], made["decided_by"]) == ("awarded", "approve", "rules")
    assert made["rules"][0]["rule"] == "Y-SMALL"
    [award] = town.desk.ask("GET", "/v1/awards", town.trainer).json()["items"]
    assert made["awards"] == [award["id"]]
    assert award["left_ms"] == 100 * 3_600_000
    full = town.desk.ask("GET", f"/v1/applications/{made['id']}", town.trainer).json()
    assert [step["action"] for step in full["steps"]] == ["applied", "awarded"]
    assert full["windows"][0]["award"] == award["id"]


def test_a_key_sent_again_applies_once(town: Town):
    body = {"title": "训练", "chip": "cpu", "facts": FACTS}
    head = {"headers": {"Idempotency-Key": "same"}}
    first = town.desk.ask("POST", "/v1/applications", town.trainer, json=body, **head)
    again = town.desk.ask("POST", "/v1/applications", town.trainer, json=body, **head)
    assert first.json() == again.json()
    assert len(town.desk.ask("GET", "/v1/applications", town.trainer).json()["items"]) == 1


def test_one_person_decides_and_the_next_step_is_told(town: Town):
    made = town.apply(facts={"device_hours": 2_000})
    assert made["state"] == "verifying"
    assert "decide" in made["possible"]
    told = {"verdict": "award", "reason": "合理", "hours": 1_000}
    done = town.act(made, "decide", town.chiefs[0], told)
    assert (done["state"], done["granted_ms"]) == ("awarded", 1_000 * 3_600_000)
    late = town.act(
        made, "decide", town.chiefs[1], {"verdict": "refuse", "reason": "x"}, status=409
    )
    assert late["code"] == "compute.step_impossible"
    assert "extend" in late["do"]


def test_members_of_the_firm_do_not_decide_and_strangers_see_nothing(town: Town):
    made = town.apply(facts={"device_hours": 2_000})
    told = {"verdict": "award", "reason": "合理"}
    refused = town.act(made, "decide", town.officer, told, status=404)
    assert refused["code"] == "compute.application_unknown"
    path = f"/v1/applications/{made['id']}"
    assert town.desk.ask("GET", path, town.rival).status_code == 404
    assert town.desk.ask("GET", "/v1/applications", town.rival).json()["items"] == []
    assert town.desk.ask("GET", path, town.chiefs[0]).status_code == 200
    town.act(made, "withdraw", town.rival, {"reason": "x"}, status=404)


def test_a_committee_votes_and_the_applicant_is_not_shown_who_voted_how(town: Town):
    made = town.apply(facts={"device_hours": 6_000})
    assert made["asked_ms"] == 6_000 * 3_600_000
    for key in town.chiefs:
        done = town.act(made, "votes", key, {"vote": "award", "reason": "好", "hours": 5_000})
    assert (done["state"], done["decided_by"]) == ("awarded", "committee")
    path = f"/v1/applications/{made['id']}"
    own = town.desk.ask("GET", path, town.trainer).json()["steps"]
    programme = town.desk.ask("GET", path, town.chiefs[0]).json()["steps"]
    assert [step["action"] for step in own] == ["applied", "ruled", "awarded"]
    votes = [(s["vote"], s["hours"]) for s in programme if s["action"] == "voted"]
    assert votes == [("award", 5_000)] * 3


def test_faults_in_the_facts_are_told_together(town: Town):
    body = {"title": "x", "chip": "cpu", "facts": {"devices": 0, "colour": "red", "stage": "apply"}}
    fault = town.post("/v1/applications", town.trainer, body, status=422)
    assert fault["code"] == "compute.facts_invalid"
    assert {each["where"] for each in fault["findings"]} == {
        "facts.devices",
        "facts.colour",
        "facts.stage",
    }


def test_rules_can_be_asked_without_applying(town: Town):
    shown = town.desk.ask("GET", "/v1/programmes", town.trainer).json()["items"]
    assert [each["id"] for each in shown][:1] == ["yunhe"]
    india = next(each for each in shown if each["id"] == "indiaai")
    assert not any(rule["verified"] for rule in india["rules"] if rule["rule"] == "IN-HOURS")
    said = town.post(
        "/v1/rulings", town.trainer, {"programme": "indiaai", "facts": {"device_hours": 9_000}}
    )
    assert said["outcome"] == "return"
    assert "IN-HOURS" in [rule["rule"] for rule in said["rules"]]


def test_a_returned_application_is_amended_or_withdrawn(town: Town):
    made = town.apply(facts={"device_hours": None})
    assert (made["state"], made["missing"]) == ("returned", ["device_hours"])
    done = town.act(made, "amend", town.trainer, {"reason": "补", "facts": {"device_hours": 50}})
    assert done["state"] == "awarded"
    other = town.apply(facts={"device_hours": None})
    assert town.act(other, "withdraw", town.trainer, {"reason": "算了"})["state"] == "withdrawn"


def test_a_voucher_is_claimed_confirmed_and_paid_by_three_parties(town: Town):
    town.post(
        "/v1/funds",
        town.chiefs[0],
        {"programme": "beijing_vouchers", "amount_minor": 10**9},
        status=201,
    )
    made = town.apply(
        programme="beijing_vouchers",
        chip="",
        facts={
            "device_hours": None,
            "devices": None,
            "window_months": None,
            "contract_signed": True,
            "contract_months": 12,
            "contract_covers": ["compute"],
            "contract_minor": 100_000_000,
            "claim_minor": 20_000_000,
            "provider_affiliated": False,
            "other_subsidy": False,
        },
        contract={"number": "HT-1", "provider": town.provider},
    )
    assert made["state"] == "verifying", made
    told = {"verdict": "award", "reason": "合同属实"}
    town.act(made, "decide", town.chiefs[0], told)
    evidence = {"invoice": town.upload(b"invoice"), "delivery_proof": town.upload(b"proof")}
    asked = {"evidence": evidence, "reason": "已结算"}
    early = town.act(made, "redeem", town.trainer, asked, status=403)
    assert [each["where"] for each in early["findings"]] == ["BJ-SETTLED"]
    town.act(made, "confirm", town.rival, {"reason": "x"}, status=403)
    own = town.act(made, "confirm", town.head, {"reason": "x"}, status=403)
    assert own["code"] == "compute.confirm_by_provider"
    assert town.provider in own["message"]
    town.act(made, "confirm", town.seller, {"reason": "已收款"})
    assert town.act(made, "redeem", town.trainer, asked)["state"] == "asked"
    pay = {"verdict": "pay", "reason": "核对"}
    own = town.act(made, "pay", town.chiefs[0], pay, status=403)
    assert own["code"] == "compute.duties_apart"
    assert town.act(made, "pay", town.chiefs[1], pay)["state"] == "paid"


def test_who_may_not_confirm_is_told_who_may_only_where_the_application_is_ones_own(town: Town):
    timed = town.apply()
    said = town.act(timed, "confirm", town.head, {"reason": "x"}, status=409)
    assert said["code"] == "compute.confirm_nothing"
    said = town.act(timed, "confirm", town.seller, {"reason": "x"}, status=404)
    assert said["code"] == "compute.application_unknown"


def test_the_register_of_affiliations_is_the_operators(town: Town):
    body = {"first": town.firm, "second": town.provider, "basis": "工商登记"}
    town.post("/v1/affiliations", town.trainer, body, status=403)
    made = town.post("/v1/affiliations", town.chiefs[0], body, status=201)
    assert {made["first"], made["second"]} == {town.firm, town.provider}
    shown = town.desk.ask("GET", "/v1/affiliations", town.chiefs[0]).json()["items"]
    assert len(shown) == 1


def test_from_an_application_to_a_job_that_ran(town: Town, tmp_path):
    desk, chief = town.desk, town.chiefs[0]
    pool = {
        "provider": town.provider,
        "site": "east-1",
        "chip": "cpu",
        "devices": 1,
        "price_minor_per_device_hour": 0,
        "currency": "CNY",
    }
    town.post("/v1/pools", chief, pool, status=201)
    program = find_program(TRIAL, TRIAL_ENTRY_POINT)
    approved = {"name": TRIAL, "module": TRIAL_ENTRY_POINT.module, "digest": program.digest}
    town.post("/v1/entry-points", chief, approved, status=201)
    job = {
        "entry_point": TRIAL,
        "arguments": {"action": "copy"},
        "wall_seconds_max": 60,
        "cpu_seconds_max": 60,
    }
    early = town.post("/v1/workloads", town.trainer, job, status=201)
    assert early["state"] == "waiting"
    assert town.apply()["state"] == "awarded"
    path = f"/v1/workloads/{early['id']}"
    assert desk.ask("GET", path, town.trainer).json()["state"] == "placed"
    provider = LocalProvider(tmp_path / "w", {TRIAL: TRIAL_ENTRY_POINT})
    assert Worker(desk.platform, slots=1, duties=(), provider=provider).run_once()
    ended = desk.ask("GET", path, town.trainer).json()
    assert ended["state"] in ("settled", "failed"), ended
    [award] = desk.ask("GET", "/v1/awards", town.trainer).json()["items"]
    assert award["used_ms"] == ended["usage"]["device_ms"] > 0
