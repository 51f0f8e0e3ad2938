"""The cleansing program: ``python -P -m yunhe.corpus.workload job.json``, as a metered workload.

Inputs: ``input`` (the raw file), ``profile.yaml``, optionally ``truth.jsonl`` and what the profile
names as ``input:NAME`` (a keyword library, hashes, weights). Arguments: ``file`` (the raw file's
own name, whose ending tells the format), ``text``, ``label``, ``id`` (columns), ``threads``. It
leaves the files of `yunhe.corpus.results`, the very bytes that a cleansing elsewhere makes.
Progress lines go to standard output; what was wrong goes to standard error as a sentence and one
JSON line (`yunhe.storage.kept_errors`), with exit status 2 when the input is at fault.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from yunhe.corpus import engine, pipeline, profiles, results, truth
from yunhe.corpus.domain import Columns, Profile
from yunhe.corpus.running.folder import disk
from yunhe.kernel.canonical import canonical_bytes
from yunhe.kernel.errors import Finding, Invalid, YunheError
from yunhe.kernel.language import from_environment
from yunhe.storage.kept_errors import stored

RAW, PROFILE, TRUTH = "input", "profile.yaml", "truth.jsonl"
"""Names of the inputs."""
HERE = "input:"
"""How a profile's option names a file that is one of the inputs."""
INPUT_FAULT = 2
"""Exit status when the job or the input is at fault."""
_THREADS_MAX = 256


class _Lines:
    """Progress as JSON lines."""

    def step(self, what: str, *, done: int, total: int | None = None) -> None:
        line = json.dumps({"done": done, "total": total, "what": what})
        print(line, flush=True)  # noqa: T201 - this is the program's output


@dataclass(frozen=True, slots=True)
class Job:
    """One cleansing to be done."""

    inputs: Mapping[str, Path]
    """Files by their names as inputs."""
    outputs: Path
    """Where the results go."""
    file: str
    """What the raw file is called."""
    columns: Columns
    """Column mapping."""
    threads: int
    """For the work."""


def read_job(path: Path) -> Job:
    """The job described by a file that compute wrote.

    Errors: `Invalid` ``corpus.job_invalid``.
    """
    try:
        stated = json.loads(path.read_bytes())
        arguments = stated["arguments"]
        inputs = {str(name): Path(where) for name, where in stated["inputs"].items()}
        named = {name: arguments.get(name) for name in ("file", "text", "label", "id")}
        threads = arguments.get("threads", 1)
        unknown = sorted(arguments.keys() - {*named, "threads"})
        wrong = [name for name in ("label", "id") if not isinstance(named[name], str | None)]
        wrong += [name for name in ("file", "text") if not isinstance(named[name], str)]
        if type(threads) is not int or not 1 <= threads <= _THREADS_MAX:
            wrong.append("threads")
        if not wrong and Path(named["file"]).name != named["file"]:
            wrong.append("file")
        absent = [name for name in (RAW, PROFILE) if name not in inputs]
        outputs = Path(stated["outputs"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        unknown, wrong, absent = [], [path.name], []
    if unknown or wrong or absent:
        findings = [Finding(f"arguments.{name}"[:80], "corpus.job_part") for name in wrong]
        findings += [Finding(f"arguments.{name}"[:80], "corpus.job_unknown") for name in unknown]
        findings += [Finding(f"inputs.{name}", "corpus.job_input") for name in absent]
        raise Invalid("corpus.job_invalid", findings=findings)
    columns = Columns(named["text"], named["label"], named["id"])
    return Job(inputs, outputs, named["file"], columns, threads)


def resolved(profile: Profile, inputs: Mapping[str, Path]) -> Profile:
    """The profile with paths where it names inputs.

    Errors: `Invalid` ``corpus.job_invalid`` when there is no such input.
    """
    findings: list[Finding] = []

    def path_of(option: str) -> str:
        name = option.removeprefix(HERE)
        if name == option:
            return option
        if name not in inputs:
            findings.append(Finding(f"inputs.{name}"[:80], "corpus.job_input"))
            return option
        return str(inputs[name])

    steps = [
        replace(plan, options={name: path_of(word) for name, word in plan.options.items()})
        for plan in profile.steps
    ]
    if findings:
        raise Invalid("corpus.job_invalid", findings=findings)
    return replace(profile, steps=tuple(steps))


def cleanse(job_file: Path) -> None:
    """Do the job.

    Errors: `Invalid` ``corpus.job_invalid``; those of `pipeline.build`, `engine.one_file`,
    `truth.read` and `results.lay_down`.
    """
    job = read_job(job_file)
    asked = profiles.parse(job.inputs[PROFILE].read_text("utf-8"), where=PROFILE)
    profile = resolved(asked, job.inputs)
    steps = pipeline.build(profile)
    planted = truth.read(job.inputs[TRUTH]) if TRUTH in job.inputs else None
    with tempfile.TemporaryDirectory(prefix="yunhe-corpus-") as name:
        folder = Path(name)
        raw = folder / "raw" / job.file  # so that it is called what it is called elsewhere
        raw.parent.mkdir()
        raw.symlink_to(job.inputs[RAW])
        read, settled = engine.one_file(
            raw, job.columns, steps, folder=folder, threads=job.threads, progress=_Lines()
        )
        result = results.Result(read, settled)
        result.refuse(raw)
        count = profile.sample_documents.value
        laid = results.lay_down(result, job.outputs, documents_max=count, planted=planted)
        with disk(job.outputs):
            statistics = canonical_bytes(laid.as_json())
            (job.outputs / results.STATISTICS).write_bytes(statistics)


def main(arguments: Sequence[str]) -> int:
    """Run as a program; returns the exit status."""
    try:
        cleanse(Path(arguments[0]))
    except YunheError as error:
        print(error.message(from_environment()), file=sys.stderr)  # noqa: T201
        said = json.dumps(stored(error), ensure_ascii=False)
        print(said, file=sys.stderr, flush=True)  # noqa: T201
        return INPUT_FAULT if isinstance(error, Invalid) else error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
