"""What the dispatcher takes from a plan, against the same counted in fractions."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.scheduling.plan import Amount, Demand, Inputs, Plan, Supply
from yunhe.compute.scheduling.plan_guide import LATE, Guide, guide_of, kin_of

CELL = ("npu", "north")
KIN = kin_of("npu", {})


def test_a_kin_names_its_own_chip_at_full_speed_and_only_chips_that_will_do() -> None:
    assert kin_of("npu", {}) == kin_of("npu", {"npu": 1_000}) == ("npu", (("npu", 1_000),))
    assert kin_of("npu", {"gpu": 0}) == kin_of("npu", {})
    assert kin_of("npu", {"gpu": 5, "cpu": 7}) == kin_of("npu", {"cpu": 7, "gpu": 5})
    assert kin_of("npu", {"npu": 900})[1] == (("npu", 900),)
    assert kin_of("npu", {"gpu": 1_000}) != kin_of("gpu", {"npu": 1_000})


@pytest.mark.parametrize(
    ("speed", "money", "value"),
    [(1_000, 0, 700_000), (4_000, 0, 700_000), (500, 0, 200_000), (1_000, 300, 100_000)],
    ids=["full", "faster counts as full", "half", "money"],
)
def test_a_place_is_worth_its_speed_less_its_price_less_what_others_would_have_of_it(
    speed, money, value
) -> None:
    guide = Guide({CELL: 300_000}, {}, price_ppm_per_minor=2_000)
    assert guide.value(CELL, speed=speed, price_minor=money) == value
    assert guide.value(("npu", "south"), speed=speed, price_minor=money) == value + 300_000


@pytest.mark.parametrize(
    ("part", "rung"), [(1_000, 0), (950, 0), (949, 1), (500, 1), (499, 2), (1, 2), (0, 3)]
)
def test_among_equally_good_places_the_one_that_the_plan_gives_to_the_kin_comes_first(
    part, rung
) -> None:
    guide = Guide({}, {KIN: {CELL: part}})
    assert guide.level(KIN, CELL, value=9, best=9) == rung
    assert guide.level(KIN, CELL, value=9, best=2_009) == rung  # a tie, as far as prices go
    assert guide.level(KIN, CELL, value=9, best=2_010) == 4 + rung
    assert guide.level(kin_of("gpu", {}), CELL, value=9, best=9) == 3  # not its own


@given(st.integers(-3_000_000, 1_000_000), st.integers(0, 9_000_000), st.integers(0, 1_000))
def test_no_place_that_is_worth_anything_is_ever_late(value, behind, part) -> None:
    guide = Guide({}, {KIN: {CELL: part}})
    level = guide.level(KIN, CELL, value=value, best=value + behind)
    assert (level < LATE) == (value >= -2_000)
    assert 0 <= level <= LATE


AMOUNTS = st.lists(
    st.tuples(
        st.integers(0, 4), st.sampled_from(["npu", "gpu"]), st.sampled_from("ns"),
        st.integers(1, 9_000_000),
    ),
    max_size=20,
    unique_by=lambda row: row[:3],
)  # fmt: skip
DEMANDS = tuple(
    Demand(f"c{n}", "x", chip, 9, {chip: 1_000, **speeds})
    for n, (chip, speeds) in enumerate(
        [("npu", {}), ("npu", {}), ("gpu", {}), ("npu", {"gpu": 700}), ("gpu", {"npu": 0})]
    )
)


def guided(rows) -> Guide:
    amounts = tuple(Amount(f"c{n}", chip, site, micro) for n, chip, site, micro in rows)
    inputs = Inputs((Supply("npu", "n", 9),), DEMANDS, price_ppm_per_minor=3)
    return guide_of(Plan(amounts, {}, {CELL: 5}, {}, {}, 0), inputs)


@settings(max_examples=80, deadline=None)
@given(AMOUNTS, st.randoms(use_true_random=False))
def test_each_kin_gets_its_part_of_what_the_plan_gives_away_in_a_cell(rows, dice) -> None:
    guide = guided(rows)
    assert (guide.prices_ppm, guide.price_ppm_per_minor) == ({CELL: 5}, 3)
    kin = {f"c{n}": kin_of(each.chip, each.speeds) for n, each in enumerate(DEMANDS)}
    for cell in {(chip, site) for _, chip, site, _ in rows}:
        there = [(kin[f"c{n}"], micro) for n, *at, micro in rows if tuple(at) == cell]
        whole = sum(micro for _, micro in there)
        for name in {name for name, _ in there}:
            own = sum(micro for other, micro in there if other == name)
            assert guide.planned[name][cell] == Fraction(own * 1_000, whole).__floor__()
    dice.shuffle(rows)
    assert guided(rows) == guide


def test_two_classes_that_differ_in_nothing_but_the_tenant_are_one_kin() -> None:
    guide = guided([(0, "npu", "n", 1), (1, "npu", "n", 1), (3, "npu", "n", 2)])
    assert guide.planned[KIN] == {("npu", "n"): 500}
    assert guide.planned[kin_of("npu", {"gpu": 700})] == {("npu", "n"): 500}
