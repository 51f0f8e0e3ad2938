"""For tests of the engine: compares documents by their first ten bytes, then by their texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from yunhe.corpus.documents import Documents, Outcome, Step, Values
from yunhe.corpus.evidence import Evidence, Settled


def _work(documents: Documents, values: Values) -> Outcome:
    del values
    data, offsets = documents.utf8
    kept = np.zeros((len(documents), 2), np.uint64)
    for row in range(len(documents)):
        first = bytes(data[offsets[row] : min(offsets[row] + 10, offsets[row + 1])])
        kept[row] = (int.from_bytes(first[:8], "big"), int.from_bytes(first[8:], "big"))
    return Outcome(evidence=kept)


def _settle(evidence: Evidence, values: Values, scratch: Path, memory: int) -> Settled:
    assert list(scratch.iterdir()) == []
    assert memory > 0
    (scratch / "used").write_bytes(b"x")
    found = Settled.nothing(sum(evidence.counts))
    seen: dict[tuple[int, int], list[tuple[str, int]]] = {}
    number = 0
    for unit, count in enumerate(evidence.counts):
        texts = evidence.texts(unit, np.arange(count)).to_pylist()
        for text, key in zip(texts, evidence.values(unit).tolist(), strict=True):
            alike = seen.setdefault(tuple(key), [])
            same = [first for other, first in alike if other == text]
            if same:
                found.firsts[number], found.scores[number] = same[0], 100
                found.codes[number] = values.options["keep"] == "first"
            alike.append((text, number))
            number += 1
    return found


STEP = Step(
    version=1, reasons=("again",), options={"keep": ("first", "all")}, work=_work, settle=_settle
)
