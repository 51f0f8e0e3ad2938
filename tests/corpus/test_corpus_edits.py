"""Edits: places of texts that become something else, and how they are declared."""

from __future__ import annotations

import numpy as np
import pytest
from corpus_steps import array, bytes_of
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.corpus.edits import Edits, applied, collected, owners, removed, touched
from yunhe.corpus.kernels.places import characters as in_characters
from yunhe.corpus.kernels.utf8 import large_strings, utf8

ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
TEXTS = st.lists(ANY | st.text("一二三国國aA1é𝄞😀 \n，", max_size=60), max_size=6)


@st.composite
def edited(draw: st.DrawFn) -> tuple[list[str], list[tuple[int, int, int, int]], list[str]]:
    """Texts; edits as (document, first character, one past the last, kind); replacements."""
    texts = draw(st.lists(ANY, min_size=1, max_size=5))
    words = draw(st.lists(st.text("ab一𝄞", max_size=4), min_size=1, max_size=3))
    places = []
    for number, text in enumerate(texts):
        cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=6)))
        for start, end in zip(cuts[::2], cuts[1::2], strict=False):
            places.append((number, start, end, draw(st.integers(0, len(words) - 1))))
    return texts, places, words


def as_edits(texts: list[str], places: list[tuple[int, int, int, int]]) -> Edits:
    before = [0]
    for text in texts:
        before.append(before[-1] + len(text.encode()))
    return Edits.of([
        (
            before[number] + len(texts[number][:start].encode()),
            before[number] + len(texts[number][:end].encode()),
            kind,
        )
        for number, start, end, kind in places
    ])  # fmt: skip


def by_hand(
    texts: list[str], places: list[tuple[int, int, int, int]], words: list[str]
) -> list[str]:
    made = []
    for number, text in enumerate(texts):
        parts, at = [], 0
        for document, start, end, kind in places:
            if document == number:
                parts += [text[at:start], words[kind]]
                at = end
        made.append("".join([*parts, text[at:]]))
    return made


@settings(max_examples=80, deadline=None)
@given(edited())
def test_edits_put_each_replacement_where_its_place_was(
    case: tuple[list[str], list[tuple[int, int, int, int]], list[str]],
) -> None:
    texts, places, words = case
    made = applied(bytes_of(texts), as_edits(texts, places), words)
    made.validate(full=True)
    assert made.to_pylist() == by_hand(texts, places, words)


@settings(max_examples=40, deadline=None)
@given(edited(), st.integers(1, 4))
def test_edits_of_a_slice_stay_in_the_slice(
    case: tuple[list[str], list[tuple[int, int, int, int]], list[str]], more: int
) -> None:
    texts, places, words = case
    ahead = ["前面"] * more
    seen = utf8(array([*ahead, *texts, "后面"]).slice(more, len(texts)))
    edits = as_edits(texts, places)
    shift = int(seen.offsets[0])
    moved = Edits(edits.starts + shift, edits.ends + shift, edits.kinds)
    assert applied(seen, moved, words).to_pylist() == by_hand(texts, places, words)
    inside = [(at, number) for at, (number, start, end, _) in enumerate(places) if start < end]
    found = owners(seen, moved.starts).tolist()
    assert [found[at] for at, _ in inside] == [number for _, number in inside]


@settings(max_examples=60, deadline=None)
@given(edited())
def test_what_edits_take_out_is_declared_in_characters(
    case: tuple[list[str], list[tuple[int, int, int, int]], list[str]],
) -> None:
    texts, places, _ = case
    places = [each for each in places if each[1] < each[2]]
    seen, edits = bytes_of(texts), as_edits(texts, places)
    gone = removed(seen, edits, np.ones(len(edits), np.uint8))
    declared = zip(gone.documents.tolist(), gone.starts.tolist(), gone.ends.tolist(), strict=True)
    assert list(declared) == [each[:3] for each in places]
    hit = {number for number, *_ in places}
    assert touched(seen, edits).tolist() == [int(n in hit) for n in range(len(texts))]
    half = np.arange(len(edits)) % 2 == 0
    assert len(edits.where(half)) == (len(edits) + 1) // 2


@pytest.mark.parametrize(("room", "asked"), [(0, 2), (3, 2), (7, 1), (8, 1), (100, 1)])
def test_a_finder_with_too_little_room_is_asked_once_more(room: int, asked: int) -> None:
    calls = []

    def find(starts: np.ndarray, ends: np.ndarray, kinds: np.ndarray) -> int:
        calls.append(len(starts))
        for at in range(min(7, len(starts))):
            starts[at], ends[at], kinds[at] = at, at + 1, 0
        return 7

    assert collected(find, room).starts.tolist() == list(range(7))
    assert len(calls) == asked


@settings(deadline=None)
@given(TEXTS, st.data())
def test_places_in_bytes_are_places_in_characters(texts: list[str], data: st.DataObject) -> None:
    seen, rows = bytes_of(texts), []
    for number, text in enumerate(texts):
        if text:
            start = data.draw(st.integers(0, len(text) - 1))
            rows.append((number, start, data.draw(st.integers(start + 1, len(text)))))
    wanted = as_edits(texts, [(*row, 0) for row in rows])
    first, last = np.empty(len(rows), np.int32), np.empty(len(rows), np.int32)
    documents = np.array([row[0] for row in rows], np.int64)
    in_characters(seen.data, seen.offsets, documents, wanted.starts, wanted.ends, first, last)
    assert list(zip(first.tolist(), last.tolist(), strict=True)) == [row[1:] for row in rows]


@settings(deadline=None)
@given(TEXTS)
def test_texts_go_through_bytes_and_back(texts: list[str]) -> None:
    seen = utf8(array(texts))
    assert large_strings(seen.data, seen.offsets).to_pylist() == texts
    assert not seen.data.flags.writeable
    assert not seen.offsets.flags.writeable


def test_no_edits_change_no_text() -> None:
    texts = ["一", "", "𝄞b"]
    assert applied(bytes_of(texts), Edits.of([]), [""]).to_pylist() == texts
    assert applied(bytes_of([]), Edits.of([]), ["x"]).to_pylist() == []
    assert touched(bytes_of(texts), Edits.of([])).tolist() == [0, 0, 0]
