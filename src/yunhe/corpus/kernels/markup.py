"""Texts that may hold leftovers of HTML: one look for what begins an entity or a tag."""

# ruff: noqa: PLR1714 - in a kernel each comparison costs, a tuple more

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from yunhe.native.compiled import OFFSETS, TEXT, U1, inner, kernel

_BLOCK = 64
ENTITY, TAG, CODE = 1, 2, 4
"""What `marks` says of a text: bits. CODE: it quotes or indents code, so a tag may be its
subject."""


@inner
def _plain(data: NDArray[np.uint8], at: int) -> bool:
    """Whether a block of bytes holds neither ``&`` nor ``<`` nor a backtick; for SIMD."""
    block = data[at : at + _BLOCK]
    odd = np.uint8(0)
    for k in range(_BLOCK):
        odd |= np.uint8((block[k] == 0x26) | (block[k] == 0x3C) | (block[k] == 0x60))
    return bool(odd == 0)


@inner
def _mark(byte: int, following: int) -> int:
    """What two bytes begin."""
    letter = (following | 0x20) >= 0x61 and (following | 0x20) <= 0x7A
    if byte == 0x60:
        return CODE
    if byte == 0x26 and (letter or following == 0x23):
        return ENTITY
    return TAG if byte == 0x3C and (letter or following == 0x2F or following == 0x21) else 0


@kernel(TEXT, OFFSETS, U1)
def marks(data: NDArray[np.uint8], offsets: NDArray[np.int64], found: NDArray[np.uint8]) -> None:
    """Write to ``found`` (uint8[n]) what each text may hold."""
    for document in range(len(offsets) - 1):
        at, end = offsets[document], offsets[document + 1] - 1
        while at < end:
            while at + _BLOCK <= len(data) and at < end and _plain(data, at):
                at += _BLOCK
            stop = min(end, at + _BLOCK)
            while at < stop:
                byte = data[at]
                if byte == 0x26 or byte == 0x3C or byte == 0x60:
                    found[document] |= np.uint8(_mark(byte, data[at + 1]))
                at += 1
