"""What of a pass that was decided again came out differently: which workload, what, and where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

Json = object
"""What `json` reads and writes."""
DIFFERENCES_MAX = 50
"""Differences that are told one by one; of all passes it is told whether they differ."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One workload of which a pass came out differently."""

    number: int
    """Which pass, from 1."""
    line: int
    """Its line in the file."""
    at_us: int
    """When it was."""
    workload: str
    """Of what; empty: all is alike but for its order."""
    what: str
    """``decided``, ``kept`` (free for it) or ``asked`` (to make room)."""
    was: str
    """As it was kept: ``Placement``, ``Wait``, ``Preemption`` or ``kept``; empty: nothing."""
    where: str
    """The pool, or the code of the reason why it waits."""
    now: str
    """As it comes out again, likewise."""
    now_where: str
    """Likewise."""


def differences(
    expected: Mapping[str, Json], again: Mapping[str, Json], at: tuple[int, int, int]
) -> Iterator[Difference]:
    """What of a pass is different, workload by workload; ``at``: its number, line and instant."""
    for what in again:
        if expected[what] == again[what]:
            continue
        was, now = _by_workload(expected[what]), _by_workload(again[what])
        names = sorted(name for name in was.keys() | now.keys() if was.get(name) != now.get(name))
        for name in names or [""]:
            yield Difference(*at, name, what, *_brief(was.get(name)), *_brief(now.get(name)))


def _by_workload(rows: Json) -> dict[str, list[Json]]:
    """What is said of each; of one that is said twice, both."""
    found: dict[str, list[Json]] = {}
    for row in rows if isinstance(rows, list) else ():
        found.setdefault(str(row.get("of", "")) if isinstance(row, dict) else "", []).append(row)
    return found


def _brief(rows: list[Json] | None) -> tuple[str, str]:
    """What was decided and where, or why not."""
    row = rows[0] if rows else None
    if not isinstance(row, dict):
        return "", ""
    why = row.get("why")
    where = why.get("code") if isinstance(why, dict) else row.get("pool")
    return str(row.get("what", "kept")), str(where or "")
