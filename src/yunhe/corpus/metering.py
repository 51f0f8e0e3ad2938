"""A cleansing as a metered workload: what is submitted, and how what it left is taken over."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from yunhe.compute import service as compute
from yunhe.compute.domain import MEMORY_BYTES_DEFAULT, Usage, Workload, WorkloadSpec
from yunhe.compute.errors import workload_unknown
from yunhe.corpus import pipeline, profiles, results
from yunhe.corpus.domain import CleanseRequest, CleansingProgram, Profile
from yunhe.corpus.pipeline import Pipeline
from yunhe.corpus.risk import register
from yunhe.corpus.workload import HERE, PROFILE, RAW, TRUTH, resolved
from yunhe.kernel.canonical import JsonObject, canonical_bytes, sha256
from yunhe.kernel.errors import Conflict, Finding, Invalid, Unavailable, YunheError
from yunhe.native import keeping
from yunhe.storage.kept_errors import restored
from yunhe.storage.service import Storage

CLEANSING = "cleanse-corpus"
"""The entry point that cleanses."""
_MODULE = "yunhe.corpus.workload"
_FILES = {("risk", "library"), ("contamination", "hashes"), ("toxicity", "model")}
_FILES |= {("personal", "names")}
_SECRET = ("personal", "key")
_STDERR = b"--- stderr\n"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one cleansing may use at most."""

    chip: str = "cpu"
    """Kind of device."""
    devices: int = 1
    """How many; one thread each."""
    wall_seconds: int = 3_600
    """Wall-clock time; this much device time is held before it starts."""
    cpu_seconds: int = 3_600
    """Processor time."""
    memory_bytes: int = MEMORY_BYTES_DEFAULT
    """Address space, and the size of its temporary folder: about three times the input."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A cleansing whose files are blobs."""

    laid: results.Laid
    """Everything for the certificate."""
    files: Mapping[str, str]
    """Digests by the names of `results`."""
    pipeline: Pipeline
    """What it ran."""
    usage: str | None = None
    """Custody record of what it used, where it was metered."""


def program() -> CleansingProgram:
    """The program, the digest under which an operator approves it, and what it may read."""
    source = files("yunhe.corpus").joinpath("workload.py").read_bytes()
    return CleansingProgram(_MODULE, sha256(source), {keeping.VARIABLE: keeping.parent()})


def with_library(storage: Storage, request: CleanseRequest, folder: Path) -> Profile:
    """The profile, with the holder's keyword library in use where it names none.

    The library is written into ``folder``.
    """
    profile = request.profile
    wanting = [plan for plan in profile.steps if plan.name == "risk" and not _library(plan.options)]
    if not wanting:
        return profile
    with storage.database.read() as tx:
        found = register.current(tx, request.holder)
    if found is None:
        return profile
    return _option(profile, "risk", "library", str(register.write(storage, found, folder)))


def spec(
    storage: Storage, request: CleanseRequest, limits: Limits, *, folder: Path
) -> WorkloadSpec:
    """What to submit to compute; raw file, profile and what it names become blobs.

    ``folder``: for scratch files. Errors: `Invalid` ``corpus.key_metered``: a key for pseudonyms is
    the holder's alone.
    """
    profile, named = _portable(with_library(storage, request, folder))
    blobs = storage.blobs
    inputs = {name: blobs.put_file(path).digest for name, path in named.items()}
    inputs[RAW] = blobs.put_file(request.path).digest
    inputs[PROFILE] = blobs.put(canonical_bytes(profile.as_json())).digest
    if request.truth is not None:
        inputs[TRUTH] = blobs.put_file(request.truth).digest
    return WorkloadSpec(
        key=request.key,
        organisation=request.holder,
        entry_point=CLEANSING,
        arguments=_arguments(request, limits.devices),
        inputs=inputs,
        chip=limits.chip,
        devices=limits.devices,
        wall_seconds_max=limits.wall_seconds,
        cpu_seconds_max=limits.cpu_seconds,
        memory_bytes_max=limits.memory_bytes,
    )


