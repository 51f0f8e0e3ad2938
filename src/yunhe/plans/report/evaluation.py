"""The report's section on the evaluation."""

from __future__ import annotations

from yunhe.evaluation import service as evaluation
from yunhe.plans.report.reading import Object, child, children, number
from yunhe.plans.run import Run
from yunhe.reports.domain import (
    Artefact,
    ClassLine,
    Confusion,
    EvaluationSection,
    Gate,
    MetricLine,
    Phrase,
    Score,
)


def evaluation_section(run: Run) -> EvaluationSection:
    """Scores with their intervals, beside the baseline's, and the gate's verdict."""
    made = evaluation.find_evaluation(run.storage, run.left("evaluation", "evaluation"))
    with run.storage.database.read() as tx:
        split = evaluation.find_split(tx, made.split)
    results: Object = made.results
    baseline = child(results, "baseline")
    metrics = sorted(child(results, "scores"), key=lambda name: name != made.metric)
    return EvaluationSection(
        train_documents=split.documents_train,
        heldout_documents=split.documents_heldout,
        groups=split.groups,
        baseline_name=Phrase(f"plans.baseline.{made.baseline}"),
        metrics=tuple(
            MetricLine(
                Phrase(f"plans.metric.{name}"),
                _score(child(child(results, "scores"), name)),
                _score(child(child(baseline, "scores"), name)),
            )
            for name in metrics
        ),
        classes=tuple(
            ClassLine(
                str(row["label"]),
                number(row, "documents"),
                _score(child(row, "f1")),
                _score(child(row, "baseline_f1")),
            )
            for row in children(results, "classes")
        ),
        confusion=_confusion(results),
        gate=_gate(run, results, passed=made.passed),
        artefacts=(
            Artefact(Phrase("plans.artefact.train"), split.train_digest),
            Artefact(Phrase("plans.artefact.heldout"), split.heldout_digest),
            Artefact(Phrase("plans.artefact.results"), made.results_digest),
        ),
    )


def _score(interval: Object) -> Score:
    return Score(str(interval["point"]), str(interval["low"]), str(interval["high"]))


def _confusion(results: Object) -> Confusion | None:
    labels, rows = results["labels"], results["confusion"]
    if not isinstance(labels, list) or not isinstance(rows, list):
        return None
    counts = tuple(tuple(int(cell) for cell in row) for row in rows)
    return Confusion(tuple(str(label) for label in labels), counts)


def _gate(run: Run, results: Object, *, passed: bool) -> Gate:
    asked = run.plan.evaluation.gate
    score = child(child(results, "scores"), asked.metric)
    return Gate(
        metric=Phrase(f"plans.metric.{asked.metric}"),
        lower_bound=str(score["low"]),
        at_least=str(asked.at_least),
        over_baseline=str(asked.over_baseline),
        passed=passed,
    )
