"""Repairs text that was read in a wrong encoding; drops text whose bytes were lost."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from yunhe.corpus.documents import Documents, Outcome, Step, Values
from yunhe.corpus.encoding import DAMAGED, RECOVERED
from yunhe.corpus.kernels import mojibake

_REPAIRS = ("gb18030_row", *mojibake.KINDS)
_BYTES_LOST, _UNREADABLE = 1, 2


def _work(documents: Documents, values: Values) -> Outcome:
    joined = documents.joined
    repairs = (documents.damage == RECOVERED).astype(np.uint8)
    texts, read_again = {}, mojibake.suspects(joined.plane, joined.starts).tolist()
    for document in read_again:
        start, end = joined.starts[document], joined.starts[document + 1] - 1
        found = mojibake.reread(joined.text[start:end])
        if found:
            texts[document] = found[0]
            repairs[document] = 1 + _REPAIRS.index(found[1])
    changed = _replaced(documents.texts, texts) if texts else documents.texts
    # A broken number can no longer be recognised as one, so a row with lost bytes is not let
    # through.
    reasons = np.where(documents.damage == DAMAGED, _BYTES_LOST, 0).astype(np.uint8)
    lost = pc.count_substring(changed, "\ufffd").to_numpy(zero_copy_only=False)
    lengths = pc.utf8_length(changed).to_numpy(zero_copy_only=False)
    unreadable = lost * 1000 > values["lost_per_thousand_max"] * lengths
    reasons[unreadable & (reasons == 0)] = _UNREADABLE
    return Outcome(texts=changed if texts else None, reasons=reasons, repairs=repairs)


def _replaced(texts: pa.StringArray, new: dict[int, str]) -> pa.StringArray:
    mask = np.zeros(len(texts), np.bool_)
    mask[list(new)] = True
    return pc.replace_with_mask(texts, pa.array(mask), pa.array(list(new.values()), pa.string()))


STEP = Step(
    version=1,
    thresholds=("lost_per_thousand_max",),
    reasons=("bytes_lost", "unreadable"),
    repairs=_REPAIRS,
    work=_work,
)
"""Encoding damage."""
