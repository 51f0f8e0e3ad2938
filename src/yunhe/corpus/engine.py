"""Runs a pipeline over inputs: units of work, then what needs all documents, then the output.

A unit is about `intake.UNIT_BYTES` of the inputs, cut by their content alone, and named by digest
of that content and of the pipeline. It is laid down whole or not at all, so a run that was killed
goes on where it was, and how many threads or machines took part changes no byte of the result.
Memory: some units at a time, about sixteen bytes a document (memory-mapped), and what a settling
step is allowed.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from yunhe.corpus import rejects, retention
from yunhe.corpus.domain import Columns
from yunhe.corpus.errors import OutTaken, input_faulty
from yunhe.corpus.gathering import Corpus, gather
from yunhe.corpus.inputs import of_path
from yunhe.corpus.pipeline import Pipeline, build
from yunhe.corpus.running import calling, residual, stages
from yunhe.corpus.running.columns import left_out
from yunhe.corpus.running.folder import beside, disk, drop_bare, keep, locked, named, write_json
from yunhe.corpus.running.intake import FileRead, digest_of
from yunhe.corpus.running.job import FINDINGS_MAX, Done, Job, RejectsKey, finding_json
from yunhe.corpus.running.parts import Bench, file_about, parts, units_json
from yunhe.corpus.running.tracing import trace
from yunhe.corpus.statistics import Statistics
from yunhe.kernel.canonical import Json, JsonObject, canonical_bytes
from yunhe.kernel.errors import YunheError
from yunhe.kernel.progress import Progress

__all__ = ["Done", "Job", "RejectsKey", "cleanse", "run", "trace"]

FORMAT = "yunhe-cleansed/2"
"""Raised whenever the meaning of something in an output changes; /2 added the column ``of``."""
MANIFEST, STATISTICS, INDEX = "manifest.json", "statistics.json", "index"
"""In every output: what it is and where it is from; counts; where a document's traces are."""


def run(job: Job, *, progress: Progress) -> Done:
    """Cleanse files into a folder, which appears when all is done.

    A run that was killed goes on where it was when the same job is run again; one that is finished
    is not repeated. A file or row that cannot be read is a fault and does not stop the others.

    Errors: `OutTaken` ``corpus.out_taken`` when something else lies at ``job.out``,
    ``corpus.out_other`` when it is the output of another job; `Conflict` ``corpus.out_busy`` when
    another run is at work on it; `Invalid` ``corpus.profile_invalid``, ``corpus.input_faulty`` when
    no document at all could be read; `Unavailable` when a disk refuses, after which the same job
    may be run again; those of `rejects.load_key`.
    """
    pipeline = build(job.profile)
    sealer = None if job.rejects is None else rejects.load_key(job.rejects.path)
    job = replace(job, out=named(job.out))
    if not job.out.name:
        raise OutTaken("corpus.out_taken", where=str(job.out))
    work = beside(job.out)
    with locked(work):
        try:
            standing = _standing(job, pipeline, sealer)
            if standing is None and job.rejects is not None:
                retention.hold(work, job.rejects.delete_after)
            done = standing or _made(job, pipeline, sealer, work=work, progress=progress)
        except YunheError:
            drop_bare(work)
            raise
        with disk(work):
            shutil.rmtree(work)
        return done


def _standing(job: Job, pipeline: Pipeline, sealer: rejects.Sealer | None) -> Done | None:
    """The answer, if this job's output is there already; None if nothing is there."""
    out = job.out
    if not out.exists() and not out.is_symlink():
        return None
    if out.is_dir() and not any(out.iterdir()):
        return None
    try:
        manifest: dict[str, Any] = json.loads((out / MANIFEST).read_text("utf-8"))
        said = {**manifest, "rejects": _only_key(manifest["rejects"])}
        there = [[each["name"], each["format"], each["digest"]] for each in manifest["inputs"]]
        standing = str(manifest["format"])
    except (OSError, ValueError, KeyError, TypeError):
        raise OutTaken("corpus.out_taken", where=str(out)) from None
    files = []
    for file in job.inputs:
        about = FileRead(file.name, file.format)
        with suppress(YunheError):
            about.digest, about.size_bytes = digest_of(file)
        files.append([about.name, about.format, about.digest])
    asked = _asked(job, pipeline, sealer)
    asked["rejects"] = _only_key(asked["rejects"])
    same = all(said.get(name) == value for name, value in asked.items())
    if files != there or standing != FORMAT or not same:
        raise OutTaken("corpus.out_other", where=str(out))
    return Done(
        manifest,
        faults=int(manifest["faults"]["count"]),
        unread=tuple(manifest["unread"]),
        repeated=True,
    )


def _only_key(rejects: Json) -> Json:
    """The key that rejects are kept with; the date that stands is not put off by asking again."""
    return rejects["key"] if isinstance(rejects, dict) else None


def _asked(job: Job, pipeline: Pipeline, sealer: rejects.Sealer | None) -> dict[str, Json]:
    """What the manifest says of the job; the same job says the same."""
    columns = job.columns
    kept: Json = None
    if sealer is not None and job.rejects is not None:
        kept = {"key": sealer.name(), "delete_after": job.rejects.delete_after.isoformat()}
    return {
        "source": dict(job.source),
        "columns": {"text": columns.text, "label": columns.label, "id": columns.id},
        "pipeline": {"digest": pipeline.digest(), **pipeline.description()},
        "output": job.format,
        "rejects": kept,
    }


