"""``identity.erasure``: a person's request to be erased.

Payload: ``subject`` and, for ``"member"``, ``member`` (id); for ``"document"``, ``source`` (id),
``document`` (the id it has in the dataset), and optionally ``remove_dataset``. Result: the report
of `operations.erasure`. The payload itself is emptied at the end.
"""

from __future__ import annotations

from collections.abc import Callable

from yunhe.app import Platform
from yunhe.corpus import service as corpus
from yunhe.identity import service as identity
from yunhe.kernel.canonical import JsonObject
from yunhe.kernel.errors import NotAllowed
from yunhe.kernel.progress import Halt, Progress
from yunhe.operations import erasure, store
from yunhe.operations.task import Task, payload_invalid
from yunhe.storage import leases
from yunhe.storage.operations import work_kind
from yunhe.storage.service import Storage


def erase(
    platform: Platform,
    task: Task,
    *,
    progress: Progress,
    halt: Callable[[], Halt],  # noqa: ARG001 (progress is reported between the steps)
) -> JsonObject:
    """Erase; killed anywhere, the next attempt finishes.

    Errors: `NotAllowed` ``operations.not_yours``; `Invalid` ``operations.payload_invalid``; those
    of `operations.erasure`.
    """
    storage, operation = platform.storage, task.operation
    with storage.database.read() as tx:
        done = store.erasure(tx, operation.id)
    if done is not None:
        return done
    subject = task.text("subject")
    if subject == "member":
        about = task.text("member")
        with storage.database.read() as tx:
            owner = identity.member(tx, about).organisation
        _check(storage, task, owner)
        report = erasure.erase_member(storage, about, besides=operation.id, progress=progress)
    elif subject == "document":
        about = task.text("source")
        with storage.database.read() as tx:
            owner = corpus.holder_of(tx, about)
        _check(storage, task, owner)
        report = erasure.erase_document(
            storage,
            source=about,
            document=task.text("document"),
            remove_dataset=task.flag("remove_dataset"),
            progress=progress,
        )
    else:
        raise payload_invalid("subject")
    with storage.database.begin() as tx:
        store.add_erasure(
            tx,
            erasure=operation.id,
            kind=subject,
            subject=about,
            asked_by=operation.member,
            report=report,
            at_us=storage.clock.now_us(),
        )
        leases.empty(tx, kind=work_kind(operation.kind), key=operation.id)
    storage.database.scrub()
    return report


def _check(storage: Storage, task: Task, owner: str) -> None:
    """Only the organisation concerned or the operator's."""
    asking = task.operation.organisation
    with storage.database.read() as tx:
        if asking != owner and identity.organisation(tx, asking).kind != "operator":
            raise NotAllowed("operations.not_yours")
