"""National scale (Target 4): 250 sites, six chip models, 100,000 devices, 100,000 queued.

    python benchmarks/compute/national.py [--quick] [--plot FILE.svg] [--rounds 3]
        [--shared FOLDER]

The estate and its queue come from `nation`, with a fixed seed. The engine is the one of the
platform, on one core; times are CPU-seconds. *First pass*: from 100,000 queued until nothing more
fits; telling the engine of them is timed apart. *Steady state*: by turns something ends and
something arrives, one decision each; every half second of simulated time, as such an estate has it,
and every millisecond, for the throughput. *Curve*: devices and queue grow together and apart, each
point in a process of its own, with its resident memory; the exponent is that of the least squares
through log time over log n, and n log n over the same range is printed beside it. Python looks for
garbage as rarely as in a process of the platform (`yunhe.cli.main` sets the same thresholds).

*Guided*: the same engine follows the slow plan, on subsamples and on the whole nation; what it
serves as a part of the audited bound of the linear programme (see `plan`, which has more of them),
and how fast. The target is one sentence: fast and near the optimum, so both stand in one line.

The point of the target is measured `--rounds` times; medians count, and the range stands beside
them. A processor that others use as well is slower even by its own clock, so the load of the
machine (`os.getloadavg`, of the last minute) is printed with each round, and wall seconds too.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import platform
import random
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from nation import NOW_US, SHARED, nation
from plan import WEIGHTS, inputs_of, speeds

from yunhe.compute.scheduling.engine import Engine
from yunhe.compute.scheduling.events import Arrived, Ended
from yunhe.compute.scheduling.plan import solve
from yunhe.compute.scheduling.plan_audit import audit
from yunhe.compute.scheduling.plan_guide import Guide, guide_of
from yunhe.compute.scheduling.policies import PRESETS
from yunhe.compute.scheduling.state import Placement

CURVE = ((10_000, 10_000), (30_000, 30_000), (100_000, 100_000), (300_000, 300_000))
LARGEST = (1_000_000, 1_000_000)
APART = ((100_000, 1_000), (100_000, 10_000), (100_000, 1_000_000), (10_000, 100_000),
         (1_000_000, 100_000))  # fmt: skip
GUIDED = ((5_000, 1), (5_000, 2), (20_000, 3), (100_000, 0))
"""Requests, and which of the generator's; the last is the nation of the target."""
RATES = ("per_second", "loaded_per_second", "steady_per_second", "fast_per_second")
Row = dict[str, float]


