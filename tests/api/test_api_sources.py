"""The register of sources by HTTP: three people to accept one, and who sees it."""

from __future__ import annotations

import pytest

from yunhe.custody import service as custody
from yunhe.kernel.canonical import sha256
from yunhe.operations.worker import Worker

SOURCE = {
    "name": "城市新闻网站",
    "method": "crawled",
    "licence": "CC-BY-4.0",
    "personal_data": "none",
    "consent": "none_needed",
    "robots": "allowed",
    "site_terms": "2026-01-05",
    "contact": "开放办公室",
    "languages": ["zh-Hans"],
}
SAMPLE = {"looked": 400, "illegal": 3, "method": "drawn at random"}
WORDS = "词,类别\n无害词,A.1.8\n".encode()


class Register:
    """A holder with two stewards and an auditor, another holder, an operator and a regulator."""

    def __init__(self, desk) -> None:
        self.desk = desk
        self.holder = desk.organisation("holder", "data_holder")
        other = desk.organisation("other", "data_holder")
        self.first, self.second = (desk.key(desk.member(self.holder, "data_steward")) for _ in "ab")
        self.auditor = desk.key(desk.member(self.holder, "auditor"))
        self.stranger = desk.key(desk.member(other, "data_steward"))
        self.regulator = desk.key(
            desk.member(desk.organisation("regulator", "regulator"), "auditor")
        )

    def post(self, path: str, key: str, body: dict):
        return self.desk.ask("POST", path, key, json=body)

    def registered(self, **changed: object) -> str:
        made = self.post("/v1/sources", self.first, SOURCE | changed)
        assert made.status_code == 201, made.text
        return f"/v1/sources/{made.json()['id']}"


@pytest.fixture
def register(desk) -> Register:
    return Register(desk)


def test_a_source_takes_three_people_to_be_accepted(register):
    path = register.registered()
    decision = {"decision": "accept"}
    own = register.post(f"{path}/samples", register.first, SAMPLE)
    assert (own.status_code, own.json()["code"]) == (403, "corpus.source_own_sample")
    early = register.post(f"{path}/decide", register.auditor, decision)
    assert (early.status_code, early.json()["code"]) == (409, "corpus.source_not_acceptable")
    assert [each["code"] for each in early.json()["findings"]] == ["corpus.source_not_sampled"]
    looked = register.post(f"{path}/samples", register.second, SAMPLE)
    assert (looked.status_code, looked.json()["state"]) == (201, "sampled")
    for key in (register.first, register.second):
        refused = register.post(f"{path}/decide", key, decision)
        assert refused.json()["code"] == "corpus.source_own_decision"
    done = register.post(f"{path}/decide", register.auditor, decision).json()
    assert (done["state"], done["against"], len(done["samples"])) == ("accepted", [], 1)
    assert done["sample"] == {
        "looked": 400, "illegal": 3, "low_per_million": 1549, "high_per_million": 21761,
        "percent_max": 5, "verdict": "clean", "verified": False,
    }  # fmt: skip
    with register.desk.storage.database.read() as tx:
        record = custody.record(tx, done["reference"])
    assert record.kind == "data.source_review"
    shown = register.desk.ask("GET", f"/v1/records/{done['reference']}", register.auditor)
    assert shown.status_code == 200
    assert "data.source_review" in shown.text


def test_what_stands_against_a_source_is_told_in_the_readers_language(register):
    path = register.registered(licence="no such licence", robots="excluded")
    for language, word in (("en", "robots"), ("zh", "许可")):
        shown = register.desk.ask(
            "GET", path, register.second, headers={"accept-language": language}
        ).json()
        assert len(shown["against"]) == 3
        assert word in "".join(each["message"] for each in shown["against"])


