"""What every reader hands on: a record batch of one shape, and the faults of other rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow as pa

from yunhe.corpus.errors import FINDINGS_MAX
from yunhe.kernel.errors import Finding

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.large_string()),
        ("label", pa.string()),
        ("damage", pa.uint8()),
    ]
)
"""Columns of every batch; ``damage`` is a code of `yunhe.corpus.encoding`."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """One block's worth of documents."""

    batch: pa.RecordBatch
    """Of `SCHEMA`."""
    findings: tuple[Finding, ...] = ()
    """The first faults of the block."""
    faults: int = 0
    """How many faults there were in all."""


Task = Callable[[], Parsed]
"""Parses one block; pure, so that any thread may do it."""
Tasks = Iterator[Task]
"""The blocks of an input in order; making the next one only reads bytes."""


class Opened(NamedTuple):
    """A file with columns."""

    tasks: Tasks
    """Its blocks."""
    names: tuple[str, ...]
    """What its columns are called, as far as its beginning tells."""


@dataclass(slots=True)
class Rows:
    """Collects rows one by one, for the blocks that the bulk parser refused."""

    ids: list[str | None] = field(default_factory=list)
    texts: list[str | None] = field(default_factory=list)
    labels: list[str | None] = field(default_factory=list)
    damage: list[int] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    faults: int = 0

    def fault(self, finding: Finding) -> None:
        """Note a row that cannot be read; the first `FINDINGS_MAX` are written out."""
        self.faults += 1
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(finding)

    def add(self, values: Sequence[str | None], damage: int) -> None:
        """Add ``(id, text, label)``."""
        self.ids.append(values[0])
        self.texts.append(values[1])
        self.labels.append(values[2])
        self.damage.append(damage)

    def parsed(self) -> Parsed:
        """Everything collected so far."""
        columns = [self.ids, self.texts, self.labels, self.damage]
        arrays = [pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)]
        return Parsed(
            pa.RecordBatch.from_arrays(arrays, schema=SCHEMA), tuple(self.findings), self.faults
        )


def from_columns(id_: pa.Array | None, text: pa.Array, label: pa.Array | None) -> Parsed:
    """A clean batch of whole columns; None stands for a column that is not mapped."""
    nothing = pa.nulls(len(text), pa.string())
    arrays = [
        nothing if id_ is None else id_,
        text if pa.types.is_large_string(text.type) else text.cast(pa.large_string()),
        nothing if label is None else label,
        pa.repeat(pa.scalar(0, pa.uint8()), len(text)),
    ]
    return Parsed(pa.RecordBatch.from_arrays(arrays, schema=SCHEMA))


def refused(finding: Finding) -> Parsed:
    """No documents, one fault."""
    return Parsed(pa.RecordBatch.from_pylist([], schema=SCHEMA), (finding,), 1)
