"""Guarantees against what came later: maintenance, closed pools, slow chips, overstaying work."""

from __future__ import annotations

import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from small_city import City
from windows_stage import HOLDER, Stage

from yunhe.compute import service as compute
from yunhe.compute import store
from yunhe.compute.admission import admit, picture_of, unplace
from yunhe.compute.scheduling import dispatching
from yunhe.compute.scheduling.engine import decide, engine_of
from yunhe.compute.scheduling.guarantees import Guarantees
from yunhe.compute.scheduling.policies import YIELDING, YUNHE
from yunhe.compute.service import supply, windows
from yunhe.identity import service as identity
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Invalid

HOUR = 3_600


def later(city: City, hours: int) -> int:
    return city.clock.now_us() + hours * HOUR * SECOND_US


def give(city: City, award, devices: int, begins: int, ends: int, *, key: str = "w"):
    return windows.give(
        city.storage,
        key=key,
        award=award.id,
        devices=devices,
        from_us=later(city, begins),
        until_us=later(city, ends),
        reason="a trial",
        given_by=city.operator,
    )


def maintain(city: City, pool, begins: int, ends: int):
    return supply.plan_maintenance(
        city.storage,
        pool.id,
        key=f"{begins}-{ends}",
        from_us=later(city, begins),
        until_us=later(city, ends),
        reason="cooling",
        by=city.operator,
    )


def close(city: City, pool) -> None:
    supply.change(city.storage, pool.id, state="draining", reason="moved", by=city.operator)


def award_of(city: City, who: str):
    return compute.award(
        city.storage,
        key="slow",
        organisation=who,
        chip="v100",
        device_ms=10**9,
        expires_at_us=later(city, 900),
        awarded_by=city.operator,
    )


def test_maintenance_that_would_break_a_guarantee_is_refused_and_says_when(bare_city: City):
    first, second = (bare_city.pool(devices=4, key=key) for key in ("one", "two"))
    award = bare_city.award(seconds=10**6)
    one = give(bare_city, award, 6, 2, 4)
    for begins, ends in ((1, 3), (3, 5), (1, 9), (2, 4)):
        with pytest.raises(Invalid) as refused:
            maintain(bare_city, first, begins, ends)
        [finding] = refused.value.findings
        assert finding.code == "compute.maintenance_guaranteed"
        assert bare_city.university not in str(finding)
        assert one.id not in str(finding)
    assert maintain(bare_city, first, 1, 2).pool == first.id
    assert maintain(bare_city, first, 4, 5).pool == first.id
    by = {"by": bare_city.operator, "reason": "a smaller trial"}
    windows.change(bare_city.storage, one.id, devices=4, **by)
    assert maintain(bare_city, second, 2, 4).pool == second.id
    with pytest.raises(Invalid):
        maintain(bare_city, first, 2, 3)


def test_a_closed_pool_is_no_ground_and_what_stands_keeps_the_others(bare_city: City):
    first, _ = (bare_city.pool(devices=4, key=key) for key in ("one", "two"))
    award = bare_city.award(seconds=10**6)
    close(bare_city, first)
    give(bare_city, award, 3, 2, 4)
    with pytest.raises(Invalid) as refused:
        give(bare_city, award, 2, 3, 5, key="more")
    said = dict(refused.value.findings[-1].params)
    assert (refused.value.findings[-1].code, said["most"]) == ("compute.window_full_until", 1)
    assert give(bare_city, award, 1, 3, 5, key="less").devices == 1


def test_work_on_a_slower_chip_counts_for_as_long_as_it_may_run_there(bare_city: City):
    city = bare_city
    slow = compute.register_pool(
        city.storage,
        key="slow",
        provider=city.provider,
        site="east",
        chip="v100",
        devices=4,
        price_minor_per_device_hour=1,
        currency="CNY",
        adapter="demonstration",
    )
    city.cash(10**9)
    city.approve_trial()
    with city.storage.database.begin() as tx:
        at_us = city.clock.now_us()
        other = identity.add_organisation(tx, key="o", name="o", kind="company", at_us=at_us).id
    award_of(city, city.university)
    award = award_of(city, other)
    made = city.submit("job", devices=4, wall=HOUR, substitutes={"v100": 500})
    assert (made.state, made.pool) == ("placed", slow.id)
    with city.storage.database.read() as tx:
        [view] = picture_of(tx, [], now_us=city.clock.now_us()).running
    assert view.request.wall_seconds_max == 2 * HOUR
    with pytest.raises(Invalid) as refused:
        give(city, award, 1, 1, 3)
    assert refused.value.findings[0].code == "compute.window_in_use"
    assert give(city, award, 4, 2, 3, key="later").devices == 4


