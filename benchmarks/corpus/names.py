"""Person names: our rules, a tagger trained here, and jieba, on the same sentences.

The tagger is trained on three labelled sets beside the project, in place, and scored on a fourth
that it never saw; its weights go into a folder that is removed. jieba is installed by this script
into an environment of its own, which is kept under --folder.

    python benchmarks/corpus/names.py
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

import numba
import numpy as np
import pyarrow as pa

from yunhe.corpus import weights
from yunhe.corpus.intervals import wilson
from yunhe.corpus.kernels.utf8 import Utf8, utf8
from yunhe.corpus.personal import names
from yunhe.corpus.personal.finders import beside_rules
from yunhe.corpus.personal.tagger.finding import Tagger
from yunhe.corpus.personal.tagger.rows import Row, read_rows
from yunhe.corpus.personal.tagger.training import KIND, train

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "corpora" / "labelled"
TRAIN = ("cluener_train", "boson", "resume_train")
PEER = "jieba==0.42.1"
PEER_CODE = """
import json, sys, time
import jieba, jieba.posseg
jieba.setLogLevel(60)
texts = json.load(sys.stdin)
list(jieba.posseg.cut("热身"))
began, found = time.process_time(), []
for text in texts:
    at, mine = 0, []
    for word, kind in jieba.posseg.cut(text):
        if kind.startswith("nr"):
            mine.append((at, at + len(word)))
        at += len(word)
    found.append(mine)
print(json.dumps([found, time.process_time() - began]))
"""
Place = tuple[int, int, int]


def peer(texts: list[str], folder: Path) -> tuple[set[Place], float]:
    """Names by jieba's part-of-speech tags; CPU-seconds of tagging alone."""
    python = folder / "jieba" / "bin" / "python"
    if not python.is_file():
        venv.create(folder / "jieba", with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", PEER], check=True)
    done = subprocess.run(
        [python, "-c", PEER_CODE], input=json.dumps(texts), stdout=subprocess.PIPE, text=True,
        check=True,
    )  # fmt: skip
    found, cpu = json.loads(done.stdout)
    return {(row, a, b) for row, mine in enumerate(found) for a, b in mine}, cpu


def places(texts: Utf8, rows: list[str], starts: np.ndarray, ends: np.ndarray) -> set[Place]:
    """Finds in bytes of the batch as rows and characters."""
    documents = np.searchsorted(texts.offsets, starts, side="right") - 1
    found = set()
    for row, start, end in zip(documents.tolist(), starts.tolist(), ends.tolist(), strict=True):
        base = int(texts.offsets[row])
        data = rows[row].encode()
        first = len(data[: start - base].decode())
        found.add((row, first, first + len(data[start - base : end - base].decode())))
    return found


def scored(found: set[Place], rows: list[Row], seed: int) -> str:
    """Strict F1 with a bootstrap over rows, and the share of names touched with Wilson's."""
    table = np.zeros((len(rows), 4), np.int64)
    mine: dict[int, list[tuple[int, int]]] = {}
    for row, start, end in found:
        mine.setdefault(row, []).append((start, end))
    for number, row in enumerate(rows):
        gold = [(a, b) for a, b, kind in row.spans if kind == 0]
        said = mine.get(number, [])
        touched = sum(any(a < d and c < b for c, d in said) for a, b in gold)
        table[number] = (len(set(gold) & set(said)), len(said), len(gold), touched)
    right, said_, gold_, touched_ = table.sum(axis=0).tolist()
    drawn = np.random.Generator(np.random.PCG64(seed)).integers(0, len(rows), (1000, len(rows)))
    sums = np.stack([table[draw].sum(axis=0) for draw in drawn])
    f1 = np.sort(2 * sums[:, 0] / (sums[:, 1] + sums[:, 2]))
    low, high = wilson(touched_, gold_)
    return (
        f"P {right / max(1, said_):.3f} R {right / gold_:.3f} "
        f"F1 {2 * right / (said_ + gold_):.3f} [{f1[25]:.3f}, {f1[975]:.3f}]  "
        f"touched {touched_ / gold_:.3f} [{low:.3f}, {high:.3f}]"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("build"), help="for jieba")
    asked = parser.parse_args()
    rows = read_rows([DATA / "pd_test.jsonl"])
    sentences = [row.text for row in rows]
    texts = utf8(pa.array(sentences, pa.large_string()))
    size = sum(len(text.encode()) for text in sentences) / 1e6
    asked.folder.mkdir(parents=True, exist_ok=True)
    before = time.process_time()
    made = train(read_rows([DATA / f"{name}.jsonl" for name in TRAIN]), seed=asked.seed)
    trained = time.process_time() - before
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "weights.safetensors"
        path.write_bytes(made)
        tagger = Tagger(weights.read(path, KIND))
    answers: list[tuple[str, set[Place], float]] = []
    finders = (("rules, all", names.find, 0), ("rules, score >= 70", names.find, 70))
    taught = (("tagger alone", tagger, 0), ("tagger as used", beside_rules(tagger), 0))
    for label, finder, least in (*finders, *taught):
        finder(texts)  # compiled before the clock starts
        before = time.process_time()
        found = finder(texts)
        cpu = time.process_time() - before
        kept = found.scores >= least
        answers.append((label, places(texts, sentences, found.starts[kept], found.ends[kept]), cpu))
    answers.append((f"{PEER} posseg", *peer(sentences, asked.folder.absolute())))
    print(f"pd_test: {len(rows):,} sentences, {size:.2f} MB; seed {asked.seed}")
    print(f"tagger trained on {', '.join(TRAIN)} in {trained:.1f} CPU-s, compiling included")
    for label, found_, cpu in answers:
        print(f"  {label:22} {scored(found_, rows, asked.seed)}  {size / cpu:7.2f} MB/CPU-s")
    print(f"tagger is {answers[-1][2] / answers[-2][2]:.0f} times as fast as jieba")
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}; Python "
        f"{sys.version.split()[0]}, numba {numba.__version__}, numpy {np.__version__}"
    )


if __name__ == "__main__":
    main()
