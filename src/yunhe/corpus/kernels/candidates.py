"""One pass over the shadow for places where a detail may stand; all rules look only at those."""

# ruff: noqa: PLR0911, PLR1714, SIM102, SIM109 - in a kernel each comparison costs
# mypy: disable-error-code="return-value, arg-type, assignment, no-any-return, no-untyped-call"

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from yunhe.corpus.kernels.shadow import NUMERALS
from yunhe.native.compiled import I8, U1, U2, inner, kernel

NUMBER, SPELT, MAIL, CHAT, PLATE, UNIT, ADDRESS, NET, DOTTED, SAID = range(1, 11)
"""Kinds of candidate: a run of digits, a number with numerals, a ``@`` or what stands for it, the
end of a chat's name, a province before a letter, a unit such as 号 behind a number, the last
character of a word such as 住址, an IPv6 address's first colon, digits with three dots, a
号 that may end a word such as 病历号."""

_DIGIT, _NUMERAL, _AT, _CHAT, _PROVINCE, _UNIT, _ADDRESS, _LATIN, _SAID, _COLON = range(1, 11)
_GAP_MAX = 3
_NAMED = 24  # characters behind a chat's name within which a name or a number has begun and shows
_WORD_REACH = 14  # characters before a colon that `personal.chats` looks at for a word
_PLAIN, _ANY = np.int64(0), np.int64(1)  # whether numerals count as digits
RUN_MIN, SPELT_MIN = 5, 11
"""Digits from which a run is looked at: 1-1-101 is a door; a number with numerals is a phone or
longer."""
PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼使"
"""First character of a number plate. Source: GA 36-2018."""
_CIRCLED = "⓪①②③④⑤⑥⑦⑧⑨"
_ARABIC = "٠١٢٣٤٥٦٧٨٩"


@cache
def digits_of() -> NDArray[np.uint8]:
    """uint8[65536]: the digit a character stands for in a number, 255 for none."""
    table = np.full(65536, 255, np.uint8)
    for digit in range(10):
        table[0x30 + digit] = digit
        table[ord(_CIRCLED[digit])] = digit
        table[ord(_ARABIC[digit])] = digit
    for character, digit in zip(NUMERALS, "00011122233445566778899", strict=True):
        table[ord(character)] = int(digit)
    for at, character in enumerate("❶❷❸❹❺❻❼❽❾"):
        table[ord(character)] = at + 1
    return table


@cache
def classes() -> NDArray[np.uint8]:
    """uint8[65536]: what the pass does at a character; 0 for nothing."""
    table = np.zeros(65536, np.uint8)
    for code in np.flatnonzero(digits_of() < 10).tolist():
        table[code] = _DIGIT if code < 0x80 else _NUMERAL
    for characters, kind in (
        ("@#", _AT),
        ("信扣鹅球心芯", _CHAT),
        (PROVINCES, _PROVINCE),
        ("栋幢座弄单室组队樓楼層层", _UNIT),
        ("址住于在", _ADDRESS),
        ("xXqQtTdD", _LATIN),
        ("号號", _SAID),
        (":", _COLON),
    ):
        for character in characters:
            table[ord(character)] = kind
    return table


@inner
def is_gap(code: int) -> bool:
    """Whether a character may stand between two digits of one number."""
    return code == 0x20 or code == 0x2D or code == 0x2E or code == 0xB7


@inner
def next_digit(codes: NDArray[np.uint16], at: int, digits: NDArray[np.uint8], spelt: int) -> int:
    """Where the next digit of the number is, from the place behind one; -1 when it ends.

    Between two digits there may be three blanks, hyphens and dots, of the latter two at most one.
    """
    place, marks = at, 0
    while place < len(codes) and place - at <= _GAP_MAX:
        code = codes[place]
        if code < 0x80 or spelt:
            if digits[code] < 10:
                return place
            if not is_gap(code):
                if code != 0xB7:
                    return -1
        elif code != 0xB7:
            return -1
        marks += code != 0x20
        if marks > 1:
            return -1
        place += 1
    return -1


@inner
def _run(codes: NDArray[np.uint16], at: int, digits: NDArray[np.uint8]) -> tuple[int, int, int]:
    """(end, digits, dots) of the run of plain digits from ``at``; it goes on behind a ``)``."""
    end, count, dots = at + 1, 1, 0
    while True:
        place = next_digit(codes, end, digits, _PLAIN)
        if place < 0 and end < len(codes) and codes[end] == 0x29:
            place = next_digit(codes, end + 1, digits, _PLAIN)
            if place > end + 2:
                place = -1
        if place < 0:
            return end, count, dots
        dots += codes[end] == 0x2E
        end, count = place + 1, count + 1


