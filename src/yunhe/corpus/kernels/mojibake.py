"""Text that was read in a wrong encoding, found by its rare characters and read again."""

# ruff: noqa: PLR1714 - in a kernel each comparison costs, a tuple more

from __future__ import annotations

import re
import unicodedata
from importlib.metadata import version

import ftfy
import numpy as np
from numpy.typing import NDArray

from yunhe.corpus.encoding import plausible
from yunhe.corpus.kernels.classes import (
    ACCENT,
    CYRILLIC,
    HANZI,
    INVISIBLE,
    KANA,
    MISREAD,
    PRIVATE,
    RARE,
)  # fmt: skip
from yunhe.corpus.kernels.measures import Measures, total
from yunhe.native.compiled import OFFSETS, TEXT, U1, inner, kernel

KINDS = (
    "utf8_as_latin1",
    "gbk_as_latin1",
    "utf8_as_gbk",
    "utf8_twice",
    "latin_misread",
    "composed",
)
"""What had happened to a text: UTF-8 or GBK read as Latin-1, UTF-8 read as GBK, UTF-8 read as
Latin-1 twice; a part in Latin letters misread (ftfy); letters apart from their accents."""
FTFY = version("ftfy")
"""Its version; part of what the step goes by."""
MANGLED, APART = 1, 2
"""What `signs` says of a text: bits."""

_CP1252 = "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"
_LATIN_RUN = re.compile(f"[\u0080-\u00ff{_CP1252}\ufffd]{{2,}}")
_HANZI_RUN = re.compile("[\u4e00-\u9fff]{2,}")
_APART = re.compile("[A-Za-z\u00c0-\u024f\u0400-\u04ff][\u0300-\u036f]+")
_LOST_BYTE = 0xFF  # no encoding of ours uses it, so it decodes to U+FFFD again
_TO_BYTE = (
    {ord(c): c.encode("cp1252")[0] for c in _CP1252}
    | {code: code for code in range(128, 256)}
    | {0xFFFD: _LOST_BYTE}
)
_BLOCK = 64
_LATIN_MIN, _LATIN_PERCENT_MIN = 4, 30
_RARE_MIN, _RARE_PERCENT_MIN = 2, 20
_LOST_PERCENT_MAX = 40
_NATIVE_MAX = 8


def suspects(measures: Measures) -> NDArray[np.bool_]:
    """bool[n]: texts with enough strange characters to be worth reading again as Chinese."""
    accents = total(measures, (ACCENT, MISREAD, INVISIBLE))
    odd = total(measures, (RARE, PRIVATE))
    beyond = total(measures, (*HANZI, KANA, CYRILLIC, PRIVATE))
    read_latin = (accents >= _LATIN_MIN) & (
        accents * 100 >= _LATIN_PERCENT_MIN * (accents + beyond)
    )
    read_gbk = (odd >= _RARE_MIN) & (odd * 100 >= _RARE_PERCENT_MIN * beyond)
    return read_latin | read_gbk


@inner
def _without(data: NDArray[np.uint8], at: int) -> bool:
    """Whether a block of bytes holds no lead of U+00C0 to U+037F but of U+0100 to U+02FF; SIMD."""
    block = data[at : at + _BLOCK]
    odd = np.uint8(0)
    for k in range(_BLOCK):
        odd |= np.uint8((block[k] == 0xC3) | (block[k] == 0xCC) | (block[k] == 0xCD))
    return bool(odd == 0)


@inner
def _sign(data: NDArray[np.uint8], at: int) -> int:
    """What the bytes at ``at`` say: `MANGLED`, `APART` or 0."""
    byte, second = data[at], data[at + 1]
    third = data[at + 2] if at + 2 < len(data) else np.uint8(0)
    if byte == 0xCC or (byte == 0xCD and second <= 0xAF):
        return APART
    if byte != 0xC3 or second < 0x82 or second > 0xB4:
        return 0
    continues = third == 0xC2 or third == 0xE2 or third == 0xC5 or third == 0xC6 or third == 0xCB
    return MANGLED if continues else 0