def test_a_source_is_its_holders_and_a_regulator_only_looks(register):
    path = register.registered()
    for answer in (
        register.desk.ask("GET", path, register.stranger),
        register.post(f"{path}/samples", register.stranger, SAMPLE),
        register.post(f"{path}/decide", register.stranger, {"decision": "refuse"}),
    ):
        assert answer.json()["code"] == "corpus.source_not_registered"
    assert register.desk.ask("GET", "/v1/sources", register.stranger).json()["items"] == []
    [seen] = register.desk.ask("GET", "/v1/sources", register.regulator).json()["items"]
    assert path.endswith(seen["id"])
    assert register.desk.ask("GET", path, register.regulator).status_code == 200
    judged = register.post(f"{path}/decide", register.regulator, {"decision": "refuse"})
    assert judged.status_code == 404


def test_lists_go_page_by_page_and_by_state(register):
    paths = [register.registered(name=f"source {n}") for n in range(3)]
    register.post(f"{paths[0]}/decide", register.auditor, {"decision": "refuse"})
    ask = register.desk.ask
    first = ask("GET", "/v1/sources?limit=2", register.auditor).json()
    rest = ask("GET", f"/v1/sources?limit=2&after={first['next']}", register.auditor).json()
    found = {each["id"] for each in [*first["items"], *rest["items"]]}
    assert found == {path.rpartition("/")[2] for path in paths}
    [one] = ask("GET", "/v1/sources?state=refused", register.auditor).json()["items"]
    assert paths[0].endswith(one["id"])
    assert ask("GET", "/v1/sources?state=lost", register.auditor).status_code == 422


@pytest.mark.parametrize(
    "changed",
    [{"name": ""}, {"method": "stolen"}, {"collected_from": "soon"}, {"colour": 1}, {"name": "\0"}],
)
def test_what_is_no_source_is_refused_with_its_field(register, changed):
    answer = register.post("/v1/sources", register.first, SOURCE | changed)
    assert (answer.status_code, len(answer.json()["findings"])) == (422, 1)


def test_a_library_is_put_in_use_from_an_upload_and_shows_no_word(register):
    desk, raw = register.desk, {"content-type": "application/octet-stream"}
    body = {"input": sha256(WORDS), "file": "w.csv"}
    unknown = register.post("/v1/keyword-libraries", register.first, body)
    assert unknown.json()["code"] == "storage.upload_unknown"
    desk.ask("POST", "/v1/uploads", register.first, content=WORDS, headers=raw)
    made = register.post("/v1/keyword-libraries", register.first, body)
    assert made.status_code == 201, made.text
    path = f"/v1/keyword-libraries/{made.json()['id']}"
    shown = desk.ask("GET", path, register.regulator)
    assert (shown.json()["entries"], shown.json()["coverage"]["met"]) == (1, False)
    assert "无害词" not in shown.text
    assert desk.ask("GET", path, register.stranger).json()["code"] == "corpus.library_unknown"
    listed = desk.ask("GET", "/v1/keyword-libraries", register.auditor).json()["items"]
    assert [each["id"] for each in listed] == [made.json()["id"]]
    assert desk.ask("GET", "/v1/keyword-libraries", register.stranger).json()["items"] == []


def test_a_faulty_library_is_refused_and_the_one_in_use_stays(register):
    desk, data = register.desk, b"word,class\nab,A.9.9\n"
    raw = {"content-type": "application/octet-stream"}
    desk.ask("POST", "/v1/uploads", register.first, content=data, headers=raw)
    body = {"input": sha256(data), "file": "w.csv"}
    wrong = register.post("/v1/keyword-libraries", register.first, body)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "corpus.library_invalid")
    assert wrong.json()["findings"][0]["where"] == "w.csv:2:class"
    assert desk.ask("GET", "/v1/keyword-libraries", register.first).json()["items"] == []


TICKETS = "".join(
    f'{{"id": "t{n}", "text": "市民反映第{n}号路口的路灯不亮，请尽快派人处理这一问题。"}}\n'
    for n in range(20)
).encode()


def cleansed(register, **changed: object) -> dict:
    """What the operation of a cleansing ended with."""
    desk, raw = register.desk, {"content-type": "application/octet-stream"}
    desk.ask("POST", "/v1/uploads", register.first, content=TICKETS, headers=raw)
    body = {"input": sha256(TICKETS), "file": "t.jsonl", "name": "n", "licence": "mine", "id": "id"}
    asked = register.post("/v1/cleansings", register.first, body | changed)
    assert asked.status_code == 201, asked.text
    assert Worker(desk.platform, slots=1, duties=()).run_once()
    return desk.ask("GET", f"/v1/operations/{asked.json()['id']}", register.first).json()


