"""Near-duplicates of a whole corpus: recall and removals, and what the result may not depend on."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from corpus_near_desk import (
    KINDS,
    MEMORY,
    copied,
    corpus,
    edited,
    invented,
    jaccard,
    runs_of,
    settled,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.corpus.evidence import InMemory, Settled
from yunhe.corpus.near import candidates
from yunhe.corpus.near.settling import settle

RECALL_MIN = {"edit5": 0.99}
"""1 for all other kinds; of some edits more than half the runs are gone."""


def mixture(seed: int, count: int, length: int = 120) -> tuple[list[str], list[tuple[int, int]]]:
    """Originals and copies of all kinds in any order, and who is whose copy."""
    draw, originals = random.Random(seed), invented(seed, count, length)
    texts = originals + [copied(t, KINDS[n % 6], draw) for n, t in enumerate(originals)]
    order = draw.sample(range(2 * count), 2 * count)
    places = {old: new for new, old in enumerate(order)}
    return [texts[n] for n in order], [(places[n], places[count + n]) for n in range(count)]


@pytest.mark.parametrize("kind", KINDS)
def test_copies_are_removed_and_nothing_else(kind: str) -> None:
    originals, draw = invented(1, 300, 120), random.Random(2)
    texts = originals + [copied(text, kind, draw) for text in originals]
    found = settled(texts)
    caught = found.firsts[300:] == np.arange(300)
    alike = [jaccard(texts[n], texts[300 + n]) >= 0.5 for n in range(300)]
    assert caught.mean() >= RECALL_MIN.get(kind, 1.0) * np.mean(alike)
    assert np.mean(alike) >= 0.95
    # Removals are gated too: a signature that makes all documents alike would find all copies.
    assert found.codes[:300].sum() == 0
    assert found.codes[300:].tolist() == caught.astype(int).tolist()


def test_every_removed_document_is_alike_the_one_that_is_kept() -> None:
    texts, _ = mixture(3, 150)
    found = settled(texts)
    removed = np.flatnonzero(found.codes)
    assert 140 <= len(removed) <= 150
    for document in removed.tolist():
        first = int(found.firsts[document])
        likeness = jaccard(texts[document], texts[first])
        assert first < document
        assert found.codes[first] == 0
        assert likeness >= 0.5
        assert found.scores[document] == int(likeness * 100 + 1e-9)
    kept = found.codes == 0
    assert (found.firsts[kept] == np.flatnonzero(kept)).all()
    assert (found.scores[kept] == 0).all()


def equal(left: Settled, right: Settled) -> bool:
    return all(
        (one == other).all()
        for one, other in zip(
            (left.codes, left.firsts, left.scores),
            (right.codes, right.firsts, right.scores),
            strict=True,
        )
    )


@pytest.mark.parametrize("drop", [True, False])
@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 90), st.integers(20_000, 3_000_000))
def test_neither_units_nor_memory_change_the_result(
    drop: bool,  # noqa: FBT001 (pytest hands it over)
    seed: int,
    unit: int,
    memory: int,
) -> None:
    texts, _ = mixture(seed, 40, 40)
    texts += ["很好吃"] * 20 + ["！！！"]
    assert equal(settled(texts, drop=drop), settled(texts, unit=unit, memory=memory, drop=drop))


def test_duplicates_are_found_across_the_borders_of_units_and_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts, pairs = mixture(5, 60)
    monkeypatch.setattr(candidates, "_CHUNK_DOCUMENTS", 7)
    found = settled(texts, unit=1, memory=30_000)
    assert all(found.firsts[a] == found.firsts[b] for a, b in pairs)
    assert (found.codes != 0).sum() == 60


def test_little_memory_cuts_the_work_into_parts() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        made = candidates.Candidates(corpus(mixture(6, 500, 40)[0]), Path(scratch), 100_000)
        assert made.parts > 5
        made.find()
        shares = list(made.likely(50))
        assert len(shares) > 5
        assert sum(len(pairs) for pairs, _ in shares) >= 500
        assert list(Path(scratch).iterdir()) == []


@pytest.mark.parametrize("texts", [["同一句话说了一遍又一遍"] * 40_000, invented(13, 20_000, 12)])
def test_memory_stays_near_what_is_given(texts: list[str]) -> None:
    made, given = corpus(texts, unit=5000), 4 << 20
    settled(texts[:10])  # kernels and tables are there before memory is counted
    with tempfile.TemporaryDirectory() as scratch:
        tracemalloc.start()
        settle(made, Path(scratch), memory_bytes=given, percent_min=50, drop=True)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert most < 2.5 * given + candidates.BANDS * 8 * candidates._CHUNK_DOCUMENTS
    assert most < candidates.BANDS * 8 * len(texts) + 2 * given  # less than all keys at once


def test_evidence_may_be_mapped_from_files(tmp_path: Path) -> None:
    texts, pairs = mixture(14, 50)
    made = corpus(texts, unit=30)
    for number, part in enumerate(made.kept):
        np.save(tmp_path / f"{number}.npy", part)
    mapped = tuple(np.load(tmp_path / f"{n}.npy", mmap_mode="r") for n in range(len(made.kept)))
    (tmp_path / "scratch").mkdir()
    found = settle(
        InMemory(mapped, made.written),
        tmp_path / "scratch",
        memory_bytes=MEMORY,
        percent_min=50,
        drop=True,
    )
    assert all(found.firsts[a] == found.firsts[b] for a, b in pairs)
    assert equal(found, settled(texts))


def chain() -> list[str]:
    """Three texts, each neighbour pair alike, the first and the last not."""
    text = invented(9, 1, 200)[0]
    return [text[:120], text[30:150], text[60:180]]


def test_a_chain_is_cut_where_its_end_is_no_longer_like_the_first() -> None:
    texts = chain()
    assert jaccard(texts[0], texts[1]) >= 0.5
    assert jaccard(texts[1], texts[2]) >= 0.5
    assert jaccard(texts[0], texts[2]) < 0.5
    found = settled(texts)
    assert found.firsts.tolist() == [0, 0, 2]
    assert found.codes.tolist() == [0, 1, 0]


def test_a_chain_is_one_group_where_all_are_kept() -> None:
    found = settled(chain(), drop=False)
    assert found.firsts.tolist() == [0, 0, 0]
    assert found.codes.tolist() == [0, 0, 0]


def test_two_groups_become_one_when_a_later_document_links_them() -> None:
    texts = [chain()[0], chain()[2], chain()[1]]
    assert settled(texts, drop=False).firsts.tolist() == [0, 0, 0]
    assert settled(texts).firsts.tolist() == [0, 1, 0]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32))
def test_linked_documents_are_as_alike_as_the_profile_says(seed: int) -> None:
    draw, base = random.Random(seed), invented(seed, 12, 60)
    texts = base + [edited(text, draw.random() * 0.2, draw) for text in base]
    found = settled(texts, drop=False)
    for number, first in enumerate(found.firsts.tolist()):
        if number != first:
            members = [m for m in range(24) if found.firsts[m] == first and m != number]
            assert max(jaccard(texts[number], texts[m]) for m in members) >= 0.5


@pytest.mark.parametrize("percent", [50, 60, 70, 80, 90, 100])
def test_the_threshold_decides_exactly(percent: int) -> None:
    text = invented(7, 1, 104)[0]
    other = invented(8, 1, 104)[0]
    texts = [text] + [text[: 104 - cut] + other[:cut] for cut in range(1, 60)]
    found = settled(texts, percent=percent)
    expected = [0] + [int(jaccard(text, each) * 100 >= percent - 1e-9) for each in texts[1:]]
    # A document that is not like the first may be like another one that was kept.
    wrong = [n for n, want in enumerate(expected) if want and found.firsts[n] != 0]
    assert wrong == []
    assert all(found.firsts[n] != 0 or want or n == 0 for n, want in enumerate(expected))


def test_strangers_stay_apart_though_they_share_a_phrase() -> None:
    texts = [f"市民来电反映如下问题，{text}，请尽快处理谢谢" for text in invented(3, 400, 60)]
    assert settled(texts).codes.sum() == 0


def test_short_documents_are_alike_only_when_their_letters_are_the_same() -> None:
    texts = ["很好吃", "很好吃！", "不好吃", "好吃", "味道不错下次再来", "味道不错，下次再来。"]
    assert settled(texts).firsts.tolist() == [0, 0, 2, 3, 4, 4]


@pytest.mark.parametrize(
    "texts",
    [[], [""], ["只有一篇文档在这里"], ["！！！", "。。。", "???", "。。。"], ["", "", "字"]],
)
def test_no_document_or_none_with_letters_is_no_special_case(texts: list[str]) -> None:
    for drop in (True, False):
        found = settled(texts, drop=drop)
        assert found.firsts.tolist() == list(range(len(texts)))
        assert found.codes.tolist() == [0] * len(texts)


def test_units_without_documents_are_passed_over() -> None:
    whole = corpus(["一样的一句话", "一样的一句话"], unit=1)
    none = corpus(["无"], unit=1)
    empty = InMemory(
        (none.kept[0][:0], whole.kept[0], np.empty((0, 1), np.uint64), whole.kept[1]),
        (none.written[0][:0], whole.written[0], none.written[0][:0], whole.written[1]),
    )
    with tempfile.TemporaryDirectory() as scratch:
        found = settle(empty, Path(scratch), memory_bytes=MEMORY, percent_min=50, drop=True)
        assert found.firsts.tolist() == [0, 0]


def test_a_bucket_of_a_hundred_thousand_copies_stays_linear() -> None:
    asked: list[int] = []

    class Counting(InMemory):
        def texts(self, unit: int, rows: np.ndarray) -> object:
            asked.append(len(rows))
            return super().texts(unit, rows)

    count = 100_000
    made = corpus(["这家店的味道真的很不错下次还来"] * count, unit=30_000)
    with tempfile.TemporaryDirectory() as scratch:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        found = settle(
            Counting(made.kept, made.written),
            Path(scratch),
            memory_bytes=MEMORY,
            percent_min=50,
            drop=True,
        )
        used = resource.getrusage(resource.RUSAGE_SELF).ru_utime - before
        assert (np.array(found.firsts) == 0).all()
    assert sum(asked) <= 4 * count
    assert used < 60  # a quadratic one would take hours


def test_emoji_are_no_letters_and_rare_hanzi_are() -> None:
    assert runs_of("😀😁") == set()
    texts = ["😀😀😀😀😀😀", "😀😀😀😀😀😀", *("".join(map(chr, range(0x20000, 0x20010))),) * 2]
    assert settled(texts).firsts.tolist() == [0, 1, 2, 2]


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from corpus_near_desk import MEMORY, corpus
from test_corpus_near import mixture
from yunhe.corpus.near import settling
settling.join_first = lambda *given: os.kill(os.getpid(), signal.SIGKILL)
settling.settle(corpus(mixture(11, 60)[0]), Path(sys.argv[2]), memory_bytes=MEMORY, percent_min=50,
                drop=True)
"""


