"""The kernels of duplicates against plain Python, document by document."""

from __future__ import annotations

import random

import numpy as np
import pytest
from corpus_near_desk import array, bytes_of, folded, invented, jaccard, runs_of
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.corpus.kernels import bands, hashing, likeness, overlap, shingles
from yunhe.corpus.kernels.utf8 import utf8
from yunhe.native.compiled import _declared

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
CHINESE = st.text("电话是我的家在三路号一二，。 aBＡ１1é😀\U00020000\U00020001", max_size=40)
TEXTS = st.lists(TEXT | CHINESE, max_size=10)
MASK = (1 << 64) - 1
MODULES = ("bands", "hashing", "likeness", "overlap", "shingles")


CALM = settings(deadline=None)
"""The first example may have to compile a kernel."""


def mixed(value: int) -> int:
    """`hashing.mix` in plain Python."""
    value = ((value ^ value >> 30) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ value >> 27) * 0x94D049BB133111EB) & MASK
    return value ^ value >> 31


@CALM
@given(st.lists(st.integers(0, MASK), max_size=20))
def test_mixing_equals_plain_python_and_keeps_values_apart(values: list[int]) -> None:
    found = hashing.mix(np.array(values, np.uint64))
    assert found.tolist() == [mixed(value) for value in values]
    assert len(set(found.tolist())) == len(set(values))


@CALM
@given(TEXTS)
def test_hashes_are_equal_exactly_where_texts_are(texts: list[str]) -> None:
    texts = [*texts, *texts[:3]]
    hashes = hashing.text_hashes(bytes_of(texts))
    assert hashes.shape == (len(texts), 2)
    for half in (hashes[:, 0].tolist(), hashes[:, 1].tolist()):
        assert [half.index(value) for value in half] == [texts.index(text) for text in texts]


@CALM
@given(TEXTS, TEXT)
def test_a_document_hashes_the_same_wherever_it_stands(texts: list[str], text: str) -> None:
    within = array([*texts, text, "后面"]).slice(len(texts), 1)
    for hashes in (hashing.text_hashes, hashing.letter_hashes):
        assert (hashes(utf8(within)) == hashes(bytes_of([text]))).all()
    assert (shingles.signatures(utf8(within)) == shingles.signatures(bytes_of([text]))).all()


def turned(value: int, bits: int) -> int:
    return (value << bits | value >> (64 - bits)) & MASK


