"""Seeded bad days: nodes that break, sites that go dark, users who guess their run times badly.

The same seed gives the same events with every version of numpy, as they are made from the digest of
the seed and a counter, not from a library's generator.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from yunhe.compute.simulation.domain import Faults, Fleet, Note, Trace

HOUR_US = 3_600_000_000
"""Microseconds in an hour."""
EVENTS_MAX = 5_000_000
"""Most events; more often broken than that is no fleet."""
_BLOCK = 4  # uniform numbers of 64 bits in one digest


@dataclass(frozen=True, slots=True)
class Weather:
    """How often things break; 0 = never."""

    seed: int = 42
    """Of everything drawn."""
    node_mtbf_hours: int = 0
    """Mean time between failures of one node."""
    node_mttr_hours: int = 4
    """Mean time until a broken node is back."""
    site_mtbf_hours: int = 0
    """Mean time between outages of one site."""
    site_mttr_hours: int = 6
    """Mean length of an outage."""


def uniform(seed: int, stream: str, count: int) -> NDArray[np.float64]:
    """float64[count] in (0, 1), by seed and stream."""
    blocks = -(-count // _BLOCK)
    digests = b"".join(
        hashlib.sha256(f"yunhe:{seed}:{stream}:{block}".encode()).digest()
        for block in range(blocks)
    )
    words = np.frombuffer(digests, dtype=">u8")[:count].astype(np.uint64)
    return ((words >> np.uint64(11)).astype(np.float64) + 0.5) / float(1 << 53)


def exponential(seed: int, stream: str, count: int, *, mean_us: int) -> NDArray[np.int64]:
    """int64[count], exponentially distributed, at least 1."""
    drawn = -np.log(uniform(seed, stream, count)) * mean_us
    return np.maximum(np.round(drawn), 1).astype(np.int64)


def faults(fleet: Fleet, weather: Weather, *, until_us: int) -> Faults:
    """Failures of nodes and outages of whole sites from 0 to ``until_us``, each with its return.

    *Source*: alternating exponential times, the textbook model; the means are the caller's.
    """
    parts: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]] = []
    if weather.node_mtbf_hours > 0:
        for node in range(len(fleet)):
            down, up = _alternating(
                weather.seed,
                f"node-{node}",
                (weather.node_mtbf_hours * HOUR_US, weather.node_mttr_hours * HOUR_US),
                until_us,
            )
            parts.append((np.array([node], np.int64), down, up))
    if weather.site_mtbf_hours > 0:
        for site, name in enumerate(fleet.sites):
            down, up = _alternating(
                weather.seed,
                f"site-{name}",
                (weather.site_mtbf_hours * HOUR_US, weather.site_mttr_hours * HOUR_US),
                until_us,
            )
            parts.append((np.flatnonzero(fleet.site == site).astype(np.int64), down, up))
    return _merged(parts)


def _alternating(
    seed: int, stream: str, means: tuple[int, int], until_us: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """When it breaks and when it is back: int64[k] each; it is sound at 0."""
    works, broken = means
    rounds = max(4, int(until_us / max(works + broken, 1) * 2) + 4)
    while True:
        rounds = min(rounds, EVENTS_MAX)
        alive = exponential(seed, f"{stream}-alive", rounds, mean_us=works)
        dead = exponential(seed, f"{stream}-dead", rounds, mean_us=max(broken, 1))
        down = np.cumsum(alive + np.concatenate([[0], dead[:-1]]))
        if down[-1] >= until_us or rounds == EVENTS_MAX:
            kept = down < until_us
            return down[kept], (down + dead)[kept]
        rounds *= 2


def _merged(
    parts: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]],
) -> Faults:
    """One series of events; a node is down while its own failure or its site's outage lasts."""
    changes: list[tuple[int, int, int]] = []
    for nodes, down, up in parts:
        for node in nodes.tolist():
            changes += [(at, node, 1) for at in down.tolist()]
            changes += [(at, node, -1) for at in up.tolist()]
    changes.sort(key=lambda change: (change[0], change[1], -change[2]))
    depth: dict[int, int] = {}
    kept: list[tuple[int, int, bool]] = []
    for at, node, change in changes:
        before = depth.get(node, 0)
        depth[node] = before + change
        if before == 0:
            kept.append((at, node, False))
        elif depth[node] == 0:
            kept.append((at, node, True))
    return Faults(
        at_us=np.array([at for at, _, _ in kept], np.int64),
        node=np.array([node for _, node, _ in kept], np.int32),
        up=np.array([up for _, _, up in kept], np.bool_),
    )


def with_estimates(trace: Trace, *, seed: int, worst: int) -> Trace:
    """The trace with wall limits drawn from 1 to ``worst`` times the true run time.

    The factor is uniform in its logarithm, never below 1: a limit kills, so users guess high.
    ``worst`` 1 makes them exact.
    """
    service = trace.jobs.service_us
    drawn = uniform(seed, "estimates", len(service))
    wall = np.ceil(service * np.exp(drawn * np.log(worst))).astype(np.int64)
    jobs = replace(trace.jobs, wall_us=np.maximum(wall, service))
    note = Note("estimates", {"worst": worst, "seed": seed})
    return replace(trace, jobs=jobs, notes=(*trace.notes, note))