def test_a_settling_that_was_killed_is_done_again_over_what_it_left(tmp_path: Path) -> None:
    here = str(Path(__file__).parent)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, here, str(tmp_path)],
        env={**os.environ},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert list(tmp_path.iterdir()) != []
    texts, _ = mixture(11, 60)
    found = settle(corpus(texts), tmp_path, memory_bytes=MEMORY, percent_min=50, drop=True)
    assert equal(found, settled(texts))


def test_more_documents_than_a_pair_can_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "DOCUMENTS_MAX", 2)
    with pytest.raises(ValueError, match="4 billion"):
        settled(["一", "二"])


def test_texts_are_fetched_unit_by_unit_in_rising_order() -> None:
    asked: list[tuple[int, list[int]]] = []

    class Watching(InMemory):
        def texts(self, unit: int, rows: np.ndarray) -> object:
            asked.append((unit, rows.tolist()))
            return super().texts(unit, rows)

    made = corpus(mixture(12, 90)[0], unit=40)
    with tempfile.TemporaryDirectory() as scratch:
        watched = Watching(made.kept, made.written)
        settle(watched, Path(scratch), memory_bytes=MEMORY, percent_min=50, drop=True)
    assert [unit for unit, _ in asked] == sorted(unit for unit, _ in asked)
    assert all(rows == sorted(set(rows)) for _, rows in asked)
