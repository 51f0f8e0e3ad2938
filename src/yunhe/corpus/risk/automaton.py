"""Builds the automaton of a list of words, level by level, and looks for them in texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from yunhe.corpus.kernels.keywords import (
    EDGES,
    END_BOUND,
    FAIL,
    FIELDS,
    FIRST,
    GAP,
    HIT,
    INVISIBLE,
    LAST,
    LENGTH,
    OTHER,
    OUT,
    START_BOUND,
    WORD,
    find_words,
)
from yunhe.corpus.kernels.utf8 import Utf8
from yunhe.corpus.risk import fold

SYMBOLS_MAX = 0xFFFF - OTHER
"""Different characters that all words together may have."""
_PAIR_BITS_MIN, _BITS_PER_PAIR = 1 << 12, 32
_HITS_FIRST, _BYTES_PER_HIT = 1 << 10, 256
_ASCII_ALPHANUMERIC = np.array([chr(code).isalnum() and code < 128 for code in range(128)])


@dataclass(frozen=True, slots=True)
class Hits:
    """Where words were found, as columns, by text and end."""

    texts: NDArray[np.int64]
    """Which text."""
    starts: NDArray[np.int64]
    """First byte, in the buffer of all texts."""
    ends: NDArray[np.int64]
    """One past the last byte."""
    words: NDArray[np.int64]
    """Which word."""


@dataclass(frozen=True, slots=True)
class Automaton:
    """What `find_words` reads; any number of threads may at once."""

    symbols: NDArray[np.uint16]
    """uint16[0x110000]: the symbol of each code point."""
    pairs: NDArray[np.uint8]
    """uint8[a power of two]: the filter, one bit for each hash of a pair of symbols."""
    nodes: NDArray[np.int32]
    """int32[k * FIELDS]: the nodes, level after level."""
    labels: NDArray[np.uint16]
    """uint16[k]: the symbol that leads to each node."""

    def find(self, texts: Utf8) -> Hits:
        """Every occurrence. Cost: linear in the bytes; again as much if hits are very many."""
        capacity = _HITS_FIRST + int(texts.offsets[-1] - texts.offsets[0]) // _BYTES_PER_HIT
        while True:
            found = np.empty(capacity * HIT, np.int64)
            count = int(
                find_words(
                    texts.data,
                    texts.offsets,
                    self.symbols,
                    self.pairs,
                    self.nodes,
                    self.labels,
                    found,
                )
            )
            if count <= capacity:
                return Hits(*found[: count * HIT].reshape(count, HIT).T)
            capacity = count


def build(words: Sequence[str], *, gaps: str) -> Automaton:
    """The automaton of words whose `fold.keys` differ and have 2 to LETTERS_MAX letters.

    ``gaps``: one of `fold.GAPS`. Errors: ``ValueError`` when they have more different characters
    than there are symbols. Cost: about 10 µs a word.
    """
    codes, starts = fold.letters(words, gaps)
    lengths = np.diff(starts)
    symbol_of = _symbols(codes, starts[:-1])
    flat = symbol_of[codes].astype(np.int64)
    keys, levels, ends = _trie(flat, starts, lengths)
    nodes = np.zeros((len(keys) + 1, FIELDS), np.int32)
    parents = keys >> 16
    labels = np.concatenate([[0], keys & 0xFFFF]).astype(np.uint16)
    children = np.searchsorted(parents, np.arange(len(keys) + 2))
    nodes[:, FIRST], nodes[:, LAST] = children[:-1] + 1, children[1:] + 1
    nodes[:, WORD] = -1
    nodes[ends, WORD] = np.arange(len(words))
    nodes[ends, LENGTH] = lengths
    nodes[ends, EDGES] = _edges(codes, starts)
    _fall_back(nodes, keys, levels)
    pairs = _pairs(nodes, labels, levels)
    return Automaton(_table(symbol_of, gaps), pairs, nodes.reshape(-1), labels)


def _symbols(codes: NDArray[np.uint32], heads: NDArray[np.int64]) -> NDArray[np.uint16]:
    """Folded code point → symbol; first letters come first, in order, as their nodes do."""
    first = np.unique(codes[heads])
    rest = np.setdiff1d(codes, first)
    if len(first) + len(rest) > SYMBOLS_MAX:
        raise ValueError(len(first) + len(rest))
    table = np.full(fold.CODES, OTHER, np.uint16)
    ordered = np.concatenate([first, rest])
    table[ordered] = np.arange(OTHER + 1, OTHER + 1 + len(ordered))
    return table


def _trie(
    flat: NDArray[np.int64], starts: NDArray[np.int64], lengths: NDArray[np.int64]
) -> tuple[NDArray[np.int64], list[int], NDArray[np.int64]]:
    """Of each node but the root parent << 16 | symbol, in order; levels' ends; each word's node."""
    at = np.zeros(len(lengths), np.int64)
    keys: list[NDArray[np.int64]] = []
    levels = [1]
    for depth in range(int(lengths.max(initial=0))):
        deep = np.flatnonzero(lengths > depth)
        wanted = (at[deep] << 16) | flat[starts[deep] + depth]
        new, inverse = np.unique(wanted, return_inverse=True)
        at[deep] = levels[-1] + inverse
        keys.append(new)
        levels.append(levels[-1] + len(new))
    return np.concatenate([np.empty(0, np.int64), *keys]), levels, at


def _edges(codes: NDArray[np.uint32], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Edges with an ASCII letter or digit must not go on: the word "ass" is not in "class"."""
    plain = _ASCII_ALPHANUMERIC[np.minimum(codes, 127)] & (codes < 127)
    if not len(codes):
        return np.empty(0, np.int64)
    return plain[starts[:-1]] * START_BOUND + plain[starts[1:] - 1] * END_BOUND