def measured(devices: int, queued: int, *, policy: str, events: int, shared: Path) -> Row:
    """One point, in this process."""
    estate = nation(devices=devices, shared=shared)
    requests = list(estate.requests(queued))
    gc.collect()
    gc.freeze()  # what is asked for is no garbage; nor does a server look through it
    gc.set_threshold(50_000, 20, 100)
    start, wall = time.process_time(), time.perf_counter()
    engine = Engine(estate.pools, PRESETS[policy], weights=estate.weights)
    for request in requests:
        engine.note(Arrived(request), now_us=NOW_US)
    told = time.process_time()
    placed = engine.decide(now_us=NOW_US)
    done = time.process_time()
    row: Row = {
        "devices": estate.devices,
        "queued": queued,
        "tell_s": told - start,
        "pass_s": done - told,
        "placed": len(placed),
        "per_second": len(placed) / (done - told),
        "loaded_per_second": len(placed) / (done - start),
        "wall_s": time.perf_counter() - wall,
        "load": os.getloadavg()[0],
        "busy_permille": 1_000 * sum(p.request.devices_all for p in placed) / estate.devices,
    }
    running = [each.request.id for each in placed]
    more = iter(list(estate.requests(2 * events, first=queued)))
    gc.collect()
    gc.freeze()
    now_us = NOW_US
    for name, step_us in (("steady", 500_000), ("fast", 1_000)) if events else ():
        draw, times, count = random.Random(7), [], 0
        for turn in range(events):
            now_us += step_us
            event: Arrived | Ended
            if turn % 2 and running:
                at = draw.randrange(len(running))
                running[at], running[-1] = running[-1], running[at]
                event = Ended(running.pop())
            else:
                event = Arrived(next(more))
            begun = time.process_time()
            decided = engine.on(event, now_us=now_us)
            times.append(time.process_time() - begun)
            started = [each.request.id for each in decided if isinstance(each, Placement)]
            running += started
            count += len(started)
        row[f"{name}_per_second"] = count / sum(times)
        times.sort()
        for part, at in (("p50", len(times) // 2), ("p99", len(times) * 99 // 100), ("max", -1)):
            row[f"{name}_{part}_ms"] = times[at] * 1_000
    row["gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return row


def guided(queued: int, number: int, *, policy: str, shared: Path) -> Row:
    """What one pass serves of the audited bound, without and with the plan, in this process."""
    estate = nation(devices=queued, sites=max(queued // 400, 2), shared=shared)
    requests = list(estate.requests(queued, first=number * 1_000_000))
    inputs = inputs_of(estate, requests)
    begun = time.process_time()
    plan = solve(inputs)
    found = audit(plan, inputs)
    row: Row = {"queued": queued, "plan_s": time.process_time() - begun, "flaws": len(found.flaws)}
    guide: Guide | None
    for name, guide in (("plain", None), ("guided", guide_of(plan, inputs))):
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)
        engine = Engine(estate.pools, PRESETS[policy], weights=estate.weights, guide=guide)
        for request in requests:
            engine.note(Arrived(request), now_us=NOW_US)
        begun = time.process_time()
        placed = [one for one in engine.decide(now_us=NOW_US) if isinstance(one, Placement)]
        row[f"{name}_per_second"] = len(placed) / (time.process_time() - begun)
        served = sum(
            one.request.devices_all
            * WEIGHTS[one.request.priority]
            * min(speeds(one.request)[one.chip], 1_000)
            for one in placed
        )
        row[f"{name}_percent"] = 100 * served / found.bound_ppm
    return row


def show_guided(row: Row) -> None:
    """One line, and the audit's complaints if it has any."""
    print(
        f"{row['queued']:9,.0f} queued, guided: {row['guided_percent']:.2f} % of the audited bound"
        f" at {row['guided_per_second']:,.0f}/s; without the plan {row['plain_percent']:.2f} %"
        f" at {row['plain_per_second']:,.0f}/s; the plan takes {row['plan_s']:.1f} s apart,"
        f" {row['flaws']:.0f} flaws",
        flush=True,
    )


def apart(devices: int, queued: int, *, policy: str, events: int, shared: Path) -> Row:
    """One point, in a process of its own."""
    command = [sys.executable, __file__, "--point", str(devices), str(queued)]
    command += ["--policy", policy, "--events", str(events), "--shared", str(shared)]
    return _said(command)


def guided_apart(queued: int, number: int, *, policy: str, shared: Path) -> Row:
    """The same of `guided`."""
    command = [sys.executable, __file__, "--guided", str(queued), str(number)]
    return _said([*command, "--policy", policy, "--shared", str(shared)])


def _said(command: list[str]) -> Row:
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    row: Row = json.loads(done.stdout)
    return row


def median(rows: list[Row]) -> Row:
    """Of each figure by itself; a figure that may not be large counts as its largest."""
    worst = {"gib"} | {name for name in rows[0] if name.endswith("_ms")}
    return {
        name: max(row[name] for row in rows)
        if name in worst
        else statistics.median(row[name] for row in rows)
        for name in rows[0]
    }


def exponent(rows: list[Row]) -> float:
    """Of the least squares through log time over log queue."""
    xs = [math.log(row["queued"]) for row in rows]
    ys = [math.log(row["tell_s"] + row["pass_s"]) for row in rows]
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / sum(
        (a - x) ** 2 for a in xs
    )


def of_n_log_n(rows: list[Row]) -> float:
    """What the exponent of n log n would be over the same points."""
    fake = [{**r, "tell_s": 0.0, "pass_s": r["queued"] * math.log(r["queued"])} for r in rows]
    return exponent(fake)


def plot(rows: list[Row], path: Path, *, slope: float) -> None:
    """The curve as SVG: CPU-seconds over n, both logarithmic, with n log n through the first."""
    first = rows[0]
    base = first["queued"] * math.log(first["queued"])
    ours = [(row["queued"], row["tell_s"] + row["pass_s"]) for row in rows]
    line = [(n, ours[0][1] * n * math.log(n) / base) for n, _ in ours]
    every = [second for _, second in (*ours, *line)]
    low, high = math.floor(math.log10(min(every))), math.ceil(math.log10(max(every)))
    left, right = math.log10(ours[0][0]), math.log10(ours[-1][0])

    def at(n: float, seconds: float) -> str:
        x = 70 + 500 * (math.log10(n) - left) / max(right - left, 1)
        y = 330 - 290 * (math.log10(seconds) - low) / max(high - low, 1)
        return f"{x:.1f},{y:.1f}"

    parts = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 620 390" '
             'font-family="sans-serif" font-size="13">',
             '<rect width="620" height="390" fill="white"/>']  # fmt: skip
    for decade in range(low, high + 1):
        x, y = at(ours[0][0], 10**decade).split(",")
        parts.append(f'<path d="M{x} {y}H570" stroke="#ddd"/>')
        parts.append(f'<text x="60" y="{y}" text-anchor="end">{10.0**decade:g} s</text>')
    for n, _ in ours:
        x = at(n, 10**low).split(",")[0]
        parts.append(f'<text x="{x}" y="350" text-anchor="middle">{n:,.0f}</text>')
    for points, colour, dashes in ((line, "#888", "5 4"), (ours, "#0a58ca", "")):
        pairs = " ".join(at(*point) for point in points)
        parts.append(f'<polyline points="{pairs}" fill="none" stroke="{colour}" '
                     f'stroke-width="2" stroke-dasharray="{dashes}"/>')  # fmt: skip
    title = "CPU-seconds from the first request told to a full estate; exponent"
    parts += [
        f'<text x="80" y="30">{title} {slope:.2f}; dashed: n log n</text>',
        '<text x="320" y="375" text-anchor="middle">devices and requests</text></svg>',
    ]
    path.write_text("\n".join(parts), encoding="utf-8")


def show(row: Row) -> None:
    print(
        f"{row['devices']:9,.0f} devices {row['queued']:9,.0f} queued: told {row['tell_s']:6.2f} s,"
        f" pass {row['pass_s']:6.2f} s, {row['placed']:7,.0f} placed, {row['per_second']:6,.0f}/s,"
        f" with telling {row['loaded_per_second']:6,.0f}/s,"
        f" {row['busy_permille'] / 10:4.1f} % busy, {row['gib']:.2f} GiB,"
        f" {row['wall_s']:.1f} s by the wall at load {row['load']:.1f}",
        flush=True,
    )
    for name in ("steady", "fast"):
        if f"{name}_p99_ms" in row:
            print(
                f"          {name}: p50 {row[f'{name}_p50_ms']:.2f} ms,"
                f" p99 {row[f'{name}_p99_ms']:.2f} ms, max {row[f'{name}_max_ms']:.1f} ms,"
                f" {row[f'{name}_per_second']:,.0f} placements/s, arrivals counted",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="no point beyond 100,000")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--policy", default="yunhe", choices=sorted(PRESETS))
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--shared", type=Path, default=SHARED)
    parser.add_argument("--rounds", type=int, default=3, help="of the point of the target")
    parser.add_argument("--point", type=int, nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--guided", type=int, nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    some = {"policy": args.policy, "shared": args.shared}
    if args.point:
        print(json.dumps(measured(*args.point, events=args.events, **some)))
        return
    if args.guided:
        print(json.dumps(guided(*args.guided, **some)))
        return
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores; "
          f"policy {args.policy}; estate synthesised but for its mix of nodes")  # fmt: skip
    rows = []
    for point in CURVE[:3] if args.quick else (*CURVE, LARGEST):
        chosen = point == (100_000, 100_000)
        events = args.events if chosen else 0
        found = []
        for _ in range(args.rounds if chosen else 1):
            found.append(apart(*point, events=events, **some))
            show(found[-1])
        rows.append(median(found))
        if chosen:
            main_rows = found
    for point in APART[:2] if args.quick else APART:
        show(apart(*point, events=0, **some))
    plans = []
    for queued, number in GUIDED[:2] if args.quick else GUIDED:
        plans.append(guided_apart(queued, number, **some))
        show_guided(plans[-1])
    slope, bound = exponent(rows), of_n_log_n(rows)
    verdicts(main_rows, plans, slope=slope, bound=bound)
    if args.plot:
        plot(rows, args.plot, slope=slope)


def verdicts(rows: list[Row], plans: list[Row], *, slope: float, bound: float) -> None:
    """Each figure of the target: met or missed, by the median; what may not be large, by the most.

    Rates are placements a CPU-second of the engine's one process.
    """
    found = median(rows)
    least = {
        "guided_percent": (min(row["guided_percent"] for row in plans), 98.0),
        "guided_per_second": (min(row["guided_per_second"] for row in plans), 5_000.0),
    }
    for name in RATES:
        least[name] = found[name], 5_000.0
    most = {name: (found[name], 50.0) for name in ("steady_p99_ms", "fast_p99_ms")}
    most |= {"gib": (found["gib"], 4.0), "growth exponent against n log n": (slope, bound)}
    print(f"verdicts, {len(rows)} rounds:")
    for name, (value, goal) in least.items():
        said = "met" if value >= goal else "MISSED"
        print(f"  {name}: {value:,.1f}{_range(rows, name)}, at least {goal:,.0f}: {said}")
    for name, (value, goal) in most.items():
        said = "met" if value <= goal else "MISSED"
        print(f"  {name}: {value:.2f}{_range(rows, name)}, at most {goal:.2f}: {said}")


def _range(rows: list[Row], name: str) -> str:
    if name not in rows[0]:
        return ""
    values = [row[name] for row in rows]
    return f" ({min(values):,.2f} to {max(values):,.2f})"


if __name__ == "__main__":
    main()
