"""How many replicas follow a load: ours beside fixed sizes and the Kubernetes rule.

    python benchmarks/compute/autoscaling.py [--data ../shared/data] [--startup 30,60,120]

*Load*: the Azure LLM inference traces of 2023, conversation (19,366 requests in an hour) and code
(8,819), as they were recorded. The first ten minutes are played once before, to begin with, and
do not count. Then each half by itself, the second after the last ten minutes of the first: how
long a burst is remembered, and over how long a stretch it is measured, was chosen on the first
halves; the second ones were held out.

*Synthetic, and labelled so*: how long a request occupies one of a replica's `SLOTS` slots, which no
trace says: its prompt at `PREFILL` tokens a second, then its answer at `DECODE` tokens a second,
whatever else the replica does. Latency is the time to the first token: waiting and prompt. Target:
`TARGET_MS` for 95 % of the requests. Requests wait in one line; a replica serves so many seconds
after it was asked for, as `--startup` says, and is paid for from then on until its last request is
done.

*Rules*, each deciding on what was reported by then: **ours** (`wanted_replicas`, told every ten
seconds of requests, queue, latency and slot time; it first supposes 5 s a request;
with the default variability); **old**, the same without bursts, as it was before: `old 100` with
the default variability, `old 600` told that requests come in bursts, a figure that was chosen among
five on this very trace of code; **peak** and
**mean**, fixed at the busiest minute's and the mean offered load over the slots, rounded up;
**enough**, the least fixed size that meets the target, which only who knows the future can choose;
**hpa**, our re-implementation of the published rule of Kubernetes (autoscaling/v2): every 15 s
ceil(replicas × measure / aim), tolerance 10 %, at most doubling or four more in 15 s, five minutes
of stabilisation before it shrinks, replicas that start count as idle when it grows; its measure is
the share of slots busy, with the aim of 70 %; **keda**, the same with waiting requests counted as
if they were busy slots, so that it can see overload, as KEDA scales by requests in flight through
that rule (KEDA itself is not run).
"""

from __future__ import annotations

import argparse
import heapq
import math
import os
import platform
import statistics
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from yunhe.compute.scaling import deciding
from yunhe.compute.scaling.deciding import wanted_replicas
from yunhe.compute.scaling.domain import Policy, Sample
from yunhe.kernel.clock import SECOND_US

SLOTS = 4
PREFILL = 8_000
DECODE = 40
TARGET_MS = 2_000
RUN_IN = 600.0
TICK = 5.0
CEILING = 200
EPOCH_US = 1_700_000_000 * SECOND_US
REMEMBERED = deciding.BURST_SECONDS


@dataclass(frozen=True)
class Request:
    """One request: when it came, until its first token, and how long it takes in all; seconds."""

    at: float
    prompt: float
    whole: float


@dataclass(eq=False)
class Replica:
    """One replica: from when on it serves, and how many requests it serves now."""

    asked: float
    ready: float
    busy: int = 0
    leaving: bool = False


@dataclass
class Seen:
    """What a rule may know: counts since the last report, and the state now."""

    now: float = 0.0
    arrived: int = 0
    queue: int = 0
    busy: int = 0
    ready: int = 0
    starting: int = 0
    first_tokens: list[float] = field(default_factory=list)
    occupied: list[float] = field(default_factory=list)


Rule = Callable[[Seen], int]


def trace(path: Path) -> list[Request]:
    """The trace, after a run-in of its own first minutes."""
    found = []
    for line in path.read_text().splitlines()[1:]:
        stamp, prompt, answer = line.split(",")
        at = datetime.fromisoformat(stamp[:26]).timestamp()
        first = int(prompt) / PREFILL
        found.append((at, first, first + int(answer) / DECODE))
    begin = found[0][0]
    whole = [Request(at - begin + RUN_IN, first, all_) for at, first, all_ in found]
    run_in = [
        Request(each.at - RUN_IN, each.prompt, each.whole) for each in whole if each.at < 2 * RUN_IN
    ]
    return run_in + whole


def half(requests: list[Request], *, second: bool) -> list[Request]:
    """A half of a trace, after what came in the ten minutes before it."""
    middle = (RUN_IN + requests[-1].at) / 2
    if not second:
        return [each for each in requests if each.at < middle]
    off = middle - RUN_IN
    return [Request(one.at - off, one.prompt, one.whole) for one in requests if one.at >= off]


