"""Prices by period: never two at once, and the one of an instant is what a plain scan finds."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yunhe.compute import service as compute
from yunhe.compute.service import supply
from yunhe.compute.supply import store
from yunhe.compute.supply.domain import TERMS, Price, overlapping, price_at
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Invalid

SPAN = 24
"""Instants of the small calendar that periods are drawn from."""
instants = st.integers(0, SPAN)
periods = st.tuples(instants, st.none() | instants)


def price(number: int, since: int, until: int | None, *, term: str = "on_demand") -> Price:
    return Price(f"price_{number}", "pool_a", term, number, since, until, "mem_a", 0, "why")


def scan(since: int, until: int | None) -> set[int]:
    """Every instant of a period, one by one; what has no end ends with the calendar."""
    end = SPAN + 1 if until is None else until
    return {at for at in range(SPAN + 1) if since <= at < end}


@given(st.lists(periods, max_size=12), periods)
def test_periods_overlap_exactly_when_they_share_an_instant(drawn, wanted) -> None:
    kept = [price(number, *period) for number, period in enumerate(drawn)]
    since, until = wanted
    if until is not None and until <= since:
        return  # refused before anything is compared
    found = {each.id for each in overlapping(kept, since, until)}
    assert found == {
        each.id for each in kept if scan(each.from_us, each.until_us) & scan(since, until)
    }


@given(st.lists(periods, max_size=12), instants)
def test_the_price_of_an_instant_is_what_a_scan_over_all_periods_finds(drawn, at) -> None:
    taken: set[int] = set()
    kept = []
    for number, (since, until) in enumerate(drawn):
        own = scan(since, until)
        if own and not own & taken:
            taken |= own
            kept.append(price(number, since, until))
    holding = [each for each in kept if at in scan(each.from_us, each.until_us)]
    assert len(holding) <= 1
    expected = holding[0].price_minor_per_device_hour if holding else -1
    assert price_at(kept, at, otherwise=-1) == expected
    assert price_at(reversed(kept), at, otherwise=-1) == expected


@given(periods)
def test_a_period_touches_the_next_without_overlapping_it(period) -> None:
    since, until = period
    if until is None or until <= since:
        return
    kept = [price(1, since, until)]
    assert overlapping(kept, until, until + 1) == []
    assert overlapping(kept, until, None) == []
    assert [each.id for each in overlapping(kept, until - 1, until)] == ["price_1"]


actions = st.lists(
    st.tuples(
        st.sampled_from(["set", "set", "set", "end"]),
        st.sampled_from(TERMS),
        st.integers(0, 12),
        st.none() | st.integers(1, 14),
        st.integers(0, 3),
    ),
    max_size=12,
)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(actions)
def test_whatever_is_asked_for_in_whatever_order_no_two_prices_hold_at_once(new_city, asked):
    city = new_city()
    pool, begun = city.pool().id, city.clock.now_us()
    expected: dict[str, dict[int, int]] = {term: {} for term in TERMS}  # by second of the trial
    made: list[Price] = []
    for number, (what, term, since, until, pause) in enumerate(asked):
        now = (city.clock.now_us() - begun) // SECOND_US
        if what == "end" and made:
            ended = made.pop(since % len(made))
            supply.end_price(city.storage, pool, ended.id, until_us=None, reason="r", by="m")
            amounts = expected[ended.term]
            for second in [s for s in amounts if s >= now and amounts[s] == _amount(ended)]:
                del amounts[second]
        elif what == "set":
            end = None if until is None else now + until
            own = {
                second
                for second in range(now + since, 60)
                if end is None or second < end
            }  # fmt: skip
            clear = bool(own) and not own & set(expected[term])
            kept = _set(city, pool, number, term=term, since=now + since, until=end, begun=begun)
            assert (kept is not None) == clear
            if kept is not None:
                made.append(kept)
                expected[term] |= dict.fromkeys(own, _amount(kept))
        city.clock.advance(seconds=pause)
    with city.storage.database.read() as tx:
        (status,) = compute.pools(tx)
        for second in range(60):
            at_us = begun + second * SECOND_US
            for term in TERMS:
                held = store.prices(tx, pools=[pool], term=term, at_us=at_us)
                assert [_amount(each) for each in held] == [
                    amount for s, amount in expected[term].items() if s == second
                ]
            offer = supply.offers(tx, [status], now_us=at_us)[0]
            otherwise = status.pool.price_minor_per_device_hour
            assert offer.price_minor_per_device_hour == expected["on_demand"].get(second, otherwise)


def _amount(each: Price) -> int:
    return each.price_minor_per_device_hour


def _set(city, pool: str, number: int, *, term: str, since: int, until: int | None, begun: int):
    """The price, or None where it was refused for its period."""
    with suppressed() as caught:
        return supply.set_price(
            city.storage,
            pool,
            key=f"key-{number}",
            price_minor_per_device_hour=10_000 + number,
            term=term,
            from_us=begun + since * SECOND_US,
            until_us=None if until is None else begun + until * SECOND_US,
            reason="trial",
            by="mem_a",
        )
    assert set(caught) <= {"compute.price_overlaps", "compute.period_empty"}
    return None


@contextmanager
def suppressed():
    """The codes of the findings of a refusal, which is not raised."""
    codes: list[str] = []
    try:
        yield codes
    except Invalid as error:
        codes += [found.code for found in error.findings]


def test_a_refused_price_names_every_one_that_it_would_overlap(city) -> None:
    with city.storage.database.read() as tx:
        pool = compute.pools(tx)[0].pool.id
    now = city.clock.now_us()
    made = [
        _set(city, pool, number, term="spot", since=3 * number, until=3 * number + 1, begun=now)
        for number in range(3)
    ]
    with pytest.raises(Invalid) as caught:
        supply.set_price(
            city.storage,
            pool,
            key="wide",
            price_minor_per_device_hour=1,
            term="spot",
            from_us=now,
            until_us=now + 9 * SECOND_US,
            reason="wide",
            by="mem_a",
        )
    named = [dict(found.params)["price"] for found in caught.value.findings]
    assert named == [each.id for each in made]
    for language in ("en", "zh"):
        assert all(each.id in caught.value.message(language) for each in made)
