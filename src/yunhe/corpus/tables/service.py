"""Commands on tables: how anonymous is one, and a generalised copy that is as asked.

The copy is de-identified (去标识化), never anonymous: who knows more about a person than the
quasi-identifiers named may still recognise them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from yunhe.corpus.tables import files
from yunhe.corpus.tables.anonymity import Coded, Grouping, coded, grouped, least
from yunhe.corpus.tables.hierarchies import KINDS, Kind, fits, kind_of, levels
from yunhe.kernel.canonical import JsonObject
from yunhe.kernel.errors import Conflict, Finding

QUASI_MAX = 16
"""Most quasi-identifiers."""
K_MAX = 100_000
"""Largest k."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a table."""

    quasi: Mapping[str, Kind | None]
    """Columns by which a person may be recognised, and their hierarchies; None chooses one."""
    sensitive: tuple[str, ...] = ()
    """Columns nobody is to learn about a person; they stay as they are."""
    keep: tuple[str, ...] = ()
    """Columns that tell nothing about a person and stay; all others are left out."""
    k: int = 5
    """Fewest rows that read the same."""
    l_min: int = 1
    """Fewest different sensitive values among them."""
    suppress_percent_max: int = 1
    """Most rows that may be left out."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a table is like, and what was done to it."""

    rows: int
    """Rows of the input."""
    suppressed: int
    """Rows left out."""
    k: int
    """Rows of the smallest class of those released; 0 of none."""
    l_min: int
    """Fewest different values of a sensitive column in a class; 0 without such columns."""
    sizes: Mapping[int, int]
    """Classes by size: of one, of up to two, four, eight … rows."""
    levels: Mapping[str, str] = field(default_factory=dict)
    """What became of each quasi-identifier."""
    left_out: tuple[str, ...] = ()
    """Columns that were not named and are not in the copy."""

    def as_json(self) -> JsonObject:
        """As plain data, whole numbers only."""
        return {
            "claim": "de-identified",
            "rows": self.rows,
            "rows_released": self.rows - self.suppressed,
            "rows_suppressed": self.suppressed,
            "k": self.k,
            "l": self.l_min,
            "classes": sum(self.sizes.values()),
            "classes_by_size_max": {str(size): count for size, count in self.sizes.items()},
            "levels": dict(self.levels),
            "columns_left_out": list(self.left_out),
            "limits": ["corpus.table_limit.quasi", "corpus.table_limit.homogeneous"],
        }


def measure(path: Path, asked: Asked) -> Report:
    """How anonymous a table is as it stands.

    Errors: those of `yunhe.corpus.tables.files.read`; `Invalid` ``corpus.table_invalid``.
    """
    table = files.read(path)
    asked = replace(asked, quasi=dict.fromkeys(asked.quasi))  # ranges are no numbers any more
    _check(path.name, table, asked)
    numbers, _ = _coded(table, asked, exact=True)
    found = grouped(numbers, (0,) * len(asked.quasi))
    return _report(table, found, np.ones(len(found.sizes), np.bool_))


def deidentify(path: Path, asked: Asked, out: Path) -> Report:
    """Write a copy that is k-anonymous and l-diverse as asked, generalised as little as will do.

    Errors: as `measure`; `Conflict` ``corpus.table_impossible`` when no generalisation suffices.
    """
    table = files.read(path)
    _check(path.name, table, asked)
    if out.exists() and out.samefile(path):
        raise files.invalid(path.name, [Finding("output", "corpus.table_overwrites")])
    numbers, names = _coded(table, asked, exact=False)
    allowed = table.num_rows * asked.suppress_percent_max // 100
    found = least(numbers, k=asked.k, l_min=_l_min(asked), suppressed_max=allowed)
    if found is None:
        raise Conflict("corpus.table_impossible", rows=table.num_rows, k=asked.k, l=asked.l_min)
    kept = found.kept(k=asked.k, l_min=_l_min(asked))
    released = kept[found.classes[numbers.rows]]
    columns = {}
    for place, (column, level) in enumerate(zip(asked.quasi, found.levels, strict=True)):
        readings = names[place][level]
        columns[column] = readings.take(pa.array(numbers.cells[numbers.rows, place]))
    chosen = [name for name in table.column_names if name in _named(asked)]
    copy = pa.table({name: columns.get(name, table.column(name)) for name in chosen})
    files.write(copy.filter(pa.array(released)), out)
    done = dict(zip(asked.quasi, found.levels, strict=True))
    told = {name: _level_names(table, name, asked)[level] for name, level in done.items()}
    left_out = tuple(name for name in table.column_names if name not in chosen)
    return _report(table, found, kept, levels=told, left_out=left_out)


def _l_min(asked: Asked) -> int:
    return asked.l_min if asked.sensitive else 0


def _named(asked: Asked) -> set[str]:
    return {*asked.quasi, *asked.sensitive, *asked.keep}


