"""Words around a candidate: which kinds of word stand in a stretch of the shadow."""

# ruff: noqa: SIM102 - in a kernel each comparison costs
# mypy: disable-error-code="return-value, arg-type, assignment, no-any-return, no-untyped-call"

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from yunhe.native.compiled import I4, I8, U2, inner

WORD_MAX = 12
"""Characters of the longest word."""


(
    PHONE, IDENTITY, BANK, SERIAL, LABEL, PLATE, PASSPORT, PERMIT, MAIL, IP, LOGIN, LOCAL,
    MEDICAL, ACCOUNT, CREDIT, SERVICE, FILES, HASHED, WECHAT, QQ,
) = (1 << bit for bit in range(20))  # fmt: skip
"""A bit for each list of ``lexicons/details.txt`` that numbers and accounts go by."""
LISTS = (
    "phone", "identity", "bank", "serial", "label", "plate", "passport", "permit", "mail", "ip",
    "login", "local", "medical", "account", "credit", "service", "files", "hashed", "wechat", "qq",
)  # fmt: skip
"""Their headings, in the order of their bits."""


class Words(NamedTuple):
    """Words with their kinds, sorted by first character."""

    firsts: NDArray[np.uint16]
    """uint16[65536]: 1 + the row of the first word that begins so, 0 for none."""
    rows: NDArray[np.int32]
    """int32[k + 1]: where each word's characters begin in ``codes``."""
    codes: NDArray[np.uint16]
    """All words' characters, Latin ones small."""
    kinds: NDArray[np.int64]
    """int64[k]: a bit for every list that has the word."""


WORDS = numba.types.NamedTuple((U2, I4, U2, I8), Words)
"""Its type for kernels."""


def words_of(lists: Mapping[int, Sequence[str]]) -> Words:
    """The words of all lists, by the bit that stands for each list."""
    kinds: dict[str, int] = {}
    for bit, words in lists.items():
        for word in words:
            if not 0 < len(word) <= WORD_MAX:
                raise ValueError("a word must have 1 to 12 characters")
            kinds[word] = kinds.get(word, 0) | bit
    order = sorted(kinds)
    firsts = np.zeros(65536, np.uint16)
    for row, word in reversed(list(enumerate(order))):
        firsts[ord(word[0])] = row + 1
    rows = np.cumsum([0, *map(len, order)]).astype(np.int32)
    codes = np.array([ord(character) for word in order for character in word], np.uint16)
    return Words(firsts, rows, codes, np.array([kinds[word] for word in order], np.int64))


@inner
def small(code: int) -> int:
    """The code with a Latin capital made small."""
    return code + 32 if 65 <= code <= 90 else code


@inner
def _is_here(codes: NDArray[np.uint16], at: int, words: Words, row: int) -> bool:
    start = words.rows[row]
    for place in range(words.rows[row + 1] - start):
        if small(codes[at + place]) != words.codes[start + place]:
            return False
    return True


@inner
def _at(codes: NDArray[np.uint16], at: int, low: int, high: int, words: Words) -> int:
    """Kinds of the words that begin at ``at`` and end from ``low`` to ``high``."""
    first = small(codes[at])
    row, said = np.int64(words.firsts[first]) - 1, np.int64(0)
    if row < 0:
        return said
    while row < len(words.kinds) and words.codes[words.rows[row]] == first:
        end = at + words.rows[row + 1] - words.rows[row]
        if low <= end <= high and _is_here(codes, at, words, row):
            said |= words.kinds[row]
        row += 1
    return said


@inner
def said(codes: NDArray[np.uint16], low: int, high: int, words: Words) -> int:
    """Kinds of all words within ``codes[low:high]``, one bit each."""
    found = np.int64(0)
    for at in range(low, high):
        if words.firsts[small(codes[at])]:
            found |= _at(codes, at, at, high, words)
    return found


@inner
def ended(codes: NDArray[np.uint16], low: int, at: int, words: Words) -> int:
    """Kinds of the words that end right before ``at``, begun at ``low`` or later."""
    found = np.int64(0)
    for start in range(max(low, at - WORD_MAX), at):
        if words.firsts[small(codes[start])]:
            found |= _at(codes, start, at, at, words)
    return found


@inner
def begun(codes: NDArray[np.uint16], at: int, words: Words, kind: int) -> int:
    """One past the longest word of a kind that begins at ``at``; ``at`` when there is none."""
    first, longest = small(codes[at]), at
    row = np.int64(words.firsts[first]) - 1
    while 0 <= row < len(words.kinds) and words.codes[words.rows[row]] == first:
        end = at + words.rows[row + 1] - words.rows[row]
        if words.kinds[row] & kind and end > longest and end <= len(codes):
            if _is_here(codes, at, words, row):
                longest = end
        row += 1
    return longest


@inner
def before(codes: NDArray[np.uint16], at: int, most: int) -> int:
    """Where the document's last ``most`` characters before ``at`` begin."""
    low = at
    while low > 0 and at - low < most and codes[low - 1] != 0:
        low -= 1
    return low
