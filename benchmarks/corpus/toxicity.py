"""Toxicity: our classifier and scikit-learn's TF-IDF with logistic regression, on the same split.

Both are trained on the same rows of cold_train.csv, read in place, and measured on the same rows
that neither saw. Nothing trained here is kept.

    python benchmarks/corpus/toxicity.py
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import sklearn
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from yunhe.corpus import weights
from yunhe.corpus.kernels.utf8 import utf8
from yunhe.corpus.toxicity.model import KIND, Classifier
from yunhe.corpus.toxicity.rows import read_labelled
from yunhe.corpus.toxicity.training import split, train

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "corpora" / "cold_train.csv"
Result = TypeVar("Result")


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """The result and the CPU-seconds of the whole process it took."""
    before = time.process_time()
    return work(), time.process_time() - before


def scored(said: NDArray[np.bool_], toxic: NDArray[np.bool_], seed: int) -> str:
    drawn = np.random.Generator(np.random.PCG64(seed)).integers(0, len(said), (1000, len(said)))

    def f1(rows: NDArray[np.int64]) -> float:
        return float(2 * (said[rows] & toxic[rows]).sum() / (said[rows].sum() + toxic[rows].sum()))

    values = sorted(f1(rows) for rows in drawn)
    whole = f1(np.arange(len(said)))
    right = (said == toxic).mean()
    return f"F1 {whole:.3f} [{values[25]:.3f}, {values[975]:.3f}]  accuracy {right:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    rows = read_labelled(DATA, text="TEXT", label="label", toxic="1")
    parts, toxic = split(rows, asked.seed), np.array(rows.toxic)
    learn = [rows.texts[row] for row in parts.learn.tolist()]
    measure = [rows.texts[row] for row in parts.measure.tolist()]
    truth, size = toxic[parts.measure], sum(len(text.encode()) for text in measure) / 1e6
    train(rows, seed=asked.seed)  # compiled before the clock starts
    made, ours_trained = timed(lambda: train(rows, seed=asked.seed))
    model = Classifier.of(weights.opened(made, KIND, where="ours").tensors)
    seen = utf8(pa.array(measure, pa.large_string()))
    many = 20
    _, ours = timed(lambda: [model.per_thousand(seen) for _ in range(many)])
    scores = model.per_thousand(seen)
    vectors = TfidfVectorizer(analyzer="char", ngram_range=(1, 4), min_df=2, sublinear_tf=True)
    regression = LogisticRegression(C=10.0, max_iter=200)
    _, theirs_trained = timed(
        lambda: regression.fit(vectors.fit_transform(learn), toxic[parts.learn])
    )
    said, theirs = timed(lambda: regression.predict(vectors.transform(measure)))
    print(f"cold_train: {len(learn):,} rows to learn, {len(measure):,} to measure, {size:.2f} MB")
    for label, verdict, trained, cpu in (
        ("ours", scores >= 500, ours_trained, ours / many),
        (f"scikit-learn {sklearn.__version__}", said.astype(bool), theirs_trained, theirs),
    ):
        told = scored(verdict, truth, asked.seed)
        print(f"  {label:20} {told}  {size / cpu:7.2f} MB/CPU-s  trained in {trained:.2f} CPU-s")
    print(f"ratio of speeds: {theirs * many / ours:.0f}")
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}; "
        f"Python {sys.version.split()[0]}, numpy {np.__version__}"
    )


if __name__ == "__main__":
    main()
