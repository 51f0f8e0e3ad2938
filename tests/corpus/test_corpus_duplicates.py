"""Exact duplicates: the first stays, whatever the units, the memory and the order of work."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from corpus_near_desk import array, invented
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.corpus.documents import Documents, Values
from yunhe.corpus.evidence import InMemory, Settled
from yunhe.corpus.near.settling import blank
from yunhe.corpus.steps.duplicates import STEP

POOL = ["一句话", "一句话。", "一 句 话", "另一句", "", "。", "！", "ＡＢＣ", "abc"]


def settled(
    texts: list[str], *, same: str = "text", unit: int = 10**9, memory: int = 1 << 20
) -> Settled:
    values = Values({}, {"same": same})
    assert STEP.work is not None
    assert STEP.settle is not None
    parts = [array(texts[at : at + unit]) for at in range(0, len(texts), unit)]
    kept = []
    for part in parts:
        nothing = np.zeros(len(part), np.uint8)
        evidence = STEP.work(Documents(part, nothing != 0, nothing), values).evidence
        assert evidence is not None
        kept.append(evidence)
    with tempfile.TemporaryDirectory() as scratch:
        found = STEP.settle(InMemory(tuple(kept), tuple(parts)), values, Path(scratch), memory)
        return Settled(np.array(found.codes), np.array(found.firsts), np.array(found.scores))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(POOL), max_size=30), st.integers(1, 12), st.integers(300, 5000))
def test_every_text_but_the_first_of_its_kind_goes(
    texts: list[str], unit: int, memory: int
) -> None:
    found = settled(texts, unit=unit, memory=memory)
    firsts = [texts.index(text) for text in texts]
    again = [int(first != number) for number, first in enumerate(firsts)]
    assert found.firsts.tolist() == firsts
    assert found.codes.tolist() == again
    assert found.scores.tolist() == [100 * each for each in again]


def test_letters_alone_can_decide_and_signs_alone_are_no_letters() -> None:
    found = settled(POOL, same="letters")
    assert found.firsts.tolist() == [0, 0, 0, 3, 4, 5, 6, 7, 7]
    assert settled(POOL).codes.sum() == 0


def test_many_shares_settle_as_one() -> None:
    texts = invented(2, 2000, 6) * 2
    whole, cut = settled(texts), settled(texts, unit=333, memory=4000)
    assert (whole.firsts == cut.firsts).all()
    assert (whole.codes == cut.codes).all()
    assert whole.codes.sum() == 2000


@pytest.mark.parametrize("count", [1, 5])
def test_what_is_not_settled_is_kept_alone(tmp_path: Path, count: int) -> None:
    for found in (blank(tmp_path, count), Settled.nothing(count)):
        assert found.firsts.tolist() == list(range(count))
        assert not found.codes.any()
        assert not found.scores.any()


def test_evidence_in_memory_gives_what_it_was_given() -> None:
    made = InMemory((np.arange(3, dtype=np.uint64).reshape(3, 1),), (array(["甲", "乙", "丙"]),))
    assert list(made.counts) == [3]
    assert made.values(0)[:, 0].tolist() == [0, 1, 2]
    assert made.texts(0, np.array([0, 2])).to_pylist() == ["甲", "丙"]
    assert "甲" not in repr(made)
