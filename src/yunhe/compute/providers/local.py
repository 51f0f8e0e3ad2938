"""This machine as a provider: each job a process of its own in a folder of its own.

Under bubblewrap (`sandbox`) any program may run. Without it only programs whose source file the
operator approved by digest run, because then nothing but their authors' good will keeps them from
this platform's database and keys.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from yunhe.compute.providers import bootstrap, sandbox
from yunhe.compute.providers.entry_points import (
    EntryPoint,
    Program,
    find_program,
    package_folder,
)
from yunhe.compute.providers.folder import OUTPUT_FILES_MAX, Folder, private_folder, too_large
from yunhe.compute.providers.launcher import Command, Ended, launch
from yunhe.compute.providers.seam import Gap, Job, Outcome
from yunhe.compute.reasons import Why
from yunhe.kernel.canonical import Json, canonical_bytes
from yunhe.kernel.errors import NotAllowed, NotFound
from yunhe.kernel.progress import Progress
from yunhe.storage.blobs import Blobs, explain_os_error

BUBBLEWRAP = "bubblewrap"
"""Isolation in a sandbox."""
APPROVED = "digest-approved"
"""No isolation: the operator vouches for the program's bytes."""

_OPEN_FILES_MAX = 1_024
_WHAT_LETTERS_MAX = 80


class LocalProvider:
    """Runs jobs on this machine; satisfies `yunhe.compute.providers.seam.Provider`."""

    adapter = "local"
    """The kind of pool whose workloads it takes."""

    def __init__(
        self,
        work_root: Path,
        entry_points: Mapping[str, EntryPoint],
        *,
        protected: Sequence[Path] = (),
        isolation: Literal["auto", "digest-approved"] = "auto",
        outputs_bytes_max: int = 8 << 30,
    ) -> None:
        """``work_root`` gets one folder per running job; it is created when the first one runs.

        ``protected`` folders (the platform's home) never show inside a sandbox; the folder that
        ``work_root`` lies in is always among them. ``isolation="digest-approved"`` does without
        bubblewrap even where it works.
        """
        self._work_root = work_root.resolve()
        self._entry_points = dict(entry_points)
        self._protected = (*protected, self._work_root.parent)
        self._bubblewrap = sandbox.bubblewrap() if isolation == "auto" else None
        self._outputs_bytes_max = outputs_bytes_max

    @property
    def isolation(self) -> str:
        """`BUBBLEWRAP` where it works, else `APPROVED`."""
        return APPROVED if self._bubblewrap is None else BUBBLEWRAP

    def gaps(self) -> tuple[Gap, ...]:
        """Limits that this machine's interfaces for ordinary users cannot enforce."""
        gaps = [Gap("compute.gap_tree_limits"), Gap("compute.gap_resume")]
        if self._bubblewrap is None:
            gaps.append(Gap("compute.gap_isolation"))
        if sys.platform == "darwin":
            gaps.append(Gap("compute.gap_memory"))
        return tuple(gaps)

    def run(
        self, job: Job, *, blobs: Blobs, progress: Progress, stopped: Callable[[], bool]
    ) -> Outcome:
        """Run the job; errors as the seam says. Cost: copies its inputs and outputs once."""
        program = self._program(job)
        with private_folder(self._work_root, job.id, inputs=iter(job.inputs)) as folder:
            try:
                for name, digest in job.inputs.items():
                    blobs.fetch(digest, folder.inputs / name)
                self._write_job(job, folder)
            except OSError as error:
                raise explain_os_error(error, folder.root) from error
            ended = self._launch(job, program, folder, progress=progress, stopped=stopped)
            files, why = self._judge(job, ended, folder)
            ran_out: Literal["succeeded", "failed"] = "succeeded" if why is None else "failed"
            return Outcome(
                verdict="stopped" if ended.cause == "stopped" else ran_out,
                metered=ended.metered,
                isolation=self.isolation,
                code_digest=program.digest,
                why=why,
                outputs={path.name: blobs.put_file(path).digest for path in files},
                stdout_tail=ended.stdout_tail,
                stderr_tail=ended.stderr_tail,
            )

    def _program(self, job: Job) -> Program:
        entry_point = self._entry_points.get(job.entry_point)
        if entry_point is None:
            raise NotFound("compute.entry_point_unknown", name=job.entry_point, module="-")
        program = find_program(job.entry_point, entry_point)
        approved = program.digest in job.approved or program.digest == entry_point.digest
        if self._bubblewrap is None and not approved:
            raise NotAllowed(
                "compute.entry_point_not_approved",
                name=job.entry_point,
                module=program.module,
                digest=program.digest,
            )
        return program

    def _write_job(self, job: Job, folder: Folder) -> None:
        inside = self._bubblewrap is not None
        inputs = sandbox.JOB / "inputs" if inside else folder.inputs
        outputs = sandbox.JOB / "outputs" if inside else folder.outputs
        described: dict[str, Json] = {
            "arguments": job.arguments,
            "inputs": {name: str(inputs / name) for name in job.inputs},
            "outputs": str(outputs),
        }
        folder.job_file.write_bytes(canonical_bytes(described))

    def _launch(
        self,
        job: Job,
        program: Program,
        folder: Folder,
        *,
        progress: Progress,
        stopped: Callable[[], bool],
    ) -> Ended:
        starter = [sys.executable, "-s", "-P", str(Path(bootstrap.__file__).resolve())]
        inside = self._bubblewrap is not None
        temporary = Path("/tmp") if inside else folder.temporary  # noqa: S108 - the sandbox's own
        environment = _environment(job.devices, temporary)
        line = starter
        if self._bubblewrap is not None:
            view = sandbox.View(
                inputs=folder.inputs,
                outputs=folder.outputs,
                job_file=folder.job_file,
                code=(_code_folder(program),),
                protected=self._protected,
                temporary_bytes_max=job.memory_bytes_max,
            )
            line = self._bubblewrap.command(view, program=starter, environment=environment)
        command = Command(
            line=line,
            environment=environment,
            folder=folder.temporary,
            order=_order(
                job,
                program,
                job_file=sandbox.JOB / "job.json" if inside else folder.job_file,
                file_bytes_max=self._outputs_bytes_max,
                sandboxed=inside,
            ),
            wall_seconds_max=job.wall_seconds_max,
            outputs=folder.outputs,
            outputs_bytes_max=self._outputs_bytes_max,
            output_files_max=OUTPUT_FILES_MAX,
        )
        return launch(command, on_line=lambda said: _forward(said, progress), stopped=stopped)

    def _judge(self, job: Job, ended: Ended, folder: Folder) -> tuple[list[Path], Why | None]:
        """The outputs of a job that did well, or why it did not; neither when it was stopped."""
        if ended.cause == "stopped":
            return [], None
        why = _why(job, ended)
        if why is not None:
            return [], why
        files, why = folder.files(bytes_max=self._outputs_bytes_max)
        if ended.cause == "outputs":  # it may have grown and shrunk: then only the watch saw it
            return [], why or too_large(self._outputs_bytes_max)
        return files, why


