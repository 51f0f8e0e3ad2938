"""Scores of a classifier and what they are worth: pure functions of labels, groups and a seed.

Items of one group (near-duplicates) are not independent, so groups are what is resampled and what
variances are counted by. Intervals are two-sided at `CONFIDENCE`; a gate reads their lower end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
"""How often an interval holds the true value."""
RESAMPLES = 2_000
"""Bootstrap resamples behind an interval."""
_Z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
_CHUNK_CELLS = 4_000_000  # weights drawn at a time: 32 MB

Labels = NDArray[np.int64]
"""int64[n]: a class index, or a group index, per item."""
Counts = NDArray[np.int64]
"""Whole numbers."""
Reals = NDArray[np.float64]
"""Scores."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and where the true value lies at `CONFIDENCE`."""

    point: float
    """The estimate."""
    low: float
    """Never above the estimate."""
    high: float
    """Never below the estimate."""


@dataclass(frozen=True, slots=True)
class PerClass:
    """Scores of each class; 0 where nothing was to be found or nothing was predicted."""

    precision: Reals
    """float64[classes]: predicted rightly of those predicted."""
    recall: Reals
    """float64[classes]: predicted rightly of those there are."""
    f1: Reals
    """float64[classes]: harmonic mean of the two."""
    support: Counts
    """int64[classes]: items of the class."""
    predicted: Counts
    """int64[classes]: items taken for the class."""


def confusion_matrix(truth: Labels, predicted: Labels, *, classes: int) -> Counts:
    """int64[classes, classes]: how many of the row's class were taken for the column's."""
    cells = np.bincount(truth * classes + predicted, minlength=classes * classes)
    return cells.astype(np.int64).reshape(classes, classes)


def accuracy(matrix: Counts) -> float:
    """Share of items predicted rightly; 0 for no items."""
    return float(np.trace(matrix) / max(1, matrix.sum()))


def per_class(matrix: Counts) -> PerClass:
    """Precision, recall and F1 of every class."""
    right, support, predicted = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    return PerClass(
        precision=right / np.maximum(predicted, 1),
        recall=right / np.maximum(support, 1),
        f1=2 * right / np.maximum(support + predicted, 1),
        support=support,
        predicted=predicted,
    )


def macro_f1(matrix: Counts) -> float:
    """Mean F1 of the classes that have items; 0 for no items."""
    scores = per_class(matrix)
    return float(_macro(scores.f1, scores.support))


def _macro(f1: Reals, support: Counts) -> Reals:
    there = support > 0
    mean: Reals = (f1 * there).sum(axis=-1) / np.maximum(there.sum(axis=-1), 1)
    return mean


def t_quantile(freedom: int) -> float:
    """Two-sided quantile of Student's t at `CONFIDENCE`; within 0.001 from 10 degrees on.

    Source: Abramowitz & Stegun 26.7.5, four terms.
    """
    z = _Z
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )


def wilson(share: float, trials: float) -> tuple[float, float]:
    """Interval of a share seen in so many trials, whole or effective; (0, 1) for none.

    Source: Wilson (1927), JASA 22, 209–212.
    """
    if trials <= 0:
        return 0.0, 1.0
    square = _Z**2 / trials
    centre = (share + square / 2) / (1 + square)
    half = sqrt(share * (1 - share) / trials + square / (4 * trials)) * _Z / (1 + square)
    return max(0.0, centre - half), min(1.0, centre + half)


def share_interval(hits: NDArray[np.bool_], groups: Labels) -> Interval:
    """Share of ``hits`` with Wilson's interval for as many trials as the groups are worth.

    Where every group is one item this is plain Wilson. Source: Korn & Graubard (1998), Survey
    Methodology 24, 193–201 (effective trials and t instead of z), with Wilson's interval.
    """
    items = len(hits)
    if items == 0:
        return Interval(0.0, 0.0, 1.0)
    share = float(hits.mean())
    _, index, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    trials = float(items)
    if len(sizes) < items:
        trials /= _design_effect(hits.astype(np.float64) - share, index, sizes)
        trials *= (_Z / t_quantile(max(1, len(sizes) - 1))) ** 2
    low, high = wilson(share, trials)
    return Interval(share, min(low, share), max(high, share))


def _design_effect(deviations: Reals, index: Labels, sizes: Counts) -> float:
    """How many times larger the variance is than that of independent items; at least 1."""
    items, groups = len(deviations), len(sizes)
    independent = float((deviations**2).sum()) / items**2
    if independent == 0 or groups == 1:
        # All hits or none: nothing shows how alike the items of a group are, so assume wholly.
        return float((sizes**2).sum() / items)
    sums = np.bincount(index, weights=deviations)
    return max(1.0, float((sums**2).sum()) * groups / (groups - 1) / items**2 / independent)


@dataclass(frozen=True, slots=True)
class Resampled:
    """Scores of several systems under the same resamples, so that they can be subtracted."""

    macro_f1: Reals
    """float64[systems, resamples]."""
    accuracy: Reals
    """float64[systems, resamples]."""
    f1: Reals
    """float64[systems, resamples, classes]."""


