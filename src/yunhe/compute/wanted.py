"""What somebody wants to be run: the whole request, in the form its digest is taken of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal, get_args

from yunhe.compute.scheduling.state import Fabric
from yunhe.kernel.canonical import Json, JsonObject
from yunhe.kernel.clock import SECOND_US

MEMORY_BYTES_DEFAULT = 4 << 30
"""Address space a workload gets unless it asks for less or more."""
Kind = Literal["training", "batch", "data", "evaluation", "inference"]
"""What a workload is for; rate cards and reports tell them apart."""
KINDS: tuple[Kind, ...] = get_args(Kind)
"""All of them."""
Priority = Literal["low", "usual", "high"]
"""Class in the queue; within one, whoever used less goes first."""
PRIORITIES: Mapping[str, int] = {"low": -1, "usual": 0, "high": 1}
"""What the scheduler calls each class."""
Egress = Literal["allow", "forbid"]
"""Whether data may leave the site it lies at."""
FABRICS: tuple[Fabric, ...] = get_args(Fabric)
"""How close the devices of one replica may be asked to lie."""
UNKNOWN = "-"
"""Where a consumer is of whom nobody said it: in no jurisdiction, and perhaps in any."""
MILLI = 1_000
"""Thousandths of one device, and of the reference speed."""


@dataclass(frozen=True, slots=True)
class WorkloadSpec:
    """What is to be run, for whom, and within which limits."""

    key: str
    """Idempotency key within the organisation."""
    organisation: str
    """Who pays."""
    entry_point: str
    """Name under which the provider knows the program; empty for a command or an image."""
    arguments: JsonObject
    """Handed to the program; no floats, fractions as text."""
    inputs: Mapping[str, str]
    """Digests of blobs by the name the program finds them under."""
    chip: str
    """Kind of device; the reference for `substitutes` and for wall times."""
    devices: int
    """How many at once, of each replica."""
    wall_seconds_max: int
    """Killed after so long."""
    cpu_seconds_max: int
    """Processor time of one process, after which it is killed."""
    memory_bytes_max: int = MEMORY_BYTES_DEFAULT
    """Memory of one process: its address space where the system can limit that."""
    input_reference: str | None = None
    """Custody record of the input, e.g. the split."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Secrets of the organisation (``NAME``) or of this workload's own project
    (``<project>/NAME``) by the environment variable in which the program finds the value."""
    project: str = ""
    """Project it belongs to; empty: the organisation's own."""
    kind: Kind = "batch"
    """What it is for."""
    replicas: int = 1
    """How many times `devices`, all at once; of an elastic workload the most."""
    replicas_min: int = 0
    """Least number of replicas that will do; 0: all of them."""
    devices_milli: int = 0
    """A share of one device, 1 to 999 thousandths; 0: whole devices."""
    substitutes: Mapping[str, int] = field(default_factory=dict)
    """Further chips that will do, with their speed per thousand of `chip`."""
    fabric: Fabric = "any"
    """How close the devices of one replica must lie."""
    sites: tuple[str, ...] = ()
    """Where it may run; empty: anywhere."""
    data_site: str = ""
    """Where its data lies; empty: anywhere."""
    egress_bytes: int = 0
    """How much of it must be moved to run elsewhere."""
    egress: Egress = "allow"
    """``forbid``: it runs where its data lies."""
    deadline_us: int = 0
    """Instant by which it must be over; 0: none."""
    priority: Priority = "usual"
    """Class in the queue."""
    preemptible: bool = False
    """May be pushed out and started again."""
    checkpoint_seconds: int = 0
    """How often it saves its work; 0: it does not say."""
    cpu_milli: int = 0
    """Processors of one replica, in thousandths; 0: as many as devices."""
    replica_memory_bytes: int = 0
    """Memory of one replica on its node; 0: it does not say."""
    command: tuple[str, ...] = ()
    """Command line, run in its folder, in place of a program."""
    image: str = ""
    """Container image, ``registry/name@sha256:…``, that its command runs in where sites do that."""
    folder: str = ""
    """Digest of the manifest of its working folder; empty: an empty one."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that are no secrets."""
    outputs: tuple[str, ...] = ()
    """Patterns of the files in its folder that are kept."""
    idle_minutes: int = 0
    """Stopped after so long without doing anything, or earlier if the platform says so; 0: as the
    platform says."""
    workload_class: str = ""
    """What rate cards call this kind of work, e.g. ``training.resnet50``; empty: its `kind`."""
    jurisdictions: tuple[str, ...] = ()
    """Whose law may hold where it runs, ISO 3166 such as ``CN`` or ``CN-BJ``; empty: anybody's."""
    excluded_providers: tuple[str, ...] = ()
    """Organisations whose pools it never runs in."""
    consumer: str = ""
    """Where whoever it is done for is, as another platform that handed it over here said, or
    `UNKNOWN`; empty: it is done for `organisation`."""

    @property
    def replicas_least(self) -> int:
        """The fewest replicas it runs with."""
        return self.replicas_min or self.replicas

    @property
    def devices_all(self) -> int:
        """Devices of all replicas together."""
        return self.devices * self.replicas

    @property
    def saves_seconds(self) -> int | None:
        """How often it saves what would be lost if it were broken off; None: it never is.

        With a deadline it might miss that after it was paid for.
        """
        return self.checkpoint_seconds if self.preemptible and not self.deadline_us else None

    @property
    def program(self) -> str:
        """What runs, in a word."""
        return self.entry_point or (self.command[0] if self.command else self.image)

    def as_json(self) -> dict[str, Json]:
        """The whole request; what is as usual and came later is left out, so digests stay."""
        said: dict[str, Json] = {name: _plain(getattr(self, name)) for name in _FIRST}
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name not in _FIRST and value != _USUAL.get(each.name, ()) and value != {}:
                said[each.name] = _plain(value)
        return said

    @classmethod
    def from_json(cls, said: Mapping[str, object]) -> WorkloadSpec:
        """The request that `as_json` wrote down."""
        values = dict(said)
        for name in _TUPLES:
            value = values.get(name)
            if isinstance(value, list):
                values[name] = tuple(value)
        return cls(**values)  # type: ignore[arg-type] # written by `as_json`


