"""Words in texts, counted by an automaton and by looking at every place one after the other."""

from __future__ import annotations

import random
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.corpus.kernels import keywords
from yunhe.corpus.kernels.utf8 import utf8
from yunhe.corpus.risk import automaton, finder, fold
from yunhe.corpus.risk.classes import classes
from yunhe.corpus.risk.library import Library

HAN = "甲乙丙丁戊"
WORD = st.text(HAN, min_size=2, max_size=5)
RISKS = [each.id for each in classes()]


def bytes_of(texts: list[str]):
    return utf8(pa.array(texts, pa.large_string()))


def library(entries: list[tuple[str, int, int, tuple[str, ...]]]) -> Library:
    return Library(
        tuple(word for word, *_ in entries),
        np.array([risk for _, risk, *_ in entries], np.uint8),
        np.array([weight for _, _, weight, _ in entries], np.int32),
        {n: each[3] for n, each in enumerate(entries) if each[3]},
        "sha256:0",
    )


def places(text: str, word: str) -> list[tuple[int, int]]:
    """Where a word stands, as `str.find` sees it; it may overlap itself."""
    found, at = [], text.find(word)
    while at >= 0:
        found.append((at, at + len(word)))
        at = text.find(word, at + 1)
    return found


def plainly(made: Library, texts: list[str]) -> dict[tuple[int, int], tuple[int, int]]:
    """By text and class: occurrences and points, counted the slow way."""
    counted: dict[tuple[int, int], tuple[int, int]] = {}
    for number, text in enumerate(texts):
        free: list[tuple[int, int, int]] = []
        for entry, word in enumerate(made.words):
            covers = [
                span for other in made.exceptions.get(entry, ()) for span in places(text, other)
            ]
            free += [
                (start, end, entry)
                for start, end in places(text, word)
                if not any(a <= start and end <= b for a, b in covers)
            ]
        for start, end, entry in free:
            risk = int(made.risks[entry])
            around = any(
                a <= start and end <= b and (a, b) != (start, end) and made.risks[other] == risk
                for a, b, other in free
            )
            if not around:
                hits, points = counted.get((number, risk), (0, 0))
                counted[number, risk] = hits + 1, points + int(made.weights[entry])
    return counted


def quickly(made: Library, texts: list[str]) -> dict[tuple[int, int], tuple[int, int]]:
    there, hits, points = finder.finder(made, gaps="none").points(bytes_of(texts))
    return {
        (int(text), risk): (int(hits[row, risk]), int(points[row, risk]))
        for row, text in enumerate(there)
        for risk in range(len(RISKS))
        if hits[row, risk]
    }


ENTRIES = st.lists(
    st.tuples(
        WORD,
        st.integers(0, 2),
        st.integers(1, 100),
        st.lists(st.tuples(st.text(HAN, max_size=2), st.text(HAN, max_size=2)), max_size=2),
    ),
    min_size=1,
    max_size=7,
    unique_by=lambda entry: entry[:2],
)
TEXTS = st.lists(st.text(HAN + "，x ", max_size=40), min_size=1, max_size=4)


@settings(max_examples=120, deadline=None)
@given(ENTRIES, TEXTS)
def test_points_are_those_that_one_counts_place_by_place(entries, texts) -> None:
    made = library(
        [
            (word, risk, weight, tuple(a + word + b for a, b in around if a or b))
            for word, risk, weight, around in entries
        ]
    )
    assert quickly(made, texts) == plainly(made, texts)


@settings(max_examples=80, deadline=None)
@given(st.lists(WORD, min_size=1, max_size=12, unique=True), TEXTS)
def test_every_place_that_find_finds_is_found_and_no_other(words, texts) -> None:
    hits = automaton.build(words, gaps="none").find(bytes_of(texts))
    before = np.concatenate([[0], np.cumsum([len(text.encode()) for text in texts])])
    expected = sorted(
        (n, int(before[n]) + len(text[:a].encode()), int(before[n]) + len(text[:b].encode()), w)
        for n, text in enumerate(texts)
        for w, word in enumerate(words)
        for a, b in places(text, word)
    )
    columns = (hits.texts, hits.starts, hits.ends, hits.words)
    assert sorted(zip(*(each.tolist() for each in columns), strict=True)) == expected
    assert (np.diff(hits.ends) >= 0).all()


def test_many_words_in_a_long_text_are_all_found() -> None:
    draw = random.Random(5)
    letters = [chr(code) for code in range(0x4E00, 0x4E00 + 300)]
    words = sorted({"".join(draw.choices(letters, k=draw.randint(2, 4))) for _ in range(3000)})
    text = "".join(draw.choices(letters, k=20_000))
    hits = automaton.build(words, gaps="none").find(bytes_of([text]))
    assert len(hits.words) == sum(len(places(text, word)) for word in words) > 100
    said = text.encode()
    for start, end, word in zip(hits.starts, hits.ends, hits.words, strict=True):
        assert said[start:end].decode() == words[word]


def test_more_hits_than_were_thought_of_are_all_told() -> None:
    words = ["甲甲", "甲甲甲", "甲甲甲甲"]
    text = "甲" * 5000
    hits = automaton.build(words, gaps="none").find(bytes_of([text]))
    assert np.bincount(hits.words).tolist() == [4999, 4998, 4997]


