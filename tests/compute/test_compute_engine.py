"""What each rule of the engine does, one rule a test."""

from __future__ import annotations

from dataclasses import replace

import pytest

from yunhe.compute.scheduling.budgets import Budgets
from yunhe.compute.scheduling.engine import Engine
from yunhe.compute.scheduling.events import Arrived, Ended, NodeDown, NodeUp, Tick, Withdrawn
from yunhe.compute.scheduling.forecast import standing
from yunhe.compute.scheduling.policies import (
    FIFO,
    FIRST_FIT,
    HOUR_US,
    NIMBLE,
    YUNHE,
    Policy,
    preset,
)
from yunhe.compute.scheduling.shares import Shares, decayed
from yunhe.compute.scheduling.state import (
    AwardView,
    NodeView,
    Picture,
    Placement,
    PoolView,
    Preemption,
    Request,
    RunningView,
)

SECOND_US = 10**6
NOW_US = 10**13


def pool(name: str = "p", *nodes: NodeView, chip: str = "npu", price: int = 0, site: str = ""):
    nodes = nodes or (NodeView(8, 0, 2),)
    devices = sum(view.devices * view.count for view in nodes)
    return PoolView(name, chip, devices, 0, price, "CNY", site or name, nodes)


def ask(name: str, devices: int = 1, *, wall: int = 0, at_us: int = NOW_US, **over) -> Request:
    number = over.pop("number", int("".join(filter(str.isdigit, name)) or 0))
    organisation = over.pop("organisation", "north")
    return Request(
        name, number, organisation, over.pop("chip", "npu"), devices, wall, at_us, **over
    )


class Desk:
    """An engine, and what it has running."""

    def __init__(self, policy: Policy = FIRST_FIT, *pools: PoolView, **over) -> None:
        self.engine = Engine(pools or (pool(),), policy, **over)
        self.now_us = NOW_US

    def on(self, event: object, *, after_us: int = 0) -> list[str]:
        """Names of what starts, and of what is pushed out with a minus before it."""
        self.now_us += after_us
        return [
            ("-" if isinstance(one, Preemption) else "") + one.request.id
            for one in self.engine.on(event, now_us=self.now_us)
        ]

    def ask(self, *requests: Request, after_us: int = 0) -> list[str]:
        return [name for one in requests for name in self.on(Arrived(one), after_us=after_us)]

    def where(self, name: str) -> tuple[str, tuple[int, ...]]:
        running = self.engine.floor.all[name]
        group = self.engine.estate.groups[running.spot[0]]
        return group.pool.id, tuple(node for node, _ in running.spot[1])


def test_strict_order_stops_at_the_head_and_backfill_does_not() -> None:
    jobs = [ask("a1", 8), ask("b2", 16), ask("c3", 1)]
    assert Desk(FIFO).ask(*jobs) == ["a1"]
    assert Desk(FIRST_FIT).ask(*jobs) == ["a1", "c3"]


def test_work_goes_to_its_home_then_to_the_cheapest_then_to_the_fullest() -> None:
    pools = [pool("a", price=5), pool("b", price=1), pool("c", price=1)]
    desk = Desk(FIRST_FIT, *pools)
    desk.ask(ask("a1", 3, sites=frozenset({"c"})), ask("a2"), ask("a3", home="b"))
    assert [desk.where(name)[0] for name in ("a1", "a2", "a3")] == ["c", "c", "b"]


def test_work_avoids_moving_its_data_where_prices_are_equal() -> None:
    desk = Desk(FIRST_FIT, pool("a"), pool("b"))
    desk.ask(ask("a1", transfer_seconds={"a": 60}))
    assert desk.where("a1")[0] == "b"


def test_a_small_request_takes_the_tightest_node_so_that_whole_ones_stay_whole() -> None:
    desk = Desk(replace(FIRST_FIT, choice="tightest"))
    assert desk.ask(ask("a1", 3), ask("b2", 5), ask("c3", 8)) == ["a1", "b2", "c3"]
    assert desk.where("b2") == desk.where("a1")


def test_a_gang_takes_whole_nodes_of_one_site_and_never_parts_of_two() -> None:
    desk = Desk(FIRST_FIT, pool("a"), pool("b"))
    assert desk.ask(ask("a1", 1, sites=frozenset({"a"})), ask("g2", 16)) == ["a1", "g2"]
    assert desk.where("g2") == ("b", (0, 1))
    assert desk.ask(ask("g3", 16)) == []


