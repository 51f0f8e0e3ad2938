"""Takes links, e-mail addresses and IP addresses out of texts, or puts placeholders there."""

from __future__ import annotations

from functools import partial

import numpy as np

from yunhe.corpus.documents import Documents, Outcome, Step, Values
from yunhe.corpus.domain import MASKS
from yunhe.corpus.edits import Edits, applied, collected, removed
from yunhe.corpus.kernels.links import links

_ASKED = ("links", "emails", "ips")
_CHOICES = ("remove", "mask", "keep")
_MASKS = ("", "[链接]", MASKS["EMAIL"], MASKS["IP"])


def _work(documents: Documents, values: Values) -> Outcome:
    texts = documents.utf8
    found = collected(partial(links, texts.data, texts.offsets), 1024 + len(texts.data) // 64)
    asked = np.array([_CHOICES.index(values.options[name]) for name in _ASKED])[found.kinds]
    wanted = asked != _CHOICES.index("keep")
    if not wanted.any():
        return Outcome()
    masked = (asked == _CHOICES.index("mask"))[wanted]
    taken = found.where(wanted)
    reasons = (taken.kinds + 1).astype(np.uint8)
    edits = Edits(taken.starts, taken.ends, np.where(masked, taken.kinds + 1, 0))
    return Outcome(texts=applied(texts, edits, _MASKS), removed=removed(texts, edits, reasons))


STEP = Step(
    version=1,
    options=dict.fromkeys(_ASKED, _CHOICES),
    removes=("link", "email", "ip"),
    work=_work,
)
"""Links and addresses, each kind removed, masked or kept; what stood there is declared."""
