"""Reads Slurm's job completion file (``jobcomp/filetxt``): what ended after Slurm forgot it.

A line is ``JobId=1 … Name=… JobState=COMPLETED … StartTime=2026-11-22T17:49:23 EndTime=… NodeList=…
ExitCode=0:0``; values hold no spaces, except a name that its user gave one, which ours have not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from yunhe.compute.providers.slurm_rest import Job
from yunhe.storage.blobs import explain_os_error

READ_BYTES_MAX = 64 << 20
"""How much of the file's end is read."""
_NONE = "(null)"


def read(file: Path, *, names: Collection[str], timezone: str) -> dict[str, Job]:
    """The last end of each job by name, its runs counted; a line cut short is passed over.

    Errors: `Unavailable` when the file cannot be read; one that is not there yet is empty.
    """
    zone, wanted = ZoneInfo(timezone), set(names)
    found: dict[str, Job] = {}
    for line in _lines(file):
        fields = dict(part.partition("=")[::2] for part in line.split())
        if fields.get("Name") not in wanted or "ExitCode" not in fields:
            continue
        job = _job(fields, zone)
        if job is None or (not job.nodes and job.name in found):
            continue  # refused at the door, beside one that was not
        before = found.get(job.name)
        again = before is not None and before.number == job.number
        found[job.name] = _counted(job, before.restarts + 1 if before and again else 0)
    return found


def _lines(file: Path) -> Iterator[str]:
    try:
        with file.open("rb") as opened:
            opened.seek(max(file.stat().st_size - READ_BYTES_MAX, 0))
            for line in opened:
                if line.endswith(b"\n"):
                    yield line.decode("utf-8", "replace")
    except FileNotFoundError:
        return
    except OSError as error:
        raise explain_os_error(error, file) from error


def _job(fields: dict[str, str], zone: ZoneInfo) -> Job | None:
    try:
        start, end = (
            datetime.fromisoformat(fields[name]).replace(tzinfo=zone)
            for name in ("StartTime", "EndTime")
        )
        if end < start:  # the clocks went back meanwhile, and the hour came twice
            end = end.replace(fold=1)
        nodes = fields["NodeList"]
        return Job(
            number=int(fields["JobId"]),
            name=fields["Name"],
            states=(fields["JobState"],),
            reason="",
            start=int(start.timestamp()),
            end=int(end.timestamp()),
            status=int(fields["ExitCode"].partition(":")[0]),
            restarts=0,
            nodes="" if nodes == _NONE else nodes,
        )
    except (KeyError, ValueError):
        return None


def _counted(job: Job, restarts: int) -> Job:
    return Job(
        job.number,
        job.name,
        job.states,
        job.reason,
        job.start,
        job.end,
        job.status,
        restarts,
        job.nodes,
    )
