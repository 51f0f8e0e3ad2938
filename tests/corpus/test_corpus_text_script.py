"""Simplified and traditional script, equal to OpenCC; languages by script and letters."""

from __future__ import annotations

import numpy as np
import pytest
from corpus_steps import array, bytes_of, outcome, reasons, step, texts_after
from hypothesis import given, settings
from hypothesis import strategies as st
from opencc import OpenCC

from yunhe.corpus.kernels import language, opencc, script
from yunhe.corpus.kernels.measures import measured
from yunhe.kernel.errors import Invalid

PEERS = {"t2s": OpenCC("t2s"), "s2t": OpenCC("s2t")}
TRADITIONAL = "".join(sorted(opencc.characters("t2s")))
PHRASES = {way: sorted(opencc.phrases(way)) for way in ("t2s", "s2t")}


def converted(texts: list[str], way: str) -> list[str]:
    found, changed = script.converted(bytes_of(texts), way)
    after = texts if found is None else found.to_pylist()
    assert changed.tolist() == [int(a != b) for a, b in zip(texts, after, strict=True)]
    return after


@settings(deadline=None)
@given(st.data(), st.sampled_from(["t2s", "s2t"]))
def test_conversion_equals_the_library_on_characters_and_phrases(
    data: st.DataObject, way: str
) -> None:
    pieces = st.one_of(
        st.sampled_from(PHRASES[way]),
        st.sampled_from(TRADITIONAL),
        st.sampled_from("小区门口的，。 ab1発干后面发里"),
        st.sampled_from(PHRASES[way]).map(lambda phrase: phrase[:-1]),
        st.sampled_from(PHRASES[way]).map(lambda phrase: phrase[1:]),
    )
    texts = data.draw(st.lists(st.lists(pieces, max_size=12).map("".join), max_size=4))
    assert converted(texts, way) == [PEERS[way].convert(text) for text in texts]
    for kernel in (script.convert, script.candidates):
        assert len(kernel.signatures) <= 1


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), max_size=4))
def test_conversion_keeps_the_length_of_any_text_and_what_is_no_hanzi(texts: list[str]) -> None:
    for way in ("t2s", "s2t"):
        after = converted(texts, way)
        assert [len(text) for text in after] == [len(text) for text in texts]
        assert after == [PEERS[way].convert(text) for text in texts]


def test_phrases_go_before_characters_and_the_longest_first() -> None:
    assert converted(["乾坤與乾燥", "一目瞭然", "回覆"], "t2s") == [
        "乾坤与干燥",
        "一目了然",
        "回复",
    ]
    assert converted(["头发发展", "后面皇后"], "s2t") == ["頭髮發展", "後面皇后"]


def test_a_text_in_the_script_asked_for_is_not_copied_and_others_are_marked() -> None:
    assert outcome("script", ["简体中文", "plain"]).texts is None
    found = outcome("script", ["简体", "繁體"], to="simplified")
    assert found.texts.to_pylist() == ["简体", "繁体"]
    assert [step("script").repairs[code - 1] for code in found.repairs[1:]] == ["to_simplified"]
    assert texts_after("script", ["头发"], to="traditional") == ["頭髮"]


def test_the_tables_are_part_of_what_names_a_pipeline() -> None:
    ready = step("script").prepare({"to": "simplified"})
    other = step("script").prepare({"to": "traditional"})
    assert ready.data["opencc"].startswith("sha256:")
    assert ready.data != other.data


def test_phrases_that_the_library_can_never_meet_are_left_out() -> None:
    assert all("．" not in phrase for phrase in opencc.phrases("s2t"))
    assert all(len(key) == len(value) for way in PHRASES for key, value in
               opencc.phrases(way).items())  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("小区门口的路灯坏了三天没有人来修", "zh"),
        ("小區門口的路燈壞了三天沒有人來修", "zh-Hant"),
        ("學而時習之不亦說乎", "zh-Hant"),
        ("子曰：君子不器。", "zh"),
        ("昨日は友達と映画を見に行きました。", "ja"),
        ("어제는 친구와 영화를 보러 갔습니다.", "ko"),
        ("The street lamp at the gate has been broken for three days and nobody repairs it.", "en"),
        ("用 pip install 安装这个包之后，运行 python main.py 就可以看到 result 的输出。", "zh"),
        ("Вчера мы с другом ходили в кино, и фильм нам очень понравился.", "ru"),
        ("Gestern war ich mit einem Freund im Kino, und der Film hat uns gut gefallen.", "de"),
        ("12345 ——", "und"),
        ("", "und"),
        ("好の天气，三天没有人来修了", "zh"),
    ],
)
def test_languages_are_told_offline(text: str, expected: str) -> None:
    codes, _ = language.languages(measured(bytes_of([text])), array([text]))
    assert language.LANGUAGES[int(codes[0])] == expected


def test_languages_that_were_not_asked_for_are_dropped_and_both_scripts_are_chinese() -> None:
    texts = ["小区门口的路灯坏了", "小區門口的路燈壞了", "Nobody repairs the lamp at the gate.",
             "안녕하세요 반갑습니다", "代码 " + "int main return " * 3]  # fmt: skip
    least = {"share_per_thousand_min": 200}
    dropped = ["", "", "other_language", "other_language", "other_language"]
    assert reasons("language", texts, least, keep="zh") == dropped
    assert reasons("language", texts, least, keep="zh,en")[2] == ""
    assert reasons("language", texts, least, keep="zh-Hant")[0] == "other_language"
    assert reasons("language", texts, {"share_per_thousand_min": 0}) == [""] * 5
    mixed = ["安装 the package 之后再运行这个程序吧"]
    assert reasons("language", mixed, {"share_per_thousand_min": 950}) == ["mixed_languages"]
    found = outcome("language", texts, least, keep="zh")
    assert [language.LANGUAGES[code] for code in found.languages[:4]] == [
        "zh",
        "zh-Hant",
        "en",
        "ko",
    ]


def test_every_unknown_language_of_a_profile_is_named() -> None:
    with pytest.raises(Invalid) as caught:
        step("language").prepare({"keep": "zh,klingon,xx"})
    assert [finding.code for finding in caught.value.findings] == ["corpus.language_unknown"] * 2


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), max_size=4))
def test_a_share_of_letters_is_never_more_than_all(texts: list[str]) -> None:
    codes, share = language.languages(measured(bytes_of(texts)), array(texts))
    assert ((share >= 0) & (share <= 1000)).all()
    assert (codes < len(language.LANGUAGES)).all()
    assert len(codes) == len(texts)
    assert np.unique(np.array(language.LANGUAGES)).size == len(language.LANGUAGES) < 256
