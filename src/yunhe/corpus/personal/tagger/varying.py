"""More training rows from those there are: the same sentences about other people.

A tagger must learn where names stand, not who was in the news when its rows were labelled, so each
row comes again with names drawn from the statistics of `words`.
"""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Sequence
from functools import cache
from itertools import accumulate

import numpy as np

from yunhe.corpus.personal import lexicon
from yunhe.corpus.personal.tagger.rows import Row
from yunhe.corpus.personal.tagger.words import (
    ALONE,
    FIRST,
    FOREIGN,
    LEADING,
    SHARE,
    SURNAME,
    TRAILING,
    UNKNOWN,
    words,
)

_TITLES = ("先生", "女士", "主任", "教授", "书记", "主席", "老师", "部长", "同志", "局长", "医生")
_TITLED, _SHORT, _COMPOUND, _MOVED = 0.06, 0.22, 0.03, 0.5
_DOTS = "·•・"


def varied(rows: Sequence[Row], *, seed: int) -> list[Row]:
    """Each row once more with other persons in it; a row without persons as it is."""
    drawn = random.Random(seed)  # noqa: S311 - not a secret
    return [_other(row, drawn) for row in rows]


def _other(row: Row, drawn: random.Random) -> Row:
    parts: list[str] = []
    spans: list[tuple[int, int, int]] = []
    told: dict[str, tuple[str, str]] = {}
    at, size = 0, 0
    for start, end, kind in row.spans:
        old = row.text[start:end]
        if kind == 0 and old not in told:
            told[old] = _drawn_name(old, drawn)
        new, title = told[old] if kind == 0 else (old, "")
        parts += (row.text[at:start], new, title)
        size += start - at
        spans.append((size, size + len(new), kind))
        size += len(new) + len(title)
        at = end
    return Row("".join([*parts, row.text[at:]]), tuple(spans))


def _drawn_name(old: str, drawn: random.Random) -> tuple[str, str]:
    """A name of the same make, and a title after it where it became a surname alone."""
    hanzi = [character for character in old if "\u4e00" <= character <= "\u9fff"]
    dotted = any(dot in old for dot in _DOTS)
    if len(hanzi) < len(old.translate(dict.fromkeys(map(ord, _DOTS)))):
        return old, ""
    compound = old[:2] in lexicon.COMPOUND_SURNAMES
    if dotted or not (compound or old[0] in lexicon.SURNAMES):
        return (old if len(hanzi) < 2 else _foreign(len(hanzi), drawn, dotted=dotted)), ""
    if len(old) == 1:
        return _pick(SURNAME, drawn), ""
    if drawn.random() < _TITLED:
        return _pick(SURNAME, drawn), drawn.choice(_TITLES)
    surname = _pick(SURNAME, drawn)
    if drawn.random() < _COMPOUND:
        surname = drawn.choice(sorted(lexicon.COMPOUND_SURNAMES))
    if drawn.random() < _SHORT:
        return surname + _pick(ALONE, drawn), ""
    return surname + _pick(LEADING, drawn) + _pick(TRAILING, drawn), ""


def _foreign(size: int, drawn: random.Random, *, dotted: bool) -> str:
    if drawn.random() < _MOVED:
        size = max(2, min(7, size + drawn.choice((-1, 1))))
    name = "".join(_pick(FOREIGN, drawn) for _ in range(size))
    if not dotted or size < 3:
        return name
    middle = drawn.randint(1, size - 1)
    return f"{name[:middle]}·{name[middle:]}"


def _pick(column: int, drawn: random.Random) -> str:
    sums = _cumulated(column)
    return chr(FIRST + min(bisect(sums, drawn.random() * sums[-1]), len(sums) - 1))


@cache
def _cumulated(column: int) -> list[int]:
    """How often each hanzi stands there, in whole numbers and summed up."""
    odds = words().odds.reshape(-1, 6).astype(np.int64)
    often = np.exp((odds[:, column] + odds[:, SHARE]) / 8) * 1e9
    often[odds[:, column] <= UNKNOWN] = 0
    return list(accumulate(np.rint(often).astype(np.int64).tolist()))
