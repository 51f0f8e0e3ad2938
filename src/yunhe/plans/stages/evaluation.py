"""The model is tested on what it never saw, beside the baseline it must beat."""

from __future__ import annotations

from yunhe.evaluation import service as evaluation
from yunhe.evaluation.domain import Baseline, Gate
from yunhe.kernel.canonical import JsonObject
from yunhe.models import service as models
from yunhe.plans.checking import read_keywords
from yunhe.plans.run import Run


def evaluate(run: Run) -> JsonObject:
    """Score model and baseline on the held-out part; the gate's verdict is left, not raised."""
    plan = run.plan.evaluation
    with run.storage.database.begin() as tx:
        run.actor(tx, plan.evaluator, "evaluator")
        split = evaluation.find_split(tx, run.left("exchange", "split"))
    made = evaluation.evaluate(
        run.storage,
        key=run.key("evaluation"),
        predictor=models.load(run.storage, run.left("models", "digest")),
        model_version=run.left("models", "version"),
        model_reference=run.left("models", "reference"),
        model_digest=run.left("models", "digest"),
        split=split,
        baseline=_baseline(run),
        gate=Gate(plan.gate.metric, str(plan.gate.at_least), str(plan.gate.over_baseline)),
        seed=run.plan.seed,
    )
    return {
        "evaluation": made.id,
        "reference": made.reference,
        "results": made.results_digest,
        "passed": made.passed,
    }


def _baseline(run: Run) -> Baseline:
    plan = run.plan.evaluation.baseline
    if plan.keywords_file is None:
        return Baseline(plan.kind, plan.keywords or {})
    return Baseline(plan.kind, read_keywords(run.folder / plan.keywords_file))
