"""Near-duplicates: ours and the peers on the same input, by speed, recall, removals, false merges.

    python benchmarks/corpus/near.py --peers DIR [--input FILE.jsonl.gz] [--documents N]
        [--only ours datatrove rensa data-juicer]

Without ``--input`` it reads ``raw_zh.jsonl.gz``; of another file made by `recombine.py` the truth
lies beside it. Every tool runs twice in a process of its own, the second run counts; CPU-seconds
hold start-up, reading and writing. Ours reads the same JSON lines and drops at 50 %.

Recall: of a planted copy and its original not both are kept. False merge: a document that was
removed and whose exact Jaccard similarity of five-letter runs is below .5 with every kept document
that shares a bucket with it (42 bands of 3); computed for every removal of every tool alike.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.json
from numpy.typing import NDArray

from yunhe.corpus.evidence import InMemory
from yunhe.corpus.kernels.bands import split
from yunhe.corpus.kernels.likeness import similarities
from yunhe.corpus.kernels.shingles import signatures
from yunhe.corpus.kernels.utf8 import utf8
from yunhe.corpus.near.candidates import Candidates
from yunhe.corpus.near.settling import settle

sys.path.insert(0, str(Path(__file__).parent))
from peers import PACKAGES, environment

RAW = Path("../shared/data/corpora/raw_zh.jsonl.gz")
TOOLS = ("ours", "datatrove", "rensa", "data-juicer")
UNIT_DOCUMENTS, MEMORY_BYTES, PERCENT_MIN = 50_000, 1 << 30, 50


@dataclass
class Input:
    """What is read, and what is known of it."""

    ids: list[str]
    texts: list[str]
    planted: list[tuple[str, str, str]]

    @classmethod
    def of(cls, path: Path, documents: int) -> Input:
        """The first documents of a file, and the copies among them whose original is there."""
        made = cls([], [], [])
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                made.ids.append(row["id"])
                made.texts.append(row["text"])
                if row.get("dup_of"):
                    made.planted.append((row["id"], row["dup_of"], row["dup_kind"]))
                if len(made.ids) == documents:
                    break
        truth = path.with_name(path.name.removesuffix(".jsonl.gz") + ".truth.jsonl")
        there = set(made.ids)
        if truth.exists():
            rows = map(json.loads, truth.read_text(encoding="utf-8").splitlines())
            made.planted = [(row["id"], row["dup_of"], row["dup_kind"]) for row in rows]
        made.planted = [each for each in made.planted if each[0] in there and each[1] in there]
        return made

    def write(self, path: Path) -> None:
        """As plain JSON lines of id and text."""
        with path.open("w", encoding="utf-8") as out:
            for name, text in zip(self.ids, self.texts, strict=True):
                out.write(json.dumps({"id": name, "text": text}, ensure_ascii=False) + "\n")


def ours(source: Path, kept: Path, folder: Path) -> None:
    """Signatures, candidates, exact comparison; the ids of those that stay."""
    table = pa.json.read_json(source, pa.json.ReadOptions(use_threads=False, block_size=64 << 20))
    texts = table.column("text").cast(pa.large_string()).combine_chunks()
    if isinstance(texts, pa.ChunkedArray):
        texts = pa.concat_arrays(texts.chunks)
    units = [texts.slice(at, UNIT_DOCUMENTS) for at in range(0, len(texts), UNIT_DOCUMENTS)]
    evidence = InMemory(tuple(signatures(utf8(unit)) for unit in units), tuple(units))
    found = settle(evidence, folder, memory_bytes=MEMORY_BYTES, percent_min=PERCENT_MIN, drop=True)
    names = table.column("id").filter(pa.array(np.asarray(found.codes) == 0))
    kept.write_text("".join(f"{name}\n" for name in names.to_pylist()), encoding="utf-8")


def measured(command: list[str | Path], folder: Path) -> float:
    """CPU-seconds of a process and all it started."""
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with (folder / "log").open("w") as log:
        subprocess.run(command, check=True, stdout=log, stderr=log, env=environ)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def run(tool: str, source: Path, folder: Path, peers: Path | None) -> tuple[set[str], float]:
    """What a tool keeps, and the CPU-seconds of its second run."""
    used = 0.0
    for turn in (1, 2):
        with tempfile.TemporaryDirectory(dir=folder) as name:
            kept, here = folder / f"{tool}.kept", Path(name)
            if tool == "ours":
                start: list[str | Path] = [sys.executable, __file__, "--run-ours"]
            else:
                assert peers is not None
                python = environment(tool, peers)
                start = [python, Path(__file__).with_name("near_peers.py"), tool]
            used = measured([*start, source, kept, here], folder)
            print(f"  {tool}: run {turn}: {used:.2f} CPU-s", file=sys.stderr, flush=True)
    return set(kept.read_text(encoding="utf-8").split()), used


def best_likeness(data: Input, kept: set[str], folder: Path) -> NDArray[np.int64]:
    """For every removed document the highest similarity with a kept one, in millionths."""
    stays = [text for name, text in zip(data.ids, data.texts, strict=True) if name in kept]
    gone = [text for name, text in zip(data.ids, data.texts, strict=True) if name not in kept]
    texts = pa.array([*stays, *gone], pa.large_string())
    seen = InMemory((signatures(utf8(texts)),), (texts,))
    best = np.zeros(len(gone), np.int64)
    with tempfile.TemporaryDirectory(dir=folder) as name:
        candidates = Candidates(seen, Path(name), MEMORY_BYTES)
        candidates.find()
        for pairs, _ in candidates.likely(PERCENT_MIN):
            later, earlier = split(pairs)
            asked = (later >= len(stays)) & (earlier < len(stays))
            alike = similarities(utf8(texts), np.stack([later[asked], earlier[asked]], axis=1))
            np.maximum.at(best, later[asked] - len(stays), alike)
    return best


def report(tool: str, data: Input, kept: set[str], used: float, folder: Path) -> float:
    """Print one tool's figures; returns its MB per CPU-second."""
    there, caught = Counter[str](), Counter[str]()
    for copy, of, kind in data.planted:
        there[kind] += 1
        caught[kind] += not (copy in kept and of in kept)
    best = best_likeness(data, kept, folder)
    false = int((best < PERCENT_MIN * 10_000).sum())
    speed = sum(len(text.encode()) for text in data.texts) / 1e6 / used
    recall = "  ".join(f"{kind} {caught[kind] / there[kind]:.3f}" for kind in sorted(there))
    print(f"{tool:12} {speed:8.2f} MB/CPU-s ({used:.2f} CPU-s)")
    print(f"{'':12} recall {recall}")
    share = 100 * false / max(1, len(best))
    print(f"{'':12} removed {len(best):,}, false merges {false:,} ({share:.2f} %)", flush=True)
    return speed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--input", type=Path, default=RAW)
    parser.add_argument("--documents", type=int, default=0, help="only so many, 0 for all")
    parser.add_argument("--peers", type=Path, help="folder for the peers' environments")
    parser.add_argument("--only", nargs="+", choices=TOOLS, default=TOOLS)
    parser.add_argument("--folder", type=Path, default=Path("build"), help="a real disk")
    asked = parser.parse_args()
    chosen = [tool for tool in TOOLS if tool in asked.only and (tool == "ours" or asked.peers)]
    data = Input.of(asked.input, asked.documents)
    asked.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-near-", dir=asked.folder) as name:
        folder = Path(name).absolute()
        (folder / "in").mkdir()
        source = folder / "in" / "input.jsonl"
        data.write(source)
        size = sum(len(text.encode()) for text in data.texts) / 1e6
        print(f"{asked.input.name}: {len(data.ids):,} documents, {size:.1f} MB of text, "
              f"{len(data.planted):,} planted copies")  # fmt: skip
        peers = None if asked.peers is None else asked.peers.absolute()
        speeds = {}
        for tool in chosen:
            kept, used = run(tool, source, folder, peers)
            speeds[tool] = report(tool, data, kept, used, folder)
    for tool in chosen[1:]:
        print(f"ours is {speeds[chosen[0]] / speeds[tool]:.1f} times as fast as {tool}")
    versions = ", ".join(" ".join(PACKAGES[tool]) for tool in chosen if tool in PACKAGES)
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}; Python "
          f"{platform.python_version()}, pyarrow {pa.__version__}; {versions}")  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run-ours"]:
        ours(*map(Path, sys.argv[2:5]))
    else:
        main()
