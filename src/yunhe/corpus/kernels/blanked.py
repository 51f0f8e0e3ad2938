"""A shadow of a batch that rules match on: half width, and links and code read as blank.

Most numbers of eleven digits in real text lie in links and are nobody's phone. A link ends at the
first character beyond ASCII, so the Chinese behind it is never part of it; it also ends at a comma,
a quote or a bracket, which in running text more often follow a link than belong to it. Of code, a
line that holds hanzi is taken for text.
"""


# mypy: disable-error-code="return-value, arg-type, assignment, no-any-return, no-untyped-call"

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from yunhe.corpus.kernels.shadow import half_width
from yunhe.corpus.kernels.utf8 import Utf8
from yunhe.native.compiled import I8, OFFSETS, TEXT, U1, U2, inner, kernel

BLANK = 0x01
"""What a blanked character is read as: no rule matches it, and it is no digit's neighbour."""
END = 0x00
"""Stands behind every document, so that no rule reaches into the next one."""
OUTSIDE = 0xFFFF
"""What characters beyond the basic plane are read as, but for styled digits (U+1D7CE)."""

HOST, LINK, LETTER, COLON, DOT, TICK, LINE = 1, 2, 4, 8, 16, 32, 64
"""What an ASCII byte can be, one bit each."""
_LINKS = "-._~:/?#@!$&*+=%|[]"
_DOMAINS = "com cn net org io gov edu cc top info me tv dev app co xyz"
_HOST_MAX, _SCHEME_MAX, _CODE_MAX = 100, 12, 200


class Blanked(NamedTuple):
    """The shadow of n texts."""

    codes: NDArray[np.uint16]
    """uint16[characters + n]: each document's characters, then `END`."""
    begins: NDArray[np.int64]
    """int64[n]: where each document's first character is in ``codes``."""


@cache
def _bytes() -> NDArray[np.uint8]:
    kinds = np.zeros(256, np.uint8)
    for byte in range(128):
        character = chr(byte)
        letter = character.isalpha()
        plain = character.isalnum()
        kinds[byte] = (
            (HOST if plain or character in ".-" else 0)
            | (LINK if plain or character in _LINKS else 0)
            | (LETTER if letter else 0)
            | (COLON if character == ":" else 0)
            | (DOT if character == "." else 0)
            | (TICK if character == "`" else 0)
            | (LINE if character == "\n" else 0)
        )
    return kinds


@cache
def _domains() -> NDArray[np.uint8]:
    """uint8[k, 6]: domains behind which a slash makes a link, padded with zeros."""
    names = _DOMAINS.split()
    table = np.zeros((len(names), 6), np.uint8)
    for row, name in enumerate(names):
        table[row, : len(name)] = list(name.encode())
    return table


def blanked(texts: Utf8) -> Blanked:
    """The shadow of all texts. Cost: about 2 ns a byte."""
    count = len(texts.offsets) - 1
    size = int(texts.offsets[-1] - texts.offsets[0])
    codes, begins = np.empty(size + count, np.uint16), np.empty(count, np.int64)
    half = half_width()
    used = shadow(*texts, half, _bytes(), _domains(), codes, begins)
    return Blanked(codes[:used], begins)


@inner
def _scheme(data: NDArray[np.uint8], low: int, at: int, kinds: NDArray[np.uint8]) -> int:
    """Where the scheme before ``://`` begins, or ``at`` when there is none."""
    start = at
    while start > low and at - start < _SCHEME_MAX and kinds[data[start - 1]] & LETTER:
        start -= 1
    return start


@inner
def _is_domain(data: NDArray[np.uint8], at: int, end: int, domains: NDArray[np.uint8]) -> bool:
    """Whether a known domain stands behind the dot at ``at``, and a slash or a port behind it."""
    for row in range(len(domains)):
        length = 0
        while length < 6 and domains[row, length]:
            if at + 1 + length >= end or (data[at + 1 + length] | 0x20) != domains[row, length]:
                length = -9
                break
            length += 1
        if length > 0:
            behind = at + 1 + length
            if behind < end and data[behind] == 0x3A:
                behind += 1
                while behind < end and behind < at + 14 and 0x30 <= data[behind] <= 0x39:
                    behind += 1
            if behind < end and data[behind] == 0x2F:
                return True
    return False


@inner
def _link(
    data: NDArray[np.uint8],
    low: int,
    at: int,
    end: int,
    kinds: NDArray[np.uint8],
    domains: NDArray[np.uint8],
) -> int:
    """Where the link whose ``:`` or ``.`` is at ``at`` begins, or -1."""
    if data[at] == 0x3A:
        if at + 3 < end and data[at + 1] == 0x2F and data[at + 2] == 0x2F:
            start = _scheme(data, low, at, kinds)
            return start if start < at - 1 and kinds[data[at + 3]] & LINK else -1
        return -1
    if at + 1 >= end or not kinds[data[at + 1]] & LETTER:
        return -1
    if at - low >= 3 and data[at - 1] | 0x20 == data[at - 2] | 0x20 == data[at - 3] | 0x20 == 0x77:
        return at - 3
    if not _is_domain(data, at, end, domains):
        return -1
    start = at
    while start > low and at - start < _HOST_MAX and kinds[data[start - 1]] & HOST:
        start -= 1
    return -1 if start > low and data[start - 1] == 0x40 else start


