"""What a workload asks for reaches the scheduler as meant, or is refused with the nearest."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunhe.compute import service as compute
from yunhe.compute.abilities import Abilities
from yunhe.compute.asking import UNSAID, Known, Ways, request_of
from yunhe.compute.domain import Pool, WorkloadSpec
from yunhe.compute.limits.domain import UNLIMITED, Limits
from yunhe.compute.specs import spec_faults
from yunhe.compute.wanted import device_ms, wall_seconds_on
from yunhe.compute.ways import service as ways
from yunhe.kernel.canonical import canonical_bytes, digest_of
from yunhe.kernel.errors import Invalid, NotAllowed

IMAGE = "registry.example.org/team/train@sha256:" + "1" * 64
NOW_US = 1_767_225_600_000_000
FIRST = {"key", "organisation", "entry_point", "arguments", "inputs", "chip", "devices"}


def pool(name: str, *, site: str = "east", chip: str = "cpu", devices: int = 8, adapter="local"):
    return Pool(name, "org", site, adapter, chip, devices, 100, "CNY")


def spec(**over) -> WorkloadSpec:
    given = {
        "key": "k",
        "organisation": "org",
        "entry_point": "trial",
        "arguments": {},
        "inputs": {},
        "chip": "cpu",
        "devices": 1,
        "wall_seconds_max": 100,
        "cpu_seconds_max": 100,
        **over,
    }
    return WorkloadSpec(**given)


def found(**over) -> set[tuple[str, str]]:
    faults = spec_faults(spec(**over), (pool("p"),), now_us=NOW_US)
    return {(each.where, each.code) for each in faults}


def row(asked: WorkloadSpec) -> dict[str, object]:
    return {
        "id": "w",
        "number": 1,
        "organisation": "org",
        "chip": asked.chip,
        "wall_seconds_max": asked.wall_seconds_max,
        "submitted_at_us": 0,
        "blocked": 0,
        "why": None,
        "project": None,
        "attained_ms": 0,
        "pushed_out": 0,
        "spec": canonical_bytes(asked.as_json()).decode(),
    }


def asks(asked: WorkloadSpec, *pools: Pool, ways: Ways = UNSAID, now_us: int = 0):
    return request_of(row(asked), pools=pools, kind="", ways=ways, now_us=now_us)  # type: ignore[arg-type]


def test_a_spec_of_before_has_the_digest_it_had():
    assert spec().as_json() == {
        "key": "k",
        "organisation": "org",
        "entry_point": "trial",
        "arguments": {},
        "inputs": {},
        "chip": "cpu",
        "devices": 1,
        "wall_seconds_max": 100,
        "cpu_seconds_max": 100,
        "memory_bytes_max": 4 << 30,
        "input_reference": None,
    }


_specs = st.builds(
    spec,
    kind=st.sampled_from(["training", "batch", "inference"]),
    replicas=st.integers(1, 20),
    replicas_min=st.integers(0, 20),
    devices_milli=st.integers(0, 999),
    substitutes=st.dictionaries(st.sampled_from(["a", "b"]), st.integers(1, 5_000)),
    fabric=st.sampled_from(["any", "node"]),
    sites=st.lists(st.sampled_from(["east", "west"])).map(tuple),
    command=st.lists(st.text(max_size=5)).map(tuple),
    outputs=st.lists(st.text(max_size=5)).map(tuple),
    environment=st.dictionaries(st.sampled_from(["A", "B"]), st.text(max_size=5)),
    preemptible=st.booleans(),
    deadline_us=st.integers(0, 2**50),
    secrets=st.dictionaries(st.sampled_from(["T"]), st.just("S")),
    project=st.sampled_from(["", "project_x"]),
)


@given(_specs)
def test_what_was_asked_comes_back_from_what_is_kept(asked):
    assert WorkloadSpec.from_json(asked.as_json()) == asked


@given(_specs, _specs)
def test_two_requests_have_one_digest_only_if_they_are_equal(one, other):
    try:
        same = digest_of(one.as_json()) == digest_of(other.as_json())
    except ValueError:
        return
    assert same == (one == other)


@given(_specs)
def test_faults_are_found_whatever_is_asked(asked):
    assert all(each.code for each in spec_faults(asked, [pool("p")], now_us=NOW_US))


def test_every_need_reaches_the_scheduler():
    asked = spec(
        substitutes={"h20": 500},
        devices=2,
        replicas=3,
        fabric="node",
        sites=("west",),
        priority="low",
        preemptible=True,
        checkpoint_seconds=60,
    )
    made = asks(asked, pool("p1"), pool("p2", site="west"), pool("p3", site="west", chip="h20"))
    assert made.substitutes == {"h20": 500}
    assert (made.devices, made.replicas, made.devices_all) == (2, 3, 6)
    assert (made.fabric, made.priority, made.preemptible) == ("node", -1, True)
    assert made.checkpoint_seconds == 60
    assert made.sites == {"p2", "p3"}


def test_data_that_may_not_leave_keeps_the_work_where_it_lies():
    asked = spec(data_site="west", egress="forbid", egress_bytes=10)
    assert asks(asked, pool("p1"), pool("p2", site="west")).sites == {"p2"}


def test_data_that_must_move_takes_the_time_that_the_operator_says():
    asked = spec(data_site="west", egress_bytes=10**9)
    there = pool("p1"), pool("p2", site="west"), pool("p3", site="north")
    made = asks(asked, *there, ways=Ways({("west", "north"): 100}))
    assert made.transfer_seconds == {"p1": 8, "p3": 80}
    assert made.home == "p2"
    assert made.sites is None


def test_an_image_asks_only_for_sites_that_run_images_of_its_registry():
    asked = spec(entry_point="", command=("a",), image=IMAGE)
    there = pool("p1"), pool("p2", adapter="centre"), pool("p3", adapter="yard")
    runs = {"centre": ("registry.example.org/team",), "yard": ("other.example.org",)}
    made = request_of(row(asked), pools=there, kind="", able=Abilities(images=runs))  # type: ignore[arg-type]
    assert (made.sites, made.blocked) == ({"p2"}, None)


@pytest.mark.parametrize(
    ("runs", "code"),
    [
        ({}, "compute.image_nowhere_now"),
        ({"centre": ("other.example.org",)}, "compute.image_registry_now"),
    ],
)
def test_an_image_that_no_site_runs_any_more_waits_and_says_why(runs, code):
    asked = spec(entry_point="", command=("a",), image=IMAGE)
    there = pool("p1"), pool("p2", adapter="centre")
    made = request_of(row(asked), pools=there, kind="", able=Abilities(images=runs))  # type: ignore[arg-type]
    assert made.sites == frozenset()
    assert made.blocked is not None
    assert made.blocked.code == code


def test_work_that_cannot_meet_its_deadline_is_blocked_with_the_reason():
    asked = spec(deadline_us=NOW_US + 100_000_000, substitutes={"h20": 2_000})
    assert asks(asked, pool("p"), now_us=NOW_US).blocked is None
    assert asks(asked, pool("p"), now_us=NOW_US + 50_000_000).blocked is None
    late = asks(asked, pool("p"), now_us=NOW_US + 50_000_001).blocked
    assert late is not None
    assert late.code == "compute.failed_deadline"


def test_a_slower_chip_has_longer_and_a_share_pays_its_part():
    asked = spec(substitutes={"slow": 300})
    assert (wall_seconds_on(asked, "cpu"), wall_seconds_on(asked, "slow")) == (100, 334)
    assert device_ms(spec(devices_milli=250), wall_ms=1_001, replicas=2) == 501
    assert device_ms(spec(devices=4), wall_ms=10, replicas=3) == 120


@pytest.mark.parametrize(
    ("over", "where", "code"),
    [
        ({"kind": "party"}, "kind", "compute.choice_unknown"),
        ({"priority": "urgent"}, "priority", "compute.choice_unknown"),
        ({"entry_point": ""}, "command", "compute.program_missing"),
        ({"command": ("a",)}, "command", "compute.program_twice"),
        ({"image": "a b", "entry_point": ""}, "image", "compute.image_invalid"),
        ({"command": ("a\0",), "entry_point": ""}, "command", "compute.command_invalid"),
        ({"command": ("a" * 40_000,), "entry_point": ""}, "command", "compute.command_long"),
        ({"folder": "sha256:x"}, "folder", "compute.digest_invalid"),
        (
            {"environment": {"LD_PRELOAD": "x"}},
            "environment.LD_PRELOAD",
            "compute.variable_reserved",
        ),
        ({"environment": {"A": "x" * 5_000}}, "environment.A", "compute.value_invalid"),
        ({"outputs": ("../x",)}, "outputs.0", "compute.output_pattern"),
        ({"outputs": ("/etc/*",)}, "outputs.0", "compute.output_pattern"),
        ({"replicas": 0}, "replicas", "compute.amount_invalid"),
        ({"replicas": True}, "replicas", "compute.amount_invalid"),
        ({"replicas": 2, "replicas_min": 3}, "replicas_min", "compute.elastic_backwards"),
        ({"devices_milli": 500, "devices": 2}, "devices_milli", "compute.share_of_many"),
        ({"checkpoint_seconds": 5}, "checkpoint_seconds", "compute.checkpoint_alone"),
        (
            {"checkpoint_seconds": 500, "preemptible": True},
            "checkpoint_seconds",
            "compute.checkpoint_late",
        ),
        ({"egress": "forbid"}, "data_site", "compute.data_nowhere"),
        (
            {"egress": "forbid", "data_site": "west", "sites": ("east",)},
            "egress",
            "compute.data_elsewhere",
        ),
        ({"substitutes": {"cpu": 900}}, "substitutes.cpu", "compute.chip_twice"),
        ({"substitutes": {"b": 0}}, "substitutes.b", "compute.amount_invalid"),
        (
            {"substitutes": {"b": 1}, "wall_seconds_max": 30 * 86_400},
            "substitutes.b",
            "compute.chip_slow",
        ),
        ({"deadline_us": NOW_US + 99_000_000}, "deadline", "compute.deadline_short"),
        ({"sites": ("mars",)}, "sites", "compute.sites_without"),
        ({"chip": "none"}, "chip", "compute.chip_nowhere"),
        ({"devices": 9}, "devices", "compute.devices_too_many"),
        ({"replicas": 9}, "replicas", "compute.nearest_replicas"),
        ({"image": IMAGE, "entry_point": "", "command": ("a",)}, "image", "compute.image_nowhere"),
        ({"image": "a/b:1", "entry_point": ""}, "image", "compute.image_undigested"),
        ({"image": IMAGE, "entry_point": ""}, "command", "compute.image_alone"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_can_never_be_is_told_where_it_is_said(over, where, code):
    assert (where, code) in found(**over)


def test_everything_wrong_is_told_at_once():
    wrong = found(kind="x", replicas=0, outputs=("..",), egress="forbid", devices_milli=-1)
    assert {"kind", "replicas", "outputs.0", "data_site", "devices_milli"} <= {
        where for where, _ in wrong
    }


def test_the_nearest_that_could_be_is_named():
    there = (pool("p"), pool("q", site="west", devices=64))
    asked = spec(devices=16, sites=("east",))
    [only] = spec_faults(asked, there, now_us=NOW_US)
    assert (only.code, dict(only.params)["sites"]) == ("compute.nearest_site", "west")
    [fewer] = spec_faults(spec(devices=3, replicas=4), (pool("p"),), now_us=NOW_US)
    assert dict(fewer.params)["replicas"] == 2
    assert not list(spec_faults(spec(devices=3, replicas=4, replicas_min=2), (pool("p"),)))


def test_an_elastic_workload_is_placed_with_as_many_as_there_is_room_for(city):
    one = city.submit("one", wall=10)
    elastic = city.submit("elastic", wall=10, replicas=4, replicas_min=1)
    assert (one.state, elastic.state) == ("placed", "placed")
    assert elastic.replicas == 1
    assert elastic.held_device_ms == 10_000
    city.assert_books_are_right()
    compute.cancel(city.storage, one.id)
    compute.cancel(city.storage, elastic.id)
    again = city.submit("again", wall=10, replicas=2, replicas_min=1)
    assert (again.replicas, again.held_device_ms) == (2, 20_000)
    city.assert_books_are_right()


def test_an_elastic_workload_waits_for_no_more_than_its_fewest(city):
    blocking = [city.submit(f"b{number}", wall=10) for number in range(2)]
    waits = city.submit("waits", wall=10, replicas=2, replicas_min=1)
    assert waits.state == "waiting"
    compute.cancel(city.storage, blocking[0].id)
    assert (city.see(waits).state, city.see(waits).replicas) == ("placed", 1)
    city.assert_books_are_right()


def test_rigid_replicas_wait_for_all_of_their_devices(city):
    blocking = city.submit("b", wall=10)
    waits = city.submit("waits", wall=10, replicas=2)
    assert waits.state == "waiting"
    compute.cancel(city.storage, blocking.id)
    assert city.see(waits).replicas == 2
    city.assert_books_are_right()


def test_what_waits_past_its_deadline_ends_and_costs_nothing(city):
    blocking = [city.submit(f"b{number}", wall=10) for number in range(2)]
    deadline_us = city.clock.now_us() + 200_000_000
    waits = city.submit("waits", wall=100, deadline_us=deadline_us)
    assert waits.state == "waiting"
    city.clock.advance(seconds=101)
    compute.reconsider(city.storage)
    ended = city.see(waits)
    assert ended.why is not None
    assert (ended.state, ended.why.code) == ("failed", "compute.failed_deadline")
    assert ended.held_minor == 0
    assert all(city.see(each).state == "placed" for each in blocking)
    city.assert_books_are_right()


def test_only_an_operator_gives_the_high_class(city):
    with pytest.raises(Invalid) as refused:
        compute.submit(city.storage, city.spec(priority="high"), member="member_nobody")
    assert [each.code for each in refused.value.findings] == ["compute.priority_reserved"]
    made = compute.submit(city.storage, city.spec(priority="high"), member=city.operator)
    assert made.state == "placed"


def test_the_operator_says_how_fast_data_moves(city):
    for speed in (100, 200):
        ways.say(
            city.storage, start="west", end="east", megabit_per_second=speed, member=city.operator
        )
    with city.storage.database.read() as tx:
        assert ways.all_of(tx).megabit_per_second == {("west", "east"): 200}
    with pytest.raises(NotAllowed):
        ways.say(city.storage, start="a", end="b", megabit_per_second=1, member="member_nobody")
    with pytest.raises(Invalid) as refused:
        ways.say(city.storage, start="", end="b", megabit_per_second=0, member=city.operator)
    assert len(refused.value.findings) == 2


def test_the_way_of_the_data_is_held_as_well(city):
    ways.say(city.storage, start="far", end="机房一", megabit_per_second=80, member=city.operator)
    made = city.submit(wall=100, data_site="far", egress_bytes=100_000_000)
    assert made.held_device_ms == 110_000


def test_work_of_an_earlier_version_reads_as_before(city):
    made = city.submit()
    assert city.see(made).spec == replace(made.spec)
    assert set(made.spec.as_json()) >= FIRST


VARIED = {
    "sites": ("west",),
    "data_site": "west",
    "egress_bytes": 10**9,
    "egress": "forbid",
    "substitutes": {"npu": 500},
    "chip": "npu",
    "image": IMAGE,
    "command": ("sh",),
    "folder": "sha256:" + "2" * 64,
    "outputs": ("*.txt",),
    "secrets": {"A": "A"},
    "inputs": {"in": "sha256:" + "3" * 64},
    "input_reference": "4" * 64,
    "jurisdictions": ("CN",),
    "excluded_providers": ("org",),
    "organisation": "abroad",
    "consumer": "US",
}
BOUND = Limits(
    jurisdictions={"a": "CN", "b": "US"},
    serves={"a": ("CN",)},
    seats={"org": "CN", "abroad": "US"},
    data={VARIED["inputs"]["in"]: ("CN",), "4" * 64: ("US",), VARIED["folder"]: ("CN",)},  # type: ignore[index]
    rests={"4" * 64: frozenset({"4" * 64})},
)


@pytest.mark.parametrize("limits", [UNLIMITED, BOUND], ids=["free", "bound"])
@pytest.mark.parametrize("among", [{}, {"data_site": "east"}], ids=["anywhere", "placed"])
def test_what_is_found_out_once_for_all_alike_is_what_each_alone_is_told(limits, among):
    there = [pool("a", adapter="x"), pool("b", site="west", chip="npu", adapter="y")]
    able = Abilities(
        images={"x": ("registry.example.org/team",)},
        refuses={name: frozenset({what}) for name, what in (("x", "folder"), ("y", "command"))},
        limits=limits,
    )
    ways = Ways({("east", "west"): 10})
    known: Known = {}
    asked = [spec(**among)] + [spec(**{**among, name: value}) for name, value in VARIED.items()]
    asked += [spec(**{**among, name: VARIED[name], "sites": ("west",)}) for name in VARIED]
    for one in asked:
        given = {"pools": there, "kind": "", "ways": ways, "able": able}
        alone = request_of(row(one), **given)  # type: ignore[arg-type]
        assert request_of(row(one), **given, known=known) == alone  # type: ignore[arg-type]
    assert len(known) < len(asked)


def test_every_field_of_a_workload_either_says_where_it_may_go_or_cannot():
    nowhere = {
        "key", "entry_point", "arguments", "devices", "wall_seconds_max", "cpu_seconds_max",
        "memory_bytes_max", "project", "kind", "replicas", "replicas_min", "devices_milli",
        "fabric", "deadline_us", "priority", "preemptible", "checkpoint_seconds", "cpu_milli",
        "replica_memory_bytes", "environment", "idle_minutes", "workload_class",
    }  # fmt: skip
    assert nowhere | VARIED.keys() == WorkloadSpec.__dataclass_fields__.keys()
