"""Classes of characters, their counts, and the steps that go by shares of them."""

from __future__ import annotations

import numpy as np
import pytest
from corpus_steps import array, bytes_of, outcome, reasons
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.corpus.documents import Documents
from yunhe.corpus.kernels import classes as c
from yunhe.corpus.kernels import measures

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), max_size=8)


@settings(deadline=None)
@given(TEXTS)
def test_every_character_is_counted_once_in_its_class(texts: list[str]) -> None:
    found = measures.measured(bytes_of(texts))
    table = c.classes()
    for text, row in zip(texts, found.tolist(), strict=True):
        expected = [0] * c.CLASSES
        for character in text:
            code = ord(character)
            expected[table[code] if code < c.CODES else c.SYMBOL] += 1
        assert row == expected
    assert len(measures.count.signatures) == 1


def test_letters_digits_and_hanzi_are_what_python_calls_alphanumeric() -> None:
    table = c.classes()
    wrong = [
        code
        for code in range(0x10000)
        if not 0xD800 <= code < 0xE000 and (int(table[code]) in c.WORDS) != chr(code).isalnum()
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("character", "kind"),
    [
        ("\n", c.NEWLINE), ("\t", c.BLANK), ("\u3000", c.SPACE), ("\u200b", c.INVISIBLE),
        ("7", c.DIGIT), ("a", c.LATIN), ("é", c.ACCENT), ("一", c.COMMON), ("国", c.SIMPLIFIED),
        ("國", c.TRADITIONAL), ("丂", c.RARE), ("の", c.KANA), ("한", c.HANGUL), ("ж", c.CYRILLIC),
        ("ع", c.ARABIC), ("ก", c.LETTER), ("½", c.NUMBER), ("，", c.PUNCTUATION), ("+", c.SYMBOL),
        ("\ue000", c.PRIVATE), ("\ufffd", c.LOST), ("¿", c.MISREAD), ("𠀀", c.RARE),
        ("😀", c.SYMBOL),
    ],
)  # fmt: skip
def test_each_kind_of_character_has_its_class(character: str, kind: int) -> None:
    assert c.classes()[ord(character)] == kind


def test_counts_go_along_when_documents_are_dropped_and_not_when_texts_change() -> None:
    texts = ["一二", "three", "四"]
    found = Documents(array(texts), np.zeros(3, np.bool_), np.zeros(3, np.uint8))
    whole = found.measures
    left = found.only(np.array([True, False, True]))
    assert left.__dict__["measures"].tolist() == whole[[0, 2]].tolist()
    assert "measures" not in left.with_texts(array(["五", "六"])).__dict__


def test_length_counts_letters_or_characters_as_asked() -> None:
    bounds = {"letters_min": 3, "letters_max": 6}
    texts = ["一，二", "一二三", "一二三四五六，", "， 。"]
    assert reasons("length", texts, bounds) == ["too_short", "", "", "no_words"]
    by_characters = reasons("length", texts, bounds, count="characters")
    assert by_characters == ["", "", "too_long", "no_words"]
    assert outcome("length", texts, bounds).scores.tolist() == [2, 3, 6, 0]


def test_documents_of_signs_are_dropped_by_either_share() -> None:
    texts = ["小区门口的路灯坏了", "12345678", "=====+好+=====", ""]
    least = {"letters_per_thousand_min": 400, "signs_per_thousand_max": 600}
    assert reasons("quality", texts, least) == ["", "many_signs", "few_letters", "few_letters"]
    peer = {"letters_per_thousand_min": 0, "signs_per_thousand_max": 900}
    assert reasons("quality", texts, peer) == ["", "many_signs", "many_signs", ""]


@settings(deadline=None)
@given(TEXTS)
def test_shares_lie_between_none_and_all(texts: list[str]) -> None:
    found = outcome(
        "quality", texts, {"letters_per_thousand_min": 0, "signs_per_thousand_max": 1000}
    )
    assert not found.reasons.any()
    assert ((found.scores >= 0) & (found.scores <= 1000)).all()
