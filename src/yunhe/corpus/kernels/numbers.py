"""Numbers that name a person, by their digits: resident ID, permit, bank card, mobile phone."""

# ruff: noqa: PLR0913, PLR0917, PLR1714, SIM109 - in a kernel each comparison costs
# mypy: disable-error-code="return-value, arg-type, assignment, no-any-return, no-untyped-call"

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from yunhe.corpus.kernels import words as w
from yunhe.corpus.kernels.candidates import NUMBER, SAID, SPELT, is_gap
from yunhe.corpus.kernels.digits import (
    TAKEN,
    Taken,
    ends_after,
    is_birthday,
    is_checked,
    is_day,
    is_luhn,
    is_region,
    take,
)
from yunhe.corpus.kernels.hits import CHECKSUM, CONTEXT, HITS, LAYOUT, PREFIX, mark, put
from yunhe.corpus.kernels.landlines import area_number, local_number
from yunhe.corpus.kernels.words import WORDS, Words, before, ended, said
from yunhe.native.compiled import I8, INT, U1, U2, inner, kernel

_ID, _OLD_ID = mark("ID", 99, CHECKSUM), mark("ID", 85, CONTEXT)
_ID_BAD, _PERMIT = mark("ID_BAD", 85, CONTEXT), mark("PERMIT", 97, CHECKSUM)
_CARD, _CARD_KNOWN = mark("BANK", 95, CHECKSUM), mark("BANK", 88, PREFIX)
_CARD_NAMED = mark("BANK", 70, CONTEXT)
_PHONE, _PHONE_BARE = mark("PHONE", 92, CONTEXT), mark("PHONE", 82, LAYOUT)
_PHONE_SPELT, _PHONE_SPELT_BARE = mark("PHONE", 90, CONTEXT), mark("PHONE", 80, LAYOUT)
_LANDLINE, _LANDLINE_BARE = mark("LANDLINE", 90, CONTEXT), mark("LANDLINE", 75, LAYOUT)
PAPER, OWNED, CHAIN = 1, 2, 4
"""Bits for the rules that are not about digits alone: papers, accounts, doors such as 15-3-502."""
_REACH, _REACH_PAPER = (
    np.int64(14),
    np.int64(18),
)  # characters before a number in which words say what it is
_ID_PLACES, _OLD_PLACES = np.int64(18), np.int64(15)
_X, _SMALL_X, _CROSS = 0x58, 0x78, 0x53C9


@inner
def _is_letter(code: int) -> bool:
    return 65 <= (code & 0xFFDF) <= 90


@inner
def _eighteenth(codes: NDArray[np.uint16], count: int, taken: Taken, spelt: int) -> int:
    """One past the 18th place of an ID number, whose digit it writes; -1 when there is none."""
    at = taken.starts[16] + 1
    if at < len(codes) and is_gap(codes[at]):
        at += 1
    if at < len(codes):
        code = codes[at]
        if code == _X or code == _SMALL_X or (spelt and code == _CROSS):
            taken.digits[17] = 10
            return at + 1
    if count < 18 or not ends_after(taken, count, _ID_PLACES):
        return -1
    return taken.starts[17] + 1


@inner
def _identity(
    codes: NDArray[np.uint16],
    count: int,
    taken: Taken,
    spelt: int,
    near: int,
    hits: NDArray[np.int64],
    used: int,
) -> int:
    """An ID number of 18 places, or a permanent residence permit, at the first digit taken."""
    kept = taken.digits[17]
    end = _eighteenth(codes, count, taken, spelt) if count >= 17 and taken.digits[0] else -1
    if end < 0 or (end < len(codes) and _is_letter(codes[end])):
        taken.digits[17] = kept
        return used
    start, born = taken.starts[0], is_birthday(taken.digits)
    checked = born and is_checked(taken.digits)
    if checked and is_region(taken.digits):
        return put(hits, used, start, end, _ID)
    # Since 2017 permits of foreigners: 9, province, nationality, birthday, order, check digit.
    if checked and taken.digits[0] == 9 and near & (w.PERMIT | w.IDENTITY):
        return put(hits, used, start, end, _PERMIT)
    if near & w.IDENTITY and (born or is_region(taken.digits)):
        return put(hits, used, start, end, _ID_BAD)
    taken.digits[17] = kept
    return used


