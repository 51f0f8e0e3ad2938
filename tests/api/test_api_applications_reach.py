"""Applications by HTTP, looked at by those they are none of the business of; pages, keys, words."""

from __future__ import annotations

import pytest

from yunhe.compute import service as compute
from yunhe.compute.applications import programmes, reading

FACTS = {
    "applicant_kind": "sme",
    "conflict_declared": False,
    "device_hours": 10,
    "devices": 1,
    "window_months": 3,
}
BODY = {"title": "训练", "chip": "cpu", "facts": FACTS}
NOBODY = "application_00000000000000000000000000"
STEPS = {
    "amend": {"reason": "r"},
    "withdraw": {"reason": "r"},
    "decide": {"verdict": "award", "reason": "r"},
    "votes": {"vote": "award", "reason": "r"},
    "report": {"document": "sha256:" + "0" * 64, "reason": "r"},
    "close": {"accept": "yes", "reason": "r"},
    "redeem": {"evidence": {}, "reason": "r"},
    "confirm": {"reason": "r"},
    "pay": {"verdict": "pay", "reason": "r"},
}


class Town:
    """An operator with three people, a firm with two projects, and a rival with every role."""

    def __init__(self, desk) -> None:
        self.desk = desk
        operator = desk.organisation("operator", "operator")
        self.chiefs = [desk.key(desk.member(operator, "operator", name=f"c{n}")) for n in range(3)]
        self.firm = desk.organisation("firm", "sme")
        self.trainer = desk.key(desk.member(self.firm, "trainer"))
        self.projects = [desk.project(self.firm, name) for name in ("p1", "p2")]
        self.bound = [
            desk.key(desk.member(self.firm, "trainer", name=f"b{n}", project=p), project=p)
            for n, p in enumerate(self.projects)
        ]
        rival = desk.organisation("rival", "company")
        self.rival = desk.key(desk.member(rival, "trainer", "administrator"))
        self.grader = desk.key(desk.member(rival, "risk_officer"))

    def ask(self, method: str, path: str, key: str, body: object = None, **given):
        if body is not None:
            given["json"] = body
        return self.desk.ask(method, path, key, **given)

    def apply(self, key: str = "", **over) -> dict:
        answer = self.ask("POST", "/v1/applications", key or self.trainer, {**BODY, **over})
        assert answer.status_code == 201, answer.text
        return answer.json()


@pytest.fixture
def town(desk) -> Town:
    return Town(desk)


# --- ids of others ---


def test_the_application_of_another_answers_as_one_that_is_not_there(town: Town):
    made = town.apply(facts={**FACTS, "device_hours": 2_000})
    for step, body in STEPS.items():
        key = town.grader if step in ("decide", "votes", "close", "pay") else town.rival
        answers = []
        for name in (made["id"], NOBODY):
            answer = town.ask("POST", f"/v1/applications/{name}/{step}", key, body)
            assert answer.status_code == 404, (step, answer.text)
            answers.append(answer.text.replace(name, "ID").replace(answer.json()["request_id"], ""))
        assert answers[0] == answers[1], step
    seen = town.ask("GET", f"/v1/applications/{made['id']}", town.trainer).json()
    assert [each["action"] for each in seen["steps"]] == ["applied", "ruled"]


def test_looking_at_anothers_application_is_looking_at_none(town: Town):
    made = town.apply()
    first, other = (
        town.ask("GET", f"/v1/applications/{name}", town.rival) for name in (made["id"], NOBODY)
    )
    assert first.status_code == other.status_code == 404
    assert set(first.json()) == set(other.json())
    assert first.json()["code"] == other.json()["code"] == "compute.application_unknown"


def test_a_key_bound_to_a_project_sees_and_extends_only_its_own(town: Town):
    mine = town.apply(town.bound[0], project=town.projects[0])
    whole = town.apply()
    theirs = town.apply(town.bound[1], project=town.projects[1])
    shown = town.ask("GET", "/v1/applications", town.bound[0]).json()["items"]
    assert [each["id"] for each in shown] == [mine["id"]]
    for hidden in (whole, theirs):
        path = f"/v1/applications/{hidden['id']}"
        assert town.ask("GET", path, town.bound[0]).status_code == 404
        more = {
            "kind": "extension",
            "concerns": hidden["id"],
            "project": town.projects[0],
            "title": "再要",
            "add_hours": 1,
        }
        refused = town.ask("POST", "/v1/applications", town.bound[0], more)
        assert (refused.status_code, refused.json()["code"]) == (
            404,
            "compute.application_unknown",
        )
        assert town.ask("GET", path, town.trainer).json()["granted_ms"] == 10 * 3_600_000
    own = {**more, "concerns": mine["id"]}
    done = town.ask("POST", "/v1/applications", town.bound[0], own)
    assert done.json()["state"] == "awarded", done.text


def test_a_key_bound_to_a_project_applies_for_no_other(town: Town):
    for project in ("", town.projects[1]):
        body = {**BODY, "project": project}
        assert town.ask("POST", "/v1/applications", town.bound[0], body).status_code in (403, 404)


