"""This machine as a provider: each job a process of its own in a folder of its own.

Under bubblewrap (`sandbox`) any program may run. Without it only programs whose source file the
operator approved by digest run, because then nothing but their authors' good will keeps them from
this platform's database and keys.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from yunhe.compute.folders import checkpoints
from yunhe.compute.folders.keeping import Growth, keep
from yunhe.compute.folders.laying import lay_out, manifest_of
from yunhe.compute.providers import bootstrap, commanded, sandbox
from yunhe.compute.providers.endings import why_failed
from yunhe.compute.providers.entry_points import (
    EntryPoint,
    Program,
    find_program,
    package_folder,
)
from yunhe.compute.providers.exposing import Accelerators, Exposed
from yunhe.compute.providers.folder import OUTPUT_FILES_MAX, Folder, private_folder, too_large
from yunhe.compute.providers.launcher import Command, Ended, launch
from yunhe.compute.providers.seam import Gap, Job, Live, Metered, Outcome
from yunhe.compute.reasons import Why
from yunhe.compute.utilisation.domain import of_processors
from yunhe.compute.utilisation.sampling import Meter
from yunhe.kernel.canonical import Json, canonical_bytes
from yunhe.kernel.errors import NotAllowed, NotFound
from yunhe.kernel.masking import Mask
from yunhe.kernel.progress import Progress
from yunhe.storage.blobs import Blobs, explain_os_error

BUBBLEWRAP = "bubblewrap"
"""Isolation in a sandbox."""
APPROVED = "digest-approved"
"""No isolation: the operator vouches for the program's bytes."""

_OPEN_FILES_MAX = 1_024
_WHAT_LETTERS_MAX = 80
_PROCESSOR = "cpu"  # the chip whose devices are this machine's processors
_NOTHING = Mask()


