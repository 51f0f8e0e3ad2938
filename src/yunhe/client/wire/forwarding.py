"""Messages between platforms that hand work to each other."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from yunhe.client.wire.compute import NewWorkload, Why
from yunhe.client.wire.shapes import Id, Sent, Shown, Time

JobName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$")]
"""What the platform that hands a job over calls it."""
_WORKLOAD = "workload_w0h1ab7v1k0e5m2q9xj4c8t3r6"
_DIGEST = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_AT = "2027-02-20T09:30:00.000000Z"


class NewForwarded(Sent):
    """A job that another platform hands over."""

    origin: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9./_-]{0,99}$")
    """Name of the log of the platform that it comes from."""
    workload: NewWorkload
    """What is to be done, with every limit that binds it there among its jurisdictions."""
    consumer: str = Field(default="", pattern=r"^([A-Z]{2}(-[A-Z0-9]{1,3})?)?$")
    """Where whoever it is done for is, ISO 3166 such as ``CN-BJ``; empty: nobody said it, and
    chips under an export rule are closed to it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "origin": "nation.example.org/log",
                "consumer": "CN-BJ",
                "workload": {
                    "entry_point": "training",
                    "arguments": {"seed": 7},
                    "inputs": {"train": _DIGEST},
                    "chip": "cpu",
                    "devices": 1,
                    "wall_seconds_max": 600,
                    "cpu_seconds_max": 600,
                },
            }
        }
    )


class ForwardedInputs(Sent):
    """The files of a job that is about to be handed over."""

    digests: list[Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]] = Field(
        max_length=1_000
    )
    """Each once, in any order."""

    model_config = ConfigDict(json_schema_extra={"example": {"digests": [_DIGEST]}})


class ForwardedMissing(Shown):
    """Which of them are not there."""

    missing: list[str]
    """Digests of what is to be sent; nothing where the job was called off."""

    model_config = ConfigDict(json_schema_extra={"example": {"missing": [_DIGEST]}})


class ForwardedUsage(Shown):
    """What a job used there and what was charged for it."""

    device_ms: int
    """Charged device time."""
    cpu_ms: int
    """Processor time."""
    memory_bytes_peak: int
    """Largest resident set."""
    isolation: str
    """How it was kept apart."""
    code_digest: str
    """The program file that ran."""
    cost_minor: int
    """Charged in all."""
    currency: str
    """Of the charge."""
    utilisation_per_thousand: int | None = None
    """Mean real use of its devices there; null: nobody reported any."""
    utilisation_samples: int = 0
    """Of how many samples."""


class Forwarded(Shown):
    """A job that another platform handed over, as it stands."""

    job: str
    """What that platform calls it."""
    workload: Id
    """What it is here."""
    state: Literal["waiting", "placed", "running", "settled", "failed", "cancelled"]
    """Where it stands."""
    why: Why | None
    """Why it waits or failed."""
    outputs: dict[str, str]
    """Digests of what it wrote, by file name."""
    devices: int
    """How many it occupies; 0 of one that was called off before it came."""
    usage: ForwardedUsage | None
    """What was metered and charged, once it is over."""
    ended_at: Time | None
    """When it was over."""
    reference: str | None
    """Its record in this platform's log."""
    called_off: bool
    """Whether the other platform called it off."""
    logged: bool
    """Whether what it printed can be had."""
    forgotten: bool
    """Whether the other platform said that it has all it wants."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "job": f"{_WORKLOAD}-1",
                "workload": "workload_e5m2q9xj4c8t3r6w0h1ab7v1k0",
                "state": "settled",
                "why": None,
                "outputs": {"model.safetensors": _DIGEST},
                "devices": 1,
                "usage": {
                    "device_ms": 8_200,
                    "cpu_ms": 7_900,
                    "memory_bytes_peak": 412_000_000,
                    "isolation": "bubblewrap",
                    "code_digest": _DIGEST,
                    "cost_minor": 1,
                    "currency": "CNY",
                },
                "ended_at": _AT,
                "reference": "5d" * 32,
                "called_off": False,
                "logged": True,
                "forgotten": False,
            }
        }
    )


class ForwardedJobs(Shown):
    """Several such jobs."""

    at: Time
    """This platform's clock."""
    items: list[Forwarded]
    """Those that are known here."""

    model_config = ConfigDict(json_schema_extra={"example": {"at": _AT, "items": []}})


class Room(Shown):
    """A pool as another platform may count on it."""

    pool: Id
    """Its id."""
    site: str
    """Where it stands."""
    chip: str
    """What one device is."""
    devices: int
    """How many it has."""
    free: int
    """How many nobody occupies now."""
    state: Literal["open", "draining", "down"]
    """Whether it takes work."""
    price_minor_per_device_hour: int
    """What an hour of a device costs now."""
    currency: str
    """Of the price."""


class Capacity(Shown):
    """What another platform may count on."""

    at: Time
    """This platform's clock."""
    log: str
    """Name of this platform's log."""
    pools: list[Room]
    """Its own pools, by id; what it gets from yet other platforms is not among them."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "at": _AT,
                "log": "city.example.org/log",
                "pools": [
                    {
                        "pool": "pool_9xj4c8t3r6w0h1ab7v1k0e5m2q",
                        "site": "east-1",
                        "chip": "ascend910b",
                        "devices": 64,
                        "free": 16,
                        "state": "open",
                        "price_minor_per_device_hour": 1_200,
                        "currency": "CNY",
                    }
                ],
            }
        }
    )
