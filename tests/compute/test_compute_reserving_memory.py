"""What a reservation remembers of a group is what a fresh look at the group says."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from test_compute_engine_properties import POOLS, SECOND_US, Fleet, requests, steps

from yunhe.compute.scheduling.engine import Engine
from yunhe.compute.scheduling.events import Arrived
from yunhe.compute.scheduling.policies import PRESETS
from yunhe.compute.scheduling.state import Placement, Request, WindowView

RESERVING = sorted(n for n, p in PRESETS.items() if p.overtaking == "reserved" and not p.matched)
WINDOW = WindowView("w", "x", "", "npu", 4, 4_000 * SECOND_US, 9_000 * SECOND_US, ("a", "b"), ())
many = st.lists(st.tuples(st.just("arrive"), requests), min_size=4, max_size=12)


class Watched:
    """An engine of which every remembered answer is compared with a fresh one."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet, self.asked, self.remembered = fleet, 0, 0
        self.kept = fleet.engine.reservations
        self.ask, self.look = self.kept._chosen, self.kept._choose
        self.kept._chosen = self.chosen
        self.kept._choose = self.choose
        self.looked = 0

    def choose(self, number, shape):
        self.looked += 1
        return self.look(number, shape)

    def chosen(self, number, shape):
        self.asked += 1
        looked = self.looked
        found = self.ask(number, shape)
        self.remembered += looked == self.looked
        assert found == self.look(number, shape)
        return found

    def ask_everything(self) -> None:
        for shape in list(self.fleet.engine.shapes._shapes.values()):
            for number, group in enumerate(self.fleet.engine.estate.groups):
                if shape.fits >> number & 1 and group.size:
                    self.chosen(number, shape)


@settings(max_examples=60, deadline=None)
@given(
    first=many,
    steps=steps,
    name=st.sampled_from(RESERVING),
    patience=st.sampled_from([0, 400, 4_000]),
    permille=st.sampled_from([200, 1_000]),
    windows=st.sampled_from([(), (WINDOW,)]),
)
def test_what_is_remembered_of_a_group_is_what_a_look_at_it_says(
    first, steps, name, patience, permille, windows
):
    policy = replace(PRESETS[name], patience_us=patience * SECOND_US, reserved_permille=permille)
    fleet = Fleet(policy)
    fleet.engine = Engine(POOLS, policy, windows=windows)
    watched = Watched(fleet)
    for step in [*first, *steps]:
        for one in fleet.engine.on(fleet.event(step), now_us=fleet.now_us):
            if isinstance(one, Placement):
                fleet.waiting.pop(one.request.id, None)
                fleet.running[one.request.id] = one
            else:
                fleet.running.pop(one.request.id, None)
        watched.ask_everything()
        watched.ask_everything()
    assert watched.asked


def test_an_equal_question_is_answered_without_a_look_until_something_changes():
    fleet = Fleet(PRESETS["yunhe"])
    watched = Watched(fleet)
    asked = Request(
        id="r1",
        number=1,
        organisation="x",
        chip="npu",
        devices=4,
        wall_seconds_max=600,
        since_us=0,
    )
    fleet.engine.on(Arrived(asked), now_us=0)
    watched.ask_everything()
    looked = watched.looked
    watched.ask_everything()
    assert watched.looked == looked
    assert watched.remembered
    fleet.engine.on(fleet.event(("down", 1)), now_us=fleet.now_us)
    watched.ask_everything()
    assert watched.looked > looked