def _fall_back(nodes: NDArray[np.int32], keys: NDArray[np.int64], levels: Sequence[int]) -> None:
    """Fill in where the walk goes on when a symbol does not fit, and which words end there too."""
    fail, out = np.zeros(len(nodes), np.int64), np.zeros(len(nodes), np.int64)
    for first, end in pairwise(levels[1:]):
        mine = np.arange(first, end)
        symbol = keys[mine - 1] & 0xFFFF
        at = fail[keys[mine - 1] >> 16]
        open_ = np.ones(len(mine), np.bool_)
        while open_.any():
            wanted = (at[open_] << 16) | symbol[open_]
            place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
            there = keys[place] == wanted
            still = np.flatnonzero(open_)
            fail[mine[still[there]]] = place[there] + 1
            open_[still[there]] = False
            stuck = still[~there]
            open_[stuck[at[stuck] == 0]] = False
            at[stuck] = fail[at[stuck]]
        out[mine] = np.where(nodes[fail[mine], WORD] >= 0, fail[mine], out[fail[mine]])
    nodes[:, FAIL], nodes[:, OUT] = fail, out


def _pairs(
    nodes: NDArray[np.int32], labels: NDArray[np.uint16], levels: Sequence[int]
) -> NDArray[np.uint8]:
    """The filter: a bit for every pair of symbols that begins a word."""
    deep = np.arange(levels[1], levels[2]) if len(levels) > 2 else np.empty(0, np.int64)
    bits = max(_PAIR_BITS_MIN, 1 << int(len(deep) * _BITS_PER_PAIR).bit_length())
    heads = nodes[: levels[min(1, len(levels) - 1)], LAST]
    parents = np.searchsorted(heads, deep, side="right").astype(np.int64)
    first, second = labels[parents].astype(np.int64), labels[deep].astype(np.int64)
    places = ((first * 0x9E3779B1 + second * 0x85EBCA77) >> 13) & (bits - 1)
    table = np.zeros(bits >> 3, np.uint8)
    np.bitwise_or.at(table, places >> 3, (1 << (places & 7)).astype(np.uint8))
    return table


def _table(symbol_of: NDArray[np.uint16], gaps: str) -> NDArray[np.uint16]:
    """Every code point's symbol, through the fold."""
    folded = fold.folded()
    table = symbol_of[folded]
    table[fold.gaps(gaps)[folded]] = GAP
    table[folded == INVISIBLE] = INVISIBLE
    return table