@kernel(TEXT, OFFSETS, U1)
def signs(data: NDArray[np.uint8], offsets: NDArray[np.int64], found: NDArray[np.uint8]) -> None:
    """Write to ``found`` what each text shows: bits `MANGLED` and `APART`.

    The former is what UTF-8 read as Latin-1 or as Windows-1252 always has: a letter of U+00C2 to
    U+00F4 before a character that stands for a byte from 0x80 to 0xBF. Ordinary French has that at
    times, so it is a suspicion and no more. The latter is an accent apart from its letter.
    """
    document, at, end = 0, offsets[0], offsets[-1] - 1
    while at < end:
        while at + _BLOCK <= end and _without(data, at):
            at += _BLOCK
        stop = min(end, at + _BLOCK)
        while at < stop:
            sign = _sign(data, at)
            if sign != 0:
                while offsets[document + 1] <= at:
                    document += 1
                found[document] |= np.uint8(sign)
            at += 1


def reread(text: str) -> tuple[str, str] | None:
    """The text in its right encoding and what had happened; None when no reading is plausible.

    Only characters beyond ASCII are read again, so digits and letters stay as they are. A reading
    may lose characters that the wrong reading had already lost; they become U+FFFD.
    """
    for kind, encoding, errors in _LATIN_READINGS:
        changed, pieces = _read_again(text, encoding, errors)
        if pieces and _believable("".join(pieces)) and _together(pieces, text):
            return changed, kind
        if pieces and kind == "utf8_as_latin1" and errors == "strict":
            again, pieces = _read_again(changed, encoding, errors)
            if pieces and _believable("".join(pieces)) and _together(pieces, text):
                return again, "utf8_twice"
    again = text.encode("gb18030", errors="replace").decode("utf-8", errors="replace")
    if again != text and _believable(again):
        return again, "utf8_as_gbk"
    return None


def mended(text: str) -> str:
    """The text with each line in Latin letters that was misread put right.

    Source: ftfy's `fix_encoding`, which knows what misreadings look like; nothing else of ftfy is
    used, because its other fixes turn Chinese punctuation and quotation marks into those of ASCII.
    """
    return "".join(
        line if line.isascii() else ftfy.fix_encoding(line)
        for line in text.splitlines(keepends=True)
    )


def composed(text: str) -> str:
    """The text with accents put on their letters (NFC of those alone)."""
    return _APART.sub(lambda run: unicodedata.normalize("NFC", run.group()), text)


_LATIN_READINGS = (
    ("utf8_as_latin1", "utf-8", "strict"),
    ("gbk_as_latin1", "gb18030", "strict"),
    ("utf8_as_latin1", "utf-8", "replace"),
)


def _read_again(text: str, encoding: str, errors: str) -> tuple[str, list[str]]:
    """The text with its Latin runs read in another encoding, and what those became."""
    pieces: list[str] = []

    def read(run: re.Match[str]) -> str:
        data = bytes(_TO_BYTE[ord(character)] for character in run.group())
        try:
            pieces.append(data.decode(encoding, errors))
        except UnicodeDecodeError:
            return run.group()
        return pieces[-1]

    return _LATIN_RUN.sub(read, text), pieces


def _together(pieces: list[str], text: str) -> bool:
    """Whether the hanzi that came out stand together, and are no ornament in a text of hanzi.

    Accents of French, read as GBK, become hanzi one by one; those of Chinese stand together. A few
    Latin signs in a Chinese text are a face or a unit, and no Chinese that was misread.
    """
    runs = [len(run) for piece in pieces for run in _HANZI_RUN.findall(piece)]
    ours = sum(1 for piece in pieces for letter in piece if "\u4e00" <= letter <= "\u9fff")
    native = sum(1 for letter in text if "\u4e00" <= letter <= "\u9fff")
    return 2 * sum(runs) >= ours >= min(native, _NATIVE_MAX)


def _believable(text: str) -> bool:
    """Whether it reads as Chinese and most of it is there; the caller judges what is lost."""
    lost = text.count("\ufffd")
    hanzi = sum(1 for character in text if "\u4e00" <= character <= "\u9fff")
    return hanzi > 0 and lost * 100 <= _LOST_PERCENT_MAX * hanzi and plausible(text)
