"""The datasheet says by class what the library of risk words holds and what was found with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from corpus_engine_desk import job, write_rows
from hypothesis import given
from hypothesis import strategies as st

from yunhe.corpus.datasheet import facts, page, risks, writing
from yunhe.corpus.domain import Columns, Profile, StepPlan, Threshold
from yunhe.corpus.engine import run
from yunhe.corpus.risk import coverage, library
from yunhe.corpus.risk.classes import classes
from yunhe.corpus.steps import risk
from yunhe.kernel.language import LANGUAGES, text
from yunhe.kernel.progress import Silent

WORDS = "word,class\n小红旗子,A.1.3\n大绿灯笼,A.1.3\n纸船票,A.4.5\n"
ROWS = [
    {"id": "a", "text": "小红旗子和大绿灯笼一起出现在这里。"},
    {"id": "b", "text": "这里只有一张纸船票，没有别的。"},
    {"id": "c", "text": "纸船票又来了，仍然放行。"},
    {"id": "d", "text": "什么都没有的一句话。"},
]


def number(value: int) -> Threshold:
    return Threshold(value, "test", verified=False)


def profile(words: Path | None) -> Profile:
    values = dict.fromkeys(risk.STEP.thresholds, number(0))
    values |= {"hits_min": number(1), "a1_points_min": number(2)}
    options = {} if words is None else {"library": str(words)}
    return Profile("risks", 1, number(10), (StepPlan("risk", values, options),))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("risks")
    (folder / "words.csv").write_text(WORDS)
    asked = job(
        folder, write_rows(folder / "in.jsonl", ROWS),
        profile=profile(folder / "words.csv"), columns=Columns("text", id="id"),
    )  # fmt: skip
    run(asked, progress=Silent())
    return asked.out


def line(found: risks.Risks | None, name: str) -> risks.RiskLine:
    assert found is not None
    [chosen] = [each for each in found.lines if each.risk == name]
    return chosen


def test_each_class_has_its_words_its_drops_and_what_was_let_through(made: Path) -> None:
    found = facts.of_folder(made).risks
    assert found is not None
    assert (found.entries, found.covered, len(found.lines)) == (3, 2, 31)
    assert not found.sample
    first, second = line(found, "A.1.3"), line(found, "A.4.5")
    assert (first.entries, first.dropped, first.noticed, first.wanted) == (2, 1, 0, 200)
    assert (second.entries, second.dropped, second.noticed, second.wanted) == (1, 0, 2, 0)
    others = [each for each in found.lines if each not in (first, second)]
    assert {(each.entries, each.dropped, each.noticed) for each in others} == {(0, 0, 0)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_and_the_description_say_it_and_never_the_words(made: Path, language: Any) -> None:
    writing.write(made, language)
    shown = (made / "datasheet.html").read_text()
    for one in LANGUAGES:
        assert text("corpus.sheet.risks", one) in shown
        assert text("corpus.sheet.risks.sample", one) not in shown
        assert all(each.names[one] in shown for each in classes())
    assert "<td" in shown.split("A.4.5")[1][:200]
    described = json.loads((made / "croissant.json").read_text())
    said = described["rai:dataLimitations"]
    assert any(each.startswith("3 risk words in 2 of 31 classes, an operator") for each in said)
    assert [each for each in said if each.startswith("class A.4.5") and "2 documents" in each]
    for word in ("小红旗子", "大绿灯笼", "纸船票"):
        assert word not in shown + json.dumps(described, ensure_ascii=False)


def test_the_sample_that_comes_with_yunhe_is_called_one(tmp_path: Path) -> None:
    asked = job(
        tmp_path, write_rows(tmp_path / "in.jsonl", ROWS),
        profile=profile(None), columns=Columns("text"),
    )  # fmt: skip
    run(asked, progress=Silent())
    found = facts.of_folder(asked.out)
    assert found.risks is not None
    assert found.risks.sample
    assert found.risks.entries == len(library.sample())
    shown = page.render(found, language="zh")
    assert all(text("corpus.sheet.risks.sample", one) in shown for one in LANGUAGES)


def test_an_older_output_knows_no_entries_and_one_without_the_step_has_no_section() -> None:
    old = {"steps": [{"name": "risk", "version": 1, "data": {"library": "x", "entries": 5}}]}
    found = risks.of_pipeline(old, {})
    assert found is not None
    assert {each.entries for each in found.lines} == {None}
    assert (found.entries, found.covered) == (5, 0)
    assert risks.of_pipeline({"steps": [{"name": "risk", "version": 1}]}, {}) is not None
    assert risks.of_pipeline({"steps": [{"name": "length", "version": 1}]}, {}) is None
    assert risks.of_pipeline({}, {}) is None
    none = page.render(facts.Facts(name="n", holder="", licence=""), language="en")
    assert text("corpus.sheet.risks", "en") not in none


COUNTS = st.dictionaries(
    st.sampled_from([each.reason for each in classes()]), st.integers(1, 10**9)
)


@given(COUNTS, COUNTS, st.lists(st.integers(0, 999), min_size=31, max_size=31))
def test_every_count_stands_at_its_class(
    dropped: dict[str, int], noticed: dict[str, int], held: list[int]
) -> None:
    by_class = {each.id: count for each, count in zip(classes(), held, strict=True) if count}
    data = {"library": "sha256:0", "entries": sum(held), "by_class": by_class}
    found = risks.of_pipeline(
        {"steps": [{"name": "risk", "version": 1, "data": data}]},
        {"dropped": {"risk": dropped}, "noticed": {"risk": noticed}},
    )
    assert found is not None
    assert [each.entries for each in found.lines] == held
    assert found.covered == sum(map(bool, held))
    for each, said in zip(classes(), found.lines, strict=True):
        assert (said.dropped, said.noticed) == (
            dropped.get(each.reason, 0), noticed.get(each.reason, 0),
        )  # fmt: skip


def test_the_bounds_are_those_of_the_coverage_report() -> None:
    report = coverage.coverage(library.sample(), updated_us=None, now_us=0)
    asked = {check.risk: check.wanted for check in report.checks if check.rule != "updated"}
    assert {name: count for name, (count, _) in coverage.least_entries().items()} == asked
    assert asked[""] == 10_000
    assert not any(verified for _, verified in coverage.least_entries().values())
