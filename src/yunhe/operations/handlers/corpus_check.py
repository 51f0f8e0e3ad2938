"""``corpus.check``: a tenth of a certified dataset, checked by the rules of a profile.

Payload: ``certificate`` (of a dataset that the asking organisation holds), and optionally
``profile``. Result: ``review`` and both verdicts.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from yunhe.app import Platform
from yunhe.corpus import errors
from yunhe.corpus import service as corpus
from yunhe.kernel.canonical import JsonObject
from yunhe.kernel.progress import Halt, Progress
from yunhe.operations.task import Task


def check(
    platform: Platform,
    task: Task,
    *,
    progress: Progress,
    halt: Callable[[], Halt],  # noqa: ARG001 (progress is reported for every batch)
) -> JsonObject:
    """Check it; done twice for one operation it has one effect.

    Errors: `NotFound` ``corpus.certificate_unknown``; those of `corpus.service.reviews.check`.
    """
    storage, certificate = platform.storage, task.text("certificate")
    with storage.database.read() as tx:
        found = corpus.certified(tx, certificate)
    if found.holder != task.operation.organisation:
        raise errors.certificate_unknown(certificate)
    issued: Any = json.loads(storage.blobs.read(found.certificate_digest))
    cleansed_by = (issued["body"].get("pipeline") or {}).get("profile") or {}
    name = task.optional("profile") or cleansed_by.get("name") or corpus.PROFILE
    done = corpus.reviews.check(
        storage, certificate, profile=corpus.load_profile(name), progress=progress
    )
    result = done.result or {}
    return {
        "review": done.id,
        "meets_standard": result["meets_standard"],
        "meets_with_confidence": result["meets_with_confidence"],
    }