@inner
def _spelt(codes: NDArray[np.uint16], at: int, digits: NDArray[np.uint8]) -> tuple[int, int]:
    """(end, digits) of the run of digits and numerals from ``at``."""
    end, count = at + 1, 1
    while True:
        place = next_digit(codes, end, digits, _ANY)
        if place < 0:
            return end, count
        end, count = place + 1, count + 1


@inner
def _letter(code: int) -> bool:
    return 65 <= (code & 0xFFDF) <= 90


@inner
def _numbered(codes: NDArray[np.uint16], at: int, digits: NDArray[np.uint8]) -> bool:
    """Whether there are digits enough around ``at`` for a number of a chat service."""
    count = 0
    for place in range(max(0, at - 1), min(len(codes), at + _NAMED)):
        count += digits[codes[place]] < 10
    return count >= 4


@inner
def _named(codes: NDArray[np.uint16], at: int) -> bool:
    """Whether letters enough follow for a name in a chat service."""
    count = 0
    for place in range(at + 1, min(len(codes), at + _NAMED)):
        code = codes[place]
        part = _letter(code) or 0x30 <= code <= 0x39 or code == 0x5F or code == 0x2D
        count = count + 1 if part else 0
        if count >= 6:
            return True
    return False


@inner
def _calls(codes: NDArray[np.uint16], at: int, digits: NDArray[np.uint8]) -> bool:
    return _numbered(codes, at, digits) or _named(codes, at)


@inner
def _says(codes: NDArray[np.uint16], at: int) -> bool:
    """Whether 号, 账, 帐, ID, 是, 为, 叫, 就, ``:`` or ``=`` follows, which vx and wx need."""
    code = codes[at + 1] if at + 1 < len(codes) else 0
    if code == 0x20:
        code = codes[at + 2] if at + 2 < len(codes) else 0
    return (
        code == 0x53F7 or code == 0x8D26 or code == 0x5E10 or code == 0x49 or code == 0x69
        or code == 0x3A or code == 0x3D or code == 0x662F or code == 0x4E3A or code == 0x53EB
        or code == 0x5C31
    )  # fmt: skip


@inner
def _latin(codes: NDArray[np.uint16], at: int, digits: NDArray[np.uint8]) -> int:
    """The kind of candidate that the letter at ``at`` ends; 0 for none."""
    code, last = codes[at] | 0x20, codes[at - 1] | 0x20 if at else 0
    if code == 0x74:  # at, wechat
        if last != 0x61:
            return 0
        early = codes[at - 2] if at > 1 else 0
        if early | 0x20 == 0x68:
            return CHAT if _says(codes, at) else 0
        behind = codes[at + 1] if at + 1 < len(codes) else 0
        open_ = early == 0x28 or early == 0x5B or early == 0x20 or early == 0x7B
        close = behind == 0x29 or behind == 0x5D or behind == 0x20 or behind == 0x7D
        return MAIL if open_ and close else 0
    if code == 0x78:  # vx, wx
        chat = last == 0x76 or last == 0x77 or last == 0x5FAE
        return CHAT if chat and _says(codes, at) else 0
    if code == 0x71:  # qq, 加q
        chat = last == 0x71 or last == 0x52A0
        return CHAT if chat and _numbered(codes, at, digits) else 0
    if code == 0x64:  # 患者ID
        return SAID if last == 0x69 and at > 1 and codes[at - 2] >= 0x4E00 else 0
    return 0


@inner
def _hex(code: int) -> bool:
    return 0x30 <= code <= 0x39 or 0x61 <= (code | 0x20) <= 0x66


@inner
def _networked(codes: NDArray[np.uint16], at: int) -> bool:
    """Whether a word such as IP, 地址, 登录, 来自 or 访问 may end before ``at``."""
    for place in range(max(0, at - _WORD_REACH), at):
        code = codes[place]
        if code | 0x20 == 0x70 or code == 0x5740 or code == 0x5F55 or code == 0x9646:
            return True
        if code == 0x9304 or code == 0x81EA or code == 0x95EE:
            return True
    return False


