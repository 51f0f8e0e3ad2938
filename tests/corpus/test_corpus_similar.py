"""The step `similar`, by itself and in the engine: groups for a split, or only the first."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import numpy as np
import pytest
from corpus_near_desk import array, edited, invented
from corpus_planting import write_jsonl

from yunhe.corpus import engine
from yunhe.corpus.documents import Documents, Values
from yunhe.corpus.domain import Columns, Profile
from yunhe.corpus.evidence import InMemory
from yunhe.corpus.gathering import Corpus
from yunhe.corpus.kernels.shingles import WORDS
from yunhe.corpus.pipeline import build
from yunhe.corpus.service import load_profile
from yunhe.corpus.steps.similar import STEP
from yunhe.kernel.progress import Silent


def only(*names: str, keep: str | None = None) -> Profile:
    """Some steps of the built-in profile."""
    profile = load_profile()
    plans = [plan for plan in profile.steps if plan.name in names]
    if keep is not None:
        plans = [
            dataclasses.replace(plan, options={"keep": keep}) if plan.name == "similar" else plan
            for plan in plans
        ]
    return dataclasses.replace(profile, steps=tuple(plans))


def grouped(folder: Path, texts: list[str], *names: str, keep: str | None = None) -> Corpus:
    path = write_jsonl(folder / "in.jsonl", [{"text": text} for text in texts])
    made = build(only("similar", *names, keep=keep))
    return engine.cleanse(path, Columns("text"), made, threads=1, progress=Silent())


def documents(texts: list[str]) -> Documents:
    return Documents(array(texts), np.zeros(len(texts), np.bool_), np.zeros(len(texts), np.uint8))


ORIGINALS = invented(1, 40, 80)
TEXTS = [*ORIGINALS, *(edited(text, 0.02, random.Random(1)) for text in ORIGINALS)]


def test_the_profile_for_short_texts_groups_and_removes_nothing(tmp_path: Path) -> None:
    corpus = grouped(tmp_path, TEXTS)
    assert len(corpus.rows) == 80
    assert corpus.groups.tolist() == [*range(40), *range(40)]


def test_keep_first_removes_all_but_the_first_of_a_group(tmp_path: Path) -> None:
    corpus = grouped(tmp_path, TEXTS, keep="first")
    assert corpus.rows.tolist() == list(range(40))
    (marks,) = corpus.drops
    assert marks.rows.tolist() == list(range(40, 80))
    assert STEP.reasons[marks.codes[0] - 1] == "near_duplicate"


def test_evidence_is_one_row_of_words_for_each_document() -> None:
    values = Values({"similarity_percent_min": 50}, {"keep": "first"})
    assert STEP.work is not None
    outcome = STEP.work(documents(["一二三四五六", ""]), values)
    assert outcome.evidence is not None
    assert outcome.evidence.shape == (2, WORDS)
    assert outcome.texts is None


@pytest.mark.parametrize(("keep", "codes"), [("first", [0, 1, 0]), ("all", [0, 0, 0])])
def test_the_option_decides_whether_copies_are_dropped(
    tmp_path: Path, keep: str, codes: list[int]
) -> None:
    texts = ["这条路灯坏了三天没有人来修", "这条路灯，坏了三天没有人来修！", "别的话题在这里"]
    values = Values({"similarity_percent_min": 50}, {"keep": keep})
    assert STEP.work is not None
    assert STEP.settle is not None
    evidence = STEP.work(documents(texts), values).evidence
    assert evidence is not None
    found = STEP.settle(InMemory((evidence,), (array(texts),)), values, tmp_path, 1 << 20)
    assert found.codes.tolist() == codes
    assert found.firsts.tolist() == [0, 0, 2]
    assert found.scores.tolist() == [0, 100, 0]


def test_documents_that_differ_only_in_masked_details_share_a_group(tmp_path: Path) -> None:
    sentence = "我家水管漏水三天没有人来修请尽快联系我"
    texts = [f"我叫张伟，{sentence}13812345678", f"我叫李敏丽，{sentence}13987654321"]
    corpus = grouped(tmp_path, texts, "personal")
    assert corpus.groups.tolist() == [0, 0]
