"""White space in all its forms, as edits: what to take out and what to write as a plain space.

Hanzi, punctuation and every other visible character stay as they are.
"""

# ruff: noqa: PLR0911, PLR1714, SIM109 - in a kernel each comparison costs, a tuple more

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from yunhe.native.compiled import I8, INT, OFFSETS, TEXT, inner, kernel

WRITTEN = ("", " ", "\n")
"""What an edit of each kind writes."""
NOTHING, PLAIN, TAB, LINE, OTHER_LINE, WIDE, UNSEEN = range(7)
"""Kinds of character: none of these, space, tab, line feed, any other line end, space of Unicode,
character without width."""
_BLOCK = 64


@inner
def _joins(data: NDArray[np.uint8], at: int, first: int) -> bool:
    """Whether what stands before ``at`` may need a joiner.

    An emoji does, and a letter of a script that joins; ASCII and East Asian characters never do.
    """
    if at == first:
        return False
    lead = at - 1
    while lead > first and (data[lead] & 0xC0) == 0x80:
        lead -= 1
    byte = data[lead]
    if byte == 0xEF:
        return bool(data[lead + 1] == 0xB8 and data[lead + 2] == 0x8F)
    if byte == 0xE2:
        return bool(data[lead + 1] >= 0x84)  # symbols; before them stand spaces and punctuation
    return bool((byte >= 0xD8 and byte < 0xE2) or byte >= 0xF0)


@inner
def _two(data: NDArray[np.uint8], at: int) -> tuple[int, int]:
    """Of U+0080 to U+00BF: the controls, the space that does not break, the soft hyphen."""
    second = data[at + 1]
    if second == 0x85:
        return OTHER_LINE, 2
    if second < 0xA0 or second == 0xAD:
        return UNSEEN, 2
    return (WIDE if second == 0xA0 else NOTHING), 2


@inner
def _general(data: NDArray[np.uint8], at: int, first: int) -> tuple[int, int]:
    """Of U+2000 to U+207F: spaces, joiners, marks of direction, line and paragraph separators."""
    second, third = data[at + 1], data[at + 2]
    if second == 0x80:
        if third <= 0x8A or third == 0xAF:
            return WIDE, 3
        if third == 0x8C or third == 0x8D:
            return (NOTHING if _joins(data, at, first) else UNSEEN), 3
        if third <= 0x8F or (third >= 0xAA and third <= 0xAE):
            return UNSEEN, 3
        return (OTHER_LINE if third == 0xA8 or third == 0xA9 else NOTHING), 3
    if second == 0x81:
        if third == 0x9F:
            return WIDE, 3
        return (UNSEEN if third >= 0xA0 and third <= 0xAF else NOTHING), 3
    return NOTHING, 3


@inner
def _seen(data: NDArray[np.uint8], at: int, first: int) -> tuple[int, int]:
    """The kind of the character at ``at`` and its bytes."""
    byte = data[at]
    if byte < 0x80:
        if byte == 0x20 or byte == 0x09:
            return (PLAIN if byte == 0x20 else TAB), 1
        if byte == 0x0A:
            return LINE, 1
        if byte >= 0x0B and byte <= 0x0D:
            return OTHER_LINE, 1
        return (UNSEEN if byte < 0x20 or byte == 0x7F else NOTHING), 1
    if byte < 0xE0:
        return _two(data, at) if byte == 0xC2 else (NOTHING, 2)
    if byte == 0xE2:
        return _general(data, at, first)
    if byte == 0xE3:
        return (WIDE if data[at + 1] == 0x80 and data[at + 2] == 0x80 else NOTHING), 3
    if byte == 0xEF:
        mark = data[at + 1] == 0xBB and data[at + 2] == 0xBF
        placeholder = data[at + 1] == 0xBF and data[at + 2] >= 0xB9 and data[at + 2] <= 0xBC
        return (UNSEEN if mark or placeholder else NOTHING), 3
    if byte == 0xE1:
        return (WIDE if data[at + 1] == 0x9A and data[at + 2] == 0x80 else NOTHING), 3
    return NOTHING, (3 if byte < 0xF0 else 4)


@inner
def _run(data: NDArray[np.uint8], at: int, first: int, end: int) -> tuple[int, int]:
    """Where the white space that begins at ``at`` ends, and its last line end (-1: none)."""
    last = -1
    while at < end:
        kind, size = _seen(data, at, first)
        if kind == NOTHING:
            break
        if kind == LINE or kind == OTHER_LINE:
            last = at
        at += size
    return at, last


@inner
def _note(
    starts: NDArray[np.int64], ends: NDArray[np.int64], kinds: NDArray[np.int64],
    found: int, start: int, end: int, kind: int, begin: int,
) -> int:  # fmt: skip
    """One more edit, or the last one made longer; counts on when there is no room left.

    ``begin``: of the run of white space: what ends there is another run's, of the text before.
    """
    grows = found > 0 and found <= len(starts) and kind == 0 and start > begin
    if grows and ends[found - 1] == start and kinds[found - 1] == 0:
        ends[found - 1] = end
        return found
    if found < len(starts):
        starts[found], ends[found], kinds[found] = start, end, kind
    return found + 1


