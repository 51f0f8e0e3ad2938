"""Everything a datasheet shows, as plain values: of an output folder, or of a certificate.

Nothing of a text and no value of a personal detail is among them, because neither source has any.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yunhe.corpus.datasheet.risks import Risks, of_pipeline
from yunhe.kernel.canonical import JsonObject

LIMITS = (
    "corpus.limit.deidentified",
    "corpus.limit.rules",
    "corpus.limit.names",
    "corpus.limit.links",
    "corpus.limit.damaged_numbers",
    "corpus.limit.word_lists",
)
"""What masks do not promise, for sources that list nothing themselves."""
_LENGTH_BITS_MAX = 40


@dataclass(frozen=True, slots=True)
class InputFile:
    """One file that went in."""

    name: str
    """Its name."""
    digest: str
    """Of its bytes."""
    size_bytes: int | None
    """How many."""
    documents: int | None
    """How many it held."""


@dataclass(frozen=True, slots=True)
class StepLine:
    """One step of the pipeline."""

    name: str
    """Its name."""
    version: int
    """Its version."""
    thresholds: tuple[tuple[str, int, str, bool], ...] = ()
    """(name, value, source, verified) of each number it went by."""


@dataclass(frozen=True, slots=True)
class Found:
    """How many of so many, with its 95 % interval, all from 0 to 1."""

    name: str
    """Of what: a code."""
    found: int
    """How many."""
    of: int
    """Of how many."""
    low: float
    """Lower bound."""
    high: float
    """Upper bound."""


@dataclass(frozen=True, slots=True)
class ReviewLine:
    """One check of the dataset that has ended or is going on."""

    kind: str
    """``manual`` or ``technical``."""
    state: str
    """Where it stands."""
    round: int
    """Which of its kind."""
    items: int
    """Items drawn."""
    result: Mapping[str, Any]
    """Verdicts and shares; empty until it is finished."""
    reference: str
    """Its record in the log; empty until it has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A cleansed dataset."""

    name: str
    """What people call the source."""
    holder: str
    """Who holds it; empty where nobody said."""
    licence: str
    """Its licence, likewise."""
    terms: Mapping[str, Any] = field(default_factory=dict)
    """What the licence allows and asks for, by name; empty where nobody looked."""
    registered: str = ""
    """Its id in the register of sources; empty where no register was asked."""
    synthetic: bool = False
    """Whether it was made by a generator."""
    certificate: str = ""
    """Id of its certificate; empty for an output folder."""
    issued_at: str = ""
    """When that was issued."""
    inputs: tuple[InputFile, ...] = ()
    """What went in."""
    outputs: tuple[tuple[str, str, int | None], ...] = ()
    """(name, digest, bytes) of each file that came out."""
    documents_in: int = 0
    """Documents read."""
    documents_out: int = 0
    """Documents released."""
    characters_in: int | None = None
    """Characters read."""
    characters_out: int | None = None
    """Characters released."""
    profile: str = ""
    """Profile and its version."""
    pipeline: str = ""
    """Digest of everything that decided what came out."""
    steps: tuple[StepLine, ...] = ()
    """What was done, in order."""
    dropped: tuple[tuple[str, str, int], ...] = ()
    """(step, reason, documents); the step is empty where only the reason is known."""
    repaired: tuple[tuple[str, str, int], ...] = ()
    """(step, kind, documents)."""
    details: tuple[tuple[str, int, int], ...] = ()
    """(type, spans, documents) of personal details masked."""
    lengths: tuple[tuple[int, int, int], ...] = ()
    """(bits, documents in, documents out): lengths from 2 ** (bits - 1) to below 2 ** bits."""
    languages: tuple[tuple[str, int], ...] = ()
    """(code, documents)."""
    clusters: tuple[tuple[int, int], ...] = ()
    """(members, groups) of equal or alike documents."""
    sources: tuple[tuple[str, int, int], ...] = ()
    """(name, documents in, documents out)."""
    labels: tuple[tuple[str, int], ...] = ()
    """(label, released documents)."""
    risks: Risks | None = None
    """Risk words by class; None where no step looked for any."""
    residual: tuple[Found, ...] = ()
    """By type, how many probes planted into this very text were found."""
    reviews: tuple[ReviewLine, ...] = ()
    """Its checks by people and by rules."""
    limits: tuple[str, ...] = LIMITS
    """Codes of what masks do not promise."""
    faults: int = 0
    """Faults of the input that were reported."""


def of_folder(out: Path) -> Facts:
    """The facts of what ``yunhe clean`` left in ``out``.

    Errors: ``OSError`` and ``ValueError`` when its manifest or statistics can't be read.
    """
    manifest = _read(out / "manifest.json")
    statistics = _read(out / "statistics.json")
    source = manifest.get("source") or {}
    inputs = manifest.get("inputs") or []
    parts = [part["documents"] for part in manifest.get("parts") or [] if "documents" in part]
    default = inputs[0]["name"] if len(inputs) == 1 else out.name
    return Facts(
        name=str(source.get("name") or default),
        holder=str(source.get("holder") or ""),
        licence=str(source.get("licence") or ""),
        terms=source.get("terms") or {},
        synthetic=source.get("synthetic") is True,
        inputs=tuple(_input(each) for each in inputs),
        outputs=tuple((each["name"], each["digest"], each["bytes"]) for each in parts),
        faults=int((manifest.get("faults") or {}).get("count", 0)),
        residual=_residual(manifest.get("residual_risk")),
        risks=of_pipeline(manifest["pipeline"], statistics),
        **_of_pipeline(manifest["pipeline"]),
        **_of_statistics(statistics),
    )


def of_certificate(issued: JsonObject, reviews: Sequence[ReviewLine] = ()) -> Facts:
    """The facts of a certificate, of format /1 or /2, and of the dataset's checks."""
    body: Any = issued.get("body") or {}
    source, output = body.get("source") or {}, body.get("output") or {}
    limits = (body.get("de_identification") or {}).get("limits")
    digest = str(output.get("digest") or "")
    counted = body.get("statistics")
    return Facts(
        name=str(source.get("name") or ""),
        holder=str(source.get("holder") or ""),
        licence=str(source.get("licence") or ""),
        terms=source.get("terms") or {},
        registered=str(source.get("registered") or ""),
        synthetic=source.get("synthetic") is True,
        certificate=str(issued.get("id") or ""),
        issued_at=str(issued.get("issued_at") or ""),
        inputs=tuple(_input(each) for each in [body.get("input")] if each),
        outputs=(("dataset.parquet", digest, None),) if digest else (),
        residual=_residual(body.get("residual_risk")),
        risks=of_pipeline(body.get("pipeline") or {}, counted or {}),
        reviews=tuple(reviews),
        limits=tuple(limits) if limits else LIMITS,
        **_of_pipeline(body.get("pipeline") or {}),
        **(_of_body(body) if counted is None else _of_statistics(counted)),
    )


