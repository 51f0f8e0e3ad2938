"""What a handler of long operations is given, and what it promises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Protocol

from yunhe.app import Platform
from yunhe.kernel.canonical import JsonObject
from yunhe.kernel.errors import Finding, Invalid
from yunhe.kernel.progress import Halt, Progress
from yunhe.storage.blobs import explain_os_error
from yunhe.storage.operations import Operation

WORK_FOLDER = "operations"
"""Folder of the home in which every attempt at an operation has a folder of its own."""


@dataclass(frozen=True, slots=True)
class Task:
    """One attempt at an operation."""

    operation: Operation
    """What was asked for, by whom."""
    payload: JsonObject
    """What it was asked for with; the handler's docstring says what it expects."""

    def text(self, name: str, default: str | None = None) -> str:
        """A text of the payload.

        Errors: `Invalid` ``operations.payload_invalid`` when it is not there and has no default.
        """
        value = self.payload.get(name, default)
        if not isinstance(value, str):
            raise payload_invalid(name)
        return value

    def optional(self, name: str) -> str | None:
        """A text of the payload that may be absent, null or empty."""
        return self.text(name, "") or None if self.payload.get(name) is not None else None

    def flag(self, name: str) -> bool:
        """Whether the payload says true under that name; absent means no."""
        value = self.payload.get(name, False)
        if not isinstance(value, bool):
            raise payload_invalid(name)
        return value


def payload_invalid(name: str) -> Invalid:
    """The error for a part of the payload that the handler can't work with."""
    finding = Finding(name, "operations.payload_part")
    return Invalid("operations.payload_invalid", findings=[finding])


class Handler(Protocol):
    """Does the work of one kind of operation, outside any transaction.

    It may be called again for the same operation after a worker was killed, so all its effects have
    derived keys. ``progress.step`` raises `Stopped` once it is to stop; work that reports seldom
    asks ``halt``. Asked to cancel, it puts away what nobody will go on with, then raises `Stopped`.
    """

    def __call__(
        self, platform: Platform, task: Task, *, progress: Progress, halt: Callable[[], Halt]
    ) -> JsonObject:
        """Do it; what is returned is the operation's result."""
        ...


@contextmanager
def folder_of(home: Path, task: Task) -> Iterator[Path]:
    """A private folder for one attempt, gone afterwards.

    Errors: `Unavailable` of storage when the disk refuses.
    """
    root = home / WORK_FOLDER
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = TemporaryDirectory(
            prefix=f"{task.operation.id}-", dir=root, ignore_cleanup_errors=True
        )
    except OSError as error:
        raise explain_os_error(error, root) from error
    with made as folder:
        yield Path(folder)


def sweep_folders(home: Path, *, alive: Callable[[str], bool]) -> int:
    """Remove folders of attempts whose worker was killed; returns how many.

    ``alive`` says of an operation's id whether somebody works on it now.
    """
    swept = 0
    for left in sorted((home / WORK_FOLDER).glob("operation_*-*")):
        if not alive(left.name.rpartition("-")[0]):
            rmtree(left, ignore_errors=True)
            swept += 1
    return swept
