"""Near-duplicates, in between: which documents may be alike, from their signatures alone."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from yunhe.corpus.kernels.shingles import BANDS, BINS, EMPTY, ROWS, WORDS
from yunhe.native.compiled import I8, INT, U8, inner, kernel

_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_LOW = np.uint64(0xFFFFFFFF)
_BINS = numba.types.Array(numba.types.uint16, 1, "C", readonly=True)


def _bins(evidence: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """Read-only also where the evidence is not, for kernels are compiled for that alone."""
    bins = np.ascontiguousarray(evidence).view(np.uint16).reshape(-1)
    bins.flags.writeable = False
    return bins


@inner
def _is_empty(bins: NDArray[np.uint16], first: int) -> bool:
    full = 0
    while full < BINS and bins[first + full] == EMPTY:
        full += 1
    return full == BINS


@kernel(_BINS, INT, INT, U8)
def _band_keys(bins: NDArray[np.uint16], number: int, bits: int, out: NDArray[np.uint64]) -> int:
    count = len(bins) // (WORDS * 4)
    written = np.int64(0)
    for row in range(count):
        first = row * WORDS * 4
        if _is_empty(bins, first):
            continue
        for band in range(BANDS):
            key = np.uint64(band)
            for part in range(ROWS):
                key = np.uint64(key << np.uint64(16)) | np.uint64(bins[first + band + part * BANDS])
            key = np.uint64(key * _FIRST)
            key = np.uint64((key ^ (key >> np.uint64(31))) * _SECOND)
            key = np.uint64(key >> np.uint64(bits)) << np.uint64(bits)
            out[band * count + written] = key | np.uint64(number + row)
        written += 1
    return int(written)


def band_keys(evidence: NDArray[np.uint64], *, number: int, bits: int) -> NDArray[np.uint64]:
    """uint64[BANDS, m]: for the m documents with letters, their key in each band, then the number.

    The low ``bits`` hold the document's number, counted from ``number``; the rest is the key: two
    documents with the same one go into the same bucket.
    """
    bins = _bins(evidence)
    out = np.empty(BANDS * len(evidence), np.uint64)
    written = _band_keys(bins, number, bits, out)
    return out.reshape(BANDS, -1)[:, :written]


@kernel(U8, INT, U8)
def _bucket_pairs(keys: NDArray[np.uint64], bits: int, out: NDArray[np.uint64]) -> int:
    mask = np.uint64((np.uint64(1) << np.uint64(bits)) - np.uint64(1))
    head, written = np.int64(0), np.int64(0)
    for at in range(1, len(keys)):
        if keys[at] >> np.uint64(bits) != keys[head] >> np.uint64(bits):
            head = np.int64(at)
            continue
        here = np.uint64((keys[at] & mask) << np.uint64(32))
        out[written] = here | np.uint64(keys[at - 1] & mask)
        written += 1
        if at - 1 != head:
            out[written] = here | np.uint64(keys[head] & mask)
            written += 1
    return int(written)


def bucket_pairs(keys: NDArray[np.uint64], *, bits: int) -> NDArray[np.uint64]:
    """Pairs of one band: each document with the first of its bucket and with the one before it.

    Linear in the number of documents however large a bucket grows; the chain links all of it.
    Shapes: ``keys``: uint64[m] of one band, sorted; result: pairs as the later document << 32 | the
    earlier one.
    """
    out = np.empty(2 * len(keys), np.uint64)
    return out[: _bucket_pairs(keys, bits, out)]


@kernel(I8, _BINS, INT, I8)
def _agreeing(
    places: NDArray[np.int64], bins: NDArray[np.uint16], least: int, out: NDArray[np.int64]
) -> int:
    kept = np.int64(0)
    for at in range(len(out)):
        left, right = places[2 * at] * WORDS * 4, places[2 * at + 1] * WORDS * 4
        same = np.int64(0)
        for place in range(BINS):
            same += np.int64(bins[left + place] == bins[right + place])
        if same >= least:
            out[kept] = at
            kept += 1
    return int(kept)


def agreeing(
    places: NDArray[np.int64], evidence: NDArray[np.uint64], *, bins_min: int
) -> NDArray[np.int64]:
    """Which pairs have signatures that agree in at least ``bins_min`` bins.

    Shapes: ``places``: int64[k, 2], the rows of ``evidence`` that belong to each pair.
    """
    bins = _bins(evidence)
    out = np.empty(len(places), np.int64)
    kept: NDArray[np.int64] = out[: _agreeing(places.reshape(-1), bins, bins_min, out)]
    return kept


def split(pairs: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The later and the earlier document of each pair."""
    return (pairs >> np.uint64(32)).astype(np.int64), (pairs & _LOW).astype(np.int64)
