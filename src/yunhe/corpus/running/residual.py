"""What of a run's own text would still give people away: probes in a sample of what is released."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from yunhe.corpus.personal import probing
from yunhe.corpus.running.whole import Whole
from yunhe.corpus.steps import personal
from yunhe.kernel.canonical import JsonObject

DOCUMENTS = 200
"""Released documents that carry probes, from all over the corpus."""
_CHARACTERS = 4 * probing.CONTEXT_CHARACTERS_MAX
_SEED_DIGITS = 6


def measured(whole: Whole) -> JsonObject | None:
    """Recall by type on probes, with intervals; None where no step looks for details.

    The same corpus and pipeline give the same answer. Cost: about half a CPU-second.
    """
    pipeline = whole.of.pipeline
    step = next((each for each in pipeline.steps if each.name == "personal"), None)
    if step is None:
        return None
    texts = _sample(whole)
    digits = pipeline.digest().rpartition(":")[2][:_SEED_DIGITS]
    found = probing.probe(texts, seed=int(digits, 16), look=personal.looking(step.values))
    return {"documents": len(texts), "by_type": dict(found)}


def _sample(whole: Whole) -> list[str]:
    """The beginnings of released documents, evenly spaced."""
    before = whole.of.survivors_before
    count = int(before[-1])
    chosen = np.unique(np.linspace(0, max(count - 1, 0), min(DOCUMENTS, count)).astype(np.int64))
    texts: list[str] = []
    for number, unit in enumerate(whole.of.units):
        low, high = np.searchsorted(chosen, (before[number], before[number + 1]))
        rows = chosen[low:high] - before[number]
        for row in rows[whole.kept(number)[rows]]:
            taken = unit.some_texts(np.array([row]))  # one by one: a document may be long
            start: pa.Array = pc.utf8_slice_codeunits(taken, 0, _CHARACTERS)
            texts.append(start[0].as_py())
    return texts
