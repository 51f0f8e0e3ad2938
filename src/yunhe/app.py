"""The composition root: the only place that builds stores, providers and services from settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from yunhe.compute.providers.entry_points import EntryPoint
from yunhe.compute.providers.local import LocalProvider
from yunhe.custody import service as custody
from yunhe.custody import store as log_rows
from yunhe.custody.domain import Audit, Checkpoint
from yunhe.custody.publishers import FilePublisher, GitPublisher, Publisher
from yunhe.custody.sequencer import Sequencer
from yunhe.identity import service as identity
from yunhe.kernel.clock import DAY_US, Clock, SystemClock
from yunhe.kernel.errors import YunheError
from yunhe.ledger import service as ledger
from yunhe.ledger.domain import Balance, Replay
from yunhe.models import serve
from yunhe.models import service as models
from yunhe.models.domain import Served
from yunhe.plans.run import Equipment
from yunhe.plans.stages.compute import TRAINING
from yunhe.settings import Settings
from yunhe.storage.blobs import LocalBlobs, explain_os_error
from yunhe.storage.database import Database, Transaction
from yunhe.storage.service import Storage
from yunhe.storage.upgrade import upgrade


@dataclass(frozen=True, slots=True)
class Platform:
    """Everything a door needs, built for one home folder."""

    settings: Settings
    """What the operator chose."""
    storage: Storage
    """Rows, artefacts and time."""
    signer: custody.Signer
    """Signs checkpoints; the key itself stays in its file."""
    publisher: Publisher
    """The outside place for checkpoints."""
    sequencer: Sequencer
    """Takes records into the log."""

    @property
    def trust_path(self) -> Path:
        """The public keys of the log, for whoever checks receipts."""
        return self.settings.home / "trust.txt"

    def equipment(self, *, program: str = "yunhe") -> Equipment:
        """What a run of a plan works with; ``program`` is how a person calls the command line."""
        return Equipment(
            storage=self.storage,
            home=self.settings.home,
            provider=self._provider(),
            sequence=lambda: _ignore(self.sequencer.run_once()),
            trust=lambda: custody.trust(self.settings.home),
            checkpoints=self.publisher.read,
            gateway=self.gateway,
            threads=self.settings.threads or os.cpu_count() or 1,
            program=program,
        )

    def _provider(self) -> LocalProvider:
        home = self.settings.home
        program = models.training_entry_point()
        approved_only = self.settings.isolation == "approved"
        return LocalProvider(
            home / "work",
            {TRAINING: EntryPoint(program.module)},
            protected=[home],
            isolation="digest-approved" if approved_only else "auto",
        )

    @contextmanager
    def gateway(self) -> Iterator[str]:
        """The gateway on a free loopback port, beside the caller; gives its address."""
        running = serve.start(self.storage)
        try:
            yield running.url
        finally:
            running.stop()

    def serve(self, *, host: str, port: int, ready: Callable[[str], None]) -> None:
        """Serve every deployed route until told to stop, signing the log meanwhile."""
        self.sequencer.start()
        try:
            serve.run(self.storage, host=host, port=port, ready=ready)
        finally:
            self.sequencer.stop()

    def routes(self) -> dict[str, Served]:
        """What each route answers with."""
        with self.storage.database.read() as tx:
            return models.routes(tx)

    def day_key(self) -> str:
        """A key good for one day, for the first member of this home who may ask; shown once."""
        now_us = self.storage.clock.now_us()
        with self.storage.database.begin() as tx:
            member = identity.members_with_role(tx, "caller")[0].id
            return identity.issue_key(
                tx, member=member, expires_at_us=now_us + DAY_US, at_us=now_us, label="serve"
            ).secret

    def accounts(self) -> tuple[list[tuple[str, Balance]], Replay, int]:
        """Every balance beside its owner's name, the replay, and how many holds are open."""
        with self.storage.database.read() as tx:
            lines = [(self._owner(tx, line.owner), line) for line in ledger.balances(tx)]
            return lines, ledger.replay(tx), len(ledger.holds_open(tx))

    @staticmethod
    def _owner(tx: Transaction, owner: str) -> str:
        try:
            return identity.organisation(tx, owner).name
        except YunheError:
            return owner

    def rotate_key(self) -> str:
        """A new signing key, recorded in the log under the old one; returns its id."""
        return custody.rotate(self.storage, self.signer, [self.publisher])

    def newest_checkpoint(self) -> Checkpoint | None:
        """Sign what waits, and give the newest checkpoint."""
        self.sequencer.run_once()
        with self.storage.database.read() as tx:
            return log_rows.latest(tx)

    def audit(self, outside: Path | None) -> Audit:
        """Recompute the log and hold it against the checkpoints published outside.

        Those are the configured place's, unless ``outside`` names a file; an emptied database that
        once published is thereby found.
        """
        trust = custody.trust(self.settings.home)
        own = custody.audit(self.storage, trust)
        kept = self.publisher.read() if outside is None else _text_of(outside)
        if outside is None and not kept:
            return own
        other = custody.check_outside(self.storage, [kept], trust=trust)
        return Audit(
            own.leaves,
            own.erased,
            own.pending,
            own.checkpoints + other.checkpoints,
            own.problems + other.problems,
        )


def _text_of(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError as error:
        raise explain_os_error(error, path) from error


def _ignore(_: object) -> None:
    """A result nobody needs."""


@contextmanager
def open_platform(settings: Settings, clock: Clock | None = None) -> Iterator[Platform]:
    """The platform of a home folder, made ready (and its schema brought up to date) if needed.

    Errors: `Unavailable` ``storage.read_only`` and its kin when the folder cannot be used; those of
    `custody.create_log`.
    """
    home = settings.home
    try:
        # Rows name people and artefacts hold text: a new home is its owner's alone.
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise explain_os_error(error, home) from error
    if settings.database_url:
        database = Database(settings.database_url)
    else:
        database = Database.at(settings.database_path())
    try:
        upgrade(database)
        blobs = LocalBlobs(home / "blobs")
        storage = Storage(database, blobs, clock or SystemClock())
        blobs.sweep(now_us=storage.clock.now_us())
        signer = custody.create_log(home, settings.origin)
        publisher = _publisher(settings)
        sequencer = Sequencer(storage, signer, [publisher])
        yield Platform(settings, storage, signer, publisher, sequencer)
    finally:
        database.close()


def _publisher(settings: Settings) -> Publisher:
    place = settings.checkpoints
    if place.startswith("git+"):
        return GitPublisher(place.removeprefix("git+"))
    return FilePublisher(Path(place) if place else settings.home / "witness" / "checkpoints.txt")
