"""What a service is, what is reported about it, and how it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from yunhe.compute.reasons import Why
from yunhe.compute.wanted import WorkloadSpec

ServiceState = Literal["open", "stopped"]
"""A stopped service never opens again."""
ReplicaState = Literal["wanted", "leaving", "gone"]
"""``leaving``: cancelled, and not over yet."""

REPLICAS_MAX = 1_000
"""Highest ceiling of one service."""
SLOTS_MAX = 256
"""Most requests that one replica serves at once."""
MS_MAX = 3_600_000
"""Longest latency and service time: an hour."""
SECONDS_MAX = 86_400
"""Longest start-up: a day."""
COOLDOWN_SECONDS_MAX = 3_600
"""Longest cool-down: an hour; reports are not kept for much longer."""
PERCENTILES = (50, 99)
"""Least and greatest percentile of a target."""
COUNT_MAX = 10**9
"""Most requests, tokens and waiting requests that one report may name."""
WINDOW_SECONDS_MAX = 300
"""Longest stretch that one report may be about."""
AHEAD_SECONDS_MAX = 30
"""How far a reporter's clock may be ahead."""
LATE_SECONDS_MAX = 900
"""Older reports change nothing any more and are not kept."""
NEEDED_MAX = 1_000_000
"""Whatever is reported, no more replicas than that are said to be needed."""
KEPT_SECONDS = 7_200
"""How long reports are kept."""
SOURCES_MAX = 64
"""Reporters of one service within `KEPT_SECONDS`."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How many replicas a service may have, and what they are to achieve."""

    floor: int
    """It never wants fewer."""
    ceiling: int
    """It never wants more."""
    slots: int = 1
    """Requests that one replica serves at once."""
    service_ms: int = 0
    """How long a request occupies a slot, on average, until reports measure it."""
    latency_ms: int = 0
    """Target: so much at most at `percentile`; 0: none."""
    percentile: int = 95
    """Of the target."""
    unloaded_ms: int = 0
    """The same latency at the same percentile when nobody waits."""
    load_milli: int = 0
    """Target: so many thousandths of a request, or token, per second and replica; 0: none."""
    unit: Literal["requests", "tokens"] = "requests"
    """What `load_milli` counts."""
    variability_percent: int = 100
    """How much more the slots in use vary than with independent requests (peakedness); 100: as
    much. Requests in bursts: several hundred."""
    startup_seconds: int = 60
    """From the start of a replica until it serves."""
    cooldown_seconds: int = 300
    """It shrinks when nothing within so long needed more."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One report of what a service had to do in a stretch of time."""

    id: str
    """The reporter's name for it; the same again changes nothing."""
    source: str
    """Who reports, where several do: their loads add up."""
    from_us: int
    """Begin of the stretch."""
    until_us: int
    """End of it."""
    requests: int
    """Requests that came."""
    tokens: int = 0
    """Tokens of them."""
    queue: int = 0
    """Requests that waited at the end."""
    latency_ms: int | None = None
    """Latency at the target's percentile; None: it does not say."""
    service_ms: int | None = None
    """Mean time that a request occupied a slot; None: it does not say."""


@dataclass(frozen=True, slots=True)
class Need:
    """What the load needs, and what is wanted of it."""

    wanted: int
    """Between floor and ceiling."""
    needed: int
    """Without a ceiling."""
    offered_milli: int
    """Thousandths of slots that are busy on average under the load."""
    rate_milli: int
    """Thousandths of requests per second."""
    silent: bool
    """Nothing was reported lately."""


@dataclass(frozen=True, slots=True)
class Replica:
    """One replica of a service."""

    number: int
    """Counted up within the service."""
    workload: str
    """The workload it is."""
    state: ReplicaState
    """Where it stands for the service."""
    replaces: int | None = None
    """The replica near its wall limit that it takes over from."""
    running_since_us: int | None = None
    """When its run began; when it was first seen to run where nobody wrote that down."""
    chip: str = ""
    """What it runs on; empty: nowhere yet."""
    workload_state: str | None = None
    """Where the workload stands; None: not submitted yet."""
    why: Why | None = None
    """Why the workload waits or failed."""

    @property
    def is_waiting(self) -> bool:
        """Whether it occupies nothing yet."""
        return self.workload_state in (None, "waiting")

    @property
    def is_over(self) -> bool:
        """Whether nothing will come of it any more."""
        return self.workload_state in ("settled", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Service:
    """A service as it stands."""

    id: str
    """Derived from organisation and key."""
    name: str
    """What its owner calls it."""
    spec: WorkloadSpec
    """What one replica is; its key is empty."""
    policy: Policy
    """What it aims at."""
    state: ServiceState
    """Whether it runs."""
    wanted: int
    """Replicas wanted at the last look."""
    needed: int
    """Replicas that the load needed then."""
    why: Why | None
    """Why it has fewer than it needs; None: it has what it needs."""
    member: str | None
    """Who created it, in whose name replicas are submitted."""
    next_number: int
    """Number of the next replica."""
    failures: int
    """Replicas in a row that ended before they served."""
    retry_at_us: int
    """Not before then is the next one tried."""
    created_at_us: int
    """When it was created."""
    seen_at_us: int
    """When it was looked at last."""
    replicas: tuple[Replica, ...] = ()
    """Those that are not gone, by number."""

    @property
    def organisation(self) -> str:
        """Who pays."""
        return self.spec.organisation

    @property
    def project(self) -> str:
        """Project it belongs to; empty: the organisation's own."""
        return self.spec.project
