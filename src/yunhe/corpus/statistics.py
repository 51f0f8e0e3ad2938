"""What a cleansing counts: whole numbers that add up, unit by unit, to those of the whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yunhe.kernel.canonical import Json, JsonObject

Counts = Mapping[str, int]
"""How many of each."""
Table = Mapping[str, Mapping[str, int]]
"""How many of each of each."""
BUCKETS = 33
"""Length n falls into bucket ``n.bit_length()``: 0, 1, 2–3, 4–7, … characters."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts of a cleansing, or of a part of one. Every dict is sorted by its keys."""

    documents_in: int = 0
    """Documents read."""
    documents_out: int = 0
    """Documents released."""
    characters_in: int = 0
    """Characters read."""
    characters_out: int = 0
    """Characters released."""
    bytes_in: int = 0
    """Bytes of UTF-8 that the text read takes."""
    dropped: Table = field(default_factory=dict)
    """Documents dropped, by step and reason; each document once."""
    repaired: Table = field(default_factory=dict)
    """Documents repaired, by step and kind of repair; a document may be repaired more than once."""
    documents_repaired: int = 0
    """Repairs in all."""
    details: Table = field(default_factory=dict)
    """Personal details in released documents: by type ``spans`` and ``documents``."""
    removed: Table = field(default_factory=dict)
    """Taken out of released documents besides: by ``step.kind`` ``places`` and ``characters``."""
    lengths_in: Counts = field(default_factory=dict)
    """Documents read by length: keys ``00`` to ``32``, see `BUCKETS`."""
    lengths_out: Counts = field(default_factory=dict)
    """Documents released by length."""
    languages: Counts = field(default_factory=dict)
    """Documents by language, where a step tells them; also those dropped by that step or after."""
    noticed: Table = field(default_factory=dict)
    """Documents that a step let through although it noticed something, by step and what: risk words
    by class. A later step may have dropped them."""
    clusters: Counts = field(default_factory=dict)
    """Groups of equal or alike documents by their size (as text, padded to sort): dropped members
    count, documents alone do not."""
    released_groups: Counts = field(default_factory=dict)
    """The same of released documents only; those alone are groups of 1."""
    sources: Table = field(default_factory=dict)
    """By input file: ``documents_in``, ``documents_out``, ``characters_in``, ``characters_out``."""
    labels: Counts = field(default_factory=dict)
    """Released documents by label."""
    unlabelled: int = 0
    """Released documents without one."""

    def as_json(self) -> JsonObject:
        """Plain data with ASCII keys; `of_json` reads it back."""
        data = {each.name: _sorted(getattr(self, each.name)) for each in fields(self)}
        data["sources"] = [
            {"name": name, **dict(sorted(counts.items()))}
            for name, counts in sorted(self.sources.items())
        ]
        data["labels"] = [
            {"label": label, "documents": count} for label, count in sorted(self.labels.items())
        ]
        return data

    def raw(self) -> dict[str, Json]:
        """Plain data for `summed`; keys may be of any language."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @classmethod
    def of_json(cls, data: Mapping[str, Any]) -> Statistics:
        """What `as_json` wrote."""
        known: dict[str, Any] = {
            each.name: data[each.name] for each in fields(cls) if each.name in data
        }
        known["sources"] = {
            each["name"]: {name: count for name, count in each.items() if name != "name"}
            for each in data["sources"]
        }
        known["labels"] = {each["label"]: each["documents"] for each in data["labels"]}
        return cls(**known)

    @classmethod
    def summed(cls, parts: Iterable[Mapping[str, Json]]) -> Statistics:
        """All parts added up, field by field and key by key; a part may lack fields."""
        total: dict[str, Json] = {}
        for part in parts:
            total = _added(total, part)
        whole: dict[str, Any] = {name: _sorted(value) for name, value in total.items()}
        return cls(**whole)

    def by_reason(self, table: str) -> dict[str, int]:
        """``dropped`` or ``repaired`` without the steps."""
        found: dict[str, int] = {}
        for reasons in getattr(self, table).values():
            for reason, count in reasons.items():
                found[reason] = found.get(reason, 0) + count
        return dict(sorted(found.items()))


def lengths(characters: NDArray[np.int64]) -> dict[str, int]:
    """How many lengths fall into each bucket; empty buckets are left out."""
    bits = np.zeros(len(characters), np.int64)
    positive = characters > 0
    bits[positive] = np.frexp(characters[positive].astype(np.float64))[1]  # exact below 2**53
    counts = np.bincount(np.minimum(bits, BUCKETS - 1), minlength=BUCKETS)
    return {f"{bucket:02d}": int(count) for bucket, count in enumerate(counts) if count}


def sizes(members: NDArray[np.int64]) -> dict[str, int]:
    """How many groups have each size; ``members``: int64[groups]."""
    values, counts = np.unique(members, return_counts=True)
    return {
        f"{value:09d}": int(count)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True)
    }


def _added(left: Mapping[str, Json], right: Mapping[str, Json]) -> dict[str, Json]:
    total = dict(left)
    for key, value in right.items():
        there = total.get(key)
        if isinstance(value, Mapping):
            total[key] = _added(there if isinstance(there, Mapping) else {}, value)
        elif isinstance(value, int):
            total[key] = value + (there if isinstance(there, int) else 0)
    return total


def _sorted(value: Json) -> Any:  # noqa: ANN401 (fills fields of any of the types above)
    if isinstance(value, Mapping):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return value
