"""One unit of work: its blocks are parsed, cleansed and laid down; and how it is read again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import parquet

from yunhe.corpus import naming
from yunhe.corpus.documents import Documents, Spans
from yunhe.corpus.kernels.language import LANGUAGES
from yunhe.corpus.output import parquet_bytes
from yunhe.corpus.pipeline import Marks, Pipeline, Processed, process
from yunhe.corpus.readers.parsed import Parsed
from yunhe.corpus.rejects import Sealer
from yunhe.corpus.running.arrays import load, save
from yunhe.corpus.running.intake import Block
from yunhe.corpus.running.job import Faults, finding_json
from yunhe.corpus.statistics import Statistics, lengths
from yunhe.kernel.canonical import Json

TEXTS, NAMES, UNIT = "texts.arrow", "names.arrow", "unit.json"
"""Final texts of survivors; ids and labels of all documents; counts, faults, where rows are of."""
RAW = "raw.sealed"
"""Texts of all documents as they were read, encrypted; only where rejects are asked for."""
TEXT_SCHEMA = pa.schema([("text", pa.large_string())])
"""Of the survivors' texts."""
NAME_SCHEMA = pa.schema([("id", pa.string()), ("label", pa.string())])
"""Of ids and labels; null where there is none."""
_MARKS = ("row", "place", "repair", "code", "score")
_SPANS = ("documents", "starts", "ends", "types", "scores", "reasons")
_REMOVED = ("documents", "starts", "ends", "reasons")
NO_SCORE = np.iinfo(np.int32).min
"""Stands for no score."""


@dataclass(frozen=True, slots=True)
class Worked:
    """One block, read and worked on."""

    file: str
    """The file it is from."""
    parsed: Parsed
    """What was read."""
    processed: Processed
    """What became of it."""
    counted: Mapping[str, Json]
    """Its share of `Statistics`."""
    reached: int = 0
    """See `Block`."""


def work(block: Block, pipeline: Pipeline) -> Worked:
    """Parse a block and take its documents through all steps. Any thread may do it."""
    parsed = block.task()()
    texts = parsed.batch.column("text")
    documents = Documents(
        pc.fill_null(texts, "").cast(pa.large_string()),
        pc.is_null(texts).to_numpy(zero_copy_only=False),
        parsed.batch.column("damage").to_numpy(zero_copy_only=False),
    )
    processed = process(pipeline, documents)
    counted = _counted(block.file, documents, processed)
    return Worked(block.file, parsed, processed, counted, block.reached)


def _counted(file: str, documents: Documents, processed: Processed) -> Mapping[str, Json]:
    characters = pc.utf8_length(documents.texts).to_numpy(zero_copy_only=False).astype(np.int64)
    total = int(characters.sum())
    return {
        "documents_in": len(documents),
        "characters_in": total,
        "bytes_in": int(documents.utf8.offsets[-1] - documents.utf8.offsets[0]),
        "lengths_in": lengths(characters),
        "sources": {file: {"documents_in": len(documents), "characters_in": total}},
        "documents_repaired": sum(len(marks.rows) for marks in processed.repairs),
        "languages": {LANGUAGES[code]: n for code, n in processed.languages.items()},
        "noticed": {step: dict(counts) for step, counts in processed.noticed.items()},
    }


