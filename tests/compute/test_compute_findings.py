"""All that is wrong with a request comes at once: no fault hides another, and each is told once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.asking import UNSAID, Ways
from yunhe.compute.domain import Pool, WorkloadSpec
from yunhe.compute.gaps import tellable, without
from yunhe.compute.moving import SLACK_SECONDS_MAX
from yunhe.compute.specs import spec_faults
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Finding

NOW_US = 1_767_225_600_000_000
TERABYTE = 10**12
POOLS = (
    Pool("p", "org", "east", "local", "cpu", 8, 100, "CNY"),
    Pool("q", "org", "west", "local", "cpu", 64, 100, "CNY"),
    Pool("r", "org", "west", "local", "npu", 16, 100, "CNY"),
)


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


def faults(asked: WorkloadSpec, ways: Ways = UNSAID) -> list[Finding]:
    return spec_faults(asked, POOLS, now_us=NOW_US, ways=ways)


def found(**over) -> set[tuple[str, str]]:
    return {(each.where, each.code) for each in faults(spec(**over))}


ALONE = {
    "kind": {"kind": "x"},
    "program": {"entry_point": "../evil"},
    "chip": {"chip": "nothing"},
    "size": {"devices": 100_000},
    "replicas": {"replicas": 0},
    "fewest": {"replicas_min": -1},
    "wall": {"wall_seconds_max": 0},
    "processor": {"cpu_seconds_max": 0},
    "memory": {"memory_bytes_max": 1},
    "arguments": {"arguments": {"rate": 0.5}},
    "inputs": {"inputs": {"a": "md5:1"}},
    "secrets": {"secrets": {"PATH": "A", "T": "?"}},
    "environment": {"environment": {"LD_PRELOAD": "x"}},
    "outputs": {"outputs": ("a", "../b")},
    "fabric": {"fabric": "tight"},
    "sites": {"sites": ("mars", "east", "west")},
    "site": {"sites": ("mars",)},
    "data": {"data_site": "wset"},
    "nowhere": {"egress": "forbid"},
    "share": {"devices_milli": 1_000},
    "deadline": {"deadline_us": NOW_US - 1},
    "priority": {"priority": "highest"},
    "checkpoint": {"checkpoint_seconds": 5},
    "substitute": {"substitutes": {"npu": 0}},
    "idle": {"idle_minutes": -1},
    "processors": {"cpu_milli": -5},
    "image": {"image": "a/b:1", "command": ("a",), "entry_point": ""},
    "folder": {"folder": "here"},
    "class": {"workload_class": "?"},
}
"""One fault each, over every field."""
BOUND = [
    {"site", "sites"},
    {"data", "nowhere"},
    {"program", "image"},
    {"chip", "substitute"},  # a chip nobody has does no harm where another will do
    {"wall", "deadline"},
    # What is told of a value cannot be told where that value is not known.
    {"replicas", "fewest"},
    {"size", "share"},
]
"""Those that are about the same value."""


@pytest.mark.parametrize("name", sorted(ALONE))
def test_each_fault_is_told_where_it_is_said(name):
    told = {where.partition(".")[0] for where, _ in found(**ALONE[name])}
    said = {"nowhere": "data_site", "deadline": "deadline"}.get(name)
    assert told & ({said} if said else set(ALONE[name]))


def test_faults_over_every_field_are_all_told_at_once():
    every: dict[str, object] = {}
    left = ("image", "nowhere", "site", "share", "fewest", "substitute")  # see BOUND
    names = [name for name in ALONE if name not in left]
    for name in names:
        every |= ALONE[name]
    told = found(**every)
    assert len(told) >= len(names) > 20
    for name in names:
        assert found(**ALONE[name]) <= told, name


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(sorted(ALONE)), st.sampled_from(sorted(ALONE)))
def test_two_faults_together_are_told_as_each_alone(one, other):
    both = ALONE[one] | ALONE[other]
    if one == other or {one, other} in BOUND or len(both) < len(ALONE[one]) + len(ALONE[other]):
        return
    assert found(**both) >= found(**ALONE[one]) | found(**ALONE[other])


@given(st.lists(st.sampled_from(sorted(ALONE)), max_size=6, unique=True))
def test_no_finding_is_told_twice(names):
    every: dict[str, object] = {}
    for name in names:
        every |= ALONE[name]
    told = [(each.where, each.code, each.params) for each in faults(spec(**every))]
    assert len(told) == len(set(told))


@given(st.sets(st.sampled_from(sorted(set(WorkloadSpec.__dataclass_fields__) - {"key"}))))
def test_of_a_sound_request_no_gap_makes_a_fault(places):
    """Whatever could not be read: what stands for it is held against nobody."""
    sound = spec(
        devices=4,
        replicas=2,
        substitutes={"npu": 500},
        sites=("west",),
        data_site="west",
        egress="forbid",
        deadline_us=NOW_US + 10**12,
        preemptible=True,
        checkpoint_seconds=50,
        command=("a",),
        entry_point="",
    )
    assert faults(sound) == []
    gaps = {"deadline" if place == "deadline_us" else place for place in places}
    assert spec_faults(without(sound, gaps), POOLS, now_us=NOW_US, gaps=gaps) == []


def test_what_is_known_of_a_dictionary_is_still_looked_at():
    over = {"substitutes": {"npu": 0, "cpu": 900}, "environment": {"LD_PRELOAD": "x", "A": "\0"}}
    assert {
        ("substitutes.npu", "compute.amount_invalid"),
        ("substitutes.cpu", "compute.chip_twice"),
        ("environment.LD_PRELOAD", "compute.variable_reserved"),
        ("environment.A", "compute.value_invalid"),
    } <= found(**over)


@pytest.mark.parametrize("field", ["substitutes", "inputs", "environment"])
def test_of_a_field_that_is_unknown_no_part_is_left(field):
    """In whatever order they are named: a set has none that holds in another process."""
    asked = spec(**{field: {"one": 7, "two": 8}})
    for places in ([field, f"{field}.one"], [f"{field}.one", field]):
        assert getattr(without(asked, places), field) == {}


def test_a_gap_hides_only_what_rests_on_it():
    wrong = [Finding("devices", "compute.amount_invalid"), Finding("chip", "compute.chip_nowhere")]
    assert tellable([*wrong, wrong[0]], set()) == wrong
    assert tellable(wrong, {"chip"}) == wrong[:1]
    assert tellable(wrong, {"inputs.a"}) == wrong


def test_a_size_is_judged_though_chip_and_site_are_nowhere():
    told = found(chip="nothing", sites=("mars",), devices=100)
    assert ("chip", "compute.chip_nowhere") in told
    assert ("sites", "compute.sites_without") in told
    assert ("devices", "compute.devices_too_many") in told


def nearest(finding: Finding) -> list[list[str]]:
    """The changes that a finding names, each as the words after ``--set``."""
    said = str(dict(finding.params)["nearest"])
    return [[part.strip() for part in one.split("--set ")[1:]] for one in said.split(" | ")]


def changed(asked: WorkloadSpec, parts: list[str]) -> WorkloadSpec:
    for part in parts:
        name, _, value = part.partition("=")
        plain = yaml.safe_load(value)
        if isinstance(plain, datetime):
            name, plain = "deadline_us", int(plain.timestamp()) * SECOND_US
        asked = replace(asked, **{name: tuple(plain) if isinstance(plain, list) else plain})
    return asked


def test_data_that_cannot_be_there_in_time_is_a_finding_with_what_would_do():
    asked = spec(
        data_site="east", egress_bytes=TERABYTE, sites=("west",), deadline_us=NOW_US + 3_600 * 10**6
    )
    [told] = faults(asked)
    assert (told.where, told.code) == ("deadline", "compute.deadline_moving")
    params = dict(told.params)
    assert (params["moving"], params["left"], params["end"]) == (8_000, 3_600, "west")
    ways = nearest(told)
    assert [one[0].partition("=")[0] for one in ways] == ["sites", "egress_bytes", "deadline"]
    for one in ways:
        assert faults(changed(asked, one)) == [], one
    fast = Ways({("east", "west"): 10_000})
    assert faults(asked, fast) == []


@settings(max_examples=200, deadline=None)
@given(
    left=st.integers(-100, 40_000),
    wall=st.integers(1, 30_000),
    gigabytes=st.integers(0, 3_000),
    chip=st.sampled_from(["cpu", "npu"]),
    speed=st.integers(1, 3_000),
    sites=st.sampled_from([(), ("west",), ("east", "west")]),
)
def test_every_alternative_to_a_deadline_is_feasible(left, wall, gigabytes, chip, speed, sites):
    asked = spec(
        chip=chip,
        substitutes={"cpu" if chip == "npu" else "npu": speed},
        wall_seconds_max=wall,
        data_site="east",
        egress_bytes=gigabytes * 10**9,
        sites=sites,
        deadline_us=NOW_US + left * SECOND_US,
    )
    late = [each for each in faults(asked) if each.code.startswith("compute.deadline_")]
    for each in late:
        for one in nearest(each):
            assert not one[0].endswith("=0")
            after = faults(changed(asked, one))
            assert not [a for a in after if a.code.startswith("compute.deadline_")], one


def test_no_wall_time_of_nothing_is_ever_named():
    for left in (-5, 0, 1):
        [told] = faults(spec(deadline_us=NOW_US + left * SECOND_US))
        assert told.code == "compute.deadline_short"
        assert "wall_seconds_max=0" not in str(told.params)
        assert any("deadline=" in one[0] for one in nearest(told))
    assert SLACK_SECONDS_MAX >= 60


def test_a_site_nobody_knows_is_told_with_those_most_like_it():
    [told] = faults(spec(data_site="wset", egress_bytes=5))
    assert (told.where, told.code) == ("data_site", "compute.site_unknown")
    assert dict(told.params)["nearest"].startswith("west")
    [told] = faults(spec(sites=("east", "wset")))
    assert told.where == "sites.1"
    archive = Ways({("archive", "west"): 100})
    assert faults(spec(data_site="archive", egress_bytes=5), archive) == []
