"""Label Studio files: what goes out comes back, and what is wrong is refused whole."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunhe.client import label_studio
from yunhe.client.wire.reviews import Item, Judgement, ReasonText
from yunhe.kernel.errors import Invalid

REVIEW = "review_a"
REASONS = ["A.1.1", "quality.garbled", "personal.left"]


def item(number: int, text: str = "路灯不亮。") -> Item:
    return Item(
        item=number, text=text, characters=len(text), label="道路", held_until="2026-01-01",
        disputed=False, earlier=[],
    )  # fmt: skip


judged = st.dictionaries(
    st.integers(1, 999),
    st.one_of(
        st.just(("pass", [])),
        st.tuples(st.just("fail"), st.lists(st.sampled_from(REASONS), min_size=1, unique=True)),
    ),
    max_size=8,
)


@given(judged, st.text())
def test_what_was_judged_comes_back_from_the_file(said, text):
    known = {
        number: Judgement(item=number, verdict=verdict, reasons=reasons)
        for number, (verdict, reasons) in said.items()
    }
    items = [item(number, text) for number in (*known, 1000)]
    written = label_studio.tasks(REVIEW, items, known).encode("utf-8", "surrogatepass")
    assert label_studio.judgements(written, review=REVIEW, name="f") == list(known.values())
    assert [task["data"]["text"] for task in json.loads(written)] == [text] * len(items)


def test_what_others_said_goes_out_as_predictions_and_never_comes_back():
    earlier = [{"verdict": "fail", "reasons": ["A.1.1"]}, {"verdict": "pass", "reasons": []}]
    disputed = Item.model_validate({**item(3).model_dump(), "disputed": True, "earlier": earlier})
    written = label_studio.tasks(REVIEW, [disputed], {})
    [task] = json.loads(written)
    assert len(task["predictions"]) == 2
    assert label_studio.judgements(written.encode(), review=REVIEW, name="f") == []


def test_the_labelling_interface_offers_every_reason_and_is_xml():
    reasons = [ReasonText(reason=each, text=f'"{each}" & <more>') for each in REASONS]
    tree = ElementTree.fromstring(label_studio.configuration(reasons))
    offered = {each.get("value") for each in tree.iter("Choice")}
    assert offered == {"pass", "fail", *REASONS}
    names = {each.get("name") for each in tree.iter("Choices")}
    assert names == {"verdict", "reasons"}


def task(number: object = 1, review: str = REVIEW, **choices: list[str]) -> dict:
    result = [
        {"from_name": name, "to_name": "text", "type": "choices", "value": {"choices": chosen}}
        for name, chosen in choices.items()
    ]
    return {
        "data": {"item": number, "review": review, "text": "…"},
        "annotations": [{"result": result}],
    }


GOOD = task(7, verdict=["pass"])
WRONG = [
    ({"a": 1}, "client.label_no_tasks"),
    ([GOOD, 3], "client.label_task"),
    ([GOOD, {}], "client.label_task"),
    ([GOOD, task("1", verdict=["pass"])], "client.label_task"),
    ([GOOD, task(True, verdict=["pass"])], "client.label_task"),
    ([GOOD, {"data": GOOD["data"], "annotations": [3]}], "client.label_task"),
    ([GOOD, task(1, "review_b", verdict=["pass"])], "client.label_review"),
    ([GOOD, GOOD], "client.label_twice"),
    ([GOOD, {**task(), "annotations": GOOD["annotations"] * 2}], "client.label_several"),
    ([GOOD, task(verdict=["maybe"])], "client.label_choice"),
    ([GOOD, task(verdict=["pass", "fail"])], "client.label_choice"),
    ([GOOD, task(verdict=["fail"])], "client.label_choice"),
    ([GOOD, task(verdict=["pass"], reasons=["A.1.1"])], "client.label_choice"),
    ([GOOD, task(verdict=["fail"], reasons=["no such reason!"])], "client.label_choice"),
    ([GOOD, task(verdict=["pass"], mood=["good"])], "client.label_choice"),
    ([GOOD, {**task(), "annotations": [{"result": "x"}]}], "client.label_choice"),
]


@pytest.mark.parametrize(("content", "code"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_file_is_refused_whole_with_the_task_that_is_wrong(content, code):
    with pytest.raises(Invalid) as caught:
        label_studio.judgements(json.dumps(content).encode(), review=REVIEW, name="f.json")
    assert [each.code for each in caught.value.findings] == [code]
    if code != "client.label_no_tasks":
        assert caught.value.findings[0].where == "f.json: task 2"
    assert caught.value.message("zh") != caught.value.message("en")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[" * 100_000, b"null"])
def test_bytes_that_are_no_json_are_refused(content):
    with pytest.raises(Invalid):
        label_studio.judgements(content, review=REVIEW, name="f.json")


def test_many_faults_are_counted_rather_than_listed():
    with pytest.raises(Invalid) as caught:
        label_studio.judgements(json.dumps([3] * 50).encode(), review=REVIEW, name="f.json")
    assert len(caught.value.findings) == label_studio.FINDINGS_MAX + 1
    assert dict(caught.value.findings[-1].params)["count"] == 30


def test_annotations_that_were_cancelled_and_tasks_without_any_are_left_out():
    cancelled = {**GOOD, "annotations": [{**GOOD["annotations"][0], "was_cancelled": True}]}
    empty = {**task(2), "annotations": []}
    content = json.dumps([cancelled, empty]).encode()
    assert label_studio.judgements(content, review=REVIEW, name="f") == []
