"""Messages about what waits, and why."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, JsonValue

from yunhe.client.wire.compute import Why
from yunhe.client.wire.shapes import Id, Sent, Shown, Time

_ORG = "org_7v1k0e5m2q9xj4c8t3r6w0h1ab"
_WORKLOAD = "workload_w0h1ab7v1k0e5m2q9xj4c8t3r6"
_POOL = "pool_9xj4c8t3r6w0h1ab7v1k0e5m2q"
_WHY: dict[str, JsonValue] = {
    "code": "compute.waiting_capacity",
    "message": f"Waiting for devices: 8 are needed, 2 are free in {_POOL}.",
    "params": {"pool": _POOL, "needed": 8, "free": 2},
}
_AS_OF = "2027-02-20T10:30:00.000000Z"
_EARLY, _LATE = "2027-02-20T11:30:00.000000Z", "2027-02-20T21:30:00.000000Z"


class Queued(Shown):
    """A waiting workload and where it stands among all that wait on the platform."""

    rank: int
    """Workloads considered before it, and itself; 0: it is placed at the next pass."""
    workload: Id
    """Its id."""
    organisation: Id
    """Who pays."""
    project: str
    """Project it belongs to; empty: the organisation's own."""
    entry_point: str
    """The program."""
    chip: str
    """Kind of device."""
    substitutes: list[str] = Field(default_factory=list)
    """Other kinds that would do."""
    devices: int
    """How many at once."""
    devices_milli: int = 0
    """Thousandths of the one device that it takes; 0: whole devices."""
    since: Time
    """When it was submitted."""
    why: Why | None
    """What it waits for, in one sentence."""
    early_at: Time | None
    """When it starts at the earliest, as things stand; null: not within sight."""
    late_at: Time | None
    """When it starts at the latest, as things stand; null: not within sight."""
    as_of: Time | None = None
    """When the queue was looked at for this: rank and start hold as of then."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "rank": 3,
                "workload": _WORKLOAD,
                "organisation": _ORG,
                "project": "",
                "entry_point": "training",
                "chip": "ascend910b",
                "substitutes": ["h20"],
                "devices": 8,
                "devices_milli": 0,
                "since": "2027-02-20T09:30:00.000000Z",
                "why": _WHY,
                "early_at": _EARLY,
                "late_at": _LATE,
                "as_of": _AS_OF,
            }
        }
    )


class Change(Shown):
    """One thing that would have to be different."""

    code: str
    """Stable name of the change."""
    message: str
    """The change in words."""
    params: dict[str, str | int]
    """Values of the words."""


class Level(Shown):
    """Where a workload stands on one level of the fair share."""

    level: Literal["city", "kind", "organisation", "project"]
    """Whose turn is decided on it; the city is left out where there is one."""
    place: int
    """Of its own part among its equals of which something waits: 1 is next."""
    of: int
    """How many such equals there are, with its own."""
    had: Literal["less", "even", "more"]
    """Whether its own part had less, about, or more than its share of late."""
    message: str
    """The same in words."""


class Waiting(Shown):
    """Why a workload is not running, and what would admit it."""

    workload: Id
    """Its id."""
    state: Literal["waiting", "placed", "running", "settled", "failed", "cancelled"]
    """Where it stands; only one that is ``waiting`` has a rank."""
    why: Why | None
    """The binding constraint, or why it failed, in one sentence; null: there is none."""
    do: str
    """What comes next, or what to do; empty where nothing is to be said."""
    rank: int | None
    """Workloads considered before it, and itself; 0: it is placed at the next pass."""
    of: int | None
    """Workloads that wait on the platform."""
    early_at: Time | None
    """When it starts at the earliest, as things stand; null: not within sight."""
    late_at: Time | None
    """When it starts at the latest, as things stand; null: not within sight."""
    together: list[Change]
    """The cheapest changes of things outside it: all of them together admit it now."""
    alternatives: list[Change]
    """Changes of what it asks for: each alone admits it now; the cheapest for its owner first."""
    sooner: list[Change]
    """Where none admits it now: changes that each alone let it start sooner, or in time."""
    notes: list[Change]
    """Why no end of the interval can be given, and what was not tried."""
    levels: list[Level] = Field(default_factory=list)
    """Whose turn it is, level by level of the fair share, from the top."""
    as_of: Time | None = None
    """When the queue was looked at for this; null: it does not wait."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "workload": _WORKLOAD,
                "state": "waiting",
                "why": _WHY,
                "do": "It is placed by itself once others have ended.",
                "rank": 3,
                "of": 12,
                "early_at": _EARLY,
                "late_at": _LATE,
                "together": [
                    {
                        "code": "compute.change_devices",
                        "message": f"6 more devices free in {_POOL}",
                        "params": {"missing": 6, "pool": _POOL},
                    }
                ],
                "alternatives": [
                    {
                        "code": "compute.change_fewer",
                        "message": "ask for at most 2 devices, which fit now",
                        "params": {"devices": 2},
                    }
                ],
                "sooner": [],
                "notes": [],
                "levels": [
                    {
                        "level": "city",
                        "place": 2,
                        "of": 3,
                        "had": "more",
                        "message": "your city: place 2 of 3; it had more than its share of late",
                    }
                ],
                "as_of": _AS_OF,
            }
        }
    )


_SAID: dict[str, JsonValue] = {
    "city": "",
    "kind": "sme",
    "organisation": _ORG,
    "project": "",
    "weight": 3,
}


class NewPolicy(Sent):
    """By which policy the scheduler is to decide from its next pass on."""

    policy: str
    """One of those that `Policy` lists."""

    model_config = ConfigDict(json_schema_extra={"example": {"policy": "steady"}})


class Policy(Shown):
    """By which policy the scheduler decides."""

    policy: str
    """The one in force."""
    reference: str
    """Custody record of who said so, and when; empty: nobody said anything."""
    known: list[str]
    """Those that a platform may run."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "policy": "steady",
                "reference": "9f" * 32,
                "known": ["yunhe", "steady", "nimble", "even"],
            }
        }
    )


class NewWeight(Sent):
    """What a part of the fair share is to weigh among its equals: a city, or what is below one."""

    city: str = ""
    """Code of a city; empty: a kind, or what is below it, whatever the city."""
    kind: str = ""
    """Kind of organisation; empty: the city itself."""
    organisation: str = ""
    """One of that kind; empty: the kind itself."""
    project: str = ""
    """One of its projects; empty: the organisation itself."""
    weight: int = Field(strict=True)
    """1 to 1,000: how many times the device time of an equal that weighs 1."""

    model_config = ConfigDict(json_schema_extra={"example": _SAID})


class Weight(Shown):
    """What a part of the fair share weighs among its equals."""

    city: str = ""
    """Code of a city, if it is one that weighs this."""
    kind: str
    """Kind of organisation; empty for a city."""
    organisation: str
    """One of that kind; empty: the kind itself."""
    project: str
    """One of its projects; empty: the organisation itself."""
    weight: int
    """1 to 1,000; whatever is not listed weighs 1."""
    reference: str
    """Custody record of who said so, and when."""

    model_config = ConfigDict(json_schema_extra={"example": {**_SAID, "reference": "9f" * 32}})
