"""One scan of a batch for every kind of personal detail.

A shadow is made, kernels pass over it once and leave candidates, and rules look only at those:
numbers and mail in kernels, what depends on words and layout in patterns over a few dozen
characters. So the cost of a text is that of one pass, whatever is in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yunhe.corpus.domain import PERSONAL_TYPES, PersonalType
from yunhe.corpus.kernels import candidates as c
from yunhe.corpus.kernels.blanked import blanked
from yunhe.corpus.kernels.digits import room
from yunhe.corpus.kernels.mails import mails
from yunhe.corpus.kernels.numbers import CHAIN, OWNED, PAPER, numbers
from yunhe.corpus.kernels.places import as_bytes
from yunhe.corpus.kernels.utf8 import Utf8
from yunhe.corpus.personal import chats, papers, places
from yunhe.corpus.personal.details import number_words
from yunhe.corpus.personal.found import REASONS, Found, merged
from yunhe.corpus.personal.windows import Rule, Shadow

VERSION = 3
"""Raised whenever a rule changes, because the same text may then be masked differently."""
NameFinder = Callable[[Utf8], Found]
"""Finds names in a batch; its finds lie on character borders."""

_RULES: tuple[tuple[int, Rule], ...] = (
    (c.CHAT, chats.chats),
    (c.NET, chats.addresses_v6),
    (c.DOTTED, chats.addresses_v4),
    (c.PLATE, papers.plates),
    (c.UNIT, places.doors),
    (c.ADDRESS, places.labelled),
)
_WANTED: tuple[tuple[int, Rule], ...] = (
    (PAPER, papers.papers),
    (OWNED, papers.accounts),
    (CHAIN, places.chained),
)
_HIT_CHARACTERS_MIN = 5  # the shortest number or address a kernel writes down


@dataclass(frozen=True, slots=True)
class _Candidates:
    """What one pass left; columns of equal length."""

    starts: NDArray[np.int64]
    """First character in the shadow."""
    ends: NDArray[np.int64]
    """One past the last."""
    what: NDArray[np.uint8]
    """Kind."""
    count: int
    """How many; the columns have room for more."""


def scan(
    texts: Utf8,
    *,
    names: NameFinder | None = None,
    score_percent_min: int = 0,
    types: frozenset[PersonalType] | None = None,
) -> Found:
    """Every detail in the texts, in order, without overlaps.

    ``types``: only these; None for all. Cost: about 3 ns a byte, and some µs for each candidate
    that a word or a layout makes likely.
    """
    found = [_details(texts)]
    if names is not None and (types is None or "NAME" in types):
        found.append(names(texts))
    kept = []
    for part in found:
        keep = part.scores >= score_percent_min
        if types is not None:
            keep &= np.isin(part.types, [PERSONAL_TYPES.index(kind) for kind in types])
        kept.append(part if keep.all() else part.where(keep))
    return merged(kept)


def _details(texts: Utf8) -> Found:
    """Everything but names."""
    if not len(texts.offsets) - 1:
        return Found.none()
    codes, begins = blanked(texts)
    seen = _candidates(codes)
    table, words = c.digits_of(), number_words()
    most = len(codes) // _HIT_CHARACTERS_MIN + 2
    hits, wanted = np.empty((2 * most, 5), np.int64), np.zeros(seen.count, np.uint8)
    used = numbers(
        codes, seen.starts, seen.ends, seen.what, seen.count, table, words, room(), hits, wanted
    )
    more = np.empty((most, 5), np.int64)
    posted = mails(codes, seen.starts, seen.what, seen.count, words, more)
    rest = np.array(list(_sighted(codes, seen, wanted)), np.int64).reshape(-1, 5)
    rows = np.concatenate([hits[:used], more[:posted], rest])
    return _as_found(rows, texts, begins)


def _candidates(codes: NDArray[np.uint16]) -> _Candidates:
    room_for = 2 * len(codes) + 2
    starts, ends = np.empty(room_for, np.int64), np.empty(room_for, np.int64)
    what = np.empty(room_for, np.uint8)
    count = c.candidates(codes, c.classes(), c.digits_of(), starts, ends, what)
    return _Candidates(starts, ends, what, count)


def _sighted(
    codes: NDArray[np.uint16], seen: _Candidates, wanted: NDArray[np.uint8]
) -> Iterator[tuple[int, int, int, int, int]]:
    shadow, what = Shadow(codes), seen.what[: seen.count]
    chosen = [(np.flatnonzero(what == kind), rule) for kind, rule in _RULES]
    chosen += [(np.flatnonzero(wanted & bit), rule) for bit, rule in _WANTED]
    for at, rule in chosen:
        reached = 0
        for start, end in zip(seen.starts[at].tolist(), seen.ends[at].tolist(), strict=True):
            if start < reached:
                continue
            for hit in rule(shadow, start, end):
                reached = hit.end
                kind, reason = PERSONAL_TYPES.index(hit.type), REASONS.index(hit.reason)
                yield hit.start, hit.end, kind, hit.score, reason


def _as_found(rows: NDArray[np.int64], texts: Utf8, begins: NDArray[np.int64]) -> Found:
    if not len(rows):
        return Found.none()
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    places_, inverse = np.unique(rows[:, :2].ravel(), return_inverse=True)
    bytes_ = np.empty(len(places_), np.int64)
    as_bytes(*texts, begins, places_, bytes_)
    bounds = bytes_[inverse].reshape(-1, 2)
    kinds = rows[:, 2:].astype(np.uint8)
    columns = [np.ascontiguousarray(column) for column in (*bounds.T, *kinds.T)]
    return Found(*columns)
