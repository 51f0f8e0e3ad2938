"""``storage.backup``: a snapshot of everything, in the home folder's ``backups``.

Payload: ``name`` of the backup folder (letters, digits, ``-``, ``_``), ``backup`` when absent. For
other places there is the command line: no request names a path on the server. Result: ``folder``,
``snapshot``, ``copied`` and ``copied_bytes`` (artefacts the folder had not held yet).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from yunhe.app import Platform
from yunhe.identity import service as identity
from yunhe.kernel.canonical import JsonObject
from yunhe.kernel.progress import Halt, Progress
from yunhe.operations.backup import backup
from yunhe.operations.task import Task, payload_invalid

FOLDER = "backups"
"""Where backups asked for by operations lie in the home folder."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


def back_up(
    platform: Platform,
    task: Task,
    *,
    progress: Progress,
    halt: Callable[[], Halt],  # noqa: ARG001 (progress is reported for every table and artefact)
) -> JsonObject:
    """Write a snapshot; one that was interrupted leaves nothing that looks like one.

    It holds everybody's data, so only an operator may ask for it. Errors: `NotAllowed`
    ``identity.role_missing``; `Invalid` ``operations.payload_invalid``; those of
    `operations.backup.backup`.
    """
    name = task.text("name", "backup")
    if not _NAME.fullmatch(name):
        raise payload_invalid("name")
    with platform.storage.database.read() as tx:
        identity.require(tx, task.operation.member, "operator")
    folder = platform.settings.home / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    made = backup(platform, folder / name, progress=progress)
    return {
        "folder": f"{FOLDER}/{name}",
        "snapshot": made.folder.name,
        "copied": made.copied,
        "copied_bytes": made.copied_bytes,
    }