def _read(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_text("utf-8"))
    if not isinstance(found, dict):
        raise ValueError(path.name)
    return found


def _input(read: Mapping[str, Any]) -> InputFile:
    return InputFile(
        str(read.get("name") or ""),
        str(read.get("digest") or ""),
        read.get("bytes"),
        read.get("documents"),
    )


def _of_pipeline(pipeline: Mapping[str, Any]) -> dict[str, Any]:
    profile = pipeline.get("profile") or {}
    asked = {each["name"]: each.get("thresholds") or {} for each in profile.get("steps") or []}
    steps = tuple(
        StepLine(
            each["name"],
            int(each["version"]),
            tuple(
                (name, int(one["value"]), str(one["source"]), one["verified"] is True)
                for name, one in sorted(asked.get(each["name"], {}).items())
            ),
        )
        for each in pipeline.get("steps") or []
    )
    named = f"{profile['name']} {profile['version']}" if profile else ""
    return {"profile": named, "pipeline": str(pipeline.get("digest") or ""), "steps": steps}


def _of_statistics(read: Mapping[str, Any]) -> dict[str, Any]:
    details = read.get("details") or {}
    ins, outs = read.get("lengths_in") or {}, read.get("lengths_out") or {}
    bits = sorted(int(each) for each in {*ins, *outs} if int(each) <= _LENGTH_BITS_MAX)
    sources = read.get("sources") or []
    return {
        "documents_in": int(read.get("documents_in", 0)),
        "documents_out": int(read.get("documents_out", 0)),
        "characters_in": read.get("characters_in"),
        "characters_out": read.get("characters_out"),
        "dropped": _steps_and_reasons(read.get("dropped") or {}),
        "repaired": _steps_and_reasons(read.get("repaired") or {}),
        "details": tuple((kind, n["spans"], n["documents"]) for kind, n in details.items()),
        "lengths": tuple((b, ins.get(f"{b:02d}", 0), outs.get(f"{b:02d}", 0)) for b in bits),
        "languages": _by_count(read.get("languages") or {}),
        "clusters": tuple(sorted((int(k), n) for k, n in (read.get("clusters") or {}).items())),
        "sources": tuple((s["name"], s["documents_in"], s["documents_out"]) for s in sources),
        "labels": tuple((str(e["label"]), e["documents"]) for e in read.get("labels") or []),
    }


def _steps_and_reasons(table: Mapping[str, Mapping[str, int]]) -> tuple[tuple[str, str, int], ...]:
    found = [(step, reason, n) for step, reasons in table.items() for reason, n in reasons.items()]
    return tuple(sorted(found, key=lambda one: (-one[2], one)))


def _by_count(counts: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counts.items(), key=lambda one: (-one[1], one[0])))


def _of_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """What a certificate of format /1 says instead of statistics."""
    decisions = body.get("decisions") or {}
    details = (body.get("personal_details") or {}).get("by_type") or {}
    dropped = {"": decisions.get("dropped") or {}}
    repaired = {"": decisions.get("repaired") or {}}
    return {
        "documents_in": int((body.get("input") or {}).get("documents", 0)),
        "documents_out": int((body.get("output") or {}).get("documents", 0)),
        "dropped": _steps_and_reasons(dropped),
        "repaired": _steps_and_reasons(repaired),
        "details": tuple((kind, n["spans"], n["documents"]) for kind, n in details.items()),
        "labels": tuple((str(e["label"]), e["documents"]) for e in body.get("labels") or []),
    }


def _residual(read: Mapping[str, Any] | None) -> tuple[Found, ...]:
    """Probes found by type; a map of types, or one under the key ``by_type``."""
    by_type = (read or {}).get("by_type", read) or {}
    return tuple(
        Found(
            kind,
            each["found"],
            each["probes"],
            each["low_per_thousand"] / 1000,
            each["high_per_thousand"] / 1000,
        )
        for kind, each in sorted(by_type.items())
        if isinstance(each, Mapping) and each.get("probes")
    )