class Writer:
    """Lays a unit's blocks down, in order, in a folder nobody looks into yet."""

    def __init__(self, folder: Path, pipeline: Pipeline, sealer: Sealer | None = None) -> None:
        """``folder``: empty. With a ``sealer`` the raw texts are kept too, encrypted."""
        self._folder, self._pipeline, self._sealer = folder, pipeline, sealer
        self._raw: list[pa.Array] = []
        self._texts = pa.ipc.new_file(str(folder / TEXTS), TEXT_SCHEMA)
        self._names = pa.ipc.new_file(str(folder / NAMES), NAME_SCHEMA)
        self._rows: list[NDArray[np.int64]] = []
        self._marks: list[list[NDArray[Any]]] = []
        self._spans: list[Spans] = []
        self._removed: list[list[NDArray[Any]]] = []
        self._evidence: dict[int, list[NDArray[np.uint64]]] = {}
        self._runs: list[tuple[str, int]] = []
        self._counted: list[Mapping[str, Json]] = []
        self._faults, self._count = Faults(), 0

    def add(self, worked: Worked) -> None:
        """The next block."""
        batch, done, start = worked.parsed.batch, worked.processed, self._count
        self._faults.add(worked.parsed.findings, worked.parsed.faults)
        self._names.write_batch(batch.select(["id", "label"]))
        if self._sealer is not None:
            self._raw.append(batch.column("text"))
        if len(done.texts):
            self._texts.write_batch(pa.record_batch([done.texts], schema=TEXT_SCHEMA))
        self._rows.append(done.rows + start)
        for repair, list_ in ((1, done.repairs), (0, done.drops)):
            self._marks += [_mark_columns(marks.at(start), repair) for marks in list_]
        self._spans.append(_shifted(done.spans, start))
        for place, removed in done.removed:
            there = removed.documents + start
            self._removed.append(
                [there, removed.starts, removed.ends, removed.reasons, np.full(len(there), place)]
            )
        for place, evidence in done.evidence.items():
            kept = np.isin(evidence.rows, done.rows, assume_unique=True)
            self._evidence.setdefault(place, []).append(evidence.values[kept])
        if self._runs and self._runs[-1][0] == worked.file:
            self._runs[-1] = (worked.file, self._runs[-1][1] + len(batch))
        else:
            self._runs.append((worked.file, len(batch)))
        self._counted.append(worked.counted)
        self._count += len(batch)

    def close(self) -> None:
        """Write what was collected; the folder is complete then."""
        self._texts.close()
        self._names.close()
        folder = self._folder
        rows = np.concatenate([*self._rows, np.empty(0, np.int64)])
        save(folder / "rows.npy", rows)
        _save(folder / "marks.npz", (*_MARKS,), self._marks)
        spans = Spans.concatenated(self._spans)
        np.savez(folder / "spans.npz", **{name: getattr(spans, name) for name in _SPANS})
        _save(folder / "removed.npz", (*_REMOVED, "place"), self._removed)
        for place, parts in self._evidence.items():
            save(folder / f"evidence-{place}.npy", np.concatenate(parts))
        if self._sealer is not None:
            raw = pa.table({"text": pa.chunked_array(self._raw, pa.large_string())})
            self._sealer.write(folder / RAW, parquet_bytes(raw))
            self._raw.clear()
        names = Names.read(folder)
        about: dict[str, Json] = {
            "documents": self._count,
            "survivors": len(rows),
            "runs": [[file, count] for file, count in self._runs],
            "findings": [finding_json(each) for each in self._faults.findings],
            "faults": self._faults.count,
            "ids_personal": names.personal_ids(),
            "labels_personal": names.personal_labels(),
            "counted": Statistics.summed([*self._counted, self._repaired()]).raw(),
        }
        (folder / UNIT).write_text(json.dumps(about), "utf-8")

    def _repaired(self) -> Mapping[str, Json]:
        found: dict[str, dict[str, int]] = {}
        for _, places, repair, codes, _ in self._marks:
            if not len(places) or not repair[0]:
                continue
            placed = self._pipeline.steps[int(places[0])]
            by_kind = found.setdefault(placed.name, {})
            for code, count in zip(*np.unique(codes, return_counts=True), strict=True):
                kind = placed.step.repairs[int(code) - 1]
                by_kind[kind] = by_kind.get(kind, 0) + int(count)
        return {"repaired": found}

    def abandon(self) -> None:
        """Let go of the files; the folder is thrown away."""
        for file in (self._texts, self._names):
            with suppress(OSError):  # what it still wanted to write matters no more
                file.close()


def _mark_columns(marks: Marks, repair: int) -> list[NDArray[Any]]:
    count = len(marks.rows)
    scores = np.full(count, NO_SCORE, np.int32) if marks.scores is None else marks.scores
    return [
        marks.rows,
        np.full(count, marks.step, np.int16),
        np.full(count, repair, np.uint8),
        marks.codes,
        scores.astype(np.int32, copy=False),
    ]


def _shifted(spans: Spans, start: int) -> Spans:
    everywhere = np.ones(len(spans), np.bool_)
    return spans.where(everywhere, spans.documents + start)