class Estate:
    """The replicas and the line before them."""

    def __init__(self, requests: list[Request], startup: float, begin: int) -> None:
        self.requests, self.startup = requests, startup
        self.replicas = [Replica(0.0, 0.0) for _ in range(begin)]
        self.line: deque[Request] = deque()
        self.ends: list[tuple[float, int, Replica, Request]] = []
        self.seen = Seen()
        self.latencies: list[float] = []
        self.paid = 0.0
        self.most = begin
        self._count = 0

    def run(self, rule: Rule) -> None:
        """All of it; the rule is asked every `TICK` seconds."""
        place, tick = 0, TICK
        end = self.requests[-1].at
        while place < len(self.requests) or self.line or self.ends:
            arrival = self.requests[place].at if place < len(self.requests) else math.inf
            done = self.ends[0][0] if self.ends else math.inf
            now = min(arrival, done, tick)
            if now == done:
                _, _, replica, request = heapq.heappop(self.ends)
                replica.busy -= 1
                self.seen.occupied.append(request.whole)
                if replica.leaving and not replica.busy:
                    self._leave(replica, now)
            elif now == arrival:
                self.line.append(self.requests[place])
                self.seen.arrived += 1
                place += 1
            else:
                self._tick(rule, now)
                tick += TICK
            self._serve(now)
        for replica in self.replicas:
            self.paid += max(end, replica.ready) - max(replica.asked, RUN_IN)

    def _serve(self, now: float) -> None:
        while self.line:
            free = [r for r in self.replicas if r.ready <= now and r.busy < SLOTS and not r.leaving]
            if not free:
                return
            replica = max(free, key=lambda each: each.busy)  # fills one before the next
            request = self.line.popleft()
            replica.busy += 1
            first = now + request.prompt - request.at
            self.seen.first_tokens.append(first)
            if request.at >= RUN_IN:
                self.latencies.append(first)
            self._count += 1
            heapq.heappush(self.ends, (now + request.whole, self._count, replica, request))

    def _tick(self, rule: Rule, now: float) -> None:
        seen, staying = self.seen, [each for each in self.replicas if not each.leaving]
        seen.now, seen.queue = now, len(self.line)
        seen.busy = sum(each.busy for each in staying)
        seen.ready = sum(each.ready <= now for each in staying)
        seen.starting = len(staying) - seen.ready
        wanted = max(min(rule(seen), CEILING), 1)
        self.replicas += [
            Replica(now, now + self.startup) for _ in range(max(wanted - len(staying), 0))
        ]
        surplus = max(len(staying) - wanted, 0)
        for each in sorted(staying, key=lambda one: (one.busy, -one.asked))[:surplus]:
            each.leaving = True
            if not each.busy:
                self._leave(each, now)
        self.most = max(self.most, wanted)

    def _leave(self, replica: Replica, now: float) -> None:
        self.replicas.remove(replica)
        self.paid += max(now - max(replica.asked, RUN_IN), 0.0)


def ours(startup: float, share: int = 100, *, burst_seconds: int = REMEMBERED) -> Rule:
    """The product's rule at a variability; with no bursts remembered it is what it was before."""
    policy = Policy(
        floor=1,
        ceiling=CEILING,
        slots=SLOTS,
        service_ms=5_000,
        latency_ms=TARGET_MS,
        percentile=95,
        unloaded_ms=600,
        variability_percent=share,
        startup_seconds=round(startup),
    )
    history: list[Sample] = []
    last = [0.0]

    def rule(seen: Seen) -> int:
        deciding.BURST_SECONDS = burst_seconds
        now_us = EPOCH_US + round(seen.now * SECOND_US)
        if seen.now - last[0] >= 10:
            slow = (
                statistics.quantiles(seen.first_tokens, n=20)[-1:] if seen.first_tokens[1:] else []
            )
            history.append(
                Sample(
                    id=f"r{len(history)}",
                    source="",
                    from_us=EPOCH_US + round(last[0] * SECOND_US),
                    until_us=now_us,
                    requests=seen.arrived,
                    queue=seen.queue,
                    latency_ms=round(slow[0] * 1_000) if slow else None,
                    service_ms=round(statistics.mean(seen.occupied) * 1_000)
                    if seen.occupied
                    else None,
                )
            )
            last[0] = seen.now
            seen.arrived = 0
            seen.first_tokens.clear()
            seen.occupied.clear()
        return wanted_replicas(history[-250:], policy, now_us).wanted

    return rule


def hpa(begin: int, *, counts_queue: bool, aim: float = 0.7, tolerance: float = 0.1) -> Rule:
    """Kubernetes' rule. *Source*: kubernetes.io, "Horizontal Pod Autoscaling", algorithm."""
    advised = [(0.0, begin)]
    sizes: list[tuple[float, int]] = []
    last = [-15.0, 1.0]

    def rule(seen: Seen) -> int:
        current = seen.ready + seen.starting
        if seen.now - last[0] < 15:
            return current
        last[0] = seen.now
        load = (seen.busy + (seen.queue if counts_queue else 0)) / SLOTS
        ratio = load / (aim * seen.ready) if seen.ready else 1.0
        if ratio > 1 and seen.starting:  # those that start count as idle, and never turn it round
            ratio = max(load / (aim * current), 1.0)
        desired = current if abs(ratio - 1) <= tolerance else math.ceil(load / aim)
        if ratio == 1.0:
            desired = current
        advised.append((seen.now, desired))
        steady = max(want for at, want in advised if at > seen.now - 300)
        if desired < current:
            desired = min(steady, current)
        sizes.append((seen.now, current))
        least = min(size for at, size in sizes if at > seen.now - 15)
        return min(desired, max(2 * least, least + 4))

    return rule


