"""What kind of character each code point is: one table that every measure reads.

Hanzi are told apart by what they say of a text: whether it is simplified or traditional, and
whether it was read in a wrong encoding, which shows in rare hanzi.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from importlib.metadata import version
from typing import Final

import numpy as np
from numpy.typing import NDArray

from yunhe.corpus.kernels.opencc import characters
from yunhe.native.compiled import kept_array

# fmt: off
(NEWLINE, BLANK, SPACE, INVISIBLE, DIGIT, LATIN, ACCENT, COMMON, SIMPLIFIED, TRADITIONAL, RARE,
 KANA, HANGUL, CYRILLIC, ARABIC, LETTER, NUMBER, PUNCTUATION, SYMBOL, PRIVATE, LOST,
 MISREAD) = range(22)
# fmt: on
"""The classes. BLANK: other controls and the space of ASCII; SPACE: those of Unicode; INVISIBLE:
format characters and C1 controls; LATIN: letters of ASCII; ACCENT: letters of Latin-1 and all other
Latin ones; COMMON: hanzi of GB 2312 that both scripts share; SIMPLIFIED, TRADITIONAL: hanzi that
the other script writes otherwise; RARE: all other hanzi; LETTER: letters of all other scripts;
NUMBER: all other digits and numerals; LOST: U+FFFD; MISREAD: signs of Latin-1 (0xA0 to 0xBF)."""
CLASSES: Final = 32
"""Entries of a row of counts; a power of two, so that a row begins at a shift."""
CODES: Final = 0x40000
"""Code points in the table; those beyond it count as `SYMBOL`."""

HANZI = (COMMON, SIMPLIFIED, TRADITIONAL, RARE)
"""All hanzi."""
WORDS = (DIGIT, LATIN, ACCENT, *HANZI, KANA, HANGUL, CYRILLIC, ARABIC, LETTER, NUMBER)
"""Letters, digits and hanzi: what `str.isalnum` is true of."""
VERSION = unicodedata.unidata_version
"""Of Unicode; part of what a step goes by."""

_BLOCKS = (
    (0x3041, 0x3100, KANA),
    (0x31F0, 0x3200, KANA),
    (0xFF66, 0xFFA0, KANA),
    (0x1100, 0x1200, HANGUL),
    (0x3130, 0x3190, HANGUL),
    (0xAC00, 0xD7A4, HANGUL),
    (0x0400, 0x0530, CYRILLIC),
    (0x0600, 0x0780, ARABIC),
    (0xFB50, 0xFE00, ARABIC),
    (0xFE70, 0xFEFF, ARABIC),
    (0x00C0, 0x0250, ACCENT),
    (0x1E00, 0x1F00, ACCENT),
    (0xFF21, 0xFF5B, ACCENT),
)


@cache
def classes() -> NDArray[np.uint8]:
    """uint8[CODES]: the class of each code point; read-only. Cost: about 0.3 s the first time."""
    tables = version("opencc-python-reimplemented")
    return kept_array(f"classes-{tables}-{unicodedata.unidata_version}", _made)


def _made() -> NDArray[np.uint8]:
    table = np.full(CODES, SYMBOL, np.uint8)
    table[:0x20000] = [_class(chr(code)) for code in range(0x20000)]
    for first, end, kind in _BLOCKS:
        words = np.isin(table[first:end], (LETTER, ACCENT))
        table[first:end][words] = kind
    for first, end in ((0x3400, 0x4DC0), (0x4E00, 0xA000), (0x20000, CODES)):
        table[first:end] = RARE
    table[0xF900:0xFB00][table[0xF900:0xFB00] == LETTER] = RARE
    table[0x3005] = table[0x3007] = COMMON  # 々 and 〇
    table[_gb2312()] = COMMON
    simplified, traditional = characters("s2t"), characters("t2s")
    for ours, others, kind in (
        (simplified, traditional, SIMPLIFIED),
        (traditional, simplified, TRADITIONAL),
    ):
        told = [ord(character) for character in ours if character not in others]
        table[[code for code in told if code < CODES]] = kind
    return table


def _class(character: str) -> int:
    code = ord(character)
    if code <= 0x20:
        return NEWLINE if character in "\r\n" else BLANK
    for first, last, kind in ((0x30, 0x39, DIGIT), (0x7F, 0x9F, INVISIBLE), (0xA0, 0xBF, MISREAD)):
        if first <= code <= last and code != 0xA0 and not character.isalnum():
            return kind
        if first == 0x30 and first <= code <= last:
            return DIGIT
    if code == 0xFFFD:
        return LOST
    if code < 0x80 and character.isalpha():
        return LATIN
    return _general(character)


def _general(character: str) -> int:
    category = unicodedata.category(character)
    if character.isalnum():
        return LETTER if category[0] == "L" else NUMBER
    if category == "Co":
        return PRIVATE
    if category in ("Cf", "Cc"):
        return INVISIBLE
    return {"Z": SPACE, "P": PUNCTUATION}.get(category[0], SYMBOL)


def _gb2312() -> list[int]:
    """The 6,763 hanzi of GB/T 2312-1980, rows 16 to 87."""
    cells = bytes(
        byte for lead in range(0xB0, 0xF8) for trail in range(0xA1, 0xFF) for byte in (lead, trail)
    )
    return [ord(character) for character in cells.decode("gb2312", errors="ignore")]
