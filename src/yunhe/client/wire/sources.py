"""Messages about the register of sources, their samples, and versions of keyword libraries."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, JsonValue

from yunhe.client.wire.shapes import INTEGER_MAX, Digest, Finding, Id, Sent, Shown, Text, Time

_DIGEST = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_SOURCE = "source_k0e5m2q9xj4c8t3r6w0h1ab7v1"
_DAY = r"^([0-9]{4}-[0-9]{2}-[0-9]{2})?$"
Answer = Literal["yes", "no", "unknown"]
"""What a licence or a contract says about one thing."""


class Terms(Sent):
    """What a contract says, term by term; what it does not say is unknown."""

    may_train: Answer = "unknown"
    """Whether models may be trained on it."""
    may_redistribute: Answer = "unknown"
    """Whether it may be given on."""
    commercial: Answer = "unknown"
    """Whether for money."""
    share_alike: Answer = "unknown"
    """Whether what is made of it must go under the same terms."""
    attribution: Answer = "unknown"
    """Whether its makers must be named."""

    model_config = ConfigDict(json_schema_extra={"example": {"may_train": "yes"}})


class NewSource(Sent):
    """A source of data that one's organisation collects."""

    name: Text = Field(min_length=1, max_length=200)
    """What people call it."""
    method: Literal[
        "crawled", "purchased", "own", "donated", "public_release", "user_generated", "synthetic"
    ]
    """How it is collected."""
    licence: Text = Field(min_length=1, max_length=200)
    """SPDX id, or ``LicenseRef-own``, ``LicenseRef-contract`` …"""
    terms: Terms | None = None
    """What the contract says, for ``LicenseRef-contract``."""
    agreement: Text = Field(default="", max_length=500)
    """Number or digest of the contract, or where the licence is stated."""
    personal_data: Literal["none", "personal", "sensitive", "unknown"] = "unknown"
    """Whether it holds personal information."""
    consent: Literal["none_needed", "consent", "separate_consent", "contract", "law", "unknown"] = (
        "unknown"
    )
    """On what basis."""
    robots: Literal["allowed", "excluded", "not_applicable", "unknown"] = "unknown"
    """What the site's robots rules said."""
    site_terms: Text = Field(default="", max_length=2000)
    """Which terms of use were evaluated, and what came of it."""
    collected_from: str = Field(default="", pattern=_DAY)
    """First day of collection."""
    collected_to: str = Field(default="", pattern=_DAY)
    """Last day."""
    contact: Text = Field(default="", max_length=254)
    """An office at the origin that answers questions, no person."""
    languages: list[Text] = Field(default=[], max_length=50)
    """Tags, e.g. ``zh-Hans``."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "name": "city news site",
                "method": "crawled",
                "licence": "CC-BY-4.0",
                "personal_data": "none",
                "consent": "none_needed",
                "robots": "allowed",
                "site_terms": "terms of 2026-01-05: reuse with attribution permitted",
                "collected_from": "2026-10-01",
                "collected_to": "2026-10-31",
                "languages": ["zh-Hans"],
            }
        }
    )


class NewSample(Sent):
    """What was found among items of a source."""

    looked: int = Field(strict=True, ge=1, le=INTEGER_MAX)
    """Items looked at."""
    illegal: int = Field(strict=True, ge=0, le=INTEGER_MAX)
    """Illegal or unhealthy ones among them."""
    method: Text = Field(min_length=1, max_length=2000)
    """How the items were drawn and judged."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"looked": 400, "illegal": 3, "method": "drawn at random, read in full"}
        }
    )


class SourceDecision(Sent):
    """A decision on a source."""

    decision: Literal["accept", "refuse", "withdraw"]
    """What is decided."""
    reason: Text = Field(default="", max_length=500)
    """Why; it goes into the log, so no personal details."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"decision": "accept", "reason": "sample and terms in order"}}
    )


class Judgement(Shown):
    """What all samples of a source say together."""

    looked: int
    """Items looked at."""
    illegal: int
    """Illegal or unhealthy ones among them."""
    low_per_million: int
    """Lower end of the 95 % interval of their share."""
    high_per_million: int
    """Upper end."""
    percent_max: int
    """The bound."""
    verdict: str
    """``none``, ``more`` (look at more), ``clean`` or ``over``."""
    verified: bool
    """Whether the bound was compared with the official text."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "looked": 400,
                "illegal": 3,
                "low_per_million": 1549,
                "high_per_million": 21761,
                "percent_max": 5,
                "verdict": "clean",
                "verified": False,
            }
        }
    )


