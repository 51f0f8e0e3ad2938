"""Cleansing in MB per CPU-second, beside a row-by-row Python ``re`` version of the same masks.

    python benchmarks/corpus/cleanse.py [--documents 20000] [--seed 1] [--threads 1]
    python benchmarks/corpus/cleanse.py --input FILE.jsonl[.gz] [--text COLUMN]

Both read the same seeded, synthetic hotline tickets (``examples/hotline``) in the same run and must
mask the same places. The plain version goes row by row: a translated shadow of each row, the same
patterns and rules over it. Ours joins a batch into one buffer; it is shown twice, masks alone and
the whole of `cleanse` (reading, repair, duplicates, spam, abuse, masks, near-duplicate groups,
Parquet, certificate, custody).
"""

# ruff: noqa: SLF001  the row-by-row version must go by the very same rules, private parts included

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy
import pyarrow as pa

from yunhe.corpus import service
from yunhe.corpus.domain import MASKS, CleanseRequest, Columns
from yunhe.corpus.kernels.joined import OUTSIDE, SEPARATOR, join
from yunhe.corpus.kernels.shadow import half_width
from yunhe.corpus.personal import contacts, lexicon, links, names, numbers, papers, places
from yunhe.corpus.personal.hits import Hit, settle
from yunhe.corpus.personal.scan import find, masked
from yunhe.kernel.clock import SystemClock
from yunhe.kernel.progress import Silent
from yunhe.storage.blobs import LocalBlobs
from yunhe.storage.database import Database
from yunhe.storage.schema import metadata
from yunhe.storage.service import Storage

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "hotline"))
from generate import write

BATCH_DOCUMENTS = 8000
SCORE_MIN = 70
Result = TypeVar("Result")
TABLE = {code: int(read) for code, read in enumerate(half_width()) if code != read}


class Row:
    """What `Buffer` is for a batch, for one row and without arrays."""

    def __init__(self, text: str) -> None:
        shadow = (text + SEPARATOR).translate(TABLE)
        if not shadow.isascii():
            shadow = "".join(c if c <= "\uffff" else chr(OUTSIDE) for c in shadow)
        for found in self._links(text):
            start, end = found
            shadow = shadow[:start] + chr(links.BLANK) * (end - start) + shadow[end:]
        self.half = shadow

    @staticmethod
    def _links(text: str) -> Iterator[tuple[int, int]]:
        for found in links._LINK.finditer(text):
            yield found.span()
        for found in links._DOMAIN.finditer(text):
            before = text[max(0, found.start() - links._HOST_MAX) : found.start()]
            host = len(before) - len(before.rstrip(links._HOST))
            if not before[: len(before) - host].endswith("@"):
                yield found.start() - host, found.end()
        for found in links._CODE.finditer(text):
            if text.startswith("```", found.start()) or not links._HAN.search(found.group()):
                yield found.span()

    def before(self, start: int, length: int) -> str:
        """As `Buffer.before`."""
        return self.half[max(0, start - length) : start]

    def after(self, end: int, length: int) -> str:
        """As `Buffer.after`."""
        return self.half[end : end + length].partition(SEPARATOR)[0]


def names_in(row: Row) -> Iterator[Hit]:
    half = row.half
    for at in range(1, len(half) - 1):
        if (
            half[at] in names._FIRST
            and half[at - 1] in names._STARTS
            and "\u4e00" <= half[at + 1] <= "\u9fff"
            and half[at + 1] not in lexicon.NOT_GIVEN
        ):
            yield from names._after_words(row, half, at)  # type: ignore[arg-type]
    yield from names._beside(row, half)  # type: ignore[arg-type]
    yield from names._before_titles(row, half)  # type: ignore[arg-type]


def places_in(row: Row) -> Iterator[Hit]:
    half, reached = row.half, 0
    for at in range(1, len(half)):
        if at >= reached and half[at] in places._UNIT_START and half[at - 1] in places._NUMBER_END:
            hit = places._door(row, half, at)  # type: ignore[arg-type]
            if hit:
                reached = hit.end
                yield hit
    yield from places._chained(row, half)  # type: ignore[arg-type]
    for found in places._LABEL.finditer(half):
        yield from places._labelled(found)


