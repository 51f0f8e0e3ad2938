"""Which policy a platform decides by: said, kept on record, journalled, and safe to change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from yunhe.compute import service as compute
from yunhe.compute.passes import service as passes
from yunhe.compute.passes import whole
from yunhe.compute.passes.pushing import wanted
from yunhe.compute.policy import store
from yunhe.compute.policy.domain import Chosen
from yunhe.compute.scheduling.engine import decide
from yunhe.compute.scheduling.policies import (
    ON_PLATFORM,
    PRESETS,
    YIELDING,
    YUNHE,
    on_platform,
    yielding,
)
from yunhe.compute.scheduling.state import (
    AwardView,
    Picture,
    PoolView,
    Request,
    RunningView,
)
from yunhe.compute.service import policy
from yunhe.compute.simulation.recording import replayed
from yunhe.custody import service as custody
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Invalid, NotAllowed
from yunhe.kernel.language import text

HOUR_US = 3_600 * SECOND_US
NOW_US = 1_000 * HOUR_US


def choose(city, name: str, *, by: str = "") -> Chosen:
    with city.storage.database.begin() as tx:
        return policy.choose(tx, name, said_by=by or city.operator, at_us=city.clock.now_us())


def chosen(city) -> Chosen:
    with city.storage.database.read() as tx:
        return policy.chosen(tx)


def test_a_platform_of_which_nobody_said_anything_runs_what_it_always_did(bare_city):
    assert chosen(bare_city) == Chosen("yunhe")
    with bare_city.storage.database.read() as tx:
        assert policy.in_force(tx) == YUNHE
    assert yielding(YUNHE) == YIELDING


def test_what_an_operator_chooses_holds_and_stands_on_record(bare_city):
    first = choose(bare_city, "steady")
    assert chosen(bare_city) == first
    assert choose(bare_city, "steady") == first  # the same again is no news
    second = choose(bare_city, "even")
    assert chosen(bare_city).name == "even"
    assert second.reference not in ("", first.reference)
    with bare_city.storage.database.read() as tx:
        record = custody.record(tx, second.reference)
    assert record.kind == "compute.policy"
    assert record.body["policy"] == "even"
    assert record.body["before"] == "steady"
    assert record.links == {"replaces": first.reference}


@pytest.mark.parametrize("name", ["matched", "foreseeing", "shortest", "", "Yunhe", "x" * 99])
def test_what_no_platform_can_run_is_refused_with_the_names_of_what_it_can(bare_city, name):
    choose(bare_city, "steady")
    with pytest.raises(Invalid) as caught:
        choose(bare_city, name)
    assert caught.value.code == "compute.policy_unknown"
    for language in ("en", "zh"):
        told = text(caught.value.code, language, **dict(caught.value.params))
        assert all(known in told for known in ON_PLATFORM)
    assert chosen(bare_city).name == "steady"


def test_nobody_but_an_operator_chooses(bare_city):
    with pytest.raises(NotAllowed) as caught:
        choose(bare_city, "steady", by="mem_nobody")
    assert caught.value.code == "identity.role_missing"
    assert chosen(bare_city) == Chosen("yunhe")


def test_a_name_that_only_a_later_version_knew_is_as_good_as_none(bare_city):
    with bare_city.storage.database.begin() as tx:
        store.add(tx, Chosen("rosy", "r"), said_by="m", at_us=1)
    assert chosen(bare_city) == Chosen("yunhe")


def test_a_platform_runs_no_policy_that_deals_out_anew_or_must_be_told_run_times():
    assert set(PRESETS) - set(ON_PLATFORM) == {"matched", "foreseeing", "shortest"}
    for name in ON_PLATFORM:
        rules = on_platform(name)
        assert (rules.name, rules.preempts) == (name, False)
        assert rules == replace(PRESETS[name], preempts=False)
        asking = yielding(rules)
        assert asking.preempts
        assert asking.restart_us > 0
        assert asking.pushes_below_share == rules.shared
    with pytest.raises(KeyError):
        on_platform("matched")


def test_the_very_next_decision_follows_the_policy_and_the_journal_says_which(city, tmp_path):
    """Two devices: one is taken, one wants two, and one would do."""
    passes.keep(city.storage, 100)
    city.submit("runs")
    choose(city, "fifo")
    city.submit("wide", devices=2)
    behind = city.submit("behind")
    assert behind.state == "waiting"  # strict order stops at the head
    choose(city, "first_fit")
    assert whole.run(city.storage).placed == 1
    assert city.see(behind).state == "placed"
    path = tmp_path / "passes.jsonl"
    kept = passes.write(city.storage, path)
    found = replayed(path)
    assert (found.passes, found.different, found.broken) == (kept, (), 0)
    told = path.read_text("utf-8")
    assert all(f'"policy": "{name}"' in told for name in ("yunhe", "fifo", "first_fit"))
    city.assert_books_are_right()


def test_a_pass_keeps_to_the_policy_it_began_with(city, monkeypatch):
    """It is changed while a pass decides: that pass ends as it began, the next one follows."""
    choose(city, "fifo")
    city.submit("runs")
    city.submit("wide", devices=2)
    behind = city.submit("behind")
    right, used = whole.decide, []

    def slow(picture, *, now_us, policy):
        used.append(policy.name)
        if len(used) == 1:
            choose(city, "first_fit")
        return right(picture, now_us=now_us, policy=policy)

    monkeypatch.setattr(whole, "decide", slow)
    assert whole.run(city.storage).placed == 0
    assert city.see(behind).state == "waiting"
    assert whole.run(city.storage).placed == 1
    assert used == ["fifo", "first_fit"]


def test_the_queue_is_told_in_the_order_of_the_policy_in_force(city):
    city.submit("runs", devices=2)
    both = [
        city.submit(key, wall=wall, devices=2).id for key, wall in (("long", 400), ("short", 10))
    ]

    def order() -> list[int]:
        with city.storage.database.read() as tx:
            every = compute.queueing.queue(
                tx,
                organisation=None,
                projects=None,
                after=0,
                limit=9,
                now_us=city.clock.now_us(),
            )
        ranks = {one.id: one.rank for one in every}
        return [ranks[name] for name in both]

    city.clock.advance(seconds=1)
    assert order() == [2, 1]  # `yunhe`: whoever asks for less goes first
    choose(city, "first_fit")
    assert order() == [1, 2]


def test_where_a_policy_has_levels_whoever_had_less_pushes_whoever_had_more():
    """Both may be pushed out: under `yunhe` neither pushes the other, under `nimble` one does."""
    base = Request("old", 1, "a", "npu", 2, 0, NOW_US - 9 * HOUR_US, preemptible=True)
    fresh = replace(base, id="fresh", number=2, since_us=NOW_US)
    picture = Picture(
        pools=(PoolView("p", "npu", 2, 2, 0, "CNY"),),
        awards=(AwardView("w", "a", "npu", 10**15, 2 * NOW_US),),
        vouchers=(),
        cash={},
        queue=(fresh,),
        running=(RunningView(base, "p", ((0, 2),), NOW_US - 9 * HOUR_US),),
    )

    def asked(name: str) -> list[tuple[str, str]]:
        rules = on_platform(name)
        decided = decide(picture, now_us=NOW_US, policy=rules)
        found = wanted(picture, decided, served=(), now_us=NOW_US, policy=rules)
        return [(one.request.id, one.beneficiary) for one in found]

    assert asked("yunhe") == asked("steady") == asked("fifo") == []
    assert asked("nimble") == asked("even") == asked("las") == [("old", "fresh")]
