"""The composition root: the only place that builds stores, providers and services from settings."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Unpack
from urllib.parse import urlsplit

from yunhe.compute import service as compute
from yunhe.compute.providers.agent import Agent, Wanted, local_agent
from yunhe.compute.providers.agent_beside import scheduler_of
from yunhe.compute.providers.entry_points import EntryPoint
from yunhe.compute.providers.local import LocalProvider
from yunhe.compute.providers.remote import Remote
from yunhe.compute.providers.sites import YUNHE, build, read_sites
from yunhe.corpus import service as corpus
from yunhe.custody import service as custody
from yunhe.custody import store as log_rows
from yunhe.custody.domain import Audit, Checkpoint
from yunhe.custody.publishers import FilePublisher, GitPublisher, Publisher
from yunhe.custody.sequencer import Sequencer
from yunhe.identity import oidc
from yunhe.identity import service as identity
from yunhe.kernel.clock import DAY_US, Clock, SystemClock
from yunhe.kernel.errors import YunheError
from yunhe.ledger import service as ledger
from yunhe.ledger.domain import Balance, Replay
from yunhe.models import serve
from yunhe.models import service as models
from yunhe.models.domain import Served
from yunhe.models.gateway import Gateway
from yunhe.notices.ways import Ways
from yunhe.outbound.guard import Guard
from yunhe.plans.run import Equipment
from yunhe.plans.stages.compute import TRAINING
from yunhe.settings import Settings
from yunhe.storage.blobs import Blobs, LocalBlobs, explain_os_error, open_blobs
from yunhe.storage.database import Database, Transaction
from yunhe.storage.service import Storage
from yunhe.storage.upgrade import upgrade
from yunhe.vault import keys as vault_keys
from yunhe.vault import service as secrets

if TYPE_CHECKING:
    from yunhe.client.client import Client
    from yunhe.notices.mail import Mailer
    from yunhe.outbound.client import Outbound


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

    @property
    def outbound(self) -> Outbound:
        """The one client for addresses that users name; one for all who have these settings."""
        return _outbound(self.settings)

    @property
    def sign_in(self) -> oidc.Provider | None:
        """The provider people sign in with; None when the settings name none."""
        return _sign_in(self.settings)

    @property
    def ways(self) -> Ways:
        """How notices leave the platform. Errors: `Invalid` ``notices.mail_setting``."""
        mailer = _mailer(self.settings)
        return Ways(self.outbound, self.vault, mailer, self.settings.public_url)

    @property
    def secrets_key(self) -> vault_keys.KeySource:
        """Where the key of the vault lies."""
        file = self.settings.secrets_key_file
        return vault_keys.source(self.settings.home, file=file, environment=os.environ)

    @property
    def vault(self) -> secrets.Vault:
        """Seals and opens the secrets of workloads; its key is read when it is needed."""
        return secrets.Vault(self.secrets_key)

    def secrets_condition(self) -> secrets.Condition:
        """Whether every secret that is kept can be opened; errors as `secrets.condition`."""
        with self.storage.database.read() as tx:
            return secrets.condition(tx, self.vault)

    def rotate_secrets_key(self) -> tuple[int, bool]:
        """Seal every secret with a new key: how many, and whether the old key is destroyed.

        It is not where the operator keeps the keys. Killed, it goes on when called again. Errors:
        `KeySource.begin_change`, `vault.service.rotate`.
        """
        source = self.secrets_key
        with self.storage.database.read() as tx:
            if not secrets.in_use(tx):
                return 0, True
        source.begin_change()
        count = secrets.rotate(self.storage, self.vault, self.vault)
        return count, source.end_change()

    def equipment(self, *, program: str = "yunhe") -> Equipment:
        """What a run of a plan works with; ``program`` is how a person calls the command line."""
        return Equipment(
            storage=self.storage,
            home=self.settings.home,
            provider=LocalProvider(
                self.settings.home / "work",
                programs(),
                protected=[self.settings.home],
                isolation="digest-approved" if self.settings.isolation == "approved" else "auto",
                commands=self.settings.local_commands == "allow",
            ),
            sequence=lambda: _ignore(self.sequencer.run_once()),
            trust=lambda: custody.trust(self.settings.home),
            checkpoints=self.publisher.read,
            gateway=self.gateway,
            vault=self.vault,
            threads=self.settings.threads or os.cpu_count() or 1,
            program=program,
        )

    def sites(self) -> tuple[Remote, ...]:
        """The distant schedulers that the settings name; nothing is connected to.

        Errors: `Invalid` ``compute.sites_invalid``; `Unavailable` when the file can't be read.
        """
        file = self.settings.sites_file
        if file is None:
            return ()
        return build(
            read_sites(file),
            programs(),
            outbound=lambda: self.outbound,
            storage=self.storage,
            origin=self.settings.origin,
        )

    @property
    def onward(self) -> frozenset[str]:
        """Names of the sites that are other platforms; errors as `sites`."""
        return _onward(self.settings)

    @contextmanager
    def gateway(self) -> Iterator[str]:
        """The gateway on a free loopback port, beside the caller; gives its address."""
        running = serve.start(self.storage)
        try:
            yield running.url
        finally:
            running.stop()

    def first_token(self) -> str | None:
        """The one-time token that makes its holder the operator; None once somebody is."""
        return identity.first_token(self.storage)

    def answering(self) -> Gateway:
        """The gateway as an ASGI application, for a server that has other applications too."""
        return Gateway(self.storage)

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


def programs() -> dict[str, EntryPoint]:
    """The programs that come with the platform, by the name workloads ask for them."""
    training, cleansing = models.training_entry_point(), corpus.metering.program()
    return {
        TRAINING: EntryPoint(training.module),
        compute.live.SESSION: compute.live.SESSION_PROGRAM,
        corpus.metering.CLEANSING: EntryPoint(cleansing.module, reads=cleansing.reads),
    }


def agent(client: Client, site: str, *, folder: Path, **given: Unpack[Wanted]) -> Agent:
    """An agent that works for a site in a folder of this machine, which needs no platform here."""
    return local_agent(client, site, programs(), folder=folder, **given)


def scheduler(settings: Settings, file: Path) -> Remote:
    """A scheduler beside an agent. Errors: those of `agent_beside.scheduler_of`."""
    return scheduler_of(file, programs(), outbound=lambda: _outbound(settings))


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
    database = database_of(settings)
    try:
        upgrade(database)
        storage = Storage(database, artefacts(settings), clock or SystemClock())
        if isinstance(storage.blobs, LocalBlobs):  # of S3 a daily duty takes what was left over
            storage.blobs.sweep(now_us=storage.clock.now_us())
        signer, outside = custody.create_log(home, settings.origin), publisher_of(settings)
        _mailer(settings)  # a wrong setting is told at the start, not in the night
        identity.take_city(database, settings.city)
        compute.applications.take(database, settings.programmes_folder)
        compute.take_waiting_max(database, settings.waiting_max)
        compute.supply.take(database, settings.chips_file)
        compute.classes.take(database, settings.chip_classes_file)
        yield Platform(settings, storage, signer, outside, Sequencer(storage, signer, [outside]))
    finally:
        database.close()


@contextmanager
def look_into(settings: Settings, clock: Clock | None = None) -> Iterator[Platform]:
    """The platform as it stands, for whoever only looks: nothing is made, upgraded or swept.

    Its database, keys and folders may be missing or of another version; opening a missing SQLite
    file would make it, so the caller asks first. Errors: `Invalid` for settings that can't be.
    """
    database = database_of(settings)
    try:
        storage = Storage(database, artefacts(settings), clock or SystemClock())
        signer, outside = custody.Signer(settings.home), publisher_of(settings)
        yield Platform(settings, storage, signer, outside, Sequencer(storage, signer, [outside]))
    finally:
        database.close()


def database_of(settings: Settings) -> Database:
    """The database that the settings name; nothing is connected to. Errors: as `Database`."""
    url = settings.database_url or f"sqlite:///{settings.database_path().resolve()}"
    return Database(url, connections=settings.database_connections)


def artefacts(settings: Settings) -> Blobs:
    """Where the settings say that artefacts lie; nothing is connected to. Errors: `open_blobs`."""
    return open_blobs(
        settings.blobs,
        folder=settings.home / "blobs",
        endpoint=settings.s3_endpoint,
        region=settings.s3_region,
    )


def publisher_of(settings: Settings) -> Publisher:
    """The outside place for checkpoints that the settings name."""
    place, checked = settings.checkpoints, guard(settings)
    if place.startswith("git+"):
        return GitPublisher(place.removeprefix("git+"), guard=checked)
    return FilePublisher(Path(place) if place else settings.home / "witness" / "checkpoints.txt")


def guard(settings: Settings) -> Guard:
    """Which addresses users may name. Errors: `Invalid` ``outbound.allow_invalid``."""
    own = {settings.host, socket.gethostname()}
    if settings.public_url:
        own.add(urlsplit(settings.public_url).hostname or "")
    return Guard(settings.outbound_allow.split(","), own_names=own)


@cache
def _onward(settings: Settings) -> frozenset[str]:
    found = () if settings.sites_file is None else read_sites(settings.sites_file)
    return frozenset(site.name for site in found if site.kind == YUNHE)


@cache
def _mailer(settings: Settings) -> Mailer | None:
    from yunhe.notices.mail import Mailer  # noqa: PLC0415 - only where mail is sent

    if not settings.smtp_url:
        return None
    file = settings.smtp_password_file
    password = "" if file is None else _secret_of(file)
    return Mailer(settings.smtp_url, sender=settings.mail_from, password=password)


def _secret_of(file: Path) -> str:
    try:
        return file.read_text("utf-8").strip()
    except OSError as error:
        raise explain_os_error(error, file) from error


@cache
def _sign_in(settings: Settings) -> oidc.Provider | None:
    if not settings.oidc_issuer:
        return None
    file = settings.oidc_client_secret_file
    return oidc.Provider(
        settings.oidc_issuer,
        settings.oidc_client_id,
        redirect_uri=f"{settings.address()}/auth/callback",
        fetch=_outbound(settings),
        client_secret="" if file is None else _text_of(file).strip(),
        session_hours=settings.session_hours,
    )


@cache
def _outbound(settings: Settings) -> Outbound:
    from yunhe.outbound.client import Outbound  # noqa: PLC0415 - httpx and the trusted authorities

    return Outbound(guard(settings))
