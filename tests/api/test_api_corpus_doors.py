"""Sources, reviews, checks, cleansings and libraries by HTTP: bounds, roles, pages, languages."""

from __future__ import annotations

from typing import Any

import pytest
from api_seeds_goods import certify, parquet_of

from yunhe.kernel.canonical import sha256

TEXTS = [f"第{n}件：路灯不亮，请联系[电话]。" for n in range(3)]
RAW = {"content-type": "application/octet-stream"}
SOURCE = {"name": "n", "method": "own", "licence": "LicenseRef-own"}
SAMPLE = {"looked": 10, "illegal": 0, "method": "drawn at random"}
NOBODY = {
    "source": "source_" + "0" * 26,
    "review": "review_" + "0" * 26,
    "certificate": "certificate_" + "0" * 26,
    "library": "library_" + "0" * 26,
}


class House:
    """An organisation with a certified dataset and one person of each role; and another one."""

    def __init__(self, desk: Any) -> None:
        self.desk = desk
        self.holder = desk.organisation("holder", "data_holder")
        self.other = desk.organisation("other", "data_holder")
        self.roles = {
            role: desk.key(desk.member(self.holder, role))
            for role in ("data_steward", "administrator", "auditor", "trainer", "caller")
        }
        self.steward, self.auditor = self.roles["data_steward"], self.roles["auditor"]
        self.second = desk.key(desk.member(self.holder, "data_steward"))
        self.stranger = desk.key(desk.member(self.other, "data_steward"))
        row = certify(desk, self.holder, name="seed", data=parquet_of(TEXTS))
        self.certificate = str(row["certificate_id"])

    def post(self, path: str, body: object, key: str = "", **given: Any) -> Any:
        return self.desk.ask("POST", path, key or self.steward, json=body, **given)

    def get(self, path: str, key: str = "", **given: Any) -> Any:
        return self.desk.ask("GET", path, key or self.steward, **given)

    def source(self, **changed: object) -> str:
        made = self.post("/v1/sources", SOURCE | changed)
        assert made.status_code == 201, made.text
        return str(made.json()["id"])

    def uploaded(self, data: bytes) -> str:
        self.desk.ask("POST", "/v1/uploads", self.steward, content=data, headers=RAW)
        return sha256(data)


@pytest.fixture
def house(desk: Any) -> House:
    return House(desk)


def fields(answer: Any) -> set[str]:
    return {each["where"] for each in answer.json()["findings"]}


# --- what is wrong with what is sent ----------------------------------------------------------


def test_every_wrong_field_of_every_message_is_named_at_once_and_nothing_is_made(house):
    wrong: list[tuple[str, Any, set[str]]] = [
        ("/v1/sources", {}, {"name", "method", "licence"}),
        ("/v1/sources", SOURCE | {"robots": "maybe", "consent": ""}, {"robots", "consent"}),
        ("/v1/sources", SOURCE | {"terms": {"may_train": "perhaps", "x": 1}},
         {"terms.may_train", "terms.x"}),
        ("/v1/sources", SOURCE | {"languages": ["zh", 7]}, {"languages.1"}),
        ("/v1/reviews", {"certificate": "X", "items": -1}, {"certificate", "items"}),
        ("/v1/reviews", {"certificate": house.certificate, "items": True}, {"items"}),
        ("/v1/reviews", {"certificate": house.certificate, "made_by": ["M"]}, {"made_by.0"}),
        ("/v1/checks", {"certificate": house.certificate, "profile": "../x"}, {"profile"}),
        ("/v1/checks", {}, {"certificate"}),
        ("/v1/cleansings", {"input": "sha256:0", "file": "a.exe"},
         {"input", "file", "name", "licence"}),
        ("/v1/keyword-libraries", {"input": "", "file": "w.json"}, {"input", "file"}),
        (f"/v1/sources/{NOBODY['source']}/samples", {"looked": 0, "illegal": -1},
         {"looked", "illegal", "method"}),
        (f"/v1/sources/{NOBODY['source']}/decide", {"decision": "maybe"}, {"decision"}),
        (f"/v1/reviews/{NOBODY['review']}/claims", {"items": 101, "after": -1, "away": 1},
         {"items", "after", "away"}),
        (f"/v1/reviews/{NOBODY['review']}/release", {"items": []}, {"items"}),
        (f"/v1/reviews/{NOBODY['review']}/judgements", {"judgements": [{"item": 0}]},
         {"judgements.0.item", "judgements.0.verdict"}),
    ]  # fmt: skip
    for path, body, where in wrong:
        for language in ("en", "zh"):
            answer = house.post(path, body, headers={"accept-language": language})
            assert (answer.status_code, answer.json()["code"]) == (422, "api.invalid"), path
            found = {each.removeprefix("body.") for each in fields(answer)}
            assert found == where, (path, body)
    assert house.get("/v1/sources").json()["items"] == []
    assert house.get("/v1/reviews").json()["items"] == []
    assert house.get("/v1/operations").json()["items"] == []


