"""Bulk kernels against plain-Python references, document by document."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.corpus.kernels import hashing, likeness, mojibake, shadow, shingles
from yunhe.corpus.kernels.joined import OUTSIDE, SEPARATOR, Joined, join

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
CHINESE = st.text("电话是我的家在三路号一二，。 aB1", max_size=30)
TEXTS = st.lists(TEXT | CHINESE, max_size=12)


def joined(texts: list[str]) -> Joined:
    return join(pa.array(texts, pa.string()))


@given(TEXTS)
def test_a_joined_batch_holds_every_document_followed_by_a_separator(texts: list[str]) -> None:
    found = joined(texts)
    pieces = [found.text[a:b] for a, b in zip(found.starts, found.starts[1:], strict=False)]
    assert pieces == [text + SEPARATOR for text in texts]
    assert found.text == "".join(pieces)
    assert len(found.codes) == len(found.plane) == len(found.text)


@given(TEXTS)
def test_codes_are_the_characters_and_the_plane_marks_those_beyond_it(texts: list[str]) -> None:
    found = joined(texts)
    assert [chr(code) for code in found.codes.tolist()] == list(found.text)
    expected = [ord(c) if ord(c) < 65536 else OUTSIDE for c in found.text]
    assert found.plane.tolist() == expected


def test_a_slice_of_a_larger_array_joins_like_an_array_of_its_own() -> None:
    whole = pa.array(["甲", "乙乙", "丙", "丁"], pa.string())
    assert join(whole.slice(1, 2)).text == join(pa.array(["乙乙", "丙"], pa.string())).text


@given(TEXTS.filter(bool), st.data())
def test_positions_lead_back_to_the_document_they_lie_in(
    texts: list[str], data: st.DataObject
) -> None:
    found = joined(texts)
    at = data.draw(st.integers(0, len(found.text) - 1))
    document = int(found.documents_of(np.array([at]))[0])
    assert found.starts[document] <= at < found.starts[document + 1]


@given(TEXT)
def test_the_shadow_has_the_length_of_the_text_and_leaves_hanzi_alone(text: str) -> None:
    plane = joined([text]).plane
    read = shadow.as_text(shadow.half_width()[plane])
    assert len(read) == len(plane)
    for before, after in zip(text, read, strict=False):
        if "\u4e00" <= before <= "\u9fff":
            assert after == before


def test_the_shadow_reads_full_width_as_half_width() -> None:
    plane = joined(["ＡＢ１３８　－—·（＠）"]).plane
    assert shadow.as_text(shadow.half_width()[plane])[:-1] == "AB138 --·(@)"


@given(TEXTS)
def test_hashes_are_equal_exactly_where_texts_are(texts: list[str]) -> None:
    texts = [*texts, *texts[:3]]
    found = joined(texts)
    hashes = hashing.document_hashes(found.codes, found.starts)
    firsts = hashing.first_occurrences(hashes)
    assert firsts.tolist() == [texts.index(text) for text in texts]


@given(TEXTS, TEXT)
def test_a_document_hashes_the_same_wherever_it_stands(texts: list[str], text: str) -> None:
    alone, within = joined([text]), joined([*texts, text])
    assert (
        hashing.document_hashes(alone.codes, alone.starts)[0]
        == hashing.document_hashes(within.codes, within.starts)[-1]
    ).all()


def test_texts_that_differ_only_beyond_the_basic_plane_hash_apart() -> None:
    found = joined(["笑😀", "笑😁", "笑"])
    assert len(np.unique(hashing.document_hashes(found.codes, found.starts), axis=0)) == 3


def runs_of(text: str) -> set[str]:
    letters = [c for c in text if c.isalnum()]
    table = shingles.letters()
    kept = [chr(table[ord(c)]) if ord(c) < 65536 else c for c in letters]
    kept = [c for c in kept if c != "\x00"]
    if len(kept) < shingles.LENGTH:
        return {"".join(kept)} if kept else set()
    return {"".join(kept[i : i + shingles.LENGTH]) for i in range(len(kept) - shingles.LENGTH + 1)}


BASIC = st.lists(st.text("一二三四五六七八九十，。 ａbC１", max_size=30), max_size=10)


@given(BASIC)
def test_runs_are_those_of_each_document_and_never_reach_into_the_next(texts: list[str]) -> None:
    found = joined(texts)
    hashes, documents = shingles.shingles(shingles.letters()[found.plane], found.starts)
    for number, text in enumerate(texts):
        own = hashes[documents == number]
        alone = joined([text])
        expected, _ = shingles.shingles(shingles.letters()[alone.plane], alone.starts)
        assert own.tolist() == expected.tolist()
        assert len(set(own.tolist())) == len(runs_of(text))
    assert (np.diff(documents) >= 0).all()


@given(BASIC)
def test_equal_runs_have_equal_hashes_and_others_do_not(texts: list[str]) -> None:
    found = joined(texts)
    hashes, documents = shingles.shingles(shingles.letters()[found.plane], found.starts)
    sets = [set(hashes[documents == n].tolist()) for n in range(len(texts))]
    for a, left in enumerate(texts):
        for b, right in enumerate(texts):
            assert len(sets[a] & sets[b]) == len(runs_of(left) & runs_of(right))


@given(BASIC)
def test_a_signature_has_no_empty_bin_unless_the_document_has_no_letter(texts: list[str]) -> None:
    found = joined(texts)
    pieces = shingles.shingles(shingles.letters()[found.plane], found.starts)
    signature = shingles.signatures(*pieces, len(texts))
    for text, row in zip(texts, signature, strict=True):
        assert (row == shingles.EMPTY).any() == (not runs_of(text))


def signature_by_hand(hashes: list[int]) -> list[int]:
    """One-permutation hashing with rotation, as the papers write it."""
    bins: list[int | None] = [None] * shingles.BINS
    for value in hashes:
        at = ((value & 0xFFFFFFFF) * shingles.BINS) >> 32
        high = value >> 33
        bins[at] = high if bins[at] is None else min(high, bins[at])  # type: ignore[type-var]
    filled = []
    for at in range(shingles.BINS):
        distance = next(
            d for d in range(shingles.BINS) if bins[(at + d) % shingles.BINS] is not None
        )
        value = bins[(at + distance) % shingles.BINS]
        assert value is not None
        filled.append((value + distance * 0x9E3779B1) & 0xFFFFFFFF)
    return filled


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=60))
def test_signatures_equal_the_plain_definition(hashes: list[int]) -> None:
    found = shingles.signatures(np.array(hashes, np.uint64), np.zeros(len(hashes), np.int64), 1)
    assert found[0].tolist() == signature_by_hand(hashes)


@given(st.lists(st.lists(st.integers(0, 30), max_size=20), min_size=2, max_size=6))
def test_similarity_equals_that_of_the_sets(sets: list[list[int]]) -> None:
    documents = [n for n, members in enumerate(sets) for _ in members]
    flat = hashing.mix(np.array([m for members in sets for m in members], np.uint64))
    pairs = np.array([(a, b) for a in range(len(sets)) for b in range(a + 1, len(sets))], np.int64)
    found = likeness.Sets.of(flat, np.array(documents, np.int64), len(sets)).similarities(pairs)
    for (a, b), value in zip(pairs.tolist(), found.tolist(), strict=True):
        left, right = set(sets[a]), set(sets[b])
        expected = len(left & right) / len(left | right) if left | right else 0.0
        assert value == pytest.approx(expected)


@given(
    st.integers(1, 30).flatmap(
        lambda n: st.tuples(
            st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)))
        )
    )
)
def test_components_equal_a_walk_over_the_links(graph: tuple[int, list[tuple[int, int]]]) -> None:
    count, links = graph
    pairs = np.array([sorted(link) for link in links], np.int64).reshape(-1, 2)
    found = likeness.merged(np.arange(count), pairs)
    for start in range(count):
        reached, todo = {start}, [start]
        while todo:
            here = todo.pop()
            for a, b in links:
                for other in ({a, b} - {here}) if here in (a, b) else ():
                    if other not in reached:
                        reached.add(other)
                        todo.append(other)
        assert found[start] == min(reached)


@given(st.lists(st.lists(st.integers(0, 12), max_size=8), min_size=2, max_size=9), st.data())
def test_groups_are_the_components_of_all_pairs_that_are_alike_enough(
    sets: list[list[int]], data: st.DataObject
) -> None:
    documents = [n for n, members in enumerate(sets) for _ in members]
    flat = hashing.mix(np.array([m for members in sets for m in members], np.uint64))
    made = likeness.Sets.of(flat, np.array(documents, np.int64), len(sets))
    every = [(a, b) for a in range(len(sets)) for b in range(a + 1, len(sets))]
    pairs = np.array(data.draw(st.permutations(every)), np.int64)
    alike = pairs[made.similarities(pairs) >= 0.5]
    expected = likeness.merged(np.arange(len(sets)), alike)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(likeness, "_CHUNK", 3)
        assert likeness.linked(pairs, made, 0.5).tolist() == expected.tolist()


def test_a_long_chain_of_links_is_one_component() -> None:
    count = 5000
    order = np.random.default_rng(7).permutation(count)
    pairs = np.sort(np.stack([order[:-1], order[1:]], axis=1), axis=1)
    assert (likeness.merged(np.arange(count), pairs) == 0).all()


def test_documents_in_one_bucket_are_linked_in_linear_number() -> None:
    signature = np.tile(np.arange(shingles.BINS, dtype=np.uint32), (300, 1))
    pairs = likeness.candidates(signature)
    assert len(pairs) <= 2 * 300
    assert (likeness.merged(np.arange(300), pairs) == 0).all()


def test_documents_without_letters_are_like_nothing() -> None:
    signature = np.full((5, shingles.BINS), shingles.EMPTY, np.uint32)
    assert len(likeness.candidates(signature)) == 0


WORDS = (
    "市民反映小区门口的路灯坏了三天没有人来修，晚上看不清路。",
    "公交站牌被撞歪了，老人坐车找不到站，麻烦尽快处理一下！",
    "工地凌晨四点开始打桩，孩子睡不好觉，已经一个星期了。电话12345",
)


@pytest.mark.parametrize("text", WORDS)
@pytest.mark.parametrize(
    ("written", "seen", "kind"),
    [
        ("utf-8", "latin-1", "utf8_as_latin1"),
        ("gb18030", "latin-1", "gbk_as_latin1"),
    ],
)
def test_text_read_as_latin_is_read_again_without_loss(
    text: str, written: str, seen: str, kind: str
) -> None:
    assert mojibake.reread(text.encode(written).decode(seen)) == (text, kind)


@pytest.mark.parametrize("text", WORDS)
def test_text_read_as_a_browser_reads_windows_1252_is_read_again(text: str) -> None:
    seen = "".join(
        byte.decode("cp1252") if byte[0] not in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else chr(byte[0])
        for byte in (bytes([b]) for b in text.encode())
    )
    assert mojibake.reread(seen) == (text, "utf8_as_latin1")


def test_text_read_as_gbk_is_read_again_where_nothing_was_lost() -> None:
    text = "小区门口路灯坏了三天，晚上看不清路"
    seen = text.encode().decode("gb18030", errors="replace")
    found = mojibake.reread(seen)
    assert found is not None
    assert found[1] == "utf8_as_gbk"
    alike = sum(a == b for a, b in zip(found[0], text, strict=False))
    assert alike >= len(text) - 3


@given(
    st.text("小区门口的路灯坏了三天没有人来修电话请处理，。！12345 abc", min_size=1, max_size=60)
)
def test_ordinary_chinese_is_never_a_suspect(text: str) -> None:
    found = joined([text])
    assert len(mojibake.suspects(found.plane, found.starts)) == 0


@settings(max_examples=60)
@given(st.text("小区门口的路灯坏了三天没有人来修电话请处理，。！", min_size=6, max_size=60))
def test_every_misread_text_is_a_suspect_and_comes_back(text: str) -> None:
    text = "小区" + text
    seen = text.encode().decode("latin-1")
    found = joined(["别的文档", seen])
    assert mojibake.suspects(found.plane, found.starts).tolist() == [1]
    assert mojibake.reread(seen) == (text, "utf8_as_latin1")


@given(st.text(max_size=60))
def test_reading_again_never_fails_and_keeps_ascii_in_order(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    found = mojibake.reread(text)
    if found:
        kept = [c for c in text if c.isascii()]
        assert [c for c in found[0] if c.isascii()] == kept


def test_of_no_documents_there_are_no_first_occurrences():
    for shape in ((0, 2), (0, 1)):
        assert hashing.first_occurrences(np.empty(shape, np.uint64)).tolist() == []
