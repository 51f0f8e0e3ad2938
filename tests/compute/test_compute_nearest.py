"""The nearest that could be placed: named from the nodes there are, and really placed there."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from yunhe.compute import service as compute
from yunhe.compute.domain import Pool, WorkloadSpec
from yunhe.compute.nearest import alternatives, rooms, told
from yunhe.compute.scheduling.engine import decide
from yunhe.compute.scheduling.state import (
    AwardView,
    NodeView,
    Picture,
    Placement,
    PoolView,
    Request,
)
from yunhe.compute.service import supply
from yunhe.compute.specs import spec_faults
from yunhe.kernel.errors import Invalid

NOW_US = 1_767_225_600_000_000
FAR_US = NOW_US + 10**15


def pool(name: str, *, site: str = "east", devices: int = 8, chip: str = "npu") -> Pool:
    return Pool(name, "org", site, "local", chip, devices, 0, "CNY")


def spec(**over) -> WorkloadSpec:
    given = {
        "key": "k",
        "organisation": "org",
        "entry_point": "trial",
        "arguments": {},
        "inputs": {},
        "chip": "npu",
        "devices": 1,
        "wall_seconds_max": 100,
        "cpu_seconds_max": 100,
        **over,
    }
    return WorkloadSpec(**given)


def placed(asked: WorkloadSpec, pools: list[Pool], nodes: dict[str, list[NodeView]]) -> bool:
    """Whether the production scheduler places it now on these pools, all of them empty."""
    views = tuple(
        PoolView(p.id, p.chip, p.devices, 0, 0, "CNY", nodes=tuple(nodes.get(p.id, ())))
        for p in pools
    )
    allowed = frozenset(p.id for p in pools if not asked.sites or p.site in asked.sites)
    request = Request(
        id="w",
        number=1,
        organisation="org",
        chip=asked.chip,
        devices=asked.devices,
        wall_seconds_max=asked.wall_seconds_max,
        since_us=NOW_US,
        milli=asked.devices_milli,
        replicas=asked.replicas_least,
        fabric=asked.fabric,
        sites=allowed,
        cpu_milli=asked.cpu_milli or asked.devices * (asked.devices_milli or 1_000),
        memory_mib=-(-asked.replica_memory_bytes >> 20),
    )
    award = AwardView("a", "org", "npu", 10**15, FAR_US)
    picture = Picture(pools=views, awards=(award,), vouchers=(), cash={}, queue=(request,), busy={})
    return any(isinstance(each, Placement) for each in decide(picture, now_us=NOW_US))


kinds = st.builds(
    NodeView,
    devices=st.sampled_from((1, 2, 4, 8)),
    domain=st.integers(0, 1),
    count=st.integers(1, 3),
    cpu_milli=st.sampled_from((4_000, 16_000)),
    memory_mib=st.sampled_from((4_096, 65_536)),
)
estates = st.lists(st.lists(kinds, max_size=3), min_size=1, max_size=3)
wishes = st.fixed_dictionaries(
    {
        "devices": st.integers(1, 20),
        "replicas": st.integers(1, 6),
        "fabric": st.sampled_from(("any", "site", "domain", "node")),
        "cpu_milli": st.sampled_from((0, 2_000, 64_000)),
        "replica_memory_bytes": st.sampled_from((0, 8 << 30, 200 << 30)),
        "sites": st.sampled_from(((), ("s0",))),
    }
)


def estate_of(drawn: list[list[NodeView]]) -> tuple[list[Pool], dict[str, list[NodeView]]]:
    pools, nodes = [], {}
    for number, rows in enumerate(drawn):
        devices = sum(row.devices * row.count for row in rows) or 4
        pools.append(pool(f"p{number}", site=f"s{number}", devices=devices))
        if rows:
            nodes[f"p{number}"] = rows
    return pools, nodes


@settings(deadline=None)
@given(drawn=estates, wish=wishes, milli=st.sampled_from((0, 0, 250)))
def test_what_is_named_is_accepted_and_placed_on_an_empty_platform(drawn, wish, milli) -> None:
    pools, nodes = estate_of(drawn)
    asked = spec(**{**wish, "devices_milli": milli, "devices": 1 if milli else wish["devices"]})
    there = rooms(asked, pools, nodes)
    faults = list(spec_faults(asked, pools, now_us=NOW_US, nodes=nodes))
    assume(faults)
    found = alternatives(asked, there)
    assert found, faults
    for changes in found:
        instead = replace(asked, **changes)
        assert list(spec_faults(instead, pools, now_us=NOW_US, nodes=nodes)) == []
        assert placed(instead, pools, nodes), told(changes)


@settings(deadline=None)
@given(drawn=estates, wish=wishes)
def test_what_is_accepted_has_room_when_nothing_else_runs(drawn, wish) -> None:
    pools, nodes = estate_of(drawn)
    asked = spec(**wish)
    single = asked.devices * asked.replicas == 1
    if not list(spec_faults(asked, pools, now_us=NOW_US, nodes=nodes)) and not single:
        assert placed(asked, pools, nodes)


@settings(deadline=None)
@given(drawn=estates, wish=wishes)
def test_no_smaller_single_change_of_a_number_would_do(drawn, wish) -> None:
    pools, nodes = estate_of(drawn)
    asked = spec(**wish)
    there = rooms(asked, pools, nodes)
    assume(not there.can(asked))
    steps = {"devices": 1, "replicas_min": 1, "cpu_milli": 1, "replica_memory_bytes": 1 << 20}
    for changes in alternatives(asked, there):
        if len(changes) == 1:
            [(name, value)] = changes.items()
            if name in steps:
                assert not there.can(replace(asked, **{name: value + steps[name]}))


EIGHTS = [NodeView(8, 0, 4, 64_000, 524_288), NodeView(8, 1, 2, 64_000, 524_288)]


@pytest.mark.parametrize(
    ("wish", "nearest"),
    [
        ({"devices": 16, "fabric": "node"}, "--set fabric=domain | --set devices=8"),
        ({"devices": 8, "replicas": 5, "fabric": "domain"}, "--set fabric=site | "),
        ({"devices": 8, "replicas": 7}, None),
        ({"devices": 1, "cpu_milli": 65_000}, "--set cpu_milli=64000"),
        ({"devices": 1, "replica_memory_bytes": 513 << 30}, "--set replica_memory_bytes="),
        ({"devices": 9, "fabric": "node", "cpu_milli": 70_000}, None),
    ],
)
def test_nodes_cpu_memory_and_fabric_count(wish, nearest) -> None:
    [fault] = spec_faults(spec(**wish), [pool("p", devices=48)], nodes={"p": EIGHTS})
    if nearest is not None:
        assert (fault.code, str(dict(fault.params)["nearest"])[: len(nearest)]) == (
            "compute.nearest_needs",
            nearest,
        )
    for language in ("en", "zh"):
        assert "{" not in fault.message(language)


def test_only_another_site_is_named_by_its_name_and_not_where_the_nodes_are_too_small() -> None:
    pools = [pool("p"), pool("q", site="west", devices=64), pool("r", site="north", devices=64)]
    nodes = {"q": [NodeView(2, 0, 32)]}
    asked = spec(devices=16, sites=("east",), fabric="node")
    [fault] = spec_faults(asked, pools, nodes=nodes)
    assert (fault.code, dict(fault.params)["sites"]) == ("compute.nearest_site", "north")


def test_where_every_node_is_gone_nothing_is_named() -> None:
    [fault] = spec_faults(spec(devices=2), [pool("p")], nodes={"p": []})
    assert fault.code == "compute.never_room"


def test_what_is_named_reads_as_the_command_takes_it() -> None:
    said = told({"sites": ("a", "b"), "devices": 2})
    assert said == "--set sites=[a,b] --set devices=2"
    assert yaml.safe_load("[a,b]") == ["a", "b"]


def test_a_platform_names_what_its_nodes_could_take_and_then_takes_it(bare_city) -> None:
    compute.register_pool(
        bare_city.storage,
        key="noded",
        provider=bare_city.provider,
        site="机房一",
        chip="cpu",
        devices=4,
        price_minor_per_device_hour=3_600,
        currency="CNY",
        nodes=(supply.NodeRow(2, 2, 4_000, 8_192),),
    )
    bare_city.award()
    bare_city.voucher()
    bare_city.cash()
    bare_city.approve_trial()
    with pytest.raises(Invalid) as refused:
        bare_city.submit("too close", devices=3, fabric="node")
    [fault] = refused.value.findings
    assert dict(fault.params)["nearest"] == "--set fabric=domain | --set devices=2"
    assert bare_city.submit("two", devices=2, fabric="node").state == "placed"
    assert bare_city.submit("other", devices=2, fabric="node").state == "placed"
