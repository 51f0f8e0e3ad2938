"""Cities in the simulator: from a table or an export; one city decides as no city does."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from yunhe.compute.scheduling.policies import YUNHE
from yunhe.compute.simulation import comparing
from yunhe.compute.simulation.cities import with_cities
from yunhe.compute.simulation.comparing import Asked
from yunhe.compute.simulation.loop import cities_of, replay
from yunhe.compute.simulation.traces.building import Wanted
from yunhe.compute.simulation.traces.export import read
from yunhe.compute.simulation.traces.table import Problems
from yunhe.kernel.errors import Invalid, Unavailable


@pytest.fixture
def trace():
    return comparing.load(Asked(first=150)).trace


def table(folder, *rows: str):
    path = folder / "cities.csv"
    path.write_text("\n".join(["tenant,city,weight", *rows]), "utf-8")
    return path


def test_one_city_decides_exactly_as_none(trace):
    plain = replay(trace, YUNHE)
    one = replay(replace(trace, cities=("CN-11",) * len(trace.tenants)), YUNHE)
    for name in ("job", "start_us", "end_us", "site", "chip", "ended"):
        assert np.array_equal(getattr(plain.stretches, name), getattr(one.stretches, name))


def test_a_table_says_which_city_each_tenant_is_of(trace, tmp_path):
    first, second, *_ = trace.tenants
    found = with_cities(trace, table(tmp_path, f"{first},CN-11,3", f"{second},CN-12,"))
    assert dict(cities_of(found).of) == {first: "CN-11", second: "CN-12"}
    assert dict(found.city_weights) == {"CN-11": 3}
    assert len(found.cities) == len(trace.tenants)
    assert cities_of(trace).of == {}


def test_every_fault_of_a_table_is_told_at_once(trace, tmp_path):
    name = trace.tenants[0]
    path = table(tmp_path, "nobody,CN-11,", f"{name},,2", f"{name},CN-11,0", "x,y,1001")
    with pytest.raises(Invalid) as refused:
        with_cities(trace, path)
    assert [(one.where, one.code.rpartition("_")[2]) for one in refused.value.findings] == [
        ("cities.csv:2", "tenant"),
        ("cities.csv:3", "city"),
        ("cities.csv:4", "tenant"),
        ("cities.csv:4", "weight"),
        ("cities.csv:5", "tenant"),
        ("cities.csv:5", "weight"),
    ]
    for content in ("", "a,b\n1,2\n"):
        path.write_text(content, "utf-8")
        with pytest.raises(Invalid) as refused:
            with_cities(trace, path)
        assert [one.code for one in refused.value.findings] == ["simulate.cities_columns"]
    with pytest.raises(Unavailable):
        with_cities(trace, tmp_path / "gone.csv")


def test_an_export_says_cities_and_their_weights():
    pool = {"type": "pool", "id": "p", "site": "s", "chip": "npu", "devices": 8}
    work = {"type": "workload", "chip": "npu", "devices": 1, "run_ms": 1_000, "state": "settled"}
    lines = [
        {"format": "yunhe-trace", "version": 2},
        pool,
        {"type": "city", "city": "CN-11", "weight": 3},
        {**work, "id": "a", "organisation": "x", "submitted_at_us": 1, "city": "CN-11"},
        {**work, "id": "b", "organisation": "y", "submitted_at_us": 2},
    ]

    def loaded(said: list[dict]):
        content = "\n".join(map(json.dumps, said))
        return read("t.jsonl", content, Wanted(), Problems("t.jsonl")).trace

    found = loaded(lines)
    assert dict(cities_of(found).of) == {"x": "CN-11"}
    assert dict(found.city_weights) == {"CN-11": 3}
    assert loaded([*lines[:2], lines[4]]).cities == ()