def test_texts_of_a_slice_are_numbered_from_its_own_beginning() -> None:
    whole = pa.array(["甲乙", "丙丁", "甲乙丙丁", ""], pa.large_string())
    made = automaton.build(["丙丁"], gaps="none")
    assert made.find(utf8(whole.slice(1, 2))).texts.tolist() == [0, 1]
    assert made.find(utf8(whole.slice(3))).texts.tolist() == []


def test_neighbouring_texts_are_not_read_as_one() -> None:
    made = automaton.build(["甲乙"], gaps="punctuation")
    assert len(made.find(bytes_of(["甲", "乙", "甲", "", "乙甲"])).texts) == 0


@pytest.mark.parametrize("gaps", fold.GAPS)
@settings(max_examples=60, deadline=None)
@given(word=WORD, between=st.text(" -_。·\u3000\u200b", max_size=3))
def test_what_may_stand_inside_a_word_depends_on_the_option(gaps, word, between) -> None:
    text = word[0] + between + word[1:]
    hits = automaton.build([word], gaps=gaps).find(bytes_of([text]))
    seen = [each for each in between if each != "\u200b"]
    allowed = {"none": "", "spaces": " \u3000", "punctuation": " \u3000-_。·"}[gaps]
    found = any(start == 0 for start in hits.starts)
    assert found == all(each in allowed for each in seen)


@settings(max_examples=80, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], max_codepoint=0xFFFF), max_size=20))
def test_folding_twice_is_folding_once_and_case_and_width_make_no_difference(text) -> None:
    [key] = fold.keys([text], "none")
    assert fold.keys([key], "none") == [key]
    single = [each for each in text if len(each.lower()) == len(each.upper()) == 1]
    # Letters with two small forms (final sigma, long s) are told apart, as lower case tells them.
    simple = "".join(each for each in single if each.upper().lower() == each.lower())
    assert fold.keys([simple.upper()], "none") == fold.keys([simple.lower()], "none")
    wide = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)
    assert fold.keys([wide], "none") == [key]
    assert len(fold.keys([text], "punctuation")[0]) <= len(fold.keys([text], "spaces")[0])


def test_letters_of_many_texts_are_those_of_each_alone() -> None:
    texts = ["ＡＢ c", "", "\u200b\u200b", "甲-乙", "𝒳é\u0301"]
    codes, starts = fold.letters(texts, "punctuation")
    assert len(starts) == len(texts) + 1
    for number, text in enumerate(texts):
        alone, _ = fold.letters([text], "punctuation")
        assert codes[starts[number] : starts[number + 1]].tolist() == alone.tolist()


def test_only_spaces_punctuation_and_symbols_may_stand_inside_a_word() -> None:
    table = fold.gaps("punctuation")
    for code in range(0x20, 0x3100):
        assert bool(table[code]) == (unicodedata.category(chr(code))[0] in "PSZ")
    assert not fold.gaps("none").any()
    assert np.flatnonzero(fold.gaps("spaces")).tolist() == [0x20]


LATIN = st.text("abAB1", min_size=2, max_size=4)


@settings(max_examples=100, deadline=None)
@given(LATIN, st.text("ab1 甲-", max_size=3), st.text("ab1 甲-", max_size=3))
def test_a_latin_word_counts_only_where_no_letter_or_digit_touches_it(word, before, after) -> None:
    text = before + word + after
    hits = automaton.build([word], gaps="none").find(bytes_of([text]))
    folded, key = text.lower(), word.lower()

    def plain(at: int) -> bool:
        return 0 <= at < len(folded) and folded[at].isascii() and folded[at].isalnum()

    alone = [(a, b) for a, b in places(folded, key) if not plain(a - 1) and not plain(b)]
    assert len(hits.starts) == len(alone)


def test_a_longer_word_of_another_class_hides_nothing() -> None:
    made = library([("甲乙", 0, 3, ()), ("甲乙丙", 1, 5, ()), ("乙丙", 1, 7, ())])
    assert quickly(made, ["甲乙丙"]) == {(0, 0): (1, 3), (0, 1): (1, 5)}


def test_an_exception_protects_its_own_word_and_only_where_it_stands() -> None:
    made = library([("甲乙", 0, 1, ("甲乙丙",)), ("乙丙", 0, 1, ())])
    assert quickly(made, ["甲乙丙"]) == {(0, 0): (1, 1)}
    assert quickly(made, ["甲乙丙甲乙"]) == {(0, 0): (2, 2)}
    assert quickly(made, ["甲乙"]) == {(0, 0): (1, 1)}


def test_points_of_a_text_that_says_it_often_do_not_run_over() -> None:
    made = library([("甲乙", 30, 100, ())])
    assert quickly(made, ["甲乙" * 100_000]) == {(0, 30): (100_000, 10_000_000)}


def test_the_longest_gap_is_three_characters() -> None:
    made = automaton.build(["甲乙"], gaps="punctuation")
    for count in range(6):
        found = len(made.find(bytes_of(["甲" + "，" * count + "乙"])).starts)
        assert found == (count <= keywords.GAP_MAX)
