"""Which document a duplicate was dropped for, and what that one is called.

The names are gathered once, unit by unit, so that writing a unit's decisions does not read the
names of all other units again. Memory: one unit; a byte a document, memory-mapped.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from yunhe.corpus.running.arrays import blank, load
from yunhe.corpus.running.whole import KEPT, Whole, one

FLAGS, NAMES = "originals.npy", "originals.arrow"
"""bool[survivors]: for which some other document was dropped; and the names of those, a batch for
each unit."""
_SCHEMA = pa.schema([("id", pa.string())])


def kept_for(whole: Whole, survivors: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64[n]: the released survivor that each was dropped for; -1 where there is none.

    A copy of a copy leads on: what the first was dropped for may itself have been dropped by a
    later step. Each turn leads to an earlier document, so there is an end.
    """
    found = np.asarray(whole.firsts[survivors]).astype(np.int64)
    while True:
        gone = np.flatnonzero(whole.places[found] != KEPT)
        further = np.asarray(whole.firsts[found[gone]])
        moved = further != found[gone]
        if not moved.any():
            found[gone] = -1  # dropped, but for no other document
            return found
        found[gone] = further


def write(whole: Whole, folder: Path) -> None:
    """Gather the names of all documents for which another was dropped."""
    before = whole.of.survivors_before.tolist()
    flags = blank(folder / FLAGS, np.bool_, before[-1])
    for low, high in pairwise(before):
        late = np.flatnonzero(whole.places[low:high] != KEPT) + low
        originals = kept_for(whole, late)
        flags[originals[originals >= 0]] = True
    with pa.ipc.new_file(str(folder / NAMES), _SCHEMA) as sink:
        for unit, (low, high) in enumerate(pairwise(before)):
            here = np.flatnonzero(flags[low:high])
            names = pa.array([], pa.string())
            if len(here):
                rows = whole.of.units[unit].rows()[here]
                names = whole.names(unit).take(pa.array(rows))
            sink.write_batch(pa.record_batch([names], schema=_SCHEMA))


def names(whole: Whole, originals: NDArray[np.int64]) -> pa.StringArray:
    """string[n]: the names of documents that `write` gathered; null for -1."""
    before = whole.of.survivors_before
    chosen = np.unique(originals[originals >= 0])
    flags = load(whole.folder / FLAGS)
    parts: list[pa.Array] = [pa.array([], pa.string())]
    with pa.memory_map(str(whole.folder / NAMES)) as source:
        opened = pa.ipc.open_file(source)
        cuts = np.searchsorted(chosen, before)
        for unit in np.flatnonzero(np.diff(cuts)).tolist():
            ranks = np.cumsum(flags[before[unit] : before[unit + 1]], dtype=np.int64) - 1
            here = chosen[cuts[unit] : cuts[unit + 1]] - before[unit]
            parts.append(opened.get_batch(unit).column(0).take(pa.array(ranks[here])))
    places = np.searchsorted(chosen, originals)
    index = pa.array(places, mask=originals < 0)
    return one(pa.chunked_array(parts, pa.string())).take(index)