def test_only_an_accepted_source_is_cleansed_and_its_terms_reach_the_certificate(register):
    path = register.registered()
    source = path.rpartition("/")[2]
    early = cleansed(register, source=source)
    assert early["state"] == "failed"
    assert early["error"]["code"] == "corpus.source_not_accepted"
    register.post(f"{path}/samples", register.second, SAMPLE)
    register.post(f"{path}/decide", register.auditor, {"decision": "accept"})
    done = cleansed(register, source=source)
    assert done["state"] == "done", done
    certificate = f"/v1/certificates/{done['result']['certificate_id']}"
    shown = register.desk.ask("GET", certificate, register.first).json()
    said = shown["certificate"]["body"]["source"]
    assert (shown["licence"], said["registered"]) == ("CC-BY-4.0", source)
    assert said["terms"]["may_train"] == "yes"
    assert said["terms"]["attribution"] == "yes"


def test_a_source_nobody_registered_is_not_cleansed(register):
    assert cleansed(register, source="source_none")["error"]["code"] == (
        "corpus.source_not_registered"
    )


def test_the_same_key_registers_once_and_another_body_is_refused(register):
    head = {"idempotency-key": "one"}
    ask = register.desk.ask
    first = ask("POST", "/v1/sources", register.first, json=SOURCE, headers=head)
    again = ask("POST", "/v1/sources", register.first, json=SOURCE, headers=head)
    assert first.json() == again.json()
    other = ask("POST", "/v1/sources", register.first, json=SOURCE | {"name": "x"}, headers=head)
    assert (other.status_code, other.json()["code"]) == (409, "storage.key_reused")


def test_a_decided_source_stays_decided_however_often_it_is_asked(register):
    path = register.registered()
    refuse = {"decision": "refuse", "reason": "licence"}
    first = register.post(f"{path}/decide", register.auditor, refuse).json()
    again = register.post(f"{path}/decide", register.auditor, refuse).json()
    assert first["reference"] == again["reference"] != ""
    later = register.post(f"{path}/decide", register.auditor, {"decision": "accept"})
    assert (later.status_code, later.json()["code"]) == (409, "corpus.source_ended")
    sample = register.post(f"{path}/samples", register.second, SAMPLE)
    assert sample.json()["code"] == "corpus.source_ended"


def test_a_contract_says_term_by_term_what_is_permitted(register):
    path = register.registered(
        licence="LicenseRef-contract",
        method="purchased",
        agreement="No. 7",
        terms={"may_train": "yes", "commercial": "no"},
    )
    shown = register.desk.ask("GET", path, register.first).json()
    assert shown["terms"] == {
        "licences": ["LicenseRef-contract"], "may_train": "yes", "commercial": "no",
        "may_redistribute": "unknown", "share_alike": "unknown", "attribution": "unknown",
        "verified": False,
    }  # fmt: skip
    assert [each["code"] for each in shown["against"]] == ["corpus.source_not_sampled"]


def test_pages_of_libraries_hold_each_once_newest_first(register):
    desk, raw = register.desk, {"content-type": "application/octet-stream"}
    made = []
    for n in range(3):
        data = f"word,class\n无害词{n},A.1.8\n".encode()
        desk.ask("POST", "/v1/uploads", register.first, content=data, headers=raw)
        body = {"input": sha256(data), "file": f"w{n}.csv"}
        made.append(register.post("/v1/keyword-libraries", register.first, body).json()["id"])
    first = desk.ask("GET", "/v1/keyword-libraries?limit=2", register.auditor).json()
    rest = desk.ask(
        "GET", f"/v1/keyword-libraries?limit=2&after={first['next']}", register.auditor
    ).json()
    found = [each["id"] for each in [*first["items"], *rest["items"]]]
    assert sorted(found) == sorted(made)
    assert len(first["items"]) == 2
