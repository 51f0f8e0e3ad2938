"""Everything a report shows of one run, as plain values that the plan runner fills in.

Three conventions hold throughout. *Words* are texts for people: a plain string is shown as it is
in both languages (names, titles of the user's own data), a `Phrase` is looked up in the locale
files, a `Both` carries its two texts itself (rule data). *Fractions* are fixed-point text as
`kernel.canonical.decimal_text` writes it. *Amounts* are whole numbers in minor units. Digests and
references are given in full; shortening them is the page's business. ``None`` and ``()`` mean "the
run has not got there" or "nothing to show", and the page says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from yunhe.reports.sections_data import (
    ComputeSection,
    CorpusSection,
    DetailLine,
    ExchangeSection,
    WorkloadLine,
    WorkloadState,
)
from yunhe.reports.sections_model import (
    Answer,
    ApprovalLine,
    Candidate,
    ClassLine,
    Confusion,
    EvaluationSection,
    Gate,
    GovernanceSection,
    MeasureLine,
    MetricLine,
    ModelSection,
    RuleLine,
    ServingSection,
)
from yunhe.reports.sections_proof import (
    BalanceLine,
    LedgerSection,
    Link,
    Movement,
    TamperLine,
    VerificationSection,
)
from yunhe.reports.values import (
    Amount,
    Artefact,
    Both,
    Check,
    Count,
    Pair,
    Phrase,
    Score,
    Words,
)

__all__ = [
    "STAGES",
    "Amount",
    "Answer",
    "ApprovalLine",
    "Artefact",
    "BalanceLine",
    "Both",
    "Candidate",
    "Chain",
    "Check",
    "ClassLine",
    "Command",
    "ComputeSection",
    "Confusion",
    "CorpusSection",
    "Count",
    "DetailLine",
    "EvaluationSection",
    "ExchangeSection",
    "Gate",
    "GovernanceSection",
    "LedgerSection",
    "Link",
    "MeasureLine",
    "MetricLine",
    "ModelSection",
    "Movement",
    "Pair",
    "Phrase",
    "RuleLine",
    "Score",
    "ServingSection",
    "Stage",
    "StageName",
    "StageState",
    "Stop",
    "TamperLine",
    "VerificationSection",
    "Words",
    "WorkloadLine",
    "WorkloadState",
]

StageName = Literal[
    "corpus",
    "exchange",
    "compute",
    "models",
    "evaluation",
    "governance",
    "serving",
    "verification",
]
"""The stages of the main job, in order."""
STAGES: tuple[StageName, ...] = (
    "corpus",
    "exchange",
    "compute",
    "models",
    "evaluation",
    "governance",
    "serving",
    "verification",
)
"""The same, for iteration."""
StageState = Literal["done", "reused", "failed", "stopped", "not_reached"]
"""``reused``: finished by an earlier attempt and found unchanged; ``failed``: finished, with a
verdict against it (a gate or a verification that did not pass), which the page also finds itself.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage and how it went."""

    name: StageName
    """Which."""
    state: StageState
    """How it ended."""
    seconds: str | None = None
    """How long it took in this attempt."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Where and why a run ended early."""

    stage: StageName
    """The stage it stopped in."""
    why: Words
    """What happened."""
    next_step: Words | None = None
    """What to do next."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command line an engineer can copy."""

    what: Words
    """What it does."""
    line: str
    """The command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """One run of a plan, from raw text to an accountable answer."""

    run_id: str
    """Id of the run."""
    plan: str
    """Name or file of the plan."""
    plan_digest: str | None = None
    """Digest of the plan as it was run."""
    title: Words
    """What the run is about, in words."""
    synthetic: bool
    """Whether the text in it was generated; the page says so wherever it quotes it."""
    started_at_us: int
    """When it started."""
    finished_at_us: int | None = None
    """When it finished."""
    seconds: str | None = None
    """How long it took in all."""
    stages: tuple[Stage, ...] = ()
    """The stages, in order; those left out count as not reached."""
    stopped: Stop | None = None
    """Where it stopped, when it did not finish."""
    corpus: CorpusSection | None = None
    """Stage 1."""
    exchange: ExchangeSection | None = None
    """Stage 2."""
    compute: ComputeSection | None = None
    """Stage 3."""
    models: ModelSection | None = None
    """Stage 4."""
    evaluation: EvaluationSection | None = None
    """Stage 5."""
    governance: GovernanceSection | None = None
    """Stage 6."""
    serving: ServingSection | None = None
    """Stage 7."""
    verification: VerificationSection | None = None
    """Stage 8."""
    ledger: LedgerSection | None = None
    """Accounts after the run."""
    commands: tuple[Command, ...] = ()
    """How to repeat or check what the page says."""
    machine: tuple[Pair, ...] = ()
    """What it ran on."""
    versions: tuple[Pair, ...] = ()
    """Of the programs that matter to the result."""
