"""Finding personal details: speed, recall, false hits and precision.

    python benchmarks/corpus/personal.py [--seed 1] [--each 800]

Reads ``../shared/data/corpora`` in place and prints counts only. Peers' figures are those of
``shared/facts/corpus.md`` §5.1 and §8, measured there on the same ``pii_synth.jsonl``.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import time
from collections import Counter
from pathlib import Path

import pyarrow as pa

from yunhe.corpus.domain import PERSONAL_TYPES
from yunhe.corpus.intervals import wilson
from yunhe.corpus.kernels.utf8 import utf8
from yunhe.corpus.personal.found import as_spans
from yunhe.corpus.personal.probes import KINDS, probes
from yunhe.corpus.personal.probing import covered, plant
from yunhe.corpus.personal.scan import scan

DATA = Path(__file__).parents[3] / "shared" / "data" / "corpora"
BATCH = 2000


def real() -> list[str]:
    """The documents of raw_zh that were not planted as duplicates."""
    with gzip.open(DATA / "raw_zh.jsonl.gz", "rt", encoding="utf-8") as lines:
        records = (json.loads(line) for line in lines)
        return [record["text"] for record in records if not record["dup_of"]]


def speed(texts: list[str]) -> None:
    batches = [
        utf8(pa.array(texts[at : at + BATCH], pa.large_string()))
        for at in range(0, len(texts), BATCH)
    ]
    size = sum(int(batch.offsets[-1] - batch.offsets[0]) for batch in batches)
    scan(batches[0])
    spent, count = [], Counter[str]()
    for _ in range(3):
        count.clear()
        before = time.process_time()
        for batch in batches:
            count.update(PERSONAL_TYPES[kind] for kind in scan(batch).types.tolist())
        spent.append(time.process_time() - before)
    print(f"scan without names: {size / 1e6 / min(spent):.0f} MB per CPU-second", end=" ")
    print(f"({1e9 * min(spent) / size:.1f} ns a byte); peers: JioNLP 4.4, Presidio .37")
    print("hits per 10 MB of real text, right and wrong:")
    print({kind: round(number * 1e7 / size, 1) for kind, number in sorted(count.items())})


def recall(texts: list[str], *, seed: int, each: int) -> None:
    right = surplus = 0
    print("kind, probes, found, Wilson-95 from, in texts of raw_zh without blocks of code")
    for kind in KINDS:
        if kind == "NAME":
            continue  # benchmarks of its own: names are no rule's business here
        made = probes(kind, each, seed=seed)
        planted = plant(made, texts, seed=seed)
        hit = covered(made, planted, scan)
        print(f"{kind:9} {each} {sum(hit)} {wilson(sum(hit), each)[0]:.3f}")
        # What is found beyond the probe and was not found before it was there is a false hit.
        plain = [text[: first - 1] + text[last:] for text, first, last in planted]
        before, after = (
            len(scan(utf8(pa.array(those, pa.large_string()))))
            for those in (plain, [text for text, _, _ in planted])
        )
        right += sum(hit)
        surplus += max(0, after - before - sum(hit))
    print(f"precision on planted: {right / max(1, right + surplus):.4f} ({right}, {surplus} more)")


def synthetic() -> None:
    lines = (DATA / "labelled" / "pii_synth.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    seen = utf8(pa.array([row["text"] for row in rows], pa.large_string()))
    spans = as_spans(scan(seen), seen)
    found: list[list[tuple[int, int]]] = [[] for _ in rows]
    columns = (spans.documents.tolist(), spans.starts.tolist(), spans.ends.tolist())
    for row, start, end in zip(*columns, strict=True):
        found[row].append((start, end))
    good, of = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for row, places in zip(rows, found, strict=True):
        first, last = row["span"]
        negative = row["type"] == "NEG"
        key = (row["type"], row["variant"])
        of[key] += 1
        whole = any(start <= first and last <= end for start, end in places)
        near = any(start < last and first < end for start, end in places)
        good[key] += not near if negative else whole
    print("pii_synth.jsonl: share covered; for NEG, share left alone")
    print({"/".join(key): round(good[key] / of[key], 3) for key in sorted(of)})


def main() -> None:
    """Everything, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--each", type=int, default=800)
    asked = parser.parse_args()
    print(platform.processor() or platform.machine(), platform.python_version(), os.getloadavg())
    texts = real()
    speed(texts)
    synthetic()
    # Lines of code without hanzi are not scanned, on purpose; what is planted there is not found.
    prose = [text for text in texts if "```" not in text]
    recall(prose, seed=asked.seed, each=asked.each)


if __name__ == "__main__":
    main()
