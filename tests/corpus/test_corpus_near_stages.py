"""The stages of finding near-duplicates, each by itself and beside plain Python."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from corpus_near_desk import corpus, invented, jaccard, settled
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.corpus.evidence import InMemory, Settled
from yunhe.corpus.kernels.bands import split
from yunhe.corpus.near import candidates as stage
from yunhe.corpus.near import exact
from yunhe.corpus.near.candidates import Candidates, by_unit, numbered, thinned
from yunhe.corpus.near.settling import blank

PAIRS = st.lists(
    st.tuples(st.integers(1, 50), st.integers(0, 49)).filter(lambda pair: pair[1] < pair[0]),
    max_size=30,
)


@settings(deadline=None)
@given(st.lists(st.integers(0, 20), max_size=40))
def test_each_value_is_left_once_and_in_order(values: list[int]) -> None:
    ordered = np.array(sorted(values), np.uint64)
    assert thinned(ordered).tolist() == sorted(set(values))


@settings(deadline=None)
@given(PAIRS)
def test_pairs_name_their_documents_by_places(pairs: list[tuple[int, int]]) -> None:
    packed = np.array(sorted(later << 32 | earlier for later, earlier in pairs), np.uint64)
    documents, places = numbered(packed)
    assert documents.tolist() == sorted({one for pair in pairs for one in pair})
    back = [(documents[a], documents[b]) for a, b in places.tolist()]
    assert back == sorted(pairs)
    later, earlier = split(packed)
    assert list(zip(later.tolist(), earlier.tolist(), strict=True)) == sorted(pairs)


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=8), st.data())
def test_documents_are_found_unit_by_unit(counts: list[int], data: st.DataObject) -> None:
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    total = int(starts[-1])
    chosen = sorted(data.draw(st.sets(st.integers(0, max(0, total - 1))))) if total else []
    owner = [unit for unit, count in enumerate(counts) for _ in range(count)]
    seen: list[tuple[int, int]] = []
    documents = np.array(chosen, np.int64)
    for unit, rows, here in by_unit(documents, starts):
        assert documents[here].tolist() == (rows + starts[unit]).tolist()
        assert len(rows) > 0
        seen += [(unit, int(row)) for row in rows]
    assert seen == [(owner[one], one - int(starts[owner[one]])) for one in chosen]


def exactly(hashes: list[list[int]], memory: int) -> Settled:
    parts = tuple(
        np.array([[value, value ^ 7] for value in part], np.uint64).reshape(-1, 2)
        for part in hashes
    )
    written = tuple(pa.array([""] * len(part), pa.large_string()) for part in hashes)
    with tempfile.TemporaryDirectory() as scratch:
        found = exact.settle(InMemory(parts, written), Path(scratch), memory_bytes=memory)
        return Settled(np.array(found.codes), np.array(found.firsts), np.array(found.scores))


HASHES = st.sampled_from([0, 1, 2, 1 << 62, (1 << 63) + 5, (1 << 64) - 1, (1 << 64) - 2])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(HASHES, max_size=7), min_size=1, max_size=4), st.integers(1, 4000))
def test_of_equal_hashes_the_first_stays_whatever_the_memory(
    hashes: list[list[int]], memory: int
) -> None:
    flat = [value for part in hashes for value in part]
    found = exactly(hashes, memory)
    firsts = [flat.index(value) for value in flat]
    assert found.firsts.tolist() == firsts
    assert found.codes.tolist() == [int(first != at) for at, first in enumerate(firsts)]
    assert found.scores.tolist() == [100 * (first != at) for at, first in enumerate(firsts)]


@pytest.mark.parametrize("count", [0, 1, 5, 300])
def test_nothing_settled_yet_means_everybody_alone(count: int, tmp_path: Path) -> None:
    if count:
        found = blank(tmp_path, count)
        assert found.firsts.tolist() == list(range(count))
        assert not found.codes.any()
        assert not found.scores.any()
    alone = Settled.nothing(count)
    assert (len(alone.codes), alone.firsts.tolist()) == (count, list(range(count)))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1 << 30), st.integers(1, 9), st.sampled_from([4_000, 40_000, 8 << 20]))
def test_candidates_are_the_same_pairs_however_they_are_cut(
    seed: int, unit: int, memory: int
) -> None:
    texts = invented(seed, 12, 40)
    texts += [text[:36] + "！" for text in texts[:6]] + texts[:3]

    def pairs(unit_: int, memory_: int) -> tuple[list[int], list[int]]:
        with tempfile.TemporaryDirectory() as scratch:
            found = Candidates(corpus(texts, unit=unit_), Path(scratch), memory_)
            found.find()
            both = list(found.likely(50))
            assert list(Path(scratch).iterdir()) == []
        names = [pair for pairs_, _ in both for pair in pairs_.tolist()]
        return names, [size for _, sizes in both for size in sizes.tolist()]

    whole, sizes = pairs(10**6, 64 << 20)
    assert pairs(unit, memory) == (whole, sizes)
    assert whole == sorted(set(whole))
    asked = [len(texts[p >> 32].encode()) + len(texts[p & 0xFFFFFFFF].encode()) for p in whole]
    assert sizes == asked
    near = {
        later << 32 | earlier
        for later in range(len(texts)) for earlier in range(later)
        if jaccard(texts[later], texts[earlier]) >= 0.8
    }  # fmt: skip
    joined = {frozenset((p >> 32, p & 0xFFFFFFFF)) for p in whole}
    for pair in near:  # linked by a pair of its own, or over a document both are paired with
        later, earlier = pair >> 32, pair & 0xFFFFFFFF
        others = [{*each} - {later} for each in joined if later in each]
        reached = {one for each in others for one in each}
        assert earlier in reached or any(frozenset((one, earlier)) in joined for one in reached)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1 << 30), st.sampled_from([50, 70, 90]))
def test_no_document_is_dropped_for_one_it_is_not_that_much_like(seed: int, percent: int) -> None:
    texts = invented(seed, 8, 60)
    texts += [text[: 60 - cut] for cut, text in zip((2, 6, 12, 20, 30), texts, strict=False)]
    found = settled(texts, percent=percent)
    for document, first in enumerate(found.firsts.tolist()):
        alike = jaccard(texts[document], texts[first]) if first != document else 1.0
        assert alike * 100 >= percent
        assert found.codes[first] == 0
        assert bool(found.codes[document]) == (first != document)
    for document, text in enumerate(texts):
        if found.codes[document] == 0:
            others = [jaccard(text, other) for at, other in enumerate(texts[:document])
                      if found.codes[at] == 0]  # fmt: skip
            assert max(others, default=0.0) * 100 < max(percent, 80)


def test_how_much_is_done_at_once_follows_from_the_memory() -> None:
    texts = invented(3, 50, 20)
    with tempfile.TemporaryDirectory() as scratch:
        little = Candidates(corpus(texts), Path(scratch), 10_000)
        plenty = Candidates(corpus(texts), Path(scratch), 1 << 30)
    assert little.count == plenty.count == 50
    assert plenty.parts == 1
    assert little.parts > 1
    assert little.parts * 10_000 >= 50 * stage._PAIRS_MAX * 24
