"""Which handler does which kind of operation."""

from __future__ import annotations

from collections.abc import Mapping

from yunhe.operations.handlers.audit import audit
from yunhe.operations.handlers.backup import back_up
from yunhe.operations.handlers.corpus_check import check
from yunhe.operations.handlers.corpus_cleanse import cleanse
from yunhe.operations.handlers.erasure import erase
from yunhe.operations.handlers.evaluation import evaluate, split
from yunhe.operations.handlers.plans_run import run_plan
from yunhe.operations.task import Handler

HANDLERS: Mapping[str, Handler] = {
    "plans.run": run_plan,
    "corpus.cleanse": cleanse,
    "corpus.check": check,
    "identity.erasure": erase,
    "storage.backup": back_up,
    "evaluation.split": split,
    "evaluation.evaluate": evaluate,
    "custody.audit": audit,
}
"""By kind, as in `storage.operations.create`."""
