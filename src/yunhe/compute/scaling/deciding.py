"""How many replicas a service wants; pure.

It grows at once and shrinks slowly: what is wanted is the most that any instant of the last
`cooldown_seconds` needed, judged by what was known of that instant. So nothing is remembered but
the reports themselves, and a second look at the same reports gives the same answer.

What an instant needs follows from the offered load (requests times service time, in slots) by
`erlang`, or from the load per replica. The load is the greater of the means over `SHORT_SECONDS`
and `LONG_SECONDS`. Who waits already is to be served within the start-up time of a replica. Where
latency stayed beyond the target for longer than a replica takes to start, although the model was
followed, the load counts for up to twice as much.

Erlang's formula supposes that requests come independently of each other. For those that come in
bursts there are, where latency is the target, never fewer slots than the busiest stretch of the
last `BURST_SECONDS` kept busy, a stretch being as long as a request may wait (see `_stretch_us`):
what came within it is then done within about as long again. Of an even load that is no more than
`erlang` asks for anyway. A peak is taken and not an index of dispersion, because one more request
in a quiet report lowers the dispersion.

More requests in any report never give fewer replicas, service times being equal.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from yunhe.compute.scaling.domain import LATE_SECONDS_MAX, NEEDED_MAX, Need, Policy, Sample
from yunhe.compute.scaling.erlang import slots_needed
from yunhe.kernel.clock import SECOND_US

SHORT_SECONDS = 30
"""Window that notices a burst."""
LONG_SECONDS = 120
"""Window that is not moved by chance."""
STEP_SECONDS = 10
"""Instants of the cool-down that are judged are so far apart."""
BURST_SECONDS = 600
"""So long a burst is expected again."""
SILENT_SECONDS = 180
"""A reporter that said nothing for so long is gone, if another one still reports."""
DRAIN_SECONDS_MIN = 30
"""Those who wait are to be served within the start-up time, or so long."""
LATE_SHARE = 10
"""Of the requests that may miss the target, so small a part (1/10) may miss it by waiting: the
others do because their service itself took long."""
_PRESSURE_PERCENT_MAX = 200


@dataclass(frozen=True, slots=True)
class _Load:
    """What was to be done at one instant."""

    rate_milli: int
    tokens_milli: int
    offered_milli: int
    service_ms: int
    queue: int
    pressure_percent: int
    burst_milli: int = 0


def wanted_replicas(history: Sequence[Sample], policy: Policy, now_us: int) -> Need:
    """What is wanted now, in view of reports in any order; those that end later do not count.

    Without any report of the last `LATE_SECONDS_MAX` it is the floor. *Cost*: the instants of the
    cool-down times the reports in `LONG_SECONDS`, and as often the greatest of `BURST_SECONDS`.
    """
    by_source: dict[str, list[Sample]] = {}
    for sample in sorted(history, key=lambda each: (each.until_us, each.from_us, each.id)):
        if sample.until_us <= now_us and sample.until_us > sample.from_us:
            by_source.setdefault(sample.source, []).append(sample)
    ends = {source: [each.until_us for each in found] for source, found in by_source.items()}
    newest_us = max((found[-1] for found in ends.values()), default=0)
    silent = now_us - newest_us > SILENT_SECONDS * SECOND_US
    peaks = _Peaks.of(by_source, policy)

    def judged(at_us: int) -> tuple[int, _Load]:
        load = _load(by_source, ends, policy, at_us)
        return _need(replace(load, burst_milli=peaks.before(at_us)), policy)

    first = judged(now_us)
    most, at_us = first[0], now_us
    grid_us = now_us // (STEP_SECONDS * SECOND_US) * STEP_SECONDS * SECOND_US
    while (at_us := min(at_us - 1, grid_us)) > now_us - policy.cooldown_seconds * SECOND_US:
        most = max(most, judged(at_us)[0])
        grid_us -= STEP_SECONDS * SECOND_US
    most = min(most, NEEDED_MAX)
    return Need(
        wanted=min(max(most, policy.floor), policy.ceiling),
        needed=max(most, policy.floor),
        offered_milli=first[1].offered_milli,
        rate_milli=first[1].rate_milli,
        silent=silent,
    )


def _load(
    by_source: dict[str, list[Sample]], ends: dict[str, list[int]], policy: Policy, at_us: int
) -> _Load:
    """What was known at an instant: of those who reported lately, else of the last who did."""
    known = {source: bisect_right(found, at_us) for source, found in ends.items()}
    last = {source: ends[source][count - 1] for source, count in known.items() if count}
    newest_us = max(last.values(), default=0)
    if not last or at_us - newest_us > LATE_SECONDS_MAX * SECOND_US:
        return _Load(0, 0, 0, policy.service_ms, 0, 100)
    edge_us = min(at_us, newest_us) - SILENT_SECONDS * SECOND_US
    rate = tokens = offered = queue = requests = busy_ms = 0
    pressure = 100
    for source, until_us in last.items():
        if until_us < edge_us:
            continue
        seen = by_source[source][: known[source]]
        means = _means(seen, policy, until_us)
        rate, tokens, offered = rate + means[0], tokens + means[1], offered + means[2]
        counted, busy = _measured_ms(seen, policy, until_us)
        requests, busy_ms = requests + counted, busy_ms + busy
        queue += seen[-1].queue
        pressure = max(pressure, _pressure(seen, policy))
    service_ms = max(round(busy_ms / requests), 1) if requests else policy.service_ms
    return _Load(rate, tokens, offered, service_ms, queue, pressure)


def _means(seen: Sequence[Sample], policy: Policy, until_us: int) -> tuple[int, int, int]:
    """Requests and tokens a second, and slots busy, in thousandths: the greater of two means."""
    found = [(0, 0, 0)]
    for seconds in (SHORT_SECONDS, LONG_SECONDS):
        from_us = until_us - seconds * SECOND_US
        requests = tokens = busy_ms = 0.0
        for each in reversed(seen):
            if each.until_us <= from_us:
                break
            inside_us = each.until_us - max(each.from_us, from_us)
            part = inside_us / (each.until_us - each.from_us)
            requests += each.requests * part
            tokens += each.tokens * part
            busy_ms += each.requests * part * _service_ms(each, policy)
        # A history that has just begun is judged by as much as there is of it.
        begun_us = max(from_us, min(seen[0].from_us, seen[0].until_us - SECOND_US))
        length = max((until_us - begun_us) / SECOND_US, STEP_SECONDS)
        sums = requests * 1_000, tokens * 1_000, busy_ms
        found.append((round(sums[0] / length), round(sums[1] / length), round(sums[2] / length)))
    return max(one[0] for one in found), max(one[1] for one in found), max(one[2] for one in found)


@dataclass(frozen=True, slots=True)
class _Peaks:
    """Slots busy in the last stretch before each report's end, of all sources together."""

    ends_us: list[int]
    milli: list[int]

    @classmethod
    def of(cls, by_source: dict[str, list[Sample]], policy: Policy) -> _Peaks:
        """Of reports in the order of their ends."""
        made = cls([], [])
        if not policy.latency_ms:
            return made
        stretch_us = _stretch_us(policy)
        busy = sorted(
            (each.until_us, source, _busy_milli(seen, place, stretch_us, policy))
            for source, seen in by_source.items()
            for place, each in enumerate(seen)
        )
        last: dict[str, tuple[int, int]] = {}
        to_leave: deque[tuple[int, str]] = deque()
        total = 0
        for until_us, source, milli in busy:
            while to_leave and to_leave[0][0] < until_us - SILENT_SECONDS * SECOND_US:
                left_us, gone = to_leave.popleft()
                if gone in last and last[gone][0] == left_us:
                    total -= last.pop(gone)[1]
            total += milli - last.get(source, (0, 0))[1]
            last[source] = until_us, milli
            to_leave.append((until_us, source))
            if made.ends_us[-1:] == [until_us]:
                made.milli[-1] = total
            else:
                made.ends_us.append(until_us)
                made.milli.append(total)
        return made

    def before(self, at_us: int) -> int:
        """The greatest of the `BURST_SECONDS` up to the last report that was known then."""
        known = bisect_right(self.ends_us, at_us)
        if not known or at_us - self.ends_us[known - 1] > LATE_SECONDS_MAX * SECOND_US:
            return 0
        since_us = self.ends_us[known - 1] - BURST_SECONDS * SECOND_US
        return max(self.milli[bisect_right(self.ends_us, since_us) : known], default=0)


