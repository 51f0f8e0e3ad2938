"""Real text beside the project: no hanzi is lost unseen, and ordinary Chinese is kept.

Nothing of the data is shown: a failure prints counts only.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from opencc import OpenCC

from yunhe.corpus import profiles
from yunhe.corpus.documents import Documents, Outcome, Values
from yunhe.corpus.domain import Profile
from yunhe.corpus.kernels import mojibake, opencc, script
from yunhe.corpus.kernels.classes import HANZI, TRADITIONAL
from yunhe.corpus.kernels.measures import measured, total
from yunhe.corpus.kernels.utf8 import utf8
from yunhe.corpus.pipeline import Placed, build

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data" / "corpora"
OTHERS = {"duplicates", "similar", "personal", "risk", "abuse"}
BATCH = 8000

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not DATA.is_dir(), reason="no ../shared/data/corpora beside the project"),
]

KEPT_PERCENT_MIN = {
    "lctt": 94, "medical": 99, "classical-modern": 97, "gold-miner": 90, "weekly": 97,
    "poetry": 94, "hotel": 85, "cluener": 73, "cold": 61, "car": 59, "waimai": 20,
}  # fmt: skip
"""Of each source by zh-pretrain's rules for text, native duplicates aside; what goes of the short
ones (reviews, comments, car talk) is shorter than thirty letters, and of the translations (lctt,
gold-miner) English originals, lists of links and code. Measured 2026-11."""


def raw() -> Iterator[tuple[list[str], list[str]]]:
    texts: list[str] = []
    sources: list[str] = []
    with gzip.open(DATA / "raw_zh.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            texts.append(record["text"])
            sources.append(record["source"])
            if len(texts) == BATCH:
                yield texts, sources
                texts, sources = [], []
    yield texts, sources


def everything() -> Iterator[tuple[str, list[str]]]:
    """Every document of the folder, by file."""
    for texts, _ in raw():
        yield "raw_zh.jsonl.gz", texts
    for path in sorted((DATA / "labelled").glob("*.jsonl")):
        yield path.name, [json.loads(line)["text"] for line in path.read_text("utf-8").splitlines()]
    for path in sorted(DATA.glob("*.csv")):
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        column = max(rows[0], key=lambda name: sum(len(row[name] or "") for row in rows[:50]))
        yield path.name, [row[column] or "" for row in rows]


def documents(texts: list[str]) -> Documents:
    count = len(texts)
    array = pa.array(texts, pa.large_string())
    return Documents(array, np.zeros(count, np.bool_), np.zeros(count, np.uint8))


def mine(profile: Profile) -> list[Placed]:
    plans = tuple(plan for plan in profile.steps if plan.name not in OTHERS)
    return list(build(Profile(profile.name, 1, profile.sample_documents, plans)).steps)


def hanzi(texts: pa.LargeStringArray) -> np.ndarray:
    return total(measured(utf8(texts)), HANZI)


def declared(found: Documents, outcome: Outcome) -> np.ndarray:
    """Hanzi in what a step says it removed, by document."""
    gone = np.zeros(len(found), np.int64)
    if outcome.removed is not None and len(outcome.removed.documents):
        columns = (outcome.removed.documents, outcome.removed.starts, outcome.removed.ends)
        rows = list(zip(*(column.tolist() for column in columns), strict=True))
        pieces = [found.texts[document].as_py()[start:end] for document, start, end in rows]
        np.add.at(gone, outcome.removed.documents, hanzi(pa.array(pieces, pa.large_string())))
    return gone


def added(found: Documents, outcome: Outcome, values: Values) -> np.ndarray:
    """Hanzi of the placeholders that a step put where it removed a link."""
    count = np.zeros(len(found), np.int64)
    if outcome.removed is not None and values.options.get("links") == "mask":
        np.add.at(count, outcome.removed.documents[outcome.removed.reasons == 1], len("链接"))
    return count


def test_no_hanzi_leaves_a_document_outside_a_declared_removal() -> None:
    recipe = (ROOT / "benchmarks" / "corpus" / "peer-recipe.yaml").read_text("utf-8")
    recipes = (profiles.built_in("zh-pretrain"), profiles.parse(recipe, where="recipe"))
    seen, wrong = 0, Counter()
    for file, texts in everything():
        for placed in (placed for recipe in recipes for placed in mine(recipe)):
            found = documents(texts)
            outcome = placed.step.work(found, placed.values)
            if outcome.texts is None:
                continue
            before, after = hanzi(found.texts), hanzi(outcome.texts)
            if placed.name != "markup":  # an entity may become a hanzi
                after = after + declared(found, outcome) - added(found, outcome, placed.values)
                wrong[file, placed.name] += int((before != after).sum())
            seen += len(texts)
    assert seen > 200_000
    assert +wrong == Counter()


def test_ordinary_chinese_of_every_source_is_kept_and_nothing_is_taken_for_misread() -> None:
    kept: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    misread = 0
    for texts, sources in raw():
        found, rows = documents(texts), np.arange(len(texts))
        misread += int(mojibake.suspects(found.measures).sum())
        for placed in mine(profiles.built_in("zh-pretrain")):
            outcome = placed.step.work(found, placed.values)
            if placed.name == "encoding":
                assert outcome.texts is None
            if outcome.texts is not None:
                found = found.with_texts(outcome.texts)
            if outcome.reasons is not None:
                alive = outcome.reasons == 0
                found, rows = found.only(alive), rows[alive]
        whole.update(sources)
        kept.update(sources[row] for row in rows.tolist())
    percent = {source: 100 * kept[source] // whole[source] for source in whole}
    assert {s: p for s, p in percent.items() if p < KEPT_PERCENT_MIN[s]} == {}
    assert misread <= 5


def test_conversion_of_real_text_equals_the_library_in_both_directions() -> None:
    sampled = [text[:1500] for texts, _ in raw() for text in texts[::40]]
    array = pa.array(sampled, pa.large_string())
    for way in ("t2s", "s2t"):
        found, _ = script.converted(utf8(array), way)
        peer = OpenCC(way)
        wrong = sum(
            peer.convert(text) != after
            for text, after in zip(sampled, found.to_pylist(), strict=True)
        )
        assert wrong == 0
    simple, _ = script.converted(utf8(array), "t2s")
    left = int(measured(utf8(simple))[:, TRADITIONAL].sum())
    assert left * 1000 < int(hanzi(simple).sum())
    assert len(opencc.characters("t2s")) > 4000


def test_what_each_step_is_asked_reaches_it() -> None:
    placed = {each.name: each.values for each in mine(profiles.built_in("zh-pretrain"))}
    assert isinstance(placed["length"], Values)
    assert placed["language"].options["keep"] == "zh"
    assert placed["links"].options == {"links": "mask", "emails": "keep", "ips": "keep"}