def test_evidence_and_reports_are_ones_own_uploads(town: Town):
    made = town.apply()
    sent = town.desk.ask(
        "POST",
        "/v1/uploads",
        town.rival,
        content=b"somebody else's report",
        headers={"content-type": "application/octet-stream"},
    ).json()["digest"]
    report = {"document": sent, "reason": "完成"}
    refused = town.ask("POST", f"/v1/applications/{made['id']}/report", town.trainer, report)
    nowhere = {"document": "sha256:" + "0" * 64, "reason": "完成"}
    missing = town.ask("POST", f"/v1/applications/{made['id']}/report", town.trainer, nowhere)
    assert refused.status_code == missing.status_code
    assert refused.json()["code"] == missing.json()["code"]
    redeem = {"evidence": {"invoice": sent}, "reason": "r"}
    again = town.ask("POST", f"/v1/applications/{made['id']}/redeem", town.trainer, redeem)
    assert again.status_code >= 400
    assert again.json()["code"] == refused.json()["code"]


def test_a_record_of_a_vote_shows_the_applicant_no_voter(town: Town):
    made = town.apply(facts={**FACTS, "device_hours": 6_000})
    for key, vote in zip(town.chiefs, ("award", "refuse", "award"), strict=True):
        body = {"vote": vote, "reason": "看法"}
        done = town.ask("POST", f"/v1/applications/{made['id']}/votes", key, body).json()
    assert done["state"] == "awarded"
    answer = town.ask("GET", f"/v1/records/{done['reference']}", town.trainer)
    assert answer.status_code == 200, answer.text
    assert answer.json()["body"]["votes"] == ["award", "award", "refuse"]
    assert "mem_" not in answer.text


# --- keys and pages ---


def test_pages_show_each_application_once_and_in_order(town: Town):
    made = [town.apply()["id"] for _ in range(5)]
    seen, after = [], ""
    while True:
        query = f"?limit=2&after={after}" if after else "?limit=2"
        found = town.ask("GET", f"/v1/applications{query}", town.trainer).json()
        seen += [each["id"] for each in found["items"]]
        after = found["next"]
        if not after:
            break
        town.apply()  # what comes meanwhile moves nothing
    assert seen == made[::-1]


def test_a_cursor_of_another_question_is_refused(town: Town):
    for _ in range(3):
        town.apply()
    after = town.ask("GET", "/v1/applications?limit=1", town.trainer).json()["next"]
    answer = town.ask("GET", f"/v1/applications?state=refused&after={after}", town.trainer)
    assert answer.status_code in (400, 422), answer.text
    assert town.ask("GET", "/v1/applications?after=x", town.trainer).status_code in (400, 422)
    assert town.ask("GET", "/v1/applications?state=lost", town.trainer).status_code == 422


def test_states_are_told_apart(town: Town):
    awarded, waiting = town.apply(), town.apply(facts={**FACTS, "device_hours": 2_000})
    for state, expected in (("awarded", awarded), ("verifying", waiting)):
        found = town.ask("GET", f"/v1/applications?state={state}", town.trainer).json()["items"]
        assert [each["id"] for each in found] == [expected["id"]]


def test_one_key_with_another_body_is_refused_and_keys_of_others_are_others(town: Town):
    head = {"headers": {"Idempotency-Key": "same"}}
    first = town.ask("POST", "/v1/applications", town.trainer, BODY, **head)
    other = town.ask("POST", "/v1/applications", town.trainer, {**BODY, "title": "x"}, **head)
    assert (first.status_code, other.status_code) == (201, 409)
    rivals = {**BODY, "facts": {**FACTS, "applicant_kind": "company"}}
    theirs = town.ask("POST", "/v1/applications", town.rival, rivals, **head)
    assert theirs.status_code == 201
    assert theirs.json()["id"] != first.json()["id"]


def test_a_fund_sent_twice_is_one_fund(town: Town):
    body = {"programme": "beijing_vouchers", "amount_minor": 1_000}
    head = {"headers": {"Idempotency-Key": "f"}}
    first, again = (town.ask("POST", "/v1/funds", town.chiefs[0], body, **head) for _ in range(2))
    assert first.json() == again.json()
    assert first.json()["currency"] == "CNY"
    none = town.ask("POST", "/v1/funds", town.chiefs[0], {**body, "programme": "yunhe"})
    assert none.json()["findings"][0]["code"] == "compute.programme_no_money"
    gone = town.ask("POST", "/v1/funds", town.chiefs[0], {**body, "programme": "mars"})
    assert gone.status_code == 404
    assert town.ask("POST", "/v1/funds", town.trainer, body).status_code == 403


# --- words ---


