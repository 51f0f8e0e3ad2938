"""A length-preserving shadow of a text: full width read as half width, place by place.

Patterns match on a shadow and their offsets hold in the text, because every character maps to
exactly one. NFKC is never applied: it changes lengths, and only one Chinese document in ten
survives it unchanged.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.uint16]
"""uint16[65536]: what each character of the basic plane is read as."""

_SPACES = "\u00a0\u2002\u2003\u2007\u2009\u200b\u200c\u200d\u202f\u2060\u3000\ufeff\t"
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u30fc\uff0d\ufe63\ufe58"
_DOTS = "\u00b7\u2022\u2027\u30fb\uff65\u2219\u22c5"
NUMERALS = "〇零○一壹幺二贰两三叁四肆五伍六陆七柒八捌九玖"
"""Chinese numerals that stand for one digit each when a number is spelt out."""


@cache
def half_width() -> Table:
    """Full-width ASCII as ASCII, all spaces as a space, dashes as ``-``, middle dots as ``·``."""
    table = np.arange(65536, dtype=np.uint16)
    table[0xFF01:0xFF5F] = np.arange(0x21, 0x7F)
    for characters, plain in ((_SPACES, " "), (_DASHES, "-"), (_DOTS, "·")):
        for character in characters:
            table[ord(character)] = ord(plain)
    return table
