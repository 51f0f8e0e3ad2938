"""Reviews by HTTP: who opens, who is shown what, how it ends, and what stays unknown to whom."""

from __future__ import annotations

import pytest
from api_seeds_goods import certify, parquet_of

from yunhe.corpus.review import service as reviews
from yunhe.operations.worker import Worker

TEXTS = [f"第{n}件：路口的灯不亮，请联系[电话]。" for n in range(5)]


class Bench:
    """A holder with a dataset, its reviewers, an invited organisation and a stranger."""

    def __init__(self, desk) -> None:
        self.desk = desk
        self.holder = desk.organisation("holder", "data_holder")
        self.guests = desk.organisation("guests", "evaluator")
        self.strangers = desk.organisation("strangers", "company")
        self.programme = desk.organisation("city", "operator")
        self.steward = desk.key(desk.member(self.holder, "data_steward"))
        self.ann_member = desk.member(self.holder, "data_steward")
        self.ann = desk.key(self.ann_member)
        self.auditor = desk.key(desk.member(self.holder, "auditor"))
        self.chief = desk.key(desk.member(self.holder, "administrator"))
        self.guest = desk.key(desk.member(self.guests, "evaluator"))
        self.stranger = desk.key(desk.member(self.strangers, "data_steward"))
        self.city_auditor = desk.key(desk.member(self.programme, "auditor"))
        row = certify(desk, self.holder, name="reviewed", data=parquet_of(TEXTS))
        self.certificate = str(row["certificate_id"])

    def post(self, path: str, key: str, body: object = None, **given):
        return self.desk.ask("POST", path, key, json={} if body is None else body, **given)

    def opened(self, **asked) -> dict:
        made = self.post("/v1/reviews", self.steward, {"certificate": self.certificate, **asked})
        assert made.status_code == 201, made.text
        return made.json()

    def take(self, review: str, key: str, items: int = 9) -> list[dict]:
        found = self.post(f"/v1/reviews/{review}/claims", key, {"items": items})
        assert found.status_code == 200, found.text
        return found.json()["items"]

    def judge(self, review: str, key: str, *said: dict):
        return self.post(f"/v1/reviews/{review}/judgements", key, {"judgements": list(said)})

    def work(self, review: str, key: str, *wrong: int) -> dict:
        done = self.judge(review, key, *(say(i["item"], wrong) for i in self.take(review, key)))
        assert done.status_code == 200, done.text
        return done.json()


def say(item: int, wrong: tuple[int, ...] = ()) -> dict:
    reasons = ["quality.garbled"] if item in wrong else []
    return {"item": item, "verdict": "fail" if reasons else "pass", "reasons": reasons}


@pytest.fixture
def bench(desk):
    return Bench(desk)


def test_a_review_from_its_opening_to_its_result(bench):
    review = bench.opened(organisations=[bench.guests])
    assert (review["state"], review["items"], review["result"]) == ("open", 5, None)
    assert review["verified"] is False
    assert len(review["reasons"]) == 41
    shown = bench.take(review["id"], bench.ann)
    assert [each["text"] for each in shown] == TEXTS
    assert all(each["earlier"] == [] and not each["disputed"] for each in shown)
    half = bench.work(review["id"], bench.ann)
    assert half["progress"] == {"judgements": 5, "settled": 0, "disputed": 0, "claimed": 0}
    assert half["result"] is None
    disputed = bench.work(review["id"], bench.guest, 4)
    assert (disputed["progress"]["settled"], disputed["progress"]["disputed"]) == (4, 1)
    [item] = bench.take(review["id"], bench.auditor)
    assert (item["item"], item["disputed"]) == (4, True)
    assert [each["verdict"] for each in item["earlier"]] == ["pass", "fail"]
    done = bench.judge(review["id"], bench.auditor, say(4, (4,))).json()
    assert (done["state"], done["meets_standard"]) == ("finished", False)
    assert done["result"]["passed"] == 4
    assert done["result"]["agreement"]["agreed"] == 4
    for key in (bench.steward, bench.chief, bench.guest, bench.city_auditor):
        got = bench.desk.ask("GET", f"/v1/reviews/{review['id']}", key).json()
        assert got["result"] == done["result"]
    record = bench.desk.ask("GET", f"/v1/records/{done['reference']}", bench.steward)
    assert record.json()["kind"] == "data.review"
    assert bench.take(review["id"], bench.ann) == []


def test_whoever_opened_it_and_whoever_made_the_data_judge_nothing(bench):
    review = bench.opened(made_by=[bench.ann_member.id])
    for key in (bench.steward, bench.ann):
        refused = bench.post(f"/v1/reviews/{review['id']}/claims", key, {"items": 1})
        assert (refused.status_code, refused.json()["code"]) == (403, "corpus.review_own_data")


def test_only_the_holders_stewards_open_and_withdraw(bench):
    asked = {"certificate": bench.certificate}
    for key, status in ((bench.stranger, 404), (bench.guest, 403), (bench.auditor, 403)):
        assert bench.post("/v1/reviews", key, asked).status_code == status
    review = bench.opened(organisations=[bench.guests])
    path = f"/v1/reviews/{review['id']}/withdraw"
    assert bench.post(path, bench.guest).status_code == 403
    assert bench.post(path, bench.stranger).status_code == 404
    gone = bench.post(path, bench.ann)
    assert (gone.status_code, gone.json()["state"]) == (200, "withdrawn")
    assert bench.opened(organisations=[bench.guests])["round"] == 2


