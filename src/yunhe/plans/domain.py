"""What a plan file may say: the chain from raw text to a served answer, in one declaration."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from yunhe.identity.domain import Kind, Role

Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
"""A short name used inside a plan."""
Line = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*$")]
"""One line of text for people."""
Amount = Annotated[Decimal, Field(ge=0, max_digits=15)]
"""A non-negative decimal in the major unit."""
Fact = str | bool | int


@dataclass(frozen=True, slots=True)
class RunState:
    """A run as it stands."""

    id: str
    """Derived from the plan and its input."""
    plan: str
    """The plan's name."""
    plan_digest: str
    """The plan's text."""
    started_at_us: int
    """When it was first started."""
    finished_at_us: int | None
    """When its last stage finished."""
    passed: bool | None
    """Whether everything was found in order; None until it is finished."""
    stages: tuple[str, ...]
    """The stages that are done, in order."""


class Part(BaseModel):
    """A section of a plan: unknown keys are faults, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Title(Part):
    """The plan's name for people."""

    en: Line
    """In English."""
    zh: Line
    """In Chinese."""


class Organisation(Part):
    """Somebody who takes part."""

    name: Line
    """Its name."""
    kind: Kind
    """What sort of organisation it is."""


class Member(Part):
    """A person who acts for an organisation."""

    organisation: Word
    """The organisation's name in this plan."""
    name: Line
    """What the person is called; stays in the database, never in the log."""
    roles: tuple[Role, ...] = Field(min_length=1)
    """What the person may do."""


class Columns(Part):
    """Which columns of the input hold what."""

    text: Line = "text"
    """The text."""
    label: Line | None = None
    """The class the text belongs to."""
    id: Line | None = None
    """The document's own name; its position where there is none."""


class Profile(Part):
    """A cleansing profile and the thresholds that this plan changes."""

    name: Word = "zh-short"
    """Which profile."""
    changes: dict[str, dict[str, int]] = {}
    """Step → threshold → value; the certificate says that the plan changed them."""


class Award(Part):
    """Device time given to an organisation."""

    device_seconds: int = Field(ge=1)
    """How much."""
    days: int = Field(ge=1, le=3650)
    """How long it is good for."""


class Limits(Part):
    """What one workload may use at most."""

    wall_seconds: int = Field(default=600, ge=1)
    """Wall-clock time; this much device time is held before it starts."""
    cpu_seconds: int = Field(default=600, ge=1)
    """Processor time."""
    memory_gib: int = Field(default=4, ge=1)
    """Address space."""


class Metered(Part):
    """The cleansing runs as a workload in the plan's pool, paid for by the holder."""

    award: Award
    """The holder's entitlement."""
    funds: Amount = Decimal(0)
    """Money the holder starts with."""
    limits: Limits = Limits()
    """Limits of the workload."""


class Listing(Part):
    """On which terms the cleansed dataset is offered."""

    title: Line
    """How the catalogue names it."""
    price: Amount
    """Price of one grant."""
    policy: dict[str, object]
    """The usage policy; `yunhe.exchange` says which terms there are."""


class Data(Part):
    """The raw text, who holds it, and on which terms it is offered."""

    input: Line
    """File, relative to the plan; ``--input`` replaces it."""
    truth: Line | None = None
    """For generated data: a file with what was planted, to measure recall against."""
    columns: Columns = Columns()
    """Column mapping."""
    name: Line
    """What the source is called."""
    holder: Word
    """The organisation that holds it."""
    licence: Line
    """The licence it is held under."""
    synthetic: bool
    """Whether it was generated rather than collected."""
    profile: Profile = Profile()
    """How it is cleansed."""
    metered: Metered | None = None
    """As a metered workload; None cleanses beside the platform's own work, unmetered."""
    listing: Listing
    """The offer."""


class Pool(Part):
    """This machine, offered as a pool by a provider."""

    provider: Word
    """The organisation that offers it."""
    site: Line
    """Where it stands."""
    chip: Word = "cpu"
    """What its devices are."""
    demonstration: bool = False
    """Whether its processors stand in for devices that are not there."""
    devices: int = Field(ge=1, le=4096)
    """How many."""
    price_per_device_hour: Amount
    """What an hour of one device costs."""


class Voucher(Part):
    """A compute voucher (算力券)."""

    amount: Amount
    """Its face value."""
    share_percent: int = Field(default=20, ge=0, le=100)
    """The largest part of a bill it may pay."""


class Beyond(Part):
    """A second workload that asks for more than the award: it must wait and say why."""

    wall_seconds: int = Field(ge=1)
    """What it asks for."""


