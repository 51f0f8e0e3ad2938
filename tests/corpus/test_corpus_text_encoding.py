"""Text read in a wrong encoding: what comes back, and what is never taken for it."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import numpy as np
import pytest
from corpus_steps import bytes_of, outcome, step
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.corpus.kernels import mojibake

WORDS = "小区门口的路灯坏了三天没有人来修"
LEAST = {"lost_per_thousand_max": 1000}


def repaired(text: str) -> tuple[str, str]:
    found = outcome("encoding", [text, WORDS], LEAST)
    if found.texts is None:
        return text, ""
    assert found.texts[1].as_py() == WORDS
    return found.texts[0].as_py(), step("encoding").repairs[int(found.repairs[0]) - 1]


@pytest.mark.parametrize(
    ("written", "seen", "kind"),
    [
        ("utf-8", "latin-1", "utf8_as_latin1"),
        ("gb18030", "latin-1", "gbk_as_latin1"),
    ],
)
def test_chinese_that_was_misread_comes_back(written: str, seen: str, kind: str) -> None:
    assert repaired(WORDS.encode(written).decode(seen)) == (WORDS, kind)


def test_chinese_that_was_misread_twice_comes_back() -> None:
    twice = WORDS.encode().decode("latin-1").encode().decode("latin-1")
    assert repaired(twice) == (WORDS, "utf8_twice")


def test_utf8_read_as_gbk_comes_back_with_what_was_lost_marked() -> None:
    text, kind = repaired((WORDS + "，").encode().decode("gb18030", "replace"))
    assert kind == "utf8_as_gbk"
    assert sum(a == b for a, b in zip(text, WORDS, strict=False)) >= len(WORDS) - 2


@pytest.mark.parametrize("text", ["Voilà un café très animé", "naïve “quotes” — déjà vu", "Größe"])
def test_latin_words_that_were_misread_come_back_alone_and_within_chinese(text: str) -> None:
    for encoding in ("latin-1", "cp1252"):
        try:
            seen = text.encode().decode(encoding)
        except UnicodeDecodeError:
            continue
        assert repaired(seen) == (text, "latin_misread")
        within = f"{WORDS}，“引文”！\n{seen}\n{WORDS}。"
        assert repaired(within) == (within.replace(seen, text), "latin_misread")


@pytest.mark.parametrize(
    "text",
    [
        "Voilà un café très animé, déjà vu à la fête", "“引文”，！（）：；…—·", "ＡＢ全角１２",
        "ﬁne ligatures stay", "臺灣正體與傳統漢字", "學而時習之，不亦說乎", "Ärger über Größe",
        "ÂÃ",
        "",
        "日本語のテキスト", "한국어 텍스트", "Ж и Я", "AT&amp;T stays for another step", "x\u00a0y",
    ],
)  # fmt: skip
def test_ordinary_text_of_any_kind_is_never_changed(text: str) -> None:
    assert repaired(text) == (text, "")


def test_accents_apart_from_their_letters_are_put_back_and_nothing_else_is_composed() -> None:
    assert repaired("cafe\u0301 与 nai\u0308ve") == ("café 与 naïve", "composed")
    kept = "豈更\u0301"  # a hanzi for compatibility, which NFC would replace
    assert repaired(kept) == (kept, "")


@settings(deadline=None)
@given(
    st.lists(
        st.text(st.sampled_from("aÃÂâé\u0080\u0099€©\u0301\u0370\u036f好, "), max_size=12),
        max_size=5,
    )
)
def test_signs_are_found_where_the_reference_finds_them(texts: list[str]) -> None:
    found = np.zeros(len(texts), np.uint8)
    inputs = bytes_of(texts)
    mojibake.signs(inputs.data, inputs.offsets, found)
    for text, sign in zip(texts, found.tolist(), strict=True):
        apart = any(0x300 <= ord(character) < 0x370 for character in text)
        assert bool(sign & mojibake.APART) == apart
        led = any(
            0xC2 <= ord(first) <= 0xF4 and second in "\u0080\u0099€©"
            for first, second in pairwise(text)
        )
        assert led <= bool(sign & mojibake.MANGLED)
    assert len(mojibake.signs.signatures) == 1


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_repairing_never_fails_and_keeps_what_is_ascii(text: str) -> None:
    after, kind = repaired(text)
    assert (after != text) == bool(kind)
    if kind and kind != "composed":
        assert [c for c in after if c.isascii()][:1] == [c for c in text if c.isascii()][:1]
    if kind == "composed":
        assert unicodedata.normalize("NFC", after) == unicodedata.normalize("NFC", text)