def fixed(count: int) -> Rule:
    return lambda _: count


@dataclass
class Result:
    """What came of a rule."""

    name: str
    latencies: list[float]
    hours: float
    most: int
    cpu: float

    @property
    def within(self) -> float:
        """Share of requests within the target, per cent."""
        found = sum(each * 1_000 <= TARGET_MS for each in self.latencies)
        return 100 * found / len(self.latencies)

    def line(self) -> str:
        """As a row."""
        ordered = sorted(self.latencies)
        at = [ordered[math.ceil(len(ordered) * part) - 1] for part in (0.5, 0.95, 0.99)]
        shown = "".join(f"{1_000 * each:10,.0f}" for each in at)
        return (
            f"  {self.name:10s}{shown}{self.within:11.2f}{self.hours:15.2f}{self.most:7d}"
            f"{self.cpu:9.2f}"
        )


def tried(name: str, requests: list[Request], startup: float, rule: Rule, begin: int) -> Result:
    cpu = time.process_time()
    estate = Estate(requests, startup, begin)
    estate.run(rule)
    spent = time.process_time() - cpu
    return Result(name, estate.latencies, estate.paid / 3_600, estate.most, spent)


def sizes(requests: list[Request]) -> tuple[int, int]:
    """Replicas that the mean and the busiest minute keep busy."""
    counted = [each for each in requests if each.at >= RUN_IN]
    minutes: dict[int, float] = {}
    for each in counted:
        minute = int(each.at // 60)
        minutes[minute] = minutes.get(minute, 0.0) + each.whole
    length = counted[-1].at - RUN_IN
    mean = math.ceil(sum(minutes.values()) / length / SLOTS)
    return mean, math.ceil(max(minutes.values()) / 60 / SLOTS)


def compared(name: str, requests: list[Request], startups: list[float]) -> None:
    """All rules on one load, and where ours is worse."""
    mean, peak = sizes(requests)
    count = sum(each.at >= RUN_IN for each in requests)
    print(f"\n{name}: {count:,} requests; mean {mean} and peak {peak} replicas of {SLOTS} slots")
    head = "".join(f"{word:>10s}" for word in ("p50 ms", "p95 ms", "p99 ms"))
    print(f"  {'rule':10s}{head}{'within %':>11s}{'replica-hours':>15s}{'most':>7s}{'CPU s':>9s}")
    flat = [tried("peak", requests, 0.0, fixed(peak), peak)]
    flat.append(tried("mean", requests, 0.0, fixed(mean), mean))
    enough = mean
    while (found := tried("enough", requests, 0.0, fixed(enough), enough)).within < 95:
        enough += 1
    flat.append(found)
    for each in flat:
        print(each.line())
    for startup in startups:
        rivals = [
            tried("hpa", requests, startup, hpa(mean, counts_queue=False), mean),
            tried("keda", requests, startup, hpa(mean, counts_queue=True), mean),
        ]
        before = [
            tried(f"old {share}", requests, startup, ours(startup, share, burst_seconds=0), mean)
            for share in (100, 600)
        ]
        own = tried("ours", requests, startup, ours(startup), mean)
        print(f"  a replica takes {startup:.0f} s to start")
        for each in (own, *before, *rivals):
            print(each.line())
        judged(own, [*before, *flat, *rivals])


def judged(own: Result, others: list[Result]) -> None:
    """Say where ours is worse."""
    for each in others:
        worse = []
        if own.within < each.within:
            worse.append(f"{each.within - own.within:.2f} points fewer within the target")
        if own.hours > each.hours:
            worse.append(f"{100 * own.hours / each.hours - 100:.0f} % more replica-hours")
        print(f"    {own.name} beside {each.name}: " + ("; ".join(worse) or "no worse in either"))
    print(f"    {own.name} {'meets' if own.within >= 95 else 'MISSES'} the target of 95 %")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--data", type=Path, default=Path("../shared/data"))
    asked.add_argument("--startup", default="30,60,120")
    said = asked.parse_args()
    folder = said.data / "traces" / "azure-llm"
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores")
    print(
        f"synthetic: prompts at {PREFILL:,} and answers at {DECODE} tokens/s in each of {SLOTS} "
        f"slots; target: first token within {TARGET_MS:,} ms for 95 %"
    )
    for name in ("conv", "code"):
        whole = trace(folder / f"AzureLLMInferenceTrace_{name}.csv")
        startups = [float(each) for each in said.startup.split(",")]
        compared(name, whole, startups)
        compared(f"{name}, first half (chosen on)", half(whole, second=False), startups)
        compared(f"{name}, second half (held out)", half(whole, second=True), startups)


if __name__ == "__main__":
    main()
