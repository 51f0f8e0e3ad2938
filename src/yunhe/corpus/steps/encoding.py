"""Repairs text that was read in a wrong encoding; drops text whose bytes were lost."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from yunhe.corpus.documents import Documents, Outcome, Step, Values
from yunhe.corpus.encoding import DAMAGED, RECOVERED
from yunhe.corpus.kernels import mojibake
from yunhe.corpus.kernels.classes import LOST, VERSION

_REPAIRS = ("gb18030_row", *mojibake.KINDS)
_BYTES_LOST, _UNREADABLE = 1, 2


def _work(documents: Documents, values: Values) -> Outcome:
    repairs = (documents.damage == RECOVERED).astype(np.uint8)
    measures = documents.measures
    lost = measures[:, LOST].astype(np.int64)
    lengths = measures.sum(axis=1, dtype=np.int64)
    new = _repaired(documents, repairs)
    for document, text in new.items():
        lost[document], lengths[document] = text.count("\ufffd"), len(text)
    # A broken number can no longer be recognised as one, so a row with lost bytes is not let
    # through.
    reasons = np.where(documents.damage == DAMAGED, _BYTES_LOST, 0).astype(np.uint8)
    unreadable = lost * 1000 > values["lost_per_thousand_max"] * lengths
    reasons[unreadable & (reasons == 0)] = _UNREADABLE
    return Outcome(
        texts=_replaced(documents.texts, new) if new else None,
        reasons=reasons,
        repairs=repairs,
        scores=(lost * 1000 // np.maximum(lengths, 1)).astype(np.int32),
    )


def _repaired(documents: Documents, repairs: NDArray[np.uint8]) -> dict[int, str]:
    """New texts by document; writes how each was repaired."""
    texts, new = documents.utf8, {}
    signs = np.zeros(len(documents), np.uint8)
    mojibake.signs(texts.data, texts.offsets, signs)
    suspects = mojibake.suspects(documents.measures)
    for document in np.flatnonzero(suspects | (signs != 0)).tolist():
        text = documents.texts[document].as_py()
        found = mojibake.reread(text) if suspects[document] else None
        if found is None and signs[document] & mojibake.MANGLED:
            found = mojibake.mended(text), "latin_misread"
        if (found is None or found[0] == text) and signs[document] & mojibake.APART:
            found = mojibake.composed(text), "composed"
        if found and found[0] != text:
            new[document] = found[0]
            repairs[document] = 1 + _REPAIRS.index(found[1])
    return new


def _replaced(texts: pa.LargeStringArray, new: dict[int, str]) -> pa.LargeStringArray:
    mask = np.zeros(len(texts), np.bool_)
    mask[list(new)] = True
    values = pa.array(list(new.values()), pa.large_string())
    return pc.replace_with_mask(texts, pa.array(mask), values)


STEP = Step(
    version=2,
    thresholds=("lost_per_thousand_max",),
    reasons=("bytes_lost", "unreadable"),
    repairs=_REPAIRS,
    work=_work,
    data={"unicode": VERSION, "ftfy": mojibake.FTFY},
)
"""Encoding damage."""