@inner
def _code(data: NDArray[np.uint8], at: int, end: int) -> int:
    """One past the code that the backquote at ``at`` opens; -1 when there is none, or hanzi in it.

    A block between triple backquotes may hold hanzi.
    """
    fence = at + 2 < end and data[at + 1] == 0x60 and data[at + 2] == 0x60
    begin = at + 3 if fence else at + 1
    stop = end if fence else min(end, begin + _CODE_MAX)
    place, hanzi = begin, False
    while place < stop and data[place] != 0x60 and (fence or data[place] != 0x0A):
        hanzi |= 0xE4 <= data[place] <= 0xE9
        place += 1
    if place >= stop or data[place] != 0x60:
        return -1
    if fence:
        closed = place + 2 < end and data[place + 1] == 0x60 and data[place + 2] == 0x60
        return place + 3 if closed else -1
    return -1 if hanzi or place == begin else place + 1


@inner
def _ticked(data: NDArray[np.uint8], at: int, end: int, block: int) -> tuple[int, int]:
    """(end of what a backquote opens or -1, end of the block of code from here on)."""
    if at < block:
        return -1, block
    until = _code(data, at, end)
    if until > at + 3 and data[at + 1] == 0x60 and data[at + 2] == 0x60:
        return at + 3, until
    return until, block


@inner
def _link_end(data: NDArray[np.uint8], at: int, end: int, kinds: NDArray[np.uint8]) -> int:
    """One past the link's characters from ``at`` on."""
    while at < end and kinds[data[at]] & LINK:
        at += 1
    return at


@inner
def _line(data: NDArray[np.uint8], at: int, end: int) -> int:
    """Where the line at ``at`` ends, at most ``end``; -1 when it holds hanzi."""
    while at < end and data[at] != 0x0A:
        if 0xE4 <= data[at] <= 0xE9:
            return -1
        at += 1
    return at


@inner
def _decoded(data: NDArray[np.uint8], at: int, half: NDArray[np.uint16]) -> int:
    """The code of the character whose first byte, beyond ASCII, is at ``at``."""
    byte = np.int64(data[at])
    if byte < 0xE0:
        return np.int64(half[(byte & 0x1F) << 6 | np.int64(data[at + 1]) & 0x3F])
    second, third = np.int64(data[at + 1]) & 0x3F, np.int64(data[at + 2]) & 0x3F
    if byte < 0xF0:
        return np.int64(half[(byte & 0x0F) << 12 | second << 6 | third])
    code = (byte & 0x07) << 18 | second << 12 | third << 6 | np.int64(data[at + 3]) & 0x3F
    return 0x30 + (code - 0x1D7CE) % 10 if 0x1D7CE <= code <= 0x1D7FF else OUTSIDE


@inner
def _width(byte: int) -> int:
    """Bytes of the character that begins with ``byte``."""
    return 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4


@inner
def _fill(
    data: NDArray[np.uint8], start: int, end: int, codes: NDArray[np.uint16], used: int
) -> int:
    """Blank the characters of ``data[start:end]``; returns one past the last code written."""
    at = start
    while at < end:
        codes[used] = BLANK
        used += 1
        at += _width(data[at])
    return used


@kernel(TEXT, OFFSETS, U2, U1, numba.types.Array(numba.types.uint8, 2, "C"), U2, I8)
def shadow(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    half: NDArray[np.uint16],
    kinds: NDArray[np.uint8],
    domains: NDArray[np.uint8],
    codes: NDArray[np.uint16],
    begins: NDArray[np.int64],
) -> int:
    """Write the shadow of all texts; returns how many codes it has. Shapes: as in `Blanked`."""
    used = 0
    for document in range(len(begins)):
        begins[document] = used
        low, at, end = offsets[document], offsets[document], offsets[document + 1]
        block = low  # where the code ends that ``at`` is in
        while at < end:
            byte = data[at]
            if byte >= 0x80:
                codes[used] = _decoded(data, at, half)
                used += 1
                at += _width(byte)
                continue
            codes[used] = half[byte]
            used += 1
            at += 1
            if kinds[byte] < COLON:
                continue
            begin = at - 1
            if kinds[byte] & LINE:
                begin, until = at, _line(data, at, block) if at < block else -1
            elif kinds[byte] & TICK:
                until, block = _ticked(data, begin, end, block)
            else:
                begin = _link(data, low, at - 1, end, kinds, domains)
                until = _link_end(data, at, end, kinds) if begin >= 0 else -1
            if until >= 0:
                used = _fill(data, begin, until, codes, used - (at - begin))
                at = until
        codes[used] = END
        used += 1
    return used
