"""Drops documents with words of the 31 classes of risk; the words are the operator's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from yunhe.corpus.documents import Documents, Outcome, Prepared, Step, Values
from yunhe.corpus.risk import fold, library
from yunhe.corpus.risk.classes import classes, digest
from yunhe.corpus.risk.finder import Finder, finder
from yunhe.kernel.canonical import JsonObject

_GROUPS = tuple(dict.fromkeys(each.group for each in classes()))
_MINIMA = tuple(f"{group.lower().replace('.', '')}_points_min" for group in _GROUPS)
_GROUP_OF = np.array([_GROUPS.index(each.group) for each in classes()])
_NEVER = np.iinfo(np.int64).max
_PER_LETTERS = 10_000


def _prepare(options: Mapping[str, str]) -> Prepared:
    chosen = options["library"]
    words = library.read(Path(chosen)) if chosen else library.sample()
    ready = finder(words, gaps=options["gaps"])
    held = np.bincount(words.risks, minlength=len(classes())).tolist()
    by_class = {each.id: count for each, count in zip(classes(), held, strict=True) if count}
    data: JsonObject = {"library": words.digest, "entries": len(words), "by_class": by_class}
    return Prepared(ready, data)


def _work(documents: Documents, values: Values) -> Outcome:
    ready = values.prepared
    if not isinstance(ready, Finder):
        raise TypeError(type(ready))  # a mistake of the program: nothing was prepared
    there, hits, points = ready.points(documents.utf8)
    if not len(there):
        return Outcome()
    minima = np.array([values[name] for name in _MINIMA], np.int64)
    needed = np.where(minima > 0, minima, _NEVER)[_GROUP_OF]
    offsets = documents.utf8.offsets
    # Three bytes a letter, as Chinese has them: a bound that costs no counting.
    letters = (offsets[there + 1] - offsets[there]) // 3
    density = values["points_per_10000_letters_min"] * letters
    enough = (points >= needed) & (hits >= values["hits_min"])
    enough &= points * _PER_LETTERS >= density[:, None]
    decided = np.where(enough, points, 0)
    heaviest = decided.argmax(axis=1)
    scores = np.zeros(len(documents), np.int32)
    scores[there] = np.minimum(points.max(axis=1), np.iinfo(np.int32).max)
    reasons = np.zeros(len(documents), np.uint8)
    reasons[there] = np.where(enough.any(axis=1), heaviest + 1, 0)
    kept = np.count_nonzero(points[~enough.any(axis=1)], axis=0)
    noticed = {each.reason: int(n) for each, n in zip(classes(), kept, strict=True) if n}
    return Outcome(reasons=reasons, scores=scores, noticed=noticed)


STEP = Step(
    version=1,
    thresholds=("hits_min", "points_per_10000_letters_min", *_MINIMA),
    reasons=tuple(each.reason for each in classes()),
    options={"library": (), "gaps": fold.GAPS},
    prepare=_prepare,
    work=_work,
    data={"classes": digest(), "fold": fold.VERSION},
)
"""Risk words: a document goes for the class with the most points of those that reach their bound;
a bound of 0 means that the group's words are looked for and never decide."""
