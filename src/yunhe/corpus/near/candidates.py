"""First stage: signatures in, pairs of documents that may be alike out; all of it through files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from yunhe.corpus.evidence import Evidence
from yunhe.corpus.kernels.bands import agreeing, band_keys, bucket_pairs, split
from yunhe.corpus.kernels.shingles import BANDS, BINS, WORDS

DOCUMENTS_MAX = 1 << 32
"""Documents of one corpus: a pair is two numbers in 64 bits."""
_ESTIMATE_SLACK_PERCENT = 25  # over five standard errors of 128 bins, so verification decides
_CHUNK_DOCUMENTS = 1 << 14  # whose band keys are made at a time: 42 · 8 bytes each
_KEY_BYTES, _PAIR_BYTES = 64, 1200  # what a key while sorted, and a pair while checked, takes
_PAIRS_MAX = 2 * BANDS  # of one later document


@dataclass(frozen=True)
class Candidates:
    """Files of candidate pairs, cut by the later document."""

    evidence: Evidence
    """Signatures."""
    scratch: Path
    """Where the files are."""
    memory_bytes: int
    """Memory to keep to."""

    @property
    def count(self) -> int:
        """Documents in all."""
        return sum(self.evidence.counts)

    @property
    def starts(self) -> NDArray[np.int64]:
        """int64[units + 1]: number of each unit's first document."""
        return np.concatenate([[0], np.cumsum(self.evidence.counts, dtype=np.int64)])

    def find(self) -> None:
        """Write all pairs that share a bucket. Cost: about 5 µs a document."""
        bits = max(1, self.count.bit_length())
        if self.count >= DOCUMENTS_MAX:
            raise ValueError("more than 4 billion documents: cleanse them in parts")
        with ExitStack() as stack:
            files = [stack.enter_context(self._keys(band).open("wb")) for band in range(BANDS)]
            for unit in range(len(self.evidence.counts)):
                self._write_keys(unit, bits, files)
        with ExitStack() as stack:
            parts = [
                stack.enter_context(self._pairs(part).open("wb")) for part in range(self.parts)
            ]
            for band in range(BANDS):
                for keys in self._buckets(band):
                    self._write_pairs(np.sort(bucket_pairs(np.sort(keys), bits=bits)), parts)
                self._keys(band).unlink()

    def _keys(self, band: int) -> Path:
        return self.scratch / f"keys-{band:02}"

    def _pairs(self, part: int) -> Path:
        return self.scratch / f"pairs-{part:05}"

    def _write_keys(self, unit: int, bits: int, files: Sequence[IO[bytes]]) -> None:
        values, first = self.evidence.values(unit), int(self.starts[unit])
        for at in range(0, len(values), _CHUNK_DOCUMENTS):
            keys = band_keys(values[at : at + _CHUNK_DOCUMENTS], number=first + at, bits=bits)
            for band, file in enumerate(files):
                file.write(keys[band].tobytes())

    def _buckets(self, band: int) -> Iterator[NDArray[np.uint64]]:
        """The keys of a band in shares that fit into memory; a bucket is never cut."""
        size = self._keys(band).stat().st_size // 8
        shares = -(-size * _KEY_BYTES // self.memory_bytes)
        if shares <= 1:
            yield np.fromfile(self._keys(band), np.uint64)
            return
        width = np.uint64((1 << 64) // shares + 1)
        for share in range(shares):
            chosen: list[NDArray[np.uint64]] = []
            with self._keys(band).open("rb") as file:
                while len(keys := np.fromfile(file, np.uint64, self.memory_bytes // 64 + 1)):
                    chosen.append(keys[keys // width == share])
            yield np.concatenate(chosen)

    @property
    def parts(self) -> int:
        """Files of pairs, so many that each fits into memory even if all pairs there are arise."""
        return max(1, -(-self.count * _PAIRS_MAX * 24 // self.memory_bytes))

    def _span(self) -> int:
        return max(1, -(-self.count // self.parts))

    def _write_pairs(self, pairs: NDArray[np.uint64], files: Sequence[IO[bytes]]) -> None:
        borders = np.arange(1, self.parts, dtype=np.uint64) * np.uint64(self._span())
        cuts = np.searchsorted(pairs, borders << np.uint64(32))
        for file, share in zip(files, np.split(pairs, cuts), strict=True):
            file.write(share.tobytes())

    def likely(self, percent_min: int) -> Iterator[tuple[NDArray[np.uint64], NDArray[np.int64]]]:
        """Sorted pairs whose signatures do not rule out that similarity, a share at a time.

        Yields the pairs and the bytes that both texts of each have together.
        """
        bins_min = max(1, (percent_min - _ESTIMATE_SLACK_PERCENT) * BINS // 100)
        size = max(1, self.memory_bytes // _PAIR_BYTES)
        for part in range(self.parts):
            pairs = thinned(np.sort(np.fromfile(self._pairs(part), np.uint64)))
            self._pairs(part).unlink()
            for at in range(0, len(pairs), size):
                documents, places = numbered(pairs[at : at + size])
                evidence = self._signatures(documents)
                kept = agreeing(places, evidence, bins_min=bins_min)
                bytes_ = evidence[:, -1].astype(np.int64)[places[kept]].sum(axis=1)
                yield pairs[at : at + size][kept], bytes_

    def _signatures(self, documents: NDArray[np.int64]) -> NDArray[np.uint64]:
        """The evidence of some documents, their numbers rising."""
        out = np.empty((len(documents), WORDS), np.uint64)
        for unit, rows, here in by_unit(documents, self.starts):
            out[here] = self.evidence.values(unit)[rows]
        return out


def thinned(ordered: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Each value of a sorted array once."""
    new = np.ones(len(ordered), np.bool_)
    new[1:] = ordered[1:] != ordered[:-1]
    return ordered[new]


def numbered(pairs: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The documents of some pairs, rising, and int64[k, 2]: the place of each pair's two there."""
    later, earlier = split(pairs)
    both = np.stack([later, earlier], axis=1)
    documents = thinned(np.sort(both.reshape(-1).astype(np.uint64))).astype(np.int64)
    return documents, np.searchsorted(documents, both)


def by_unit(
    documents: NDArray[np.int64], starts: NDArray[np.int64]
) -> Iterator[tuple[int, NDArray[np.int64], slice]]:
    """Rising documents unit by unit: the unit, its rows, and their places in ``documents``."""
    cuts = np.searchsorted(documents, starts)
    for unit in np.flatnonzero(np.diff(cuts)).tolist():
        here = slice(int(cuts[unit]), int(cuts[unit + 1]))
        yield unit, documents[here] - starts[unit], here