@inner
def _is_known_card(digits: NDArray[np.int64]) -> bool:
    """Whether cards issued in mainland China begin so.

    Source: ISO/IEC 7812 (62 is UnionPay's); the others from general knowledge, unverified, so they
    count only together with a valid check digit.
    """
    two = 10 * digits[0] + digits[1]
    four = 100 * two + 10 * digits[2] + digits[3]
    if two == 62 or four == 9558 or four == 9559 or four == 6013 or four == 3568:
        return True
    if four == 4367 or four == 4392 or four == 4512 or four == 4563 or four == 4581:
        return True
    return four == 5187 or four == 5240 or four == 5451


@inner
def _card(
    count: int,
    taken: Taken,
    near: int,
    serial: int,
    hits: NDArray[np.int64],
    used: int,
) -> int:
    """A card of 16 to 19 digits; "6222… 6月" is a card and a date behind it."""
    if taken.digits[0] < 3 or (near & w.IDENTITY and not near & w.BANK):
        return used
    known, named, start = _is_known_card(taken.digits), near & w.BANK, taken.starts[0]
    for length in range(min(count, 19), 15, -1):
        last = taken.starts[length - 1]
        if not ends_after(taken, count, length) or last - taken.starts[length - 3] != 2:
            continue
        end = last + 1
        dated = length == 18 and is_birthday(taken.digits)
        if is_luhn(taken.digits, length):
            if named:
                return put(hits, used, start, end, _CARD)
            if known and not dated and not serial:
                return put(hits, used, start, end, _CARD_KNOWN)
        elif named and known and not dated and length == min(count, 19):
            return put(hits, used, start, end, _CARD_NAMED)
    return used


@inner
def _old_identity(count: int, taken: Taken, near: int, hits: NDArray[np.int64], used: int) -> int:
    """An ID number of 15 digits: no check digit, so region, date and a word must agree."""
    if not near & w.IDENTITY or not ends_after(taken, count, _OLD_PLACES) or not taken.digits[0]:
        return used
    d = taken.digits
    born = is_day(1900 + 10 * d[6] + d[7], 10 * d[8] + d[9], 10 * d[10] + d[11])
    if not born or not is_region(d):
        return used
    return put(hits, used, taken.starts[0], taken.starts[14] + 1, _OLD_ID)


@inner
def _country(codes: NDArray[np.uint16], start: int) -> int:
    """Where ``+``, ``(+86)`` or ``(86)`` before a number begins; ``start`` when there is none."""
    at = start
    if at > 0 and (codes[at - 1] == 0x20 or codes[at - 1] == 0x2D):
        at -= 1
    if at > 0 and codes[at - 1] == 0x2B:
        return at - 1
    if at < 4 or codes[at - 1] != 0x29 or codes[at - 2] != 0x36 or codes[at - 3] != 0x38:
        return start
    at -= 3
    while at > 0 and (codes[at - 1] == 0x30 or codes[at - 1] == 0x2B):
        at -= 1
    return at - 1 if at > 0 and codes[at - 1] == 0x28 else start


@inner
def _is_glued(
    codes: NDArray[np.uint16], low: int, start: int, end: int, near: int, words: Words
) -> bool:
    """Whether a number is part of a word, a name or a decimal fraction."""
    last = codes[start - 1] if start > low else 0
    early = codes[start - 2] if start - 1 > low else 0
    digit = 0x30 <= early <= 0x39
    # An X behind a digit ends an ID number, so what follows it is not glued to a word.
    cross = (last == _X or last == _SMALL_X) and digit
    if (_is_letter(last) and not cross) or last == 0x5F or last == 0x3D or (last == 0x2E and digit):
        label = start - 1 if last == 0x3D or last == 0x3A else start
        if not ended(codes, low, label, words) & w.LABEL:
            return True
    behind = codes[end] if end < len(codes) else 0
    if behind == 0x2E and end + 1 < len(codes):
        return _is_letter(codes[end + 1]) or 0x30 <= codes[end + 1] <= 0x39
    return (_is_letter(behind) or behind == 0x5F) and not near & w.PHONE


