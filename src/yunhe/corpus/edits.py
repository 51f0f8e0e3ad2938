"""What a step changes in its texts, as places: applied in one pass, and what left them declared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from yunhe.corpus.documents import Codes, Removed
from yunhe.corpus.kernels.edits import replace
from yunhe.corpus.kernels.places import characters
from yunhe.corpus.kernels.utf8 import Utf8, frozen, large_strings

Places = NDArray[np.int64]
"""int64[k], in bytes of `Utf8.data`."""


@dataclass(frozen=True, slots=True)
class Edits:
    """Places that become something else, as columns; ordered, apart, each within one text."""

    starts: Places
    """First byte."""
    ends: Places
    """One past the last."""
    kinds: Places
    """What each becomes: a position in the replacements."""

    @classmethod
    def of(cls, rows: Sequence[tuple[int, int, int]]) -> Edits:
        """From (start, end, kind)."""
        columns = np.array(rows, np.int64).reshape(-1, 3)
        return cls(*(np.ascontiguousarray(columns[:, n]) for n in range(3)))

    def __len__(self) -> int:
        return len(self.starts)

    def where(self, kept: NDArray[np.bool_]) -> Edits:
        """Some of them."""
        return Edits(self.starts[kept], self.ends[kept], self.kinds[kept])


def applied(texts: Utf8, edits: Edits, replacements: Sequence[str]) -> pa.LargeStringArray:
    """The texts after the edits. Cost: a copy of the batch; call it only where there is an edit."""
    words = [word.encode() for word in replacements]
    bounds = np.zeros(len(words) + 1, np.int64)
    np.cumsum([len(word) for word in words], out=bounds[1:])
    grown = (bounds[1:] - bounds[:-1])[edits.kinds].sum() - (edits.ends - edits.starts).sum()
    size = int(texts.offsets[-1] - texts.offsets[0] + grown)
    out, moved = np.empty(size, np.uint8), np.empty(len(texts.offsets), np.int64)
    letters = np.frombuffer(b"".join(words) or b"\0", np.uint8)
    columns = (edits.starts, edits.ends, edits.kinds)
    replace(texts.data, texts.offsets, *columns, frozen(letters), frozen(bounds), out, moved)
    return large_strings(out, moved)


def removed(texts: Utf8, edits: Edits, reasons: NDArray[np.uint8]) -> Removed:
    """The edits as a step declares them: in characters of the texts as they were given.

    Shapes: ``reasons``: uint8[k], 1 + position in the step's list ``removes``.
    """
    documents = owners(texts, edits.starts)
    first, last = np.empty(len(edits), np.int32), np.empty(len(edits), np.int32)
    characters(texts.data, texts.offsets, documents, edits.starts, edits.ends, first, last)
    return Removed(documents, first, last, reasons)


def owners(texts: Utf8, places: Places) -> Places:
    """int64[k]: the text in which each byte lies."""
    found: Places = np.searchsorted(texts.offsets, places, side="right").astype(np.int64) - 1
    return found


def collected(find: Callable[[Places, Places, Places], int], room: int) -> Edits:
    """The edits that a kernel writes, run again with enough room if there was too little."""
    while True:
        columns = [np.empty(room, np.int64) for _ in range(3)]
        count = find(columns[0], columns[1], columns[2])
        if count <= room:
            return Edits(columns[0][:count], columns[1][:count], columns[2][:count])
        room = count


def touched(texts: Utf8, edits: Edits) -> Codes:
    """uint8[n]: 1 for each text with an edit."""
    codes = np.zeros(len(texts.offsets) - 1, np.uint8)
    codes[owners(texts, edits.starts)] = 1
    return codes
