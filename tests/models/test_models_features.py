"""N-gram rows equal a plain-Python reference, alone and in company."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.models import features
from yunhe.models.features import Ngrams, batches, common_ngrams, encode, normalised

MASK = 2**64 - 1
TEXTS = st.lists(
    st.text(st.sampled_from("热线报修路灯ＡaB１1　 \x02\x03😀é\u0301"), max_size=12), max_size=8
)
RANGES = st.tuples(st.integers(1, 4), st.integers(0, 3)).map(lambda p: Ngrams(p[0], p[0] + p[1]))


def plain_number(run: str) -> int:
    """The number of one n-gram, in Python's own integers."""
    state = 0
    for letter in run:
        state = ((state ^ (ord(letter) + 1)) * 0x9E3779B97F4A7C15) & MASK
        state ^= state >> 29
    return (state * 0xBF58476D1CE4E5B9 & MASK) ^ len(run)


def plain_runs(text: str, ngrams: Ngrams) -> list[str]:
    framed = f"\x02{normalised(text)}\x03"
    return [
        framed[start : start + size]
        for size in range(ngrams.shortest, ngrams.longest + 1)
        for start in range(len(framed) - size + 1)
        if size > 1 or framed[start] > "\x03"
    ]


def plain_row(text: str, vocabulary: np.ndarray, ngrams: Ngrams) -> dict[int, float]:
    place = {int(number): index for index, number in enumerate(vocabulary)}
    counts = Counter(place.get(plain_number(run)) for run in plain_runs(text, ngrams))
    row = {column: 1 + math.log(n) for column, n in counts.items() if column is not None}
    length = math.sqrt(sum(value * value for value in row.values()))
    return {column: row[column] / length for column in sorted(row)}


def row_of(encoded: features.Encoded, index: int) -> dict[int, float]:
    part = slice(encoded.offsets[index], encoded.offsets[index + 1])
    return dict(zip(encoded.columns[part].tolist(), encoded.values[part].tolist(), strict=True))


@given(TEXTS, TEXTS, RANGES)
def test_rows_equal_the_plain_reference(train, texts, ngrams):
    vocabulary = common_ngrams([*train, "路灯报修"], ngrams, at_least=1, most=10_000)
    encoded = encode(texts, vocabulary, ngrams)
    assert len(encoded.offsets) == len(texts) + 1
    for index, text in enumerate(texts):
        expected, found = plain_row(text, vocabulary, ngrams), row_of(encoded, index)
        assert list(found) == list(expected)
        np.testing.assert_allclose(list(found.values()), list(expected.values()), rtol=1e-12)


@given(TEXTS, RANGES, st.integers(1, 3), st.integers(1, 20))
def test_the_vocabulary_is_the_most_widespread_ngrams(texts, ngrams, at_least, most):
    spread = Counter(
        number for t in texts for number in {*map(plain_number, plain_runs(t, ngrams))}
    )
    ranked = sorted((-n, number) for number, n in spread.items() if n >= at_least)
    found = common_ngrams(texts, ngrams, at_least=at_least, most=most)
    assert found.tolist() == sorted(number for _, number in ranked[:most])


@given(TEXTS)
def test_a_row_is_the_same_alone_and_among_others(texts):
    vocabulary = common_ngrams([*texts, "路灯"], Ngrams(), at_least=1, most=500)
    together = encode(texts, vocabulary, Ngrams())
    for index, text in enumerate(texts):
        assert row_of(encode([text], vocabulary, Ngrams()), 0) == row_of(together, index)


@given(TEXTS, st.integers(1, 3), st.integers(1, 30))
@settings(max_examples=50)
def test_neither_rows_nor_vocabulary_depend_on_the_size_of_batches(texts, most_texts, most_points):
    texts = [*texts, "路灯"]
    vocabulary = common_ngrams(texts, Ngrams(), at_least=1, most=40)
    whole = encode(texts, vocabulary, Ngrams())
    before = features.BATCH_TEXTS, features.BATCH_POINTS
    features.BATCH_TEXTS, features.BATCH_POINTS = most_texts, most_points
    try:
        pieces = list(batches(texts))
        assert [text for piece in pieces for text in piece] == texts
        assert max(map(len, pieces)) <= most_texts
        assert all(len(p) == 1 or sum(map(len, p)) <= most_points for p in pieces)
        np.testing.assert_array_equal(
            common_ngrams(texts, Ngrams(), at_least=1, most=40), vocabulary
        )
        small = encode(texts, vocabulary, Ngrams())
    finally:
        features.BATCH_TEXTS, features.BATCH_POINTS = before
    for name in ("offsets", "columns", "values"):
        np.testing.assert_array_equal(getattr(small, name), getattr(whole, name))


@given(st.lists(st.text(max_size=30), min_size=1, max_size=10))
def test_different_ngrams_have_different_numbers(texts):
    runs = {run for text in texts for run in plain_runs(text, Ngrams(1, 4))}
    assert len({plain_number(run) for run in runs}) == len(runs)


@given(st.text(max_size=40))
def test_normalising_twice_changes_nothing_and_leaves_no_marks(text):
    once = normalised(text)
    assert unicodedata.is_normalized("NFKC", normalised(once))
    assert not {"\x02", "\x03"} & set(once)
    assert "  " not in once


def test_full_width_and_upper_case_letters_are_the_same_text():
    assert normalised("ＡＢＣ　１２３\n路灯") == normalised("abc 123  路灯") == "abc 123 路灯"


def test_no_texts_are_no_rows():
    vocabulary = common_ngrams(["路灯"], Ngrams(), at_least=1, most=10)
    encoded = encode([], vocabulary, Ngrams())
    assert (encoded.offsets.tolist(), len(encoded.columns)) == ([0], 0)
    assert len(common_ngrams([], Ngrams(), at_least=1, most=10)) == 0
