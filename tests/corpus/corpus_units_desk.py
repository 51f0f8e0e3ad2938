"""Finished units laid down by hand, so that what comes after them is tested by itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from corpus_engine_desk import profile

from yunhe.corpus.documents import Step
from yunhe.corpus.pipeline import Pipeline, Placed, Values
from yunhe.corpus.running.arrays import save
from yunhe.corpus.running.unit import NAME_SCHEMA, NAMES, TEXT_SCHEMA, TEXTS, UNIT, Names, Unit
from yunhe.corpus.running.whole import Units


def unit(
    folder: Path,
    ids: Sequence[str | None],
    *,
    texts: Sequence[str] = (),
    survivors: Sequence[int] | None = None,
    evidence: dict[int, Sequence[int]] | None = None,
    labels: Sequence[str | None] | None = None,
    runs: Sequence[tuple[str, int]] | None = None,
    batch: int = 2,
) -> Unit:
    """A unit of documents with these ids; ``texts`` are those of the survivors (default: all)."""
    folder.mkdir(parents=True)
    kept = list(range(len(ids)) if survivors is None else survivors)
    said = list(texts) or [f"text {row}" for row in kept]
    with pa.ipc.new_file(str(folder / NAMES), NAME_SCHEMA) as file:
        file.write_batch(
            pa.record_batch([
                pa.array(list(ids), pa.string()),
                pa.array(list(labels or [None] * len(ids)), pa.string()),
            ], schema=NAME_SCHEMA)
        )  # fmt: skip
    with pa.ipc.new_file(str(folder / TEXTS), TEXT_SCHEMA) as file:
        for at in range(0, len(said), batch):
            part = pa.array(said[at : at + batch], pa.large_string())
            file.write_batch(pa.record_batch([part], schema=TEXT_SCHEMA))
    save(folder / "rows.npy", np.array(kept, np.int64))
    for place, values in (evidence or {}).items():
        save(folder / f"evidence-{place}.npy", np.array(values, np.uint64).reshape(-1, 1))
    names = Names.read(folder)
    about = {
        "documents": len(ids),
        "survivors": len(kept),
        "runs": [list(run) for run in runs or [("in.jsonl", len(ids))]],
        "ids_personal": names.personal_ids(),
        "labels_personal": names.personal_labels(),
    }
    (folder / UNIT).write_text(json.dumps(about), "utf-8")
    return Unit.open(folder)


def units(made: Sequence[Unit], *steps: Step) -> Units:
    placed = tuple(Placed(f"step{n}", step, Values({}), {}) for n, step in enumerate(steps))
    return Units(Pipeline(profile(), placed), made)