def _stretch_us(policy: Policy) -> int:
    """As long as a request may wait, but no shorter than reports usually are."""
    most = LONG_SECONDS * SECOND_US
    return min(max(budget_ms(policy) * 1_000, STEP_SECONDS * SECOND_US), most)


def _busy_milli(seen: Sequence[Sample], place: int, stretch_us: int, policy: Policy) -> int:
    """Thousandths of slots busy in the stretch that ends with a report."""
    from_us = seen[place].until_us - stretch_us
    busy = 0
    while place >= 0 and seen[place].until_us > from_us:
        each = seen[place]
        inside_us = each.until_us - max(each.from_us, from_us)
        work_ms = each.requests * _service_ms(each, policy)
        busy += work_ms * inside_us // (each.until_us - each.from_us)
        place -= 1
    return -(-busy * SECOND_US // stretch_us)


def _service_ms(sample: Sample, policy: Policy) -> int:
    return policy.service_ms if sample.service_ms is None else sample.service_ms


def _measured_ms(seen: Sequence[Sample], policy: Policy, until_us: int) -> tuple[int, int]:
    """Requests of the longer window, and for how long they occupied slots together."""
    requests = busy_ms = 0
    for each in reversed(seen):
        if each.until_us <= until_us - LONG_SECONDS * SECOND_US:
            break
        requests += each.requests
        busy_ms += each.requests * _service_ms(each, policy)
    return requests, busy_ms


def _pressure(seen: Sequence[Sample], policy: Policy) -> int:
    """By how much latency exceeded its target all the time that a new replica would have taken."""
    if not policy.latency_ms:
        return 100
    since_us = seen[-1].until_us - (policy.startup_seconds + LONG_SECONDS) * SECOND_US
    least = _PRESSURE_PERCENT_MAX
    for each in reversed(seen):
        if each.until_us < since_us:
            return max(least, 100)
        if each.latency_ms is None or not each.queue:
            return 100
        least = min(least, each.latency_ms * 100 // policy.latency_ms)
        if least <= 100:
            return 100
    return 100  # it has not lasted long enough


def _need(load: _Load, policy: Policy) -> tuple[int, _Load]:
    drain = max(policy.startup_seconds, DRAIN_SECONDS_MIN)
    percent = load.pressure_percent
    waiting_milli = -(-load.queue * 1_000 // drain)
    needed = 1 if load.queue or load.rate_milli else 0
    if policy.load_milli:
        counted = load.tokens_milli
        if policy.unit == "requests":
            counted = load.rate_milli + waiting_milli
        needed = max(needed, -(-counted * percent // (100 * policy.load_milli)))
    if policy.latency_ms:
        offered = load.offered_milli + -(-waiting_milli * load.service_ms // 1_000)
        slots = slots_needed(
            offered_milli=offered * percent // 100,
            service_ms=load.service_ms,
            budget_ms=budget_ms(policy),
            late_ppm=(100 - policy.percentile) * 10_000 // LATE_SHARE,
            variability_percent=policy.variability_percent,
            step=policy.slots,
        )
        burst = -(-load.burst_milli * percent // (100_000 * policy.slots))
        needed = max(needed, slots // policy.slots, burst)
    return needed, load


def budget_ms(policy: Policy) -> int:
    """How long a request may wait for the target to be met; not less than a millisecond."""
    return max(policy.latency_ms - policy.unloaded_ms, 1)
