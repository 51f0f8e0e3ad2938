"""Groups near-duplicates, so that a split can keep them on one side; removes nothing."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from yunhe.corpus.documents import Documents, Outcome, Step, Values
from yunhe.corpus.kernels.joined import Joined, join
from yunhe.corpus.kernels.likeness import Sets, candidates, estimated, linked
from yunhe.corpus.kernels.shingles import letters, shingles, signatures

_DOCUMENTS_AT_A_TIME = 8192  # of those whose likeness is computed exactly, to bound the buffer


def _pieces(joined: Joined) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    return shingles(letters()[joined.plane], joined.starts)


def _work(documents: Documents, values: Values) -> Outcome:
    del values
    found = signatures(*_pieces(documents.joined), len(documents))
    return Outcome(evidence=found.view(np.uint64))


def _settle(
    evidence: NDArray[np.uint64], texts: pa.ChunkedArray, values: Values
) -> NDArray[np.int64]:
    found, similarity = evidence.view(np.uint32), values["similarity_percent_min"] / 100
    pairs = estimated(candidates(found), found, similarity)
    involved, renumbered = np.unique(pairs, return_inverse=True)
    hashes, documents = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    for at in range(0, len(involved), _DOCUMENTS_AT_A_TIME):
        chosen = texts.take(pa.array(involved[at : at + _DOCUMENTS_AT_A_TIME])).combine_chunks()
        pieces, owners = _pieces(join(chosen))
        hashes.append(pieces)
        documents.append(owners + at)
    sets = Sets.of(np.concatenate(hashes), np.concatenate(documents), len(involved))
    groups = np.arange(len(texts), dtype=np.int64)
    groups[involved] = involved[linked(renumbered.reshape(-1, 2), sets, similarity)]
    return groups


STEP = Step(
    version=1,
    thresholds=("similarity_percent_min",),
    work=_work,
    settle_groups=_settle,
)
"""Near-duplicates by exact Jaccard similarity of their five-character runs."""