def _save(path: Path, names: Sequence[str], parts: Sequence[Sequence[NDArray[Any]]]) -> None:
    columns = {
        name: np.concatenate([part[at] for part in parts]) if parts else np.empty(0, np.int64)
        for at, name in enumerate(names)
    }
    np.savez(path, **columns)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Names:
    """Ids and labels of a unit's documents as they were read."""

    ids: pa.StringArray
    """string[documents], null where there is none."""
    labels: pa.StringArray
    """string[documents], null where there is none."""

    @classmethod
    def read(cls, folder: Path) -> Names:
        """What lies in a unit's folder."""
        with pa.OSFile(str(folder / NAMES)) as source:
            table = pa.ipc.open_file(source).read_all()
        return cls(_one(table.column("id")), _one(table.column("label")))

    def personal_ids(self) -> list[int]:
        """Rows whose id is a personal detail; ids go out as they are."""
        if self.ids.null_count == len(self.ids):
            return []
        return [row - 1 for row in naming.personal(self.ids)]

    def personal_labels(self) -> list[str]:
        """Labels that are personal details."""
        different = self.labels.unique()
        if not len(different) or len(different) > naming.LABELS_MAX:
            return []
        found = different.take(
            pa.array([row - 1 for row in naming.personal(different)], pa.int64())
        )
        return [str(label) for label in found.to_pylist()]


def _one(column: pa.ChunkedArray) -> pa.StringArray:
    whole = column.combine_chunks()
    return whole if isinstance(whole, pa.StringArray) else whole.combine_chunks()


@dataclass(frozen=True)
class Unit:
    """A finished unit on the disk. What is big is read each time it is asked for."""

    folder: Path
    """Where it lies."""
    about: Mapping[str, Any] = field(repr=False)
    """Its counts."""

    @classmethod
    def open(cls, folder: Path) -> Unit:
        """The unit in a folder."""
        return cls(folder, json.loads((folder / UNIT).read_text("utf-8")))

    @property
    def documents(self) -> int:
        """Documents read."""
        return int(self.about["documents"])

    @property
    def survivors(self) -> int:
        """Documents that every step let through."""
        return int(self.about["survivors"])

    def rows(self) -> NDArray[np.int64]:
        """int64[survivors]: which documents they are."""
        rows: NDArray[np.int64] = np.load(self.folder / "rows.npy")
        return rows

    def names(self) -> Names:
        """Ids and labels of all documents."""
        return Names.read(self.folder)

    def labels(self) -> list[str]:
        """Different labels, as many as tell that they are too many."""
        different = self.names().labels.drop_null().unique()
        return [str(label) for label in different.slice(0, naming.LABELS_MAX + 1).to_pylist()]

    def marks(self) -> dict[str, NDArray[Any]]:
        """Drops and repairs as columns: row, place, repair, code, score."""
        return _load(self.folder / "marks.npz")

    def spans(self) -> Spans:
        """Personal details of all documents; documents are rows."""
        found = _load(self.folder / "spans.npz")
        return Spans(*(found[name] for name in _SPANS))

    def removed(self) -> dict[str, NDArray[Any]]:
        """What was taken out besides, as columns: documents, starts, ends, reasons, place."""
        return _load(self.folder / "removed.npz")

    def evidence(self, place: int) -> NDArray[np.uint64] | None:
        """uint64[survivors, k], memory-mapped; None where the step kept nothing."""
        path = self.folder / f"evidence-{place}.npy"
        if not path.exists():
            return None
        return load(path)

    def raw_texts(self, sealer: Sealer) -> pa.ChunkedArray:
        """Of all documents: texts as they were read."""
        data = sealer.read(self.folder / RAW)
        return parquet.read_table(pa.BufferReader(data)).column("text")

    def texts(self) -> Iterator[pa.LargeStringArray]:
        """The survivors' final texts, some at a time."""
        with pa.OSFile(str(self.folder / TEXTS)) as source:
            opened = pa.ipc.open_file(source)
            for number in range(opened.num_record_batches):
                yield opened.get_batch(number).column(0)

    def some_texts(self, rows: NDArray[np.int64]) -> pa.LargeStringArray:
        """Final texts of some survivors, by their places among them, which rise."""
        parts: list[pa.Array] = []
        start = 0
        with pa.memory_map(str(self.folder / TEXTS)) as source:
            opened = pa.ipc.open_file(source)
            for number, size in enumerate(self._batch_sizes):
                low, high = np.searchsorted(rows, (start, start + size))
                if low < high:
                    batch = opened.get_batch(number).column(0)
                    parts.append(batch.take(pa.array(rows[low:high] - start)))
                start += size
        taken = pa.chunked_array(parts, pa.large_string()).combine_chunks()
        return taken if isinstance(taken, pa.LargeStringArray) else taken.combine_chunks()

    @cached_property
    def _batch_sizes(self) -> list[int]:
        with pa.memory_map(str(self.folder / TEXTS)) as source:
            opened = pa.ipc.open_file(source)
            return [len(opened.get_batch(n)) for n in range(opened.num_record_batches)]


def _load(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path) as found:
        return {name: found[name] for name in found.files}