@inner
def _is_mobile_layout(taken: Taken, first: int) -> bool:
    """Whether the gaps between eleven digits are those of a phone: none, 3-4-4, 4-3-4, 4-4-3."""
    gaps = np.int64(0)
    for place in range(first + 1, first + 11):
        if taken.starts[place] > taken.starts[place - 1] + 1:
            gaps |= 1 << (place - first)
    return gaps == 0 or gaps == 0x88 or gaps == 0x90 or gaps == 0x110


@inner
def _is_amount(codes: NDArray[np.uint16], end: int) -> bool:
    """Whether 元, 美元, 万元, 股, 吨 and their like stand behind a number, but no 元旦."""
    code = codes[end] if end < len(codes) else 0
    behind = codes[end + 1] if end + 1 < len(codes) else 0
    if code == 0x5143:
        return behind != 0x65E6 and behind != 0x5BB5
    if code == 0x80A1 or code == 0x5428:
        return True
    known = code == 0x7F8E or code == 0x6B27 or code == 0x65E5 or code == 0x6E2F
    return behind == 0x5143 and (known or code == 0x4E07 or code == 0x4EBF)


@inner
def _mobile(
    codes: NDArray[np.uint16],
    low: int,
    count: int,
    taken: Taken,
    near: int,
    serial: int,
    words: Words,
    spelt: int,
    hits: NDArray[np.int64],
    used: int,
) -> int:
    """A mobile phone with 86, 0086 or 0 before it, or none."""
    d, first = taken.digits, 0
    if d[0] == 0:
        first = 4 if d[1] == 0 and d[2] == 8 and d[3] == 6 else 1
    elif d[0] == 8 and d[1] == 6:
        first = 2
    if d[first] != 1 or d[first + 1] < 3 or not ends_after(taken, count, first + 11):
        return used
    start, end = taken.starts[0], taken.starts[first + 10] + 1
    if first and codes[taken.starts[first] - 1] == 0x2E:
        return used  # 0.138… is a fraction
    if _is_glued(codes, low, start, end, near, words):
        return used
    named = near & w.PHONE
    if not named and (
        serial or not _is_mobile_layout(taken, first) or (not spelt and _is_amount(codes, end))
    ):
        return used
    start = max(low, _country(codes, start))
    marked = _PHONE if named else _PHONE_BARE
    if spelt:
        marked = _PHONE_SPELT if named else _PHONE_SPELT_BARE
    return put(hits, used, start, end, marked)


@inner
def _serial(codes: NDArray[np.uint16], low: int, at: int, words: Words) -> bool:
    """Whether the words right before ``at`` say that a number counts or names a thing."""
    for _ in range(4):
        if ended(codes, low, at, words) & w.SERIAL:
            return True
        code = codes[at - 1] if at > low else 0
        link = code == 0x3A or code == 0x23 or code == 0x20 or code == 0x53F7
        if not link and code != 0x662F and code != 0x4E3A:
            return False
        at -= 1
    return False


@inner
def _is_list(codes: NDArray[np.uint16], at: int) -> bool:
    """Whether single digits with gaps between them go on from ``at``, as in a table."""
    return at + 5 < len(codes) and is_gap(codes[at + 1]) and is_gap(codes[at + 3])