WRONG = [
    {"title": ""},
    {"title": "x" * 201},
    {"title": 5},
    {"facts": {"device_hours": 1.5}},
    {"facts": {"device_hours": "10"}},
    {"facts": {"devices": {"a": 1}}},
    {"facts": {"n" * 10: True}},
    {"facts": [1]},
    {"kind": "more"},
    {"conflicts": ["Not an id"]},
    {"conflicts": ["mem_x"] * 51},
    {"add_hours": 1},
    {"add_months": -1},
    {"chip": ""},
    {"chip": "../cpu"},
    {"concerns": "application_x"},
    {"contract": {"number": "1", "provider": "x y"}},
    {"milestones": [{"name": "a", "amount_minor": 1}]},
    {"surprise": 1},
]


def test_what_is_no_application_is_refused_and_leaves_nothing(town: Town):
    for change in WRONG:
        answer = town.ask("POST", "/v1/applications", town.trainer, {**BODY, **change})
        assert 400 <= answer.status_code < 500, (change, answer.text)
        assert answer.json()["message"]
    assert town.ask("GET", "/v1/applications", town.trainer).json()["items"] == []


@pytest.mark.parametrize(("language", "said"), [("en", "approved"), ("zh", "即时批准")])
def test_rules_are_said_in_the_askers_language(town: Town, language: str, said: str):
    head = {"headers": {"Accept-Language": language}}
    made = town.apply()
    shown = town.ask("GET", f"/v1/applications/{made['id']}", town.trainer, **head).json()
    assert said in shown["rules"][0]["text"]
    listed = town.ask("GET", "/v1/programmes", town.trainer, **head).json()["items"]
    assert any(said in rule["text"] for rule in listed[0]["rules"])
    body = {"programme": "yunhe", "facts": FACTS}
    ruled = town.ask("POST", "/v1/rulings", town.trainer, body, **head).json()
    assert ruled["outcome"] == made["outcome"] == "approve"  # the platform finds the rest itself
    unknown = town.ask("POST", "/v1/rulings", town.trainer, {**body, "programme": "x"}, **head)
    assert unknown.status_code == 404
    assert unknown.json()["message"] != said


def test_asking_the_rules_writes_nothing(town: Town):
    known = {**FACTS, "registered": True, "device_hours_in_force": 0}
    body = {"programme": "yunhe", "facts": known}
    assert town.ask("POST", "/v1/rulings", town.trainer, body).json()["outcome"] == "approve"
    edge = {**body, "facts": {**known, "device_hours_in_force": 491}}
    assert town.ask("POST", "/v1/rulings", town.trainer, edge).json()["outcome"] == "verifier"
    assert town.ask("GET", "/v1/applications", town.trainer).json()["items"] == []


def test_the_operators_own_programme_is_listed_with_its_digest(town: Town, tmp_path):
    text = reading._shipped("yunhe").replace("id: yunhe\n", "id: city_hours\n")
    (tmp_path / "city.yaml").write_text(text, "utf-8")
    database = town.desk.storage.database
    programmes.take(database, tmp_path)
    try:
        listed = town.ask("GET", "/v1/programmes", town.trainer).json()["items"]
        assert listed[-1]["id"] == "city_hours"
        with database.read() as tx:
            digest = compute.applications.rules_of(tx, "city_hours").digest
        assert listed[-1]["digest"] == digest
        made = town.apply(programme="city_hours")
        assert (made["programme"], made["state"]) == ("city_hours", "awarded")
    finally:
        programmes.take(database, None)
    shown = town.ask("GET", f"/v1/applications/{made['id']}", town.trainer)
    assert (shown.status_code, shown.json()["state"]) == (200, "awarded")
    more = {
        "programme": "city_hours",
        "kind": "extension",
        "concerns": made["id"],
        "title": "x",
        "add_hours": 1,
    }
    assert town.ask("POST", "/v1/applications", town.trainer, more).status_code == 404


def test_a_universitys_own_verifier_sees_and_decides_its_applications_only(town: Town):
    school = town.desk.organisation("school", "university")
    scholar = town.desk.key(town.desk.member(school, "trainer"))
    verifier = town.desk.key(town.desk.member(school, "verifier", name="v"))
    facts = {
        "applicant_kind": "researcher",
        "identity_documents": ["orcid"],
        "conflict_declared": False,
        "device_hours": 100,
        "devices": 1,
        "subsidy_percent": 40,
        "foundation_model_chosen": False,
    }
    made = town.apply(scholar, programme="indiaai", facts=facts)
    assert made["state"] == "verifying"
    listed = town.ask("GET", "/v1/applications", verifier).json()["items"]
    assert [each["id"] for each in listed] == [made["id"]]
    path = f"/v1/applications/{made['id']}/decide"
    own = town.ask("POST", path, scholar, STEPS["decide"])
    assert (own.status_code, own.json()["code"]) == (403, "api.role_missing")
    done = town.ask("POST", path, verifier, STEPS["decide"])
    assert (done.status_code, done.json()["state"]) == (200, "awarded")
    theirs = town.apply()
    hidden = town.ask("POST", f"/v1/applications/{theirs['id']}/decide", verifier, STEPS["decide"])
    assert (hidden.status_code, hidden.json()["code"]) == (404, "compute.application_unknown")
    assert town.ask("POST", "/v1/applications", verifier, BODY).status_code == 403
