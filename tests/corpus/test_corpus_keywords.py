"""The matcher of words against a plain search, and how a library's words are counted."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.corpus.documents import Documents, Values
from yunhe.corpus.kernels import keywords
from yunhe.corpus.kernels.utf8 import utf8
from yunhe.corpus.risk import automaton, fold
from yunhe.corpus.risk.classes import classes
from yunhe.corpus.risk.finder import finder
from yunhe.corpus.risk.library import Library, parse
from yunhe.corpus.steps.risk import STEP

ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
CLOSE = st.text("abAB甲乙丙 ，-\u200b１a２１", max_size=30)
TEXTS = st.lists(ANY | CLOSE, max_size=6)
WORDS = st.lists(st.text("abA甲乙丙-1", min_size=2, max_size=5) | ANY, min_size=1, max_size=8)
Hit = tuple[int, int, int, int]


def library(*rows: str) -> Library:
    return parse("\n".join(["word,class,weight,exceptions", *rows]).encode(), name="w.csv")


def usable(words: list[str], gaps: str) -> list[str]:
    """The words that a library may hold, one of each key."""
    kept: dict[str, str] = {}
    for word, key in zip(words, fold.keys(words, gaps), strict=True):
        if 2 <= len(key) <= keywords.LETTERS_MAX:
            kept.setdefault(key, word)
    return list(kept.values())


def found(words: list[str], texts: list[str], gaps: str) -> list[Hit]:
    hits = automaton.build(words, gaps=gaps).find(utf8(pa.array(texts, pa.large_string())))
    columns = (hits.texts, hits.starts, hits.ends, hits.words)
    return sorted(zip(*(column.tolist() for column in columns), strict=True))


def plain(words: list[str], texts: list[str], gaps: str) -> list[Hit]:
    """The same, one character and one word at a time."""
    known = fold.keys(words, gaps)
    seen: list[Hit] = []
    at = 0
    for number, text in enumerate(texts):
        letters, run = [], 0
        start = at
        for character in text:
            code = int(fold.folded()[ord(character)])
            size = len(character.encode())
            if code == 0:
                pass
            elif fold.gaps(gaps)[code]:
                run += 1
                if run > keywords.GAP_MAX:
                    letters.append(("", at, at))
            else:
                run = 0
                letters.append((chr(code), at, at + size))
            at += size
        seen += _plain_hits(letters, known, number, text=text.encode(), start=start)
    return sorted(seen)


def _plain_hits(
    letters: list[tuple[str, int, int]], known: list[str], number: int, *, text: bytes, start: int
) -> list[Hit]:
    def plain_at(place: int) -> bool:
        return (
            start <= place < start + len(text)
            and chr(text[place - start]).isalnum()
            and (text[place - start] < 128)
        )

    hits = []
    for word, key in enumerate(known):
        for place in range(len(letters) - len(key) + 1):
            window = letters[place : place + len(key)]
            if [letter for letter, _, _ in window] != list(key):
                continue
            first, end = window[0][1], window[-1][2]
            edges = [(key[0], first - 1), (key[-1], end)]
            if not any(e.isascii() and e.isalnum() and plain_at(at) for e, at in edges):
                hits.append((number, first, end, word))
    return hits


@settings(max_examples=100, deadline=None)
@given(WORDS, TEXTS, st.sampled_from(fold.GAPS))
def test_the_automaton_finds_what_a_plain_search_finds(
    words: list[str], texts: list[str], gaps: str
) -> None:
    chosen = usable(words, gaps)
    assert found(chosen, texts, gaps) == plain(chosen, texts, gaps)


@settings(max_examples=40, deadline=None)
@given(WORDS, TEXTS)
def test_words_cut_from_a_text_are_found_in_it(words: list[str], texts: list[str]) -> None:
    text = "，".join([*words, *texts])
    for word in usable(words, "none"):
        if not (word[0].isascii() or word[-1].isascii()):
            assert found([word], [text], "none")


def test_the_kernel_is_compiled_for_one_kind_of_argument_and_equals_its_python() -> None:
    made = automaton.build(["甲乙", "乙丙", "甲乙丙", "bad"], gaps="punctuation")
    texts = utf8(
        pa.array(["", "甲 乙丙甲乙", "bad, bade, ＢＡＤ", "😀甲乙"], pa.large_string()).slice(1)
    )
    compiled, written = np.zeros((2, 40), np.int64)
    arguments = (*texts, made.symbols, made.pairs, made.nodes, made.labels)
    count = keywords.find_words(*arguments, compiled)
    assert count == 7
    compiler: Any = keywords.find_words
    assert len(compiler.signatures) == 1
    assert compiler.py_func(*arguments, written) == count
    assert (compiled == written).all()
    assert keywords.find_words(*arguments, np.zeros(4, np.int64)) == count


def test_more_hits_than_expected_are_all_found() -> None:
    text = "甲乙" * 20_000
    assert len(found(["甲乙", "乙甲"], [text], "none")) == 39_999


def test_text_and_words_made_to_slow_a_search_do_not() -> None:
    words = ["a甲" * 31 + "b", *("甲" * n for n in range(2, 64))]
    made = automaton.build(words, gaps="punctuation")
    hostile = utf8(pa.array(["甲" * 5_000 + "a甲" * 5_000], pa.large_string()))
    hits = made.find(hostile)
    assert len(hits.words) == sum(5_001 - n for n in range(2, 64))


@pytest.mark.parametrize("count", [0, 1, 10_000])
def test_an_automaton_of_any_size_is_built_and_holds_each_word(count: int) -> None:
    draw = random.Random(5)
    words = list(
        {"".join(draw.choices("的一是在不了有和人这中大为上个国", k=6)) for _ in range(count)}
    )
    text = "。\n\n\n\n".join(words)
    hits = found(words, [text], "punctuation")
    assert {word for _, _, _, word in hits} == set(range(len(words)))


def counted(rows: list[str], *texts: str, gaps: str = "punctuation") -> list[tuple[int, str]]:
    made = library(*rows)
    seen = finder(made, gaps=gaps).find(utf8(pa.array(texts, pa.large_string())))
    pairs = zip(seen.texts.tolist(), seen.entries.tolist(), strict=True)
    return sorted((text, made.words[entry]) for text, entry in pairs)


def test_case_width_spaces_and_invisible_characters_hide_nothing() -> None:
    rows = ["坏词语,A.1.8", "Bad Word,A.1.8"]
    hidden = [
        "坏 词 语",
        "坏*词-语",
        "坏\u200b词\u00ad语",
        "ＢＡＤ　ｗｏｒｄ",
        "bad\nWORD",
        "b̶ad word",
    ]
    assert [text for text, _ in counted(rows, *hidden)] == list(range(len(hidden)))


def test_a_word_is_not_put_together_from_two_paragraphs() -> None:
    assert counted(["坏词,A.1.8"], "这很坏\n\n\n\n词语") == []
    assert counted(["坏词,A.1.8"], "这很坏，词语", gaps="spaces") == []
    assert counted(["坏词,A.1.8"], "这很坏 词语", gaps="none") == []


def test_a_latin_word_is_not_found_inside_another() -> None:
    rows = ["ass,A.1.6"]
    assert [text for text, _ in counted(rows, "class", "ass", "他说ass。", "as s2")] == [1, 2]


def test_a_word_inside_one_of_its_exceptions_does_not_count() -> None:
    rows = ["习大,A.1.2,1,学习大国|练习大纲"]
    texts = ["学习大国", "学习 大 国", "习大学习大国", "习大", "练习大纲习大"]
    assert [text for text, _ in counted(rows, *texts)] == [2, 3, 4]


def test_of_two_words_of_a_class_one_inside_the_other_the_longer_counts() -> None:
    rows = ["炸药,A.1.4,1", "制造炸药,A.1.4,5", "造炸,A.1.6,2"]
    assert counted(rows, "制造炸药") == [(0, "制造炸药"), (0, "造炸")]


def test_a_word_may_belong_to_two_classes() -> None:
    made = finder(library("坏词,A.1.1,2", "坏词,A.2.4,3"), gaps="none")
    there, hits, points = made.points(utf8(pa.array(["好", "坏词坏词"], pa.large_string())))
    kinds = [each.id for each in classes()]
    assert there.tolist() == [1]
    assert hits[0, kinds.index("A.1.1")] == 2
    assert (points[0, kinds.index("A.1.1")], points[0, kinds.index("A.2.4")]) == (4, 6)


def step(rows: list[str], texts: list[str], **thresholds: int) -> tuple[list[str], list[int]]:
    asked = dict.fromkeys(STEP.thresholds, 0) | {"hits_min": 1, "a1_points_min": 3} | thresholds
    values = Values(asked, {"gaps": "punctuation"}, finder(library(*rows), gaps="punctuation"))
    column = pa.array(texts, pa.large_string())
    empty = np.zeros(len(texts), np.uint8)
    assert STEP.work is not None
    outcome = STEP.work(Documents(column, empty.astype(np.bool_), empty), values)
    if outcome.reasons is None or outcome.scores is None:
        return [""] * len(texts), [0] * len(texts)
    names = ["", *STEP.reasons]
    return [names[code] for code in outcome.reasons.tolist()], outcome.scores.tolist()


ROWS = ["坏词,A.1.2,2", "恶语,A.1.6,3", "偏见,A.2.4,9"]


def test_a_document_goes_for_the_class_with_the_most_points() -> None:
    texts = ["好", "坏词", "坏词坏词", "坏词坏词恶语恶语", "偏见"]
    assert step(ROWS, texts) == (["", "", "a1_2", "a1_6", ""], [0, 2, 4, 6, 9])


def test_a_bound_of_hits_and_one_of_density_must_be_met_as_well() -> None:
    assert step(ROWS, ["恶语"], hits_min=2)[0] == [""]
    long = "恶语" + "很好的文章" * 2000
    assert step(ROWS, [long, "恶语"], points_per_10000_letters_min=10)[0] == ["", "a1_6"]


def test_the_reasons_are_the_31_classes_in_order() -> None:
    assert len(STEP.reasons) == 31
    assert [a < b for a, b in pairwise(STEP.reasons)] == [True] * 30
