"""Characters of UTF-8 text as folded codes, and the hashes of their runs."""

from __future__ import annotations

import numpy as np

from yunhe.native.compiled import inner

UPPER, LOWER, DIGIT = 65, 97, 48
"""What every capital, every small letter and every digit is read as by a tagger."""
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_SECOND = np.uint64(0xBF58476D1CE4E5B9)


@inner
def _byte(data: np.ndarray, at: int) -> int:
    return np.int64(data[at])  # type: ignore[return-value]


@inner
def character(data: np.ndarray, at: int) -> tuple[int, int]:
    """The code point that starts at byte ``at`` of valid UTF-8, and how many bytes it has."""
    lead = _byte(data, at)
    if lead < 0x80:
        return lead, 1
    if lead < 0xE0:
        return (lead & 0x1F) << 6 | _byte(data, at + 1) & 0x3F, 2
    middle = _byte(data, at + 1) & 0x3F
    if lead < 0xF0:
        return (lead & 0x0F) << 12 | middle << 6 | _byte(data, at + 2) & 0x3F, 3
    high = (lead & 0x07) << 18 | middle << 12
    return high | (_byte(data, at + 2) & 0x3F) << 6 | _byte(data, at + 3) & 0x3F, 4


@inner
def half_width(code: int) -> int:
    """Full-width ASCII and the wide space read as ASCII; everything else as it is."""
    if 0xFF01 <= code <= 0xFF5E:
        return code - 0xFEE0
    return 32 if code == 0x3000 else code


@inner
def scrambled(value: int | np.uint64) -> np.uint64:
    """Sixty-four bits scrambled one to one (SplitMix64's finaliser in short)."""
    mixed = np.uint64(value) * _GOLDEN
    mixed ^= mixed >> np.uint64(29)
    mixed *= _SECOND
    return mixed ^ (mixed >> np.uint64(32))
