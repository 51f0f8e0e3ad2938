"""The simple methods say what they should, and cannot be written down wrongly by mistake."""

from __future__ import annotations

import pytest

from yunhe.evaluation import baselines
from yunhe.evaluation.domain import Baseline
from yunhe.kernel.errors import Invalid

TRAIN = ["水务"] * 3 + ["城管"] * 5 + ["供电"] * 2
WORDS = {"水务": ["停水", "水管", "漏水"], "城管": ["占道", "路灯"], "供电": ["停电"]}


def said(baseline: Baseline, *texts: str) -> list[str]:
    return list(baselines.fit(baseline, TRAIN).predict(texts).labels)


def test_majority_says_the_most_frequent_class_of_the_training_part() -> None:
    assert said(Baseline("majority"), "停水了", "停电了") == ["城管", "城管"]
    assert said(Baseline("majority")) == []


def test_a_tie_for_the_most_frequent_class_goes_to_the_first_by_name() -> None:
    fitted = baselines.fit(Baseline("majority"), ["b", "a", "b", "a"])
    assert list(fitted.predict(["x"]).labels) == ["a"]


def test_the_class_with_most_different_words_in_the_text_wins() -> None:
    keywords = Baseline("keywords", WORDS)
    assert said(keywords, "占道的摊子把水管弄坏，停水了") == ["水务"]
    assert said(keywords, "停电停电停电，占道，路灯") == ["城管"]


def test_a_tie_goes_to_the_class_listed_first() -> None:
    assert said(Baseline("keywords", WORDS), "停水又停电") == ["水务"]
    assert said(Baseline("keywords", dict(reversed(WORDS.items()))), "停水又停电") == ["供电"]


def test_a_text_without_any_word_gets_the_most_frequent_class() -> None:
    assert said(Baseline("keywords", WORDS), "你好，谢谢") == ["城管"]


def test_a_word_written_twice_counts_once() -> None:
    words = {"水务": ["停水", "停水", "停水"], "城管": ["占道", "路灯"]}
    assert said(Baseline("keywords", words), "停水，占道，路灯") == ["城管"]


def test_every_fault_of_a_baseline_is_named_at_once() -> None:
    words = {"水务局": ["停水"], "城管": [], "供电": ["停电", ""]}
    with pytest.raises(Invalid) as refused:
        baselines.fit(Baseline("keywords", words), TRAIN)
    assert refused.value.code == "evaluation.baseline_invalid"
    assert [(f.where, f.code) for f in refused.value.findings] == [
        ("keywords.水务局", "evaluation.baseline_class_unknown"),
        ("keywords.城管", "evaluation.baseline_no_words"),
        ("keywords.供电", "evaluation.baseline_word_empty"),
    ]


@pytest.mark.parametrize(
    ("baseline", "code"),
    [
        (Baseline("oracle"), "evaluation.baseline_kind"),
        (Baseline("keywords"), "evaluation.baseline_no_words"),
    ],
)
def test_a_baseline_that_says_nothing_is_refused(baseline: Baseline, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        baselines.fit(baseline, TRAIN)
    assert [f.code for f in refused.value.findings] == [code]
