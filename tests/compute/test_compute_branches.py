"""The tree of what waits, against a list that is sorted anew for every look."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.scheduling.branches import Branch, Place, Tree
from yunhe.compute.scheduling.shares import Cities, Shares
from yunhe.compute.scheduling.state import Request

TICK_US = 1_000
CITIES = Cities({"x": "north", "y": "south"}, {"south": 2})
"""Organisation z is of the platform's own city."""
NAMES = st.tuples(st.sampled_from("kl"), st.sampled_from("xyz"), st.sampled_from("pq"))


def ask(number: int, names: tuple[str, str, str] = ("k", "x", "p")) -> Request:
    kind, organisation, project = names
    return Request(
        f"w{number}", number, organisation, "npu", 1, 0, 0, kind=kind, project=project
    )  # fmt: skip


@dataclass
class Forest:
    """A tree, and beside it everything that waits as a plain list."""

    shares: Shares
    places: dict[str, Place] = field(default_factory=dict)
    plain: dict[str, tuple[tuple[int, ...], int, Request]] = field(default_factory=dict)
    now_us: int = 0
    tickets: int = 0

    def __post_init__(self) -> None:
        self.tree = Tree(self.shares, self.places)

    @property
    def tick(self) -> int:
        return self.shares.tick(self.now_us)

    def add(self, request: Request, key: int, line: int) -> None:
        self.tickets += 1
        path = self.shares.path(request)
        self.tree.add(request, (key,), path=path, line=line, at=self.tickets)
        self.plain[request.id] = ((key,), line, request)

    def remove(self, name: str) -> None:
        if self.plain.pop(name, None) is not None:
            _, leaf, line = self.places.pop(name)
            self.tree.remove(leaf, line)

    def occupy(self, request: Request, milli: int) -> None:
        self.shares.occupy(request, milli, now_us=self.now_us)
        self.tree.shifted(self.shares.path(request))

    def next(self) -> str:
        """Who is first, along the tree."""
        branch = self.tree.root
        while branch.branches:
            branch = self.tree.sorted(branch, self.tick)[0][3]
        return min(heap[0][:3] for heap in branch.heaps.values())[2]

    def least(self) -> str:
        """Who is first, by a look at all of them."""

        def rank(name: str) -> tuple[object, ...]:
            key, _, request = self.plain[name]
            found: list[object] = []
            for path in self.shares.paths(request):
                found.append(self.shares.share(self.shares.account(path), self.tick))
                alike = [
                    each for _, _, each in self.plain.values() if path in self.shares.paths(each)
                ]
                found.append(min((each.number, each.id) for each in alike))
            return (*found, key, request.number, name)

        return min(self.plain, key=rank)


def alone() -> Forest:
    """A tree of one city."""
    return Forest(Shares(256 * TICK_US, {("k", "x"): 3}))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), NAMES, st.integers(0, 2), st.integers(0, 4)),
        st.tuples(st.just("remove"), NAMES, st.integers(0, 30), st.just(0)),
        st.tuples(st.just("occupy"), NAMES, st.integers(0, 9), st.just(0)),
        st.tuples(st.just("wait"), NAMES, st.integers(0, 3_000), st.just(0)),
        st.tuples(st.just("look"), NAMES, st.just(0), st.just(0)),
    ),
    max_size=40,
)


ROOTS = st.sampled_from((Cities(), CITIES))


def grown(steps: list[tuple[str, tuple[str, str, str], int, int]], cities: Cities) -> Forest:
    forest = Forest(Shares(256 * TICK_US, {("k", "x"): 3}, cities))
    for number, (what, names, one, other) in enumerate(steps):
        if what == "add":
            forest.add(ask(number, names), one, other)
        elif what == "remove":
            forest.remove(f"w{one}")
        elif what == "occupy":
            forest.occupy(ask(number, names), one * 1_000)
        elif what == "wait":
            forest.now_us += one
        elif forest.plain:
            assert forest.next() == forest.least()
    return forest


@settings(max_examples=120, deadline=None)
@given(STEPS, ROOTS)
def test_whatever_came_left_or_ran_the_tree_gives_the_same_turn_as_sorting_all(
    steps, cities
) -> None:
    forest = grown(steps, cities)
    while forest.plain:
        name = forest.next()
        assert name == forest.least()
        forest.remove(name)
    assert not forest.tree.root.branches
    assert forest.tree.root.mask == 0


@settings(max_examples=80, deadline=None)
@given(STEPS, ROOTS)
def test_every_branch_knows_exactly_the_lines_in_which_something_waits_below_it(
    steps, cities
) -> None:
    forest = grown(steps, cities)

    def check(branch: Branch, path: tuple[str, ...]) -> None:
        lines = [
            line
            for _, line, request in forest.plain.values()
            if forest.shares.path(request)[: len(path)] == path
        ]
        if branch.branches:
            masks = [below.mask for below in branch.branches.values()]
            counts = {line: sum(mask >> line & 1 for mask in masks) for line in set(lines)}
            assert branch.counts == counts
        else:
            assert set(branch.heaps) == set(lines)
        assert branch.mask == sum(1 << line for line in set(lines))
        for name, below in branch.branches.items():
            check(below, (*path, name))

    check(forest.tree.root, ())


def test_a_request_that_comes_back_is_told_from_itself_before_it_left() -> None:
    forest = alone()
    forest.add(ask(1), 0, 0)
    forest.add(ask(2), 0, 0)
    assert forest.next() == "w1"
    _, leaf, line = forest.places.pop("w1")
    forest.tree.remove(leaf, line)
    forest.add(ask(1), 9, 0)  # as it was pushed out: its old entry is still in the heap
    assert forest.next() == "w2"
    forest.remove("w2")
    assert forest.next() == "w1"


def test_what_is_served_moves_its_tenant_behind_the_others_at_once() -> None:
    forest = alone()
    north, south = ("k", "y", "p"), ("k", "z", "p")
    for number, names in enumerate([north, north, south]):
        forest.add(ask(number, names), 0, 0)
    assert forest.next() == "w0"
    request = forest.plain.pop("w0")[2]
    _, leaf, line = forest.places.pop("w0")
    forest.tree.remove(leaf, line)
    forest.occupy(request, 1_000)
    assert forest.next() == "w2"


def test_a_tenant_of_three_times_the_weight_may_occupy_three_times_as_much() -> None:
    forest = alone()
    heavy, light = ("k", "x", "p"), ("k", "y", "p")
    forest.add(ask(5, light), 0, 0)
    forest.add(ask(6, heavy), 0, 0)
    forest.occupy(ask(0, light), 1_000)
    forest.occupy(ask(0, heavy), 2_000)
    assert forest.next() == "w6"
    forest.occupy(ask(0, heavy), 2_000)
    assert forest.next() == "w5"


def test_a_city_of_many_kinds_and_tenants_is_one_beside_a_city_of_one_tenant() -> None:
    cities = Cities({"x": "north", "y": "north", "z": "south"})
    forest = Forest(Shares(256 * TICK_US, cities=cities))
    many = [(kind, name, project) for kind in "kl" for name in "xy" for project in "pq"]
    one = ("k", "z", "p")
    for number, names in enumerate([*many, *[one] * len(many)]):
        forest.add(ask(number, names), 0, 0)
    turns = []
    for _ in range(2 * len(many)):
        name = forest.next()
        request = forest.plain[name][2]
        turns.append(request.organisation == "z")
        forest.remove(name)
        forest.occupy(request, 1_000)
    assert turns == [False, True] * len(many)
