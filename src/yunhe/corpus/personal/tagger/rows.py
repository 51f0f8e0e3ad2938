"""Labelled rows that an operator trains a tagger on: read, checked whole, mapped to three kinds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from yunhe.corpus.errors import FINDINGS_MAX, place
from yunhe.kernel.errors import Finding, Invalid, NotFound, Unavailable

KINDS = ("PER", "ORG", "ADDR")
"""What a tagger tells apart: persons, organisations, places and addresses."""
LABELS: Mapping[str, str] = {
    **dict.fromkeys(("PER", "NAME", "name", "person_name", "person", "PERSON"), "PER"),
    **dict.fromkeys(
        ("ORG", "company", "organization", "government", "org_name", "company_name"), "ORG"
    ),
    **dict.fromkeys(("ADDR", "LOC", "GPE", "address", "location", "ADDRESS"), "ADDR"),
}
"""The labels of common sets and what each becomes; a label that is not here is no name at all."""
TEXT_CHARACTERS_MAX = 1_000_000
"""Of one row."""


class Row(NamedTuple):
    """One labelled text."""

    text: str
    """What it says."""
    spans: tuple[tuple[int, int, int], ...]
    """Start and end character, position in `KINDS`; ordered, without overlaps."""


def read_rows(paths: Sequence[Path]) -> list[Row]:
    """The rows of JSON Lines files: ``{"text": …, "spans": [[start, end, label], …]}``.

    Errors: `NotFound` ``corpus.input_missing``; `Invalid` ``corpus.training_faulty`` with every
    line that is wrong; nothing of what a line says is repeated.
    """
    rows: list[Row] = []
    faults: list[Finding] = []
    for path in paths:
        for number, line in enumerate(_lines(path), 1):
            if not line.strip():
                continue
            row, fault = _row(line)
            if row is None:
                faults.append(Finding(place(path, number), fault))
            else:
                rows.append(row)
    if faults or not rows:
        name = paths[0].name if paths else "–"
        raise faulty(name, faults or [Finding(name, "corpus.input_empty")])
    return rows


def faulty(where: str, faults: Sequence[Finding]) -> Invalid:
    """What is wrong with training data, at most `FINDINGS_MAX` places written out."""
    shown = list(faults[:FINDINGS_MAX])
    if len(faults) > len(shown):
        more = (("count", len(faults) - len(shown)),)
        shown.append(Finding(where, "corpus.more_findings", more))
    return Invalid("corpus.training_faulty", where=where, count=len(faults), findings=shown)


def _lines(path: Path) -> Iterable[bytes]:
    try:
        return path.read_bytes().splitlines()
    except FileNotFoundError:
        raise NotFound("corpus.input_missing", where=path.name) from None
    except OSError as error:
        reason = error.strerror or "–"
        raise Unavailable("corpus.input_unreadable", where=path.name, reason=reason) from None


def _row(line: bytes) -> tuple[Row | None, str]:
    try:
        read = json.loads(line)
        text = read["text"]
        text.encode()  # half of a surrogate pair is no text
        spans = sorted(_spans(read["spans"], len(text)))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None, "corpus.training_line"
    if len(text) > TEXT_CHARACTERS_MAX:
        return None, "corpus.document_too_long"
    kept: list[tuple[int, int, int]] = []
    for span in spans:  # nested names: the one that starts first, and the longest of those
        if not kept or span[0] >= kept[-1][1]:
            kept.append(span)
        elif span[0] == kept[-1][0]:
            kept[-1] = span
    return Row(text, tuple(kept)), ""


def _spans(spans: Sequence[Sequence[object]], size: int) -> Iterator[tuple[int, int, int]]:
    for start, end, label in spans:
        if type(start) is not int or type(end) is not int or not isinstance(label, str):
            raise TypeError
        if not 0 <= start <= end <= size:
            raise ValueError
        kind = LABELS.get(label)
        if kind is not None and start < end:
            yield start, end, KINDS.index(kind)