def take(storage: Storage, request: CleanseRequest, *, raw: str, folder: Path) -> Taken:
    """What the request's workload left, once it is made sure that it did what is asked.

    ``raw``: digest of the raw file. ``folder``: for scratch files. Errors: `NotFound`
    ``compute.workload_unknown``; `Conflict` ``corpus.workload_unfinished``; `Invalid`
    ``corpus.workload_unfit`` with everything in which it is another cleansing; what the program
    said when it failed, or `Unavailable` ``corpus.workload_failed``.
    """
    done, usage, reference = _settled(storage, request)
    wrong = [] if usage.code_digest == program().digest else ["code_digest"]
    if done.spec.arguments != _arguments(request, done.spec.devices):
        wrong.append("arguments")
    inputs = done.spec.inputs
    if inputs.get(RAW) != raw:
        wrong.append(f"inputs.{RAW}")
    truth = None if request.truth is None else _digest(request.truth)
    if inputs.get(TRUTH) != truth:
        wrong.append(f"inputs.{TRUTH}")
    wrong += [f"outputs.{name}" for name in _LEFT if name not in done.outputs]
    if wrong:
        raise _unfit(wrong)
    ran = _pipeline(storage, request, inputs, folder)
    try:
        laid = results.Laid.of_json(storage.blobs.read(done.outputs[results.STATISTICS]))
    except (ValueError, KeyError, TypeError):  # what another release of Yunhe left
        raise _unfit([f"outputs.{results.STATISTICS}"]) from None
    if laid.pipeline_digest != ran.digest():
        raise _unfit(["pipeline"])
    return Taken(laid, done.outputs, ran, reference)


def _settled(storage: Storage, request: CleanseRequest) -> tuple[Workload, Usage, str]:
    """The request's workload, if it ended well; what it used, and the record of that."""
    with storage.database.read() as tx:
        done = compute.workload(tx, str(request.workload))
    if done.spec.organisation != request.holder:
        raise workload_unknown(done.id)  # as if there were none
    if done.spec.entry_point != CLEANSING:
        raise _unfit(["entry_point"])
    if done.state not in ("settled", "failed", "cancelled"):
        raise Conflict("corpus.workload_unfinished", workload=done.id, retryable=True)
    if done.state != "settled" or done.usage is None or done.reference is None:
        raise _failure(storage, done)
    return done, done.usage, done.reference


_LEFT = (results.DATASET, results.DECISIONS, results.SPANS, results.SAMPLE, results.STATISTICS)


def _pipeline(
    storage: Storage, request: CleanseRequest, inputs: Mapping[str, str], folder: Path
) -> Pipeline:
    """What the workload ran, which must be what the request asks for.

    The library in use may be another by now; the one that was used is what the certificate names.
    """
    used = profiles.parse(storage.blobs.read(inputs[PROFILE]).decode(), where=PROFILE)
    asked = request.profile
    for mine, there in zip(asked.steps, used.steps, strict=False):
        if mine.name == there.name == "risk" and not _library(mine.options):
            asked = _option(asked, "risk", "library", _library(there.options))
    profile, named = _portable(asked)
    if profile.as_json() != used.as_json():
        raise _unfit([f"inputs.{PROFILE}"])
    wrong = [f"inputs.{name}" for name, path in named.items() if inputs.get(name) != _digest(path)]
    if wrong:
        raise _unfit(wrong)
    fetched = {
        name: storage.blobs.fetch(digest, folder / name)
        for name, digest in inputs.items()
        if name not in (RAW, PROFILE, TRUTH)
    }
    return pipeline.build(resolved(used, fetched))


def _portable(profile: Profile) -> tuple[Profile, dict[str, Path]]:
    """The profile with inputs where it names files, and those files by their names as inputs."""
    named: dict[str, Path] = {}
    for plan in profile.steps:
        for option, word in plan.options.items():
            if (plan.name, option) == _SECRET and word:
                raise Invalid("corpus.key_metered")
            path = Path(word)
            if (plan.name, option) in _FILES and word and path.is_file():
                name = f"{plan.name}-{option}{path.suffix.lower()}"
                named[name] = path
                profile = _option(profile, plan.name, option, f"{HERE}{name}")
    return profile, named


def _library(options: Mapping[str, str]) -> str:
    return options.get("library", "")


def _option(profile: Profile, step: str, name: str, word: str) -> Profile:
    """The profile with one option changed; an empty word takes it away."""
    steps = [
        replace(
            plan,
            options={
                **{each: kept for each, kept in plan.options.items() if each != name},
                **({name: word} if word else {}),
            },
        )
        if plan.name == step
        else plan
        for plan in profile.steps
    ]
    return replace(profile, steps=tuple(steps))


def _arguments(request: CleanseRequest, threads: int) -> JsonObject:
    columns = request.columns
    said = {"file": request.path.name, "text": columns.text}
    said |= {"label": columns.label} if columns.label is not None else {}
    said |= {"id": columns.id} if columns.id is not None else {}
    return {**said, "threads": threads}


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()


def _unfit(where: list[str]) -> Invalid:
    findings = [Finding(each, "corpus.workload_differs") for each in where]
    return Invalid("corpus.workload_unfit", findings=findings)


def _failure(storage: Storage, done: Workload) -> YunheError:
    """What the program itself said, or why compute ended it."""
    if done.log is not None:
        said = storage.blobs.read(done.log).rpartition(_STDERR)[2]
        for line in reversed(said.splitlines()):
            try:
                return restored(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
    findings = [Finding(done.id, done.why.code, done.why.params)] if done.why else []
    return Unavailable("corpus.workload_failed", workload=done.id, findings=findings)
