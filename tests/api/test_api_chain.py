"""By HTTP alone, each person with a key of their own: from a dataset grant to a verified answer."""

from __future__ import annotations

import json

import pytest
from api_desk import Desk
from chain_desk import FACTS, City
from server_desk import eventually

from yunhe.app import open_platform
from yunhe.custody import service as custody
from yunhe.kernel.ids import derived_id
from yunhe.operations.worker import Worker
from yunhe.settings import Settings

pytestmark = pytest.mark.slow
ROLE, UNKNOWN = (403, "api.role_missing"), (404, "models.version_unknown")


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    home = tmp_path_factory.mktemp("chain") / "home"
    settings = Settings(home=home, rate_per_second=100_000, rate_burst=100_000)
    with open_platform(settings) as platform, Desk(platform, gateway=True).open() as desk:
        worker = Worker(platform, slots=2, duties=())
        worker.start()
        try:
            yield City(desk)
        finally:
            assert worker.stop(30)


def test_only_a_trainer_of_the_grants_holder_divides_the_data(city):
    asked = {"grant": city.grant["id"], "seed": 7}
    for name in ("buyer", "steward", "dean", "examiner", "admin"):
        assert city.refused(name, "/v1/splits", **asked) == ROLE, name
    assert city.refused("rival", "/v1/splits", **asked) == (404, "exchange.grant_unknown")
    assert city.split["grant_reference"] == city.grant["reference"]
    assert city.split["organisation"] == city.organisation("trainer")
    assert [each["id"] for each in city.get("dean", "/v1/splits")["items"]] == [city.split["id"]]
    assert city.get("rival", "/v1/splits")["items"] == []


def test_the_held_out_part_is_nobodys_to_train_on_and_the_other_only_its_holders(city):
    training = city.training
    for who, digest in (
        ("trainer", city.split["heldout_digest"]),
        ("rival", city.split["train_digest"]),
    ):
        body = {**training, "inputs": {"train": digest}, "input_reference": None}
        assert city.refused(who, "/v1/workloads", **body)[1] == "compute.spec_invalid"


def test_a_model_is_registered_by_a_trainer_of_its_own_workload_only(city):
    asked = {"name": "x", "workload": city.workload["id"], "split": city.split["id"]}
    for name in ("buyer", "examiner", "risk", "dean", "admin"):
        assert city.refused(name, "/v1/models", **asked) == ROLE, name
    assert city.refused("rival", "/v1/models", **asked) == (404, "compute.workload_unknown")
    made = city.model
    assert made["state"] == "registered"
    assert made["registered_by"] == made["trained_by"] == city.members["trainer"].id
    assert made["model_digest"] == city.workload["outputs"]["model.safetensors"]
    path = f"/v1/models/{made['id']}/files"
    card = city.ask("examiner", "GET", f"{path}/card")
    assert card.status_code == 200
    assert card.json()
    assert city.ask("trainer", "GET", f"{path}/model").status_code == 200
    for name in ("examiner", "dean", "admin"):  # weights are its owner's trainers' alone
        assert city.ask(name, "GET", f"{path}/model").status_code == 403, name
    assert city.ask("owner", "GET", f"{path}/model").status_code == 404


def test_a_version_is_seen_by_its_owner_its_reviewers_and_the_operator_only(city):
    model = f"/v1/models/{city.model['id']}"
    for name in ("trainer", "dean", "examiner", "owner", "admin", "risk"):
        assert city.get(name, model)["id"] == city.model["id"]
        assert len(city.get(name, "/v1/models")["items"]) == 1
    for path in (model, f"{model}/evaluations", f"{model}/risks", f"{model}/approvals"):
        strange = city.ask("rival", "GET", path)
        gone = city.ask("rival", "GET", path.replace(city.model["id"], derived_id("model", "x")))
        assert strange.status_code == gone.status_code == 404
        assert strange.json()["code"] == gone.json()["code"] == "models.version_unknown"
    assert city.get("rival", "/v1/models")["items"] == []
    reviewers = city.get("dean", f"/v1/models/{city.model['id']}/reviewers")["items"]
    assert {each["organisation"] for each in reviewers} == {
        city.organisation("examiner"),
        city.organisation("owner"),
    }


