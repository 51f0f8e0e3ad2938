"""Landlines: area code, number and extension, or a bare number behind a word that says so."""

# ruff: noqa: PLR1714, SIM102 - in a kernel each comparison costs
# mypy: disable-error-code="return-value, arg-type, assignment, no-any-return, no-untyped-call"

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from yunhe.corpus.kernels import words as w
from yunhe.corpus.kernels.digits import Taken, ends_after
from yunhe.corpus.kernels.words import Words, ended
from yunhe.native.compiled import inner

_TURN, _PART, _MACHINE, _NUMBER, _CONNECT = 0x8F6C, 0x5206, 0x673A, 0x53F7, 0x63A5  # 转分机号接
_TURN_OLD, _MACHINE_OLD = 0x8F49, 0x6A5F  # 轉機
_EXTENSION_MAX = 6


@inner
def _digits_from(codes: NDArray[np.uint16], at: int) -> int:
    """How many digits touch each other from ``at`` on, at most 13."""
    count = 0
    while at + count < len(codes) and count < 13 and 0x30 <= codes[at + count] <= 0x39:
        count += 1
    return count


@inner
def _blank(codes: NDArray[np.uint16], at: int) -> int:
    """``at``, or one more behind a blank."""
    return at + 1 if at < len(codes) and codes[at] == 0x20 else at


@inner
def _turned(codes: NDArray[np.uint16], at: int) -> int:
    """One past 转, 转分机, 分机号, ext. …; -1 when there is no such word at ``at``."""
    start = at
    size = len(codes)
    if at < size and (codes[at] == _TURN or codes[at] == _TURN_OLD):
        at += 1
        if at < size and codes[at] == _CONNECT:
            at += 1
    if at + 1 < size and codes[at] == _PART and codes[at + 1] in (_MACHINE, _MACHINE_OLD):
        at += 2
        if at < size and codes[at] == _NUMBER:
            at += 1
    if at == start and at + 2 < size and codes[at] | 0x20 == 0x65:
        if codes[at + 1] | 0x20 == 0x78 and codes[at + 2] | 0x20 == 0x74:
            at += 3
    if at == start and at < size and codes[at] | 0x20 == 0x78:
        at += 1
    if at > start and at < size and (codes[at] == 0x2E or codes[at] == 0x3A):
        at += 1
    return at if at > start else -1


@inner
def _extended(codes: NDArray[np.uint16], end: int) -> int:
    """One past the extension behind a number; ``end`` when there is none."""
    at = _blank(codes, end)
    if at == end and at < len(codes) and codes[at] == 0x2D:
        at += 1
    else:
        if at < len(codes) and codes[at] == 0x2C:
            at += 1
        at = _turned(codes, at)
        if at < 0:
            return end
    at = _blank(codes, at)
    count = _digits_from(codes, at)
    return at + count if 1 <= count <= _EXTENSION_MAX else end


@inner
def _local(codes: NDArray[np.uint16], at: int) -> tuple[int, int]:
    """(end, 0) of seven or eight digits at ``at``, (end, the gap's code) of 4-4 or 3-4; or -1."""
    count = _digits_from(codes, at)
    if count == 0 or codes[at] == 0x30:
        return -1, 0
    if count == 7 or count == 8:
        return at + count, 0
    middle = at + count
    if (count == 3 or count == 4) and middle < len(codes):
        gap = np.int64(codes[middle])
        if (gap == 0x20 or gap == 0x2D) and _digits_from(codes, middle + 1) == 4:
            return middle + 5, gap
    return -1, 0


@inner
def _area(d: NDArray[np.int64], first: int) -> int:
    """Digits of the area code whose first digit behind the 0 is at ``first``, without the 0."""
    if d[first] == 1:
        return 2 if d[first + 1] == 0 else 0
    if d[first] == 2:
        return 2
    return 3 if d[first] >= 3 else 0


@inner
def area_number(
    codes: NDArray[np.uint16], low: int, taken: Taken, near: int
) -> tuple[int, int, int]:
    """(start, end, score) of a number with area code at the first digit taken; end -1 for none."""
    d, start = taken.digits, taken.starts[0]
    lead = 1 if d[0] == 0 else 2 if d[0] == 8 and d[1] == 6 else 0
    plus = start > low and codes[start - 1] == 0x2B
    length = _area(d, lead) if lead else 0
    if length == 0 or (lead == 2 and not plus and not near & w.PHONE):
        return start, -1, 0
    for place in range(lead + 1, lead + length):
        if taken.starts[place] != taken.starts[place - 1] + 1:
            return start, -1, 0
    at = gap = taken.starts[lead + length - 1] + 1
    closed = at < len(codes) and codes[at] == 0x29
    if closed:
        at = _blank(codes, at + 1)
    else:
        while at < gap + 3 and at < len(codes) and (codes[at] == 0x20 or codes[at] == 0x2D):
            at += 1
    end, middle = _local(codes, at)
    last = codes[start - 1] if start > low else 0
    open_ = last == 0x28
    if end < 0 or _is_part(last) or (closed and not open_):
        return start, -1, 0
    clear = (closed or at == gap + 1) and middle != 0x20
    if not near & w.PHONE and not clear and not plus:
        return start, -1, 0
    start -= (closed and open_) or plus
    return start, _extended(codes, end), 90 if near & w.PHONE else 75


@inner
def _is_part(code: int) -> bool:
    """Whether a character before a number makes it part of something else."""
    if 65 <= (code & 0xFFDF) <= 90:
        return True
    return code == 0x5F or code == 0x3D or code == 0x2E or code == 0x2F


@inner
def local_number(
    codes: NDArray[np.uint16], low: int, taken: Taken, count: int, words: Words
) -> tuple[int, int, int]:
    """(start, end, score) of a number without area code, right behind a word such as 座机."""
    start = taken.starts[0]
    if not 2 <= taken.digits[0] <= 8:
        return start, -1, 0
    end, _ = _local(codes, start)
    if end < 0:
        return start, -1, 0
    length = 0
    while length < count and taken.starts[length] < end:
        length += 1
    extended = _extended(codes, end)
    if length < count and extended == end:
        return start, -1, 0  # the number goes on
    if length < count and not ends_after(taken, count, length):
        return start, -1, 0
    at = start
    for _ in range(4):
        if ended(codes, low, at, words) & w.LOCAL:
            return start, extended, 75
        code = codes[at - 1] if at > low else 0
        link = code == 0x3A or code == 0x20 or code == 0x662F or code == 0x4E3A
        if code == 0x29:
            at = _opened(codes, low, at)
        elif not link:
            break
        else:
            at -= 1
    return start, -1, 0


@inner
def _opened(codes: NDArray[np.uint16], low: int, at: int) -> int:
    """Where the bracket that ends before ``at`` opens, as in 电话(办): ``low`` when it does not."""
    for place in range(at - 2, max(low, at - 7) - 1, -1):
        if codes[place] == 0x28:
            return place
    return low