@inner
def _colon(codes: NDArray[np.uint16], at: int) -> int:
    """Whether the first colon of an IPv6 address may be at ``at``: another one follows soon."""
    if at == 0 or at + 2 >= len(codes) or not _hex(codes[at - 1]) or not _networked(codes, at):
        return 0
    for place in range(max(0, at - 5), at):
        if codes[place] == 0x3A and place > 0 and _hex(codes[place - 1]):
            return 0
    for place in range(at + 1, min(len(codes), at + 6)):
        if codes[place] == 0x3A:
            return NET
        if not _hex(codes[place]):
            return 0
    return 0


@inner
def _is_chat(codes: NDArray[np.uint16], at: int) -> bool:
    """Whether 信, 扣, 鹅, 球, 心 or 芯 ends a name of a chat service."""
    code, early = codes[at], codes[at - 1] if at else 0
    if code == 0x6263 or code == 0x7403:  # 扣扣 企扣, 球球
        return early == code or early == 0x4F01
    if code == 0x9E45:  # 企鹅 扣鹅
        return early == 0x4F01 or early == 0x6263
    if early == 0x5FAE:  # 微信 微心 微芯
        return True
    latin = early | 0x20
    odd = early == 0x8587 or early == 0x5A01 or early == 0x5FBD or early == 0x536B
    return code == 0x4FE1 and (odd or latin == 0x76 or latin == 0x77)


@inner
def _unit(codes: NDArray[np.uint16], at: int, kind: int, digits: NDArray[np.uint8]) -> int:
    early = codes[at - 1] if at else 0
    if digits[early] < 10 or _letter(early) or _is_count(early):
        if early | 0x20 != 0x71:
            return UNIT
        return CHAT if _numbered(codes, at, digits) else 0
    return SAID if kind == _SAID else 0


@inner
def _worded(codes: NDArray[np.uint16], at: int, kind: int, digits: NDArray[np.uint8]) -> int:
    """The kind of candidate at a character that is no digit; 0 for none."""
    behind = codes[at + 1] if at + 1 < len(codes) else 0
    if kind == _LATIN:
        return _latin(codes, at, digits)
    if kind == _PROVINCE:
        return PLATE if _letter(behind) else 0
    if kind == _UNIT or kind == _SAID:
        return _unit(codes, at, kind, digits)
    if kind == _AT:
        return MAIL
    if kind == _COLON:
        return _colon(codes, at)
    if kind == _CHAT:
        return CHAT if _is_chat(codes, at) and _calls(codes, at, digits) else 0
    early = codes[at - 1] if at else 0  # 住址 地址, 家住 现住, 住在, 住于
    if codes[at] == 0x5740:
        return ADDRESS if early == 0x4F4F or early == 0x5730 else 0
    if codes[at] == 0x4F4F:
        return ADDRESS if early == 0x5BB6 or early == 0x73B0 else 0
    return ADDRESS if early == 0x4F4F else 0


@inner
def _is_count(code: int) -> bool:
    """Whether a character ends a number of a house that is not made of digits: 十百甲乙丙丁."""
    return (
        code == 0x5341 or code == 0x767E or code == 0x7532
        or code == 0x4E59 or code == 0x4E19 or code == 0x4E01
    )  # fmt: skip


@kernel(U2, U1, U1, I8, I8, U1)
def candidates(
    codes: NDArray[np.uint16],
    kinds: NDArray[np.uint8],
    digits: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    what: NDArray[np.uint8],
) -> int:
    """Write all candidates in order of their start; returns how many.

    Shapes: ``kinds``: of `classes`; ``digits``: of `digits_of`; results: [len(codes) + 1].
    """
    count = at = spelt_until = np.int64(0)
    while at < len(codes):
        kind = kinds[codes[at]]
        if kind == 0:
            at += 1
            continue
        starts[count], ends[count] = at, at + 1
        if kind == _DIGIT:
            end, length, dots = _run(codes, at, digits)
            starts[count], ends[count], what[count] = at, end, NUMBER
            count += length >= RUN_MIN
            starts[count], ends[count], what[count] = at, end, DOTTED
            count += dots >= 3
            at = end
            continue
        if kind == _NUMERAL and at >= spelt_until:
            end, length = _spelt(codes, at, digits)
            begin = at
            while begin > 0 and at - begin < 18 and 0x30 <= codes[begin - 1] <= 0x39:
                begin -= 1
            starts[count], ends[count], what[count] = begin, end, SPELT
            count += length + at - begin >= SPELT_MIN
            spelt_until = end
        elif kind != _NUMERAL:
            found = _worded(codes, at, kind, digits)
            what[count] = found
            count += found > 0
        at += 1
    return count
