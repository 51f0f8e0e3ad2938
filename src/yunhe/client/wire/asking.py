"""What a caller asks to be run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from yunhe.client.wire.shapes import Digest, Sent, Text
from yunhe.client.wire.words import Argument, Word

Site = Annotated[str, StringConstraints(min_length=1, max_length=200)]
"""Where pools stand, in their provider's words."""
Jurisdiction = Annotated[str, StringConstraints(min_length=2, max_length=6)]
"""Code of a country, or of a part of one."""
Count = Annotated[int, Field(strict=True, ge=0, le=2**53 - 1)]
"""A whole number."""
Speed = Annotated[int, Field(strict=True, ge=1, le=100_000)]
"""Of a chip, per thousand of another; 0 would be no speed at all."""
_DIGEST = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


class NewWorkload(Sent):
    """A piece of computing to be done."""

    project: str = Field(default="", pattern=r"^$|^[a-z][a-z0-9_]{0,63}$")
    """Project it belongs to; empty: the organisation's own."""
    kind: Literal["training", "batch", "data", "evaluation", "inference"] = "batch"
    """What it is for."""
    entry_point: Word | Literal[""] = ""
    """The program, one that the platform knows; or `command`, or `image`."""
    command: list[Text] = Field(default=[], max_length=200)
    """Command line, run in `folder`."""
    image: str = Field(default="", max_length=255)
    """Container image, for sites that run images."""
    folder: Digest | Literal[""] = ""
    """Digest of the manifest of the working folder; its blobs are uploads of one's own."""
    outputs: list[Text] = Field(default=[], max_length=50)
    """Patterns of the files in the folder that are kept, such as ``out/**/*.json``."""
    arguments: dict[str, Argument] = Field(default={}, max_length=200)
    """Handed to the program."""
    inputs: dict[str, Digest] = Field(default={}, max_length=100)
    """Digests by the name the program finds them under: of uploads, of outputs of one's own
    workloads, of training splits of datasets one has a grant for."""
    environment: dict[str, Text] = Field(default={}, max_length=100)
    """Environment variables that are no secrets."""
    secrets: dict[str, Text] = Field(default={}, max_length=32)
    """Secrets (``NAME`` or ``<project>/NAME``) by environment variable."""
    workload_class: Word | Literal[""] = ""
    """What rate cards call this kind of work, e.g. ``training.resnet50``; empty: its ``kind``."""
    chip: Word = "cpu"
    """Kind of device, and the reference for `substitutes`."""
    substitutes: dict[Word, Speed] = Field(default={}, max_length=20)
    """Further chips that will do, with their speed per thousand of `chip`."""
    devices: int = Field(default=1, strict=True, ge=1, le=1_000_000)
    """How many at once, of each replica."""
    devices_milli: int = Field(default=0, strict=True, ge=0, le=999)
    """A share of one device in thousandths; 0: whole devices."""
    replicas: int = Field(default=1, strict=True, ge=1, le=10_000)
    """How many times, side by side; of an elastic workload the most."""
    replicas_min: int = Field(default=0, strict=True, ge=0, le=10_000)
    """The fewest that will do; 0: all."""
    fabric: Literal["any", "site", "domain", "node"] = "any"
    """How close the devices of one replica must lie."""
    cpu_milli: Count = 0
    """Processors of one replica in thousandths; 0: as many as devices."""
    replica_memory_bytes: Count = 0
    """Memory of one replica on its node; 0: unsaid."""
    sites: list[Site] = Field(default=[], max_length=100)
    """Where it may run; empty: anywhere."""
    jurisdictions: list[Jurisdiction] = Field(default=[], max_length=100)
    """Whose law may hold where it runs, ISO 3166 such as CN or CN-BJ; empty: anybody's."""
    excluded_providers: list[Site] = Field(default=[], max_length=100)
    """Organisations whose pools it never runs in."""
    data_site: str = Field(default="", max_length=200)
    """Where its data lies."""
    egress_bytes: Count = 0
    """How much of the data must move to run elsewhere."""
    egress: Literal["allow", "forbid"] = "allow"
    """Whether the data may leave its site."""
    deadline: Annotated[str, Field(max_length=40)] | None = None
    """Instant by which it must be over, RFC 3339 with a zone."""
    priority: Literal["low", "usual", "high"] = "usual"
    """Class in the queue; high is the operators'."""
    preemptible: bool = Field(default=False, strict=True)
    """May be pushed out and started again."""
    checkpoint_seconds: int = Field(default=0, strict=True, ge=0, le=2_592_000)
    """How often a preemptible one saves its work."""
    wall_seconds_max: int = Field(strict=True, ge=1, le=2_592_000)
    """Killed after so long; so much device time is held."""
    cpu_seconds_max: int = Field(strict=True, ge=1, le=10**9)
    """Processor time of one process."""
    idle_minutes: int = Field(default=0, strict=True, ge=0, le=10_080)
    """Stopped after so long without doing anything; 0, or longer: as the platform says."""
    memory_bytes_max: int = Field(default=4 << 30, strict=True, ge=128 << 20, le=1 << 50)
    """Memory of one process."""
    input_reference: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """Record of the input, e.g. of the split."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "entry_point": "training",
                "arguments": {"seed": 7},
                "inputs": {"train": _DIGEST},
                "chip": "cpu",
                "devices": 1,
                "wall_seconds_max": 600,
                "cpu_seconds_max": 600,
            }
        }
    )
