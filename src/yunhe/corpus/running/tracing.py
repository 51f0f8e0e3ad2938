"""Leads from a document of an output back to its source and to everything that was decided."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from yunhe.corpus.kernels.keys import name_hashes
from yunhe.corpus.running.calling import DOCUMENTS, HASHES
from yunhe.kernel.canonical import Json, JsonObject
from yunhe.kernel.errors import NotFound


def trace(out: Path, document: str) -> JsonObject:
    """One document of an output: source, row, every decision, spans, group.

    Errors: `NotFound` ``corpus.document_unknown``, ``corpus.out_missing``. Cost: one part of each
    table, whatever the number of parts.
    """
    try:
        manifest = json.loads((out / "manifest.json").read_text("utf-8"))
    except (OSError, ValueError):
        raise NotFound("corpus.out_missing", where=str(out)) from None
    for number in _candidates(out, document):
        found = _traced(out, manifest, document, number)
        if found is not None:
            return found
    raise NotFound("corpus.document_unknown", document=document[:64])


def _candidates(out: Path, document: str) -> list[int]:
    """Numbers of documents whose names have the hash; nearly always one or none."""
    hashes = np.load(out / "index" / HASHES, mmap_mode="r")
    wanted = name_hashes(pa.array([document], pa.string()))[0]
    low = int(np.searchsorted(hashes, wanted))
    high = int(np.searchsorted(hashes, wanted, side="right"))
    numbers = np.load(out / "index" / DOCUMENTS, mmap_mode="r")
    return [int(number) for number in numbers[low:high]]


def _traced(out: Path, manifest: dict[str, Any], document: str, number: int) -> JsonObject | None:
    unit, within = 0, number
    while within >= manifest["units"][unit]["documents"]:
        within -= manifest["units"][unit]["documents"]
        unit += 1
    row, source = within, ""
    for source, first, count in manifest["units"][unit]["runs"]:  # noqa: B007 (the last one counts)
        if row < count:
            row += first
            break
        row -= count
    files = manifest["parts"][unit]
    decisions = _rows(out, files.get("decisions"), "document", document)
    dropped = any(each["action"] == "dropped" for each in decisions)
    released = [] if dropped else _released(out, files.get("documents"), document)
    if not dropped and not released:
        return None  # only the hash is the same
    return {
        "document": document,
        "source": source,
        "row": row + 1,
        "released": bool(released),
        "decisions": [
            {name: value for name, value in each.items() if name not in ("document", "source")}
            for each in decisions
        ],
        "spans": [
            {name: value for name, value in each.items() if name != "document"}
            for each in _rows(out, files.get("spans"), "document", document)
        ],
        "removed": [
            {name: value for name, value in each.items() if name != "document"}
            for each in _rows(out, files.get("removed"), "document", document)
        ],
        "group": released[0]["group"] if released else None,
        "label": released[0]["label"] if released else None,
        "pipeline": manifest["pipeline"]["digest"],
        "part": files["documents"]["name"] if released else None,
    }


def _rows(out: Path, file: dict[str, Any] | None, column: str, value: str) -> list[dict[str, Json]]:
    if file is None:
        return []
    table = parquet.read_table(out / file["name"], filters=[(column, "=", value)])
    rows: list[dict[str, Json]] = table.to_pylist()
    return rows


def _released(out: Path, file: dict[str, Any] | None, document: str) -> list[dict[str, Json]]:
    if file is None:
        return []
    path, rows = out / file["name"], list[dict[str, Json]]()
    if path.suffix == ".parquet":
        opened = parquet.ParquetFile(path)
        for number in range(opened.num_row_groups):
            table = opened.read_row_group(number, columns=["id", "label", "group"])
            rows += table.filter(pc.equal(table.column("id"), document)).to_pylist()
            if rows:
                break
        return rows
    start = f'{{"id":{json.dumps(document, ensure_ascii=False)},'.encode()
    with pa.input_stream(str(path), compression="zstd") as source:
        lines = source.read().split(b"\n")
    return [json.loads(line) for line in lines if line.startswith(start)][:1]
