"""Whose turn it is, level by level of the fair share: for `why`.

Where a waiting request's city, kind, organisation and project stand among their equals that want
something too, and whether each had its share of late. Amounts of others are never told, only an
order and one of three words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from yunhe.compute.scheduling.engine import Engine, engine_of
from yunhe.compute.scheduling.policies import Policy
from yunhe.compute.scheduling.shares import Path, Shares
from yunhe.compute.scheduling.state import Picture, Request

Name = Literal["city", "kind", "organisation", "project"]
"""What a level is of."""
Had = Literal["less", "even", "more"]
"""Of late, against what its weight gives it beside those that want something too."""
NAMES: tuple[Name, ...] = ("city", "kind", "organisation", "project")
"""From the top; the first is left out where there is one city."""
TURNS: Mapping[Name, str] = {
    "city": "compute.turn_city",
    "kind": "compute.turn_kind",
    "organisation": "compute.turn_organisation",
    "project": "compute.turn_project",
}
"""The sentence for each level; it takes ``place``, ``of`` and ``had``."""
WORDS: Mapping[Had, str] = {
    "less": "compute.turn_had_less",
    "even": "compute.turn_had_even",
    "more": "compute.turn_had_more",
}
"""The words for ``had`` in it."""
EVEN_PERMILLE = 100
"""So far from its share counts as having had it."""


@dataclass(frozen=True, slots=True)
class Level:
    """Where a request stands on one level of the fair share."""

    name: Name
    """Whose turn is decided on it."""
    place: int
    """Of its own part among its equals: 1 is next."""
    of: int
    """Equals of which something waits in the same priority class, with its own."""
    had: Had
    """Its own part's use of late, and what it occupies, against its share."""


def levels(picture: Picture, request: str, *, policy: Policy, now_us: int) -> tuple[Level, ...]:
    """The levels above a waiting request, from the top; none where nothing is shared.

    *Cost*: an engine is told the picture, and four looks at everything that waits.
    """
    engine = engine_of(picture, policy, now_us=now_us)
    asked = engine.queue.waiting.get(request)
    if asked is None:
        return ()
    return levels_in(engine, asked, engine.queue.waiting.values(), now_us=now_us)


def levels_in(
    engine: Engine, asked: Request, waiting: Iterable[Request], *, now_us: int
) -> tuple[Level, ...]:
    """The same of one of those that wait in an engine. *Cost*: four looks at those."""
    if not engine.policy.shared:
        return ()
    shares = engine.shares
    own, tick = shares.path(asked), shares.tick(now_us)
    alike = [
        (shares.path(one), (one.number, one.id))
        for one in waiting
        if one.priority == asked.priority
    ]
    found = []
    for end, name in enumerate(NAMES[-len(own) :], 1):
        alike = [(path, age) for path, age in alike if path[: end - 1] == own[: end - 1]]
        oldest: dict[Path, tuple[int, str]] = {}
        for path, age in alike:
            oldest[path[:end]] = min(oldest.get(path[:end], age), age)
        order = sorted(
            oldest, key=lambda part: (shares.share(shares.account(part), tick), oldest[part])
        )
        place = order.index(own[:end]) + 1
        found.append(Level(name, place, len(order), _had(shares, own[:end], order, tick)))
    return tuple(found)


def _had(shares: Shares, own: Path, parts: list[Path], tick: int) -> Had:
    """Use by weight beside that of all of them together, each as much as it weighs."""
    accounts = [shares.account(part) for part in parts]
    used = sum(shares.share(one, tick) * one.weight for one in accounts)
    even = used // sum(one.weight for one in accounts)
    mine = shares.share(shares.account(own), tick)
    if abs(mine - even) * 1_000 <= even * EVEN_PERMILLE:
        return "even"
    return "less" if mine < even else "more"
