"""Which lines are looked at again: none is forgotten that could use what was freed."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.scheduling.estate import Estate, Spot, bits
from yunhe.compute.scheduling.policies import FIRST_FIT, NIMBLE, Policy
from yunhe.compute.scheduling.reserving import Reservations
from yunhe.compute.scheduling.running import Floor
from yunhe.compute.scheduling.shapes import Shape, Shapes
from yunhe.compute.scheduling.state import NodeView, PoolView, Request
from yunhe.compute.scheduling.waking import RECHECKED_MAX, Waking

SIZES = (1, 2, 4, 8)


class Desk:
    """Pools ``p0`` … of two equal nodes each, and lines over them."""

    def __init__(self, sizes, policy: Policy = FIRST_FIT) -> None:
        self.estate = Estate(
            PoolView(f"p{n:02}", "npu", 2 * size, 0, 0, "CNY", nodes=(NodeView(size, 0, 2),))
            for n, size in enumerate(sizes)
        )
        self.shapes = Shapes(self.estate)
        floor = Floor(policy)
        kept = Reservations(self.estate, floor, permille=1_000)
        self.waking = Waking(self.estate, kept, policy, walls=False)
        self.known: dict[int, Shape] = {}

    def line(self, devices: int, replicas: int = 1, *, priority: int = 0, level: int = 0) -> Shape:
        request = Request(
            "w", 0, "x", "npu", devices, 0, 0, replicas=replicas, priority=priority
        )  # fmt: skip
        shape = self.shapes.of(request, level=level, walls=False)
        self.known[shape.number] = shape
        self.waking.add(request, shape)
        return shape

    def fill(self, used) -> None:
        """Occupy so much of each node."""
        for (number, node), devices in used.items():
            size = self.estate.groups[number].size
            self.estate.take(Spot(number, ((node, min(devices, size)),)))

    def fits(self, shape: Shape, number: int) -> bool:
        """Whether it finds room in a group, by a plain look at its nodes."""
        group = self.estate.groups[number]
        if not shape.fits >> number & 1:
            return False
        if shape.devices <= group.size:
            return sum(free // shape.devices for free in group.free) >= shape.replicas
        whole = sum(free == group.size for free in group.free)
        return whole >= -(-shape.devices // group.size) * shape.replicas


LINES = st.lists(st.tuples(st.integers(1, 9), st.sampled_from([1, 1, 1, 2, 3])), max_size=8)
USED = st.dictionaries(
    st.tuples(st.integers(0, 2), st.integers(0, 1)), st.integers(0, 8), max_size=6
)


@settings(max_examples=150, deadline=None)
@given(st.tuples(*[st.sampled_from(SIZES)] * 3), LINES, USED, st.integers(0, 7))
def test_a_blocked_line_that_finds_room_where_something_was_freed_is_opened(
    sizes, lines, used, freed
) -> None:
    desk = Desk(sizes)
    for devices, replicas in lines:
        desk.line(devices, replicas)
    waking = desk.waking
    waking.block(waking.take())
    desk.fill(used)
    waking.freed = freed
    waking.unblock(now_us=0)
    for number, shape in desk.known.items():
        useful = [group for group in bits(freed) if desk.fits(shape, group)]
        is_open = waking.open >> number & 1
        assert is_open or not useful
        assert is_open != waking.blocked >> number & 1
        within = waking.only(shape)
        if is_open:  # it is looked for there, and nowhere where nothing was freed
            assert all(within >> group & 1 for group in useful)
            assert within & ~freed == 0
    assert waking.freed == 0


@settings(max_examples=100, deadline=None)
@given(st.tuples(*[st.sampled_from(SIZES)] * 3), LINES, USED, USED)
def test_what_is_closed_after_a_placement_finds_no_room_in_anything_that_was_freed(
    sizes, lines, used, placed
) -> None:
    desk = Desk(sizes)
    for devices, replicas in lines:
        desk.line(devices, replicas)
    waking = desk.waking
    waking.block(waking.take())
    desk.fill({at: some // 2 for at, some in used.items()})
    waking.freed = 0b111
    waking.unblock(now_us=0)
    opened, closed = waking.open, 0
    for (number, node), devices in placed.items():
        free = desk.estate.groups[number].free[node]
        desk.fill({(number, node): min(devices, free)})
        more = waking.full(number)
        assert more & closed == 0  # nobody is closed twice
        closed |= more
        for line in bits(more):
            assert opened >> line & 1
            assert not any(desk.fits(desk.known[line], group) for group in range(3))


def test_a_large_line_sleeps_on_while_small_things_end() -> None:
    desk = Desk((8,))
    small, large = desk.line(2), desk.line(8)
    desk.fill({(0, 0): 8, (0, 1): 6})
    desk.waking.block(desk.waking.take())
    desk.waking.freed = 1
    desk.waking.unblock(now_us=0)
    assert desk.waking.open == 1 << small.number
    assert desk.waking.blocked == 1 << large.number
    assert desk.waking.only(large) == -1  # nobody knows anything of it
    assert desk.waking.only(small) == 1


def test_a_line_learnt_after_the_group_was_asked_for_is_woken_too() -> None:
    desk = Desk((4,))
    desk.line(4)
    desk.waking.freed = 1
    desk.waking.unblock(now_us=0)
    late = desk.line(2)
    desk.waking.block(desk.waking.take())
    desk.waking.freed = 1
    desk.waking.unblock(now_us=0)
    assert desk.waking.open >> late.number & 1


def test_a_policy_that_pushes_out_looks_at_everybody_who_could_ever_run_there() -> None:
    for policy, woken in ((FIRST_FIT, False), (NIMBLE, True)):
        desk = Desk((4, 8), policy)
        line = desk.line(4)
        desk.fill({(0, 0): 4, (0, 1): 4})
        desk.waking.block(desk.waking.take())
        desk.waking.freed = 1
        desk.waking.unblock(now_us=0)
        assert bool(desk.waking.open >> line.number & 1) == woken


def test_many_freed_groups_are_not_gone_through_after_every_placement() -> None:
    groups = RECHECKED_MAX + 1
    desk = Desk((1,) * groups)
    line = desk.line(1)
    desk.waking.block(desk.waking.take())
    desk.waking.freed = (1 << groups) - 1
    desk.waking.unblock(now_us=0)
    for group in range(groups):
        desk.fill({(group, 0): 1, (group, 1): 1})
        assert desk.waking.full(group) == 0
    assert desk.waking.only(line) == 0  # but each line is told, when it is its turn


def test_only_urgent_lines_and_lower_levels_may_push_out() -> None:
    desk = Desk((8,), NIMBLE)
    fresh, old = desk.line(1, level=0), desk.line(1, level=3)
    urgent = desk.line(2, level=4)
    waking = desk.waking
    waking.block(waking.take())
    waking.urgent |= 1 << urgent.number
    assert waking.below([]) == 0
    assert waking.below([2]) == 1 << fresh.number | 1 << urgent.number
    assert waking.below([0, 4]) == sum(1 << each.number for each in (fresh, old, urgent))
    waking.reopen(1 << fresh.number)
    assert waking.below([2]) == 1 << urgent.number  # what is open is looked at anyway
    waking.forget()
    assert waking.take() == 0
