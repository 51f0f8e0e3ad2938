"""Divides documents by group, so that no near-duplicate of a test document was learnt from.

A dataset is one Parquet table of the columns id, text, label, group, as corpus writes it. Which
side a group is on depends on the seed and its name alone, so adding documents moves no other.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from yunhe.evaluation.domain import GROUPS_MIN
from yunhe.evaluation.errors import dataset_unreadable
from yunhe.kernel.errors import Finding, Invalid

COLUMNS = ("id", "text", "label", "group")
"""Columns of a dataset and of both its parts."""
_SCHEMA = pa.schema([(name, pa.string()) for name in COLUMNS])


@dataclass(frozen=True, slots=True)
class Documents:
    """The columns of a dataset or of a part of one."""

    ids: Sequence[str]
    """One a document."""
    texts: Sequence[str]
    """De-identified text."""
    labels: Sequence[str]
    """The class; "" for none."""
    groups: Sequence[str]
    """Near-duplicate group."""

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Parts:
    """Both sides of a split."""

    train: Documents
    """To learn from."""
    heldout: Documents
    """To test on."""
    unlabelled: int
    """Documents left out because they have no label."""


def read_documents(data: bytes, *, digest: str) -> Documents:
    """The documents of a Parquet blob; one without a group is a group of its own.

    Errors: `Invalid` ``evaluation.dataset_unreadable``, or ``evaluation.columns_missing`` with
    every column that is absent or is not text.
    """
    try:
        table = pq.read_table(pa.BufferReader(data))
    except (pa.ArrowInvalid, OSError):
        raise dataset_unreadable(digest) from None
    findings = [
        Finding(name, "evaluation.column_missing" if name not in present else "evaluation.not_text")
        for present in [dict(zip(table.column_names, table.schema.types, strict=True))]
        for name in COLUMNS
        if name not in present or not _is_text(present[name])
    ]
    if findings:
        raise Invalid("evaluation.columns_missing", findings=findings, digest=digest)
    ids, texts, labels, groups = (
        [value or "" for value in table.column(name).to_pylist()] for name in COLUMNS
    )
    alone = (f"document:{number}:{id_}" for number, id_ in enumerate(ids))
    return Documents(ids, texts, labels, [g or own for g, own in zip(groups, alone, strict=True)])


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def to_parquet(documents: Documents) -> bytes:
    """The blob of one part; the same documents give the same bytes."""
    columns = [documents.ids, documents.texts, documents.labels, documents.groups]
    table = pa.table([pa.array(c, pa.string()) for c in columns], schema=_SCHEMA)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_statistics=False, store_schema=False)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def held_out(group: str, *, seed: int, percent: int) -> bool:
    """Whether a group is held out; true for ``percent`` of all names, whatever the others are."""
    digest = hashlib.sha256(f"yunhe.split:{seed}:{group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") * 100 < percent << 64


def divide(documents: Documents, *, held_out_percent: int, seed: int) -> Parts:
    """Both sides, in the order of the documents.

    Errors: `Invalid` ``evaluation.no_labels``, ``evaluation.groups_too_few``,
    ``evaluation.classes_too_few``, and ``evaluation.class_one_sided`` with every class that is not
    on both sides.
    """
    labelled = [row for row in range(len(documents)) if documents.labels[row].strip()]
    if not labelled:
        raise Invalid("evaluation.no_labels", documents=len(documents))
    side = {
        group: held_out(group, seed=seed, percent=held_out_percent)
        for group in {documents.groups[row] for row in labelled}
    }
    train = _take(documents, [row for row in labelled if not side[documents.groups[row]]])
    heldout = _take(documents, [row for row in labelled if side[documents.groups[row]]])
    held = sum(side.values())
    if min(held, len(side) - held) < GROUPS_MIN:
        raise Invalid(
            "evaluation.groups_too_few", train=len(side) - held, heldout=held, least=GROUPS_MIN
        )
    _check_classes(train, heldout)
    return Parts(train, heldout, len(documents) - len(labelled))


def _take(documents: Documents, rows: Sequence[int]) -> Documents:
    ids, texts, labels, groups = (
        [column[row] for row in rows]
        for column in (documents.ids, documents.texts, documents.labels, documents.groups)
    )
    return Documents(ids, texts, labels, groups)


def _check_classes(train: Documents, heldout: Documents) -> None:
    learnt, tested = Counter(train.labels), Counter(heldout.labels)
    classes = sorted(learnt.keys() | tested.keys())
    if len(classes) < 2:
        raise Invalid("evaluation.classes_too_few", label=classes[0][:64])
    findings = [
        Finding(
            label[:64],
            "evaluation.class_not_heldout" if label in learnt else "evaluation.class_not_trained",
            (("documents", learnt[label] + tested[label]),),
        )
        for label in classes
        if not (learnt[label] and tested[label])
    ]
    if findings:
        raise Invalid("evaluation.class_one_sided", findings=findings, classes=len(findings))
