"""A folder that the platform and a site both see: what jobs there are given, say and leave.

Everything in it may have been changed by a job of the same site, so nothing is followed that is no
plain file where one is expected.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from yunhe.compute import images
from yunhe.compute.folders import checkpoints
from yunhe.compute.folders.keeping import keep
from yunhe.compute.folders.laying import lay_out, manifest_of
from yunhe.compute.providers import attendant, commanded, station
from yunhe.compute.providers.entry_points import EntryPoint, Program, find_program
from yunhe.compute.providers.folder import FILE_NAME, OUTPUT_FILES_MAX, too_large
from yunhe.compute.providers.plain_files import NotPlainError, directory, opened
from yunhe.compute.providers.remote import LOG_PART_BYTES_MAX, Result, Stream
from yunhe.compute.providers.seam import Job, Metered
from yunhe.compute.reasons import Why
from yunhe.compute.utilisation.domain import reported
from yunhe.kernel.canonical import INTEGER_MAX, Json, JsonObject, canonical_bytes
from yunhe.kernel.errors import Invalid, NotAllowed, NotFound
from yunhe.storage.blobs import Blobs, explain_os_error, write_whole

OUTPUTS_BYTES_MAX = 8 << 30
"""Most bytes a job may leave, and most of any file it writes."""
PORTION_BYTES = 1 << 20
"""How much is read at a time."""
_ENDED_BYTES_MAX = 16 << 10
_SIGNAL_BASE = 128
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


@dataclass(frozen=True, slots=True)
class Staging:
    """The shared folder of one site."""

    here: Path
    """Where the platform sees it."""
    there: str
    """Where the site's nodes see it."""
    entry_points: Mapping[str, EntryPoint]
    """The programs that may be sent there."""
    python: str = "python3"
    """The interpreter of the site."""
    environment: Mapping[str, str] | None = None
    """What programs find in their environment besides."""
    commands: bool = False
    """Whether workloads may bring commands of their own: they run there as the platform's user."""
    images: tuple[str, ...] = ()
    """Registries, or parts of registries, whose images such commands may run in."""
    container: str = ""
    """Line that runs a command in an image on a node; empty: the whole job runs in its image."""

    @property
    def refuses(self) -> tuple[str, ...]:
        """What of a workload the site takes none with."""
        return ("secrets",) if self.commands else ("command", "secrets")

    def prepare(self, job: Job, *, blobs: Blobs, site: str) -> str:
        """Lay out a job's folder, whole, once; returns the command that runs it there.

        Errors: `NotFound` ``compute.entry_point_unknown``; `NotAllowed`
        ``compute.entry_point_not_approved``, ``compute.remote_secrets``; what the blobs raise.
        """
        program = self._program(job, site=site)
        if job.secrets:
            raise NotAllowed("compute.remote_secrets", site=site)
        folder = self._folder(job.id)
        try:
            if not (folder / "order.json").exists():  # written last
                self._fill(folder, job, program, blobs=blobs)
        except OSError as error:
            raise explain_os_error(error, folder) from error
        place = self._place(job.id)
        # An image in which the whole job runs has a Python of its own, wherever it is.
        python = "python3" if job.image and not self.container else self.python
        return f"exec {shlex.quote(python)} {shlex.quote(place + '/station.py')} " + (
            shlex.quote(place)
        )

    def _fill(self, folder: Path, job: Job, program: Program, *, blobs: Blobs) -> None:
        for part in ("inputs", "outputs", "tmp", "work", "live/asks", "live/answers"):
            (folder / part).mkdir(mode=0o700, parents=True, exist_ok=True)
        if job.folder:
            _emptied(folder / "work")  # half of it may be there, of a platform that was killed
            lay_out(manifest_of(blobs, job.folder), folder / "work", blobs=blobs)
        if job.saves:
            if not job.folder:
                _emptied(folder / "work")
            checkpoints.lay(job.saved, folder / "work", blobs=blobs)
        for name, digest in job.inputs.items():
            if not FILE_NAME.fullmatch(name):
                raise ValueError(f"{name!r} cannot name a file")
            blobs.fetch(digest, folder / "inputs" / name)
        place = self._place(job.id)
        work = f"{place}/work"
        described: dict[str, Json] = {
            "arguments": job.arguments,
            "inputs": {name: f"{place}/inputs/{name}" for name in job.inputs},
            "outputs": f"{place}/outputs",
            "folder": work,
            "command": [*self._wrapper(job), *job.command],
        }
        plain = job.chip in ("", "cpu") and not job.image
        order: dict[str, Json] = {
            "digest": program.digest,
            "environment": {
                **job.environment,
                **_environment(job),
                **({"YUNHE_CHECKPOINT": f"{work}/{checkpoints.FOLDER}"} if job.saves else {}),
                **(self.environment or {}),
            },
            "replicas": job.replicas,
            "command": bool(job.command),
            "saves": job.saves,
            "inside": bool(job.image and not self.container),
            "live": self.commands,
            "limits": {
                "wall_seconds": job.wall_seconds_max,
                "cpu_seconds": job.cpu_seconds_max,
                # Drivers of accelerators, like containers, reserve far more than they use.
                "memory_bytes": job.memory_bytes_max if plain else -1,
                "file_bytes": OUTPUTS_BYTES_MAX,
            },
        }
        files = {
            "program.py": program.path.read_bytes(),
            "station.py": Path(station.__file__).read_bytes(),
            "attendant.py": Path(attendant.__file__).read_bytes(),
            "job.json": canonical_bytes(described),
            "order.json": canonical_bytes(order),
        }
        for name, data in files.items():
            write_whole(folder / name, iter([data]))

    def _program(self, job: Job, *, site: str = "") -> Program:
        if job.image and not images.allowed(job.image, self.images):
            code = "compute.image_not_allowed" if self.images else "compute.image_not_run"
            raise NotAllowed(code, site=site)
        if job.command:
            if not self.commands:
                raise NotAllowed("compute.command_not_allowed", site=site)
            return find_program("command", EntryPoint(commanded.__name__))
        entry_point = self.entry_points.get(job.entry_point)
        if entry_point is None:
            raise NotFound("compute.entry_point_unknown", name=job.entry_point, module="-")
        program = find_program(job.entry_point, entry_point)
        approved = (*job.approved, entry_point.digest)
        if not self.commands and program.digest not in approved:  # else anything may run there
            raise NotAllowed(
                "compute.entry_point_not_approved",
                name=job.entry_point,
                module=program.module,
                digest=program.digest,
            )
        return program

    def _wrapper(self, job: Job) -> list[str]:
        """What an operator's runtime is called with before the command itself."""
        if not job.image or not self.container:
            return []
        return images.wrapped(self.container, job.image, folder=self._place(job.id))

    def cancelled(self, job: str) -> None:
        """From now on no process of the site begins it."""
        folder = self._folder(job)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (folder / "cancelled").touch()
        except OSError as error:
            raise explain_os_error(error, folder) from error

    def asked_to_save(self, job: str, *, seconds: int) -> bool:
        """From now on it is to save its work and end, for which it has so long.

        False for one that no process of the site has begun.
        """
        if not self.claimed(job):
            return False
        folder = self._folder(job)
        try:
            write_whole(folder / "save", iter([str(seconds).encode()]))
        except OSError as error:
            raise explain_os_error(error, folder) from error
        return True

    def is_saved(self, job: str) -> bool:
        """Whether it ended because it was asked to save its work."""
        return self.ended(job).get("cause") == station.SAVED

    def claimed(self, job: str) -> str:
        """Which of the scheduler's jobs runs it; empty before one does."""
        try:
            with opened(self._folder(job), "claimed") as file:
                return file.read(100).decode("ascii", "replace")
        except (OSError, NotPlainError):
            return ""

    def never_begins(self, job: str) -> bool:
        """Whether it was cancelled before any process of the site began it."""
        return self.is_cancelled(job) and not self.claimed(job)

    def is_cancelled(self, job: str) -> bool:
        """Whether `cancelled` was said."""
        return (self._folder(job) / "cancelled").exists()

    def log(self, job: str, stream: Stream, *, offset: int) -> bytes:
        """What it printed from that byte on; a negative offset counts from the end.

        The end is that of the node whose end was the job's, where it ran on several.
        """
        name: str = stream
        if offset < 0:
            node = _number(self.ended(job).get("node"), least=0)
            name = f"{stream}-{node}" if node else stream
        try:
            with opened(self._folder(job), name) as file:
                size = os.fstat(file.fileno()).st_size
                file.seek(min(max(size + offset, 0) if offset < 0 else offset, size))
                return file.read(LOG_PART_BYTES_MAX)
        except (FileNotFoundError, NotPlainError):
            return b""
        except OSError as error:
            raise explain_os_error(error, self._folder(job)) from error

    def ended(self, job: str) -> JsonObject:
        """What the job's own end says of itself; empty while it has none, or a false one."""
        try:
            with opened(self._folder(job), "ended.json") as file:
                said = json.loads(file.read(_ENDED_BYTES_MAX))
        except (FileNotFoundError, NotPlainError, ValueError, RecursionError):
            return {}
        except OSError as error:
            raise explain_os_error(error, self._folder(job)) from error
        return said if isinstance(said, dict) else {}

    def result(self, job: Job, *, blobs: Blobs, succeeded: bool) -> Result:
        """Take over what an ended job left."""
        said = self.ended(job.id)
        used = reported(said.get("utilisation_per_thousand"), said.get("utilisation_samples"))
        metered = Metered(
            wall_ms=_number(said.get("wall_ms"), least=1),
            cpu_user_ms=_number(said.get("cpu_user_ms"), least=0),
            cpu_system_ms=_number(said.get("cpu_system_ms"), least=0),
            memory_bytes_peak=_number(said.get("memory_bytes_peak"), least=0),
            utilisation_per_thousand=used.per_thousand,
            utilisation_samples=used.samples,
            # It tells the processor time of one node, which is no sign of all devices' use.
            unwatched=used.per_thousand is None and said.get("nodes", "1") != "1",
        )
        outputs: dict[str, str] = {}
        why = _why(job, said)
        if succeeded and why is None:
            outputs, why = self._outputs(job.id, blobs)
            if job.keeps and why is None:
                work = self._folder(job.id) / "work"
                kept, why = keep(work, job.keeps, blobs=blobs, bytes_max=OUTPUTS_BYTES_MAX)
                outputs = kept | outputs
        digest = said.get("code_digest")
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            digest = self._program(job).digest
        evidence: dict[str, Json] = {"image": job.image} if job.image else {}
        if used.finding:
            evidence["utilisation_finding"] = used.finding
        made, saved = outputs if why is None else {}, dict[str, str]()
        if job.saves and said.get("cause") == station.SAVED:
            work = self._folder(job.id) / "work"
            saved = checkpoints.take(work, blobs=blobs, bytes_max=OUTPUTS_BYTES_MAX)
        return Result(made, metered, code_digest=digest, why=why, evidence=evidence, saved=saved)

    def _outputs(self, job: str, blobs: Blobs) -> tuple[dict[str, str], Why | None]:
        folder = self._folder(job)
        try:
            with directory(folder, "outputs") as handle:
                names = sorted(os.listdir(handle))  # noqa: PTH208 - of a handle
            if len(names) > OUTPUT_FILES_MAX:
                params = (("found", len(names)), ("most", OUTPUT_FILES_MAX))
                return {}, Why("compute.failed_output_count", params)
            left, taken = OUTPUTS_BYTES_MAX, {}
            for name in names:
                if not FILE_NAME.fullmatch(name):
                    return {}, _no_file(name)
                with opened(folder, "outputs", name) as file:
                    portions = iter(lambda: file.read(PORTION_BYTES), b"")
                    blob = blobs.put_stream(portions, bytes_max=left)
                    left -= os.fstat(file.fileno()).st_size
                taken[name] = blob.digest
                if left < 0:
                    return {}, too_large(OUTPUTS_BYTES_MAX)
        except NotPlainError as odd:
            return {}, _no_file(str(odd))
        except Invalid:
            return {}, too_large(OUTPUTS_BYTES_MAX)
        except OSError as error:
            raise explain_os_error(error, folder) from error
        return taken, None

    def remove(self, job: str) -> None:
        """Remove its folder; of a cancelled one the word stays that it never begins."""
        folder = self._folder(job)
        if folder.is_symlink():  # another job of the site put it there: what it leads to stays
            folder.unlink(missing_ok=True)
            return
        keep = self.is_cancelled(job) and not (folder / "claimed").exists()
        with suppress(FileNotFoundError):
            for entry in list(os.scandir(folder)):
                if keep and entry.name == "cancelled":
                    continue
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    Path(entry.path).unlink(missing_ok=True)
            if not keep:
                with suppress(OSError):
                    folder.rmdir()

    def place(self, job: str) -> str:
        """A job's folder as the site sees it."""
        return self._place(job)

    def _folder(self, job: str) -> Path:
        if not _JOB_ID.fullmatch(job):
            raise ValueError(f"{job!r} cannot name a folder")
        return self.here / job

    def _place(self, job: str) -> str:
        return f"{self.there.rstrip('/')}/{job}"