def test_a_review_is_unknown_to_whoever_was_not_asked(bench):
    review = bench.opened()
    for key in (bench.guest, bench.stranger):
        for method, rest in (("GET", ""), ("POST", "/claims"), ("POST", "/withdraw")):
            if key == bench.guest and rest == "/withdraw":
                continue  # refused by role before anything is looked up
            found = bench.desk.ask(method, f"/v1/reviews/{review['id']}{rest}", key, json={})
            assert (found.status_code, found.json()["code"]) == (404, "corpus.review_unknown")
        assert bench.desk.ask("GET", "/v1/reviews", key).json()["items"] == []


def test_lists_go_newest_first_in_pages(bench):
    first = bench.opened()
    bench.post(f"/v1/reviews/{first['id']}/withdraw", bench.steward)
    bench.desk.storage.clock.advance(seconds=1)
    second = bench.opened()
    page = bench.desk.ask("GET", "/v1/reviews?limit=1", bench.steward).json()
    rest = bench.desk.ask("GET", f"/v1/reviews?limit=1&after={page['next']}", bench.steward).json()
    assert [each["id"] for each in (*page["items"], *rest["items"])] == [second["id"], first["id"]]
    assert rest["next"] is None


def test_opening_again_with_the_same_key_is_the_same_review(bench):
    head = {"idempotency-key": "once"}
    asked = {"certificate": bench.certificate}
    first = bench.post("/v1/reviews", bench.steward, asked, headers=head)
    again = bench.post("/v1/reviews", bench.steward, asked, headers=head)
    assert first.json()["id"] == again.json()["id"]
    assert again.headers["idempotency-replayed"] == "true"
    other = bench.post("/v1/reviews", bench.steward, {**asked, "items": 5})
    assert (other.status_code, other.json()["code"]) == (409, "corpus.review_running")


def test_a_wrong_judgement_stops_all_of_them(bench):
    review = bench.opened()
    bench.take(review["id"], bench.ann)
    mixed = bench.judge(
        review["id"], bench.ann, say(1), {"item": 2, "verdict": "fail", "reasons": ["A.9.9"]}
    )
    assert (mixed.status_code, mixed.json()["code"]) == (422, "corpus.review_judgements_invalid")
    assert mixed.json()["findings"][0]["where"] == "item 2"
    unheld = bench.judge(review["id"], bench.auditor, say(1))
    assert (unheld.status_code, unheld.json()["code"]) == (409, "corpus.review_judgements_refused")
    with bench.desk.storage.database.read() as tx:
        assert reviews.progress(tx, review["id"], now_us=0).judgements == 0


def test_what_is_given_back_is_free_again(bench):
    review = bench.opened()
    for key in (bench.ann, bench.auditor):
        bench.take(review["id"], key)
    assert bench.take(review["id"], bench.city_auditor) == []
    back = bench.post(f"/v1/reviews/{review['id']}/release", bench.ann, {"items": [2, 3]})
    assert back.json()["progress"]["claimed"] == 8
    assert [each["item"] for each in bench.take(review["id"], bench.city_auditor)] == [2, 3]


def test_a_check_by_rules_is_an_operation_whose_result_names_the_review(bench):
    asked = bench.post("/v1/checks", bench.steward, {"certificate": bench.certificate})
    assert asked.status_code == 201, asked.text
    assert Worker(bench.desk.platform, slots=1, duties=()).run_once()
    ended = bench.desk.ask("GET", f"/v1/operations/{asked.json()['id']}", bench.steward).json()
    assert ended["state"] == "done", ended
    found = bench.desk.ask("GET", f"/v1/reviews/{ended['result']['review']}", bench.chief).json()
    assert (found["kind"], found["items"], found["meets_standard"]) == ("technical", 1, True)
    foreign = bench.post("/v1/checks", bench.stranger, {"certificate": bench.certificate})
    assert (foreign.status_code, foreign.json()["code"]) == (404, "corpus.certificate_unknown")
    unknown = {"certificate": bench.certificate, "profile": "no-such"}
    assert bench.post("/v1/checks", bench.steward, unknown).json()["code"] == (
        "corpus.profile_unknown"
    )


def test_the_datasheet_and_its_description_are_the_holders(bench):
    review = bench.opened()
    path = f"/v1/certificates/{bench.certificate}"
    page = bench.desk.ask("GET", f"{path}/datasheet?lang=zh", bench.steward)
    assert page.headers["content-type"].startswith("text/html")
    assert "sandbox" in page.headers["content-security-policy"]
    assert "去标识化，而非匿名化" in page.text
    assert "进行中" in page.text
    bench.work(review["id"], bench.ann)
    bench.work(review["id"], bench.auditor)
    assert "达到标准" in bench.desk.ask("GET", f"{path}/datasheet", bench.chief).text
    described = bench.desk.ask("GET", f"{path}/croissant", bench.auditor).json()
    assert described["@type"] == "sc:Dataset"
    assert "5 of 5 items passed" in described["rai:dataAnnotationAnalysis"][0]
    for rest in ("datasheet", "croissant"):
        assert bench.desk.ask("GET", f"{path}/{rest}", bench.stranger).status_code == 404
