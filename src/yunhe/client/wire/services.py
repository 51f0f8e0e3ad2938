"""Messages about inference services."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from yunhe.client.wire.asking import NewWorkload
from yunhe.client.wire.compute import Why
from yunhe.client.wire.shapes import Id, Name, Sent, Shown, Time
from yunhe.client.wire.words import Word

_SERVICE = "service_3r6w0h1ab7v1k0e5m2q9xj4c8t"
_WORKLOAD = "workload_w0h1ab7v1k0e5m2q9xj4c8t3r6"
_ORG = "org_7v1k0e5m2q9xj4c8t3r6w0h1ab"
_AT = "2027-02-20T09:30:00.000000Z"
_POLICY: dict[str, int | str] = {
    "floor": 1,
    "ceiling": 8,
    "slots": 4,
    "service_ms": 800,
    "latency_ms": 3_000,
    "percentile": 95,
    "unloaded_ms": 2_000,
}
Replicas = Annotated[int, Field(strict=True, ge=0, le=1_000)]
"""A number of replicas."""
Slots = Annotated[int, Field(strict=True, ge=1, le=256)]
"""Requests that one replica serves at once."""
Milliseconds = Annotated[int, Field(strict=True, ge=0, le=3_600_000)]
"""A latency or a service time."""
Seconds = Annotated[int, Field(strict=True, ge=0, le=86_400)]
"""A start-up."""
Cooldown = Annotated[int, Field(strict=True, ge=0, le=3_600)]
"""A cool-down."""
Percentile = Annotated[int, Field(strict=True, ge=50, le=99)]
"""Of a target."""
Variability = Annotated[int, Field(strict=True, ge=1, le=2_000)]
"""How much more the slots in use vary than with independent requests, per cent."""
Load = Annotated[int, Field(strict=True, ge=0, le=10**12)]
"""Thousandths of a request, or token, per second."""
Count = Annotated[int, Field(strict=True, ge=0, le=10**9)]
"""Requests, tokens."""


class ServicePolicy(Sent):
    """How many replicas, and what they are to achieve."""

    floor: Replicas
    """Never fewer."""
    ceiling: Replicas
    """Never more."""
    slots: Slots = 1
    """Requests that one replica serves at once."""
    service_ms: Milliseconds = 0
    """How long a request occupies a slot on average, until reports measure it."""
    latency_ms: Milliseconds = 0
    """Target: at most so much at ``percentile``; 0: none."""
    percentile: Percentile = 95
    """Of the target."""
    unloaded_ms: Milliseconds = 0
    """The same latency when nobody waits."""
    load_milli: Load = 0
    """Target: so many thousandths per second and replica; 0: none."""
    unit: Literal["requests", "tokens"] = "requests"
    """What ``load_milli`` counts."""
    variability_percent: Variability = 100
    """How bursty the load is; 100: requests are independent, several hundred: in bursts."""
    startup_seconds: Seconds = 60
    """From a replica's start until it serves."""
    cooldown_seconds: Cooldown = 300
    """It shrinks when nothing within so long needed more."""

    model_config = ConfigDict(json_schema_extra={"example": {**_POLICY}})


class PolicyShown(Shown):
    """How many replicas a service may have, and what they are to achieve."""

    floor: int
    """Never fewer."""
    ceiling: int
    """Never more."""
    slots: int
    """Requests that one replica serves at once."""
    service_ms: int
    """How long a request occupies a slot on average."""
    latency_ms: int
    """Target at ``percentile``; 0: none."""
    percentile: int
    """Of the target."""
    unloaded_ms: int
    """The same latency when nobody waits."""
    load_milli: int
    """Target per replica; 0: none."""
    unit: str
    """What ``load_milli`` counts."""
    variability_percent: int
    """Of gaps and service times."""
    startup_seconds: int
    """From a replica's start until it serves."""
    cooldown_seconds: int
    """Before it shrinks."""