@inner
def _tidied(
    data: NDArray[np.uint8],
    place: tuple[int, int, int, int],
    asked: tuple[int, int, int],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    kinds: NDArray[np.int64],
    found: int,
) -> int:
    """The edits of one run of white space within a text.

    ``place``: its start, its end, its last line end (-1: none), the start of the text.
    """
    at, stop, last, first = place
    tabs, runs, lines = asked
    broken, seen, blanks = last >= 0, 0, 0
    while at < stop:
        kind, size = _seen(data, at, first)
        becomes = -1
        if kind == LINE or kind == OTHER_LINE:
            paired = data[at] == 0x0D and at + 1 < stop and data[at + 1] == 0x0A
            seen += 0 if paired else 1
            if paired or seen > lines:
                becomes = 0
            elif kind == OTHER_LINE:
                becomes = 2
        elif at < last or kind == UNSEEN or (runs == 1 and not broken and blanks > 0):
            becomes = 0
        else:
            blanks += 1
            if kind == WIDE or (kind == TAB and tabs == 1):
                becomes = 1
        if becomes >= 0:
            found = _note(starts, ends, kinds, found, at, at + size, becomes, place[0])
        at += size
    return found


@inner
def _quiet(data: NDArray[np.uint8], at: int, runs: int, lines: int) -> bool:
    """Whether nothing in a block of bytes can need an edit; written so that it becomes SIMD."""
    firsts, seconds, thirds = data[at:], data[at + 1 :], data[at + 2 :]
    odd = np.uint8(0)
    twice, pairs, threes = runs == 1, lines < 2, lines == 2
    for k in range(_BLOCK):
        x, y, z = firsts[k], seconds[k], thirds[k]
        hit = ((x < 0x20) & (x != 0x0A)) | (x == 0x7F) | (x == 0xC2) | (x == 0xE1)
        hit |= (x == 0x20) & ((twice & (y == 0x20)) | (y == 0x0A) | (y == 0x0D))
        hit |= (x == 0x0A) & (y == 0x0A) & (pairs | (threes & (z == 0x0A)))
        hit |= (x == 0xE2) & ((y == 0x81) | ((y == 0x80) & ((z <= 0x8F) | (z >= 0xA8))))
        hit |= (x == 0xE3) & (y == 0x80) & (z == 0x80)
        hit |= (x == 0xEF) & ((y == 0xBB) | ((y == 0xBF) & (z >= 0xB9) & (z <= 0xBC)))
        odd |= np.uint8(hit)
    return bool(odd == 0)


@inner
def _noisy(data: NDArray[np.uint8], at: int, end: int, runs: int, lines: int) -> int:
    """The first character at or after ``at`` that may need an edit, or lies before such a one.

    If it follows white space, the first character of that: an edit sees a run of it as one.
    """
    first = at
    while at + _BLOCK + 2 <= len(data) and at < end and _quiet(data, at, runs, lines):
        at += _BLOCK
    if at >= end:
        if data[end - 1] > 0x20:
            return end
        at = end
    while at > first and at < end and (data[at] & 0xC0) == 0x80:
        at += 1
    while at > first and (data[at - 1] == 0x20 or data[at - 1] == 0x0A):
        at -= 1
    return at


@kernel(TEXT, OFFSETS, INT, INT, INT, I8, I8, I8)
def spaces(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    tabs: int,
    runs: int,
    lines: int,
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    kinds: NDArray[np.int64],
) -> int:
    """Write the edits that tidy white space; returns how many there are, even beyond the room.

    ``tabs``, ``runs``: 1 to write a tab as a space, a run of spaces within a line as one;
    ``lines``: how many line ends may follow each other. White space around a text and before a line
    end goes; so does what has no width, but for joiners where they join.
    """
    found = 0
    for document in range(len(offsets) - 1):
        first, end = offsets[document], offsets[document + 1]
        at = tested = first
        while at < end:
            if at >= tested and at > first:
                at = _noisy(data, at, end, runs, lines)
                tested = at + _BLOCK
                if at >= end:
                    break
            byte = data[at]
            if byte > 0x20 and byte < 0x7F:
                at += 1
                continue
            if byte > 0xE3 and byte < 0xEF:
                at += 3
                continue
            kind, size = _seen(data, at, first)
            if kind == NOTHING:
                at += size
                continue
            stop, last = _run(data, at, first, end)
            outer = at == first or stop == end
            if outer:
                found = _note(starts, ends, kinds, found, at, stop, 0, at)
            else:
                found = _tidied(
                    data, (at, stop, last, first), (tabs, runs, lines), starts, ends, kinds, found
                )
            at = stop
    return found