def plain(text: str) -> tuple[str, int]:
    """One row masked, and how many details were found."""
    row = Row(text)
    hits: list[Hit] = []
    for finder in (numbers.find, contacts.find, papers.find):
        hits += finder(row)  # type: ignore[arg-type]
    hits += places_in(row)
    hits += names_in(row)
    pieces, at = [], 0
    settled = settle(hit for hit in hits if hit.score >= SCORE_MIN)
    for hit in settled:
        pieces += [text[at : hit.start], MASKS[hit.type]]
        at = hit.end
    return "".join([*pieces, text[at:]]), len(settled)


def row_by_row(texts: list[str]) -> tuple[list[str], int]:
    outputs, count = [], 0
    for text in texts:
        output, found = plain(text)
        outputs.append(output)
        count += found
    return outputs, count


def ours(texts: list[str]) -> tuple[list[str], int]:
    outputs: list[str] = []
    count = 0
    for at in range(0, len(texts), BATCH_DOCUMENTS):
        batch = pa.array(texts[at : at + BATCH_DOCUMENTS], pa.string())
        joined = join(batch)
        hits = find(joined, score_percent_min=SCORE_MIN)
        count += len(hits)
        outputs += masked(batch, joined, hits).to_pylist()
    return outputs, count


def whole(folder: Path, path: Path, *, text: str, threads: int) -> object:
    database = Database.at(folder / "yunhe.db")
    with database.begin() as tx:
        metadata.create_all(tx)
    storage = Storage(database, LocalBlobs(folder / "blobs"), SystemClock())
    request = CleanseRequest(
        key="bench",
        path=path,
        name="benchmark",
        holder="org_benchmark",
        licence="CC-BY-4.0",
        synthetic=True,
        columns=Columns(text),
        profile=service.load_profile(),
        threads=threads,
    )
    return service.cleanse(storage, request, progress=Silent())


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """The result and the CPU-seconds of the whole process it took."""
    before = time.process_time()
    return work(), time.process_time() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--input", type=Path, help="JSON lines in place of synthetic tickets")
    parser.add_argument("--text", default="text", help="column with the text")
    parser.add_argument("--folder", type=Path, default=Path("build"), help="a real disk")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-corpus-", dir=asked.folder) as name:
        folder = Path(name)
        path = asked.input or write(folder / "in", count=asked.documents, seed=asked.seed)[0]
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8") as lines:
            texts = [json.loads(line)[asked.text] for line in lines]
        size = sum(len(text.encode()) for text in texts) / 1e6
        ours(texts[:100])  # both have their patterns and tables before the clock starts
        row_by_row(texts[:100])
        (theirs, plain_count), plain_cpu = timed(lambda: row_by_row(texts))
        (mine, count), masks_cpu = timed(lambda: ours(texts))
        started = time.perf_counter()
        _, whole_cpu = timed(lambda: whole(folder, path, text=asked.text, threads=asked.threads))
        wall = time.perf_counter() - started
    if mine != theirs:
        raise SystemExit("the two do not mask the same places: the figures would mean nothing")
    what = path.name if asked.input else f"synthetic tickets, seed {asked.seed}"
    print(f"{len(texts):,} documents, {size:.1f} MB of text: {what}")
    print(f"both mask the same {count:,} details ({plain_count:,} row by row)")
    for what, cpu in (
        ("row by row: masks only", plain_cpu),
        ("ours: masks only", masks_cpu),
        (f"ours: all of cleanse, {asked.threads} thread(s)", whole_cpu),
    ):
        print(f"  {what:36} {cpu:6.2f} CPU-s  {size / cpu:6.2f} MB/CPU-s")
    print(
        f"  all of cleanse took {wall:.2f} s of wall time\n"
        f"ratio: masks only {plain_cpu / masks_cpu:.1f} times row by row, "
        f"all of cleanse {plain_cpu / whole_cpu:.1f} times row by row's masks alone\n"
        f"{platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}; "
        f"Python {platform.python_version()}, pyarrow {pa.__version__}, numpy {numpy.__version__}"
    )


if __name__ == "__main__":
    main()
