"""``corpus.cleanse``: a certified dataset from an uploaded file.

Payload: ``input`` (digest), ``file`` (its name; the ending tells the format), ``name``,
``licence``, ``text`` (column), and optionally ``label``, ``id`` (columns), ``synthetic``,
``profile``, ``truth`` (digest), ``source`` (its id in the register of sources), ``workload`` (a
settled one that did it). The holder is the organisation that asks. Result: ids, references and
digests of `corpus.domain.Cleansed`, without the certificate itself.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import fields

from yunhe.app import Platform
from yunhe.corpus import service as corpus
from yunhe.corpus.domain import Cleansed, CleanseRequest, Columns
from yunhe.kernel.canonical import JsonObject
from yunhe.kernel.progress import Halt, Progress
from yunhe.operations.task import Task, folder_of, payload_invalid
from yunhe.storage import uploads

_ENDINGS = re.compile(r".*(\.jsonl|\.jsonl\.gz|\.csv|\.csv\.gz|\.parquet)", re.IGNORECASE)


def cleanse(
    platform: Platform,
    task: Task,
    *,
    progress: Progress,
    halt: Callable[[], Halt],  # noqa: ARG001 (progress is reported for every batch)
) -> JsonObject:
    """Cleanse it; done twice for one operation it has one effect.

    Errors: `NotFound` ``storage.upload_unknown``; `Invalid` ``operations.payload_invalid``; those
    of `corpus.service.cleanse`.
    """
    operation, digest, truth = task.operation, task.text("input"), task.optional("truth")
    ending = _ENDINGS.fullmatch(task.text("file"))
    if ending is None:
        raise payload_invalid("file")
    with platform.storage.database.read() as tx:
        uploads.require(tx, operation.organisation, [digest, *([truth] if truth else [])])
    with folder_of(platform.settings.home, task) as folder:
        blobs = platform.storage.blobs
        path = blobs.fetch(digest, folder / f"input{ending[1].lower()}")
        made = corpus.cleanse(
            platform.storage,
            CleanseRequest(
                key=f"operation/{operation.id}",
                path=path,
                name=task.text("name"),
                holder=operation.organisation,
                licence=task.text("licence"),
                synthetic=task.flag("synthetic"),
                columns=Columns(task.text("text"), task.optional("label"), task.optional("id")),
                profile=corpus.load_profile(task.optional("profile") or corpus.PROFILE),
                truth=blobs.fetch(truth, folder / "truth.jsonl") if truth else None,
                threads=platform.settings.threads or os.cpu_count() or 1,
                source=task.optional("source"),
                workload=task.optional("workload"),
            ),
            progress=progress,
        )
    names = [field.name for field in fields(Cleansed) if field.name != "certificate"]
    return {name: getattr(made, name) for name in names}
