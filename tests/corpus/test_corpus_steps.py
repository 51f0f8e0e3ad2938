"""Steps one by one, how a pipeline orders them, and profiles as data."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunhe.corpus import pipeline, profiles, steps
from yunhe.corpus.documents import Documents
from yunhe.corpus.domain import Profile, StepPlan, Threshold
from yunhe.corpus.encoding import CLEAN, DAMAGED, NULS, RECOVERED, detect, plausible, recover
from yunhe.corpus.intervals import share, wilson
from yunhe.corpus.pipeline import Processed, build, process
from yunhe.corpus.service import load_profile
from yunhe.kernel.errors import Invalid

WORDS = "小区门口的路灯坏了三天没有人来修"


def documents(*texts: str | None, damage: int = CLEAN) -> Documents:
    return Documents(
        pa.array([text or "" for text in texts], pa.large_string()),
        np.array([text is None for text in texts]),
        np.full(len(texts), damage, np.uint8),
    )


def alone(step: str, **values: int) -> pipeline.Pipeline:
    """A pipeline of one step with the built-in thresholds, some changed."""
    profile = load_profile()
    for name, value in values.items():
        profile = profile.with_value(step, name, value, source="test")
    [plan] = [plan for plan in profile.steps if plan.name == step]
    return build(Profile("test", 1, profile.sample_documents, (plan,)))


def said(found: Processed, made: pipeline.Pipeline) -> dict[int, str]:
    reasons = made.steps[0].step.reasons
    return {
        row: reasons[code - 1]
        for marks in found.drops
        for row, code in zip(marks.rows.tolist(), marks.codes.tolist(), strict=True)
    }


def reasons(step: str, *texts: str | None, damage: int = CLEAN, **values: int) -> dict[int, str]:
    made = alone(step, **values)
    return said(process(made, documents(*texts, damage=damage)), made)


def test_documents_without_text_words_or_length_are_dropped_with_their_own_reason() -> None:
    found = reasons("length", None, "", " \n　", "！？。", "好", "好吃", "字" * 30, letters_max=20)
    assert found == {
        0: "empty",
        1: "empty",
        2: "no_words",
        3: "no_words",
        4: "too_short",
        6: "too_long",
    }


@given(st.text(max_size=30), st.integers(0, 10))
def test_length_counts_letters_digits_and_hanzi(text: str, least: int) -> None:
    text = text.encode("utf-8", "replace").decode()
    letters = sum(c.isalnum() for c in text if ord(c) < 65536)
    dropped = reasons("length", text, letters_min=least)
    if letters and all(ord(c) < 65536 for c in text):
        assert (dropped.get(0) == "too_short") == (letters < least)


@pytest.mark.parametrize(
    "text",
    [
        "专业代开各类发票，加微信abc12345",
        "无抵押贷款当天放款，不看征信，电话13812345678",
        "兼职刷单日结300，名额有限",
        "恭喜您获得大奖，点击链接领取大礼",
        "高价回收旧手机，上门估价",
    ],
)
def test_advertising_is_dropped(text: str) -> None:
    assert reasons("spam", text, WORDS) == {0: "spam"}


@pytest.mark.parametrize(
    "text",
    [
        "我被兼职刷单骗了三千元，要求处理，已经报警",
        "举报有人在小区门口代开发票，请查处",
        "贷款中介收了费不办事，投诉",
        "超市买一送一的牛奶过期了",
        "微信支付扣了两次钱",
    ],
)
def test_a_complaint_about_advertising_is_kept(text: str) -> None:
    assert reasons("spam", text) == {}


def test_abuse_is_dropped_and_a_single_hard_word_about_others_is_not() -> None:
    insult = "你们这帮饭桶，只会踢皮球，滚蛋吧"
    assert reasons("abuse", insult, "楼上邻居真缺德，半夜还在跳绳", WORDS) == {0: "abuse"}


def test_rows_whose_bytes_were_lost_are_dropped_and_recovered_ones_kept() -> None:
    assert reasons("encoding", "坏\ufffd一行文字", damage=DAMAGED) == {0: "bytes_lost"}
    made = alone("encoding")
    found = process(made, documents(WORDS, damage=RECOVERED))
    assert said(found, made) == {}
    [repaired] = found.repairs
    assert made.steps[0].step.repairs[repaired.codes[0] - 1] == "gb18030_row"


def test_text_with_too_many_lost_characters_is_dropped_as_unreadable() -> None:
    few, many = WORDS * 5 + "\ufffd", WORDS + "\ufffd\ufffd"
    assert reasons("encoding", few, many) == {1: "unreadable"}


def test_misread_text_is_repaired_and_everything_else_untouched() -> None:
    made = alone("encoding")
    misread = WORDS.encode().decode("latin-1")
    found = process(made, documents(WORDS, misread, "naïve café", "café ☕ 好"))
    assert found.texts.to_pylist() == [WORDS, WORDS, "naïve café", "café ☕ 好"]
    assert [marks.rows.tolist() for marks in found.repairs] == [[1]]


def test_a_document_is_dropped_by_the_first_step_and_later_ones_do_not_see_it() -> None:
    made = build(load_profile())
    found = process(made, documents("", "你们这帮饭桶，滚蛋", WORDS))
    names = {made.steps[marks.step].name: marks.rows.tolist() for marks in found.drops}
    assert names == {"length": [0], "abuse": [1]}
    assert found.rows.tolist() == [2]


def test_adding_a_step_takes_one_file_and_touches_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "loud.py").write_text(
        "import numpy as np, pyarrow.compute as pc\n"
        "from yunhe.corpus.documents import Outcome, Step\n"
        "def work(documents, values):\n"
        "    count = pc.count_substring(documents.texts, '！').to_numpy(zero_copy_only=False)\n"
        "    return Outcome(reasons=(count > values['marks_max']).astype(np.uint8))\n"
        "STEP = Step(version=1, thresholds=('marks_max',), reasons=('loud',), work=work)\n"
    )
    monkeypatch.setattr(steps, "__path__", [*steps.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "yunhe.corpus.steps.loud", raising=False)
    plan = StepPlan("loud", {"marks_max": Threshold(2, "test", verified=False)})
    built_in = load_profile()
    made = build(Profile("test", 1, built_in.sample_documents, (plan, *built_in.steps)))
    found = process(made, documents("太吵了！！！", WORDS))
    assert [made.steps[marks.step].name for marks in found.drops] == ["loud"]
    assert made.digest() != build(built_in).digest()


def test_the_pipeline_digest_names_steps_versions_thresholds_and_word_lists() -> None:
    profile = load_profile()
    digest = build(profile).digest()
    assert build(load_profile()).digest() == digest
    changed = profile.with_value("spam", "points_min", 4, source="test")
    assert build(changed).digest() != digest
    described = build(profile).description()
    text = str(described)
    assert "writer" in described
    assert text.count("sha256:") >= 3  # spam, abuse and people's names each have a list
    fewer = Profile(profile.name, profile.version, profile.sample_documents, profile.steps[:-1])
    assert build(fewer).digest() != digest


def test_every_fault_of_a_profile_is_named_at_once() -> None:
    sample = Threshold(1, "test", verified=False)
    number = Threshold(3, "test", verified=False)
    plans = (
        StepPlan("no_such_step"),
        StepPlan("../store"),
        StepPlan("length", {"letters_min": number, "colour_max": number}),
        StepPlan("length"),
    )
    with pytest.raises(Invalid) as caught:
        build(Profile("bad", 1, sample, plans))
    assert caught.value.code == "corpus.profile_invalid"
    assert [finding.code for finding in caught.value.findings] == [
        "corpus.step_unknown",
        "corpus.step_unknown",
        "corpus.threshold_unknown",
        "corpus.threshold_missing",
        "corpus.step_twice",
    ]
    with pytest.raises(Invalid):
        build(Profile("none", 1, sample, ()))


def test_changing_a_threshold_that_is_not_there_is_refused() -> None:
    for step, name in (("length", "colour_max"), ("no_step", "letters_min")):
        with pytest.raises(Invalid) as caught:
            load_profile().with_value(step, name, 1, source="test")
        assert caught.value.code == "corpus.profile_invalid"


def test_every_threshold_of_the_built_in_profile_has_a_source() -> None:
    profile = load_profile()
    thresholds = [
        profile.sample_documents,
        *(t for p in profile.steps for t in p.thresholds.values()),
    ]
    assert all(threshold.source for threshold in thresholds)
    assert "verified" in str(profile.as_json())


def test_an_unknown_profile_is_refused_with_those_there_are() -> None:
    with pytest.raises(Invalid) as caught:
        load_profile("zh-long")
    assert "zh-short" in caught.value.message("zh")


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("name: [", ["p.yaml:1:8"]),
        ("name: a\nversion: one\nsteps: []\n", ["p.yaml: version", "p.yaml: sample_documents"]),
        (
            "name: a\nversion: 1\ncolour: red\n"
            "sample_documents: {value: 1, source: x, verified: no}\n"
            "steps: [{name: length, thresholds: {letters_min: {value: two, source: x}}}]\n",
            [
                "p.yaml: steps.0.thresholds.letters_min.value",
                "p.yaml: steps.0.thresholds.letters_min.verified",
                "p.yaml: colour",
            ],
        ),
    ],
)
def test_a_wrong_profile_file_is_refused_with_every_place(text: str, places: list[str]) -> None:
    with pytest.raises(Invalid) as caught:
        profiles.parse(text, where="p.yaml")
    assert [finding.where for finding in caught.value.findings] == places


def test_the_wilson_interval_has_the_textbook_values() -> None:
    # 200 of 200, 0 of 14 and 10 of 200: worked in the project's fact sheets and in Wilson's
    # formula.
    assert wilson(200, 200) == (pytest.approx(0.9812, abs=1e-4), 1.0)
    assert wilson(0, 14) == (0.0, pytest.approx(0.2153, abs=1e-4))
    assert wilson(10, 200) == (pytest.approx(0.0274, abs=1e-4), pytest.approx(0.0896, abs=1e-4))
    assert wilson(0, 0) == (0.0, 1.0)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share_and_lies_within_zero_and_one(trial: tuple[int, int]) -> None:
    found, of = trial
    low, high = wilson(found, of)
    assert 0.0 <= low <= found / of <= high <= 1.0
    mirrored = wilson(of - found, of)
    assert mirrored == (pytest.approx(1 - high), pytest.approx(1 - low))


def test_a_share_is_text_and_null_without_trials() -> None:
    assert share(1, 4)["share"] == "0.250000"
    assert share(0, 0) == {"found": 0, "of": 0, "share": None, "low": None, "high": None}


def test_encodings_are_told_by_the_majority_of_lines() -> None:
    lines = [WORDS] * 9
    assert detect("\n".join(lines).encode()) == "utf-8"
    assert detect("\n".join(lines).encode("gb18030")) == "gb18030"
    mixed = b"\n".join([*(line.encode() for line in lines), WORDS.encode("gb18030")])
    assert detect(mixed) == "utf-8"
    assert detect(b"plain ascii\n") == "utf-8"
    assert detect("a".encode("utf-16")) == "utf-16"
    for cut in range(1, 4):  # the head may end within a character
        assert detect((WORDS * 3).encode()[:-cut]) == "utf-8"


@given(st.binary(max_size=60))
def test_recovering_never_fails_and_says_when_bytes_were_lost(data: bytes) -> None:
    text, state = recover(data)
    try:
        said = CLEAN if b"\0" not in data else NULS
        assert (data.decode().replace("\0", "\ufffd"), said) == (text, state)
    except UnicodeDecodeError:
        assert state in (RECOVERED, DAMAGED) or (state == NULS and b"\0" in data)
        assert ("\ufffd" in text) or state == RECOVERED


def test_plausible_means_common_chinese() -> None:
    assert plausible(WORDS)
    assert not plausible(WORDS.encode().decode("latin-1"))
    assert not plausible("only ascii")
