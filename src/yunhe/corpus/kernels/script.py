"""Simplified and traditional script: OpenCC's tables as arrays, and two kernels that read them.

Phrases are taken as the package takes them: of all that a text holds, the longest first, of equally
long ones the first, none over another; characters between them one by one. A value is as long as
its key, so places in characters hold after a conversion.
"""

# ruff: noqa: PLR0913, PLR0917 - a kernel takes each array by itself

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from yunhe.corpus.kernels import opencc
from yunhe.corpus.kernels.edits import copied
from yunhe.corpus.kernels.grams import character
from yunhe.corpus.kernels.opencc import Direction
from yunhe.corpus.kernels.utf8 import Utf8, frozen, large_strings
from yunhe.native.compiled import I4, I8, OFFSETS, TEXT, U1, U8, inner, kernel

CODES: Final = 0x40000
"""Code points in the tables; OpenCC's end at U+3134A."""
Whole = int | np.int64
"""A whole number, by itself or out of an array; a kernel sees no difference."""


class Tables(NamedTuple):
    """What the kernels read; all arrays are shared between threads and not written to."""

    flags: NDArray[np.uint8]
    """uint8[CODES]: 1 for a character that converts by itself, 2 for others that begin a phrase."""
    becomes: NDArray[np.int32]
    """int32[CODES]: the character's own conversion, itself if it has none."""
    begins: NDArray[np.int32]
    """int32[CODES]: the trie's node after the first character of a phrase; 0 for none."""
    keys: NDArray[np.uint64]
    """uint64[2^k]: (node, character) + 1 of each edge of the trie, by open addressing; 0: free."""
    nodes: NDArray[np.int32]
    """int32[2^k]: the node where the edge leads."""
    values: NDArray[np.int32]
    """int32[nodes + 1]: where in ``written`` the phrase that ends in a node begins; -1: none."""
    written: NDArray[np.int32]
    """int32[m]: the phrases' conversions, character by character."""


@cache
def tables(direction: Direction) -> Tables:
    """The arrays of one direction. Cost: 0.05 s for t2s, half a second for s2t, once."""
    becomes = np.arange(CODES, dtype=np.int32)
    for key, value in opencc.characters(direction).items():
        becomes[ord(key)] = ord(value)
    begins = np.zeros(CODES, np.int32)
    edges: dict[tuple[int, int], int] = {}
    ends: dict[int, int] = {}
    written: list[int] = []
    count = 0
    for key, value in opencc.phrases(direction).items():
        node = 0
        for letter in map(ord, key):
            following = edges.get((node, letter))
            if following is None:
                count += 1
                following = edges[node, letter] = count
            node = following
        begins[ord(key[0])] = edges[0, ord(key[0])]
        ends[node] = len(written)
        written += map(ord, value)
    values = np.full(count + 1, -1, np.int32)
    values[list(ends)] = list(ends.values())
    keys, nodes = _hashed({edge: node for edge, node in edges.items() if edge[0]})
    flags = np.where(begins != 0, 2, 0).astype(np.uint8)
    flags[becomes != np.arange(CODES)] = 1
    return Tables(frozen(flags), becomes, begins, keys, nodes, values, np.array(written, np.int32))


def _hashed(edges: dict[tuple[int, int], int]) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
    size = 1 << (2 * max(len(edges), 1)).bit_length()
    keys, nodes = [0] * size, np.zeros(size, np.int32)
    for (node, letter), following in edges.items():
        key = (node << 18 | letter) + 1
        slot = (key * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF) >> 40 & (size - 1)
        while keys[slot]:
            slot = (slot + 1) & (size - 1)
        keys[slot], nodes[slot] = key, following
    return np.array(keys, np.uint64), nodes


