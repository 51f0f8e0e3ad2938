"""Writes Chinese in one script, simplified or traditional, by OpenCC's tables."""

from __future__ import annotations

from collections.abc import Mapping

from yunhe.corpus.documents import Documents, Outcome, Prepared, Step, Values
from yunhe.corpus.kernels import opencc
from yunhe.corpus.kernels.opencc import Direction
from yunhe.corpus.kernels.script import converted, tables

_REPAIRS = ("to_simplified", "to_traditional")


def _direction(options: Mapping[str, str]) -> Direction:
    return "t2s" if options["to"] == "simplified" else "s2t"


def _prepare(options: Mapping[str, str]) -> Prepared:
    direction = _direction(options)
    return Prepared(tables(direction), {"opencc": opencc.digest(direction)})


def _work(documents: Documents, values: Values) -> Outcome:
    direction = _direction(values.options)
    texts, changed = converted(documents.utf8, direction)
    if texts is None:
        return Outcome()
    changed[changed != 0] = 1 if direction == "t2s" else 2
    return Outcome(texts=texts, repairs=changed)


STEP = Step(
    version=1,
    options={"to": ("simplified", "traditional")},
    repairs=_REPAIRS,
    prepare=_prepare,
    work=_work,
)
"""Script: every text the same, phrases before characters; a converted text keeps its length."""