def test_a_gang_that_needs_one_fabric_domain_waits_for_one() -> None:
    nodes = (NodeView(8, 1, 2), NodeView(8, 2, 2))
    desk = Desk(FIRST_FIT, pool("a", *nodes))
    desk.ask(ask("a1", 1))
    assert desk.ask(ask("g2", 24, fabric="domain")) == []
    assert desk.ask(ask("g3", 16, fabric="domain")) == ["g3"]
    assert desk.where("g3")[1] == (2, 3)
    assert "g2" in desk.engine.aside  # no domain is large enough, so it is no use to wait


def test_replicas_are_placed_together_or_not_at_all() -> None:
    desk = Desk(FIRST_FIT)
    assert desk.ask(ask("a1", 3, replicas=4)) == ["a1"]
    assert desk.ask(ask("b2", 3, replicas=2)) == []
    assert desk.on(Ended("a1")) == ["b2"]


def test_another_chip_will_do_and_its_own_award_pays_for_the_longer_run() -> None:
    award = AwardView("w", "north", "gpu", 2 * 100 * 1_000, NOW_US * 2)
    desk = Desk(
        FIRST_FIT, pool("a", chip="gpu"), budgets=Budgets((award,), (), {("north", "CNY"): 0})
    )
    (placement,) = desk.engine.on(
        Arrived(ask("a1", 1, wall=100, substitutes={"gpu": 500})), now_us=NOW_US
    )
    assert isinstance(placement, Placement)
    assert (placement.chip, placement.draws[0].device_ms) == ("gpu", 200_000)
    assert desk.ask(ask("a2", 1, wall=100, substitutes={"gpu": 500})) == []


def test_a_slow_cheap_chip_is_weighed_by_what_the_same_work_costs_there() -> None:
    pools = [pool("slow", chip="old", price=60), pool("fast", chip="npu", price=100)]
    desk = Desk(FIRST_FIT, *pools)
    desk.ask(ask("a1", substitutes={"old": 500}))
    assert desk.where("a1")[0] == "fast"


def test_nodes_are_kept_free_for_a_gang_whose_patience_is_over() -> None:
    policy = Policy("p", patience_us=HOUR_US, limits_trusted=False)
    desk = Desk(policy)
    desk.ask(ask("a1", 5), ask("a2", 5), ask("g3", 16))
    assert desk.ask(ask("b4")) == ["b4"]
    desk.on(Ended("b4"), after_us=HOUR_US)
    assert desk.ask(ask("b5", at_us=desk.now_us)) == []
    desk.on(Ended("a1"))
    assert desk.on(Ended("a2")) == ["g3"]
    assert desk.on(Ended("g3")) == ["b5"]


def test_short_work_uses_what_is_kept_free_and_never_delays_the_head() -> None:
    desk = Desk(Policy("easy"))
    desk.ask(ask("a1", 8, wall=1_000), ask("a2", 4, wall=500), ask("g3", 16, wall=100))
    assert desk.ask(ask("b4", 4, wall=1_001)) == []  # would end after the head could start
    assert desk.ask(ask("c5", 4, wall=500)) == ["c5"]
    desk.on(Ended("a2"), after_us=500 * SECOND_US)
    desk.on(Ended("a1"), after_us=500 * SECOND_US)
    assert desk.on(Ended("c5")) == ["g3"]


def test_work_that_needs_no_more_than_the_head_leaves_over_may_run_long() -> None:
    flat = PoolView("p", "npu", 10, 0, 0, "CNY")
    desk = Desk(Policy("easy"), flat)
    desk.ask(ask("a1", 6, wall=1_000), ask("g2", 8, wall=100))
    assert desk.ask(ask("b3", 3, wall=5_000)) == []
    assert desk.ask(ask("c4", 2, wall=5_000)) == ["c4"]
    assert desk.on(Ended("a1"), after_us=SECOND_US) == ["g2"]


def test_a_reservation_moves_to_nodes_that_became_free_sooner() -> None:
    desk = Desk(Policy("p", patience_us=0, limits_trusted=False), pool("a", NodeView(8, 0, 3)))
    desk.ask(ask("a1", 8), ask("a2", 8), ask("a3", 8), ask("g4", 16))
    assert desk.on(Ended("a1")) == []
    assert [*desk.on(Ended("a2")), *desk.on(Ended("a3"))][0] == "g4"


