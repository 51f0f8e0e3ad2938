"""Fits a classifier: deterministic on one machine for equal rows, settings and library versions.

Multinomial logistic regression over character n-grams, whose features are first scaled by how much
they tell the classes apart and whose confidence is then set right on rows it has not seen.

Source: the scaling follows Wang and Manning (2012), "Baselines and Bigrams", section 2.1, as the
root mean square of the log-count ratios of each class against the others; the confidence follows
Guo et al. (2017), "On Calibration of Modern Neural Networks", section 4.2 (temperature).
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import scipy.optimize
import scipy.sparse
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from yunhe.kernel.progress import Progress
from yunhe.models.classifier import Classifier, softmax
from yunhe.models.features import Floats, Ngrams, common_ngrams, encode

STEPS_MAX = 200
"""Steps of the solver after which it stops, converged or not."""
TOLERANCE = 3e-4
"""Largest gradient at which it counts as converged; smaller ones cost time and changed no score."""
TEXTS_PER_FEATURE_MIN = 2
"""An n-gram of a single text teaches nothing about others, and would point at that text."""
CALIBRATION_SHARE = 10
"""One group in this many is set aside to learn the temperature."""
CALIBRATION_ROWS_MIN = 50
"""With fewer rows set aside the temperature stays 1."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides the outcome besides the rows."""

    seed: int = 0
    """Chooses the groups set aside for the temperature; nothing else is random."""
    ngrams: Ngrams = field(default_factory=Ngrams)
    """Which n-grams count."""
    features: int = 65_536
    """Most n-grams in the vocabulary."""
    regularisation: float = 0.3
    """Strength of the L2 penalty: the inverse of scikit-learn's ``C``."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Training data."""

    texts: Sequence[str]
    """One text a row."""
    labels: Sequence[str]
    """Its class."""
    groups: Sequence[str]
    """Rows of one group are near-duplicates and are never divided."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A classifier and how it came about."""

    classifier: Classifier
    """Ready to serve."""
    steps: int
    """Steps the solver took."""
    converged: bool
    """Whether it stopped by itself."""
    calibration_rows: int
    """Rows the temperature was learnt from; 0 when there were too few."""
    temperature: float
    """Scores were divided by this; below 1 the raw model was too timid."""


@dataclass(frozen=True, slots=True)
class _Linear:
    weights: Floats  # features × classes, for rows that are not scaled
    bias: Floats
    steps: int

    @classmethod
    def of(cls, solver: LogisticRegression, scale: Floats) -> _Linear:
        weights, bias = solver.coef_, solver.intercept_
        if len(weights) == 1:  # two classes: one margin, which becomes two opposite scores
            weights = np.concatenate([-weights, weights]) / 2
            bias = np.concatenate([-bias, bias]) / 2
        return cls(weights.T * scale[:, None], bias, int(solver.n_iter_[0]))

    def within(self, scale: Floats) -> tuple[Floats, Floats]:
        """What the solver holds for rows scaled like this: the opposite of `of`."""
        weights = (self.weights / np.where(scale > 0, scale, 1.0)[:, None]).T
        if len(weights) == 2:
            return weights[1:] - weights[:1], self.bias[1:] - self.bias[:1]
        return weights, self.bias


def fit(rows: Rows, settings: Settings, progress: Progress) -> Fitted:
    """Fit a classifier on one thread.

    Errors: ``ValueError`` when there are fewer than two classes or no n-gram occurs in two texts;
    callers check that first. Cost: 20,000 texts of 100 letters in 12 classes take about 10 s.
    """
    with threadpool_limits(1):
        classes, targets = np.unique(np.asarray(rows.labels, dtype=object), return_inverse=True)
        progress.step("models.step.features", done=0, total=3)
        vocabulary = common_ngrams(
            rows.texts, settings.ngrams, at_least=TEXTS_PER_FEATURE_MIN, most=settings.features
        )
        if len(classes) < 2 or not len(vocabulary):
            raise ValueError("two classes and one shared n-gram are needed")
        encoded = encode(rows.texts, vocabulary, settings.ngrams)
        shape = (len(rows.texts), len(vocabulary))
        matrix = scipy.sparse.csr_array((encoded.values, encoded.columns, encoded.offsets), shape)
        progress.step("models.step.confidence", done=1, total=3)
        aside = _set_aside(rows.groups, settings.seed)
        part, temperature = _calibrate(matrix, targets, aside, settings)
        progress.step("models.step.weights", done=2, total=3)
        linear = _solve(matrix, targets, settings, start=part)
        progress.step("models.step.weights", done=3, total=3)
    classifier = Classifier(
        tuple(str(name) for name in classes),
        settings.ngrams,
        vocabulary,
        (linear.weights / temperature).astype(np.float32),
        (linear.bias / temperature).astype(np.float32),
    )
    calibration_rows = 0 if part is None else int(aside.sum())
    return Fitted(classifier, linear.steps, linear.steps < STEPS_MAX, calibration_rows, temperature)