def _made(
    job: Job,
    pipeline: Pipeline,
    sealer: rejects.Sealer | None,
    *,
    work: Path,
    progress: Progress,
) -> Done:
    read = stages.read(
        job.inputs,
        job.columns,
        pipeline,
        folder=work / "units",
        means=stages.Means(job.threads, job.ray, job.memory_bytes_max),
        sealer=sealer,
        progress=progress,
    )
    settled = stages.settle(read, work, memory_bytes_max=job.memory_bytes_max)
    faults = read.faults
    for finding in settled.findings(job.inputs[0].name if len(job.inputs) == 1 else "*"):
        faults.add([finding])
    until = "" if job.rejects is None else job.rejects.delete_after.isoformat()
    name = f"{read.key()}-{job.format}-{FORMAT.rpartition('/')[2]}{until}"
    out, notes = work / f"out-{name}", work / f"notes-{name}"
    with disk(work):
        out.mkdir(exist_ok=True)
        notes.mkdir(exist_ok=True)
        for left in (*out.glob("**/.*"), *notes.glob(".*")):
            left.unlink()
    bench = Bench(settled.whole, out, notes, job.format, sealer, until)
    written, total = [], len(read.units.units)
    for part in parts(bench, threads=job.threads, memory_bytes_max=job.memory_bytes_max):
        written.append(part)
        progress.step("corpus.parts", done=len(written), total=total)
    counted = [unit.about["counted"] for unit in read.units.units]
    statistics = Statistics.summed(
        [*counted, *(each["counted"] for each in written), settled.counted]
    )
    manifest = _Manifest(job, read, settled, statistics, [each["files"] for each in written])
    with disk(work):
        about = manifest.complete(out, _asked(job, pipeline, sealer))
        if job.out.is_dir():
            job.out.rmdir()  # empty, as `_standing` saw
        keep(out, job.out)
    return Done(about, tuple(faults.findings), faults.count, tuple(faults.unread))


@dataclass(frozen=True)
class _Manifest:
    """What is said of a whole output."""

    job: Job
    read: stages.Read
    settled: stages.Settled
    statistics: Statistics
    files: list[Any]

    def complete(self, out: Path, asked: dict[str, Json]) -> JsonObject:
        """Write what is left to write: statistics, index, and the manifest last."""
        (out / STATISTICS).write_bytes(canonical_bytes(self.statistics.as_json()))
        (out / INDEX).mkdir(exist_ok=True)
        calling.index(self.settled.whole, self.settled.folder, out / INDEX)
        beside = [STATISTICS, f"{INDEX}/{calling.HASHES}", f"{INDEX}/{calling.DOCUMENTS}"]
        faults = self.read.faults
        manifest: JsonObject = {
            **asked,
            "format": FORMAT,
            "inputs": [
                {
                    "name": file.name,
                    "format": file.format,
                    "digest": file.digest,
                    "bytes": file.size_bytes,
                    "encoding": file.encoding,
                    "documents": self.statistics.sources.get(file.name, {}).get("documents_in", 0),
                }
                for file in self.read.files
            ],
            "columns_left_out": left_out(
                (each.names for each in self.read.files), self.job.columns
            ),
            "documents_in": self.statistics.documents_in,
            "documents_out": self.statistics.documents_out,
            "units": units_json(self.settled.whole),
            "parts": self.files,
            "files": [{"name": name, **file_about(out / name)} for name in beside],
            "faults": {
                "count": faults.count,
                "findings": [finding_json(each) for each in faults.findings[:FINDINGS_MAX]],
            },
            "unread": list(faults.unread),
            "residual_risk": residual.measured(self.settled.whole),
        }
        write_json(out / MANIFEST, manifest)
        return manifest


def cleanse(
    path: Path, columns: Columns, pipeline: Pipeline, *, threads: int, progress: Progress
) -> Corpus:
    """One file's cleansed corpus in memory; nothing is left on the disk.

    Errors: those of `open_input`, and `Invalid` ``corpus.input_faulty`` with the faults of single
    records.
    """
    with tempfile.TemporaryDirectory(prefix="yunhe-corpus-") as folder:
        read, settled = one_file(
            path, columns, pipeline, folder=Path(folder), threads=threads, progress=progress
        )
        return gather(read.files[0].encoding, settled.whole)


def one_file(
    path: Path,
    columns: Columns,
    pipeline: Pipeline,
    *,
    folder: Path,
    threads: int,
    progress: Progress,
) -> tuple[stages.Read, stages.Settled]:
    """One file read and settled in ``folder``; any fault in it is refused.

    Errors: as `cleanse`.
    """
    file = of_path(path)
    read = stages.read(
        (file,),
        columns,
        pipeline,
        folder=folder / "units",
        means=stages.Means(threads),
        sealer=None,
        progress=progress,
    )
    if read.faults.count:
        raise input_faulty(path, read.faults.findings, read.faults.count)
    settled = stages.settle(read, folder, memory_bytes_max=stages.Means().memory_bytes_max)
    return read, settled
