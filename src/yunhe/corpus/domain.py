"""What the corpus floor speaks of: requests, profiles, decisions, details, certificates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

from yunhe.kernel.canonical import JsonObject
from yunhe.kernel.errors import Finding, Invalid

PersonalType = Literal[
    "NAME",
    "PHONE",
    "LANDLINE",
    "ID",
    "ID_BAD",
    "ADDRESS",
    "PLATE",
    "EMAIL",
    "BANK",
    "WECHAT",
    "QQ",
    "PASSPORT",
    "USCC",
    "IP",
    "PERMIT",
    "MEDICAL",
    "ACCOUNT",
]
"""Kinds of personal detail (个人信息); ID_BAD is an ID number whose check digit is wrong."""
PERSONAL_TYPES: tuple[PersonalType, ...] = get_args(PersonalType)

Action = Literal["repaired", "dropped"]
"""What a step did to a whole document; masks are in the span table instead."""

MASKS: Mapping[PersonalType, str] = {
    "NAME": "[姓名]",
    "PHONE": "[电话]",
    "LANDLINE": "[电话]",
    "ID": "[身份证号]",
    "ID_BAD": "[身份证号]",
    "ADDRESS": "[地址]",
    "PLATE": "[车牌号]",
    "EMAIL": "[邮箱]",
    "BANK": "[银行卡号]",
    "WECHAT": "[微信号]",
    "QQ": "[QQ号]",
    "PASSPORT": "[护照号]",
    "USCC": "[统一社会信用代码]",
    "IP": "[IP地址]",
    "PERMIT": "[通行证号]",
    "MEDICAL": "[病历号]",
    "ACCOUNT": "[账号]",
}
"""What stands in the text where a personal detail stood."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of the input hold what; all others are left behind."""

    text: str
    """The document itself."""
    label: str | None = None
    """Its class, carried through unchanged; None when there is none."""
    id: str | None = None
    """Its name, unique in the input; None numbers the rows."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """One number a step goes by, and why it is that number."""

    value: int
    """The number; its unit is the end of the threshold's name."""
    source: str
    """Where it comes from."""
    verified: bool
    """Whether somebody checked it against that source."""


@dataclass(frozen=True, slots=True)
class StepPlan:
    """One step of a profile with its thresholds."""

    name: str
    """The file under ``corpus/steps/`` that does it."""
    thresholds: Mapping[str, Threshold] = field(default_factory=dict)
    """By name; the step refuses names it does not know and gaps."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Words by name; the step has a default for each."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What cleansing means for one kind of text: steps in order, thresholds with their sources."""

    name: str
    """E.g. ``zh-short``."""
    version: int
    """Raised whenever anything in it changes."""
    sample_documents: Threshold
    """How many released documents are drawn for people to review."""
    steps: tuple[StepPlan, ...]
    """In the order in which they happen; a document is dropped by the first that refuses it."""

    def with_value(self, step: str, name: str, value: int, *, source: str) -> Profile:
        """The same profile with one threshold changed.

        Errors: `Invalid` ``corpus.profile_invalid`` when it has no such step or threshold.
        """
        plans = {plan.name: plan for plan in self.steps}
        if step not in plans or name not in plans[step].thresholds:
            code = "corpus.step_unknown" if step not in plans else "corpus.threshold_unknown"
            finding = Finding(self.name, code, (("step", step[:64]), ("name", name[:64])))
            raise Invalid("corpus.profile_invalid", where=self.name, findings=[finding])
        changed = {**plans[step].thresholds, name: Threshold(value, source, verified=False)}
        plans[step] = replace(plans[step], thresholds=changed)
        return replace(self, steps=tuple(plans.values()))

    def as_json(self) -> JsonObject:
        """The profile as plain data, as it enters the pipeline's digest."""
        return {
            "name": self.name,
            "version": self.version,
            "sample_documents": _threshold_json(self.sample_documents),
            "steps": [
                {
                    "name": plan.name,
                    "thresholds": {
                        name: _threshold_json(threshold)
                        for name, threshold in sorted(plan.thresholds.items())
                    },
                    **({"options": dict(sorted(plan.options.items()))} if plan.options else {}),
                }
                for plan in self.steps
            ],
        }


def _threshold_json(threshold: Threshold) -> JsonObject:
    return {
        "value": threshold.value,
        "source": threshold.source,
        "verified": threshold.verified,
    }


