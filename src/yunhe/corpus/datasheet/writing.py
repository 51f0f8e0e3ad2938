"""Writes datasheet and Croissant beside a cleansed dataset, or makes them from its certificate."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from yunhe.corpus.datasheet import croissant, facts, page
from yunhe.corpus.datasheet.facts import Facts, ReviewLine
from yunhe.corpus.review.domain import Review
from yunhe.kernel.canonical import JsonObject
from yunhe.kernel.errors import NotFound
from yunhe.kernel.language import Language

DATASHEET = "datasheet.html"
"""Name of the page in an output folder."""
CROISSANT = "croissant.json"
"""Name of the description for programs."""
_DATASET_COLUMNS = ("id", "text", "label", "group")


def write(out: Path, language: Language) -> Path:
    """Write ``datasheet.html`` and ``croissant.json`` into ``out``; each appears only whole.

    The same output gives the same bytes. Errors: `NotFound` ``corpus.sheet_missing`` when ``out``
    holds no finished cleansing.
    """
    try:
        found = facts.of_folder(out)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise NotFound("corpus.sheet_missing", where=str(out)) from None
    _keep(out / CROISSANT, described(found, columns=_columns(out, found)))
    path = out / DATASHEET
    _keep(path, page.render(found, language=language).encode())
    return path


def of_certificate(issued: JsonObject, reviews: Sequence[Review], *, language: Language) -> bytes:
    """The page of a certified dataset with the checks it had."""
    return page.render(_certified(issued, reviews), language=language).encode()


def croissant_of_certificate(issued: JsonObject, reviews: Sequence[Review]) -> bytes:
    """The description of a certified dataset, whose file is ``dataset.parquet`` beside it."""
    return described(_certified(issued, reviews), columns=_DATASET_COLUMNS)


def described(found: Facts, *, columns: Sequence[str]) -> bytes:
    """The Croissant description as JSON."""
    made = croissant.describe(found, columns=columns)
    return json.dumps(made, ensure_ascii=False, indent=1).encode() + b"\n"


def _certified(issued: JsonObject, reviews: Sequence[Review]) -> Facts:
    lines = [
        ReviewLine(
            each.kind,
            each.state,
            each.round,
            each.items,
            each.result or {},
            each.reference or "",
        )
        for each in reviews
    ]
    return facts.of_certificate(issued, lines)


def _columns(out: Path, found: Facts) -> Sequence[str]:
    """Columns of the first Parquet part; none where the parts are something else."""
    parts = [name for name, _, _ in found.outputs if name.endswith(".parquet")]
    if not parts:
        return ()
    from pyarrow import parquet  # noqa: PLC0415 (a page needs no tables)

    names: list[str] = parquet.read_schema(out / parts[0]).names
    return names


def _keep(path: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(prefix=".", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
