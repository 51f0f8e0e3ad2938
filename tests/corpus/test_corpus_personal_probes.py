"""Recall on probes whose words the rules were not made for, in texts of many kinds."""

from __future__ import annotations

from functools import partial

import pytest

from yunhe.corpus.domain import PersonalType
from yunhe.corpus.intervals import wilson
from yunhe.corpus.personal import names
from yunhe.corpus.personal.probes import KINDS, Probe, probes, variants
from yunhe.corpus.personal.probing import covered, plant, probe
from yunhe.corpus.personal.scan import scan

TEXTS = (
    "第一章讲了河流的成因。第二章讲山脉，第三章讲平原。\n数据见附表2019-12-13。",
    "价格是3280元，型号X-200，请在15:30前下单！退换货请看说明；谢谢。",
    "# 安装\n运行 `pip install foo` 之后，访问 https://example.com/a?id=13812345678 即可。\n",
    "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。",
    "",
)
EACH = 450


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "NAME"])
def test_recall_is_at_least_99_percent_with_confidence(kind: PersonalType) -> None:
    made = probes(kind, EACH, seed=20261122)
    found = covered(made, plant(made, TEXTS, seed=3), scan)
    low, _ = wilson(sum(found), len(found))
    missed = sorted({one.variant for one, hit in zip(made, found, strict=True) if not hit})
    assert low >= 0.99, missed


def test_probes_cover_every_way_of_writing_and_a_seed_gives_the_same_ones() -> None:
    for kind in KINDS:
        made = probes(kind, 2 * len(variants(kind)), seed=5)
        assert {one.variant for one in made} == set(variants(kind))
        assert made == probes(kind, len(made), seed=5)
        assert made != probes(kind, len(made), seed=6)


def test_a_probe_is_planted_whole_between_two_sentences() -> None:
    made = probes("PHONE", 60, seed=1)
    for one, (text, first, last) in zip(made, plant(made, TEXTS, seed=2), strict=True):
        assert text[first:last] == one.value
        head = text[: first - len(one.before)]
        assert head == "" or head[-1] in "，。；！？\n"


def test_a_probe_that_is_found_in_part_counts_as_missed() -> None:
    one = Probe("PHONE", "long", "电话", "13812345678，余下", "")
    assert covered([one], plant([one], ("",), seed=1), scan) == [False]


def test_what_a_scan_leaves_out_is_shown_as_missed_with_its_interval() -> None:
    only = partial(scan, types=frozenset({"EMAIL"}))
    result = probe(TEXTS, seed=1, look=only, each=50, kinds=("EMAIL", "QQ"))
    mail, chat = result["EMAIL"], result["QQ"]
    assert isinstance(mail, dict)
    assert isinstance(chat, dict)
    assert mail["found"] == mail["probes"] == 50
    assert (chat["found"], chat["low_per_thousand"]) == (0, 0)
    assert chat["high_per_thousand"] == 72


def test_the_residual_risk_has_whole_numbers_and_none_of_the_users_text() -> None:
    look = partial(scan, names=names.find, score_percent_min=70)
    result = probe(["绝密文件甲乙丙"], seed=1, look=look, each=20)
    assert set(result) == set(KINDS)
    assert "绝密" not in repr(result)
    for numbers in result.values():
        assert isinstance(numbers, dict)
        assert all(type(value) is int for value in numbers.values())


def test_probing_without_any_text_still_measures() -> None:
    result = probe([], seed=4, each=10, kinds=("PLATE",))
    assert result["PLATE"] == {
        "probes": 10, "found": 10, "low_per_thousand": 722, "high_per_thousand": 1000,
    }  # fmt: skip