def test_only_an_evaluator_who_was_asked_tests_it(city):
    for name in ("trainer", "risk", "owner", "admin"):
        assert city.refused(name, "/v1/evaluations", **city.testing) == ROLE, name
    assert city.refused("rival examiner", "/v1/evaluations", **city.testing) == UNKNOWN
    found = city.evaluation
    assert found["passed"], found
    assert found["split"] == city.split["id"]
    assert found["results"]["documents"] == city.split["documents_heldout"]
    listed = city.get("trainer", f"/v1/models/{city.model['id']}/evaluations")["items"]
    assert [(each["id"], each["results"]) for each in listed] == [(found["id"], None)]


def test_the_questionnaire_is_asked_in_the_callers_language(city):
    answer = city.ask("risk", "GET", "/v1/questionnaire", headers={"accept-language": "zh"})
    questions = {each["id"]: each for each in answer.json()["questions"]}
    assert questions["generative"]["text"] != questions["generative"]["id"]
    assert any("一" <= letter <= "鿿" for letter in questions["generative"]["text"])
    assert set(FACTS) <= set(questions)


def test_a_preview_leaves_nothing_and_says_what_the_grading_will_say(city):
    shown = city.post("risk", "/v1/gradings/preview", 200, facts=FACTS)
    assert shown["tier"] == city.risk["grading"]["tier"]
    assert len(city.get("risk", f"/v1/models/{city.model['id']}/risks")["items"]) == 1
    unknown = city.post("risk", "/v1/gradings/preview", 200, facts={})
    assert unknown["tier"] >= shown["tier"]
    assert city.refused("risk", "/v1/gradings/preview", facts={"nonsense": True}) == (
        422,
        "governance.facts_invalid",
    )


def test_a_grading_is_a_risk_officers_and_its_evidence_ones_own(city):
    asked = {"model": city.model["id"], "facts": FACTS}
    for name in ("trainer", "examiner", "owner", "admin"):
        assert city.refused(name, "/v1/risks", **asked) == ROLE, name
    assert city.refused("rival risk", "/v1/risks", **asked) == UNKNOWN
    card = city.workload["outputs"]["card.json"]
    evidence = {"risk": city.risk["id"], "measure": "model_card", "digest": card}
    path = f"/v1/risks/{city.risk['id']}/measures"
    due = {each["measure"]["id"]: each for each in city.get("risk", path)["items"]}
    assert due["model_card"]["status"] == "due"
    # A digest alone is no right to what it names, not even for who may see the model.
    assert city.refused("owner", "/v1/evidence", **evidence) == (404, "storage.blob_missing")
    assert city.refused("rival", "/v1/evidence", **evidence) == (404, "governance.risk_unknown")
    assert city.post("trainer", "/v1/evidence", **evidence)["digest"] == card
    due = {each["measure"]["id"]: each for each in city.get("risk", path)["items"]}
    assert due["model_card"]["status"] == "met"


def test_nothing_is_released_before_two_people_in_two_roles_approved_for_themselves(city):
    assert city.refused("owner", "/v1/releases", **city.basis) == (
        403,
        "governance.release_refused",
    )
    for name in ("trainer", "examiner", "dean", "admin"):
        assert city.refused(name, "/v1/approvals", **city.decision("release_owner")) == ROLE, name
    # The role is the approver's own, and the approver is whoever's key it is.
    assert city.refused("owner", "/v1/approvals", **city.decision("risk_officer")) == (
        403,
        "identity.role_missing",
    )
    named = {**city.decision("release_owner"), "approver": city.members["owner"].id}
    assert city.refused("risk", "/v1/approvals", **named) == (422, "api.invalid")
    for name in ("rival owner", "rival risk"):
        assert city.refused(name, "/v1/approvals", **city.decision("release_owner")) == UNKNOWN
    first, second = city.approvals
    assert first["approver"] == city.members["risk"].id
    assert second["approver"] == city.members["owner"].id
    for name in ("trainer", "examiner", "admin", "risk"):
        assert city.refused(name, "/v1/releases", **city.basis) == ROLE, name
    assert set(city.release["approvals"]) == {first["id"], second["id"]}
    assert city.get("dean", f"/v1/models/{city.model['id']}")["state"] == "approved"
    path = f"/v1/models/{city.model['id']}"
    pages = []
    after = ""
    while True:
        found = city.get("dean", f"{path}/approvals?limit=1{after}")
        pages.append([each["id"] for each in found["items"]])
        if found["next"] is None:
            break
        after = f"&after={found['next']}"
    assert pages == [[first["id"]], [second["id"]]]
    assert len(city.get("dean", f"{path}/releases")["items"]) == 1