class Compute(Part):
    """Supply, entitlement and limits."""

    pool: Pool
    """The supply."""
    funds: Amount
    """Money it starts with."""
    award: Award
    """Its entitlement."""
    voucher: Voucher | None = None
    """Its voucher."""
    limits: Limits = Limits()
    """Limits of the training workload."""
    beyond: Beyond | None = None
    """A workload beyond the award."""


class Model(Part):
    """What is trained."""

    name: Word
    """The model's name in the registry."""
    arguments: dict[str, int | str] = {}
    """Settings of the training entry point."""


class Baseline(Part):
    """What the model must beat."""

    kind: Literal["majority", "keywords"]
    """How it decides."""
    keywords: dict[str, tuple[str, ...]] | None = None
    """For ``keywords``: class → words."""
    keywords_file: Line | None = None
    """The same in a YAML file beside the plan."""

    @model_validator(mode="after")
    def _one_source(self) -> Baseline:
        given = (self.keywords is not None) + (self.keywords_file is not None)
        if given != (self.kind == "keywords"):
            raise ValueError("keywords needs exactly one of keywords, keywords_file; majority none")
        return self


class Gate(Part):
    """What the lower bound of the model's score must reach."""

    metric: Literal["macro_f1", "accuracy"] = "macro_f1"
    """The score."""
    at_least: Annotated[Decimal, Field(ge=0, le=1)]
    """Least lower bound of the score."""
    over_baseline: Annotated[Decimal, Field(ge=0, le=1)]
    """Least lower bound of the paired difference to the baseline."""


class Evaluation(Part):
    """How the model is tested."""

    evaluator: Word
    """The organisation that tests."""
    held_out_percent: int = Field(default=20, ge=5, le=50)
    """Part of the data the model never sees."""
    baseline: Baseline
    """What it must beat."""
    gate: Gate
    """What it must reach."""


class Approval(Part):
    """One person's approval."""

    member: Word
    """Who."""
    role: Role
    """In which role."""


class Governance(Part):
    """Risk and release."""

    facts: dict[str, Fact | tuple[str, ...]]
    """Answers to the questionnaire; what is left out counts as unknown."""
    approvals: tuple[Approval, ...] = Field(min_length=1)
    """Who approves; two people in two roles are needed."""
    valid_days: int = Field(default=180, ge=1, le=3650)
    """How long a release holds."""


class Serving(Part):
    """Where the model answers, and what it is asked."""

    route: Word
    """Name of the route."""
    caller: Word
    """The member whose key asks."""
    questions: tuple[Annotated[str, StringConstraints(min_length=1, max_length=8192)], ...] = Field(
        min_length=1, max_length=20
    )
    """Texts to ask; the last answer is the one the report follows back."""


class Plan(Part):
    """One chain of custody, declared."""

    api_version: Literal["yunhe-plan/1"] = Field(alias="apiVersion")
    """The schema of this file."""
    name: Word
    """The plan's name."""
    title: Title
    """The plan's name for people."""
    currency: Literal["CNY", "EUR", "GBP", "INR", "JPY", "KRW", "SGD", "USD"] = "CNY"
    """Currency of every price in the plan."""
    seed: int = Field(default=12345, ge=0, lt=2**31)
    """Seed of everything random."""
    organisations: dict[Word, Organisation] = Field(min_length=1)
    """Who takes part."""
    members: dict[Word, Member] = Field(min_length=1)
    """Who acts."""
    operator: Word
    """The member who runs the platform."""
    data: Data
    """From raw text to an offer."""
    buyer: Word
    """The member who orders the data."""
    purpose: Word = "model-training"
    """What the data is ordered for."""
    compute: Compute
    """From supply to a settled workload."""
    model: Model
    """What is trained."""
    evaluation: Evaluation
    """How it is tested."""
    governance: Governance
    """How it is released."""
    serving: Serving
    """How it answers."""

    @property
    def consumer(self) -> str:
        """The organisation that trains: the one that holds the grant to the data."""
        return self.members[self.buyer].organisation

    def unresolved(self) -> list[tuple[tuple[str | int, ...], str]]:
        """Names that stand for nobody in this plan: where each is written, and the name."""
        organisations: list[tuple[tuple[str | int, ...], str]] = [
            (("data", "holder"), self.data.holder),
            (("compute", "pool", "provider"), self.compute.pool.provider),
            (("evaluation", "evaluator"), self.evaluation.evaluator),
        ]
        for name, member in self.members.items():
            organisations.append((("members", name, "organisation"), member.organisation))
        members: list[tuple[tuple[str | int, ...], str]] = [
            (("operator",), self.operator),
            (("buyer",), self.buyer),
            (("serving", "caller"), self.serving.caller),
        ]
        for index, approval in enumerate(self.governance.approvals):
            members.append((("governance", "approvals", index, "member"), approval.member))
        return [item for item in organisations if item[1] not in self.organisations] + [
            item for item in members if item[1] not in self.members
        ]
