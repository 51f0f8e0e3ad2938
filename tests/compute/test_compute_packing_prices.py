"""Prices of devices: the knapsack against a plain one, and what the programme must say."""

from __future__ import annotations

import runpy
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.scheduling import prices as module
from yunhe.compute.scheduling.kernels.packing import WHOLE, knapsack
from yunhe.compute.scheduling.prices import FLOOR_PERCENT, VALUE, Shape, prices

ROOT = Path(__file__).parents[2]
TRACE = ROOT.parent / "shared" / "data" / "traces" / "alibaba-gpu-v2023"
KIND = (0, 8, 96_000, 393_216)
PIECES = st.lists(st.tuples(st.integers(1, 60), st.integers(-5, 50)), max_size=6)


def plain(pieces: list[tuple[int, int]], room: int) -> int:
    """The best of all fillings, by trying each piece first."""
    best = [0] * (room + 1)
    for at in range(1, room + 1):
        best[at] = max(
            [best[at - 1], *(best[at - size] + worth for size, worth in pieces if size <= at)]
        )
    return best[room]


@settings(max_examples=60, deadline=None)
@given(pieces=PIECES, room=st.integers(0, 80))
def test_a_knapsack_is_filled_as_well_as_can_be_and_says_with_what(pieces, room):
    table, choice = np.zeros(room + 1, np.int64), np.zeros(room + 1, np.int64)
    sizes = np.array([size for size, _ in pieces], np.int64)
    values = np.array([worth for _, worth in pieces], np.int64)
    assert knapsack(values, sizes, table, choice) == plain(pieces, room)
    assert (np.diff(table) >= 0).all()
    left, total = room, 0
    while left > 0:
        if choice[left] < 0:
            left -= 1
        else:
            total += pieces[choice[left]][1]
            left -= pieces[choice[left]][0]
    assert left == 0
    assert total == table[room]


def test_a_piece_that_spoils_a_whole_device_costs_a_whole_device():
    """810 of 1000 leave room for nothing usual; two of 470 share a device."""
    demand = {Shape(1, 810): 100, Shape(1, 470): 100, Shape(1, 0): 100}
    made = prices({KIND: 20}, demand)
    table = made.tables[0, 0]
    assert table[809] == pytest.approx(VALUE / 2, rel=1e-3)
    assert table[810] == pytest.approx(VALUE, rel=1e-3)
    assert table[470] == pytest.approx(VALUE / 2, rel=1e-3)
    assert table[469] == 0
    assert made.level_ppm == pytest.approx(160 / 250 * 1_000_000, abs=5)


def test_what_is_never_in_the_way_is_still_worth_part_of_its_room():
    made = prices({KIND: 20}, {Shape(1, 810): 100, Shape(1, 160): 5})
    assert made.tables[0, 0, 190] >= 160 * VALUE * FLOOR_PERCENT // (100 * WHOLE)


def test_the_dearer_cpu_is_the_less_a_free_device_earns():
    made = prices({KIND: 20}, {Shape(1, 0, 12_000): 100, Shape(1, 470, 8000): 30})
    by_cpu = [
        made.tables[0, step, WHOLE] for step, (_, mib) in enumerate(made.rates.tolist()) if not mib
    ]
    assert by_cpu == sorted(by_cpu, reverse=True)
    assert by_cpu[0] > 2 * by_cpu[-1]


def test_a_chip_that_nobody_names_earns_less_than_one_that_many_insist_on():
    kinds = {(0, 8, 96_000, 9000): 10, (1, 8, 96_000, 9000): 10}
    only = {Shape(1, 500, 1000, 0, (0,)): 200, Shape(1, 300, 1000): 10}
    made = prices(kinds, only)
    assert made.tables[0, 0, WHOLE] > made.tables[1, 0, WHOLE]


@pytest.mark.parametrize(
    ("kinds", "demand"),
    [
        ({}, {}),
        ({}, {Shape(1): 5}),
        ({KIND: 3}, {}),
        ({KIND: 3}, {Shape(9): 5}),
        ({KIND: 3}, {Shape(1, 0, 0, 0, (4,)): 5}),
        ({KIND: 3}, {Shape(cpu_milli=1000): 5}),
        ({KIND: 0}, {Shape(1): 5}),
        ({KIND: 3}, {Shape(1): 0}),
        ({(-1, 0, 32_000, 9): 3}, {Shape(cpu_milli=1000): 5}),
    ],
)
def test_nothing_to_plan_for_gives_prices_that_say_so(kinds, demand):
    made = prices(kinds, demand)
    assert made.level_ppm == 0
    assert not made.tables.any()


def test_demand_far_below_the_fleet_is_served_wholly():
    made = prices({KIND: 100}, {Shape(1, 500, 1000): 8})
    assert made.level_ppm >= 1_000_000


def test_the_programme_looks_at_no_more_than_it_said(monkeypatch):
    monkeypatch.setattr(module, "SHAPES_MAX", 2)
    monkeypatch.setattr(module, "KINDS_MAX", 1)
    kinds = {KIND: 10, (1, 2, 8000, 900): 1}
    made = prices(kinds, {Shape(1, 500): 9, Shape(1, 250): 5, Shape(1, 100): 1})
    assert made.tables.shape[0] == 1
    assert made.tables[0, 0, 249] == 0


@settings(max_examples=15, deadline=None)
@given(
    st.dictionaries(
        st.builds(
            Shape, st.just(1), st.sampled_from([0, 160, 320, 470, 650, 810]), st.integers(0, 20_000)
        ),
        st.integers(1, 200),
        min_size=1,
        max_size=6,
    )
)
def test_prices_never_count_more_than_the_fleet_can_hold(demand):
    made = prices({KIND: 12}, demand)
    served = made.level_ppm / 1_000_000 * sum(shape.size * n for shape, n in demand.items())
    cpu = made.level_ppm / 1_000_000 * sum(shape.cpu_milli * n for shape, n in demand.items())
    assert served <= 12 * 8 * WHOLE * 1.0001
    assert cpu <= 12 * 96_000 * 1.0001
    assert (np.diff(made.tables.astype(np.int64), axis=2) >= 0).all()
    assert made.tables.min() >= 0


@pytest.mark.skipif(not TRACE.exists(), reason="the traces are not on this machine")
def test_on_the_real_trace_the_harness_meets_the_published_figures_and_ours_is_above():
    """One seed of the list that has every kind of pod; ten are in the benchmark."""
    bench = runpy.run_path(str(ROOT / "benchmarks" / "compute" / "packing.py"))
    where = bench["fleet"]("gpu")
    assert (len(where.nodes.chip), where.milli) == (1213, 6_212_000)
    assert int(where.nodes.cpu_free.sum()) == 107_018_000  # as its published log says
    listed = bench["pods"]("default", where.models)
    found = {}
    for rule in bench["RULES"]:
        figures = bench["Figures"]([], [], [])
        bench["run"](rule, 42, where, listed, figures)
        found[rule] = figures.allocated[0]
    for rule, figure in bench["PUBLISHED"]["default"].items():
        assert found[rule] == pytest.approx(figure, abs=0.8)
    assert found["yunhe"] >= bench["PUBLISHED"]["default"]["fgd"] + 0.5
    assert Counter(listed).total() == 8152
