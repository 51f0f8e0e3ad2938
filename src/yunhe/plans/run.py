"""What a stage is given: the plan, the equipment, and what the stages before it left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from yunhe.compute.service import Provider
from yunhe.identity import service as identity
from yunhe.identity.domain import Role
from yunhe.kernel.canonical import JsonObject
from yunhe.kernel.errors import Invalid
from yunhe.kernel.ids import derived_id
from yunhe.kernel.progress import Halt, Progress, go_on
from yunhe.kernel.units import to_minor
from yunhe.plans.domain import Amount, Plan
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage
from yunhe.vault.service import Vault


@dataclass(frozen=True, slots=True)
class Equipment:
    """What the composition root builds for a run."""

    storage: Storage
    """Rows, artefacts and time."""
    home: Path
    """Where receipts and reports are written."""
    provider: Provider
    """Runs workloads."""
    sequence: Callable[[], None]
    """Take every pending record into the log and sign, now."""
    trust: Callable[[], str]
    """The log's public keys, as in the trust file."""
    checkpoints: Callable[[], str]
    """What was published at the outside place."""
    gateway: Callable[[], AbstractContextManager[str]]
    """Serve the deployed routes on loopback; gives the address."""
    threads: int
    """For bulk text work."""
    program: str = "yunhe"
    """How a person calls the command line here; reports print commands with it."""
    vault: Vault | None = None
    """Opens the secrets of workloads that are run on the way."""
    halt: Callable[[], Halt] = go_on
    """What the run is asked: to go on, to end for good, or to leave the rest to another worker."""


@dataclass(frozen=True, slots=True)
class Source:
    """The input of one run: the plan's, or what the command line put in its place."""

    path: Path
    """The file."""
    truth: Path | None
    """What was planted in it, for generated data."""
    text: str
    """Column of the text."""
    label: str | None
    """Column of the class."""
    id: str | None
    """Column of the document's own id."""


@dataclass(slots=True)
class Run:
    """One execution of a plan on one input."""

    id: str
    """Derived from the plan's and the input's digests."""
    started_at_us: int
    """When it was first started; terms run from then, however often it is taken up again."""
    plan: Plan
    """The declaration."""
    folder: Path
    """Where the plan lies; its files are named relative to it."""
    source: Source
    """The input."""
    equipment: Equipment
    """What there is to work with."""
    progress: Progress
    """Where long work reports to."""
    results: dict[str, JsonObject] = field(default_factory=dict)
    """What each finished stage left."""

    @property
    def storage(self) -> Storage:
        """Rows, artefacts and time."""
        return self.equipment.storage

    def key(self, *parts: str) -> str:
        """An idempotency key of this run."""
        return "/".join((self.id, *parts))

    def left(self, stage: str, name: str) -> str:
        """A text that an earlier stage left."""
        value = self.results[stage][name]
        if not isinstance(value, str):
            raise TypeError(f"{stage}.{name} is no text")
        return value

    def organisation(self, name: str) -> str:
        """Id of one of the plan's organisations."""
        return self.left_in("people", "organisations")[name]

    def member(self, name: str) -> str:
        """Id of one of the plan's members."""
        return self.left_in("people", "members")[name]

    def left_in(self, stage: str, name: str) -> Mapping[str, str]:
        """A table of texts that an earlier stage left."""
        value = self.results[stage][name]
        if not isinstance(value, Mapping):
            raise TypeError(f"{stage}.{name} is no table")
        return {key: str(item) for key, item in value.items()}

    def minor(self, amount: Amount, unit: str | None = None) -> int:
        """An amount of the plan in minor units of its currency, or of ``unit``."""
        return to_minor(str(amount), unit or self.plan.currency)

    def actor(self, tx: Transaction, organisation: str, role: Role) -> str:
        """Id of the plan's member who may act in ``role`` for an organisation of the plan.

        Errors: `Invalid` ``plans.no_actor`` when the plan names none; `NotAllowed` of identity.
        """
        for name, member in self.plan.members.items():
            if member.organisation == organisation and role in member.roles:
                identity.require(tx, self.member(name), role)
                return self.member(name)
        raise Invalid("plans.no_actor", organisation=organisation, role=role)


def run_id(plan_digest: str, input_digest: str) -> str:
    """The id of the run of a plan on an input."""
    return derived_id("run", plan_digest, input_digest)
