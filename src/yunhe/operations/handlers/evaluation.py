"""``evaluation.split`` and ``evaluation.evaluate``: data divided, and a model tested on it.

Payload of a split: ``grant`` (id), ``purpose``, ``held_out_percent``, ``seed``; the grant must be
the asking organisation's. Result: ``split`` (id) and ``reference``.

Payload of an evaluation: ``model`` (id), ``baseline`` (kind), optionally ``keywords`` (digest of
the baseline's words as JSON), ``metric``, ``at_least``, ``over_baseline``, ``seed``. The split is
the one the model was registered with. Result: ``evaluation`` (id), ``reference``, ``passed``.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from yunhe.app import Platform
from yunhe.custody import service as custody
from yunhe.evaluation import service as evaluation
from yunhe.evaluation.domain import Baseline, Gate
from yunhe.exchange import service as exchange
from yunhe.identity import service as identity
from yunhe.kernel.canonical import JsonObject
from yunhe.kernel.progress import Halt, Progress
from yunhe.models import service as models
from yunhe.operations.task import Task, payload_invalid


def split(
    platform: Platform,
    task: Task,
    *,
    progress: Progress,
    halt: Callable[[], Halt],  # noqa: ARG001 (two steps, each reported)
) -> JsonObject:
    """Open a dataset under its grant, as one access however often it is tried, and divide it.

    Errors: those of `exchange.service.open_dataset` and `evaluation.service.split`.
    """
    storage, operation = platform.storage, task.operation
    key = f"operation/{operation.id}"
    with storage.database.read() as tx:
        identity.require(tx, operation.member, "trainer")
    progress.step("evaluation.opening", done=0)
    data = exchange.open_dataset(
        storage,
        grant=task.text("grant"),
        organisation=operation.organisation,
        purpose=task.text("purpose"),
        key=key,
    )
    with storage.database.read() as tx:
        grant = exchange.grant(tx, task.text("grant"))
    progress.step("evaluation.dividing", done=0)
    made = evaluation.split(
        storage,
        key=key,
        dataset_digest=grant.dataset_digest,
        data=data,
        grant_reference=grant.reference,
        held_out_percent=_number(task, "held_out_percent"),
        seed=_number(task, "seed"),
    )
    return {"split": made.id, "reference": made.reference}


def evaluate(
    platform: Platform,
    task: Task,
    *,
    progress: Progress,
    halt: Callable[[], Halt],  # noqa: ARG001 (two steps, each reported)
) -> JsonObject:
    """Test a model on what its split held out; done twice for one operation it has one effect.

    Errors: those of `evaluation.service.require_examiner` and `evaluation.service.evaluate`.
    """
    storage, operation = platform.storage, task.operation
    with storage.database.read() as tx:
        version = evaluation.require_examiner(
            tx, version=task.text("model"), member=operation.member
        )
        registered = custody.record(tx, version.reference)
        divided = custody.record(tx, registered.links["split"])
        tested_on = evaluation.find_split(tx, divided.subject)
    progress.step("evaluation.loading", done=0)
    predictor = models.load(storage, version.model_digest)
    progress.step("evaluation.testing", done=0, total=tested_on.documents_heldout)
    made = evaluation.evaluate(
        storage,
        key=f"operation/{operation.id}",
        predictor=predictor,
        model_version=version.id,
        model_reference=version.reference,
        model_digest=version.model_digest,
        split=tested_on,
        baseline=_baseline(platform, task),
        gate=Gate(task.text("metric"), task.text("at_least"), task.text("over_baseline")),
        seed=_number(task, "seed"),
    )
    return {"evaluation": made.id, "reference": made.reference, "passed": made.passed}


def _baseline(platform: Platform, task: Task) -> Baseline:
    digest = task.optional("keywords")
    words = json.loads(platform.storage.blobs.read(digest)) if digest else {}
    return Baseline(task.text("baseline"), words)


def _number(task: Task, name: str) -> int:
    value = task.payload.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise payload_invalid(name)
    return value
