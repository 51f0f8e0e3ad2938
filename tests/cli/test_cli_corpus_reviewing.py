"""`yunhe review` around its screen, `yunhe sources`, `yunhe datasheet`: what is shown and kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from office import BYTES, Desk, fault

from yunhe.api import document
from yunhe.client import label_studio
from yunhe.client.wire.reviews import Claimed, Review, ReviewInFull
from yunhe.kernel.errors import Invalid, NotAllowed, NotFound, Unavailable

REVIEW = "review_0123456789abcdefghjkmnpqrs"
OPERATION = "operation_0123456789abcdefghjkmnpqrs"
CLAIMS = "POST /v1/reviews/{review}/claims"
JUDGEMENTS = "POST /v1/reviews/{review}/judgements"
ONE_REVIEW = "GET /v1/reviews/{review}"


def example(model: type) -> dict[str, Any]:
    found = json.loads(json.dumps(document.example(model)))
    assert isinstance(found, dict)
    return found


def items(*numbers: int) -> dict[str, Any]:
    [one] = example(Claimed)["items"]
    return {"items": [{**one, "item": n, "text": f"第{n}件"} for n in numbers]}


def listed(*changes: dict[str, Any]) -> dict[str, Any]:
    one = example(Review)
    return {
        "items": [{**one, "id": f"review_{n}", **each} for n, each in enumerate(changes, 1)],
        "next": None,
    }


RESULT = {
    "share": {"found": 3990, "of": 4000, "share": "99.75 %", "low": "99.5 %", "high": "99.9 %"},
    "agreement": {"agreed": 3950, "kappa": "0.81", "low": "0.75", "high": "0.86"},
}
OUTCOMES = [
    (True, True, "meets the standard, with 95 % confidence", "达到标准"),
    (True, False, "meets the standard, but not with 95 % confidence", "达到标准"),
    (False, False, "does not meet the standard", "未达到标准"),
]


@pytest.mark.parametrize(("meets", "surely", "english", "chinese"), OUTCOMES)
def test_a_finished_review_shows_its_verdict_share_and_agreement(
    desk: Desk, meets, surely, english, chinese
):
    changes = {
        "state": "finished", "meets_standard": meets, "meets_with_confidence": surely,
        "result": RESULT, "reference": "5d" * 32, "verified": True,
    }  # fmt: skip
    desk.office.says(ONE_REVIEW, changes)
    said = desk("review", "show", REVIEW).out
    for words in (
        english, "finished", "3990 / 4000  99.75 % [99.5 %, 99.9 %]", "κ 0.81 [0.75, 0.86]",
        "5d" * 32, "4,000 / 11,412", "58 of 4000 settled, 2 disputed, 120 judgements",
    ):  # fmt: skip
        assert words in said
    assert "official text" not in said
    assert chinese in desk("review", "show", REVIEW, lang="zh").out


def test_a_review_under_way_shows_no_verdict_and_that_figures_were_not_compared(desk):
    said = desk("review", "show", REVIEW).out
    assert "Verdict" not in said
    assert "Agreement" not in said
    assert "Passed" not in said
    assert "GB/T 45654-2025 (figures not compared with the official text)" in said
    assert "by people" in said


@pytest.mark.parametrize("result", [{}, {"share": {"share": None}}, {"agreement": {}}])
def test_a_result_without_some_figures_is_shown_without_them(desk, result):
    desk.office.says(ONE_REVIEW, {"state": "finished", "meets_standard": True, "result": result})
    said = desk("review", "show", REVIEW)
    assert (said.code, "None" in said.out) == (0, False)


def test_the_list_tells_kind_state_and_verdict_in_words(desk):
    desk.office.says(
        "GET /v1/reviews",
        listed(
            {},
            {"kind": "technical", "state": "finished", "meets_standard": True,
             "meets_with_confidence": True},
            {"state": "withdrawn"},
        ),
    )  # fmt: skip
    rows = desk("review", "list").out.splitlines()[1:]
    assert [each.split()[0] for each in rows] == ["review_1", "review_2", "review_3"]
    for row, words in zip(
        rows,
        (("by people", " open "), ("by rules", "finished", "meets the standard"), ("withdrawn",)),
        strict=True,
    ):
        assert all(word in row for word in words)
    chinese = desk("review", "list", lang="zh").out
    assert "open" not in chinese
    assert "by rules" not in chinese


# --- which review comes up by itself ---------------------------------------------------------


def test_the_newest_open_review_by_people_that_has_something_comes_up(desk):
    desk.office.says(
        "GET /v1/reviews",
        listed({"state": "finished"}, {"kind": "technical"}, {"state": "withdrawn"}, {}, {}),
    )
    desk.office.says(CLAIMS, items(), items(7), items(7))
    said = desk("--json", "review", typed="q\n")
    assert said.json["judged"] == 0
    asked = [each for each in desk.office.lines if "/v1/reviews/" in each]
    assert asked[:3] == [
        "POST /v1/reviews/review_4/claims",
        "POST /v1/reviews/review_5/claims",
        "POST /v1/reviews/review_5/release",
    ]
    assert not any(number in line for line in asked for number in ("_1", "_2/", "_3"))


def test_reviews_of_ones_own_data_are_passed_over_in_silence(desk):
    desk.office.says("GET /v1/reviews", listed({}, {}))
    own = httpx.Response(403, json=fault("not_allowed", "corpus.review_own_data"))
    desk.office.says(CLAIMS, own, items(1), items(1))
    said = desk("review", typed="q\n")
    assert (said.code, said.err) == (0, "")
    assert "Item 1" in said.out


def test_a_failure_while_looking_is_not_taken_for_nothing_to_do(desk):
    desk.office.says("GET /v1/reviews", listed({}))
    desk.office.says(CLAIMS, httpx.Response(404, json=fault("not_found")))
    assert desk("review").code == NotFound.exit_code


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_without_anything_to_do_that_is_said_and_is_no_failure(desk, lang):
    desk.office.says("GET /v1/reviews", listed())
    said = desk("review", lang=lang)
    assert said.code == 0
    assert said.out.strip()
    assert desk("--json", "review", lang=lang).json == {"judged": 0}


def test_judgements_go_out_one_by_one_under_the_reason_the_number_names(desk):
    reasons = [{"reason": f"r.{n}", "text": f"text {n}"} for n in (1, 2, 3)]
    desk.office.says(ONE_REVIEW, {"reasons": reasons})
    desk.office.says(CLAIMS, items(4), items(9), items())
    desk.office.says(JUDGEMENTS, {"reasons": reasons})
    said = desk("--json", "review", "--review", REVIEW, typed="1\n2\n3 1\n")
    assert said.json["judged"] == 2
    sent = [each.body["judgements"] for each in desk.office.asked if each.name == JUDGEMENTS]
    assert sent == [
        [{"item": 4, "verdict": "pass", "reasons": []}],
        [{"item": 9, "verdict": "fail", "reasons": ["r.3", "r.1"]}],
    ]


def test_a_judgement_that_is_refused_ends_the_screen_with_its_code_and_gives_back(desk):
    desk.office.says(CLAIMS, items(4))
    desk.office.says(JUDGEMENTS, httpx.Response(403, json=fault("not_allowed")))
    said = desk("review", "--review", REVIEW, typed="1\n")
    assert said.code == NotAllowed.exit_code
    last = desk.office.asked[-1]
    assert last.line == f"POST /v1/reviews/{REVIEW.replace(REVIEW, _id())}/release"
    assert last.body == {"items": [4]}


def _id() -> str:
    return str(example(ReviewInFull)["id"])


# --- checks by rules --------------------------------------------------------------------------


def test_a_check_waits_for_its_end_and_shows_the_review_it_made(desk):
    desk.office.says(
        "GET /v1/operations/{operation}", {"state": "done", "result": {"review": "review_77"}}
    )
    said = desk("review", "check", "certificate_1")
    assert said.code == 0
    assert desk.office.lines[-1] == "GET /v1/reviews/review_77"
    assert desk.office.asked[0].body == {"certificate": "certificate_1", "profile": None}


ERROR = fault("invalid", "corpus.x", message="It cannot be.", do="Mend it.")


@pytest.mark.parametrize(
    ("state", "error", "words"),
    [("failed", ERROR, "It cannot be. Mend it."), ("cancelled", None, "cancelled")],
)
def test_a_check_that_comes_to_nothing_ends_with_one_and_says_why(desk, state, error, words):
    desk.office.says(
        "GET /v1/operations/{operation}", {"state": state, "result": None, "error": error}
    )
    said = desk("review", "check", "certificate_1")
    assert said.code == 1
    assert words in said.out
    for_program = desk("--json", "review", "check", "certificate_1")
    assert for_program.code == 1
    assert for_program.json["state"] == state
    assert not any("/v1/reviews/" in each for each in desk.office.lines)


# --- files for Label Studio -------------------------------------------------------------------


def exported(desk: Desk, to: Path, *more: object):
    return desk("--json", "review", "export", REVIEW, "--to", to, *more)


def test_items_are_taken_a_hundred_at_a_time_and_held_for_long(desk, tmp_path):
    desk.office.says(CLAIMS, items(*range(1, 101)), items(*range(101, 131)), items())
    said = exported(desk, tmp_path / "tasks.json")
    assert said.json["items"] == 130
    wishes = [each.body for each in desk.office.asked if each.name == CLAIMS]
    assert wishes == [{"items": 100, "after": after, "away": True} for after in (0, 100, 130)]
    written = json.loads((tmp_path / "tasks.json").read_text("utf-8"))
    assert [each["data"]["item"] for each in written] == list(range(1, 131))
    assert {each["data"]["review"] for each in written} == {REVIEW}


@pytest.mark.parametrize(("limit", "wishes"), [(1, [1]), (100, [100]), (101, [100, 1])])
def test_no_more_is_taken_than_was_asked_for(desk, tmp_path, limit, wishes):
    desk.office.says(CLAIMS, *(items(*range(1 + 100 * n, 1 + 100 * n + w))
                               for n, w in enumerate(wishes)))  # fmt: skip
    assert exported(desk, tmp_path / "t.json", "--items", limit).json["items"] == limit
    asked = [each.body["items"] for each in desk.office.asked if each.name == CLAIMS]
    assert asked == wishes


@pytest.mark.parametrize("name", ["tasks.json", "tasks", "tasks.xml", "TASKS.XML", "a.b.json"])
def test_tasks_and_labelling_interface_are_two_files_whatever_they_are_called(desk, tmp_path, name):
    desk.office.says(CLAIMS, items(1), items())
    said = exported(desk, tmp_path / name).json
    assert said["path"] != said["xml"]
    assert len([each for each in tmp_path.iterdir() if each.is_file()]) == 2
    tasks = json.loads(Path(said["path"]).read_text("utf-8"))
    assert [each["data"]["text"] for each in tasks] == ["第1件"]
    tree = ElementTree.parse(said["xml"])
    assert {"pass", "fail", "personal.left"} <= {each.get("value") for each in tree.iter("Choice")}


def test_nothing_to_take_away_is_an_empty_file_and_no_failure(desk, tmp_path):
    desk.office.says(CLAIMS, items())
    assert exported(desk, tmp_path / "t.json").json["items"] == 0
    assert json.loads((tmp_path / "t.json").read_text("utf-8")) == []


def test_a_folder_for_the_file_is_made_before_any_item_is_held(desk, tmp_path):
    desk.office.says(CLAIMS, items(1), items())
    assert exported(desk, tmp_path / "new" / "t.json").code == 0
    (tmp_path / "file").write_text("x")
    before = len(desk.office.asked)
    assert exported(desk, tmp_path / "file" / "t.json").code == Unavailable.exit_code
    assert len(desk.office.asked) == before


def annotated(*verdicts: tuple[int, str, list[str]], review: str = REVIEW) -> bytes:
    tasks = []
    for number, verdict, reasons in verdicts:
        result = [{"from_name": "verdict", "value": {"choices": [verdict]}}]
        if reasons:
            result.append({"from_name": "reasons", "value": {"choices": reasons}})
        data = {"review": review, "item": number, "text": "t"}
        tasks.append({"data": data, "annotations": [{"result": result}]})
    return json.dumps(tasks).encode()


def imported(desk: Desk, content: bytes, folder: Path, **given: Any):
    path = folder / "done.json"
    path.write_bytes(content)
    return desk("review", "import", REVIEW, path, **given)


def test_what_was_annotated_goes_out_in_one_request(desk, tmp_path):
    content = annotated((3, "pass", []), (1, "fail", ["A.1.1", "personal.left"]))
    said = imported(desk, content, tmp_path)
    assert (said.code, "2 judgement(s) sent" in said.out) == (0, True)
    [asked] = desk.office.asked
    assert asked.line == f"POST /v1/reviews/{REVIEW}/judgements"
    assert asked.body["judgements"] == [
        {"item": 3, "verdict": "pass", "reasons": []},
        {"item": 1, "verdict": "fail", "reasons": ["A.1.1", "personal.left"]},
    ]


def test_a_file_without_a_single_annotation_judges_nothing(desk, tmp_path):
    task = {"data": {"review": REVIEW, "item": 1, "text": "t"}, "annotations": []}
    said = imported(desk, json.dumps([task]).encode(), tmp_path)
    assert (said.code, "0 judgement(s)" in said.out) == (0, True)
    assert desk.office.lines == [f"GET /v1/reviews/{REVIEW}"]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_file_of_another_review_is_refused_before_anything_is_sent(desk, tmp_path, lang):
    said = imported(desk, annotated((1, "pass", []), review="review_b"), tmp_path, lang=lang)
    assert said.code == Invalid.exit_code
    assert "done.json: task 1" in said.err
    assert "client." not in said.err
    assert desk.office.asked == []


def test_more_judgements_than_one_request_takes_are_refused_and_none_is_sent(desk, tmp_path):
    content = annotated(*((n, "pass", []) for n in range(1, 5002)))
    said = imported(desk, content, tmp_path)
    assert said.code == Invalid.exit_code
    assert desk.office.asked == []


def test_a_file_that_goes_out_and_is_worked_on_comes_back_whole(desk, tmp_path):
    desk.office.says(CLAIMS, items(5, 8), items())
    exported(desk, tmp_path / "t.json")
    tasks = json.loads((tmp_path / "t.json").read_text("utf-8"))
    for task in tasks:
        task["annotations"] = [
            {"result": [{"from_name": "verdict", "value": {"choices": ["pass"]}}]}
        ]
    found = label_studio.judgements(json.dumps(tasks).encode(), review=REVIEW, name="t")
    assert [each.item for each in found] == [5, 8]


# --- sources ----------------------------------------------------------------------------------

YAML = """\
name: 新闻
method: crawled
licence: CC-BY-4.0
languages: [zh-Hans, en]
collected_from: 2026-10-01
terms: {may_train: yes, commercial: no}
"""


def test_a_source_is_read_as_it_is_written_dates_and_yes_included(desk, tmp_path):
    path = tmp_path / "source.yaml"
    path.write_text(YAML, "utf-8")
    assert desk("sources", "register", path).code == 0
    assert desk("sources", "register", "-", typed=YAML).code == 0
    first, second = desk.office.asked
    assert first.body == second.body
    assert first.body == {
        "name": "新闻", "method": "crawled", "licence": "CC-BY-4.0",
        "languages": ["zh-Hans", "en"], "collected_from": "2026-10-01",
        "terms": {"may_train": "yes", "commercial": "no"},
    }  # fmt: skip
    assert first.headers["idempotency-key"] != second.headers["idempotency-key"]


@pytest.mark.parametrize(
    "written", ["", "- a\n", "just words\n", "name: x\ncolour: red\n", "name: [a]\n", "1: 2\n"]
)
def test_what_is_yaml_but_no_source_is_told_field_by_field(desk, written):
    said = desk("--json", "sources", "register", "-", typed=written)
    assert (said.code, said.json["code"]) == (Invalid.exit_code, "api.invalid")
    assert said.json["findings"]
    assert desk.office.asked == []


@pytest.mark.parametrize(
    "written",
    [
        b"\xff\xfe\x00",
        b"name: {",
        b"a: b: c",
        b"\x00",
        b"&a [*a",
        b"!!python/object:x {}\n",
        b"a: !x",
    ],
)
def test_what_is_no_yaml_is_wrong_use_and_runs_nothing(desk, written):
    said = desk("sources", "register", "-", typed=written)
    assert said.code in (2, Invalid.exit_code)
    assert "Traceback" not in said.err
    assert desk.office.asked == []


def test_what_stands_against_a_source_is_shown_with_its_place(desk):
    against = [
        {"where": "robots", "code": "corpus.x", "message": "robots\x1b[2J exclude it"},
        {"where": "licence", "code": "corpus.y", "message": "unknown licence"},
    ]
    desk.office.says("GET /v1/sources/{source}", {"against": against})
    out = desk("sources", "show", "source_1").out
    assert "  - robots: robots [2J exclude it\n  - licence: unknown licence\n" in out
    assert len(desk("--json", "sources", "show", "source_1").json["against"]) == 2


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [(0, 0, "0.00 % to 0.00 %"), (1549, 21761, "0.15 % to 2.18 %"), (50, 10**6, "0.01 % to 100")],
)
def test_an_interval_is_shown_in_percent(desk, low, high, shown):
    sample = {
        "looked": 400, "illegal": 3, "low_per_million": low, "high_per_million": high,
        "percent_max": 5, "verdict": "clean", "verified": False,
    }  # fmt: skip
    desk.office.says("GET /v1/sources/{source}", {"sample": sample})
    assert shown in desk("sources", "show", "source_1").out
    desk.office.says("GET /v1/sources/{source}", {"sample": {**sample, "looked": 0}})
    assert "interval" not in desk("sources", "show", "source_1").out


# --- datasheets -------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_datasheet_is_asked_for_in_the_readers_language_and_lies_beside_its_description(
    desk, tmp_path, lang
):
    to = tmp_path / "new" / "folder"
    said = desk("--json", "datasheet", "certificate_1", "--to", to, lang=lang)
    assert said.json == {
        "datasheet": str(to / "datasheet.html"), "croissant": str(to / "croissant.json")
    }  # fmt: skip
    assert sorted(each.name for each in to.iterdir()) == ["croissant.json", "datasheet.html"]
    assert all(each.read_bytes() == BYTES for each in to.iterdir())
    page, described = desk.office.asked
    assert (page.query, page.headers["accept"]) == ({"lang": lang}, "text/html")
    assert described.line == "GET /v1/certificates/certificate_1/croissant"


def test_without_its_description_no_page_is_left_behind(desk, tmp_path):
    gone = httpx.Response(404, json=fault("not_found"))
    desk.office.says("GET /v1/certificates/{certificate}/croissant", gone)
    said = desk("datasheet", "certificate_1", "--to", tmp_path / "sheet")
    assert said.code == NotFound.exit_code
    assert not (tmp_path / "sheet").exists()


def test_a_file_in_the_place_of_the_folder_is_wrong_use(desk, tmp_path):
    (tmp_path / "sheet").write_text("x")
    assert desk("datasheet", "certificate_1", "--to", tmp_path / "sheet").code == 2
    assert desk.office.asked == []


def test_a_folder_of_this_machine_asks_no_server(desk, tmp_path):
    assert desk("datasheet", tmp_path).code == NotFound.exit_code
    assert desk.office.asked == []