def _check(where: str, table: pa.Table, asked: Asked) -> None:
    findings = [*_column_faults(where, table, asked), *_number_faults(asked)]
    if not findings:
        for name, kind in asked.quasi.items():
            findings += [] if kind is None else _misfits(where, table, name, kind)
    if findings:
        raise files.invalid(where, findings)


def _column_faults(where: str, table: pa.Table, asked: Asked) -> Iterator[Finding]:
    there = (("there", ", ".join(table.column_names[:50])),)
    every = [*asked.quasi, *asked.sensitive, *asked.keep]
    for name in sorted(set(every)):
        column = (("column", name[:64]),)
        if name not in table.column_names:
            yield Finding(where, "corpus.column_missing", (*column, *there))
        elif every.count(name) > 1:
            yield Finding(where, "corpus.column_twice", column)
        elif name in asked.quasi and not _is_plain(table.schema.field(name).type):
            yield Finding(where, "corpus.table_column_kind", column)


def _number_faults(asked: Asked) -> Iterator[Finding]:
    for name, number, bound in (
        ("quasi", len(asked.quasi), QUASI_MAX),
        ("k", asked.k, K_MAX),
        ("l", asked.l_min, K_MAX),
    ):
        if not 1 <= number <= bound:
            yield Finding(name, "corpus.table_range", (("max", bound),))
    if asked.l_min > 1 and not asked.sensitive:
        yield Finding("l", "corpus.table_sensitive_missing")
    if not 0 <= asked.suppress_percent_max <= 100:
        yield Finding("suppress", "corpus.table_percent")


def _misfits(where: str, table: pa.Table, name: str, kind: Kind) -> list[Finding]:
    if kind not in KINDS:
        known = (("known", ", ".join(KINDS)),)
        return [Finding(f"quasi.{name[:64]}", "corpus.source_choice", known)]
    if not fits(kind, pc.unique(table.column(name)).to_pylist()):
        params = (("column", name[:64]), ("kind", kind))
        return [Finding(where, "corpus.table_misfit", params)]
    return []


def _is_plain(kind: pa.DataType) -> bool:
    types = pa.types
    return any(
        is_kind(kind)
        for is_kind in (
            types.is_string, types.is_large_string, types.is_integer, types.is_floating,
            types.is_boolean, types.is_date, types.is_timestamp, types.is_decimal,
        )
    )  # fmt: skip


def _numbered(table: pa.Table, name: str) -> tuple[NDArray[np.int64], list[object]]:
    """Each row's value as its number among the different ones, and those; null is one of them."""
    column = table.column(name).combine_chunks()
    coded = column.dictionary_encode(null_encoding="encode")
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.combine_chunks()
    return coded.indices.to_numpy(zero_copy_only=False).astype(
        np.int64
    ), coded.dictionary.to_pylist()


def _level_names(table: pa.Table, name: str, asked: Asked) -> list[str]:
    values = pc.unique(table.column(name)).to_pylist()
    return [level for level, _ in levels(asked.quasi[name] or kind_of(values), values)]


def _coded(table: pa.Table, asked: Asked, *, exact: bool) -> tuple[Coded, list[list[pa.Array]]]:
    """The table as numbers and, by column and level, what each value's number is read as."""
    columns, recodings, names = [], [], []
    for name, wanted in asked.quasi.items():
        indices, values = _numbered(table, name)
        columns.append(indices)
        if exact:
            recodings.append([np.arange(len(values))])
            continue
        kind = wanted or kind_of(values)  # type: ignore[arg-type]
        read = [
            pa.array([reading(value) for value in values], pa.string())  # type: ignore[arg-type]
            for _, reading in levels(kind, values)  # type: ignore[arg-type]
        ]
        names.append(read)
        recodings.append([_codes(each) for each in read])
    sensitive = [_numbered(table, name)[0] for name in asked.sensitive]
    return coded(columns, recodings, sensitive), names


def _codes(readings: pa.Array) -> NDArray[np.int64]:
    indices = readings.dictionary_encode().indices
    return np.asarray(indices.to_numpy(zero_copy_only=False), np.int64)


def _report(
    table: pa.Table,
    found: Grouping,
    kept: NDArray[np.bool_],
    *,
    levels: Mapping[str, str] | None = None,
    left_out: Sequence[str] = (),
) -> Report:
    sizes = found.sizes[kept]
    bounds = [1 << power for power in range(int(sizes.max(initial=0)).bit_length() + 1)]
    placed = np.searchsorted(bounds, sizes)
    counts = np.bincount(placed, minlength=len(bounds)).tolist()
    return Report(
        rows=table.num_rows,
        suppressed=table.num_rows - int(sizes.sum()),
        k=int(sizes.min()) if len(sizes) else 0,
        l_min=int(found.diversity[kept].min()) if len(sizes) else 0,
        sizes={bound: count for bound, count in zip(bounds, counts, strict=True) if count},
        levels=levels or {},
        left_out=tuple(left_out),
    )