_FIRST = (
    "key",
    "organisation",
    "entry_point",
    "arguments",
    "inputs",
    "chip",
    "devices",
    "wall_seconds_max",
    "cpu_seconds_max",
    "memory_bytes_max",
    "input_reference",
)
"""Fields that every request has always said."""
_TUPLES = ("sites", "command", "outputs", "jurisdictions", "excluded_providers")
_USUAL = {each.name: each.default for each in fields(WorkloadSpec) if each.name not in _FIRST}


def _plain(value: Json | tuple[str, ...]) -> Json:
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value


def wall_seconds_on(spec: WorkloadSpec, chip: str) -> int:
    """Its wall limit on that chip: longer on a slower one than on the one asked for."""
    speed = MILLI if chip == spec.chip else spec.substitutes.get(chip, MILLI)
    return -(-spec.wall_seconds_max * MILLI // max(speed, 1))


def wall_seconds_left(spec: WorkloadSpec, chip: str, *, now_us: int) -> int:
    """Its wall limit on that chip if it starts now: at most what is left until its deadline."""
    longest = wall_seconds_on(spec, chip)
    if not spec.deadline_us:
        return longest
    return min(longest, (spec.deadline_us - now_us) // SECOND_US)


def share_ms(spec: WorkloadSpec, whole_ms: int) -> int:
    """The part of so much time of whole devices that its share of one is, rounded up."""
    return -(-whole_ms * (spec.devices_milli or MILLI) // MILLI)


def device_ms(spec: WorkloadSpec, *, wall_ms: int, replicas: int) -> int:
    """Device time that so much wall time of so many replicas is, rounded up."""
    return share_ms(spec, wall_ms * replicas * spec.devices)
