"""Profiles as data: every number has its source, and impossible ones are all named at once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from yunhe.corpus import profiles
from yunhe.corpus.documents import Documents
from yunhe.corpus.domain import Profile
from yunhe.corpus.pipeline import Pipeline, build, process
from yunhe.kernel.errors import Invalid

ROOT = Path(__file__).parents[2]
NAMES = ("en-pretrain", "zh-finetune", "zh-pretrain", "zh-short")
RECIPE = ROOT / "benchmarks" / "corpus" / "peer-recipe.yaml"
LOCALE = ROOT / "src" / "yunhe" / "locale"
ARTICLE = """第一天，小区门口的路灯坏了，老人晚上回家看不清路。
物业说已经报修，师傅要等下周才有空，请大家绕行东门。
邻居们凑了几只手电筒，轮流在拐角照明，孩子觉得像过节一样热闹。
第三天下起小雨，积水盖住了台阶，一位送货员差点滑倒，幸好只洒了半箱苹果。
晚饭后有人提议自己换灯泡，电工出身的张伯却摇头，说线路老化，乱动会跳闸。
街道办接到电话后派人查看，发现是施工队挖断了电缆，责任总算弄清楚了。"""
ENGLISH = " ".join(
    f"On day {number} the lamp at the {place} was broken again, and nobody came to repair it."
    for number, place in enumerate(["gate", "corner", "station", "school", "old bridge"])
)


def documents(*texts: str) -> Documents:
    count = len(texts)
    array = pa.array(texts, pa.large_string())
    return Documents(array, np.zeros(count, np.bool_), np.zeros(count, np.uint8))


def text_steps(name: str) -> Pipeline:
    """A built-in profile's steps that look at one text by its characters alone."""
    profile = profiles.built_in(name)
    others = ("duplicates", "personal", "similar", "risk", "abuse")
    plans = tuple(plan for plan in profile.steps if plan.name not in others)
    return build(Profile(name, 1, profile.sample_documents, plans))


@pytest.mark.parametrize("name", NAMES)
def test_every_number_of_a_built_in_profile_has_a_source_and_none_claims_to_be_checked(
    name: str,
) -> None:
    profile = profiles.built_in(name)
    thresholds = [t for plan in profile.steps for t in plan.thresholds.values()]
    assert profile.name == name
    assert thresholds
    assert all(len(threshold.source) > 10 for threshold in thresholds)
    assert not any(threshold.verified for threshold in thresholds)
    assert build(profile).digest().startswith("sha256:")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_step_and_reason_of_a_profile_has_a_sentence(name: str, language: str) -> None:
    texts = json.loads((LOCALE / language / "corpus.json").read_text("utf-8"))
    needed = []
    for placed in build(profiles.built_in(name)).steps:
        step = placed.step
        needed += [f"corpus.step.{placed.name}"]
        needed += [f"corpus.reason.{reason}" for reason in step.reasons]
        needed += [f"corpus.repair.{repair}" for repair in step.repairs]
        needed += [f"corpus.removed.{what}" for what in step.removes]
    assert [key for key in needed if key not in texts] == []


def test_an_ordinary_article_passes_and_scraps_do_not() -> None:
    made = text_steps("zh-pretrain")
    found = process(made, documents(ARTICLE, "点击查看", "好吃", ENGLISH, "=-" * 300))
    assert found.rows.tolist() == [0]
    english = text_steps("en-pretrain")
    assert process(english, documents(ENGLISH, ARTICLE)).rows.tolist() == [0]
    answers = text_steps("zh-finetune")
    assert process(answers, documents("可以的，谢谢你了", ENGLISH)).rows.tolist() == [0, 1]


def test_pretraining_text_loses_links_boilerplate_and_markup_and_keeps_its_sentences() -> None:
    text = f"首页导航\n返回首页\n{ARTICLE}<br>详见https://a.cn/b中的说明。&nbsp;谢谢"
    text += "\n版权所有 某某公司"
    made = text_steps("zh-pretrain")
    [after] = process(made, documents(text)).texts.to_pylist()
    assert after.startswith("首页导航\n\n第一天")
    assert after.endswith("弄清楚了。\n详见[链接]中的说明。 谢谢")


def test_the_peers_recipe_names_each_of_its_operators_once() -> None:
    profile = profiles.parse(RECIPE.read_text("utf-8"), where=RECIPE.name)
    made = build(profile)
    assert [placed.name for placed in made.steps] == [
        "encoding", "links", "spaces", "script", "length", "quality", "repetition", "risk",
        "personal", "similar",
    ]  # fmt: skip
    values = {placed.name: placed.values for placed in made.steps}
    assert dict(values["length"]) == {"letters_min": 5, "letters_max": 1_000_000}
    assert values["length"].options["count"] == "characters"
    assert dict(values["quality"])["signs_per_thousand_max"] == 900
    assert dict(values["repetition"])["top_per_thousand_max"] == 600


def test_every_impossible_number_is_named_at_once() -> None:
    text = """
name: bad
version: 1
sample_documents: {value: 1, source: own, verified: false}
steps:
  - name: length
    thresholds:
      letters_min: {value: 9, source: own, verified: false}
      letters_max: {value: 3, source: own, verified: false}
  - name: quality
    thresholds:
      letters_per_thousand_min: {value: -1, source: own, verified: false}
      signs_per_thousand_max: {value: 1001, source: own, verified: false}
  - name: similar
    thresholds: {similarity_percent_min: {value: 101, source: own, verified: false}}
  - name: language
    options: {keep: zh, mood: good}
    thresholds: {share_per_thousand_min: {value: 5000, source: own, verified: false}}
  - name: spaces
    options: {tabs: eat}
  - name: nonesuch
"""
    with pytest.raises(Invalid) as caught:
        build(profiles.parse(text, where="bad.yaml"))
    assert [finding.code for finding in caught.value.findings] == [
        "corpus.threshold_crossed",
        "corpus.threshold_negative",
        "corpus.threshold_over",
        "corpus.threshold_over",
        "corpus.option_unknown",
        "corpus.threshold_over",
        "corpus.option_choice",
        "corpus.step_unknown",
    ]


def test_a_step_at_its_bounds_is_possible() -> None:
    profile = profiles.built_in("zh-pretrain")
    for name, value in (("letters_per_thousand_min", 1000), ("signs_per_thousand_max", 0)):
        profile = profile.with_value("quality", name, value, source="own")
    assert build(profile).steps
