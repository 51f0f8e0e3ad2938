"""The slow plan of a platform: from what runs and waits, kept, followed while it is young."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import func, select, update

from yunhe.compute import picture
from yunhe.compute import service as compute
from yunhe.compute.passes import store as passes
from yunhe.compute.planning import aggregating, service, store
from yunhe.compute.planning.aggregating import aggregated
from yunhe.compute.planning.tables import plan_table
from yunhe.compute.reasons import Why
from yunhe.compute.scheduling.engine import decide
from yunhe.compute.scheduling.estate import Estate, bits
from yunhe.compute.scheduling.plan import Plan, Unsolved
from yunhe.compute.scheduling.plan_guide import Guide, kin_of
from yunhe.compute.scheduling.shapes import Shapes
from yunhe.compute.scheduling.state import (
    AwardView,
    Picture,
    Placement,
    PoolView,
    Request,
    RunningView,
)

EVERY = 300


def pool(name: str, chip: str = "npu", devices: int = 4, busy: int = 0, price: int = 0) -> PoolView:
    return PoolView(name, chip, devices, busy, price, "CNY")


def request(number: int, *, devices: int = 1, organisation: str = "a", **over) -> Request:
    return Request(
        id=f"w{number}",
        number=number,
        organisation=organisation,
        chip="npu",
        devices=devices,
        wall_seconds_max=over.pop("wall", 100),
        since_us=number,
        **over,
    )


def seen(*queue: Request, **over) -> aggregating.Aggregated:
    awards = tuple(
        AwardView(f"{name}-{chip}", name, chip, 10**9, 10**18)
        for name in ("a", "b")
        for chip in ("npu", "gpu")
    )
    pools = over.pop("pools", (pool("one"), pool("two", "gpu")))
    closed = over.pop("closed", frozenset())
    return aggregated(Picture(pools, awards, (), {}, queue, **over), closed=closed)


def test_requests_that_are_alike_are_one_class_and_the_order_says_nothing() -> None:
    queue = [request(1), request(2), request(3, organisation="b"), request(4, wall=5_000)]
    found = seen(*queue).inputs
    assert sorted((each.tenant, each.devices) for each in found.demands) == [
        ("a", 1),
        ("a", 2),
        ("b", 1),
    ]
    assert seen(*reversed(queue)).inputs == found
    assert found.entitled == {"a": 4, "b": 4}
    assert found.budgets["a", "npu"] == 10**6


@pytest.mark.parametrize("speed", [0, -1])
def test_a_chip_said_to_have_no_speed_is_none_to_the_plan_and_to_the_pass(speed) -> None:
    one = request(1, substitutes={"npu": speed, "old": 500})
    assert one.speeds == {"old": 500}
    pools = pool("p"), pool("q", "old")
    [demand] = seen(one, pools=pools).inputs.demands
    assert dict(demand.speeds) == {"old": 500}
    estate = Estate(pools)
    shape = Shapes(estate).of(one, level=0, walls=False)
    chips = {estate.groups[number].pool.chip for number in bits(shape.fits)}
    assert (dict(shape.speeds), chips) == ({"old": 500}, {"old"})


def test_shares_count_by_their_thousandths_and_what_cannot_be_planned_is_left_out() -> None:
    queue = [request(n, milli=250) for n in range(5)]
    queue += [request(8, devices=0), request(9, blocked=Why("compute.waiting_behind"))]
    [demand] = seen(*queue).inputs.demands
    assert demand.devices == 2  # of 1.25


def test_what_runs_counts_and_a_closed_pool_counts_with_what_is_occupied() -> None:
    running = (RunningView(request(1, devices=3), "one", (), 0),)
    pools = (pool("one", busy=3), pool("two", "gpu"))
    found = seen(pools=pools, running=running, closed=frozenset({"one", "two"}))
    assert [(each.site, each.devices) for each in found.inputs.supplies] == [("two", 0), ("one", 3)]
    assert found.reached_ppm == 3_000_000
    made, guide = service.planned(found, at_us=7, every_seconds=EVERY)
    assert (made.state, made.bound_ppm, made.served_ppm) == ("sound", 3_000_000, 3_000_000)
    assert guide is not None
    [gpu, npu] = made.chips
    assert (npu.supply, npu.busy, npu.wanted, npu.planned_milli) == (3, 3, 3, 3_000)
    assert (gpu.supply, gpu.wanted) == (0, 0)


def test_where_there_are_too_many_classes_organisations_are_put_together(monkeypatch) -> None:
    queue = [request(n, organisation=f"o{n}") for n in range(9)]
    apart = seen(*queue).inputs
    assert len(apart.demands) == 9
    monkeypatch.setattr(aggregating, "PAIRS_MAX", 17)
    together = seen(*queue).inputs
    assert [each.devices for each in together.demands] == [9]
    assert (dict(together.entitled), dict(together.budgets)) == ({}, {})


def test_a_solver_that_fails_and_a_plan_that_is_wrong_guide_nobody(monkeypatch) -> None:
    def fails(_: object) -> Plan:
        raise Unsolved("solver_4")

    right = service.solve
    monkeypatch.setattr(service, "solve", fails)
    made, guide = service.planned(seen(request(1)), at_us=7, every_seconds=EVERY)
    assert (made.state, made.reason, guide) == ("failed", "solver_4", None)
    monkeypatch.setattr(service, "solve", lambda inputs: replace(right(inputs), amounts=()))
    made, guide = service.planned(seen(request(1)), at_us=7, every_seconds=EVERY)
    assert (made.state, made.reason, guide) == ("unsound", "audit_entitlement", None)
    made, guide = service.planned(seen(), at_us=7, every_seconds=EVERY)
    assert (made.state, made.reason, guide) == ("empty", "", None)


def guide_now(city) -> Guide | None:
    with city.storage.database.read() as tx:
        return store.guide(tx, now_us=city.clock.now_us())


def latest(city):
    with city.storage.database.read() as tx:
        return compute.planning.latest(tx)


def test_a_plan_is_made_kept_and_followed_while_it_is_young(city) -> None:
    assert latest(city) is None
    first, second = city.submit("one", devices=2), city.submit("two", devices=1)
    assert (first.state, second.state) == ("placed", "waiting")
    made = compute.planning.replan(city.storage, every_seconds=EVERY)
    assert (made.state, made.reason, made.gap_ppm) == ("sound", "", 0)
    assert made.reached_ppm <= made.served_ppm <= made.bound_ppm
    [chip] = made.chips
    assert (chip.chip, chip.supply, chip.busy, chip.wanted) == ("cpu", 2, 2, 3)
    kept = latest(city)
    assert replace(kept, number=0) == made
    assert kept.followed(city.clock.now_us())
    guide = guide_now(city)
    assert guide is not None
    assert guide.planned[kin_of("cpu", {})]
    with city.storage.database.read() as tx:
        rows = passes.queue(tx, each=100)
        shown = picture.picture_of(tx, rows, now_us=city.clock.now_us())
    assert shown.guide == guide

    city.clock.advance(seconds=3 * EVERY - 1)
    assert guide_now(city) == guide
    city.clock.advance(seconds=1)
    assert guide_now(city) is None
    assert not kept.followed(city.clock.now_us())


def test_a_plan_that_fails_leaves_the_one_before_it_in_force(city, monkeypatch) -> None:
    city.submit(devices=2)
    compute.planning.replan(city.storage, every_seconds=EVERY)
    guide = guide_now(city)

    def fails(_: object) -> Plan:
        raise Unsolved("solver_1")

    monkeypatch.setattr(service, "solve", fails)
    city.clock.advance(seconds=EVERY)
    assert compute.planning.replan(city.storage, every_seconds=EVERY).state == "failed"
    assert guide is not None
    assert guide_now(city) == guide
    assert latest(city).reason == "solver_1"


@pytest.mark.parametrize("said", ["", "{", "{}", '{"prices": [1], "planned": []}', "null"])
def test_a_plan_that_cannot_be_read_never_keeps_work_from_being_placed(city, said) -> None:
    city.submit("one", devices=1)
    compute.planning.replan(city.storage, every_seconds=EVERY)
    with city.storage.database.begin() as tx:
        tx.execute(update(plan_table).values(guide=said))
    assert guide_now(city) is None
    assert city.submit("two").state == "placed"


def test_a_plan_from_the_future_is_not_followed(city) -> None:
    city.submit()
    compute.planning.replan(city.storage, every_seconds=EVERY)
    with city.storage.database.read() as tx:
        assert store.guide(tx, now_us=city.clock.now_us() - 1) is None


def test_old_plans_are_forgotten(city, monkeypatch) -> None:
    monkeypatch.setattr(store, "KEPT", 2)
    for _ in range(4):
        compute.planning.replan(city.storage, every_seconds=EVERY)
    with city.storage.database.read() as tx:
        numbers = tx.execute(select(func.count()).select_from(plan_table)).scalar_one()
    assert numbers == 2
    assert latest(city).state == "empty"


def test_a_placement_that_follows_a_plan_is_the_same_kind_of_placement(city) -> None:
    city.submit("one", devices=2)
    compute.planning.replan(city.storage, every_seconds=EVERY)
    second = city.submit("two")
    assert second.state == "waiting"
    with city.storage.database.read() as tx:
        rows = passes.queue(tx, each=100)
        shown = picture.picture_of(tx, rows, now_us=city.clock.now_us())

    roomy = replace(shown, pools=tuple(replace(p, devices_busy=0) for p in shown.pools), running=())
    [placed] = decide(roomy, now_us=city.clock.now_us())
    assert isinstance(placed, Placement)
    assert placed.request.id == second.id
