"""Writes what a run leaves: for each unit one part of each table, then what is said of them all."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from yunhe.corpus import output
from yunhe.corpus.inputs import InputFile
from yunhe.corpus.rejects import DELETE_AFTER, Sealer
from yunhe.corpus.running.folder import disk, sync, write_json
from yunhe.corpus.running.intake import UNIT_BYTES, digest_of
from yunhe.corpus.running.job import OutputFormat
from yunhe.corpus.running.tables import UnitTables
from yunhe.corpus.running.whole import Whole
from yunhe.kernel.canonical import Json, JsonObject

_COPIES = 6
"""Memory that writing a part takes, in units: texts as read, filtered, joined and packed."""


@dataclass(frozen=True)
class Bench:
    """Writes parts into a folder that will become the output."""

    whole: Whole
    """What is known."""
    folder: Path
    """The output to be."""
    notes: Path
    """Where it is noted which parts are written."""
    format: OutputFormat
    """Of released documents."""
    sealer: Sealer | None = None
    """Encrypts rejects; None where nobody asked for them."""
    delete_after: str = ""
    """The last day on which the rejects may be kept, sealed with them."""

    def part(self, number: int) -> Mapping[str, Any]:
        """Write one unit's parts, unless they are there; what the manifest says of them.

        Errors: `Unavailable` when the disk refuses.
        """
        note = self.notes / f"{number}.json"
        if note.is_file():
            known: Mapping[str, Any] = json.loads(note.read_text("utf-8"))
            return known
        with disk(self.folder):
            made = self._written(number)
        write_json(note, made)
        return made

    def _written(self, number: int) -> Mapping[str, Any]:
        tables = UnitTables(self.whole, number)
        lengths: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
        files: dict[str, Json] = {}

        def measured() -> Iterator[pa.Table]:
            for table in tables.documents():
                characters = pc.utf8_length(table.column("text")).to_numpy()
                lengths.append(characters.astype(np.int64))
                yield table

        if len(tables.released):
            name = f"documents/part-{number:05d}.{self.format}"
            files["documents"] = self._file(name, len(tables.released), measured())
        for kind, table in (
            ("decisions", tables.decisions()),
            ("spans", tables.spans()),
            ("removed", tables.removed()),
        ):
            if len(table):
                name = f"{kind}/part-{number:05d}.parquet"
                files[kind] = self._file(name, len(table), [table])
        if self.sealer is not None:
            rejected = tables.rejects(self.sealer)
            if len(rejected):
                until = {DELETE_AFTER: self.delete_after.encode()}
                rejected = rejected.replace_schema_metadata(until)
                name = f"rejects/part-{number:05d}.parquet.sealed"
                files["rejects"] = self._file(name, len(rejected), [rejected])
        return {"files": files, "counted": tables.counted(np.concatenate(lengths))}

    def _file(self, name: str, rows: int, tables: Iterable[pa.Table]) -> Json:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        temporary = path.with_name(f".{path.name}-{os.getpid()}")
        tables = iter(tables)
        if name.endswith(".sealed") and self.sealer is not None:
            self.sealer.write(temporary, output.parquet_bytes(next(tables)))
        elif name.endswith(".jsonl.zst"):
            output.write_json_lines(temporary, tables)
        else:
            first = next(tables)
            output.write_parquet(temporary, first.schema, _after(first, tables))
        sync(temporary)
        temporary.replace(path)
        return {"name": name, **file_about(path), "rows": rows}


def _after(first: pa.Table, others: Iterable[pa.Table]) -> Iterator[pa.Table]:
    yield first
    yield from others


def file_about(path: Path) -> dict[str, Json]:
    """A file's digest and size."""
    digest, size = digest_of(InputFile(path.name, str(path), "", None))
    return {"digest": digest, "bytes": size}


def parts(bench: Bench, *, threads: int, memory_bytes_max: int) -> Iterator[Mapping[str, Any]]:
    """Every unit's parts in order, some at a time as memory allows."""
    units = range(len(bench.whole.of.units))
    at_once = max(1, min(threads, memory_bytes_max // (_COPIES * UNIT_BYTES)))
    if at_once == 1:
        yield from map(bench.part, units)
        return
    with ThreadPoolExecutor(at_once, thread_name_prefix="corpus") as pool:
        waiting: deque[Future[Mapping[str, Any]]] = deque()
        try:
            for number in units:
                waiting.append(pool.submit(bench.part, number))
                if len(waiting) > at_once:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def units_json(whole: Whole) -> list[JsonObject]:
    """For each unit how many documents it has and of which files, so that each can be traced."""
    return [
        {
            "documents": unit.documents,
            "runs": [[run.file, run.first, run.count] for run in runs],
        }
        for unit, runs in zip(whole.of.units, whole.of.runs, strict=True)
    ]
