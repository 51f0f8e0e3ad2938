"""Columns within columns: ``a.b`` is the field ``b`` of ``a``, unless a column is called so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc


def kind_of(schema: pa.Schema, name: str) -> pa.DataType | None:
    """What a column holds; None where there is none of that name."""
    if name in schema.names:
        return schema.field(name).type
    first, *others = name.split(".")
    kind = schema.field(first).type if schema.names.count(first) == 1 else None
    for other in others:
        if kind is None or not pa.types.is_struct(kind) or kind.get_field_index(other) < 0:
            return None
        kind = kind.field(other).type
    return kind


def column_of(batch: pa.RecordBatch, name: str) -> pa.Array:
    """The column of that name, which must be there; null where a level above it is."""
    if name in batch.schema.names:
        return batch.column(name)
    first, *others = name.split(".")
    return pc.struct_field(batch.column(first), others)


def value_of(record: Mapping[str, object], name: str) -> object:
    """What a record says under a name; None where it says nothing."""
    if name in record:
        return record[name]
    value: object = record
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def schema_of(kinds: Mapping[str, pa.DataType], there: Sequence[str]) -> pa.Schema:
    """The schema that has just these columns; ``there``: names at the top of the records."""
    tree: dict[str, object] = {}
    for name, kind in kinds.items():
        *above, last = [name] if name in there else name.split(".")
        level = tree
        for part in above:
            inner = level.setdefault(part, {})
            assert isinstance(inner, dict)  # noqa: S101 (a text has no columns in it)
            level = inner
        level[last] = kind
    return pa.schema([(name, _kind(branch)) for name, branch in tree.items()])


def _kind(branch: object) -> pa.DataType:
    if not isinstance(branch, dict):
        return branch
    return pa.struct([(name, _kind(inner)) for name, inner in branch.items()])
