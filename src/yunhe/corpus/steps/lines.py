"""Drops documents made of lists, menus or the same lines again."""

from __future__ import annotations

import numpy as np

from yunhe.corpus.documents import Documents, Outcome, Step, Values
from yunhe.corpus.kernels.classes import ACCENT, DIGIT, HANZI, LATIN, NEWLINE, VERSION
from yunhe.corpus.kernels.lines import ends, lines
from yunhe.corpus.kernels.measures import per_thousand, total

_REPEATED, _OPEN, _LISTS = 1, 2, 3
_HANZI_PER_WORD_TENTHS, _LATIN_PER_WORD_TENTHS = 16, 50


def _work(documents: Documents, values: Values) -> Outcome:
    texts, measures, count = documents.utf8, documents.measures, len(documents)
    breaks = measures[:, NEWLINE].copy()
    breaks[breaks < values["judged_lines_min"] - 1] = 0
    total_lines, closed, again = (np.zeros(count, np.int64) for _ in range(3))
    lines(texts.data, texts.offsets, breaks, ends(), total_lines, closed, again)
    words = total(measures, HANZI) * 10 // _HANZI_PER_WORD_TENTHS
    words += total(measures, (LATIN, ACCENT, DIGIT)) * 10 // _LATIN_PER_WORD_TENTHS
    judged = total_lines >= values["judged_lines_min"]
    closed_share, again_share = per_thousand(closed, total_lines), per_thousand(again, total_lines)
    break_share = per_thousand(np.maximum(total_lines - 1, 0), words)
    reasons = np.zeros(count, np.uint8)
    reasons[judged & (break_share > values["line_ends_per_thousand_max"])] = _LISTS
    reasons[judged & (closed_share < values["closed_lines_per_thousand_min"])] = _OPEN
    reasons[judged & (again_share > values["repeated_lines_per_thousand_max"])] = _REPEATED
    shares = [np.zeros(count, np.int32), again_share, closed_share, break_share]
    return Outcome(reasons=reasons, scores=np.choose(reasons, shares).astype(np.int32))


STEP = Step(
    version=1,
    thresholds=(
        "judged_lines_min",
        "repeated_lines_per_thousand_max",
        "closed_lines_per_thousand_min",
        "line_ends_per_thousand_max",
    ),
    reasons=("repeated_lines", "open_lines", "list_like"),
    work=_work,
    data={"unicode": VERSION},
)
"""Lines that are not blank: those seen before, those that end a sentence, and their number for each
word; a word is taken for 1.6 hanzi or 5 letters of Latin."""