def _emptied(folder: Path) -> None:
    """Remove what is in a folder that nothing runs in yet."""
    for entry in list(os.scandir(folder)):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            Path(entry.path).unlink()


def _no_file(name: str) -> Why:
    shown = name.encode("ascii", "backslashreplace").decode()[:100]
    return Why("compute.failed_output_kind", (("name", shown),))


def _number(value: Json, *, least: int) -> int:
    """What a job says of itself, as far as it can be a count."""
    return min(max(value, least), INTEGER_MAX) if type(value) is int else least


def _why(job: Job, said: JsonObject) -> Why | None:
    """Why the program failed, by its own end; None where that tells nothing."""
    status = said.get("status")
    if type(status) is not int or status == 0:
        return None
    if said.get("cause") == "wall":
        return Why("compute.failed_wall", (("wall_seconds_max", job.wall_seconds_max),))
    if said.get("cause") in ("stopped", station.SAVED):
        return None
    used_ms = _number(said.get("cpu_user_ms"), least=0) + _number(
        said.get("cpu_system_ms"), least=0
    )
    number = status - _SIGNAL_BASE
    # The kernel counts the limit by ticks, and what was used more finely: the two may differ.
    if number == signal.SIGXCPU or (
        number == signal.SIGKILL and used_ms >= job.cpu_seconds_max * 900 - 300
    ):
        return Why("compute.failed_cpu", (("cpu_seconds_max", job.cpu_seconds_max),))
    if 0 < number < _SIGNAL_BASE // 2:
        return Why("compute.failed_signal", (("signal", number),))
    return Why("compute.failed_exit", (("status", min(max(status, 0), 255)),))


def _environment(job: Job) -> dict[str, Json]:
    threads = str(job.devices)
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "NUMEXPR_NUM_THREADS": threads,
        "MALLOC_ARENA_MAX": "2",
    }
