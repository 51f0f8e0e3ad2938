"""Pools as groups of equal nodes, and the packed ones of them against one plain ledger a node."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.scheduling.estate import Estate
from yunhe.compute.scheduling.fitting import DEVICES_MAX, UNCOUNTED, Claim, Free, Need
from yunhe.compute.scheduling.groups import bits, groups_of, spot_of
from yunhe.compute.scheduling.packed import Packs
from yunhe.compute.scheduling.state import NodeView, PoolView

VIEWS = st.lists(
    st.builds(
        NodeView, st.integers(0, 4), st.integers(0, 2), st.integers(1, 3),
        st.sampled_from([0, 8_000]), st.sampled_from([0, 512]),
    ),
    min_size=1,
    max_size=6,
)  # fmt: skip


def pool(views, *, down=(), gone=(), **over) -> PoolView:
    devices = sum(view.devices * view.count for view in views)
    return PoolView("p", "npu", devices, 0, 0, "CNY", nodes=tuple(views), down=down, gone=gone,
                    **over)  # fmt: skip


@settings(max_examples=100)
@given(VIEWS, st.sets(st.integers(0, 17)), st.sets(st.integers(0, 17)))
def test_every_node_is_in_one_group_of_nodes_that_are_all_like_it(views, down, gone) -> None:
    rows = [view for view in views for _ in range(view.count)]
    found = list(groups_of(pool(views, down=tuple(down), gone=tuple(gone))))
    assert sorted(at for group in found for at in group.positions) == list(range(len(rows)))
    kinds = [(group.size, group.cpu_milli, group.memory_mib) for group in found]
    assert len(set(kinds)) == len(kinds)
    for group in found:
        assert list(group.positions) == sorted(group.positions)
        assert group.free == [group.size] * len(group.positions)
        for node, position in enumerate(group.positions):
            row = rows[position]
            assert group.size == row.devices
            assert group.cpu_milli == (row.cpu_milli or UNCOUNTED)
            assert group.memory_mib == (row.memory_mib or UNCOUNTED)
            assert bool(group.broken >> node & 1) == (position in down | gone)
        domains = sorted({rows[position].domain for position in group.positions})
        for domain, mask, lasting in zip(domains, group.domains, group.lasting, strict=True):
            there = {position for position in group.positions if rows[position].domain == domain}
            assert {group.positions[node] for node in bits(mask)} == there
            assert lasting == len(there - gone)


def test_a_pool_without_nodes_is_one_node_that_may_owe_devices() -> None:
    [group] = groups_of(PoolView("p", "npu", 4, 6, 0, "CNY"))
    assert (group.site, group.size, group.free, group.broken) == ("p", 4, [-2], 0)
    [group] = groups_of(PoolView("p", "npu", 4, 0, 0, "CNY", site="s", down=(0,), gone=(0,)))
    assert (group.site, group.broken, group.lasting) == ("s", 1, (0,))


def test_nodes_with_more_devices_than_are_told_apart_are_only_counted() -> None:
    for devices, packed in ((DEVICES_MAX, True), (DEVICES_MAX + 1, False)):
        [group] = groups_of(pool([NodeView(devices)], divided=True))
        assert group.packed == packed


@given(st.integers(0, 1 << 70))
def test_the_bits_of_a_mask_make_it_up_again(mask) -> None:
    found = list(bits(mask))
    assert sum(1 << bit for bit in found) == mask
    assert found == sorted(set(found))


def test_a_spot_counts_devices_by_node_whatever_the_order_of_the_claims() -> None:
    claims = [Claim(2, (0,), 500, 1, 1), Claim(0, (1, 3), 1_000, 0, 0), Claim(2, (1,), 500, 0, 0)]
    spot = spot_of(7, claims)
    assert (spot.group, spot.parts) == (7, ((0, 2), (2, 2)))
    assert spot == spot_of(7, reversed(claims))
    assert sorted(claims) == list(spot.claims)


# Packed groups

TWO = (
    PoolView("a", "npu", 6, 0, 0, "CNY", nodes=(NodeView(2, 0, 3, 8_000, 4_000),)),
    PoolView("b", "gpu", 4, 0, 0, "CNY", nodes=(NodeView(4, 0, 1),), divided=True),
)
NEEDS = st.builds(
    lambda size, cpu, memory: Need(*size, cpu, memory),
    st.sampled_from([(1, 250), (1, 600), (1, 0), (2, 0), (4, 0), (0, 0)]),
    st.sampled_from([0, 1_000, 5_000]),
    st.sampled_from([0, 1_500]),
)


def ledger(estate: Estate) -> dict[tuple[int, int], Free]:
    return {
        (number, node): Free(group.cpu_milli, group.memory_mib, [1_000] * group.size)
        for number, group in enumerate(estate.groups)
        for node in range(len(group.free))
    }


def packs_of(estate: Estate) -> Packs:
    assert estate.packs is not None
    return estate.packs


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("place"), NEEDS, st.integers(0, 3)),
        st.tuples(st.just("give"), st.integers(0, 20), st.just(0)),
        st.tuples(st.sampled_from(["close", "open"]), st.integers(0, 3), st.just(0)),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_the_packer_finds_room_exactly_where_the_ledger_of_an_open_node_has_it(steps) -> None:
    estate = Estate(TWO)
    packs, plain = packs_of(estate), ledger(estate)
    nodes, closed, taken = sorted(plain), set(), []
    for what, one, groups in steps:
        if what == "place":
            able = {
                at for at in nodes
                if groups >> at[0] & 1 and at not in closed and plain[at].choose(one) is not None
            }  # fmt: skip
            found = packs.place(one, groups)
            assert (found is not None) == bool(able)
            if found is not None:
                number, claim = found
                assert (number, claim.node) in able
                whole = packs.change(number, claim, times=1)
                plain[number, claim.node].take(claim)
                assert whole == plain[number, claim.node].devices.count(1_000)
                taken.append(found)
        elif what == "give":
            if taken:
                number, claim = taken.pop(one % len(taken))
                packs.change(number, claim, times=-1)
                plain[number, claim.node].take(claim, times=-1)
        else:
            at = nodes[one]
            (packs.close if what == "close" else packs.open)(*at)
            (closed.add if what == "close" else closed.discard)(at)
        for at in nodes:
            free = packs.free(*at)
            assert (free.cpu_milli, free.memory_mib) == (plain[at].cpu_milli, plain[at].memory_mib)
            assert free.devices == plain[at].devices


@settings(max_examples=60, deadline=None)
@given(st.lists(NEEDS, max_size=6), st.sets(st.integers(0, 2), min_size=1), st.booleans())
def test_a_gang_is_gathered_whole_on_its_nodes_or_not_at_all_and_nothing_stays_taken(
    needs, within, shut
) -> None:
    estate = Estate(TWO)
    packs, plain = packs_of(estate), ledger(estate)
    if shut:  # what is kept free for it is closed to others, not to it
        for node in within:
            packs.close(0, node)
    found = packs.gather(0, needs, sorted(within))
    assert all(packs.free(*at) == plain[at] for at in plain)
    if found is None:
        return
    assert len(found) == len(needs)
    for need, claim in zip(needs, found, strict=True):
        assert claim.node in within
        assert len(claim.devices) == need.devices
        packs.change(0, claim, times=1)  # raises where it is not free
        plain[0, claim.node].take(claim)
    assert all(free.cpu_milli >= 0 <= free.memory_mib for free in plain.values())


def test_what_one_node_cannot_hold_is_not_gathered_there() -> None:
    packs = packs_of(Estate(TWO))
    pair = Need(2, 0, 0, 0)
    assert packs.gather(0, [pair, pair], [1]) is None
    assert [claim.node for claim in packs.gather(0, [pair, pair], [1, 2]) or ()] in ([1, 2], [2, 1])
    assert packs.gather(0, [], [0]) == []


def test_what_was_never_taken_is_not_given_back_and_nothing_changes_by_trying() -> None:
    packs = packs_of(Estate(TWO))
    claim = Claim(0, (0,), 500, 1_000, 0)
    with pytest.raises(ValueError, match="given twice"):
        packs.change(0, claim, times=-1)
    packs.change(0, claim, times=1)
    with pytest.raises(ValueError, match="taken twice"):
        packs.change(0, Claim(0, (0,), 600, 0, 0), times=1)
    assert packs.free(0, 0) == Free(7_000, 4_000, [500, 1_000])


def test_where_a_pool_without_nodes_is_busy_somewhere_the_last_devices_count_as_taken() -> None:
    busy = PoolView("a", "npu", 4, 3, 0, "CNY", divided=True)
    packs = packs_of(Estate([busy]))
    assert packs.free(0, 0).devices == [1_000, 0, 0, 0]
    assert packs.place(Need(2, 0, 0, 0), 1) is None
    assert packs.place(Need(1, 300, 0, 0), 1) is not None