def test_the_part_of_the_hierarchy_that_used_least_goes_first_level_by_level() -> None:
    policy = Policy("f", shared=True, overtaking="always")
    desk = Desk(policy)
    desk.ask(ask("a1", 8, kind="firm", organisation="f1"))
    desk.ask(ask("a2", 8, kind="school", organisation="s1"))
    desk.ask(
        ask("b3", 8, kind="firm", organisation="f2"),
        ask("b4", 8, kind="school", organisation="s1", project="old"),
        ask("b5", 8, kind="school", organisation="s2"),
    )
    assert desk.on(Ended("a1"), after_us=HOUR_US) == ["b3"]  # then schools hold as much as firms
    assert desk.on(Ended("a2"), after_us=HOUR_US) == ["b5"]


def test_weights_give_some_a_larger_share() -> None:
    policy = Policy("f", shared=True, overtaking="always")
    desk = Desk(policy, pool("a", NodeView(8, 0, 3)), weights={("", "big"): 3})
    desk.ask(ask("a1", 8, organisation="big"), ask("a2", 8, organisation="small"), ask("a3", 8))
    desk.ask(ask("b3", 8, organisation="small"), ask("b4", 8, organisation="big"))
    assert desk.on(Ended("a3"), after_us=HOUR_US) == ["b4"]


def test_use_counts_half_after_a_half_life_and_nothing_after_many() -> None:
    assert decayed(1_000, 0, 10) == 1_000
    assert decayed(1_000, 10, 10) == 500
    assert decayed(1_000, 15, 10) == 375
    assert decayed(1_000, 10**9, 10) == 0
    shares = Shares(HOUR_US)
    mine, other = ask("a1"), ask("a2", organisation="south")
    shares.used(mine, 10**12, now_us=NOW_US)
    assert shares.rank(mine, now_us=NOW_US) > shares.rank(other, now_us=NOW_US)
    later_us = NOW_US + 100 * HOUR_US
    assert shares.rank(mine, now_us=later_us)[1:] == shares.rank(other, now_us=later_us)[1:]


def test_what_waited_for_very_long_goes_before_everybody() -> None:
    policy = Policy("p", overtaking="always", ageing_us=HOUR_US)
    desk = Desk(policy, pool("a", NodeView(8, 0, 1)))
    desk.ask(ask("a1", 8), ask("b2", 8), ask("c3", 8, priority=5), after_us=1)
    assert desk.on(Ended("a1"), after_us=2 * HOUR_US) == ["b2"]
    assert desk.on(Ended("b2")) == ["c3"]


def test_higher_classes_go_first_and_push_out_only_what_allows_it() -> None:
    policy = Policy("p", overtaking="always", preempts=True, restart_us=60 * SECOND_US)
    desk = Desk(policy, pool("a", NodeView(8, 0, 1)))
    desk.ask(ask("a1", 4), ask("b2", 4, preemptible=True))
    assert desk.ask(ask("u3", 8, priority=1)) == []  # both would have to go, and one may not
    assert desk.ask(ask("u4", 4, priority=1)) == []  # it has not run for ten restarts
    assert desk.on(Tick(), after_us=600 * SECOND_US) == ["-b2", "u4"]
    (waiting,) = [one for one in desk.engine.queue.waiting.values() if one.id == "b2"]
    assert (waiting.attained_us, waiting.pushed_out) == (4 * 600 * SECOND_US, 1)


def test_the_victims_are_those_that_lose_least() -> None:
    policy = Policy("p", overtaking="always", preempts=True, restart_us=SECOND_US)
    desk = Desk(policy, pool("a", NodeView(8, 0, 2)))
    desk.ask(ask("a1", 8, preemptible=True, checkpoint_seconds=700))
    desk.ask(ask("b2", 8, preemptible=True, checkpoint_seconds=590))
    assert desk.ask(ask("u3", 8, priority=1), after_us=600 * SECOND_US) == ["-b2", "u3"]


def test_least_attained_service_takes_turns_between_short_and_long_work() -> None:
    desk = Desk(replace(NIMBLE, ageing_us=0), pool("a", NodeView(8, 0, 1)))
    desk.ask(ask("long1", 8, preemptible=True))
    assert desk.ask(ask("new2", 8, preemptible=True), after_us=HOUR_US) == ["-long1", "new2"]
    assert desk.on(Ended("new2"), after_us=60 * SECOND_US) == ["long1"]


