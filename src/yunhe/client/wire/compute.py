"""Messages about pools, awards, vouchers and workloads."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from yunhe.client.wire.accepting import Accepted, Chips
from yunhe.client.wire.asking import NewWorkload
from yunhe.client.wire.shapes import Amount, Id, Sent, Shown, Text, Time
from yunhe.client.wire.words import Argument, Word

__all__ = [
    "Argument",
    "Award",
    "Currency",
    "NewAward",
    "NewPool",
    "NewVoucher",
    "NewWorkload",
    "NodeRow",
    "Pool",
    "Usage",
    "Voucher",
    "Why",
    "Word",
    "Workload",
]

Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
"""ISO 4217."""


_POOL = "pool_9xj4c8t3r6w0h1ab7v1k0e5m2q"
_AWARD = "award_4c8t3r6w0h1ab7v1k0e5m2q9xj"
_VOUCHER = "voucher_t3r6w0h1ab7v1k0e5m2q9xj4c8"
_WORKLOAD = "workload_w0h1ab7v1k0e5m2q9xj4c8t3r6"
_ORG = "org_7v1k0e5m2q9xj4c8t3r6w0h1ab"
_DIGEST = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_AT = "2027-02-20T09:30:00.000000Z"


class Pool(Shown):
    """Devices of one chip that a provider offers at one site for one price."""

    id: Id
    """Its id."""
    provider: Id
    """The organisation that is paid."""
    site: str
    """Where the devices stand."""
    adapter: str
    """Kind of provider that runs its workloads."""
    chip: str
    """What one device is."""
    devices: int
    """How many there are."""
    devices_busy: int
    """Of those, occupied."""
    price_minor_per_device_hour: int
    """Price in the minor unit of ``currency``."""
    currency: str
    """ISO 4217."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": _POOL,
                "provider": _ORG,
                "site": "east-1",
                "adapter": "local",
                "chip": "ascend910b",
                "devices": 64,
                "devices_busy": 48,
                "price_minor_per_device_hour": 1_200,
                "currency": "CNY",
            }
        }
    )


class NodeRow(Sent):
    """Equal nodes of a pool."""

    count: int = Field(default=1, strict=True, ge=1, le=10_000)
    """How many."""
    devices: int = Field(strict=True, ge=1, le=1_024)
    """Of each."""
    cpu_milli: int = Field(default=0, strict=True, ge=0, le=10_000_000)
    """Thousandths of a CPU of each; 0: not counted."""
    memory_mib: int = Field(default=0, strict=True, ge=0, le=1 << 30)
    """MiB of each; 0: not counted."""
    domain: int = Field(default=0, strict=True, ge=0, le=1_000_000)
    """Number of the fabric domain they share."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"count": 8, "devices": 8, "cpu_milli": 192_000, "memory_mib": 2_097_152}
        }
    )


class NewPool(Sent):
    """Devices to be offered."""

    provider: Id
    """The organisation that is paid."""
    site: Text = Field(min_length=1, max_length=200)
    """Where the devices stand."""
    adapter: Word = "local"
    """Kind of provider that runs its workloads."""
    chip: Word
    """What one device is."""
    devices: int = Field(strict=True, ge=1, le=1_000_000)
    """How many there are."""
    price_minor_per_device_hour: int = Field(strict=True, ge=0, le=10**12)
    """Price in the minor unit of ``currency``."""
    currency: Currency
    """ISO 4217."""
    nodes: list[NodeRow] = Field(default=[], max_length=1_000)
    """Its nodes, whose devices are ``devices`` together; empty: one flat node."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "provider": _ORG,
                "site": "east-1",
                "adapter": "local",
                "chip": "cpu",
                "devices": 64,
                "price_minor_per_device_hour": 1_200,
                "currency": "CNY",
            }
        }
    )


class Award(Shown):
    """Device time granted to an organisation (算力额度), and what became of it."""

    id: Id
    """Its id."""
    organisation: Id
    """Who may use it."""
    chip: str
    """On what: a chip, a list (``a100+h100``) or a class (``class:training-large``)."""
    device_ms: int
    """How much, in device-milliseconds; of one for several chips in those of its reference."""
    used_ms: int
    """Metered and settled."""
    held_ms: int
    """Held by workloads that are placed or run."""
    left_ms: int
    """What can still be held."""
    expires_at: Time
    """Until when workloads may be placed under it."""
    reference: str
    """Its record in the log."""
    priority_max: str | None = None
    """Highest class in the queue that its holder may ask for; null: the usual one."""
    accepts: Accepted | None = None
    """Of one for several chips: which, and how each counts; null: the one chip."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": _AWARD,
                "organisation": _ORG,
                "chip": "ascend910b",
                "device_ms": 3_600_000_000,
                "used_ms": 720_000_000,
                "held_ms": 0,
                "left_ms": 2_880_000_000,
                "expires_at": _AT,
                "reference": "5d" * 32,
            }
        }
    )


class NewAward(Sent):
    """Device time to be granted."""

    organisation: Id
    """Who gets it."""
    chip: Chips
    """On what: a chip, a list (``a100+h100``) or a class (``class:training-large``)."""
    device_ms: Amount
    """How much, in device-milliseconds."""
    expires_in_days: int = Field(strict=True, ge=1, le=3_660)
    """For how long, from now."""
    priority_max: Literal["low", "usual", "high"] | None = None
    """Highest class in the queue that its holder may ask for; null: the usual one."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "organisation": _ORG,
                "chip": "cpu",
                "device_ms": 3_600_000_000,
                "expires_in_days": 90,
            }
        }
    )


