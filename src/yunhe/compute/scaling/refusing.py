"""What is wrong with a service's policy or a report of its load, all of it at once."""

from __future__ import annotations

from collections.abc import Iterator

from yunhe.compute.scaling.domain import (
    AHEAD_SECONDS_MAX,
    COOLDOWN_SECONDS_MAX,
    COUNT_MAX,
    MS_MAX,
    PERCENTILES,
    REPLICAS_MAX,
    SECONDS_MAX,
    SLOTS_MAX,
    WINDOW_SECONDS_MAX,
    Policy,
    Sample,
)
from yunhe.compute.specs import amount_faults, word_faults
from yunhe.compute.wanted import WorkloadSpec
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Finding

VARIABILITY_PERCENT_MAX = 2_000
"""Greatest variability."""
LOAD_MILLI_MAX = 10**12
"""Greatest load of one replica."""


def policy_faults(policy: Policy, spec: WorkloadSpec) -> Iterator[Finding]:
    """Everything about a policy, and about it and a replica together, that cannot be kept."""
    bounds = {
        "floor": (0, REPLICAS_MAX),
        "ceiling": (1, REPLICAS_MAX),
        "slots": (1, SLOTS_MAX),
        "service_ms": (0, MS_MAX),
        "latency_ms": (0, MS_MAX),
        "percentile": PERCENTILES,
        "unloaded_ms": (0, MS_MAX),
        "load_milli": (0, LOAD_MILLI_MAX),
        "variability_percent": (1, VARIABILITY_PERCENT_MAX),
        "startup_seconds": (0, SECONDS_MAX),
        "cooldown_seconds": (0, COOLDOWN_SECONDS_MAX),
    }
    found = [
        finding
        for name, (least, most) in bounds.items()
        for finding in amount_faults(name, getattr(policy, name), least=least, most=most)
    ]
    yield from found
    if not found:
        yield from _contradictions(policy, spec)


def _contradictions(policy: Policy, spec: WorkloadSpec) -> Iterator[Finding]:
    if policy.floor > policy.ceiling:
        params = (("floor", policy.floor), ("ceiling", policy.ceiling))
        yield Finding("ceiling", "compute.service_ceiling_low", params)
    if policy.unit not in ("requests", "tokens"):
        yield Finding("unit", "compute.word_invalid", (("value", str(policy.unit)[:80]),))
    if not policy.latency_ms and not policy.load_milli and policy.floor != policy.ceiling:
        yield Finding("latency_ms", "compute.service_target_missing")
    if policy.latency_ms and not policy.service_ms:
        yield Finding("service_ms", "compute.service_time_missing")
    if policy.latency_ms and policy.unloaded_ms >= policy.latency_ms:
        params = (("latency_ms", policy.latency_ms), ("unloaded_ms", policy.unloaded_ms))
        yield Finding("latency_ms", "compute.service_target_unreachable", params)
    least = 2 * policy.startup_seconds + 60
    if type(spec.wall_seconds_max) is int and spec.wall_seconds_max < least:
        yield Finding("wall_seconds_max", "compute.service_wall_short", (("least", least),))
    if spec.replicas_min and spec.replicas_min != spec.replicas:
        yield Finding("replicas_min", "compute.service_elastic")
    if spec.deadline_us:
        yield Finding("deadline", "compute.service_deadline")


def load_faults(sample: Sample, *, now_us: int) -> Iterator[Finding]:
    """Everything about a report that cannot be: negative, endless, or of the future."""
    yield from word_faults("id", sample.id)
    if sample.source:
        yield from word_faults("source", sample.source)
    for name in ("requests", "tokens", "queue"):
        yield from amount_faults(name, getattr(sample, name), least=0, most=COUNT_MAX)
    for name in ("latency_ms", "service_ms"):
        value = getattr(sample, name)
        if value is not None:
            yield from amount_faults(name, value, least=0, most=MS_MAX)
    ahead_us = sample.until_us - now_us
    if ahead_us > AHEAD_SECONDS_MAX * SECOND_US:
        yield Finding("until", "compute.load_future", (("seconds", ahead_us // SECOND_US),))
    length_us = sample.until_us - sample.from_us
    if not SECOND_US <= length_us <= WINDOW_SECONDS_MAX * SECOND_US or sample.from_us < 0:
        yield Finding("since", "compute.load_window", (("most", WINDOW_SECONDS_MAX),))
