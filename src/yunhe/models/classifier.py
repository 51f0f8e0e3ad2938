"""A text classifier as numbers: predicts with NumPy alone, and lives in a file that cannot execute.

The file is safetensors with three tensors and one metadata entry of canonical JSON, so equal
classifiers have equal bytes. Nothing in it is code, and `from_bytes` accepts nothing else.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from yunhe.kernel.canonical import canonical_bytes
from yunhe.kernel.errors import Finding, Invalid
from yunhe.models.domain import Predictions
from yunhe.models.features import NGRAM_LONGEST, Hashes, Ngrams, batches, encode

FORMAT = "yunhe.ngram-classifier/1"
"""Names the layout below and the features of `yunhe.models.features`."""
CLASSES_MAX = 4_096
"""More classes than this are refused."""
_METADATA_KEY = "yunhe"  # one key: safetensors does not promise the order of several
_TENSORS = {"bias": (np.float32, 1), "vocabulary": (np.uint64, 1), "weights": (np.float32, 2)}
Tensors = dict[str, NDArray[np.generic]]
"""The arrays of a file by name."""


@dataclass(frozen=True, slots=True, eq=False)
class Classifier:
    """Multinomial logistic regression over character n-grams."""

    classes: tuple[str, ...]
    """At least two, sorted."""
    ngrams: Ngrams
    """Which n-grams count."""
    vocabulary: Hashes
    """uint64[features], strictly increasing."""
    weights: NDArray[np.float32]
    """float32[features, classes]."""
    bias: NDArray[np.float32]
    """float32[classes]."""

    def predict(self, texts: Sequence[str]) -> Predictions:
        """Calibrated probabilities; the same for a text alone and among others.

        Cost: about 0.1 ms for one short text, 0.02 ms each in a batch.
        """
        parts = [softmax(self._scores(batch)) for batch in batches(texts)]
        probabilities = np.concatenate([np.zeros((0, len(self.classes))), *parts])
        best = probabilities.argmax(axis=1)
        labels = tuple(self.classes[index] for index in best)
        return Predictions(self.classes, labels, probabilities)

    def _scores(self, texts: Sequence[str]) -> NDArray[np.float64]:
        rows = encode(texts, self.vocabulary, self.ngrams)
        scores = np.tile(self.bias.astype(np.float64), (len(texts), 1))
        filled = np.flatnonzero(np.diff(rows.offsets))
        if len(filled):
            products = rows.values[:, None] * self.weights[rows.columns]
            scores[filled] += np.add.reduceat(products, rows.offsets[filled], axis=0)
        return scores

    def to_bytes(self) -> bytes:
        """The file; equal classifiers give equal bytes."""
        settings = canonical_bytes(
            {
                "format": FORMAT,
                "classes": list(self.classes),
                "ngram_min": self.ngrams.shortest,
                "ngram_max": self.ngrams.longest,
            }
        )
        tensors: Tensors = {
            "vocabulary": self.vocabulary,
            # safetensors writes the buffer as it lies: columns first would come back transposed.
            "weights": np.ascontiguousarray(self.weights),
            "bias": self.bias,
        }
        data: bytes = safetensors.numpy.save(tensors, {_METADATA_KEY: settings.decode()})
        return data


def from_bytes(data: bytes) -> Classifier:
    """Read a file written by `Classifier.to_bytes`.

    Errors: `Invalid` ``models.weights_invalid`` with every finding for anything else: another
    format, other tensors, a wrong shape or type, a number not finite, an unsorted vocabulary.
    """
    try:
        tensors: Tensors = safetensors.numpy.load(data)
    except (SafetensorError, KeyError):  # KeyError: an element type that NumPy does not have
        raise _invalid([Finding("file", "models.not_safetensors")]) from None
    findings = _tensor_faults(tensors)
    settings = _settings(data)
    if settings is None:
        findings.append(Finding("metadata", "models.metadata_invalid", (("format", FORMAT),)))
    if findings or settings is None:
        raise _invalid(findings)
    classes, ngrams = settings
    read = Classifier(
        classes,
        ngrams,
        vocabulary=tensors["vocabulary"].astype(np.uint64, copy=False),
        weights=tensors["weights"].astype(np.float32, copy=False),
        bias=tensors["bias"].astype(np.float32, copy=False),
    )
    findings = _mismatches(read)
    if findings:
        raise _invalid(findings)
    return read


def _invalid(findings: Sequence[Finding]) -> Invalid:
    return Invalid("models.weights_invalid", findings=findings)


def _settings(data: bytes) -> tuple[tuple[str, ...], Ngrams] | None:
    """Classes and n-grams as the file states them; None when any of it is not as we write it."""
    (length,) = struct.unpack("<Q", data[:8])
    try:
        stated = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][_METADATA_KEY])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    match stated:
        case {
            "format": "yunhe.ngram-classifier/1",
            "classes": [str(), str(), *_] as classes,
            "ngram_min": int(shortest),
            "ngram_max": int(longest),
        } if 1 <= shortest <= longest <= NGRAM_LONGEST and all(isinstance(c, str) for c in classes):
            return tuple(classes), Ngrams(shortest, longest)
    return None


def _tensor_faults(tensors: Tensors) -> list[Finding]:
    if set(tensors) != set(_TENSORS):
        names = (("expected", ", ".join(_TENSORS)), ("found", ", ".join(sorted(tensors))[:200]))
        return [Finding("tensors", "models.tensors_unexpected", names)]
    findings = []
    for name, (dtype, dimensions) in _TENSORS.items():
        tensor = tensors[name]
        if tensor.dtype != dtype or tensor.ndim != dimensions:
            params = (("expected", f"{np.dtype(dtype)}, {dimensions}-d"),)
            findings.append(Finding(name, "models.tensor_invalid", params))
        elif not np.isfinite(tensor).all():
            findings.append(Finding(name, "models.not_finite"))
    return findings


def _mismatches(read: Classifier) -> list[Finding]:
    features, classes = len(read.vocabulary), len(read.classes)
    findings = []
    if read.weights.shape != (features, classes) or read.bias.shape != (classes,) or not features:
        shape = (("expected", f"{features} × {classes}"), ("found", str(read.weights.shape)))
        findings.append(Finding("weights", "models.shape_mismatch", shape))
    if classes > CLASSES_MAX or list(read.classes) != sorted(set(read.classes)):
        findings.append(Finding("classes", "models.classes_unsorted", (("most", CLASSES_MAX),)))
    if not (read.vocabulary[1:] > read.vocabulary[:-1]).all():
        findings.append(Finding("vocabulary", "models.vocabulary_unsorted"))
    return findings


def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of scores as rows of probabilities."""
    powers: NDArray[np.float64] = np.exp(scores - scores.max(axis=1, keepdims=True))
    powers /= powers.sum(axis=1, keepdims=True)
    return powers
