"""Text that was read in a wrong encoding, found by its rare characters and read again."""

from __future__ import annotations

import re
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from yunhe.corpus.encoding import plausible
from yunhe.corpus.kernels.joined import OUTSIDE

KINDS = ("utf8_as_latin1", "gbk_as_latin1", "utf8_as_gbk")
"""What had happened to a text: UTF-8 or GBK read as Latin-1, UTF-8 read as GBK."""

_CP1252 = "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"
_LATIN_RUN = re.compile(f"[\u0080-\u00ff{_CP1252}\ufffd]{{2,}}")
_LOST_BYTE = 0xFF  # no encoding of ours uses it, so it decodes to U+FFFD again
_TO_BYTE = (
    {ord(c): c.encode("cp1252")[0] for c in _CP1252}
    | {code: code for code in range(128, 256)}
    | {0xFFFD: _LOST_BYTE}
)
_LATIN_MIN, _LATIN_PERCENT_MIN = 4, 30
_RARE_MIN, _RARE_PERCENT_MIN = 2, 30
_LOST_PERCENT_MAX = 40


@cache
def _suspicious() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """bool[65536] twice: accented Latin letters; hanzi outside GB 2312, typical of misread text."""
    latin = np.zeros(65536, np.bool_)
    latin[0x80:0x100] = True
    rare = np.zeros(65536, np.bool_)
    rare[0x3400:0xA000] = True
    rare[0xE000:0xF900] = True  # GB18030 maps unassigned pairs to the private area
    cells = bytes(
        b for lead in range(0xB0, 0xF8) for trail in range(0xA1, 0xFF) for b in (lead, trail)
    )
    rare[[ord(character) for character in cells.decode("gb2312", errors="ignore")]] = False
    return latin, rare


def suspects(codes: NDArray[np.uint16], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64[k]: documents with enough strange characters to be worth reading again.

    Shapes: ``codes``: uint16[m]; ``starts``: int64[n + 1], each document ending in a separator.
    """
    if len(starts) < 2:
        return np.empty(0, np.int64)
    latin, rare = _suspicious()
    beyond = np.add.reduceat(codes > 0x7F, starts[:-1], dtype=np.int64)
    accents = np.add.reduceat(latin[codes], starts[:-1], dtype=np.int64)
    odd = np.add.reduceat(rare[codes] | (codes == OUTSIDE), starts[:-1], dtype=np.int64)
    read_latin = (accents >= _LATIN_MIN) & (accents * 100 >= _LATIN_PERCENT_MIN * beyond)
    read_gbk = (odd >= _RARE_MIN) & (odd * 100 >= _RARE_PERCENT_MIN * beyond)
    return np.flatnonzero(read_latin | read_gbk)


def reread(text: str) -> tuple[str, str] | None:
    """The text in its right encoding and what had happened; None when no reading is plausible.

    Only characters beyond ASCII are read again, so digits and letters stay as they are. A reading
    may lose characters that the wrong reading had already lost; they become U+FFFD.
    """
    for kind, encoding, errors in _LATIN_READINGS:
        changed = _LATIN_RUN.sub(partial(_as, encoding=encoding, errors=errors), text)
        if changed != text and _believable(changed):
            return changed, kind
    again = text.encode("gb18030", errors="replace").decode("utf-8", errors="replace")
    if again != text and _believable(again):
        return again, "utf8_as_gbk"
    return None


_LATIN_READINGS = (
    ("utf8_as_latin1", "utf-8", "strict"),
    ("gbk_as_latin1", "gb18030", "strict"),
    ("utf8_as_latin1", "utf-8", "replace"),
)


def _as(run: re.Match[str], *, encoding: str, errors: str) -> str:
    data = bytes(_TO_BYTE[ord(character)] for character in run.group())
    try:
        return data.decode(encoding, errors)
    except UnicodeDecodeError:
        return run.group()


def _believable(text: str) -> bool:
    """Whether it reads as Chinese and most of it is there; the caller judges what is lost."""
    lost = text.count("\ufffd")
    hanzi = sum(1 for character in text if "\u4e00" <= character <= "\u9fff")
    return hanzi > 0 and lost * 100 <= _LOST_PERCENT_MAX * hanzi and plausible(text)
