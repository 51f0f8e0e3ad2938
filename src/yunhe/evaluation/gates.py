"""Whether a model may go on: decided on lower bounds, by the very figures that are recorded."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from yunhe.evaluation.domain import Gate
from yunhe.evaluation.statistics import Interval
from yunhe.kernel.canonical import Json, decimal_text
from yunhe.kernel.errors import Finding, Invalid

METRICS = ("macro_f1", "accuracy")
"""What a gate can be about."""


def check(gate: Gate) -> None:
    """Refuse a gate that means nothing.

    Errors: `Invalid` ``evaluation.gate_invalid`` with every finding.
    """
    findings = []
    if gate.metric not in METRICS:
        findings.append(
            Finding("gate.metric", "evaluation.gate_metric", (("metric", gate.metric[:64]),))
        )
    for name, value in (("at_least", gate.at_least), ("over_baseline", gate.over_baseline)):
        if not _is_share(value):
            params = (("value", value[:64]),)
            findings.append(Finding(f"gate.{name}", "evaluation.gate_share", params))
    if findings:
        raise Invalid("evaluation.gate_invalid", findings=findings)


def _is_share(value: str) -> bool:
    try:
        number = Decimal(value)
    except InvalidOperation:
        return False
    return number.is_finite() and 0 <= number <= 1


def verdict(gate: Gate, *, score: Interval, difference: Interval) -> dict[str, Json]:
    """Both verdicts: by the estimates (``point``), and with 95 % confidence (``confident``).

    Only ``confident`` lets a model on. Figures are compared as recorded, with six places, so
    anybody can repeat the verdict from the record.
    """
    least, over = Decimal(gate.at_least), Decimal(gate.over_baseline)

    def reached(score_value: float, difference_value: float) -> tuple[bool, bool]:
        return (
            Decimal(decimal_text(score_value)) >= least,
            Decimal(decimal_text(difference_value)) >= over,
        )

    point = reached(score.point, difference.point)
    confident = reached(score.low, difference.low)
    return {
        "metric": gate.metric,
        "at_least": str(least),
        "over_baseline": str(over),
        "score": decimal_text(score.point),
        "score_low": decimal_text(score.low),
        "difference": decimal_text(difference.point),
        "difference_low": decimal_text(difference.low),
        "score_reached": confident[0],
        "difference_reached": confident[1],
        "point": _word(point),
        "confident": _word(confident),
    }


def _word(reached: tuple[bool, bool]) -> str:
    return "passed" if all(reached) else "failed"
