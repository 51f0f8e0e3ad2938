"""Near-duplicates in real text: recall by planted kind, removals, and false merges, all gated.

Nothing of the data is shown: a failure prints counts only.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from corpus_near_desk import bytes_of, settled

from yunhe.corpus.kernels.likeness import MILLION, similarities

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "corpus"))
import recombine

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "corpora"
RECALL_MIN = 0.95
FALSE_PER_THOUSAND_MAX = 5
PLANTED, REMOVALS_MAX = 2905, 3150
"""Of the planted copies and the 158 native ones 3,063 can go; 56 more were alike by themselves."""

SENTENCES = [f"这是第{n}件事，街道办已经派人去看过了；" for n in range(50)]


@pytest.mark.shared
@pytest.mark.skipif(not DATA.is_dir(), reason="no ../shared/data/corpora beside the project")
def test_planted_copies_are_removed_and_hardly_anything_else() -> None:
    texts, copies, ids = [], [], {}
    with gzip.open(DATA / "raw_zh.jsonl.gz", "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            row = json.loads(line)
            ids[row["id"]] = number
            texts.append(row["text"])
            if row["dup_of"]:
                copies.append((number, row["dup_of"], row["dup_kind"]))
    found = settled(texts, unit=15_000)
    there, caught = Counter[str](), Counter[str]()
    for copy, of, kind in copies:
        there[kind] += 1
        caught[kind] += bool(found.firsts[copy] == found.firsts[ids[of]])
    assert set(there) == set(recombine.KINDS)
    assert {k: n for k, n in there.items() if caught[k] < RECALL_MIN * n} == {}
    removed = np.flatnonzero(found.codes)
    assert RECALL_MIN * PLANTED <= len(removed) <= REMOVALS_MAX
    pairs = np.stack([removed, found.firsts[removed]], axis=1)
    alike = similarities(bytes_of(texts), pairs)
    assert (alike < MILLION // 2).sum() * 1000 <= FALSE_PER_THOUSAND_MAX * len(removed)


def raw(folder: Path) -> Path:
    path = folder / "raw.jsonl.gz"
    with gzip.open(path, "wt", encoding="utf-8") as lines:
        for n in range(400):
            text = "".join(SENTENCES[(n * 7 + k * k) % 50] for k in range(6))
            row = {"id": str(n), "text": text, "source": "ab"[n % 2], "dup_of": None}
            lines.write(json.dumps(row) + "\n")
    return path


def test_the_recombination_is_the_same_for_the_same_seed_and_plants_what_it_says(
    tmp_path: Path,
) -> None:
    source = raw(tmp_path)
    (tmp_path / "again").mkdir()
    one, two = tmp_path / "made.jsonl.gz", tmp_path / "again" / "other.jsonl.gz"
    truth = recombine.write(one, raw=source, megabytes=1, seed=3)
    recombine.write(two, raw=source, megabytes=1, seed=3)
    assert one.read_bytes() == two.read_bytes()
    with gzip.open(one, "rt", encoding="utf-8") as lines:
        rows = {row["id"]: row["text"] for row in map(json.loads, lines)}
    planted = [json.loads(line) for line in truth.read_text(encoding="utf-8").splitlines()]
    assert 0.07 < len(planted) / len(rows) < 0.09
    assert {row["dup_kind"] for row in planted} == set(recombine.KINDS)
    assert sum(len(text.encode()) for text in rows.values()) >= 1_000_000
    order = {name: place for place, name in enumerate(rows)}
    for row in planted:
        assert order[row["dup_of"]] < order[row["id"]]
        same = rows[row["id"]] == rows[row["dup_of"]]
        assert same == (row["dup_kind"] == "exact")


def test_clauses_together_are_the_text() -> None:
    for text in ("一句，两句。\n三", "", "。。", "长" * 300, "a b\nc，"):
        assert "".join(recombine.pieces(text)) == text