@pytest.mark.parametrize(
    ("changed", "codes"),
    [
        ({"collected_from": "2026-02-30"}, {"corpus.source_day"}),
        ({"collected_from": "2026-00-10", "collected_to": "2026-13-01"}, {"corpus.source_day"}),
        ({"collected_from": "2026-10-02", "collected_to": "2026-10-01"},
         {"corpus.source_days_order"}),
    ],
)  # fmt: skip
def test_days_that_there_are_not_are_refused_with_their_field(house, changed, codes):
    answer = house.post("/v1/sources", SOURCE | changed)
    assert answer.status_code == 422
    assert {each["code"] for each in answer.json()["findings"]} == codes
    assert fields(answer) <= {"collected_from", "collected_to"}


def test_more_illegal_items_than_were_looked_at_are_no_sample(house):
    source = house.source()
    path = f"/v1/sources/{source}/samples"
    answer = house.post(path, SAMPLE | {"illegal": 11}, house.second)
    assert answer.status_code == 422, answer.text
    assert house.get(f"/v1/sources/{source}").json()["samples"] == []
    assert house.post(path, SAMPLE | {"illegal": 10}, house.second).status_code == 201


def test_samples_add_up_and_are_kept_in_order(house):
    source = house.source()
    for looked, illegal in ((10, 0), (20, 1), (30, 2)):
        body = SAMPLE | {"looked": looked, "illegal": illegal}
        made = house.post(f"/v1/sources/{source}/samples", body, house.second)
        assert made.status_code == 201
    shown = house.get(f"/v1/sources/{source}").json()
    assert [each["number"] for each in shown["samples"]] == [1, 2, 3]
    assert (shown["sample"]["looked"], shown["sample"]["illegal"]) == (60, 3)
    assert shown["sample"]["low_per_million"] < 50_000 < shown["sample"]["high_per_million"]


# --- what is not there ------------------------------------------------------------------------

UNKNOWN = [
    ("GET", "/v1/sources/{source}", None),
    ("POST", "/v1/sources/{source}/samples", SAMPLE),
    ("POST", "/v1/sources/{source}/decide", {"decision": "refuse"}),
    ("GET", "/v1/keyword-libraries/{library}", None),
    ("GET", "/v1/reviews/{review}", None),
    ("POST", "/v1/reviews/{review}/claims", {}),
    ("POST", "/v1/reviews/{review}/release", {"items": [1]}),
    ("POST", "/v1/reviews/{review}/judgements", {"judgements": [{"item": 1, "verdict": "pass"}]}),
    ("POST", "/v1/reviews/{review}/withdraw", None),
    ("GET", "/v1/certificates/{certificate}", None),
    ("GET", "/v1/certificates/{certificate}/datasheet", None),
    ("GET", "/v1/certificates/{certificate}/croissant", None),
    ("GET", "/v1/certificates/{certificate}/files/dataset", None),
    ("POST", "/v1/reviews", {"certificate": NOBODY["certificate"]}),
    ("POST", "/v1/checks", {"certificate": NOBODY["certificate"]}),
]


