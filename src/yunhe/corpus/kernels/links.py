"""Links, e-mail addresses and IP addresses in text, to the byte: none reaches into a sentence.

A link ends before the first byte beyond ASCII, so Chinese that follows it without a space stays.
"""

# ruff: noqa: PLR1714 - in a kernel each comparison costs, a tuple more

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from yunhe.native.compiled import I8, OFFSETS, TEXT, inner, kernel

LINK, EMAIL, IP = range(3)
"""Kinds, in the order of the step's words."""

_BLOCK = 64
_LOCAL_MAX, _EMAIL_MAX, _SCHEME_MAX = 64, 254, 8
"""Source: RFC 5321, 4.5.3.1: 64 octets before the sign, 254 in all."""


@inner
def _dull(data: NDArray[np.uint8], at: int) -> bool:
    """Whether a block of bytes holds neither a colon nor an at sign nor a full stop; for SIMD."""
    block = data[at : at + _BLOCK]
    odd = np.uint8(0)
    for k in range(_BLOCK):
        odd |= np.uint8((block[k] == 0x3A) | (block[k] == 0x40) | (block[k] == 0x2E))
    return bool(odd == 0)


@inner
def _letter(byte: int) -> bool:
    """Whether it is a letter of ASCII."""
    return (byte | 0x20) >= 0x61 and (byte | 0x20) <= 0x7A and byte < 0x80


@inner
def _word(byte: int) -> bool:
    """Whether it is a letter or digit of ASCII."""
    return _letter(byte) or (byte >= 0x30 and byte <= 0x39)


@inner
def _begins(data: NDArray[np.uint8], at: int, floor: int) -> int:
    """Where the link begins whose ``:`` or, after ``www``, whose first ``.`` is at ``at``; or -1.

    A scheme is ``http``, ``https``, ``ftp``, ``ftps`` in any case; nothing of a word before it.
    """
    start = at
    while start > floor and at - start < _SCHEME_MAX and _word(data[start - 1]):
        start -= 1
    size, key = at - start, np.int64(0)
    for place in range(start, at):
        key = key << 8 | (np.int64(data[place]) | 0x20)
    if data[at] == 0x2E:
        return start if size == 3 and key == 0x777777 else -1
    known = key == 0x68747470 or key == 0x6874747073 or key == 0x667470 or key == 0x66747073
    return start if known else -1


@inner
def _closes(byte: int) -> bool:
    """Whether a link may end with it: ``/ ) = # _ - & % ~``."""
    if byte == 0x2F or byte == 0x29 or byte == 0x3D or byte == 0x23 or byte == 0x5F:
        return True
    return byte == 0x2D or byte == 0x26 or byte == 0x25 or byte == 0x7E


@inner
def _reaches(data: NDArray[np.uint8], at: int, end: int) -> int:
    """Where a link ends that goes on at ``at``.

    It ends before a space, a quotation mark, anything beyond ASCII, a bracket that it did not open,
    and before full stops and the like at its end.
    """
    opened, last = 0, at
    while at < end:
        byte = data[at]
        if byte <= 0x20 or byte >= 0x7F or byte == 0x22 or byte == 0x27 or byte == 0x60:
            break
        if byte == 0x3C or byte == 0x3E or byte == 0x5C or byte == 0x5E:
            break
        if byte == 0x5B or byte == 0x5D or byte == 0x7B or byte == 0x7C or byte == 0x7D:
            break
        if byte == 0x28:
            opened += 1
        if byte == 0x29:
            opened -= 1
            if opened < 0:
                break
        at += 1
        if _word(byte) or _closes(byte):
            last = at
    return last


@inner
def _link(data: NDArray[np.uint8], at: int, floor: int, end: int) -> tuple[int, int]:
    """The link around the sign at ``at``; (-1, -1) if there is none."""
    after = at + 1
    if data[at] == 0x3A:
        if at + 3 >= end or data[at + 1] != 0x2F or data[at + 2] != 0x2F:
            return -1, -1
        after = at + 3
    if after >= end or not _word(data[after]):
        return -1, -1
    start = _begins(data, at, floor)
    if start < 0:
        return -1, -1
    stop = _reaches(data, after, end)
    return (start, stop) if stop - after >= 2 else (-1, -1)


