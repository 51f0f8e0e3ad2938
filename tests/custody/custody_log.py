"""A log with its key in a home folder, and shortcuts to write, sign and check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from custody_chain import Changes, build

from yunhe.custody import service as custody
from yunhe.custody.domain import Record, Verdict
from yunhe.kernel.canonical import JsonObject
from yunhe.kernel.clock import ManualClock
from yunhe.storage.blobs import LocalBlobs
from yunhe.storage.database import Database
from yunhe.storage.schema import metadata
from yunhe.storage.service import Storage

ORIGIN = "yunhe.test/log"


@dataclass(frozen=True, slots=True)
class Log:
    """Everything through the floor's face."""

    storage: Storage
    clock: ManualClock
    home: Path
    signer: custody.Signer
    sequencer: custody.Sequencer

    def append(self, record: Record) -> str:
        with self.storage.database.begin() as tx:
            return custody.append(tx, record)

    def append_plain(self, *subjects: str) -> list[str]:
        """Records that rest on nothing."""
        records = [Record("data.source", each, 1, {"name": each}, {}) for each in subjects]
        with self.storage.database.begin() as tx:
            return custody.append_new(tx, records)

    def append_plain_signed(self, subject: str) -> str:
        """One such record, in the log and signed."""
        [reference] = self.append_plain(subject)
        self.sequencer.run_once()
        return reference

    def chain(
        self, changes: Mapping[str, Changes] | None = None, *, suffix: str = "1"
    ) -> dict[str, str]:
        """A whole chain in the log, signed."""
        with self.storage.database.begin() as tx:
            known = build(lambda record: custody.append(tx, record), changes, suffix=suffix)
        self.sequencer.run_once()
        return known

    def receipt(self, reference: str, *, size: int | None = None) -> JsonObject:
        return custody.receipt(self.storage, reference, size=size)

    def trust(self) -> str:
        return custody.trust(self.home)

    def verify(self, reference: str, *outside: str) -> Verdict:
        return custody.verify(self.receipt(reference), self.trust(), outside)


def make_log(folder: Path) -> Log:
    """An empty log in a folder, for fixtures that outlive a test."""
    clock = ManualClock()
    database = Database.at(folder / "yunhe.db")
    with database.begin() as tx:
        metadata.create_all(tx)
    return open_log(Storage(database, LocalBlobs(folder / "blobs"), clock), clock, folder / "home")


def open_log(storage: Storage, clock: ManualClock, home: Path) -> Log:
    """A log over storage that is there."""
    signer = custody.create_log(home, ORIGIN)
    return Log(storage, clock, home, signer, custody.Sequencer(storage, signer))