def hash_by_hand(data: bytes) -> tuple[int, int]:
    """`hashing.hash_texts` in plain Python."""
    one, two = len(data) ^ 0x9E3779B185EBCA87, len(data) ^ 0xC2B2AE3D27D4EB4F
    for at in range(0, len(data) // 8 * 8 + 8, 8):
        word = int.from_bytes(data[at : at + 8], "little")
        one = turned((one + word * 0xC2B2AE3D27D4EB4F) & MASK, 31) * 0x9E3779B185EBCA87 & MASK
        two = (turned(two ^ word, 27) * 0xBF58476D1CE4E5B9 + 0x94D049BB133111EB) & MASK
    return mixed(one), mixed((two + one) & MASK)


@CALM
@given(TEXT)
def test_the_hash_of_a_text_equals_plain_python(text: str) -> None:
    expected = hash_by_hand(text.encode())
    assert tuple(hashing.text_hashes(bytes_of([text]))[0].tolist()) == expected


@CALM
@given(TEXTS)
def test_letter_hashes_are_equal_exactly_where_letters_are(texts: list[str]) -> None:
    texts = [*texts, *("，" + text.upper() + " " for text in texts if text.isascii())]
    said = ["".join(folded(text)) or text for text in texts]
    hashes = hashing.letter_hashes(bytes_of(texts))[:, 0].tolist()
    assert [hashes.index(value) for value in hashes] == [said.index(what) for what in said]


def test_full_width_and_half_width_capitals_and_small_letters_are_the_same_letters() -> None:
    hashes = hashing.letter_hashes(bytes_of(["电话：ＡＢ１３８", "电话 ab138", "电话ab139"]))
    assert (hashes[0] == hashes[1]).all()
    assert (hashes[1] != hashes[2]).any()


@CALM
@given(st.lists(st.lists(st.integers(0, 3), min_size=2, max_size=2), max_size=12))
def test_first_occurrences_are_those_of_the_rows(rows: list[list[int]]) -> None:
    hashes = np.array(rows, np.uint64).reshape(-1, 2)
    assert hashing.first_occurrences(hashes).tolist() == [rows.index(row) for row in rows]


def test_of_no_documents_there_are_no_first_occurrences() -> None:
    for shape in ((0, 2), (0, 1)):
        assert hashing.first_occurrences(np.empty(shape, np.uint64)).tolist() == []


def run_hash(run: str) -> int:
    """`shingles.run_hash` in plain Python."""
    padded = run if len(run) == shingles.RUN else None
    before, last = 0, 0x10000 if padded is None else ord(run[-1])
    for letter in run if padded is None else run[:-1]:
        before = before << 16 | ord(letter)
    value = (before ^ last * 0x9E3779B97F4A7C15 & MASK) * 0xBF58476D1CE4E5B9 & MASK
    value = (value ^ value >> 29) * 0x94D049BB133111EB & MASK
    return value ^ value >> 32


def signature_by_hand(text: str) -> list[int]:
    """One-permutation hashing with rotation, as the papers write it."""
    bins: list[int | None] = [None] * shingles.BINS
    for run in runs_of(text):
        value = run_hash(run)
        at, high = value % shingles.BINS, value >> 33
        bins[at] = high if bins[at] is None else min(high, bins[at])  # type: ignore[type-var]
    if not runs_of(text):
        return [shingles.EMPTY] * shingles.BINS
    filled = []
    for at in range(shingles.BINS):
        distance = next(
            d for d in range(shingles.BINS) if bins[(at + d) % shingles.BINS] is not None
        )
        value = bins[(at + distance) % shingles.BINS] or 0
        filled.append((value + distance * 0x9E3779B1) & 0xFFFF)
    return filled


@CALM
@given(TEXTS)
def test_signatures_equal_the_plain_definition(texts: list[str]) -> None:
    found = shingles.signatures(bytes_of(texts))
    assert found.shape == (len(texts), shingles.WORDS)
    for text, row in zip(texts, found, strict=True):
        assert row.view(np.uint16)[: shingles.BINS].tolist() == signature_by_hand(text)
        assert row[-1] == len(text.encode())


@CALM
@given(TEXTS.filter(lambda texts: len(texts) > 1))
def test_similarity_equals_that_of_the_sets(texts: list[str]) -> None:
    pairs = [(a, b) for a in range(len(texts)) for b in range(a, len(texts))]
    found = likeness.similarities(bytes_of(texts), np.array(pairs, np.int64))
    expected = [int(jaccard(texts[a], texts[b]) * likeness.MILLION + 1e-6) for a, b in pairs]
    assert found.tolist() == expected


def test_the_estimate_is_near_the_exact_similarity() -> None:
    draw = random.Random(4)
    texts = invented(5, 60, 300)
    texts += ["".join(c if draw.random() > 0.04 else "改" for c in text) for text in texts]
    pairs = np.stack([np.arange(60), np.arange(60, 120)], axis=1)
    exact = likeness.similarities(bytes_of(texts), pairs) / likeness.MILLION
    bins = shingles.signatures(bytes_of(texts)).view(np.uint16).reshape(120, -1)
    bins = bins[:, : shingles.BINS]
    error = (bins[:60] == bins[60:]).mean(axis=1) - exact
    assert abs(error.mean()) < 0.02
    assert error.std() < 0.08


def test_a_text_of_several_stretches_is_compared_by_a_sample_of_its_runs() -> None:
    draw = np.random.default_rng(3)
    codes = draw.integers(0x4E00, 0x4E00 + 3000, 900_000)
    text = "".join(map(chr, codes.tolist()))
    assert len(text.encode()) > 2 * shingles.STRETCH
    half = text[: len(text) // 2] + "".join(map(chr, codes[::-1][: len(text) // 2].tolist()))
    found = likeness.similarities(bytes_of([text, half, text]), np.array([[0, 1], [0, 2]]))
    assert found[1] == likeness.MILLION
    assert abs(found[0] / likeness.MILLION - 1 / 3) < 0.01
    bins = shingles.signatures(bytes_of([text, half])).view(np.uint16).reshape(2, -1)
    assert 0.15 < (bins[0] == bins[1]).mean() < 0.55


def test_one_run_repeated_without_end_does_not_outgrow_its_room() -> None:
    texts = ["啊" * 800_000, "啊" * 5, "哦" * 800_000]
    found = likeness.similarities(bytes_of(texts), np.array([[0, 2], [0, 0]]))
    assert found[0] == 0
    assert found[1] in (0, likeness.MILLION)  # whether the sample has its only run


def keys_of(texts: list[str], bits: int) -> np.ndarray:
    return bands.band_keys(shingles.signatures(bytes_of(texts)), number=0, bits=bits)


@CALM
@given(TEXTS)
def test_documents_share_a_key_where_they_agree_in_a_whole_band(texts: list[str]) -> None:
    texts = [*texts, *texts[:2]]
    rows = [signature_by_hand(text) for text in texts]
    lettered = [n for n, text in enumerate(texts) if runs_of(text)]
    found = keys_of(texts, 8)
    assert found.shape == (shingles.BANDS, len(lettered))
    assert (found & np.uint64(255)).tolist() == [lettered] * shingles.BANDS
    for band in (0, 1, shingles.BANDS - 1):
        own = [tuple(rows[n][band :: shingles.BANDS][: shingles.ROWS]) for n in lettered]
        keys = (found[band] >> np.uint64(8)).tolist()
        assert [keys.index(key) for key in keys] == [own.index(each) for each in own]


@CALM
@given(st.lists(st.integers(0, 3), max_size=20))
def test_a_bucket_links_each_document_with_its_first_and_with_the_one_before(
    buckets: list[int],
) -> None:
    keys = np.sort(np.array([b << 8 | n for n, b in enumerate(buckets)], np.uint64))
    expected = set()
    for here, bucket in enumerate(buckets):
        earlier = [n for n in range(here) if buckets[n] == bucket]
        expected |= {(here, n) for n in (earlier[:1] + earlier[-1:])}
    pairs = bands.bucket_pairs(keys, bits=8)
    later, first = bands.split(pairs)
    assert len(pairs) == len(expected)
    assert set(zip(later.tolist(), first.tolist(), strict=True)) == expected


@CALM
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12), st.integers(1, 128))
def test_pairs_are_kept_whose_signatures_agree_enough(
    pairs: list[tuple[int, int]], least: int
) -> None:
    draw = np.random.default_rng(1)
    bins = draw.integers(0, 2, (6, shingles.WORDS * 4)).astype(np.uint16)
    found = bands.agreeing(
        np.array(pairs, np.int64).reshape(-1, 2), bins.view(np.uint64), bins_min=least
    )
    same = [int((bins[a, : shingles.BINS] == bins[b, : shingles.BINS]).sum()) for a, b in pairs]
    assert found.tolist() == [n for n, count in enumerate(same) if count >= least]


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_groups_are_the_components_of_all_pairs_that_are_alike_enough(data: st.DataObject) -> None:
    words = ["一二三四五六", "一二三四五六七", "一二三四五六七八九", "甲乙丙丁戊己", "三四五六七八"]
    texts = data.draw(st.lists(st.sampled_from(words), min_size=2, max_size=8))
    count = len(texts)
    every = [(b, a) for b in range(count) for a in range(b)]
    chosen = sorted(data.draw(st.sets(st.sampled_from(every))))
    pairs = np.array([b << 32 | a for b, a in chosen], np.uint64)
    parents, scores = np.arange(count), np.zeros(count, np.int32)
    everyone = np.arange(count)
    likeness.link(*bytes_of(texts), shingles.letters(), everyone, pairs, 500_000, parents, scores)
    likeness.flatten(parents)
    expected = list(range(count))
    for _ in range(count):
        for b, a in chosen:
            if jaccard(texts[a], texts[b]) >= 0.5:
                expected[a] = expected[b] = min(expected[a], expected[b])
    assert parents.tolist() == expected