@inner
def _domain(data: NDArray[np.uint8], at: int, end: int) -> int:
    """Where the domain that begins at ``at`` ends; -1 unless it ends in a dot and two letters."""
    last, dot = -1, -1
    while at < end and (_word(data[at]) or data[at] == 0x2D or data[at] == 0x2E):
        if data[at] == 0x2E:
            if data[at - 1] == 0x2E or data[at - 1] == 0x40:
                break
            dot = at
        elif dot >= 0 and not _letter(data[at]):
            if last > dot:
                last = -1
        elif dot >= 0 and at - dot >= 2:
            last = at + 1
        at += 1
    return last


@inner
def _email(data: NDArray[np.uint8], at: int, floor: int, end: int) -> tuple[int, int]:
    """The address around the ``@`` at ``at``; (-1, -1) if there is none."""
    start = at
    while start > floor and at - start < _LOCAL_MAX:
        byte = data[start - 1]
        if not _word(byte) and byte != 0x2E and byte != 0x5F and byte != 0x2D and byte != 0x2B:
            break
        start -= 1
    while start < at and not _word(data[start]):
        start += 1
    stop = _domain(data, at + 1, min(end, start + _EMAIL_MAX)) if start < at else -1
    return (start, stop) if stop > 0 else (-1, -1)


@inner
def _ip(data: NDArray[np.uint8], at: int, floor: int, end: int) -> tuple[int, int]:
    """The IPv4 address whose first ``.`` is at ``at``; (-1, -1) if there is none.

    A fifth number or a letter beside it makes it something else: a version, a section.
    """
    start = at
    while start > floor and at - start < 4 and data[start - 1] >= 0x30 and data[start - 1] <= 0x39:
        start -= 1
    if start > floor and (_word(data[start - 1]) or data[start - 1] == 0x2E):
        return -1, -1
    place = start
    for number in range(4):
        value, digits = np.int64(0), 0
        while place < end and digits < 4 and data[place] >= 0x30 and data[place] <= 0x39:
            value = value * 10 + np.int64(data[place]) - 0x30
            digits += 1
            place += 1
        if digits == 0 or digits > 3 or value > 255:
            return -1, -1
        if number < 3:
            if place >= end or data[place] != 0x2E:
                return -1, -1
            place += 1
    if place < end and _word(data[place]):
        return -1, -1
    if place + 1 < end and data[place] == 0x2E and _word(data[place + 1]):
        return -1, -1
    return start, place


@inner
def _found(data: NDArray[np.uint8], at: int, floor: int, end: int) -> tuple[int, int, int]:
    """What stands around the sign at ``at``: start, end, kind; a start of -1 if nothing."""
    if data[at] == 0x40:
        start, stop = _email(data, at, floor, end)
        return start, stop, EMAIL
    start, stop = _link(data, at, floor, end)
    if start >= 0 or data[at] == 0x3A:
        return start, stop, LINK
    start, stop = _ip(data, at, floor, end)
    return start, stop, IP


@kernel(TEXT, OFFSETS, I8, I8, I8)
def links(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    kinds: NDArray[np.int64],
) -> int:
    """Write every link, e-mail address and IP address, in order and apart.

    Returns how many there are, even beyond the room.
    """
    found = 0
    for document in range(len(offsets) - 1):
        floor, end = offsets[document], offsets[document + 1]
        at = floor
        while at < end:
            while at + _BLOCK <= len(data) and at < end and _dull(data, at):
                at += _BLOCK
            stop = min(end, at + _BLOCK)
            while at < stop:
                byte = data[at]
                if byte == 0x3A or byte == 0x40 or byte == 0x2E:
                    start, last, kind = _found(data, at, floor, end)
                    if start >= 0:
                        if found < len(starts):
                            starts[found], ends[found], kinds[found] = start, last, kind
                        found += 1
                        floor = at = last
                        continue
                at += 1
    return found
