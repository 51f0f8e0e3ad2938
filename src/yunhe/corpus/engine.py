"""Runs a pipeline over an input: batches over threads, then the steps that need to see all.

Memory: the released text, the evidence (about half a kilobyte a document) and, of the input, what
`reading` holds times the number of blocks in flight. The result does not depend on the number of
threads: batches are cut by the input alone, and their results are taken in order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pyarrow.compute as pc

from yunhe.corpus.documents import Documents
from yunhe.corpus.domain import Columns
from yunhe.corpus.errors import FINDINGS_MAX, input_faulty
from yunhe.corpus.gathering import Corpus, Done, gather
from yunhe.corpus.pipeline import Pipeline, process
from yunhe.corpus.readers.parsed import Task
from yunhe.corpus.reading import open_input
from yunhe.kernel.errors import Finding
from yunhe.kernel.progress import Progress

BLOCKS_IN_FLIGHT = 2
"""Blocks read ahead for each thread."""


def cleanse(
    path: Path, columns: Columns, pipeline: Pipeline, *, threads: int, progress: Progress
) -> Corpus:
    """The cleansed corpus in memory; nothing is written.

    Errors: those of `open_input`, and `Invalid` ``corpus.input_faulty`` with the faults of single
    records.
    """
    with open_input(path, columns) as opened:
        done: list[Done] = []
        findings: list[Finding] = []
        faults = count = 0
        for result in _in_order(opened.tasks, pipeline, threads):
            done.append(result)
            faults += result.parsed.faults
            findings += result.parsed.findings[: FINDINGS_MAX - len(findings)]
            count += result.processed.count
            progress.step("corpus.documents", done=count)
        if faults:
            raise input_faulty(path, findings, faults)
        if not count:
            raise input_faulty(path, [Finding(path.name, "corpus.input_empty")])
        return gather(opened.encoding, done, pipeline)


def _in_order(tasks: Iterator[Task], pipeline: Pipeline, threads: int) -> Iterator[Done]:
    if threads <= 1:
        yield from (_one(task, pipeline) for task in tasks)
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="corpus") as pool:
        waiting: deque[Future[Done]] = deque()
        try:
            for task in tasks:
                waiting.append(pool.submit(_one, task, pipeline))
                if len(waiting) >= BLOCKS_IN_FLIGHT * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _one(task: Task, pipeline: Pipeline) -> Done:
    parsed = task()
    texts = parsed.batch.column("text")
    documents = Documents(
        pc.fill_null(texts, ""),
        pc.is_null(texts).to_numpy(zero_copy_only=False),
        parsed.batch.column("damage").to_numpy(zero_copy_only=False),
    )
    return Done(parsed, process(pipeline, documents))
