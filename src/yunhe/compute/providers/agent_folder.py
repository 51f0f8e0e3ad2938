"""What an agent keeps on its disk: who it is, which runs it has, and how they ended."""

from __future__ import annotations

import fcntl
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from yunhe.kernel.canonical import Json, JsonObject, canonical_bytes
from yunhe.kernel.errors import Conflict
from yunhe.storage.blobs import LocalBlobs, explain_os_error, write_whole


@dataclass(frozen=True, slots=True)
class Note:
    """A run that an agent has taken on and not got rid of."""

    job: str
    """Its name."""
    run: int
    """Which."""
    asked: JsonObject
    """What is to be run."""
    ended: JsonObject | None = None
    """How it ended; None: it has not, or nobody lived to see it."""


class AgentFolder:
    """One folder; one agent at a time works in it."""

    def __init__(self, root: Path) -> None:
        """It is made when it is entered."""
        self.root = root
        self.blobs = LocalBlobs(root / "blobs")
        """Inputs and outputs."""

    @contextmanager
    def entered(self) -> Iterator[str]:
        """Hold the folder; which installation this is, the same every time.

        Errors: `Conflict` ``compute.agent_folder_used`` while another process holds it.
        """
        try:
            (self.root / "runs").mkdir(parents=True, exist_ok=True, mode=0o700)
            with (self.root / "lock").open("ab") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise Conflict("compute.agent_folder_used", folder=str(self.root)) from None
                yield self._name()
        except OSError as error:
            raise explain_os_error(error, self.root) from error

    def _name(self) -> str:
        path = self.root / "agent"
        if not path.is_file():
            write_whole(path, iter([secrets.token_hex(16).encode()]))
        return path.read_text("utf-8").strip()

    def keep(self, note: Note) -> None:
        """Write a run down, or how it ended."""
        said: dict[str, Json] = {
            "job": note.job,
            "run": note.run,
            "asked": note.asked,
            "ended": note.ended,
        }
        write_whole(self._path(note.job), iter([canonical_bytes(said)]))

    def drop(self, job: str) -> None:
        """Nothing of it is of use any more."""
        self._path(job).unlink(missing_ok=True)
        for stream in ("stdout", "stderr"):
            self.printed(job, stream).unlink(missing_ok=True)

    def notes(self) -> list[Note]:
        """Every run that was taken on and not dropped; files that are none are passed over."""
        found = []
        for path in sorted((self.root / "runs").glob("*.json")):
            try:
                said = json.loads(path.read_bytes())
                found.append(Note(said["job"], said["run"], said["asked"], said["ended"]))
            except (OSError, ValueError, KeyError, TypeError):
                continue
        return found

    def printed(self, job: str, stream: str) -> Path:
        """Where a stream of a job is written as it comes."""
        return self.root / "runs" / f"{job}.{stream}"

    def _path(self, job: str) -> Path:
        return self.root / "runs" / f"{job}.json"
