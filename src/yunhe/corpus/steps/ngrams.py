"""Drops documents that repeat runs of words; texts too short for a share to mean much are kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from yunhe.corpus.documents import Documents, Outcome, Step, Values
from yunhe.corpus.kernels.classes import VERSION, classes
from yunhe.corpus.kernels.repeats import repeats, runs_in, skipping
from yunhe.corpus.kernels.utf8 import Utf8

_REPEATED = {5: 8, 6: 10, 7: 11, 8: 13, 9: 14, 10: 16}
"""Units of a run of so many words: a word of Chinese has about 1.6 hanzi."""
_TOP = {2: 3, 3: 5, 4: 6}
_MANY_REPEATED, _ONE_OFTEN = 1, 2


def _shares(texts: Utf8, document: int, units: int, values: Values) -> tuple[int, int]:
    """Reason and share per thousand of the first rule that the text breaks; (0, 0) if none."""
    start, end = int(texts.offsets[document]), int(texts.offsets[document + 1])
    buffer = np.empty(end - start, np.uint64)
    for words, size in _REPEATED.items():
        count = runs_in(texts.data, start, end, classes(), 0, size, buffer)
        share = skipping(buffer[:count], size) * 1000 // units
        if share > values[f"repeated_{words}_per_thousand_max"]:
            return _MANY_REPEATED, share
    for words, size in _TOP.items():
        count = runs_in(texts.data, start, end, classes(), 0, size, buffer)
        often = int(np.unique(buffer[:count], return_counts=True)[1].max())
        share = often * size * 1000 // units
        if often > 1 and share > values[f"top_{words}_per_thousand_max"]:
            return _ONE_OFTEN, share
    return 0, 0


def _unsure(
    units: NDArray[np.int64], covered: NDArray[np.int64], most: NDArray[np.int64], values: Values
) -> NDArray[np.bool_]:
    """Texts that some rule may refuse: the runs of eight bound all longer ones."""
    least = min(values[f"repeated_{words}_per_thousand_max"] for words in _REPEATED)
    unsure = covered * 1000 > least * units
    for words, size in _TOP.items():
        unsure |= most * size * 1000 > values[f"top_{words}_per_thousand_max"] * units
    return unsure & (units > 0)


def _work(documents: Documents, values: Values) -> Outcome:
    texts, count = documents.utf8, len(documents)
    units, again, covered, most = (np.zeros(count, np.int64) for _ in range(4))
    least = max(values["judged_units_min"], *_REPEATED.values())
    size, small = min(_REPEATED.values()), min(_TOP.values())
    repeats(
        texts.data, texts.offsets, classes(), 0, size, small, least, 1, units, again, covered, most
    )
    reasons, scores = np.zeros(count, np.uint8), np.zeros(count, np.int32)
    for document in np.flatnonzero(_unsure(units, covered, most, values)).tolist():
        reasons[document], scores[document] = _shares(texts, document, int(units[document]), values)
    return Outcome(reasons=reasons, scores=scores)


STEP = Step(
    version=1,
    thresholds=(
        "judged_units_min",
        *(f"repeated_{words}_per_thousand_max" for words in _REPEATED),
        *(f"top_{words}_per_thousand_max" for words in _TOP),
    ),
    reasons=("repeated_ngrams", "frequent_ngram"),
    work=_work,
    data={"unicode": VERSION},
)
"""Runs of five to ten words that were there before, and the share of the most frequent run of two
to four. Nobody has cut the Chinese into words, so hanzi are counted, 1.6 for a word."""