def resample(
    truth: Labels,
    predictions: Sequence[Labels],
    groups: Labels,
    *,
    classes: int,
    seed: int,
    resamples: int = RESAMPLES,
) -> Resampled:
    """Cluster bootstrap: draw as many groups as there are, with replacement, and score anew.

    Groups with the same content are drawn together as one multinomial count, so the cost depends on
    how many different ones there are. Cost: 4,000 items, 12 classes: about 0.1 s; memory bounded.
    Source: Davison & Hinkley (1997), Bootstrap Methods, §3.8.
    """
    outcome, features = _outcomes(truth, predictions, classes)
    contents, copies = _patterns(outcome, groups, features)
    count = int(copies.sum())
    generator = np.random.default_rng(seed)
    at_a_time = max(1, _CHUNK_CELLS // len(copies))
    drawn = [
        generator.multinomial(count, copies / count, size=min(at_a_time, resamples - start))
        @ contents
        for start in range(0, resamples, at_a_time)
    ]
    sums = np.concatenate(drawn).reshape(resamples, 1 + 2 * len(predictions), classes)
    support = sums[:, 0]
    f1 = np.stack(
        [
            2 * sums[:, 1 + 2 * s] / np.maximum(support + sums[:, 2 + 2 * s], 1)
            for s in range(len(predictions))
        ]
    )
    right = sums[:, 1::2].sum(axis=2).T
    return Resampled(_macro(f1, support), right / support.sum(axis=1), f1)


def _outcomes(truth: Labels, predictions: Sequence[Labels], classes: int) -> tuple[Labels, Counts]:
    """Number each different (truth, predictions…); what each adds to support, right, predicted."""
    code = truth.copy()
    for predicted in predictions:
        code = code * classes + predicted
    _, first, outcome = np.unique(code, return_index=True, return_inverse=True)
    one = np.eye(classes, dtype=np.int64)
    truths = truth[first]
    columns = [one[truths]]
    for predicted in predictions:
        taken = predicted[first]
        columns += [one[truths] * (truths == taken)[:, None], one[taken]]
    return outcome.astype(np.int64), np.concatenate(columns, axis=1)


def _patterns(outcome: Labels, groups: Labels, features: Counts) -> tuple[Counts, Counts]:
    """The different contents of groups, summed over their items, and how many groups have each."""
    order = np.lexsort((outcome, groups))
    outcome, groups = outcome[order], groups[order]
    starts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
    sizes = np.diff(np.r_[starts, len(groups)])
    alone, singles = np.unique(outcome[starts[sizes == 1]], return_counts=True)
    several: dict[bytes, int] = {}
    for start, size in zip(starts[sizes > 1], sizes[sizes > 1], strict=True):
        content = outcome[start : start + size].tobytes()
        several[content] = several.get(content, 0) + 1
    sums = [features[np.frombuffer(content, np.int64)].sum(axis=0) for content in several]
    contents = np.vstack([features[alone], *sums])
    return contents, np.r_[singles, np.array(list(several.values()), np.int64)]


def score_interval(point: float, samples: Reals, *, groups: int, items: int) -> Interval:
    """Interval of a score in [0, 1]: percentiles, but at the low end no bolder than Wilson's.

    Percentiles alone claim too much near 1, where a resample can hardly be worse than the few
    errors that were seen. Wilson's bound for as many trials as the spread of the samples is worth
    (``items`` when there is no spread) repairs that; below about .9 the two agree.
    """
    low, high = _percentiles(samples, groups)
    spread = float(samples.var())
    trials = float(items)
    if spread > 0 and 0 < point < 1:
        trials = point * (1 - point) / spread * (groups - 1) / groups
    trials *= (_Z / t_quantile(max(1, groups - 1))) ** 2
    cautious_low, cautious_high = wilson(point, trials)
    if spread == 0:
        high = cautious_high
    return Interval(point, min(low, cautious_low, point), max(high, point))


def difference_interval(
    point: float, samples: Reals, *, groups: int, disagreement: Interval
) -> Interval:
    """Interval of a paired difference: percentiles.

    Where the systems never disagree nothing varies; then by as much as they may disagree unseen.
    """
    low, high = _percentiles(samples, groups)
    if float(samples.var()) == 0:
        low, high = point - disagreement.high, point + disagreement.high
    return Interval(point, min(low, point), max(high, point))


def _percentiles(samples: Reals, groups: int) -> tuple[float, float]:
    """Percentiles, widened for few groups as t is wider than z.

    Source: Hesterberg (2015), The American Statistician 69, 371–386 (expanded percentile).
    """
    reach = t_quantile(groups - 1) * sqrt(groups / (groups - 1)) if groups > 1 else _Z
    tail = NormalDist().cdf(-reach)
    low, high = np.quantile(samples, [tail, 1 - tail])
    return float(low), float(high)
