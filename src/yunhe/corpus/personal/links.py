"""Links and code, blanked before the scan: most phone-shaped numbers in real text lie in links."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

BLANK = 0x01
"""What a blanked character is read as: no pattern matches it, and it is no digit's neighbour."""

# A link ends at the first character that is no ASCII, so the Chinese after it is never part of it;
# it also ends at a comma, quote or bracket, which in running text more often follow a link than
# belong to it.
_LINK_CHARACTERS = r"A-Za-z0-9\-._~:/?#@!$&*+=%|\[\]"
_LINK = re.compile(rf"[HhFfWw](?:[A-Za-z]{{1,4}}://|[Ww]{{2}}\.)[{_LINK_CHARACTERS}]+")
_DOMAIN = re.compile(
    r"\.(?:com|cn|net|org|io|gov|edu|cc|top|info|me|tv)(?::[0-9]{2,5})?/"
    rf"[{_LINK_CHARACTERS}]*"
)
_CODE = re.compile(r"`(?:``[^`\x00]*```|[^`\n\x00]{1,200}`)")
_HOST = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-"
_HOST_MAX = 100
_HAN = re.compile("[\u4e00-\u9fff]")


def blank(text: str, codes: NDArray[np.uint16]) -> None:
    """Overwrite links and code in ``codes`` (uint16[len(text)]) with `BLANK`.

    Works on the text itself, not its shadow: there a full-width comma would look like part of a
    link. Code in single backquotes that holds hanzi is taken for a quotation and stays.
    """
    for found in _LINK.finditer(text):
        codes[found.start() : found.end()] = BLANK
    for found in _DOMAIN.finditer(text):
        before = text[max(0, found.start() - _HOST_MAX) : found.start()]
        host = len(before) - len(before.rstrip(_HOST))
        if not before[: len(before) - host].endswith("@"):
            codes[found.start() - host : found.end()] = BLANK
    for found in _CODE.finditer(text):
        if text.startswith("```", found.start()) or not _HAN.search(found.group()):
            codes[found.start() : found.end()] = BLANK
