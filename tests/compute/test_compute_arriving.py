"""Requests that come together get what each would get alone, and cost little more than one."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from dispatch_trial import found_town, queue_up
from sqlalchemy import event

from yunhe.compute import service as compute
from yunhe.compute import store
from yunhe.compute.domain import Asked, Unread, WorkloadSpec
from yunhe.compute.limits import service as limits
from yunhe.compute.passes import whole
from yunhe.compute.passes.domain import QUEUE_MAX, SMALL_MAX
from yunhe.compute.submitting import look_over, looked_into, submit_many, take_waiting_max
from yunhe.kernel.errors import Conflict, Exhausted, Finding, Invalid, YunheError

GROUP = 16


def spec(organisation: str, key: str, **more: object) -> WorkloadSpec:
    usual: dict[str, object] = {
        "entry_point": "trial",
        "arguments": {},
        "inputs": {},
        "chip": "cpu",
        "devices": 1,
        "wall_seconds_max": 60,
        "cpu_seconds_max": 60,
    }
    return WorkloadSpec(key=key, organisation=organisation, **{**usual, **more})


def together(storage, specs) -> list[object]:
    asked = [looked_into(storage, each) for each in specs]
    with storage.database.begin() as tx:
        return submit_many(storage, tx, asked, now_us=storage.clock.now_us())


def alone(storage, specs) -> list[object]:
    found: list[object] = []
    for each in specs:
        try:
            found.append(compute.submit(storage, each))
        except YunheError as error:
            found.append(error)
    return found


def told(outcome, named: list[str]) -> object:
    """What its sender is told, but for when it is placed: that a pass may do later."""
    if isinstance(outcome, YunheError):
        return outcome.code, outcome.params, outcome.findings
    return replace(outcome.spec, organisation=str(named.index(outcome.spec.organisation)))


def kept(storage) -> list[WorkloadSpec]:
    with storage.database.read() as tx:
        return [one.spec for one in compute.workloads(tx)]


def crowded(new_city, organisations: int = 2):
    """A town where more waits than a command decides about itself."""
    storage = new_city().storage
    named = found_town(storage, organisations=organisations, pools=2, devices=4)
    queue_up(storage, named[:1], each=QUEUE_MAX + 5)
    return storage, named


FAULTS = (
    {},
    {},
    {"wall_seconds_max": 0},
    {"chip": "nonesuch"},
    {"devices": 5_000},
    {"inputs": {"train": f"sha256:{'0' * 64}"}},
    {"input_reference": "f" * 64},
    {"secrets": {"TOKEN": "nobody"}},
    {"priority": "high"},
    {"folder": "nothing"},
)


@pytest.mark.parametrize("seed", range(2))
def test_each_of_a_group_is_told_what_it_would_be_told_alone(new_city, seed):
    drawn, outcomes = random.Random(seed), []
    picks = [(drawn.randrange(2), drawn.randrange(9), drawn.choice(FAULTS)) for _ in range(30)]
    for way in (together, alone):
        storage, named = crowded(new_city)
        specs = [spec(named[of], f"k{key}", **fault) for of, key, fault in picks]
        outcomes.append([told(one, named) for one in way(storage, specs)])
        outcomes.append([(one.organisation == named[0], one.key) for one in kept(storage)])
    assert outcomes[0] == outcomes[2]
    assert outcomes[1] == outcomes[3]
    assert len({isinstance(one, WorkloadSpec) for one in outcomes[0]}) == 2


def test_a_group_is_kept_in_the_order_in_which_it_came(new_city):
    storage, named = crowded(new_city)
    specs = [spec(named[number % 2], f"k{number}") for number in range(GROUP)]
    made = together(storage, specs)
    with storage.database.read() as tx:
        numbers = {one.id: at for at, one in enumerate(compute.workloads(tx))}
    order = [numbers[one.id] for one in made]
    assert order == sorted(order)
    assert [one.spec for one in made] == specs


def test_a_small_group_is_placed_within_its_own_transaction(new_city):
    storage = new_city().storage
    named = found_town(storage, organisations=2, pools=1, devices=3)
    made = together(storage, [spec(named[number % 2], f"k{number}") for number in range(4)])
    assert sorted(one.state for one in made) == ["placed"] * 3 + ["waiting"]
    assert {one.spec.organisation for one in made if one.state == "placed"} == set(named)


def test_a_group_stands_in_line_behind_those_who_want_the_same_and_else_is_placed(new_city):
    storage, named = crowded(new_city)
    compute.reconsider(storage)  # what waits for devices is a rival from now on
    made = together(storage, [spec(named[1], f"k{number}") for number in range(3)])
    assert [one.state for one in made] == ["waiting"] * 3
    assert whole.due(storage)
    with storage.database.begin() as tx:
        for one in compute.workloads(tx):
            if one.state == "waiting":
                store.change(tx, one.id, waits_for="other")
        status = next(each for each in compute.pools(tx) if each.pool.chip == "cpu")
        store.add_pool(tx, replace(status.pool, id="more", devices=2), at_us=0)
    made = together(storage, [spec(named[1], f"l{number}") for number in range(3)])
    assert sorted(one.state for one in made) == ["placed"] * 2 + ["waiting"]


def test_the_same_request_twice_in_a_group_is_one_workload_and_another_spec_a_conflict(new_city):
    storage, named = crowded(new_city)
    one = spec(named[1], "same")
    first, again, other = together(storage, [one, one, replace(one, wall_seconds_max=61)])
    assert first.id == again.id
    assert isinstance(other, Conflict)
    assert other.code == "compute.workload_differs"
    assert together(storage, [one])[0].id == first.id


@pytest.mark.parametrize("behind", [False, True])
def test_a_group_fills_the_queue_up_to_the_bound_and_not_beyond(new_city, behind):
    storage = new_city().storage
    [name] = found_town(storage, organisations=1, pools=1, devices=1)
    there = QUEUE_MAX + 3 if behind else 0
    queue_up(storage, [name], each=there)
    take_waiting_max(storage.database, there + 5)
    specs = [spec(name, f"k{number}", devices=1) for number in range(GROUP)]
    made = together(storage, specs)
    refused = [one for one in made if isinstance(one, Exhausted)]
    taken = 5 if behind else 6  # the first is placed, so it does not wait
    assert [one.code for one in refused] == ["compute.waiting_full"] * (GROUP - taken)
    assert made[taken:] == refused
    assert len(kept(storage)) == there + taken


def test_a_group_that_is_placed_as_it_comes_is_not_held_against_itself(new_city):
    storage = new_city().storage
    named = found_town(storage, organisations=2, pools=1, devices=GROUP - 1)
    take_waiting_max(storage.database, 2)
    made = together(storage, [spec(named[0], f"k{number}") for number in range(GROUP)])
    assert sorted(one.state for one in made) == ["placed"] * (GROUP - 1) + ["waiting"]
    more = together(storage, [spec(named[at], f"l{at}{n}") for n in range(3) for at in (0, 1)])
    full = [isinstance(one, Exhausted) for one in more]
    assert full == [False, False, True, False, True, True]


def test_what_was_written_before_one_that_is_refused_for_room_stays(new_city):
    storage = new_city().storage
    [name] = found_town(storage, organisations=1, pools=1, devices=1)
    take_waiting_max(storage.database, 1)
    with storage.database.begin() as tx:
        limits.limit_data(tx, f"sha256:{'1' * 64}", ["DE"], reason="r", by="m", at_us=1)
    folder, lying = f"sha256:{'2' * 64}", (f"sha256:{'1' * 64}",)
    asked = [Asked(spec(name, f"k{number}")) for number in range(2)]
    asked.append(Asked(spec(name, "folder", folder=folder, jurisdictions=("DE",)), lying=lying))
    asked.append(Asked(spec(name, "last")))
    with storage.database.begin() as tx:
        made = submit_many(storage, tx, asked, now_us=storage.clock.now_us())
    assert [getattr(one, "state", "") for one in made] == ["placed", "waiting", "", ""]
    assert [one.key for one in kept(storage)] == ["k0", "k1"]
    with storage.database.read() as tx:
        assert [one.subject for one in limits.said(tx)] == [lying[0]]


def test_what_a_refused_one_would_have_written_of_its_folder_is_taken_back(new_city):
    storage, named = crowded(new_city)
    data, folder = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
    with storage.database.begin() as tx:
        limits.limit_data(tx, data, ["DE"], reason="r", by="m", at_us=1)
    wrong = Unread((Finding("folder", "compute.input_missing"),), frozenset({"folder"}))
    asked = [
        Asked(spec(named[1], "refused", folder=folder), wrong, lying=(data,)),
        Asked(spec(named[1], "sound")),
    ]
    with storage.database.begin() as tx:
        refused, sound = submit_many(storage, tx, asked, now_us=storage.clock.now_us())
    assert isinstance(refused, Invalid)
    assert kept(storage)[-1] == sound.spec
    with storage.database.read() as tx:
        assert [one.subject for one in limits.said(tx)] == [data]


def test_a_group_behind_others_takes_hardly_more_statements_than_one(new_city):
    storage, named = crowded(new_city)
    seen: list[str] = []
    listened = storage.database._engine
    event.listen(listened, "before_cursor_execute", lambda *sent: seen.append(sent[2]))
    together(storage, [spec(named[0], "one")])
    single = len(seen)
    seen.clear()
    together(storage, [spec(named[0], f"k{number}") for number in range(GROUP)])
    assert single <= len(seen) <= single + 2


def test_what_will_be_refused_is_told_beforehand_without_writing(new_city):
    storage, named = crowded(new_city)
    wrong, sound = Asked(spec(named[1], "a", devices=5_000)), Asked(spec(named[1], "b"))
    with storage.database.read() as tx:
        with pytest.raises(Invalid) as error:
            look_over(storage, tx, wrong)
        look_over(storage, tx, sound)
    [refused] = together(storage, [wrong.spec])
    assert error.value.findings == refused.findings


def test_what_is_there_already_is_not_looked_over_again(new_city):
    storage = new_city().storage
    [name] = found_town(storage, organisations=1, pools=1, devices=SMALL_MAX)
    one = spec(name, "gang", devices=SMALL_MAX)
    compute.submit(storage, one)
    with storage.database.begin() as tx:
        store.set_devices(tx, "pool-0", devices=1)
        look_over(storage, tx, Asked(one))
        with pytest.raises(Invalid):
            look_over(storage, tx, Asked(replace(one, key="another")))
