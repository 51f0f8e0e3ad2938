"""Finds the words of a library in texts: an Aho–Corasick automaton behind a filter of pairs.

Texts are read as symbols: every character has one, and characters that the library's fold takes for
the same (case, width) share it. As long as no two neighbours begin a word, a character costs two
loads; only behind such a pair does the automaton walk. Linear in the text for every library: the
walk goes back no more often than it went forward, and at one place at most `LETTERS_MAX` words end.

Source: Aho, Corasick, Efficient string matching, CACM 18 (1975).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from yunhe.native.compiled import I4, I8, OFFSETS, TEXT, U1, U2, inner, kernel

LETTERS_MAX = 64
"""Letters of the longest word; a power of two."""
GAP_MAX = 3
"""Most characters in a row that may stand inside a word, so that no word is put together from two
paragraphs."""
INVISIBLE, GAP, OTHER = 0, 1, 2
"""Symbols of characters that are not there, that may stand inside a word, and of no word."""
FIRST, LAST, FAIL, OUT, WORD, LENGTH, EDGES = range(7)
"""Fields of a node: its children from … to before …, the node of the longest proper ending that
begins a word, the next ending that is one, its own word or -1, its letters, edges to check.
"""
FIELDS = 8
"""Room for the fields of a node: half a line of the cache."""
START_BOUND, END_BOUND = 1, 2
"""Edges where no ASCII letter or digit may touch the word."""
HIT = 4
"""Fields of a hit: text, first byte, one past the last byte, word."""
Text = NDArray[np.uint8]
Nodes = NDArray[np.int32]
Symbols = NDArray[np.uint16]
Places = NDArray[np.int64]


@inner
def character(data: Text, at: np.int64) -> tuple[np.int64, np.int64]:
    """The code point that begins there, and one past its last byte."""
    byte = np.int64(data[at])
    if byte < 0x80:
        return byte, at + 1
    second = np.int64(data[at + 1]) & 0x3F
    if byte < 0xE0:
        return ((byte & 0x1F) << 6) | second, at + 2
    third = np.int64(data[at + 2]) & 0x3F
    if byte < 0xF0:
        return ((byte & 0x0F) << 12) | (second << 6) | third, at + 3
    fourth = np.int64(data[at + 3]) & 0x3F
    return ((byte & 0x07) << 18) | (second << 12) | (third << 6) | fourth, at + 4


@inner
def begins(pairs: Text, first: np.int64, second: np.int64) -> bool:
    """Whether a pair of symbols may begin a word; sometimes yes where none does, never no."""
    bit = ((first * 0x9E3779B1 + second * 0x85EBCA77) >> 13) & (len(pairs) * 8 - 1)
    return bool((pairs[bit >> 3] >> (bit & 7)) & 1)


@inner
def child(nodes: Nodes, labels: Symbols, node: np.int64, symbol: np.int64) -> np.int64:
    """The node that a symbol leads to; 0 for none."""
    low = np.int64(nodes[node * FIELDS + FIRST])
    count = np.int64(nodes[node * FIELDS + LAST]) - low
    if not count:
        return np.int64(0)
    while count > 1:
        half = count >> 1
        low += half if labels[low + half] <= symbol else 0
        count -= half
    return low if labels[low] == symbol else np.int64(0)


@inner
def skipped(data: Text, begin: np.int64, end: np.int64, symbols: Symbols) -> np.int64:
    """Where the next character lies that is not ASCII or belongs to a word."""
    while begin < end and data[begin] < 0x80 and symbols[data[begin]] <= OTHER:
        begin += 1
    return begin


@inner
def walked(nodes: Nodes, labels: Symbols, node: np.int64, symbol: np.int64) -> np.int64:
    """The node of the longest ending, of what was read, that begins a word.

    0 when that has less than two letters: then the filter knows as much.
    """
    roots = nodes[LAST] - 1
    while node > roots:
        found = child(nodes, labels, node, symbol)
        if found:
            return found
        node = np.int64(nodes[node * FIELDS + FAIL])
    return np.int64(0)


@inner
def alphanumeric(byte: np.int64) -> bool:
    """Whether it is an ASCII letter or digit."""
    lower = byte | 0x20
    return bool((lower >= 0x61 and lower <= 0x7A) or (byte >= 0x30 and byte <= 0x39))


@inner
def noted(data: Text, nodes: Nodes, node: np.int64, hit: Places, found: Places) -> None:
    """Add the words that end here.

    ``hit`` holds the count, the text, its bounds, the end, letters read since the walk began and,
    from 8 on, where the last LETTERS_MAX of them begin.
    """
    while node:
        row = node * FIELDS
        if nodes[row + WORD] >= 0:
            first, end = hit[8 + ((hit[5] - nodes[row + LENGTH]) & (LETTERS_MAX - 1))], hit[4]
            edges = nodes[row + EDGES]
            touched = edges & START_BOUND and first > hit[2] and alphanumeric(data[first - 1])
            touched |= edges & END_BOUND and end < hit[3] and alphanumeric(data[end])
            if not touched:
                place = hit[0] * HIT
                if place < len(found):
                    found[place] = hit[1]
                    found[place + 1] = first
                    found[place + 2] = end
                    found[place + 3] = nodes[row + WORD]
                hit[0] += 1
        node = np.int64(nodes[row + OUT])


@inner
def scan(
    data: Text,
    symbols: Symbols,
    pairs: Text,
    nodes: Nodes,
    labels: Symbols,
    hit: Places,
    found: Places,
) -> None:
    """One text; ``hit`` as `noted` has it."""
    begin, end, roots = hit[2], hit[3], nodes[LAST] - 1
    before, before_at, node, gap = np.int64(OTHER), np.int64(0), np.int64(0), 0
    while begin < end:
        if before == OTHER and data[begin] < 0x80:
            begin = skipped(data, begin, end, symbols)
            if begin == end:
                return
        at = begin
        code, begin = character(data, at)
        symbol = np.int64(symbols[code])
        if symbol <= OTHER:
            gap += symbol == GAP
            if symbol == OTHER or gap > GAP_MAX:
                before, node = np.int64(OTHER), np.int64(0)
            continue
        gap = 0
        if node:
            node = walked(nodes, labels, node, symbol)
            hit[8 + (hit[5] & (LETTERS_MAX - 1))] = at
            hit[5] += 1
        if not node and before != OTHER and begins(pairs, before, symbol):
            if before - OTHER <= roots:
                node = child(nodes, labels, before - OTHER, symbol)
            hit[8], hit[9], hit[5] = before_at, at, 2
        before, before_at = symbol, at
        if node:
            hit[4] = begin
            noted(data, nodes, node, hit, found)


@kernel(TEXT, OFFSETS, U2, U1, I4, U2, I8)
def find_words(
    data: Text,
    offsets: Places,
    symbols: Symbols,
    pairs: Text,
    nodes: Nodes,
    labels: Symbols,
    found: Places,
) -> np.int64:
    """Write every occurrence of every word to ``found``; returns how many there are.

    Shapes: ``symbols``: uint16[0x110000]; ``pairs``: uint8[a power of two]; ``nodes``:
    int32[k * FIELDS], level after level, children side by side, the first letters' symbols in the
    order of their nodes from OTHER + 1; ``labels``: uint16[k], what leads to each; ``found``:
    int64[capacity * HIT]: of more occurrences than it holds, the rest is only counted.
    """
    hit = np.zeros(8 + LETTERS_MAX, np.int64)
    for document in range(len(offsets) - 1):
        hit[1], hit[2], hit[3] = document, offsets[document], offsets[document + 1]
        scan(data, symbols, pairs, nodes, labels, hit, found)
    return np.int64(hit[0])