class Voucher(Shown):
    """Public money that pays a share of compute costs (算力券), and what became of it."""

    id: Id
    """Its id."""
    organisation: Id
    """Whose costs it pays."""
    currency: str
    """Its denomination."""
    amount_minor: int
    """How much it can pay in all."""
    used_minor: int
    """Paid."""
    held_minor: int
    """Held by workloads that are placed or run."""
    left_minor: int
    """What it can still pay."""
    share_percent: int
    """Largest share of any one cost it pays."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": _VOUCHER,
                "organisation": _ORG,
                "currency": "CNY",
                "amount_minor": 500_000,
                "used_minor": 24_000,
                "held_minor": 0,
                "left_minor": 476_000,
                "share_percent": 20,
            }
        }
    )


class NewVoucher(Sent):
    """A voucher to be issued."""

    organisation: Id
    """Who gets it."""
    currency: Currency
    """Its denomination."""
    amount_minor: Amount
    """How much it can pay in all."""
    share_percent: int = Field(default=20, strict=True, ge=0, le=100)
    """Largest share of any one cost it pays."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "organisation": _ORG,
                "currency": "CNY",
                "amount_minor": 500_000,
                "share_percent": 20,
            }
        }
    )


class Why(Shown):
    """Why a workload waits or failed."""

    code: str
    """Stable name of the reason."""
    message: str
    """The reason as a sentence."""
    params: dict[str, str | int]
    """Values of the sentence."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "code": "compute.waiting_capacity",
                "message": "All suitable devices are busy.",
                "params": {},
            }
        }
    )


class Usage(Shown):
    """What a workload used and what was paid for it."""

    device_ms: int
    """Charged device time."""
    wall_ms: int
    """Wall time of the run."""
    cpu_ms: int
    """Processor time."""
    memory_bytes_peak: int
    """Largest resident set."""
    isolation: str
    """How it was kept apart."""
    cost_minor: int
    """Paid in all."""
    voucher_minor: int
    """Of that, by voucher."""
    currency: str
    """Of both."""
    term: Literal["on_demand", "reserved", "spot"]
    """Whose price it was charged at."""
    utilisation_per_thousand: int | None
    """Mean real use of its devices; null: nobody reported any."""
    utilisation_samples: int
    """From so many samples."""
    drawn_of: str = ""
    """What the award is for that paid, if for several chips; empty: the very chip."""
    drawn_ms: int = 0
    """What was taken of it, in time of its reference; 0: as much as was charged."""


class Workload(Shown):
    """One piece of computing as it stands."""

    id: Id
    """Its id."""
    organisation: Id
    """Who pays."""
    project: str
    """Project it belongs to; empty: the organisation's own."""
    state: Literal["waiting", "placed", "running", "settled", "failed", "cancelled"]
    """Where it stands."""
    why: Why | None
    """Why it waits or failed."""
    kind: str = "batch"
    """What it is for."""
    entry_point: str
    """The program; empty where it runs a command or an image."""
    program: str = ""
    """What runs, in a word."""
    chip: str
    """Kind of device that was asked for."""
    chip_placed: str | None = None
    """Kind of device it runs or ran on; null: not placed yet."""
    devices: int
    """How many at once, of each replica."""
    devices_milli: int = 0
    """Thousandths of the one device that each replica takes; 0: whole devices."""
    replicas: int = 1
    """With how many it was placed, or at most will be."""
    pool: str | None
    """Where it was placed."""
    outputs: dict[str, str]
    """Digests of what it wrote, by file name."""
    usage: Usage | None
    """What was metered and paid, once it is over."""
    reference: str | None
    """Its record in the log, once something was metered."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": _WORKLOAD,
                "organisation": _ORG,
                "project": "",
                "state": "settled",
                "why": None,
                "kind": "training",
                "entry_point": "training",
                "program": "training",
                "chip": "cpu",
                "chip_placed": "cpu",
                "devices": 1,
                "devices_milli": 0,
                "replicas": 1,
                "pool": _POOL,
                "outputs": {"model.safetensors": _DIGEST},
                "usage": {
                    "device_ms": 8_200,
                    "wall_ms": 8_200,
                    "cpu_ms": 7_900,
                    "memory_bytes_peak": 412_000_000,
                    "isolation": "bubblewrap",
                    "cost_minor": 1,
                    "voucher_minor": 0,
                    "currency": "CNY",
                    "term": "on_demand",
                    "utilisation_per_thousand": 640,
                    "utilisation_samples": 58,
                },
                "reference": "5d" * 32,
            }
        }
    )
