"""The tree of the log: append, root and proofs over a store that holds complete subtrees only.

A node ``(level, index)`` is the root over leaves ``index·2^level … (index+1)·2^level - 1``. Once
all of them exist its hash never changes, so nodes are written once; the ragged right edge is
computed.

Source: RFC 6962 §2.1 (MTH, PATH, PROOF). The checking side is `verifier`, which stands alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import reduce
from hashlib import sha256
from typing import Protocol

from yunhe.custody.verifier import node_hash

Node = tuple[int, int]
"""Level (0 for a leaf) and index on that level."""
Path = list[tuple[Node, ...]]
"""A proof before its hashes are known: for each element the complete subtrees it consists of."""
EMPTY_ROOT = sha256(b"").digest()
"""Root of the tree without leaves."""


class NodeReader(Protocol):
    """Where the hashes of complete subtrees are kept."""

    def read(self, nodes: Collection[Node]) -> Mapping[Node, bytes]:
        """The hash of every node asked for; raises when one is not there."""
        ...


class Frontier:
    """The right edge of a growing tree: all that appending needs, log2(size) hashes."""

    def __init__(self, size: int = 0, edge: Sequence[bytes] = ()) -> None:
        """``edge``: hashes of the complete subtrees that make up the tree, left to right."""
        self.size = size
        self._edge = list(edge)

    @classmethod
    def load(cls, reader: NodeReader, size: int) -> Frontier:
        """The edge of the first ``size`` leaves."""
        nodes = _cover(0, size)
        known = reader.read(nodes)
        return cls(size, [known[node] for node in nodes])

    def append(self, leaf: bytes) -> list[tuple[Node, bytes]]:
        """Add a leaf hash; returns the subtrees it completes, the leaf itself first."""
        index, level = self.size, 0
        completed = [((0, index), leaf)]
        while index & 1:
            leaf = node_hash(self._edge.pop(), leaf)
            index, level = index >> 1, level + 1
            completed.append(((level, index), leaf))
        self._edge.append(leaf)
        self.size += 1
        return completed

    def root(self) -> bytes:
        """The root of the tree so far."""
        return _fold(self._edge) if self._edge else EMPTY_ROOT


def root(reader: NodeReader, size: int) -> bytes:
    """The root over the first ``size`` leaves."""
    return Frontier.load(reader, size).root()


def inclusion_path(index: int, size: int) -> Path:
    """What proves leaf ``index`` to be among ``size``, leaf end first (RFC 6962 §2.1.1)."""
    path: Path = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_cover(middle, end))
            end = middle
        else:
            path.append(_cover(start, middle))
            start = middle
    return path[::-1]


def consistency_path(old: int, new: int) -> Path:
    """What proves that ``new`` leaves begin with the ``old`` ones (RFC 6962 §2.1.2)."""
    path: Path = []
    start, end, whole = 0, new, True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(_cover(middle, end))
            end = middle
        else:
            path.append(_cover(start, middle))
            start, whole = middle, False
    if not whole:
        path.append(_cover(start, end))
    return path[::-1]


def proofs(reader: NodeReader, paths: Sequence[Path]) -> list[list[bytes]]:
    """The hashes of several proofs. Cost: one read of all nodes together."""
    known = reader.read({node for path in paths for nodes in path for node in nodes})
    return [[_fold([known[node] for node in nodes]) for nodes in path] for path in paths]


def _split(width: int) -> int:
    """The largest power of two below ``width`` (RFC 6962's k)."""
    return 1 << (width - 1).bit_length() - 1


def _cover(start: int, end: int) -> tuple[Node, ...]:
    """The complete subtrees that make up a range starting at a multiple of its own size."""
    nodes = []
    for level in reversed(range((end - start).bit_length())):
        if (end - start) >> level & 1:
            nodes.append((level, start >> level))
            start += 1 << level
    return tuple(nodes)


def _fold(hashes: Sequence[bytes]) -> bytes:
    return reduce(lambda right, left: node_hash(left, right), reversed(hashes))
