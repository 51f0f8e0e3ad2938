"""``custody.audit``: the whole log recomputed and held against the outside checkpoints.

Payload: none. Result: ``ok``, ``leaves``, ``erased``, ``pending``, ``checkpoints`` and ``problems``
(place and code of each).
"""

from __future__ import annotations

from collections.abc import Callable

from yunhe.app import Platform
from yunhe.identity import service as identity
from yunhe.kernel.canonical import JsonObject
from yunhe.kernel.progress import Halt, Progress
from yunhe.operations.task import Task


def audit(
    platform: Platform,
    task: Task,
    *,
    progress: Progress,
    halt: Callable[[], Halt],  # noqa: ARG001 (one pass over the log in one transaction)
) -> JsonObject:
    """Audit it; for whoever runs the platform. Errors: `NotAllowed` ``identity.role_missing``."""
    with platform.storage.database.read() as tx:
        identity.require(tx, task.operation.member, "operator")
    progress.step("operations.step.audit", done=0)
    found = platform.audit(None)
    return {
        "ok": found.ok,
        "leaves": found.leaves,
        "erased": found.erased,
        "pending": found.pending,
        "checkpoints": found.checkpoints,
        "problems": [{"where": each.where, "code": each.code} for each in found.problems],
    }