def _solve(
    matrix: scipy.sparse.csr_array,
    targets: NDArray[np.int64],
    settings: Settings,
    *,
    start: _Linear | None = None,
) -> _Linear:
    scale = _telling(matrix, targets)
    scaled = (matrix @ scipy.sparse.diags_array(scale)).tocsr()
    # 32-bit indices are what the solver's kernels take; a batch this small always fits.
    scaled.indices, scaled.indptr = scaled.indices.astype(np.int32), scaled.indptr.astype(np.int32)
    solver = LogisticRegression(
        C=1.0 / settings.regularisation, solver="lbfgs", tol=TOLERANCE, max_iter=STEPS_MAX
    )
    if start is not None:  # the solution for a part of the rows halves the steps for all of them
        solver.warm_start = True
        solver.coef_, solver.intercept_ = start.within(scale)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # reported in the manifest instead
        solver.fit(scaled, targets)
    return _Linear.of(solver, scale)


def _telling(matrix: scipy.sparse.csr_array, targets: NDArray[np.int64]) -> Floats:
    """How much each feature tells the classes apart: 0 when every class uses it alike."""
    count = int(targets.max()) + 1
    rows = np.arange(len(targets))
    of_class = scipy.sparse.csr_array((np.ones(len(rows)), (targets, rows)), (count, len(rows)))
    present = scipy.sparse.csr_array(
        (np.ones(matrix.nnz), matrix.indices, matrix.indptr), matrix.shape
    )
    inside = (of_class @ present).toarray()
    outside = inside.sum(axis=0) - inside
    inside, outside = inside + 1.0, outside + 1.0
    inside /= inside.sum(axis=1, keepdims=True)
    outside /= outside.sum(axis=1, keepdims=True)
    ratio = np.log(inside / outside)
    telling: Floats = np.sqrt((ratio * ratio).mean(axis=0))
    return telling


def _set_aside(groups: Sequence[str], seed: int) -> NDArray[np.bool_]:
    """Which rows the temperature is learnt from: whole groups, chosen by a hash with the seed."""
    chosen = {
        group: hashlib.sha256(f"{seed}:{group}".encode()).digest()[0] % CALIBRATION_SHARE == 0
        for group in set(groups)
    }
    return np.fromiter((chosen[group] for group in groups), bool, len(groups))


def _calibrate(
    matrix: scipy.sparse.csr_array,
    targets: NDArray[np.int64],
    aside: NDArray[np.bool_],
    settings: Settings,
) -> tuple[_Linear | None, float]:
    """A solution without the rows set aside, and the divisor that makes those most likely."""
    count = int(targets.max()) + 1
    if aside.sum() < CALIBRATION_ROWS_MIN or len(np.unique(targets[~aside])) < count:
        return None, 1.0
    part = _solve(matrix[~aside], targets[~aside], settings)
    scores = matrix[aside] @ part.weights + part.bias
    rows, truth = np.arange(len(scores)), targets[aside]

    def surprise(log_factor: float) -> float:
        likely = softmax(scores * np.exp(log_factor))[rows, truth]
        return float(-np.log(np.maximum(likely, 1e-12)).mean())

    best = scipy.optimize.minimize_scalar(surprise, bounds=(-2.0, 2.0), method="bounded")
    # Rounded, so that the last digits of an optimiser are not part of a model's identity.
    return part, round(float(np.exp(-best.x)), 3)
