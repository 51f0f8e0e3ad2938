"""One file's cleansing as files: what `service.cleanse` certifies, and a metered job leaves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from yunhe.corpus import naming, output, truth
from yunhe.corpus.errors import input_faulty
from yunhe.corpus.gathering import gather
from yunhe.corpus.running import stages
from yunhe.corpus.running.folder import disk
from yunhe.corpus.running.tables import UnitTables
from yunhe.corpus.running.whole import one
from yunhe.corpus.statistics import Statistics
from yunhe.kernel.canonical import Json, JsonObject
from yunhe.kernel.errors import Finding, Invalid

DATASET, DECISIONS, SPANS, SAMPLE = (
    f"{name}.parquet" for name in ("dataset", "decisions", "spans", "sample")
)
"""The files that are kept."""
STATISTICS = "statistics.json"
"""And everything else that a certificate says, for one that is issued elsewhere."""
FORMAT = "yunhe-laid-down/1"
"""Raised whenever the meaning of something in that file changes."""


@dataclass(frozen=True, slots=True)
class Laid:
    """What a certificate says besides digests."""

    pipeline_digest: str
    """Of what was done."""
    statistics: Statistics
    """Counts."""
    encoding: str
    """What the input was written in."""
    sampled: int
    """Documents drawn for review."""
    truth: JsonObject | None
    """What was done against what was planted; None where nothing was given."""

    def as_json(self) -> JsonObject:
        """Plain data; `of_json` reads it back."""
        return {
            "format": FORMAT,
            "pipeline_digest": self.pipeline_digest,
            "statistics": self.statistics.as_json(),
            "encoding": self.encoding,
            "sampled": self.sampled,
            "truth": self.truth,
        }

    @classmethod
    def of_json(cls, data: bytes) -> Laid:
        """What lies in the file `STATISTICS`.

        Errors: ValueError, KeyError or TypeError when it is something else.
        """
        read = json.loads(data)
        if read["format"] != FORMAT:
            raise ValueError(FORMAT)
        return cls(
            str(read["pipeline_digest"]),
            Statistics.of_json(read["statistics"]),
            str(read["encoding"]),
            int(read["sampled"]),
            read["truth"],
        )


@dataclass
class Result:
    """One file, cleansed and settled on the disk, as tables of the whole."""

    read: stages.Read
    """What was read."""
    settled: stages.Settled
    """What was decided."""
    _counted: list[Mapping[str, Json]] = field(default_factory=list, repr=False)

    @cached_property
    def tables(self) -> list[UnitTables]:
        """Those of each unit."""
        whole = self.settled.whole
        return [UnitTables(whole, number) for number in range(len(whole.of.units))]

    def refuse(self, path: Path) -> None:
        """Let nothing through whose names or labels reveal something or are not unlike each other.

        Errors: `Invalid` ``corpus.input_faulty``.
        """
        findings = list(self.settled.findings(path.name))
        labels = {label for unit in self.settled.whole.of.units for label in unit.labels()}
        if len(labels) > naming.LABELS_MAX:
            many = (("max", naming.LABELS_MAX),)
            findings.append(Finding(path.name, "corpus.labels_many", many))
        if findings:
            raise input_faulty(path, findings)

    def dataset(self, path: Path) -> None:
        """Write the released documents as one Parquet file. Memory: one unit."""
        with disk(path.parent):
            output.write_parquet(path, output.DATASET, self._documents())

    def _documents(self) -> Iterator[pa.Table]:
        for number in range(len(self.tables)):
            # Made anew, so that what a unit keeps in memory goes when the next one comes.
            tables = UnitTables(self.settled.whole, number)
            lengths: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
            for table in tables.documents():
                lengths.append(pc.utf8_length(table.column("text")).to_numpy().astype(np.int64))
                yield table.select(output.DATASET.names)
            self._counted.append(tables.counted(np.concatenate(lengths)))

    def statistics(self) -> Statistics:
        """All counts; `dataset` comes before."""
        counted = [unit.about["counted"] for unit in self.settled.whole.of.units]
        return Statistics.summed([*counted, *self._counted, self.settled.counted])

    def decisions(self) -> bytes:
        """Every repair and drop, as Parquet."""
        return self._together(output.DECISIONS, "decisions")

    def spans(self) -> bytes:
        """Every personal detail in released documents, as Parquet."""
        return self._together(output.SPANS, "spans")

    def _together(self, schema: pa.Schema, kind: str) -> bytes:
        count = len(self.tables)
        parts = (getattr(UnitTables(self.settled.whole, n), kind)() for n in range(count))
        chosen = [schema.empty_table(), *(part.select(schema.names) for part in parts)]
        return output.parquet_bytes(pa.concat_tables(chosen))

    def compared(self, planted: Mapping[str, truth.Planted]) -> JsonObject:
        """What was done against what was planted. Memory: the whole input."""
        whole = self.settled.whole
        names = [whole.names(number) for number in range(len(whole.of.units))]
        return truth.compare(
            planted,
            gather(self.read.files[0].encoding, whole),
            ids=one(pa.chunked_array(names, pa.string())),
            pipeline=whole.of.pipeline,
        )


def lay_down(
    result: Result,
    folder: Path,
    *,
    documents_max: int,
    planted: Mapping[str, truth.Planted] | None,
) -> Laid:
    """Write the tables into a folder. ``documents_max``: of the sample.

    Errors: `Invalid` ``corpus.nothing_left`` when every document was dropped; `Unavailable` when
    the disk refuses.
    """
    dataset = folder / DATASET
    result.dataset(dataset)
    statistics = result.statistics()
    if not statistics.documents_out:
        where = result.read.files[0].name
        raise Invalid("corpus.nothing_left", documents=statistics.documents_in, where=where)
    rows = output.drawn(
        statistics.documents_out, documents_max=documents_max, digest=_digest(dataset)
    )
    laid = Laid(
        pipeline_digest=result.settled.whole.of.pipeline.digest(),
        statistics=statistics,
        encoding=result.read.files[0].encoding,
        sampled=len(rows),
        truth=None if planted is None else result.compared(planted),
    )
    with disk(folder):
        (folder / DECISIONS).write_bytes(result.decisions())
        (folder / SPANS).write_bytes(result.spans())
        (folder / SAMPLE).write_bytes(output.parquet_bytes(output.some_rows(dataset, rows)))
    return laid


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()
