"""Whose turn it is, level by level: places and words, never what others used."""

from __future__ import annotations

from dataclasses import fields

from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.scheduling.engine import engine_of
from yunhe.compute.scheduling.levels import Level, levels
from yunhe.compute.scheduling.policies import FIFO, YUNHE
from yunhe.compute.scheduling.state import Picture, PoolView, Request

DAY_US = 86_400 * 10**6
NOW_US = 400 * DAY_US
POOL = PoolView("a", "npu", 4, 4, 100, "CNY")
KINDS = {"north": "sme", "lake": "university", "south": "sme", "east": "sme"}
CITIES = {"south": "CN-44", "east": "CN-11"}
"""Of the platform's own are the other two."""


def ask(number: int, organisation: str, *, project: str = "", priority: int = 0) -> Request:
    return Request(
        f"r{number}",
        number,
        organisation,
        "npu",
        1,
        3_600,
        NOW_US - number,
        kind=KINDS[organisation],
        project=project,
        priority=priority,
    )


def seen(queue: list[Request], used: dict[str, int], **given: object) -> Picture:
    used_us = {(KINDS[name], name, ""): days * DAY_US for name, days in used.items()}
    return Picture((POOL,), (), (), {}, tuple(queue), used_us=used_us, **given)


def told(picture: Picture, name: str) -> dict[str, tuple[int, int, str]]:
    found = levels(picture, name, policy=YUNHE, now_us=NOW_US)
    return {one.name: (one.place, one.of, one.had) for one in found}


def test_a_city_that_had_much_is_told_that_others_come_first() -> None:
    queue = [ask(0, "south"), ask(1, "north"), ask(2, "lake"), ask(3, "east")]
    picture = seen(queue, {"south": 9, "north": 2}, cities=CITIES)
    assert told(picture, "r0") == {
        "city": (3, 3, "more"),
        "kind": (1, 1, "even"),
        "organisation": (1, 1, "even"),
        "project": (1, 1, "even"),
    }
    assert told(picture, "r3")["city"] == (1, 3, "less")
    assert told(picture, "r1") == {
        "city": (2, 3, "less"),
        "kind": (2, 2, "more"),
        "organisation": (1, 1, "even"),
        "project": (1, 1, "even"),
    }


def test_a_city_of_greater_weight_may_have_had_more() -> None:
    queue = [ask(0, "south"), ask(1, "east")]
    used = {"south": 9, "east": 3}
    plain = seen(queue, used, cities=CITIES)
    assert told(plain, "r0")["city"] == (2, 2, "more")
    weighed = seen(queue, used, cities=CITIES, city_weights={"CN-44": 3})
    assert told(weighed, "r0")["city"] == (1, 2, "even")  # it asked first
    assert told(weighed, "r1")["city"] == (2, 2, "even")


def test_where_there_is_one_city_nothing_is_told_of_it() -> None:
    picture = seen([ask(0, "north", project="p"), ask(1, "north"), ask(2, "lake")], {"north": 1})
    assert told(picture, "r0") == {
        "kind": (2, 2, "more"),
        "organisation": (1, 1, "even"),
        "project": (1, 2, "less"),
    }


def test_only_who_waits_in_the_same_class_is_counted() -> None:
    queue = [ask(0, "south"), ask(1, "east", priority=1)]
    assert told(seen(queue, {}, cities=CITIES), "r0")["city"] == (1, 1, "even")


def test_nothing_is_told_where_nothing_is_shared_or_nobody_waits() -> None:
    picture = seen([ask(0, "south")], {}, cities=CITIES)
    assert levels(picture, "r0", policy=FIFO, now_us=NOW_US) == ()
    assert levels(picture, "gone", policy=YUNHE, now_us=NOW_US) == ()


def test_a_level_has_no_amount_and_no_name_of_anybody() -> None:
    assert [one.name for one in fields(Level)] == ["name", "place", "of", "had"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(sorted(KINDS)), st.sampled_from("pq")), min_size=1),
    st.dictionaries(st.sampled_from(sorted(KINDS)), st.integers(0, 9)),
    st.sampled_from(({}, CITIES)),
)
def test_first_on_every_level_is_whose_part_the_queue_serves_first(asked, used, cities) -> None:
    queue = [ask(number, name, project=part) for number, (name, part) in enumerate(asked)]
    picture = seen(queue, used, cities=cities)
    first = engine_of(picture, YUNHE, now_us=NOW_US).queue.ranked(now_us=NOW_US)[0]
    assert {place for place, _, _ in told(picture, first.id).values()} == {1}
