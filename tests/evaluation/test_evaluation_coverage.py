"""An interval called 95 % holds the true value in 93 to 97 % of simulated evaluations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from yunhe.evaluation import statistics as stats

CLASSES = 4
PRIOR = np.array([0.1, 0.2, 0.3, 0.4])
RIGHT = np.array([0.65, 0.72, 0.79, 0.86])
"""How often the model is right about each class; the baseline is right 0.15 less often."""
SIMULATIONS = 1_000
"""Standard error of a coverage of .95: 0.7 points."""
Sample = tuple[stats.Labels, stats.Labels, stats.Labels, stats.Labels]


def population(groups: int, draw: np.random.Generator, *, clustered: bool) -> Sample:
    """Truth, model, baseline, group; items of a group share their class and most of their luck."""
    sizes = draw.geometric(0.5, groups) if clustered else np.ones(groups, np.int64)
    group = np.repeat(np.arange(groups), sizes)
    truth = draw.choice(CLASSES, groups, p=PRIOR)[group]
    shared = draw.random(len(group)) < 0.7
    luck = np.where(shared, draw.random(groups)[group], draw.random(len(group)))
    model = np.where(luck < RIGHT[truth], truth, (truth + 1) % CLASSES)
    again = np.where(draw.random(len(group)) < 0.6, luck, draw.random(len(group)))
    baseline = np.where(again < RIGHT[truth] - 0.15, truth, (truth + 2) % CLASSES)
    return truth, model, baseline, group


def macro(truth: stats.Labels, predicted: stats.Labels) -> float:
    return stats.macro_f1(stats.confusion_matrix(truth, predicted, classes=CLASSES))


def expected_macro(right: stats.Reals, step: int) -> float:
    """The macro-F1 of the population itself, in closed form."""
    hit = PRIOR * right
    predicted = hit + np.roll(PRIOR * (1 - right), step)
    return float((2 * hit / (PRIOR + predicted)).mean())


def intervals(sample: Sample, seed: int) -> dict[str, stats.Interval]:
    truth, model, baseline, group = sample
    groups = int(group[-1]) + 1
    made = stats.resample(
        truth, [model, baseline], group, classes=CLASSES, seed=seed, resamples=600
    )
    points = [macro(truth, model), macro(truth, baseline)]
    return {
        "macro_f1": stats.score_interval(
            points[0], made.macro_f1[0], groups=groups, items=len(truth)
        ),
        "difference": stats.difference_interval(
            points[0] - points[1],
            made.macro_f1[0] - made.macro_f1[1],
            groups=groups,
            disagreement=stats.share_interval(model != baseline, group),
        ),
        "accuracy": stats.share_interval(truth == model, group),
        "recall": stats.share_interval((truth == model)[truth == 2], group[truth == 2]),
    }


@pytest.mark.parametrize("clustered", [False, True], ids=["single", "clustered"])
@pytest.mark.parametrize("groups", [100, 300])
def test_intervals_hold_the_true_value_as_often_as_they_say(
    groups: int, *, clustered: bool
) -> None:
    model, baseline = expected_macro(RIGHT, 1), expected_macro(RIGHT - 0.15, 2)
    true = {
        "macro_f1": model,
        "difference": model - baseline,
        "accuracy": float((PRIOR * RIGHT).sum()),
        "recall": float(RIGHT[2]),
    }
    draw = np.random.default_rng(20_261_122 + groups)
    held = dict.fromkeys(true, 0)
    for simulation in range(SIMULATIONS):
        found = intervals(population(groups, draw, clustered=clustered), simulation)
        for name, interval in found.items():
            held[name] += interval.low <= true[name] <= interval.high
    for name, count in held.items():
        assert 0.93 <= count / SIMULATIONS <= 0.97, (name, count / SIMULATIONS)


def near_perfect(groups: int, draw: np.random.Generator, right: float) -> Sample:
    truth = draw.choice(CLASSES, groups, p=PRIOR)
    model = np.where(draw.random(groups) < right, truth, (truth + 1) % CLASSES)
    return truth, model, truth, np.arange(groups)


@pytest.mark.parametrize("right", [0.95, 0.99])
def test_a_lower_bound_near_one_is_too_high_in_at_most_one_in_forty(right: float) -> None:
    true = expected_macro(np.full(CLASSES, right), 1)
    draw = np.random.default_rng(77)
    too_high = 0
    for simulation in range(600):
        truth, model, _, group = near_perfect(300, draw, right)
        made = stats.resample(
            truth, [model], group, classes=CLASSES, seed=simulation, resamples=500
        )
        interval = stats.score_interval(
            macro(truth, model), made.macro_f1[0], groups=300, items=300
        )
        too_high += interval.low > true
    assert too_high / 600 <= 0.037  # 2.5 % and two standard errors


Verdict = Callable[[int], float]


@pytest.mark.parametrize(
    ("bound", "most"), [(lambda hits: hits / 1_000, 0.25), (None, 0.01)], ids=["naive", "wilson"]
)
def test_a_model_below_the_gate_passes_it_at_most_one_time_in_a_hundred(
    bound: Verdict | None, most: float
) -> None:
    draw = np.random.default_rng(5)
    hits = draw.binomial(1_000, 0.89, size=20_000)
    low = bound or (lambda hits: stats.wilson(hits / 1_000, 1_000)[0])
    passed = sum(low(int(h)) >= 0.90 for h in hits) / len(hits)
    assert passed <= most
    if bound:
        assert passed > 0.1  # so the gate on the estimate really is that much worse