def test_somebody_who_made_the_model_may_not_approve_it_after_a_change_of_roles(city):
    trainer = city.members["trainer"].id
    decision = city.decision("release_owner")
    try:
        assert city.ask("dean", "DELETE", f"/v1/members/{trainer}/roles/trainer").status_code < 300
        city.post("dean", f"/v1/members/{trainer}/roles", 200, role="release_owner")
        assert city.refused("trainer", "/v1/approvals", **decision) == (
            403,
            "governance.own_model",
        )
        city.ask("dean", "DELETE", f"/v1/members/{trainer}/roles/release_owner")
        city.post("dean", f"/v1/members/{trainer}/roles", 200, role="evaluator")
        assert city.refused("trainer", "/v1/evaluations", **city.testing) == (
            403,
            "evaluation.own_model",
        )
    finally:
        for role in ("release_owner", "evaluator"):
            city.ask("dean", "DELETE", f"/v1/members/{trainer}/roles/{role}")
        city.post("dean", f"/v1/members/{trainer}/roles", 200, role="trainer")


def test_the_released_model_answers_and_its_receipt_proves_the_whole_chain(city):
    asked = {"model": city.model["id"], "route": "hotline"}
    for name in ("trainer", "examiner", "risk", "dean"):
        assert city.refused(name, "/v1/deployments", **asked) == ROLE, name
    assert city.refused("rival owner", "/v1/deployments", **asked) == UNKNOWN
    assert city.deployment["certificate"] == city.release["reference"]
    question = {"text": "小区门口路灯坏了好几天，麻烦派人来修。"}
    answer = city.ask("desk", "POST", "/v1/routes/hotline/answers", json=question)
    assert answer.status_code == 200, answer.text
    path = f"/v1/answers/{answer.json()['id']}/receipt"
    receipt = eventually(
        lambda: (found := city.ask("desk", "GET", path)).status_code == 200 and found.content
    )
    trust = city.desk.ask("GET", "/v1/log/trust").text
    verdict = custody.verify(receipt, trust, [city.desk.platform.publisher.read()])
    assert verdict.ok, verdict
    kinds = {link.kind for link in verdict.links}
    assert {"data.source", "data.grant", "model.version", "governance.approval"} <= kinds
    people = {
        entry["record"]["body"]["approver"]
        for entry in json.loads(receipt)["entries"].values()
        if entry["record"]["kind"] == "governance.approval"
    }
    assert people == {city.members["risk"].id, city.members["owner"].id}
    judged = city.desk.ask("POST", "/v1/verify", json={"receipt": receipt.decode()})
    assert judged.json()["ok"] is True
    assert len(judged.json()["links"]) == len(verdict.links)
    changed = receipt.decode().replace('"passed"', '"Passed"')
    refused = city.desk.ask("POST", "/v1/verify", json={"receipt": changed}).json()
    assert refused["ok"] is False
    assert any(each["message"] for each in [refused["seal"], *refused["links"]])


def test_records_are_shown_to_whose_they_are_and_to_the_operator(city):
    path = f"/v1/records/{city.workload['reference']}"
    for name in ("trainer", "admin"):
        found = city.get(name, path)
        assert (found["kind"], found["subject"]) == ("compute.usage", city.workload["id"])
    gone = city.ask("rival", "GET", f"/v1/records/{'0' * 64}").json()
    strange = city.ask("rival", "GET", path).json()
    assert (gone["code"], strange["code"]) == ("custody.record_unknown",) * 2
    looked = city.get("admin", "/v1/log/audit")
    assert (looked["ok"], looked["problems"]) == (True, [])
    whole = city.ended("admin", city.post("admin", "/v1/log/audits"))
    assert whole["ok"] is True
    size = int(city.ask("admin", "GET", "/v1/log/checkpoint").text.splitlines()[1])
    assert whole["leaves"] >= size > 0


def test_a_withdrawal_by_an_approving_role_ends_the_answers_at_once(city):
    assert city.deployment
    path = f"/v1/models/{city.model['id']}/withdraw"
    assert city.refused("trainer", path) == ROLE
    assert city.refused("rival risk", path) == UNKNOWN
    assert city.post("own risk", path, 200)["state"] == "withdrawn"
    question = {"text": "路灯坏了"}
    answer = city.ask("desk", "POST", "/v1/routes/hotline/answers", json=question)
    assert (answer.status_code, answer.json()["code"]) == (403, "models.withdrawn")
