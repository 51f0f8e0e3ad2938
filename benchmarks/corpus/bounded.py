"""How much memory and disk a corpus takes that is larger than the memory.

    python benchmarks/corpus/bounded.py --gigabytes 20 --work DIR

Makes a corpus of that size and cleanses it with the recipe of `recipe.py`, then deletes both. The
corpus is made of the real one beside the project: clauses shuffled across documents again and again
with a seed, so that it is real Chinese without being anybody's text; no copies are planted, but
short documents repeat by chance. It is written packed (``.jsonl.zst``), some files of 500 MB of
text each, or with ``--piped`` handed over through a pipe, so that it takes no disk.

Memory is what all processes of the run together hold, looked at ten times a second: all of it, and
what no file backs (a file's pages go as soon as somebody else needs memory). Disk is what lies in
the working folder and in the output, looked at once a second.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from recombine import RAW, pieces

from yunhe.corpus.output import write_json_lines

PROFILE = Path(__file__).parent / "peer-recipe.yaml"
FILE_BYTES = 500_000_000
"""Text in one file."""
CLAUSES_MAX = 40
"""In most documents; makes about 1.2 kB a document, as in `recombine.py`."""
LETTERS_MIN = 60
"""Bytes; shorter documents would mostly be copies of each other."""


def clauses(raw: Path) -> pa.LargeStringArray:
    """All clauses of the real corpus's documents that are no planted copies."""
    found: list[str] = []
    with gzip.open(raw, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if not row["dup_of"]:
                found += pieces(row["text"])
    return pa.array(found, pa.large_string())


def documents(pool: pa.LargeStringArray, *, seed: int) -> Iterator[pa.Table]:
    """Rounds without end: every clause once, in documents of one to `CLAUSES_MAX` or many more."""
    draw, made = np.random.default_rng(seed), 0
    while True:
        mixed = pool.take(pa.array(draw.permutation(len(pool))))
        sizes = draw.integers(1, CLAUSES_MAX + 1, len(pool))
        sizes[draw.random(len(sizes)) < 0.02] *= 20  # long documents hold most of the bytes
        ends = np.cumsum(sizes)
        ends = ends[ends <= len(pool)]
        starts = np.concatenate([[0], ends])
        lists = pa.LargeListArray.from_arrays(pa.array(starts), mixed.slice(0, int(ends[-1])))
        texts = pc.binary_join(lists, pa.scalar("", pa.large_string()))
        texts = texts.filter(pc.greater_equal(pc.binary_length(texts), LETTERS_MIN))
        numbers = pc.cast(pa.array(np.arange(made, made + len(texts))), pa.string())
        made += len(texts)
        yield pa.table({"id": pc.binary_join_element_wise("b", numbers, ""), "text": texts})


def make(target: Callable[[int], Path], *, gigabytes: float, seed: int) -> tuple[int, int]:
    """Write the corpus, each file where ``target`` says; its documents and bytes of text."""
    rounds, left, number, count = documents(clauses(RAW), seed=seed), gigabytes * 1e9, 0, 0
    while left > 0:
        held: list[pa.Table] = []
        size = 0
        while size < min(FILE_BYTES, left):
            table = next(rounds)
            size += pc.sum(pc.binary_length(table.column("text"))).as_py()
            held.append(table)
        write_json_lines(target(number), iter(held))
        count += sum(map(len, held))
        left, number = left - size, number + 1
    return count, int(gigabytes * 1e9 - left)


class Watch(threading.Thread):
    """Looks at what a program and those it started hold until it ends."""

    def __init__(self, pid: int, folders: list[Path]) -> None:
        """``folders``: whose contents to add up."""
        super().__init__(daemon=True)
        self._pid, self._folders = pid, folders
        self.resident = self.anonymous = self.disk = 0
        self.over_time: list[tuple[float, int, int, int]] = []
        """(seconds, resident, anonymous, disk), one a second."""
        self.over = threading.Event()

    def run(self) -> None:
        """See `threading.Thread`."""
        began, turn = time.monotonic(), 0
        while not self.over.wait(0.1):
            resident, anonymous = held(self._pid)
            self.resident = max(self.resident, resident)
            self.anonymous = max(self.anonymous, anonymous)
            if turn % 10 == 0:
                disk = sum(map(lying, self._folders))
                self.disk = max(self.disk, disk)
                self.over_time.append((time.monotonic() - began, resident, anonymous, disk))
            turn += 1


def held(pid: int) -> tuple[int, int]:
    """Bytes resident, and those of them that no file backs, of a process and all below it."""
    resident = anonymous = 0
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name in ("VmRSS", "RssAnon"):
                size = int(rest.split()[0]) * 1024
                resident += size * (name == "VmRSS")
                anonymous += size * (name == "RssAnon")
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return 0, 0
    for child in children:
        more = held(int(child))
        resident, anonymous = resident + more[0], anonymous + more[1]
    return resident, anonymous


def lying(folder: Path) -> int:
    """Bytes of the files in a folder, which may change meanwhile."""
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(where) / name).lstat().st_blocks * 512
            except FileNotFoundError:
                continue
    return total


