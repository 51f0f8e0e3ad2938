"""Messages between an agent at a data centre and the platform it fetches work from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue, StringConstraints

from yunhe.client.wire.forwarding import JobName
from yunhe.client.wire.shapes import INTEGER_MAX, Digest, Sent, Shown, Text, Time

_Count = Annotated[int, Field(strict=True, ge=0, le=1_000_000)]
_Amount = Annotated[int, Field(strict=True, ge=0, le=INTEGER_MAX)]
_Said = Annotated[int, Field(strict=True, ge=-INTEGER_MAX, le=INTEGER_MAX)]
_Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$")]
"""Name of an input or an output."""
_JOB = "workload_w0h1ab7v1k0e5m2q9xj4c8t3r6-1"
_AT = "2027-02-20T09:30:00.000000Z"
_DIGEST = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


class AgentNode(Sent):
    """A machine of the agent's."""

    name: Text = Field(min_length=1, max_length=100)
    """In its own words."""
    chip: _Word
    """What its devices are."""
    devices: _Count
    """How many it has."""
    free: _Count
    """How many nobody uses."""
    state: Literal["up", "drained", "down"] = "up"
    """Whether work can start there."""


class AgentHello(Sent):
    """An agent takes its site, or keeps it."""

    agent: str = Field(pattern=r"^[A-Za-z0-9_-]{8,64}$")
    """Which installation: the same after a restart."""
    fence: _Count = 0
    """What it got at its start; 0 to start."""
    clock_us: _Amount
    """Its clock in microseconds since 1970; never used to charge."""
    nodes: list[AgentNode] = Field(default=[], max_length=1_000)
    """What it has."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "agent": "9xj4c8t3r6w0h1ab",
                "fence": 0,
                "clock_us": 1_800_000_000_000_000,
                "nodes": [{"name": "n1", "chip": "ascend910b", "devices": 8, "free": 8}],
            }
        }
    )


class AgentHeld(Shown):
    """An agent's right to its site."""

    fence: int
    """To be named in every call."""
    seconds: int
    """How long the right lasts without a word."""
    at: Time
    """The platform's clock."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"fence": 1, "seconds": 300, "at": _AT}}
    )


class AgentAsk(Sent):
    """An agent asks for work."""

    fence: int = Field(strict=True, ge=1, le=2**31 - 1)
    """Its right."""
    room: dict[_Word, _Count] = Field(max_length=100)
    """Devices it has free, by chip."""
    holding: dict[JobName, _Count] = Field(default={}, max_length=10_000)
    """Runs of jobs that it has."""
    stopping: list[JobName] = Field(default=[], max_length=10_000)
    """Those of them that it is ending already."""
    wait_seconds: int = Field(default=0, strict=True, ge=0, le=20)
    """How long the answer may wait for something to say."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"fence": 1, "room": {"ascend910b": 8}, "holding": {_JOB: 1}}}
    )


class AgentJob(Shown):
    """A job to be run."""

    job: str
    """Its name."""
    run: int
    """Which run of it; every report names it."""
    asked: dict[str, JsonValue]
    """What is to be run."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"job": _JOB, "run": 1, "asked": {"entry_point": "training", "devices": 1}}
        }
    )


class AgentWork(Shown):
    """What an agent is to do."""

    start: list[AgentJob]
    """Run these."""
    stop: list[str]
    """End these."""

    model_config = ConfigDict(json_schema_extra={"example": {"start": [], "stop": [_JOB]}})


class AgentEnd(Sent):
    """How a run ended."""

    phase: Literal["succeeded", "failed", "stopped", "lost"]
    """In one word."""
    wall_ms: _Amount
    """How long it ran, on a clock nobody sets."""
    isolation: Text = Field(max_length=64)
    """How it was kept apart."""
    code_digest: Text = Field(max_length=71)
    """The program that ran; may be empty."""
    cpu_ms: _Amount = 0
    """Processor time."""
    memory_bytes_peak: _Amount = 0
    """Largest resident set."""
    utilisation_per_thousand: _Said | None = None
    """Mean real use of its devices, 0 to 1,000; null: nobody looked. What cannot be true is
    refused, the rest of the report is not."""
    utilisation_samples: _Said = 0
    """Of how many samples."""
    unwatched: bool = Field(default=False, strict=True)
    """Whether its devices were to be watched and nothing was seen of them."""
    outputs: dict[FileName, Digest] = Field(default={}, max_length=100)
    """Files that were sent before, by name."""
    why_code: str = Field(default="", pattern=r"^([a-z_]+\.[a-z_]+)?$", max_length=100)
    """Why it failed."""
    why_params: dict[_Word, int | Annotated[Text, Field(max_length=200)]] = Field(
        default={}, max_length=10
    )
    """Values of that sentence."""


class AgentUse(Sent):
    """How much of its devices a run uses now."""

    per_thousand: _Said | None = None
    """Real use of its devices at the last look, 0 to 1,000; null: nobody looked. What cannot be
    true counts as not said."""
    cpu_ms: _Amount | None = None
    """Processor time of all of it so far; null where that is no sign of its devices' use."""


class AgentReport(Sent):
    """What an agent says of a run; the same again changes nothing."""

    fence: int = Field(strict=True, ge=1, le=2**31 - 1)
    """Its right."""
    run: int = Field(strict=True, ge=1, le=2**31 - 1)
    """Which run."""
    ended: AgentEnd | None = None
    """How it ended; null: it has begun."""
    using: AgentUse | None = None
    """What it uses while it runs; null: nobody knows."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "fence": 1,
                "run": 1,
                "ended": {
                    "phase": "succeeded",
                    "wall_ms": 8_200,
                    "isolation": "bubblewrap",
                    "code_digest": _DIGEST,
                    "outputs": {"model.safetensors": _DIGEST},
                },
            }
        }
    )


class AgentPiece(Sent):
    """A piece of what a run printed."""

    fence: int = Field(strict=True, ge=1, le=2**31 - 1)
    """Its right."""
    run: int = Field(strict=True, ge=1, le=2**31 - 1)
    """Which run."""
    stream: Literal["stdout", "stderr"]
    """Which of the two."""
    offset: _Amount
    """Bytes before it."""
    data: str = Field(max_length=90_000)
    """The bytes in base64."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"fence": 1, "run": 1, "stream": "stdout", "offset": 0, "data": "YQ=="}
        }
    )


class AgentKept(Shown):
    """What is there of a log or a file now."""

    size_bytes: int
    """Bytes of it; the next piece begins here."""
    digest: str = ""
    """Of a file."""

    model_config = ConfigDict(json_schema_extra={"example": {"size_bytes": 4, "digest": ""}})
