"""Names of documents: unlike each other in the whole input, and found again fast."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from yunhe.corpus.kernels.keys import name_hashes
from yunhe.corpus.running.arrays import blank, save
from yunhe.corpus.running.whole import Units, Whole, called
from yunhe.kernel.errors import Finding

SORTED_AT_ONCE = 1 << 22
"""Names sorted at a time, about; bounds the memory beyond eight bytes a document."""
HASHES, DOCUMENTS = "hashes.npy", "documents.npy"
"""The index: hashes of names, rising; and the number of the document of each."""
_NAMES = "names-hashed.npy"


@dataclass(frozen=True, slots=True)
class Repeated:
    """Names that more than one document had."""

    firsts: NDArray[np.int64]
    """The first document of each, numbered through all units; rising."""
    times: NDArray[np.int64]
    """How many documents had it."""


def repeated(units: Units, folder: Path) -> Repeated:
    """Names that occur more than once; writes ``renamed.npy`` for `Whole` into ``folder``.

    Memory: eight bytes a document, memory-mapped.
    """
    total = int(units.documents_before[-1])
    renamed: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    firsts: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    times: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    if total:
        hashes = blank(folder / _NAMES, np.uint64, total)
        for number, unit in enumerate(units.units):
            low, high = units.documents_before[number : number + 2]
            names = called(unit.names(), unit.about["ids_personal"], int(low))
            hashes[low:high] = name_hashes(names)
        for order in _in_order(hashes):
            ordered = hashes[order]
            heads = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
            counts = np.diff(np.append(heads, len(order)))
            again = np.ones(len(order), np.bool_)
            again[heads] = False
            renamed.append(order[again])
            firsts.append(order[heads[counts > 1]])
            times.append(counts[counts > 1])
    save(folder / "renamed.npy", np.sort(np.concatenate(renamed)))
    found, how_often = np.concatenate(firsts), np.concatenate(times)
    by_row = np.argsort(found)
    return Repeated(found[by_row], how_often[by_row])


def index(whole: Whole, folder: Path, target: Path) -> None:
    """Write the index of final names into ``target``; ``folder`` is where `repeated` wrote."""
    before = whole.of.documents_before
    total = int(before[-1])
    if not total:
        for name in (HASHES, DOCUMENTS):
            save(target / name, np.empty(0, np.uint64))
        return
    hashes = open_memmap(folder / _NAMES, mode="r+")
    changed = np.searchsorted(whole.renamed, before)
    for unit in np.flatnonzero(np.diff(changed)).tolist():
        hashes[before[unit] : before[unit + 1]] = name_hashes(whole.names(unit))
    keys = blank(target / HASHES, np.uint64, total)
    numbers = blank(target / DOCUMENTS, np.int64, total)
    at = 0
    for order in _in_order(hashes):
        keys[at : at + len(order)] = hashes[order]
        numbers[at : at + len(order)] = order
        at += len(order)


def _in_order(hashes: NDArray[np.uint64]) -> Iterator[NDArray[np.int64]]:
    """Positions by rising hash, some at a time; equal hashes are not parted and stay in order."""
    bits = max(0, int(np.ceil(np.log2(max(1, len(hashes)) / SORTED_AT_ONCE))))
    for part in range(1 << bits):
        low = np.uint64(part << (64 - bits)) if bits else np.uint64(0)
        inside = hashes >= low
        if part + 1 < 1 << bits:
            inside &= hashes < np.uint64((part + 1) << (64 - bits))
        positions = np.flatnonzero(inside)
        if not len(positions):  # nearly all documents may have the same name
            continue
        yield positions[np.argsort(hashes[positions], kind="stable")]


def findings(units: Units, where: str, *, repeats: Repeated) -> Iterator[Finding]:
    """What is wrong with names and labels, in the order in which people look at it."""
    for row, times in zip(repeats.firsts.tolist(), repeats.times.tolist(), strict=True):
        yield Finding(where, "corpus.id_twice", (("row", row + 1), ("times", times)))
    for number, unit in enumerate(units.units):
        first = int(units.documents_before[number])
        for row in unit.about["ids_personal"]:
            yield Finding(where, "corpus.id_personal", (("row", first + row + 1),))
    if any(unit.about["labels_personal"] for unit in units.units):
        yield Finding(where, "corpus.labels_personal")
