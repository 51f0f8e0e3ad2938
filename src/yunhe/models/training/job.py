"""Reads the job of a training program: its arguments and its rows, with every fault at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from yunhe.kernel.errors import Finding, Invalid
from yunhe.models.features import NGRAM_LONGEST, Ngrams
from yunhe.models.training.fitting import Rows, Settings

FEATURES_MAX = 1 << 20
"""Largest vocabulary that may be asked for."""
CLASSES_MAX = 1_024
"""More classes than this are taken for a wrong label column."""
_COLUMNS = ("text", "label", "group")
_FAULTY_ROWS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Arguments:
    """What the submitter may choose."""

    settings: Settings
    """What decides the weights."""
    name: str
    """The model's name, for its card."""
    intended_use: str
    """A sentence for the card; empty means the card's general one."""
    synthetic: bool
    """Whether the training texts were generated; shown wherever the model is."""


@dataclass(frozen=True, slots=True)
class Job:
    """One training to be done."""

    arguments: Arguments
    """Checked and complete."""
    train: Path
    """The training data."""
    outputs: Path
    """Where the artefacts go."""


def read_job(path: Path) -> Job:
    """The job described by a file that compute wrote.

    Errors: `Invalid` ``models.job_invalid`` with every finding.
    """
    try:
        stated = json.loads(path.read_bytes())
        arguments, train = stated.get("arguments", {}), Path(stated["inputs"]["train"])
        outputs = Path(stated["outputs"])
        known = _arguments(arguments)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = (("why", f"{type(error).__name__}: {error}"[:200]),)
        raise Invalid(
            "models.job_invalid", findings=[Finding(path.name, "models.job_unreadable", why)]
        ) from None
    return Job(known, train, outputs)


def _arguments(given: Mapping[str, object]) -> Arguments:
    reader = _Reader(given)
    shortest = reader.whole("ngram_min", 1, least=1, most=NGRAM_LONGEST)
    longest = reader.whole("ngram_max", max(3, shortest), least=shortest, most=NGRAM_LONGEST)
    settings = Settings(
        seed=reader.whole("seed", 0, least=0, most=2**53 - 1),
        ngrams=Ngrams(shortest, longest),
        features=reader.whole("features", 65_536, least=16, most=FEATURES_MAX),
        regularisation=reader.decimal("regularisation", "0.3", least="0.0001", most="10000"),
    )
    arguments = Arguments(
        settings,
        name=reader.line("name", "classifier"),
        intended_use=reader.line("intended_use", ""),
        synthetic=reader.flag("synthetic", default=False),
    )
    reader.finish()
    return arguments


class _Reader:
    """Takes arguments one by one and remembers what was wrong with them."""

    def __init__(self, given: Mapping[str, object]) -> None:
        self._given = dict(given)
        self._known: list[str] = []
        self._findings: list[Finding] = []

    def whole(self, name: str, default: int, *, least: int, most: int) -> int:
        value = self._take(name, default)
        if type(value) is int and least <= value <= most:
            return value
        self._fault(name, f"{least}–{most}")
        return default

    def decimal(self, name: str, default: str, *, least: str, most: str) -> float:
        value = self._take(name, default)
        try:
            number = Decimal(value) if isinstance(value, (str, int)) else Decimal("NaN")
        except InvalidOperation:
            number = Decimal("NaN")
        if number.is_finite() and Decimal(least) <= number <= Decimal(most):
            return float(number)
        self._fault(name, f"{least}–{most}")
        return float(default)

    def line(self, name: str, default: str) -> str:
        value = self._take(name, default)
        if isinstance(value, str) and len(value) <= 200 and (value.isprintable() or not value):
            return value
        self._fault(name, "text, ≤ 200")
        return default

    def flag(self, name: str, *, default: bool) -> bool:
        value = self._take(name, default)
        if isinstance(value, bool):
            return value
        self._fault(name, "true/false")
        return default

    def finish(self) -> None:
        """Raise what was found, unknown names among it."""
        known = (("known", ", ".join(self._known)),)
        for name in self._given:
            if name not in self._known:
                where = f"arguments.{name[:80]}"
                self._findings.append(Finding(where, "models.argument_unknown", known))
        if self._findings:
            raise Invalid("models.job_invalid", findings=self._findings)

    def _take(self, name: str, default: object) -> object:
        self._known.append(name)
        return self._given.get(name, default)

    def _fault(self, name: str, expected: str) -> None:
        params = (("expected", expected),)
        self._findings.append(Finding(f"arguments.{name}", "models.argument_invalid", params))


def read_rows(path: Path) -> Rows:
    """The training data.

    Errors: `Invalid` ``models.train_invalid`` with every finding: no Parquet file, a missing column
    or one that is not text, a missing text or label, no rows, fewer than two classes.
    """
    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid):
        raise _invalid([Finding(path.name, "models.not_parquet")]) from None
    faults = _schema_faults(file.schema_arrow)
    if faults:
        raise _invalid(faults)
    try:
        table = file.read(columns=list(_COLUMNS), use_threads=False)
    except (OSError, pa.ArrowInvalid):
        raise _invalid([Finding(path.name, "models.not_parquet")]) from None
    columns = {name: table[name].cast(pa.large_string()) for name in _COLUMNS}
    faults = _row_faults(columns)
    if faults:
        raise _invalid(faults)
    texts, labels, groups = (columns[name].to_pylist() for name in _COLUMNS)
    return Rows(texts, labels, groups)


def _invalid(findings: list[Finding]) -> Invalid:
    return Invalid("models.train_invalid", findings=findings)


def _schema_faults(schema: pa.Schema) -> list[Finding]:
    faults = []
    for name in _COLUMNS:
        if name not in schema.names:
            found = (("found", ", ".join(schema.names)[:200]),)
            faults.append(Finding(name, "models.column_missing", found))
        elif not _is_text(schema.field(name).type):
            kind = (("found", str(schema.field(name).type)[:80]),)
            faults.append(Finding(name, "models.column_not_text", kind))
    return faults


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _row_faults(columns: Mapping[str, pa.ChunkedArray]) -> list[Finding]:
    if not len(columns["text"]):
        return [Finding("text", "models.no_rows")]
    faults: list[Finding] = []
    for name, is_fault in _ROW_CHECKS.items():
        faulty = pc.indices_nonzero(is_fault(columns[name]))
        shown = faulty.slice(0, _FAULTY_ROWS_SHOWN).to_pylist()
        faults += [Finding(f"{name}[{row}]", "models.value_missing") for row in shown]
        if len(faulty) > _FAULTY_ROWS_SHOWN:
            more = (("count", len(faulty) - _FAULTY_ROWS_SHOWN),)
            faults.append(Finding(name, "models.values_missing_more", more))
    classes = pc.count_distinct(columns["label"]).as_py()
    if classes < 2 or classes > CLASSES_MAX:
        params = (("count", classes), ("most", CLASSES_MAX))
        faults.append(Finding("label", "models.classes_count", params))
    return faults


def _missing(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.is_null(column)


def _missing_or_blank(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.fill_null(pc.equal(pc.utf8_trim_whitespace(column), ""), fill_value=True)


# A blank text is a text (it teaches the most common class); a blank label is no class.
_ROW_CHECKS: Mapping[str, Callable[[pa.ChunkedArray], pa.ChunkedArray]] = {
    "text": _missing,
    "label": _missing_or_blank,
    "group": _missing,
}