def test_what_starved_and_was_let_in_is_not_pushed_out_at_once_again() -> None:
    desk = Desk(NIMBLE, pool("a", NodeView(8, 0, 1)))
    desk.ask(ask("long1", 8, preemptible=True))
    assert desk.ask(ask("b2", 8, preemptible=True), after_us=HOUR_US) == ["-long1", "b2"]
    desk.now_us += NIMBLE.ageing_us
    assert desk.on(Tick()) == ["-b2", "long1"]
    assert desk.ask(ask("c3", 8, preemptible=True), after_us=HOUR_US) == []
    assert desk.on(Tick(), after_us=NIMBLE.ageing_us // 2) == ["-long1", "c3"]


def test_a_broken_node_takes_nothing_until_it_is_back_even_when_kept_free() -> None:
    policy = Policy("p", patience_us=0, limits_trusted=False)
    desk = Desk(policy)
    desk.ask(ask("a1", 8), ask("g2", 16))
    assert desk.on(NodeDown("p", 1)) == []
    assert desk.on(Ended("a1")) == []
    assert desk.on(NodeDown("nowhere", 7)) == []
    assert desk.on(NodeUp("p", 1)) == ["g2"]


def test_reports_that_come_twice_or_for_nobody_change_nothing() -> None:
    desk = Desk()
    assert desk.ask(ask("a1", 8), ask("a1", 8)) == ["a1"]
    assert desk.on(Ended("a1")) == []
    assert desk.on(Ended("a1")) == []
    assert desk.on(Withdrawn("nobody")) == []
    assert desk.engine.estate.groups[0].free == [8, 8]


def test_a_withdrawn_request_gives_back_what_was_kept_free_for_it() -> None:
    desk = Desk(Policy("p", patience_us=0, limits_trusted=False))
    desk.ask(ask("a1", 8), ask("g2", 16))
    assert desk.ask(ask("b3", 8)) == []
    assert desk.on(Withdrawn("g2")) == ["b3"]


def shown(*queue: Request, running: tuple[RunningView, ...] = (), free: int = 0) -> Picture:
    pools = (PoolView("p", "npu", 8, 8 - free, 0, "CNY"), PoolView("q", "gpu", 8, 0, 0, "CNY"))
    awards = tuple(
        AwardView(f"a-{chip}", "north", chip, 10**12, NOW_US * 2) for chip in ("npu", "gpu")
    )
    return Picture(pools, awards, (), {}, queue, {"north": 8 - free}, running)


def test_whoever_waits_is_told_rank_interval_and_what_would_admit_it_now() -> None:
    first = RunningView(ask("r1", 6, wall=1_000), "p", (), NOW_US - 100 * SECOND_US)
    picture = shown(ask("a1", 8, wall=100), ask("b2", 6, wall=150), running=(first,), free=2)
    told = standing(picture, "b2", now_us=NOW_US, used_permille=500)
    assert (told.rank, told.of) == (2, 2)
    assert told.why is not None
    assert told.early_us == NOW_US + 400 * SECOND_US + 50 * SECOND_US
    assert told.late_us == NOW_US + 900 * SECOND_US + 100 * SECOND_US
    assert [(one.code, dict(one.params)) for one in told.alternatives] == [
        ("compute.change_chip", {"chip": "gpu"}),
        ("compute.change_fewer", {"devices": 2}),
    ]
    for one in told.alternatives:
        assert "compute." not in one.message("en") + one.message("zh")


def test_standing_of_what_is_placed_now_or_never_or_unknown() -> None:
    assert standing(shown(ask("a1"), free=8), "a1", now_us=NOW_US).rank == 0
    told = standing(shown(ask("a1", 9)), "a1", now_us=NOW_US)
    assert (told.early_us, told.late_us) == (None, None)
    assert told.why is not None
    assert told.why.code == "compute.waiting_no_pool"
    site = standing(shown(ask("a1", sites=frozenset({"p"}), chip="gpu")), "a1", now_us=NOW_US)
    assert [one.code for one in site.alternatives] == ["compute.change_site"]
    with pytest.raises(KeyError):
        standing(shown(), "nobody", now_us=NOW_US)


def test_presets_can_be_changed_by_field_and_unknown_names_are_refused() -> None:
    assert preset("las", restart_us=5).restart_us == 5
    assert preset("yunhe") == YUNHE
    with pytest.raises(KeyError):
        preset("best")
    with pytest.raises(TypeError):
        preset("las", speed=1)
