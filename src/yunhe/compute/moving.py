"""Where data lies, how long it takes to where work could run, and whether that is in time. Pure.

What is named as the nearest is a little more than enough, so that it still is when it is sent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from yunhe.compute.asking import Ways
from yunhe.compute.domain import WALL_SECONDS_MAX, Pool, WorkloadSpec
from yunhe.compute.wanted import MILLI, wall_seconds_on
from yunhe.kernel.clock import SECOND_US, iso
from yunhe.kernel.errors import Finding, Parameter

SLACK_SECONDS_MAX = 600
"""How much earlier than needed the nearest is at most; a tenth of what is left, if that is less."""
_SITES_LETTERS_MAX = 200
_INSTANT_US_MAX = 253_370_764_800 * SECOND_US  # the year 9999, the last that is written


@dataclass(frozen=True, slots=True)
class _Run:
    """One chip at one site: its data comes, then it runs."""

    site: str
    moving_seconds: int
    wall_seconds: int
    speed: int

    @property
    def seconds(self) -> int:
        return self.moving_seconds + self.wall_seconds


def site_faults(spec: WorkloadSpec, pools: Sequence[Pool], ways: Ways) -> Iterator[Finding]:
    """Sites of which nobody knows anything, each with the nearest name there is.

    Data may also lie where no pool stands, if a way leads from there.
    """
    known = {pool.site for pool in pools}
    places = [(f"sites.{number}", name) for number, name in enumerate(spec.sites)]
    for where, name in places:
        if name and name not in known:
            yield _unknown(where, name, known)
    beside = known | {start for start, _ in ways.megabit_per_second}
    if spec.data_site and spec.data_site not in beside:
        yield _unknown("data_site", spec.data_site, known)


def _unknown(where: str, name: str, known: Collection[str]) -> Finding:
    close = get_close_matches(name, sorted(known), 3, 0.6) or sorted(known) or ["-"]
    params = (("site", name[:80]), ("nearest", ", ".join(close)[:_SITES_LETTERS_MAX]))
    return Finding(where, "compute.site_unknown", params)


def time_faults(
    spec: WorkloadSpec,
    there: Sequence[Pool],
    everywhere: Sequence[Pool],
    *,
    ways: Ways,
    now_us: int,
) -> Iterator[Finding]:
    """A deadline that the work, or the way of its data, makes impossible.

    ``there``: pools that could take it; ``everywhere``: those with its chips, wherever they stand.
    """
    if not spec.deadline_us:
        return
    left = (spec.deadline_us - now_us) // SECOND_US
    runs = _runs(spec, there, ways) or [
        _Run("", 0, wall_seconds_on(spec, chip), _speed(spec, chip))
        for chip in (spec.chip, *spec.substitutes)
    ]
    best = min(runs, key=lambda run: (run.seconds, run.site))
    if left >= best.seconds:
        return
    homes = [run for run in _runs(spec, everywhere, ways) if run.site == spec.data_site]
    nearest = " | ".join(_nearest(spec, runs, homes, left=left, now_us=now_us))
    shortest = min(run.wall_seconds for run in runs)
    if left < shortest or not best.moving_seconds:
        params: tuple[tuple[str, Parameter], ...] = (
            ("left", max(left, 0)),
            ("needed", shortest),
            ("nearest", nearest),
        )
        yield Finding("deadline", "compute.deadline_short", params)
    else:
        params = (
            ("left", left),
            ("moving", best.moving_seconds),
            ("wall", best.wall_seconds),
            ("bytes", spec.egress_bytes),
            ("start", spec.data_site[:80]),
            ("end", best.site[:80]),
            ("nearest", nearest),
        )
        yield Finding("deadline", "compute.deadline_moving", params)


def _runs(spec: WorkloadSpec, pools: Sequence[Pool], ways: Ways) -> list[_Run]:
    data = spec.data_site
    return [
        _Run(
            pool.site,
            ways.seconds(spec.egress_bytes, start=data, end=pool.site) if data else 0,
            wall_seconds_on(spec, pool.chip),
            _speed(spec, pool.chip),
        )
        for pool in pools
    ]


def _speed(spec: WorkloadSpec, chip: str) -> int:
    return MILLI if chip == spec.chip else max(spec.substitutes.get(chip, MILLI), 1)


def _nearest(
    spec: WorkloadSpec, runs: Sequence[_Run], homes: Sequence[_Run], *, left: int, now_us: int
) -> Iterator[str]:
    """Each single change by which it could be over in time."""
    spare = left - min(left // 10, SLACK_SECONDS_MAX) if left > 0 else 0
    if any(run.seconds <= left for run in homes) and spec.sites:
        yield f"--set sites=[{spec.data_site}]"
    walls = [(spare - run.moving_seconds) * run.speed // MILLI for run in runs]
    if 0 < max(walls) < spec.wall_seconds_max:
        yield f"--set wall_seconds_max={min(max(walls), WALL_SECONDS_MAX)}"
    moved = max(_bytes_in_time(spec, run, spare) for run in runs)
    if 0 < moved < spec.egress_bytes:
        yield f"--set egress_bytes={moved}"
    needed = min(run.seconds for run in runs)
    minute_us = 60 * SECOND_US
    slack = max(min(needed // 10, SLACK_SECONDS_MAX), 60)
    instant_us = -(-(now_us + (needed + slack) * SECOND_US) // minute_us) * minute_us
    if instant_us < _INSTANT_US_MAX:
        yield f"--set deadline={iso(instant_us)[:19]}Z"


def _bytes_in_time(spec: WorkloadSpec, run: _Run, spare: int) -> int:
    """How many bytes reach that site early enough."""
    if not run.moving_seconds or spare <= run.wall_seconds:
        return 0
    return spec.egress_bytes * (spare - run.wall_seconds) // run.moving_seconds
