"""The tree, held against a naive reading of RFC 6962 and its known answers."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.custody import merkle, verifier
from yunhe.custody.merkle import Node

SIZES = 200


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


LEAVES = [leaf_hash(bytes([n & 255, n >> 8])) for n in range(SIZES)]


def naive_root(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962 §2.1, word for word, over leaf hashes."""
    if len(leaves) <= 1:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    split = largest_power_below(len(leaves))
    left, right = naive_root(leaves[:split]), naive_root(leaves[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


def naive_path(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH of RFC 6962 §2.1.1."""
    if len(leaves) == 1:
        return []
    split = largest_power_below(len(leaves))
    if index < split:
        return [*naive_path(index, leaves[:split]), naive_root(leaves[split:])]
    return [*naive_path(index - split, leaves[split:]), naive_root(leaves[:split])]


def naive_subproof(old: int, leaves: Sequence[bytes], *, whole: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 6962 §2.1.2."""
    if old == len(leaves):
        return [] if whole else [naive_root(leaves)]
    split = largest_power_below(len(leaves))
    if old <= split:
        return [*naive_subproof(old, leaves[:split], whole=whole), naive_root(leaves[split:])]
    rest = naive_subproof(old - split, leaves[split:], whole=False)
    return [*rest, naive_root(leaves[:split])]


def largest_power_below(count: int) -> int:
    power = 1
    while power * 2 < count:
        power *= 2
    return power


class Nodes(dict[Node, bytes]):
    """Complete subtrees in memory; counts how often it is asked."""

    reads = 0

    def read(self, nodes: Collection[Node]) -> dict[Node, bytes]:
        self.reads += 1
        return {node: self[node] for node in nodes}


@pytest.fixture(scope="module")
def nodes() -> Nodes:
    grown = Nodes()
    frontier = merkle.Frontier()
    for leaf in LEAVES:
        grown.update(frontier.append(leaf))
    return grown


def test_the_root_of_every_size_is_the_one_of_the_rfc(nodes):
    assert merkle.Frontier().root() == naive_root([])
    for size in range(SIZES + 1):
        assert merkle.root(nodes, size) == naive_root(LEAVES[:size])


def test_an_appended_leaf_completes_exactly_the_subtrees_that_end_with_it():
    frontier = merkle.Frontier()
    for index, leaf in enumerate(LEAVES):
        completed = frontier.append(leaf)
        trailing_ones = (index ^ (index + 1)).bit_length()
        assert [at for at, _ in completed] == [(n, index >> n) for n in range(trailing_ones)]
        for (level, number), value in completed:
            assert value == naive_root(LEAVES[number << level : (number + 1) << level])
    assert frontier.size == SIZES


def test_a_tree_grown_from_its_stored_edge_is_the_same_tree(nodes):
    for size in range(0, SIZES, 7):
        frontier = merkle.Frontier.load(nodes, size)
        for leaf in LEAVES[size:]:
            frontier.append(leaf)
        assert frontier.root() == naive_root(LEAVES)


def test_every_inclusion_proof_is_the_one_of_the_rfc_and_verifies(nodes):
    for size in range(1, SIZES + 1):
        tree = (size, merkle.root(nodes, size))
        paths = [merkle.inclusion_path(index, size) for index in range(size)]
        for index, proof in enumerate(merkle.proofs(nodes, paths)):
            if size < 40 or index % 17 == 0:
                assert proof == naive_path(index, LEAVES[:size])
            assert verifier.is_included(LEAVES[index], index, tree, proof)


def test_every_consistency_proof_is_the_one_of_the_rfc_and_verifies(nodes):
    roots = [merkle.root(nodes, size) for size in range(SIZES + 1)]
    for new in range(1, SIZES + 1):
        paths = [merkle.consistency_path(old, new) for old in range(1, new + 1)]
        for old, proof in enumerate(merkle.proofs(nodes, paths), start=1):
            if new < 40 or old % 17 == 0:
                assert proof == naive_subproof(old, LEAVES[:new])
            assert verifier.is_extension((old, roots[old]), (new, roots[new]), proof)


def test_all_proofs_together_cost_one_read(nodes):
    before = nodes.reads
    merkle.proofs(nodes, [merkle.inclusion_path(index, SIZES) for index in range(50)])
    assert nodes.reads == before + 1


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_changed_inclusion_proof_leaf_index_or_size_is_refused(nodes, data):
    size = data.draw(st.integers(2, SIZES))
    index = data.draw(st.integers(0, size - 1))
    tree = (size, merkle.root(nodes, size))
    [proof] = merkle.proofs(nodes, [merkle.inclusion_path(index, size)])
    place = data.draw(st.integers(0, len(proof) - 1))
    flipped = bytes([proof[place][0] ^ 1]) + proof[place][1:]
    other = (index + data.draw(st.integers(1, size - 1))) % size
    leaf = LEAVES[index]
    assert not verifier.is_included(
        leaf, index, tree, [*proof[:place], flipped, *proof[place + 1 :]]
    )
    assert not verifier.is_included(leaf, index, tree, proof[:place] + proof[place + 1 :])
    assert not verifier.is_included(leaf, index, tree, [*proof, LEAVES[0]])
    assert not verifier.is_included(leaf, other, tree, proof)
    assert not verifier.is_included(LEAVES[other], index, tree, proof)
    assert not verifier.is_included(leaf, -1, tree, proof)
    assert not verifier.is_included(leaf, size, tree, proof)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_changed_consistency_proof_root_or_size_is_refused(nodes, data):
    new = data.draw(st.integers(2, SIZES))
    old = data.draw(st.integers(1, new - 1))
    before, after = ((size, merkle.root(nodes, size)) for size in (old, new))
    [proof] = merkle.proofs(nodes, [merkle.consistency_path(old, new)])
    place = data.draw(st.integers(0, len(proof) - 1))
    flipped = [*proof[:place], bytes(32), *proof[place + 1 :]]
    other = data.draw(st.integers(1, new).filter(lambda size: size != old))
    assert not verifier.is_extension(before, after, flipped)
    assert not verifier.is_extension(before, after, proof[:place] + proof[place + 1 :])
    assert not verifier.is_extension(before, after, [*proof, bytes(32)])
    assert not verifier.is_extension((other, before[1]), after, proof)
    assert not verifier.is_extension((old, bytes(32)), after, proof)
    assert not verifier.is_extension(before, (new, bytes(32)), proof)
    assert not verifier.is_extension(after, before, proof)


def test_trees_of_one_size_extend_each_other_only_when_they_are_equal():
    tree = (5, bytes(32))
    assert verifier.is_extension(tree, tree, [])
    assert not verifier.is_extension(tree, tree, [bytes(32)])
    assert not verifier.is_extension(tree, (5, bytes([1] * 32)), [])


# Leaves and roots of the reference tree that Certificate Transparency implementations share.
CT_LEAVES = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    bytes(range(0x50, 0x58)),
    bytes(range(0x60, 0x70)),
]
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def test_the_roots_of_the_ct_reference_tree_come_out():
    frontier = merkle.Frontier()
    for leaf, expected in zip(CT_LEAVES, CT_ROOTS, strict=True):
        frontier.append(leaf_hash(leaf))
        assert frontier.root().hex() == expected
    assert merkle.EMPTY_ROOT.hex().startswith("e3b0c44298fc1c14")