def test_what_was_said_of_a_run_before_is_not_said_of_the_next(bare_city: City):
    city = bare_city
    city.pool(devices=1)
    city.award(seconds=10**6)
    city.cash(10**9)
    city.approve_trial()
    made = city.submit("job", preemptible=True)
    now_us = city.clock.now_us()
    with city.storage.database.begin() as tx:
        store.change(tx, made.id, push_asked_us=now_us, pushed_for=made.id)
        unplace(tx, store.row(tx, made.id), now_us=now_us, state="waiting", pool=None)
        assert admit(tx, now_us=now_us) == 1
        row = store.row(tx, made.id)
    assert (row["state"], row["push_asked_us"], row["pushed_for"]) == ("placed", None, None)


def test_the_holder_of_devices_that_somebody_overstays_on_gets_others():
    stage = Stage({"a": (8, 8)})
    stage.window(8, 100, 500)
    stage.ask("north", 8, 100)
    stage.look()
    [name] = stage.running
    stage.now = 101  # its runner started it a little late
    assert name in stage.running
    stage.ask("south", 8, 1_000)
    stage.look()
    assert stage.used("south") == 0
    stage.ask(HOLDER, 8, 100)
    stage.look()
    assert stage.used() == 8


class Anew(Guarantees):
    """Chooses everything anew each time, and shows nothing that it remembers."""

    def choose(self) -> None:
        self._dirty.update(range(len(self.windows)))
        super().choose()

    def show(self, request, *, now_us: int) -> None:
        self._hidings.clear()
        self._known.clear()
        super().show(request, now_us=now_us)


@settings(max_examples=30, deadline=None)
@drawn(st.data())
def test_choosing_only_where_something_changed_decides_as_choosing_anew(data):
    draw = data.draw
    stage = Stage({pool: draw(st.sampled_from([(8, 8), (8, 4), 16])) for pool in "abc"})
    for at in range(draw(st.integers(1, 6))):
        pools = draw(st.sampled_from([None, "a", "b", "c"]))
        begins = draw(st.integers(0, 60))
        holder = draw(st.sampled_from([HOLDER, "clinic", f"school{at}"]))
        stage.window(draw(st.integers(1, 9)), begins, begins + 100, holder=holder, pools=pools)
    for _ in range(draw(st.integers(2, 12))):
        who = draw(st.sampled_from([HOLDER, "clinic", "north", "south"]))
        wall = draw(st.sampled_from([10, 40, 1_000]))
        stage.ask(who, draw(st.sampled_from([1, 2, 4])), wall, preemptible=draw(st.booleans()))
        if draw(st.integers(0, 2)) == 0:
            stage.look()
    stage.now = 50
    picture, now_us = stage.picture(), stage.now * SECOND_US
    for policy in (YUNHE, YIELDING):
        found = decide(picture, now_us=now_us, policy=policy)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(dispatching, "Guarantees", Anew)
            assert decide(picture, now_us=now_us, policy=policy) == found


def test_a_claim_chooses_again_only_in_the_pools_it_concerns(monkeypatch):
    stage = Stage({f"p{n:02}": (8, 8) for n in range(20)})
    for name in stage.sizes:
        stage.window(8, 0, 500, holder=f"of {name}", pools=[name])
        for _ in range(4):
            stage.ask(f"of {name}", 1, 100)
    chosen = []
    plain = Guarantees._choose

    def counting(self, at: int) -> None:
        chosen.append(at)
        plain(self, at)

    monkeypatch.setattr(Guarantees, "_choose", counting)
    engine = engine_of(stage.picture(), YUNHE, now_us=0)
    assert len(engine.decide(now_us=0)) == 80
    assert len(chosen) == 20 + 80  # all once, then one for each claim