@inner
def _at_digit(
    codes: NDArray[np.uint16],
    begin: int,
    at: int,
    end: int,
    table: NDArray[np.uint8],
    spelt: int,
    words: Words,
    taken: Taken,
    hits: NDArray[np.int64],
    used: int,
) -> int:
    """The detail whose first digit is at ``at`` in the run from ``begin``, if there is one."""
    low = before(codes, at, _REACH)
    near = said(codes, low, begin, words)  # in the run itself there are no words
    if at > begin and not near and _is_list(codes, at):
        return used
    count = take(codes, at, end, table, spelt, taken)
    behind = taken.starts[count - 1] + 1
    area = 3 <= count <= 5 and behind < len(codes) and codes[behind] == 0x29
    if (count < 7 and not area) or taken.starts[count // 2] > at + 24:
        return used
    was = used
    if count >= 17:
        used = _identity(codes, count, taken, spelt, near, hits, used)
    serial = used == was and count >= 11 and _serial(codes, low, at, words)
    if used == was and count >= 16:
        used = _card(count, taken, near, serial, hits, used)
    if used == was and count >= 15:
        used = _old_identity(count, taken, near, hits, used)
    if used == was and count >= 11:
        used = _mobile(codes, low, count, taken, near, serial, words, spelt, hits, used)
    if used == was and not spelt:
        start, stop, score = area_number(codes, low, taken, near)
        if stop < 0:
            start, stop, score = local_number(codes, low, taken, count, words)
        if stop > 0:
            marked = _LANDLINE if score == 90 else _LANDLINE_BARE
            used = put(hits, used, start, stop, marked)
    return used


@inner
def _token(codes: NDArray[np.uint16], at: int) -> int:
    """Letters and digits without a gap around ``at``, at most 20 either way."""
    start = end = at
    while (
        start > 0
        and at - start < 20
        and (_is_letter(codes[start - 1]) or 0x30 <= codes[start - 1] <= 0x39)
    ):
        start -= 1
    while (
        end < len(codes)
        and end - at < 20
        and (_is_letter(codes[end]) or 0x30 <= codes[end] <= 0x39)
    ):
        end += 1
    return end - start


@inner
def _wanted(codes: NDArray[np.uint16], start: int, end: int, words: Words) -> int:
    """Which rules beyond digits should look at a run: `PAPER`, `OWNED`, `CHAIN` bits."""
    near = said(codes, before(codes, start, _REACH_PAPER), start, words)
    wanted = np.int64(0)
    if near & (w.PASSPORT | w.PERMIT | w.CREDIT) or _token(codes, start) == 18:
        wanted |= PAPER
    if near & (w.MEDICAL | w.ACCOUNT):
        wanted |= OWNED
    if start > 0 and codes[start - 1] >= 0x4E00 and end - start <= 13:
        hyphens = 0
        for at in range(start, end):
            hyphens += codes[at] == 0x2D
        if hyphens == 2:
            wanted |= CHAIN
    return wanted


@kernel(U2, I8, I8, U1, INT, U1, WORDS, TAKEN, HITS, U1)
def numbers(
    codes: NDArray[np.uint16],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    what: NDArray[np.uint8],
    total: int,
    table: NDArray[np.uint8],
    words: Words,
    taken: Taken,
    hits: NDArray[np.int64],
    wanted: NDArray[np.uint8],
) -> int:
    """Write the details among the candidates that are runs of digits; returns how many.

    Shapes: as `yunhe.corpus.kernels.candidates.candidates` writes them; ``wanted``: uint8[total],
    zero, gets the bits of the other rules that should look at a candidate.
    """
    used = np.int64(0)
    for candidate in range(total):
        at, end = starts[candidate], ends[candidate]
        if what[candidate] == SAID:
            low = before(codes, at, _REACH)
            owned = ended(codes, low, end, words) & (w.MEDICAL | w.ACCOUNT)
            wanted[candidate] = OWNED if owned else 0
        if what[candidate] != NUMBER and what[candidate] != SPELT:
            continue
        spelt = np.int64(what[candidate] == SPELT)
        wanted[candidate] = 0 if spelt else _wanted(codes, at, end, words)
        first = begin = at
        while at < end:
            was = used
            used = _at_digit(codes, begin, at, end, table, spelt, words, taken, hits, used)
            if used > was:
                at = hits[used - 1, 1]
            elif spelt and at == first:
                # A leading 一 may belong to the word before ("致使一一三八…").
                at += 1
                first = -1
                continue
            else:
                while at < end and table[codes[at]] < 10:
                    at += 1
            while at < end and table[codes[at]] > 9:
                at += 1
    return used
