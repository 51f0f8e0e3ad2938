"""Near-duplicates: edited copies land in one group, strangers do not, nothing is removed."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from corpus_planting import write_jsonl
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.corpus import engine
from yunhe.corpus.domain import Columns, Profile
from yunhe.corpus.gathering import Corpus
from yunhe.corpus.pipeline import build
from yunhe.corpus.service import load_profile
from yunhe.kernel.progress import Silent

HANZI = "".join(chr(code) for code in range(0x4E00, 0x4E00 + 3000))


def only(*names: str) -> Profile:
    profile = load_profile()
    plans = tuple(plan for plan in profile.steps if plan.name in names)
    return Profile(profile.name, profile.version, profile.sample_documents, plans)


def grouped(folder: Path, texts: list[str], *names: str) -> Corpus:
    path = write_jsonl(folder / "in.jsonl", [{"text": text} for text in texts])
    made = build(only("similar", *names))
    return engine.cleanse(path, Columns("text"), made, threads=1, progress=Silent())


def invented(seed: int, count: int, length: int) -> list[str]:
    draw = random.Random(seed)
    return ["".join(draw.choices(HANZI, k=length)) for _ in range(count)]


def edited(text: str, share: float, draw: random.Random) -> str:
    return "".join(draw.choice(HANZI) if draw.random() < share else c for c in text)


@pytest.mark.parametrize(
    ("change", "recall_min"),
    [
        (lambda text, draw: text, 1.0),
        (lambda text, draw: "，".join(text[i : i + 7] for i in range(0, len(text), 7)), 1.0),
        (lambda text, draw: edited(text, 0.01, draw), 0.99),
        (lambda text, draw: text[: int(len(text) * 0.85)], 0.99),
        (lambda text, draw: "转发：" + text + "（完）", 0.99),
        (lambda text, draw: edited(text, 0.05, draw), 0.85),
    ],
    ids=["same", "punctuation", "edit1", "cut", "framed", "edit5"],
)
def test_copies_are_grouped_with_their_originals(
    tmp_path: Path, change: object, recall_min: float
) -> None:
    originals, draw = invented(1, 300, 120), random.Random(2)
    copies = [change(text, draw) for text in originals]  # type: ignore[operator]
    corpus = grouped(tmp_path, originals + copies)
    assert len(corpus.rows) == 600  # nothing is removed
    together = (corpus.groups[:300] == corpus.groups[300:]).mean()
    assert together >= recall_min
    # A group holds an original and its copy and nobody else: no false merge.
    assert np.unique(corpus.groups, return_counts=True)[1].max() <= 2


def test_strangers_stay_apart_though_they_share_a_phrase(tmp_path: Path) -> None:
    texts = [f"市民来电反映如下问题，{text}，请尽快处理谢谢" for text in invented(3, 400, 60)]
    corpus = grouped(tmp_path, texts)
    assert len(np.unique(corpus.groups)) == len(texts)


def test_short_documents_are_grouped_only_when_their_words_are_the_same(tmp_path: Path) -> None:
    texts = ["很好吃", "很好吃！", "不好吃", "好吃", "味道不错下次再来", "味道不错，下次再来。"]
    corpus = grouped(tmp_path, texts)
    assert corpus.groups.tolist() == [0, 0, 2, 3, 4, 4]


@pytest.mark.parametrize("texts", [["只有一篇文档在这里"], ["！！！", "。。。", "???"]])
def test_one_document_or_none_with_letters_is_no_special_case(
    tmp_path: Path, texts: list[str]
) -> None:
    assert grouped(tmp_path, texts).groups.tolist() == list(range(len(texts)))


def jaccard(left: str, right: str) -> float:
    a, b = ({text[i : i + 5] for i in range(len(text) - 4)} for text in (left, right))
    return len(a & b) / len(a | b)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32))
def test_linked_documents_are_as_alike_as_the_profile_says(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    draw = random.Random(seed)
    base = invented(seed, 12, 60)
    texts = base + [edited(text, draw.random() * 0.2, draw) for text in base]
    corpus = grouped(tmp_path_factory.mktemp("similar"), texts)
    for number, head in enumerate(corpus.groups.tolist()):
        if number != head:
            members = [m for m in range(len(texts)) if corpus.groups[m] == head and m != number]
            assert max(jaccard(texts[number], texts[m]) for m in members) >= 0.5


def test_documents_that_differ_only_in_masked_details_share_a_group(tmp_path: Path) -> None:
    sentence = "我家水管漏水三天没有人来修请尽快联系我"
    texts = [f"我叫张伟，{sentence}13812345678", f"我叫李敏丽，{sentence}13987654321"]
    corpus = grouped(tmp_path, texts, "personal")
    assert corpus.groups.tolist() == [0, 0]
    assert corpus.texts.to_pylist()[0] == corpus.texts.to_pylist()[1]