def _code_folder(program: Program) -> Path:
    """The least folder from which the program can be imported."""
    top = program.root / program.module.split(".")[0]
    return top if top.is_dir() else program.root


def _environment(devices: int, temporary: Path) -> dict[str, str]:
    """Everything a job finds in its environment; numeric libraries get a thread per device."""
    threads = str(devices)
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": str(temporary),
        "TMPDIR": str(temporary),
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "NUMEXPR_NUM_THREADS": threads,
        # Each of glibc's heaps reserves 64 MiB of address space, and that is what is limited.
        "MALLOC_ARENA_MAX": "2",
    }


def _order(
    job: Job, program: Program, *, job_file: Path, file_bytes_max: int, sandboxed: bool
) -> dict[str, Json]:
    """What the bootstrap is told."""
    folders = dict.fromkeys([str(program.root), str(package_folder().parent)])
    return {
        "file": str(program.path),
        "module": program.module,
        "digest": program.digest,
        "folders": list(folders),
        "job": str(job_file),
        "sandboxed": sandboxed,
        "limits": {
            "cpu_seconds": job.cpu_seconds_max,
            "memory_bytes": job.memory_bytes_max,
            "file_bytes": file_bytes_max,
            "open_files": _OPEN_FILES_MAX,
        },
    }


def _forward(line: bytes, progress: Progress) -> None:
    """Hand on a line of progress; everything else a job prints is only kept."""
    if not line.startswith(b"{"):
        return
    try:
        said = json.loads(line)
    except ValueError:
        return
    done, total, what = said.get("done"), said.get("total"), said.get("what")
    if type(done) is not int or not isinstance(what, str) or type(total) not in (int, type(None)):
        return
    shown = "".join(letter for letter in what if letter.isprintable())[:_WHAT_LETTERS_MAX]
    progress.step(shown, done=done, total=total)


def _why(job: Job, ended: Ended) -> Why | None:
    """Why the job failed, or None when that is not to be seen from how its process ended."""
    cpu_ms = ended.metered.cpu_user_ms + ended.metered.cpu_system_ms
    number = ended.status - bootstrap.SIGNAL_BASE
    killed = number in (signal.SIGKILL, signal.SIGXCPU)
    if ended.cause == "outputs" or (ended.cause is None and ended.status == 0):
        return None
    reasons = (
        (
            ended.cause == "wall",
            Why("compute.failed_wall", (("wall_seconds_max", job.wall_seconds_max),)),
        ),
        (
            # The kernel's clock for the limit runs a little ahead of the one it reports.
            killed and cpu_ms >= job.cpu_seconds_max * 950,
            Why("compute.failed_cpu", (("cpu_seconds_max", job.cpu_seconds_max),)),
        ),
        (
            ended.status == bootstrap.EXIT_MEMORY,
            Why("compute.failed_memory", (("memory_bytes_max", job.memory_bytes_max),)),
        ),
        (number > 0, Why("compute.failed_signal", (("signal", number),))),
    )
    exited = Why("compute.failed_exit", (("status", ended.status),))
    return next((why for holds, why in reasons if holds), exited)
