"""What there is to know of output as it comes and of commands run inside a workload."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

KEPT_BYTES = 16 << 20
"""Of a workload's or a command's output so much is kept to be read from an offset."""
CHUNK_BYTES = 64 << 10
"""Largest piece that is kept in one row."""
READ_BYTES = 256 << 10
"""Most bytes given at once."""
OPEN_MAX = 32
"""Commands of one workload that are not over; a job's attendant runs half as many at once."""
INPUTS_MAX = 32
"""Pieces of input that may wait to be taken."""
COMMAND_LETTERS_MAX = 32 << 10
"""Longest command line."""
START_SECONDS = 60
"""A command that did not begin within so long is refused: nobody looks after the workload."""

ExecState = Literal["asked", "running", "ended", "refused"]
"""Where a command stands; ``ended`` without a status: it ended with its workload."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some output."""

    stream: str
    """``stdout`` or ``stderr``."""
    data: bytes
    """What was printed."""
    left_out: int = 0
    """Instead of data: so many bytes are not kept."""

    @property
    def size(self) -> int:
        """How many bytes it stands for."""
        return self.left_out or len(self.data)


@dataclass(frozen=True, slots=True)
class Exec:
    """A command run inside a workload."""

    id: str
    """Derived from the key it was asked for with."""
    workload: str
    """Where."""
    organisation: str
    """Whose workload it is."""
    member: str
    """Who asked."""
    command_digest: str
    """Digest of its words; the words themselves are not kept."""
    tty: bool
    """Whether it has a terminal."""
    closes: bool
    """Whether the workload ends with it."""
    state: ExecState
    """Where it stands."""
    why: str | None
    """Code of why it was refused or broken off."""
    status: int | None
    """Its exit status."""
    at_us: int
    """When it was asked for."""
    ended_at_us: int | None
    """When it was over."""
    input_done: int = 0
    """Number of the last piece of input that it took."""
    input_last: int = 0
    """Number of the last piece that was given to it."""
    said_bytes: int = 0
    """How much it has said."""

    @property
    def over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state in ("ended", "refused")


@dataclass(frozen=True, slots=True)
class Asked:
    """A command that somebody wants to run."""

    workload: str
    """Where."""
    organisation: str
    """Whose workload it is."""
    member: str
    """Who asks."""
    command: tuple[str, ...]
    """Its words."""
    tty: bool = False
    """Whether it gets a terminal."""
    rows: int = 24
    """Of the terminal."""
    columns: int = 80
    """Of the terminal."""
    closes: bool = False
    """Whether the workload is to end with it."""


@dataclass(frozen=True, slots=True)
class Idle:
    """When work that holds devices and does nothing is stopped."""

    minutes: int = 0
    """After so long; 0: never."""
    cpu_percent: int = 5
    """Less than this share of one processor for each device counts as nothing; of the device
    itself where its real use is reported."""

    def asked(self, minutes: int) -> Idle:
        """For work that asked to be stopped after so long; never later than the platform stops."""
        if not minutes:
            return self
        return replace(self, minutes=min(minutes, self.minutes or minutes))