class ServiceChange(Sent):
    """What is to be another; the rest stays."""

    floor: Replicas | None = None
    """Never fewer."""
    ceiling: Replicas | None = None
    """Never more."""
    slots: Slots | None = None
    """Requests that one replica serves at once."""
    service_ms: Milliseconds | None = None
    """How long a request occupies a slot."""
    latency_ms: Milliseconds | None = None
    """Target at ``percentile``."""
    percentile: Percentile | None = None
    """Of the target."""
    unloaded_ms: Milliseconds | None = None
    """The same latency when nobody waits."""
    load_milli: Load | None = None
    """Target per replica."""
    unit: Literal["requests", "tokens"] | None = None
    """What ``load_milli`` counts."""
    variability_percent: Variability | None = None
    """Of gaps and service times."""
    startup_seconds: Seconds | None = None
    """From a replica's start until it serves."""
    cooldown_seconds: Cooldown | None = None
    """Before it shrinks."""

    model_config = ConfigDict(json_schema_extra={"example": {"ceiling": 16}})


class NewService(Sent):
    """A service to be kept running."""

    name: Name
    """What its owner calls it."""
    replica: NewWorkload
    """What one replica is; its kind is inference."""
    policy: ServicePolicy
    """How many."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "name": "hotline",
                "replica": {
                    "command": ["./serve.sh"],
                    "chip": "ascend910b",
                    "wall_seconds_max": 86_400,
                    "cpu_seconds_max": 10**6,
                },
                "policy": {**_POLICY},
            }
        }
    )


class NewLoad(Sent):
    """What a service had to do in a stretch of time."""

    id: Word
    """The reporter's name for this report; the same again changes nothing."""
    source: Word | Literal[""] = ""
    """Who reports, where several do: their loads add up."""
    since: Annotated[str, Field(max_length=40)]
    """Begin of the stretch, RFC 3339 with a zone."""
    until: Annotated[str, Field(max_length=40)]
    """End of it, at most five minutes later."""
    requests: Count
    """Requests that came."""
    tokens: Count = 0
    """Tokens of them."""
    queue: Count = 0
    """Requests that waited at the end."""
    latency_ms: Milliseconds | None = None
    """Latency at the target's percentile."""
    service_ms: Milliseconds | None = None
    """Mean time that a request occupied a slot."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "gateway-1.4711",
                "since": "2027-02-20T09:29:50Z",
                "until": "2027-02-20T09:30:00Z",
                "requests": 57,
                "tokens": 21_400,
                "queue": 2,
                "latency_ms": 2_400,
                "service_ms": 810,
            }
        }
    )


class LoadTaken(Shown):
    """What became of a report."""

    id: str
    """Its name."""
    taken: Literal["counted", "known", "late"]
    """``known``: it was there; ``late``: too old to change anything, not kept."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"id": "gateway-1.4711", "taken": "counted"}}
    )


class Replica(Shown):
    """One replica of a service."""

    number: int
    """Counted up within the service."""
    workload: Id
    """The workload it is."""
    state: str
    """Where the workload stands; ``leaving`` when it was cancelled."""
    serves: bool
    """Whether it has run for as long as it takes to start."""


class Service(Shown):
    """A service as it stands."""

    id: Id
    """Its id."""
    organisation: Id
    """Who pays."""
    project: str
    """Project it belongs to; empty: the organisation's own."""
    name: str
    """What its owner calls it."""
    state: Literal["open", "stopped"]
    """Whether it runs."""
    program: str
    """What a replica runs, in a word."""
    chip: str
    """Kind of device."""
    devices: int
    """Devices of one replica."""
    policy: PolicyShown
    """How many, and for what."""
    wanted: int
    """Replicas wanted at the last look."""
    needed: int
    """Replicas that the load needed then."""
    running: int
    """Replicas that run."""
    serving: int
    """Of those, started."""
    why: Why | None
    """Why it has fewer than it needs."""
    replicas: list[Replica]
    """Those that are not gone."""
    created_at: Time
    """When it was created."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": _SERVICE,
                "organisation": _ORG,
                "project": "",
                "name": "hotline",
                "state": "open",
                "program": "./serve.sh",
                "chip": "ascend910b",
                "devices": 1,
                "policy": {
                    **_POLICY,
                    "load_milli": 0,
                    "unit": "requests",
                    "variability_percent": 100,
                    "startup_seconds": 60,
                    "cooldown_seconds": 300,
                },
                "wanted": 2,
                "needed": 2,
                "running": 1,
                "serving": 1,
                "why": None,
                "replicas": [
                    {"number": 1, "workload": _WORKLOAD, "state": "running", "serves": True}
                ],
                "created_at": _AT,
            }
        }
    )