def cleansed(
    source: str, out: Path, *, threads: int, feed: Callable[[Path], tuple[int, int]] | None
) -> None:
    """Run it, watch it, tell what it took. ``feed`` writes the input into a pipe."""
    # fmt: off
    command = [sys.executable, "-m", "yunhe", "clean", source, "-o", str(out), "--profile",
               str(PROFILE), "--text", "text", "--id", "id", "--threads", str(threads)]
    # fmt: on
    command += ["--input-format", "jsonl"] if feed else []
    began = time.perf_counter()
    with (out.parent / "clean.log").open("wb") as log:
        program = subprocess.Popen(
            command,
            stdin=subprocess.PIPE if feed else subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        watch = Watch(program.pid, [out, out.with_name(f"{out.name}.work")])
        watch.start()
        if feed and program.stdin:
            count, size = feed(Path(f"/proc/self/fd/{program.stdin.fileno()}"))
            program.stdin.close()
            print(f"{count:,} documents, {size / 1e9:.2f} GB of text through a pipe", flush=True)
        code = program.wait()
        watch.over.set()
        watch.join()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime
    every = max(1, len(watch.over_time) // 12)
    for second, resident, anonymous, disk in watch.over_time[::every]:
        held_then = f"{resident / 1e6:6,.0f} MB resident, {anonymous / 1e6:6,.0f} MB no file's"
        print(f"  {second:7.0f} s: {held_then}, {disk / 1e9:6.2f} GB on disk")
    most = f"{watch.resident / 1e6:,.0f} MB resident, {watch.anonymous / 1e6:,.0f} MB no file's"
    print(f"exit code {code}, {threads} thread(s): at most {most};"
          f" at most {watch.disk / 1e9:.2f} GB on disk beside the input")  # fmt: skip
    print(f"{cpu:.1f} CPU-s, {time.perf_counter() - began:.0f} s wall"
          f" (load {os.getloadavg()[0]:.1f})")  # fmt: skip
    for line in (out.parent / "clean.log").read_text(errors="replace").splitlines()[-8:]:
        print(f"  | {line[-120:]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", type=Path, required=True, help="needs 2.9 times the size")
    parser.add_argument("--piped", action="store_true", help="needs 2.1 times the size")
    asked = parser.parse_args()
    folder = asked.work.absolute() / f"bounded-{os.getpid()}"
    needed = int((2.1e9 if asked.piped else 2.9e9) * asked.gigabytes)
    asked.work.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(asked.work).free < needed:
        sys.exit(f"{asked.work} has less than {needed / 1e9:.0f} GB free")
    written = partial(make, gigabytes=asked.gigabytes, seed=asked.seed)
    try:
        source = folder / "input"
        source.mkdir(parents=True)
        if asked.piped:
            cleansed(
                "-",
                folder / "out",
                threads=asked.threads,
                feed=lambda pipe: written(lambda _: pipe),
            )
        else:
            count, size = written(lambda number: source / f"{number:04d}.jsonl.zst")
            print(f"{count:,} documents, {size / 1e9:.2f} GB of text,"
                  f" {lying(source) / 1e9:.2f} GB packed", flush=True)  # fmt: skip
            cleansed(str(source), folder / "out", threads=asked.threads, feed=None)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
