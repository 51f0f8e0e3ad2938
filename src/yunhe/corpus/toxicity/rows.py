"""Labelled texts that an operator trains a classifier on: read from CSV or JSON Lines, whole."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from yunhe.corpus.errors import FINDINGS_MAX, place
from yunhe.kernel.errors import Finding, Invalid, NotFound, Unavailable

CLASS_MIN = 50
"""Texts of each label without which nothing can be learnt or measured."""
BYTES_MAX = 1 << 30
"""Of a file."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Texts with a yes or no each."""

    texts: tuple[str, ...]
    """What they say."""
    toxic: tuple[bool, ...]
    """Whether somebody called it toxic."""


def read_labelled(path: Path, *, text: str, label: str, toxic: str) -> Labelled:
    """The rows of a .csv or .jsonl file; those whose ``label`` is ``toxic`` are the toxic ones.

    Errors: `NotFound` ``corpus.input_missing``; `Invalid` ``corpus.training_faulty`` with every
    row that has no text or no label, and when there are too few of either kind.
    """
    texts: list[str] = []
    kinds: list[bool] = []
    faults: list[Finding] = []
    for line, said, value in _records(_data(path), path, text, label):
        if isinstance(said, str) and said.strip() and value is not None and str(value).strip():
            texts.append(said.encode(errors="replace").decode())
            kinds.append(str(value).strip() == toxic)
        else:
            faults.append(Finding(place(path, line), "corpus.training_row"))
    return checked(Labelled(tuple(texts), tuple(kinds)), where=path.name, faults=faults)


def checked(rows: Labelled, *, where: str, faults: list[Finding] | None = None) -> Labelled:
    """The rows, unless something is wrong with them."""
    found = list(faults or [])
    yes = sum(rows.toxic)
    for name, count in (("toxic", yes), ("other", len(rows.toxic) - yes)):
        if count < CLASS_MIN:
            params = (("kind", name), ("there", count), ("wanted", CLASS_MIN))
            found.append(Finding(where, "corpus.training_class_few", params))
    if not found:
        return rows
    shown = found[:FINDINGS_MAX]
    if len(found) > len(shown):
        more = (("count", len(found) - len(shown)),)
        shown.append(Finding(where, "corpus.more_findings", more))
    raise Invalid("corpus.training_faulty", where=where, count=len(found), findings=shown)


def _data(path: Path) -> str:
    try:
        if path.stat().st_size > BYTES_MAX:
            raise Invalid("corpus.training_faulty", where=path.name, count=1)
        return path.read_bytes().decode("utf-8-sig", errors="replace")
    except FileNotFoundError:
        raise NotFound("corpus.input_missing", where=path.name) from None
    except OSError as error:
        reason = error.strerror or "–"
        raise Unavailable("corpus.input_unreadable", where=path.name, reason=reason) from None


def _records(data: str, path: Path, text: str, label: str) -> Iterator[tuple[int, object, object]]:
    if path.suffix in {".jsonl", ".json"}:
        for number, line in enumerate(data.split("\n"), 1):
            if line.strip():
                yield number, *_from_json(line, text, label)
        return
    rows = csv.DictReader(io.StringIO(data, newline=""))
    try:
        missing = sorted({text, label} - set(rows.fieldnames or ()))
        if missing:
            known = ", ".join(list(rows.fieldnames or ())[:50]) or "–"
            params = (("column", missing[0]), ("there", known))
            finding = Finding(place(path, 1), "corpus.column_missing", params)
            raise Invalid("corpus.training_faulty", where=path.name, count=1, findings=[finding])
        for row in rows:
            yield rows.line_num, row[text], row[label]
    except csv.Error:
        yield rows.line_num, None, None


def _from_json(line: str, text: str, label: str) -> tuple[object, object]:
    try:
        read = json.loads(line)
        return read[text], read[label]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None, None
