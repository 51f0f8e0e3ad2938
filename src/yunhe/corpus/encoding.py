"""Which encoding bytes are in, and what can be saved of bytes that are in none."""

from __future__ import annotations

from functools import cache

import numpy as np

CLEAN, RECOVERED, DAMAGED = 0, 1, 2
"""What reading says of one row: as it should be; written in GB18030; bytes lost."""

PLAUSIBLE_PERCENT = 70
"""Share of common characters from which text counts as Chinese; own judgement, see `commonness`."""


@cache
def commonness() -> np.ndarray:
    """bool[65536]: characters that ordinary modern Chinese text is made of.

    The 3,755 hanzi of GB 2312 level 1 and the punctuation of its rows 1 and 3. Text read in a wrong
    encoding falls among rare hanzi and Latin letters with accents instead.
    Source: GB/T 2312-1980, rows 1, 3 and 16 to 55.
    """
    table = np.zeros(65536, np.bool_)
    for lead in (0xA1, 0xA3, *range(0xB0, 0xD8)):
        cells = bytes(byte for trail in range(0xA1, 0xFF) for byte in (lead, trail))
        for character in cells.decode("gb2312", errors="ignore"):
            table[ord(character)] = True
    return table


def plausible(text: str) -> bool:
    """Whether most characters beyond ASCII are common Chinese ones; False when there are none."""
    table = commonness()
    beyond = [ord(character) for character in text if character > "\x7f" and character != "\ufffd"]
    common = sum(1 for code in beyond if code < 65536 and table[code])
    return bool(beyond) and common * 100 >= PLAUSIBLE_PERCENT * len(beyond)


def recover(data: bytes, *, encoding: str = "utf-8") -> tuple[str, int]:
    """The text of one row and what happened to it: `CLEAN`, `RECOVERED` or `DAMAGED`.

    A row that is not in the file's encoding is taken for GB18030 if that makes it plausibly
    Chinese; otherwise each lost byte becomes U+FFFD.
    """
    try:
        return data.decode(encoding), CLEAN
    except UnicodeDecodeError:
        pass
    for other in ("utf-8", "gb18030"):
        try:
            text = data.decode(other)
        except UnicodeDecodeError:
            continue
        if plausible(text):
            return text, RECOVERED
    return data.decode(encoding, errors="replace"), DAMAGED


def detect(head: bytes) -> str:
    """``utf-8``, ``gb18030`` or ``utf-16`` (by its mark) for a file that starts with ``head``.

    Lines beyond ASCII vote by their length: a file in UTF-8 with some damage stays UTF-8, and its
    damaged rows are dealt with one by one.
    """
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    lines = [line for line in head.split(b"\n") if not line.isascii()]
    votes = {"utf-8": 0, "gb18030": 0}
    for position, line in enumerate(lines):
        kept = (
            line if position < len(lines) - 1 else line[:-4]
        )  # the head may end within a character
        _, state = recover(kept)
        if state != DAMAGED or position < len(lines) - 1:
            votes["gb18030" if state == RECOVERED else "utf-8"] += len(kept)
    return "gb18030" if votes["gb18030"] > votes["utf-8"] else "utf-8"
