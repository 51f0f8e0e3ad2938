"""Risk words: ours beside ahocorasick_rs on the same text and words, in one run.

    python benchmarks/corpus/keywords.py [--words 10000] [--megabytes 200]

Text: ``../shared/data/corpora/raw_zh.jsonl.gz``, repeated whole up to the size asked for. Words: as
many random runs of three to five hanzi, drawn by their frequency in that text with a seed, so that
beginnings of words are frequent and words are rare. The peer is installed into an environment of
its own under the temporary folder. Ours ignores case, width and what stands inside a word; the peer
finds exact strings, so it does less. CPU-seconds of the process, best of three.
"""

from __future__ import annotations

import argparse
import gzip
import json
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from yunhe.corpus.kernels.utf8 import utf8
from yunhe.corpus.risk import automaton, fold

CORPUS = Path(__file__).parents[3] / "shared" / "data" / "corpora" / "raw_zh.jsonl.gz"
PEER = "ahocorasick_rs==1.0.3"
ROUNDS = 3
SEED = 20261122
_PEER_CODE = """
import json, sys, time
import ahocorasick_rs
from importlib.metadata import version
words = json.load(open(sys.argv[1], encoding="utf-8"))
texts = json.load(open(sys.argv[2], encoding="utf-8"))
began = time.process_time()
made = ahocorasick_rs.AhoCorasick(words)
build = time.process_time() - began
best = None
for _ in range(3):
    began = time.process_time()
    hits = sum(len(made.find_matches_as_indexes(text, overlapping=True)) for text in texts)
    spent = time.process_time() - began
    best = spent if best is None else min(best, spent)
print(json.dumps([build, best, hits, version("ahocorasick_rs")]))
"""


def inputs(words: int, megabytes: int) -> tuple[list[str], list[str]]:
    with gzip.open(CORPUS, "rt", encoding="utf-8") as stream:
        texts = [json.loads(line)["text"] for line in stream]
    size = sum(len(text.encode()) for text in texts)
    hanzi = [letter for text in texts[:3000] for letter in text if "\u4e00" <= letter <= "\u9fff"]
    draw = random.Random(SEED)
    chosen: set[str] = set()
    while len(chosen) < words:
        chosen.add("".join(draw.choices(hanzi, k=draw.choice([3, 4, 4, 5]))))
    return sorted(chosen), texts * max(1, round(megabytes * 1e6 / size))


def timed(work: Callable[[], int]) -> tuple[float, int]:
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


def ours(words: list[str], texts: list[str]) -> tuple[float, float, int]:
    fold.gaps("punctuation")
    fold.folded()
    build, _ = timed(lambda: len(automaton.build(words, gaps="punctuation").nodes))
    made = automaton.build(words, gaps="punctuation")
    bytes_ = utf8(pa.array(texts, pa.large_string()))
    made.find(utf8(pa.array(["warm"], pa.large_string())))
    rounds = [timed(lambda: len(made.find(bytes_).texts)) for _ in range(ROUNDS)]
    return build, min(spent for spent, _ in rounds), rounds[0][1]


def peer(words: list[str], texts: list[str]) -> tuple[float, float, int, str]:
    folder = Path(tempfile.gettempdir()) / "yunhe-bench-keywords"
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([python, "-m", "pip", "install", "-q", PEER], check=True)
    paths = [folder / "words.json", folder / "texts.json"]
    for path, value in zip(paths, (words, texts), strict=True):
        path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    try:
        done = subprocess.run(
            [python, "-c", _PEER_CODE, *paths], check=True, capture_output=True, text=True
        )
    finally:
        for path in paths:
            path.unlink(missing_ok=True)
    build, spent, hits, version = json.loads(done.stdout)
    return build, spent, hits, version


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--words", type=int, default=10_000)
    parser.add_argument("--megabytes", type=int, default=200)
    asked = parser.parse_args()
    words, texts = inputs(asked.words, asked.megabytes)
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    print(f"{megabytes:.1f} MB in {len(texts)} texts, {len(words)} words, seed {SEED}")
    print(f"{platform.machine()} {platform.system()}, Python {platform.python_version()}")
    build, spent, hits = ours(words, texts)
    print(f"ours: build {build:.2f} CPU-s, {megabytes / spent:.0f} MB per CPU-second, {hits} hits")
    other_build, other, other_hits, version = peer(words, texts)
    rate = f"{megabytes / other:.0f} MB per CPU-second, {other_hits} hits"
    print(f"ahocorasick_rs {version}: build {other_build:.2f} CPU-s, {rate}")
    print(f"ratio {other / spent:.2f}")


if __name__ == "__main__":
    main()