def test_what_is_not_there_is_told_in_sentences_of_the_language_asked_for(house):
    for method, path, body in UNKNOWN:
        said = set()
        for language in ("en", "zh"):
            given: dict[str, Any] = {"headers": {"accept-language": language}}
            given |= {} if body is None else {"json": body}
            answer = house.desk.ask(method, path.format(**NOBODY), house.steward, **given)
            assert answer.status_code == 404, path
            fault = answer.json()
            assert fault["code"].startswith("corpus."), path
            assert fault["code"] not in fault["message"]
            assert fault["do"], path
            said.add(fault["message"])
        assert len(said) == 2


def test_an_id_of_no_form_is_as_unknown_as_one_of_nobody(house):
    for id_ in ("x", "..%2F..%2Fv1", "%00", "source_" + "0" * 90, "路", "A", "%20"):
        for path in ("/v1/sources/{}", "/v1/reviews/{}", "/v1/certificates/{}"):
            answer = house.get(path.format(id_))
            assert answer.status_code in (404, 422), answer.text
            assert "Traceback" not in answer.text


# --- who may ----------------------------------------------------------------------------------

WRITING = [
    ("/v1/sources", SOURCE, {"data_steward"}),
    ("/v1/keyword-libraries", {"input": "sha256:" + "0" * 64, "file": "w.csv"}, {"data_steward"}),
    ("/v1/reviews", {"certificate": NOBODY["certificate"]}, {"data_steward"}),
    ("/v1/checks", {"certificate": NOBODY["certificate"]}, {"data_steward"}),
    ("/v1/cleansings", {"input": "sha256:" + "0" * 64, "file": "a.csv", "name": "n",
                        "licence": "l"}, {"data_steward"}),
    (f"/v1/sources/{NOBODY['source']}/samples", SAMPLE, {"data_steward", "auditor"}),
    (f"/v1/sources/{NOBODY['source']}/decide", {"decision": "refuse"},
     {"data_steward", "auditor"}),
    (f"/v1/reviews/{NOBODY['review']}/claims", {}, {"data_steward", "auditor"}),
    (f"/v1/reviews/{NOBODY['review']}/withdraw", None, {"data_steward"}),
]  # fmt: skip
LOOKING = ["/v1/sources", "/v1/reviews", "/v1/certificates", "/v1/keyword-libraries"]


def test_only_those_whose_work_it_is_may_change_anything(house):
    for path, body, roles in WRITING:
        for role, key in house.roles.items():
            given = {} if body is None else {"json": body}
            answer = house.desk.ask("POST", path, key, **given)
            refused = answer.status_code == 403 and answer.json()["code"] == "api.role_missing"
            assert refused is (role not in roles), (path, role, answer.text)


def test_a_key_does_no_more_than_it_was_issued_for(house):
    member = house.desk.member(house.holder, "data_steward")
    reads = house.desk.key(member, "corpus:read")
    for path in LOOKING:
        assert house.get(path, reads).status_code == 200
    for path, body, _ in WRITING:
        given = {} if body is None else {"json": body}
        answer = house.desk.ask("POST", path, reads, **given)
        assert (answer.status_code, answer.json()["code"]) == (403, "api.scope_missing"), path


def test_a_key_of_one_project_sees_and_changes_nothing_of_the_organisations_data(house):
    project = house.desk.project(house.holder, "one")
    member = house.desk.member(house.holder, "data_steward", project=project)
    key = house.desk.key(member)
    house.source()
    for path in LOOKING:
        answer = house.get(path, key)
        assert answer.status_code in (200, 403), path
        assert answer.status_code == 403 or answer.json()["items"] == []
    for path, body, _ in WRITING[:5]:
        assert house.post(path, body, key).status_code in (403, 404), path
    assert house.get(f"/v1/certificates/{house.certificate}", key).status_code in (403, 404)