class Source(Shown):
    """A registered source."""

    id: Id
    """Names it."""
    holder: Id
    """Organisation that collects it."""
    name: str
    """What people call it."""
    method: str
    """How it is collected."""
    licence: str
    """The licence it comes under."""
    terms: JsonValue
    """What the licence permits and asks for; unknown is not allowed."""
    state: str
    """``registered``, ``sampled``, ``accepted``, ``refused`` or ``withdrawn``."""
    sample: Judgement
    """What all samples say together."""
    registered_by: Id
    """Member who declared it."""
    at: Time
    """When."""
    decided_by: str
    """Member who decided last; empty before."""
    reference: str
    """The last decision's record in the log; empty before."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": _SOURCE,
                "holder": "org_4c8t3r6w0h1ab7v1k0e5m2q9xj",
                "name": "city news site",
                "method": "crawled",
                "licence": "CC-BY-4.0",
                "terms": {"licences": ["CC-BY-4.0"], "may_train": "yes"},
                "state": "sampled",
                "sample": Judgement.model_config["json_schema_extra"]["example"],  # type: ignore[index]
                "registered_by": "member_t3r6w0h1ab7v1k0e5m2q9xj4c8",
                "at": "2026-11-22T09:30:00.000000Z",
                "decided_by": "",
                "reference": "",
            }
        }
    )


class Sample(Shown):
    """One look at items of a source."""

    number: int
    """1 for the first."""
    looked: int
    """Items looked at."""
    illegal: int
    """Illegal or unhealthy ones among them."""
    method: str
    """How the items were drawn and judged."""
    labelled_by: Id
    """Member who judged them."""
    at: Time
    """When."""


class SourceInFull(Source):
    """A registered source with everything declared, its samples, and what stands against it."""

    declared: JsonValue
    """Everything declared."""
    samples: list[Sample]
    """Every look at it, in order."""
    against: list[Finding]
    """What stands against accepting it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                **Source.model_config["json_schema_extra"]["example"],  # type: ignore[index,dict-item]
                "declared": {"robots": "allowed", "personal_data": "none"},
                "samples": [
                    {
                        "number": 1,
                        "looked": 400,
                        "illegal": 3,
                        "method": "drawn at random, read in full",
                        "labelled_by": "member_r6w0h1ab7v1k0e5m2q9xj4c8t3",
                        "at": "2026-11-22T09:40:00.000000Z",
                    }
                ],
                "against": [],
            }
        }
    )


class NewLibrary(Sent):
    """An upload to be put in use as one's organisation's library of risk words."""

    input: Digest
    """An upload: CSV, TSV or YAML."""
    file: str = Field(
        max_length=200, pattern=r"^[^/\x00-\x1f]*\.([cC][sS][vV]|[tT][sS][vV]|ya?ml)$"
    )
    """Its name; the ending tells the format."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"input": _DIGEST, "file": "words-2026-11-22.csv"}}
    )


class Library(Shown):
    """A version of a library of risk words."""

    id: Id
    """Names it."""
    organisation: Id
    """Whose it is."""
    name: str
    """The file's name."""
    digest: Digest
    """Of the file."""
    entries: int
    """Words in it."""
    coverage: JsonValue
    """Entries by class beside what the standard asks for."""
    member: Id
    """Who put it in use."""
    at: Time
    """When."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "library_k0e5m2q9xj4c8t3r6w0h1ab7",
                "organisation": "org_4c8t3r6w0h1ab7v1k0e5m2q9xj",
                "name": "words-2026-11-22.csv",
                "digest": _DIGEST,
                "entries": 12_400,
                "coverage": {"entries": 12_400, "met": True, "verified": False},
                "member": "member_t3r6w0h1ab7v1k0e5m2q9xj4c8",
                "at": "2026-11-22T09:30:00.000000Z",
            }
        }
    )