@dataclass(frozen=True, slots=True)
class CleanseRequest:
    """One dataset to cleanse."""

    key: str
    """Idempotency key: the same key is the same cleansing."""
    path: Path
    """The input: ``.jsonl``, ``.csv`` (either may be ``.gz``) or ``.parquet``."""
    name: str
    """What people call the source."""
    holder: str
    """Id of the organisation that holds it."""
    licence: str
    """The licence it comes under, e.g. an SPDX name."""
    synthetic: bool
    """Whether it was made by a generator; said wherever the dataset is shown."""
    columns: Columns
    """Column mapping."""
    profile: Profile
    """Steps and thresholds."""
    truth: Path | None = None
    """Sidecar with what was planted (JSONL), against which recall is measured."""
    threads: int = 1
    """Threads for bulk work; never changes a byte of the result."""
    source: str | None = None
    """Id in the register of sources; only an accepted source of the holder's is cleansed, and its
    licence is the register's."""
    terms: JsonObject | None = None
    """What that licence permits and asks for; filled in from the register."""
    workload: str | None = None
    """Id of the settled workload that did the work, see `yunhe.corpus.metering`; None does it
    here, unmetered."""


@dataclass(frozen=True, slots=True)
class CleansingProgram:
    """The program that compute runs to cleanse."""

    module: str
    """Dotted name."""
    digest: str
    """Digest of the module's source file, which an operator approves."""
    reads: Mapping[str, Path]
    """Folders that it may read besides, by the environment variable that names them: compiled
    kernels."""


@dataclass(frozen=True, slots=True)
class Cleansed:
    """What a cleansing left behind."""

    source_id: str
    """Subject of the custody record ``data.source``."""
    certificate_id: str
    """Subject of the custody record ``data.certificate``."""
    source_reference: str
    """Reference of the former."""
    certificate_reference: str
    """Reference of the latter."""
    input_digest: str
    """Of the input file's bytes."""
    output_digest: str
    """Of the dataset: Parquet with id, text (masked), label, group."""
    certificate: JsonObject
    """``{"body": …, "issued_at": …, "id": …}``."""
    certificate_digest: str
    """Of the certificate's canonical bytes; the blob of that name holds them."""
    decisions_digest: str
    """Parquet: what was repaired or dropped, by which step, why."""
    spans_digest: str
    """Parquet: where personal details stood, without their values."""
    sample_digest: str
    """Parquet: released documents drawn for review, masked."""


@dataclass(frozen=True, slots=True)
class Certified:
    """A finished cleansing, for lists; `Cleansed` says what the references and digests are."""

    certificate_id: str
    """Subject of the custody record of its certificate."""
    source_id: str
    """Subject of the custody record of its source."""
    name: str
    """What people call the source."""
    holder: str
    """Organisation that holds it."""
    licence: str
    """The licence it comes under."""
    synthetic: bool
    """Whether it was made by a generator."""
    input_bytes: int
    """Size of the input."""
    source_reference: str
    """Custody record of the source."""
    certificate_reference: str
    """Custody record of the certificate."""
    input_digest: str
    """Of the input's bytes."""
    output_digest: str
    """Of the dataset."""
    certificate_digest: str
    """Of the certificate."""
    decisions_digest: str
    """Of the table of decisions."""
    spans_digest: str
    """Of the table of spans."""
    sample_digest: str
    """Of the sample for review."""
    at_us: int
    """When it was certified."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What became of one document's traces in a source that was cleansed."""

    certificate_id: str
    """The cleansing's certificate."""
    source_reference: str
    """Custody record of the source."""
    certificate_reference: str
    """Custody record of the certificate."""
    holder: str
    """Organisation that holds the source."""
    input_digest: str
    """The raw input's bytes, which do not lie here any more."""
    dataset_digest: str
    """The dataset; its masked copy of the document, if there is one, is still in it."""
    released: bool
    """Whether the document is in the dataset."""
    rows: int
    """Rows about it that were taken out of the tables of decisions, spans and the sample."""
    blobs: int
    """Blobs removed: the raw input if it lay here, and the tables that were written anew."""


@dataclass(frozen=True, slots=True)
class Span:
    """One row of the span table: a personal detail's place, never its value."""

    document: str
    """Id of the document."""
    type: PersonalType
    """What it is."""
    start: int
    """First character, counted in the repaired text before masking."""
    end: int
    """One past the last."""
    score: int
    """Confidence in percent, set by the rule; not a measured probability."""
    reason: str
    """What convinced the rule: ``checksum``, ``context``, ``layout``, ``prefix`` …"""


@dataclass(frozen=True, slots=True)
class Decision:
    """One row of the decision table."""

    document: str
    """Id of the document."""
    row: int
    """Its number in the input, from 1."""
    step: str
    """Which step decided."""
    version: int
    """The step's version."""
    action: Action
    """What happened to the document."""
    reason: str
    """Why; a code of the step."""
    score: int | None = None
    """What was measured, in the unit of the threshold that decided, where the step says."""
    of: str | None = None
    """Id of the document that stayed, where this one is a duplicate of it."""