@inner
def _next(keys: NDArray[np.uint64], nodes: NDArray[np.int32], node: Whole, letter: Whole) -> Whole:
    """The node after one more character; 0 if no phrase goes on so."""
    key = np.uint64((node << 18 | letter) + 1)
    mask = np.uint64(len(keys) - 1)
    slot = ((key * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(40)) & mask
    while keys[slot] != 0:
        if keys[slot] == key:
            return np.int64(nodes[slot])
        slot = (slot + np.uint64(1)) & mask
    return 0


@inner
def _phrase(
    data: NDArray[np.uint8], at: int, end: int, node: Whole, keys: NDArray[np.uint64],
    nodes: NDArray[np.int32], values: NDArray[np.int32],
) -> bool:  # fmt: skip
    """Whether a phrase whose first character led to ``node`` goes on at ``at`` to its end."""
    while node != 0:
        if values[node] >= 0:
            return True
        if at >= end:
            return False
        letter, size = character(data, at)
        node = _next(keys, nodes, node, letter) if letter < CODES else 0
        at += size
    return False


@kernel(TEXT, OFFSETS, TEXT, I4, U8, I4, I4, U1)
def candidates(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    flags: NDArray[np.uint8],
    begins: NDArray[np.int32],
    keys: NDArray[np.uint64],
    nodes: NDArray[np.int32],
    values: NDArray[np.int32],
    found: NDArray[np.uint8],
) -> None:
    """Write 1 to ``found`` for each text that a conversion may change.

    Such a text holds a character that converts by itself, or a phrase.
    """
    for document in range(len(offsets) - 1):
        at, end = offsets[document], offsets[document + 1]
        while at < end:
            lead = np.int64(data[at])
            if lead < 0xE3:
                at += 1 if lead < 0xE0 else 3
                continue
            if lead < 0xF0:
                code = (lead & 0x0F) << 12 | (data[at + 1] & 0x3F) << 6 | (data[at + 2] & 0x3F)
                at += 3
            else:
                code, size = character(data, at)
                at += size
            if code >= CODES or flags[code] == 0:
                continue
            node = np.int64(begins[code])
            if flags[code] == 1 or _phrase(data, at, end, node, keys, nodes, values):
                found[document] = 1
                break


@inner
def _matches(
    codes: NDArray[np.int32], begins: NDArray[np.int32], keys: NDArray[np.uint64],
    nodes: NDArray[np.int32], values: NDArray[np.int32], sizes: NDArray[np.uint64],
) -> int:  # fmt: skip
    """Set bit n of ``sizes[p]`` where a phrase of n characters begins at p; returns the longest."""
    most = 0
    for place in range(len(codes)):
        sizes[place] = 0
        letter = np.int64(codes[place])
        node = np.int64(begins[letter]) if letter < CODES else 0
        size = 1
        while node != 0:
            if values[node] >= 0:
                sizes[place] |= np.uint64(1) << np.uint64(size)
                most = max(most, size)
            if place + size >= len(codes):
                break
            letter = np.int64(codes[place + size])
            node = _next(keys, nodes, node, letter) if letter < CODES else 0
            size += 1
    return most


@inner
def _settled(
    codes: NDArray[np.int32], begins: NDArray[np.int32], keys: NDArray[np.uint64],
    nodes: NDArray[np.int32], values: NDArray[np.int32], written: NDArray[np.int32],
    becomes: NDArray[np.int32], made: NDArray[np.int32],
) -> None:  # fmt: skip
    """Write to ``made`` what each character of ``codes`` becomes: phrases first, then the rest."""
    sizes = np.empty(len(codes), np.uint64)
    most = _matches(codes, begins, keys, nodes, values, sizes)
    made[:] = -1
    for size in range(most, 0, -1):
        for place in range(len(codes) - size + 1):
            if (sizes[place] >> np.uint64(size)) & np.uint64(1) == 0:
                continue
            if made[place] >= 0 or made[place + size - 1] >= 0:
                continue  # no shorter phrase lies over a longer one, and equal ones fill both ends
            node: Whole = np.int64(begins[codes[place]])
            for k in range(1, size):
                node = _next(keys, nodes, node, np.int64(codes[place + k]))
            for k in range(size):
                made[place + k] = written[values[node] + k]
    for place in range(len(codes)):
        if made[place] < 0:
            code = codes[place]
            made[place] = becomes[code] if code < CODES else code


@inner
def _write(out: NDArray[np.uint8], at: int, code: Whole) -> int:
    """Write one character in UTF-8; returns where the next begins."""
    if code < 0x80:
        out[at] = code
        return at + 1
    if code < 0x800:
        out[at], out[at + 1] = 0xC0 | code >> 6, 0x80 | code & 0x3F
        return at + 2
    if code < 0x10000:
        out[at], out[at + 1] = 0xE0 | code >> 12, 0x80 | (code >> 6) & 0x3F
        out[at + 2] = 0x80 | code & 0x3F
        return at + 3
    out[at], out[at + 1] = 0xF0 | code >> 18, 0x80 | (code >> 12) & 0x3F
    out[at + 2], out[at + 3] = 0x80 | (code >> 6) & 0x3F, 0x80 | code & 0x3F
    return at + 4


@kernel(TEXT, OFFSETS, I4, I4, U8, I4, I4, I4, U1, U1, I8)
def convert(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    becomes: NDArray[np.int32],
    begins: NDArray[np.int32],
    keys: NDArray[np.uint64],
    nodes: NDArray[np.int32],
    values: NDArray[np.int32],
    written: NDArray[np.int32],
    found: NDArray[np.uint8],
    out: NDArray[np.uint8],
    moved: NDArray[np.int64],
) -> None:
    """Write all texts to ``out``, those of ``found`` converted, and their offsets to ``moved``.

    Where nothing changed, ``found`` becomes 0. ``out`` must hold 4 bytes for 3 of the texts.
    """
    done = 0
    moved[0] = 0
    for document in range(len(offsets) - 1):
        at, end = offsets[document], offsets[document + 1]
        if found[document] == 0:
            done = copied(data, at, end, out, done)
        else:
            codes, count = np.empty(end - at, np.int32), 0
            while at < end:
                codes[count], size = character(data, at)
                count += 1
                at += size
            codes, made = codes[:count], np.empty(count, np.int32)
            _settled(codes, begins, keys, nodes, values, written, becomes, made)
            found[document] = 0
            for place in range(count):
                if made[place] != codes[place]:
                    found[document] = 1
                done = _write(out, done, np.int64(made[place]))
        moved[document + 1] = done


def converted(
    texts: Utf8, direction: Direction
) -> tuple[pa.LargeStringArray | None, NDArray[np.uint8]]:
    """The texts in the other script, and uint8[n]: 1 for each that changed.

    None for no texts where none did. Cost: 1.6 ns a byte of text that has nothing to convert.
    """
    read = tables(direction)
    found = np.zeros(len(texts.offsets) - 1, np.uint8)
    trie = (read.begins, read.keys, read.nodes, read.values)
    candidates(texts.data, texts.offsets, read.flags, *trie, found)
    if not found.any():
        return None, found
    size = int(texts.offsets[-1] - texts.offsets[0])
    out, moved = np.empty(size + size // 3 + 4, np.uint8), np.empty(len(texts.offsets), np.int64)
    convert(texts.data, texts.offsets, read.becomes, *trie, read.written, found, out, moved)
    return (large_strings(out, moved) if found.any() else None), found