def test_without_a_key_nothing_of_it_answers(house):
    for path in (*LOOKING, f"/v1/certificates/{house.certificate}/datasheet"):
        assert house.desk.ask("GET", path).status_code == 401
    for path, body, _ in WRITING:
        given = {} if body is None else {"json": body}
        assert house.desk.ask("POST", path, **given).status_code == 401


def test_nothing_of_it_takes_another_method(house):
    for path in (*LOOKING, f"/v1/certificates/{house.certificate}"):
        for method in ("PUT", "DELETE", "PATCH"):
            assert house.desk.ask(method, path, house.steward).status_code == 405, (method, path)


# --- lists ------------------------------------------------------------------------------------


def test_pages_of_every_size_hold_each_source_once_newest_first(house):
    made = []
    for n in range(5):
        made.append(house.source(name=f"s{n}"))
        house.desk.storage.clock.advance(seconds=1)
    for limit in (1, 2, 4, 5, 6, 200):
        found, after, pages = [], "", 0
        while True:
            page = house.get(f"/v1/sources?limit={limit}{after}").json()
            pages += 1
            found += [each["id"] for each in page["items"]]
            if page["next"] is None:
                break
            after = f"&after={page['next']}"
        assert found == made[::-1]
        assert pages == -(-5 // limit)


def test_a_page_has_between_one_and_two_hundred_items(house):
    for limit in ("0", "-1", "201", "x", "1.5", ""):
        for path in LOOKING:
            assert house.get(f"{path}?limit={limit}").status_code == 422, path


def test_a_cursor_goes_on_in_its_own_list_and_in_no_other(house):
    for n in range(2):
        house.source(name=f"s{n}")
    cursor = house.get("/v1/sources?limit=1").json()["next"]
    assert house.get(f"/v1/sources?after={cursor}").status_code == 200
    changed = ("B" if cursor[0] == "A" else "A") + cursor[1:]
    wrong = [
        f"/v1/sources?state=registered&after={cursor}",
        f"/v1/reviews?after={cursor}",
        f"/v1/certificates?after={cursor}",
        f"/v1/keyword-libraries?after={cursor}",
        f"/v1/sources?after={changed}",
        "/v1/sources?after=x",
        "/v1/sources?after=%E8%B7%AF",
    ]
    for path in wrong:
        answer = house.get(path)
        assert (answer.status_code, fields(answer)) == (422, {"query.after"}), path
    foreign = house.get(f"/v1/sources?after={cursor}", house.stranger)
    assert foreign.status_code == 422


@pytest.mark.parametrize("state", ["registered", "sampled", "accepted", "refused", "withdrawn"])
def test_a_list_by_state_holds_those_in_it_alone(house, state):
    ids = {"registered": house.source()}
    for end, decision in (("refused", "refuse"), ("withdrawn", "withdraw")):
        ids[end] = house.source(name=end)
        body = {"decision": decision, "reason": "r"}
        path = f"/v1/sources/{ids[end]}/decide"
        answer = house.post(path, body, house.auditor)
        if answer.status_code != 200:  # only what was accepted is withdrawn
            assert (end, answer.status_code) == ("withdrawn", 409), answer.text
            del ids[end]
    ids["sampled"] = house.source(name="sampled")
    house.post(f"/v1/sources/{ids['sampled']}/samples", SAMPLE, house.second)
    found = [each["id"] for each in house.get(f"/v1/sources?state={state}").json()["items"]]
    here = [id_ for name, id_ in ids.items() if name == state]
    assert sorted(found) == sorted(here) or (state == "registered" and set(here) <= set(found))


# --- once however often -----------------------------------------------------------------------


def test_each_creating_request_is_done_once_under_one_key_and_refuses_another_body(house):
    source, words = house.source(), b"word,class\nab,A.1.1\n"
    library = {"input": house.uploaded(words), "file": "w.csv"}
    creating: list[tuple[str, str, Any, dict[str, object]]] = [
        ("/v1/sources", house.steward, SOURCE, {"name": "else"}),
        (f"/v1/sources/{source}/samples", house.second, SAMPLE, {"looked": 11}),
        ("/v1/keyword-libraries", house.steward, library, {"file": "v.csv"}),
        ("/v1/reviews", house.steward, {"certificate": house.certificate}, {"items": 3}),
        ("/v1/checks", house.steward, {"certificate": house.certificate},
         {"profile": "zh-short"}),
    ]  # fmt: skip
    for path, key, body, changed in creating:
        head = {"idempotency-key": f"once {path}".replace(" ", "-").replace("/", ".")}
        first = house.post(path, body, key, headers=head)
        again = house.post(path, body, key, headers=head)
        assert first.status_code == again.status_code == 201, first.text
        assert first.json() == again.json()
        assert again.headers["idempotency-replayed"] == "true"
        other = house.post(path, body | changed, key, headers=head)
        assert (other.status_code, other.json()["code"]) == (409, "storage.key_reused"), path
    assert len(house.get(f"/v1/sources/{source}").json()["samples"]) == 1
    assert len(house.get("/v1/reviews").json()["items"]) == 1


def test_a_request_that_creates_needs_a_key_of_its_own(house):
    for path in ("/v1/sources", "/v1/reviews", "/v1/checks", "/v1/keyword-libraries"):
        answer = house.post(path, SOURCE, headers={"idempotency-key": ""})
        assert answer.status_code in (400, 422), path


# --- pages of datasets ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "accepted", "language"),
    [("", "", "en"), ("", "zh-CN", "zh"), ("?lang=zh", "en", "zh"), ("?lang=en", "zh", "en")],
)
def test_a_page_opens_in_the_language_named_or_else_the_readers(house, query, accepted, language):
    path = f"/v1/certificates/{house.certificate}/datasheet{query}"
    page = house.get(path, headers={"accept-language": accepted})
    assert page.status_code == 200
    assert page.headers["content-language"] == language
    assert f'<html lang="{language}' in page.text


