"""Device time of a chip as time of an award for several: whole numbers, never above what it has."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.scheduling.budgets import Budgets
from yunhe.compute.scheduling.shapes import Tier
from yunhe.compute.scheduling.state import AwardView, Request
from yunhe.compute.scheduling.weights import (
    Draw,
    captured,
    covered,
    given_back,
    rate_of,
    units,
    works,
)

CHIPS = ("a100", "ascend910b", "h100")
rates = st.integers(1, 1_000_000)
times = st.integers(0, 10**12)


@given(raw=times, more=st.integers(0, 10**6), rate=rates)
def test_a_longer_time_never_takes_less_and_what_is_covered_never_takes_more(raw, more, rate):
    assert units(raw, rate) <= units(raw + more, rate)
    assert units(covered(raw, rate), rate) <= raw
    assert units(covered(raw, rate) + 1, rate) > raw


def test_a_class_of_work_has_the_rate_of_what_it_is_a_kind_of_unless_it_has_its_own():
    said = {("h100", "training"): 2_500, ("h100", "training.resnet50"): 2_000}
    assert rate_of(said, "h100", "training.resnet50") == 2_000
    assert rate_of(said, "h100", "training.language.large") == 2_500
    assert rate_of(said, "h100", "batch") is None
    assert rate_of(said, "a100", "training") is None
    assert rate_of(said, "h100", "") is None
    assert list(works("a.b.c")) == ["a.b.c", "a.b", "a"]


@st.composite
def draws(draw) -> list[Draw]:
    made = []
    for number in range(draw(st.integers(0, 4))):
        raw, rate = draw(st.integers(1, 10**9)), draw(rates)
        if draw(st.booleans()):
            made.append(Draw(f"award_{number}", units(raw, rate), "class:x", raw, rate))
        else:
            made.append(Draw(f"award_{number}", raw))
    return made


@given(held=draws(), share=st.integers(0, 1_000))
def test_what_is_captured_is_never_above_what_is_held_and_all_of_the_time_is_in_it(held, share):
    raw = sum(one.covers_ms for one in held) * share // 1_000
    found = captured(held, raw)
    assert sum(one.covers_ms for one in found) == raw
    there = {one.award: one for one in held}
    for one in found:
        assert 0 < one.device_ms <= there[one.award].device_ms
        assert 0 < one.covers_ms <= there[one.award].covers_ms
    if share == 1_000:
        assert found == held


@given(used=draws(), parts=st.lists(st.integers(0, 10**9), max_size=4))
def test_giving_back_in_parts_comes_to_the_same_as_at_once_and_never_to_more(used, parts):
    whole = sum(one.covers_ms for one in used)
    parts = [part for n, part in enumerate(parts) if sum(parts[: n + 1]) <= whole]
    left = used
    for part in parts:
        left = given_back(left, part)
    assert left == given_back(used, sum(parts))
    for one, before in zip(left, used, strict=True):
        assert 0 <= one.device_ms <= before.device_ms
    assert sum(one.device_ms for one in given_back(used, whole)) == 0


def request(*, chip: str, devices: int, wall: int, work: str) -> Request:
    return Request(
        "w", 1, "org", chip, devices, wall_seconds_max=wall, since_us=0, workload_class=work
    )


@st.composite
def purses(draw) -> list[AwardView]:
    made = []
    for number in range(draw(st.integers(1, 5))):
        word = draw(st.sampled_from((*CHIPS, "class:one", "class:two")))
        some = draw(st.lists(st.sampled_from(CHIPS), min_size=1, unique=True))
        pinned = tuple((chip, "training", draw(rates)) for chip in some)
        made.append(
            AwardView(
                f"award_{number}",
                "org",
                word,
                draw(st.integers(0, 10**8)),
                draw(st.sampled_from((50, 200, 300))),
                pinned if word.startswith("class:") else (),
            )
        )
    return made


@settings(max_examples=300)
@given(
    awards=purses(),
    asked=st.lists(
        st.tuples(
            st.sampled_from(CHIPS),
            st.integers(1, 8),
            st.integers(1, 5_000),
            st.sampled_from(("training", "training.x", "batch", "")),
        ),
        max_size=6,
    ),
)
def test_no_sequence_of_placements_draws_more_than_any_award_has(awards, asked):
    budgets = Budgets(awards, (), {})
    left = {each.id: each.left_ms for each in awards}
    of = {each.id: each for each in awards}
    for chip, devices, wall, work in asked:
        one, tier = request(chip=chip, devices=devices, wall=wall, work=work), tier_of(chip)
        bill = budgets.bill(one, tier, wall_seconds=wall, now_us=100)
        assert len({draw.of for draw in bill.draws}) <= 1
        for draw in bill.draws:
            award = of[draw.award]
            assert award.expires_at_us > 100
            assert award.chip == (draw.of or chip) == bill.of
            if draw.of:
                pinned = {(c, w): rate for c, w, rate in award.rates}
                assert draw.per_thousand == rate_of(pinned, chip, work)
                assert draw.device_ms == units(draw.raw_ms, draw.per_thousand)
        need = devices * wall * 1_000
        covers = sum(draw.covers_ms for draw in bill.draws)
        assert (covers == need) == bill.affordable
        if not bill.affordable:
            continue
        budgets.spend(one, tier, bill)
        for draw in bill.draws:
            left[draw.award] -= draw.device_ms
            assert left[draw.award] >= 0


def tier_of(chip: str) -> Tier:
    return Tier(1, chip, 1_000, 0, "CNY", 0)


def bill_of(awards, *, chip: str = "h100", seconds: int = 100, work: str = "training"):
    one = request(chip=chip, devices=1, wall=seconds, work=work)
    return Budgets(awards, (), {}).bill(one, tier_of(chip), wall_seconds=seconds, now_us=100)


OWN = AwardView("own", "org", "h100", 100_000, 900)
CLASS = AwardView("class", "org", "class:x", 250_000, 200, (("h100", "training", 2_500),))


def test_an_award_for_the_chip_itself_pays_before_one_for_several():
    assert bill_of([CLASS, OWN]).draws == (Draw("own", 100_000),)


def test_one_for_several_pays_where_the_chips_own_has_not_enough():
    bill = bill_of([CLASS, AwardView("own", "org", "h100", 99_999, 900)])
    assert bill.draws == (Draw("class", 250_000, "class:x", 100_000, 2_500),)
    assert bill.affordable


def test_what_is_missing_is_told_in_the_time_of_the_award_that_lacks_least():
    short = AwardView("class", "org", "class:x", 249_999, 200, CLASS.rates)
    bill = bill_of([short])
    assert (bill.of, bill.missing_ms, bill.affordable) == ("class:x", 3, False)
    more = AwardView("more", "org", "class:x", bill.missing_ms, 300, CLASS.rates)
    assert bill_of([short, more]).affordable
    own = bill_of([AwardView("own", "org", "h100", 1, 900)])
    assert (own.of, own.missing_ms) == ("h100", 99_999)


@pytest.mark.parametrize("work", ["batch", ""])
def test_an_award_pays_for_no_work_that_its_rates_say_nothing_of(work):
    bill = bill_of([CLASS], work=work)
    assert (bill.draws, bill.of, bill.missing_ms) == ((), "h100", 100_000)


def test_two_awards_for_the_same_several_pay_together_each_by_its_own_rates():
    second = AwardView("second", "org", "class:x", 10**6, 300, (("h100", "training", 1_999),))
    first = AwardView("class", "org", "class:x", 100_001, 200, CLASS.rates)
    bill = bill_of([second, first])
    assert bill.draws == (
        Draw("class", 100_000, "class:x", 40_000, 2_500),
        Draw("second", 119_940, "class:x", 60_000, 1_999),
    )
    assert bill.affordable


def test_an_expired_award_for_several_is_told_as_expired_only_for_chips_it_is_for():
    budgets = Budgets([CLASS], (), {})
    h100 = request(chip="h100", devices=1, wall=1, work="training")
    a100 = request(chip="a100", devices=1, wall=1, work="training")
    assert budgets.expired(h100, now_us=200)
    assert not budgets.expired(h100, now_us=199)
    assert not budgets.expired(a100, now_us=200)