class LocalProvider:
    """Runs jobs on this machine; satisfies `yunhe.compute.providers.seam.Provider`."""

    adapter = "local"
    """The kind of pool whose workloads it takes."""
    lively = True
    """`run` takes a `Live`."""
    saving = True
    """`run` can be told when the job should save its work."""

    def __init__(
        self,
        work_root: Path,
        entry_points: Mapping[str, EntryPoint],
        *,
        protected: Sequence[Path] = (),
        isolation: Literal["auto", "digest-approved"] = "auto",
        outputs_bytes_max: int = 8 << 30,
        commands: bool = True,
        accelerators: Accelerators | None = None,
    ) -> None:
        """``work_root`` gets one folder per running job; it is created when the first one runs.

        ``protected`` folders (the platform's home) never show inside a sandbox; the folder that
        ``work_root`` lies in is always among them. ``isolation="digest-approved"`` does without
        bubblewrap even where it works. ``commands`` lets workloads bring commands of their own,
        which run in the sandbox and never without one. ``accelerators``: those of this machine.
        """
        self._commands = commands
        self._work_root = work_root.resolve()
        self._entry_points = dict(entry_points)
        self._protected = (*protected, self._work_root.parent)
        self._bubblewrap = sandbox.bubblewrap() if isolation == "auto" else None
        self._outputs_bytes_max = outputs_bytes_max
        self._accelerators = accelerators or Accelerators(self._work_root)

    @property
    def isolation(self) -> str:
        """`BUBBLEWRAP` where it works, else `APPROVED`."""
        return APPROVED if self._bubblewrap is None else BUBBLEWRAP

    @property
    def refuses(self) -> tuple[str, ...]:
        """What it takes no work with."""
        return () if self._commands else ("command",)

    def gaps(self) -> tuple[Gap, ...]:
        """Limits that this machine's interfaces for ordinary users cannot enforce."""
        gaps = [Gap("compute.gap_tree_limits"), Gap("compute.gap_resume")]
        gaps.append(Gap("compute.gap_shared_card"))
        if self._bubblewrap is None:
            gaps.append(Gap("compute.gap_isolation"))
        if sys.platform == "darwin":
            gaps.append(Gap("compute.gap_memory"))
        return tuple(gaps)

    def run(
        self,
        job: Job,
        *,
        blobs: Blobs,
        progress: Progress,
        stopped: Callable[[], bool],
        live: Live | None = None,
        saves: Callable[[], bool] = lambda: False,
    ) -> Outcome:
        """Run the job; errors as the seam says. Cost: copies its inputs and outputs once.

        Once ``saves`` says so it gets SIGTERM and `GRACE_SECONDS`; what is in ``YUNHE_CHECKPOINT``
        then is what it finds there when it runs again.

        ``live`` hears it meanwhile; in a sandbox, and only there, it may have commands run inside.
        """
        program = self._program(job)
        with (
            private_folder(self._work_root, job.id, inputs=iter(job.inputs)) as folder,
            self._accelerators.given(
                job, sandboxed=self._bubblewrap is not None, stopped=stopped
            ) as exposed,
        ):
            try:
                for name, digest in job.inputs.items():
                    blobs.fetch(digest, folder.inputs / name)
                if job.folder:
                    lay_out(manifest_of(blobs, job.folder), folder.work, blobs=blobs)
                if job.saves:
                    checkpoints.lay(job.saved, folder.work, blobs=blobs)
                self._write_job(job, folder)
            except OSError as error:
                raise explain_os_error(error, folder.root) from error
            command = self._command(job, program, folder, exposed)
            growth = Growth(folder.work, bytes_max=self._outputs_bytes_max)
            with Meter(exposed.sampler(), devices=len(exposed.cards)) as meter:
                ended = launch(
                    command,
                    on_line=lambda said: _forward(said, progress, command.mask),
                    stopped=lambda: stopped() or growth.too_large(),
                    live=meter.told(live),
                    saves=saves,
                )
            ended = replace(ended, metered=_utilised(ended.metered, job, meter))
            files, why = self._judge(job, ended, folder)
            kept: dict[str, str] = {}
            if growth.exceeded:
                ended, files = replace(ended, cause="outputs"), []
                why = too_large(self._outputs_bytes_max)
            elif job.keeps and why is None and ended.cause is None:
                kept, why = keep(
                    folder.work, job.keeps, blobs=blobs, bytes_max=self._outputs_bytes_max
                )
                files = [] if why else files
            ran_out: Literal["succeeded", "failed"] = "succeeded" if why is None else "failed"
            return Outcome(
                verdict="stopped" if ended.cause == "stopped" else ran_out,
                metered=ended.metered,
                isolation=self.isolation,
                code_digest=program.digest,
                why=why,
                outputs=kept | {path.name: blobs.put_file(path).digest for path in files},
                stdout_tail=ended.stdout_tail,
                stderr_tail=ended.stderr_tail,
                saved=self._saved(ended, folder, blobs) if saves() else {},
                evidence=exposed.told(),
            )

    def _saved(self, ended: Ended, folder: Folder, blobs: Blobs) -> dict[str, str]:
        if ended.cause != "stopped":
            return {}
        return checkpoints.take(folder.work, blobs=blobs, bytes_max=self._outputs_bytes_max)

    def _program(self, job: Job) -> Program:
        if job.image:
            raise NotAllowed("compute.image_not_run", site=self.adapter)
        if job.command:
            return self._commanded()
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

    def _commanded(self) -> Program:
        """What runs a workload's own command; only where nothing but the job's folder shows."""
        if not self._commands:
            raise NotAllowed("compute.command_not_allowed", site=self.adapter)
        if self._bubblewrap is None:
            raise NotAllowed("compute.command_unconfined", site=self.adapter)
        return find_program("command", EntryPoint(commanded.__name__))

    def _write_job(self, job: Job, folder: Folder) -> None:
        inside = self._bubblewrap is not None
        inputs = sandbox.JOB / "inputs" if inside else folder.inputs
        outputs = sandbox.JOB / "outputs" if inside else folder.outputs
        described: dict[str, Json] = {
            "arguments": job.arguments,
            "inputs": {name: str(inputs / name) for name in job.inputs},
            "outputs": str(outputs),
            "folder": str(sandbox.JOB / "work" if inside else folder.work),
            "command": list(job.command),
        }
        folder.job_file.write_bytes(canonical_bytes(described))

    def _command(self, job: Job, program: Program, folder: Folder, exposed: Exposed) -> Command:
        starter = [sys.executable, "-s", "-P", str(Path(bootstrap.__file__).resolve())]
        inside = self._bubblewrap is not None
        temporary = Path("/tmp") if inside else folder.temporary  # noqa: S108 - the sandbox's own
        reads = self._reads(job)
        told = {name: str(path) for name, path in reads.items()}
        saving = (sandbox.JOB / "work" if inside else folder.work) / checkpoints.FOLDER
        environment = {
            **job.environment,
            **told,
            **({"YUNHE_CHECKPOINT": str(saving)} if job.saves else {}),
            **_environment(max(job.devices // job.replicas, 1), temporary),
            **exposed.environment,
        }
        line = starter
        if self._bubblewrap is not None:
            view = sandbox.View(
                inputs=folder.inputs,
                outputs=folder.outputs,
                job_file=folder.job_file,
                code=(_code_folder(program), *reads.values(), *exposed.reads),
                protected=self._protected,
                temporary_bytes_max=job.memory_bytes_max,
                work=folder.work,
                devices=exposed.files,
                # Libraries for accelerators hand whole batches from process to process there.
                shared_memory_bytes_max=job.memory_bytes_max
                if exposed.cards
                else sandbox.SHARED_MEMORY_BYTES,
            )
            line = self._bubblewrap.command(view, program=starter, environment=environment)
        return Command(
            line=line,
            environment=environment,
            folder=folder.temporary,
            order=_order(
                job,
                program,
                job_file=sandbox.JOB / "job.json" if inside else folder.job_file,
                file_bytes_max=self._outputs_bytes_max,
                sandboxed=inside,
                exposed=exposed,
            ),
            wall_seconds_max=job.wall_seconds_max,
            outputs=folder.outputs,
            outputs_bytes_max=self._outputs_bytes_max,
            output_files_max=OUTPUT_FILES_MAX,
            mask=Mask(job.secrets.values()),
            attended=inside,
        )

    def _reads(self, job: Job) -> dict[str, Path]:
        """What its entry point lets it read besides, of what is there."""
        if job.command:
            return {}
        reads = self._entry_points[job.entry_point].reads
        return {name: path.resolve() for name, path in reads.items() if path.is_dir()}

    def _judge(self, job: Job, ended: Ended, folder: Folder) -> tuple[list[Path], Why | None]:
        """The outputs of a job that did well, or why it did not; neither when it was stopped."""
        if ended.cause == "stopped":
            return [], None
        why = why_failed(job, ended)
        if why is not None:
            return [], why
        files, why = folder.files(bytes_max=self._outputs_bytes_max)
        if ended.cause == "outputs":  # it may have grown and shrunk: then only the watch saw it
            return [], why or too_large(self._outputs_bytes_max)
        return files, why


def _utilised(metered: Metered, job: Job, meter: Meter) -> Metered:
    """With the real use of its devices: processors as the kernel counted, others as sampled."""
    if job.chip == _PROCESSOR:
        cpu_ms = metered.cpu_user_ms + metered.cpu_system_ms
        used = of_processors(cpu_ms=cpu_ms, wall_ms=metered.wall_ms, devices=job.devices)
        return replace(metered, utilisation_per_thousand=used, utilisation_samples=1)
    return replace(
        metered, utilisation_per_thousand=meter.per_thousand, utilisation_samples=meter.samples
    )


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
    job: Job,
    program: Program,
    *,
    job_file: Path,
    file_bytes_max: int,
    sandboxed: bool,
    exposed: Exposed,
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
        "folder": str(job_file.parent / ("work" if job.command or job.folder else "outputs")),
        "replicas": job.replicas,
        "devices": [dict(each) for each in exposed.replicas],
        # Here and nowhere else: what is started gets them neither on its command line nor in the
        # environment it is started with, so no list of processes shows them.
        "secrets": {name: base64.b64encode(value).decode() for name, value in job.secrets.items()},
        "limits": {
            "cpu_seconds": job.cpu_seconds_max,
            "memory_bytes": job.memory_bytes_max,
            "file_bytes": file_bytes_max,
            "open_files": _OPEN_FILES_MAX,
            "reserves": int(bool(exposed.cards)),
        },
    }


def _forward(line: bytes, progress: Progress, mask: Mask = _NOTHING) -> None:
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
    what = mask.text(what)
    shown = "".join(letter for letter in what if letter.isprintable())[:_WHAT_LETTERS_MAX]
    progress.step(shown, done=done, total=total)
