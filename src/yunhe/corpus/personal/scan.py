"""One scan of a batch for every family of personal details, and the masks over the finds."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from yunhe.corpus.domain import MASKS
from yunhe.corpus.kernels.joined import Joined
from yunhe.corpus.personal import contacts, names, numbers, papers, places
from yunhe.corpus.personal.hits import Buffer, Hit, as_spans, settle

FINDERS = (numbers.find, contacts.find, papers.find, places.find, names.find)
"""Every family; each looks at the whole batch, and overlaps are settled afterwards."""
VERSION = 1
"""Raised whenever a rule changes, because the same text may then be masked differently."""


def find(joined: Joined, *, score_percent_min: int = 0) -> list[Hit]:
    """Every detail in the buffer, in order, without overlaps."""
    buffer = Buffer(joined)
    found = (hit for finder in FINDERS for hit in finder(buffer))
    return settle(hit for hit in found if hit.score >= score_percent_min)


def masked(texts: pa.StringArray, joined: Joined, hits: list[Hit]) -> pa.StringArray:
    """The texts with a placeholder for every hit; no character outside a hit changes.

    Shapes: ``texts``: string[n], the ones that were joined; ``hits`` as `find` gives them.
    """
    if not hits:
        return texts
    spans = as_spans(hits, joined.starts)
    documents, starts = spans.documents.tolist(), joined.starts.tolist()
    text = joined.text
    new_texts: list[str] = []
    touched: list[int] = []
    parts: list[str] = []
    at = 0
    for place, (hit, document) in enumerate(zip(hits, documents, strict=True)):
        if not touched or touched[-1] != document:
            touched.append(document)
            at = starts[document]
        parts += (text[at : hit.start], MASKS[hit.type])
        at = hit.end
        if place + 1 == len(hits) or documents[place + 1] != document:
            parts.append(text[at : starts[document + 1] - 1])
            new_texts.append("".join(parts))
            parts = []
    changed = np.zeros(len(texts), np.bool_)
    changed[touched] = True
    return pc.replace_with_mask(texts, pa.array(changed), pa.array(new_texts, pa.string()))