def test_a_page_may_run_load_and_send_nothing_and_its_description_is_a_file(house):
    page = house.get(f"/v1/certificates/{house.certificate}/datasheet")
    policy = {each.strip() for each in page.headers["content-security-policy"].split(";")}
    assert {"default-src 'none'", "sandbox"} <= policy
    assert not any("script" in each or "connect" in each for each in policy)
    assert 'src="http' not in page.text
    described = house.get(f"/v1/certificates/{house.certificate}/croissant")
    assert described.headers["content-disposition"] == "attachment"
    assert described.json()["@type"] == "sc:Dataset"


def test_a_language_there_is_not_is_refused(house):
    for query in ("?lang=de", "?lang=", "?lang=zh-CN", "?language=zh"):
        path = f"/v1/certificates/{house.certificate}/datasheet{query}"
        assert house.get(path).status_code == (200 if "language" in query else 422)


def test_only_the_four_files_of_a_certificate_are_handed_out(house):
    for part in ("input", "certificate", "dataset.parquet", "Dataset", "%00"):
        answer = house.get(f"/v1/certificates/{house.certificate}/files/{part}")
        assert answer.status_code in (404, 422)
        assert not answer.content.startswith(b"PAR1")


def test_reasons_of_a_review_are_told_in_the_readers_language(house):
    made = house.post("/v1/reviews", {"certificate": house.certificate}).json()
    path = f"/v1/reviews/{made['id']}"
    english, chinese = (
        house.get(path, headers={"accept-language": each}).json()["reasons"]
        for each in ("en", "zh")
    )
    assert [each["reason"] for each in english] == [each["reason"] for each in chinese]
    assert all(a["text"] != b["text"] for a, b in zip(english, chinese, strict=True))
    assert all("corpus." not in each["text"] for each in (*english, *chinese))