@CALM
@given(st.lists(TEXT | st.text("一二三四五六七八九十，", max_size=60), max_size=8))
def test_long_runs_are_hashed_alike_exactly_where_they_are_alike(texts: list[str]) -> None:
    hashes, counts = overlap.long_runs(bytes_of(texts))
    runs = []
    for text in texts:
        kept = "".join(folded(text))
        runs.append([kept[n : n + overlap.RUN] for n in range(len(kept) - overlap.RUN + 1)])
    assert counts.tolist() == [len(own) for own in runs]
    flat = [run for own in runs for run in own]
    values = hashes.tolist()
    assert [values.index(value) for value in values] == [flat.index(run) for run in flat]


@CALM
@given(st.sets(st.integers(0, MASK), max_size=60), st.lists(st.integers(0, MASK), max_size=20))
def test_every_key_is_in_the_index(keys: set[int], others: list[int]) -> None:
    rising = np.array(sorted(keys), np.uint64)
    bloom, firsts = overlap.indexed(rising)
    shift = 64 - (len(firsts) - 1).bit_length() + 1
    for key in [*keys, *others]:
        top = key >> shift
        bucket = rising[firsts[top] : firsts[top + 1]].tolist()
        assert (key in bucket) == (key in keys)
    assert firsts[0] == 0
    assert firsts[-1] == len(keys)
    assert len(bloom) >= 16


@pytest.mark.parametrize("module", MODULES)
def test_kernels_are_called_with_the_types_they_declare(module: str) -> None:
    texts = bytes_of(["一二三四五六七八九十一二三四五六", "一二三四五六", "！"])
    found = shingles.signatures(texts)
    hashing.text_hashes(texts)
    hashing.letter_hashes(texts)
    bands.bucket_pairs(np.sort(bands.band_keys(found, number=0, bits=4)[0]), bits=4)
    bands.agreeing(np.array([[0, 1]]), found, bins_min=1)
    likeness.similarities(texts, np.array([[0, 1]]))
    everyone, scores = np.arange(3), np.zeros(3, np.int32)
    pairs = np.array([1 << 32], np.uint64)
    for compare in (likeness.join_first, likeness.link):
        compare(*texts, shingles.letters(), everyone, pairs, 1, everyone.copy(), scores)
    likeness.flatten(everyone)
    hashes, _ = overlap.long_runs(texts)
    index = overlap.indexed(np.sort(hashes))
    none = np.zeros(len(hashes) + 1, np.int32)
    items = overlap.Items(*index, np.sort(hashes), none, none[:0], none[:0])
    assert overlap.shares(texts, items).tolist() == [0, 0, 0]
    kernels = [made for name, (made, _) in _declared.items() if f".{module}." in name]
    assert kernels
    for made in kernels:
        assert len(made.signatures) == 1
