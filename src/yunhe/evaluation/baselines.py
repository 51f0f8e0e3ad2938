"""The simple methods a model must beat, as predictors like any other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from yunhe.evaluation.domain import Baseline, Labels, Predictor
from yunhe.kernel.errors import Finding, Invalid


@dataclass(frozen=True, slots=True)
class Majority:
    """Says the same class always."""

    label: str
    """The most frequent one of the training part."""

    def predict(self, texts: Sequence[str]) -> Labels:
        """The class, as often as there are texts."""
        return Labels((self.label,) * len(texts))


@dataclass(frozen=True, slots=True)
class Keywords:
    """Says the class of whose words most different ones occur in the text."""

    words: Mapping[str, Sequence[str]]
    """Class → words; the earlier class wins a tie."""
    otherwise: str
    """The class of a text without any of the words."""

    def predict(self, texts: Sequence[str]) -> Labels:
        """Cost: texts × words substring searches; about 60 µs a text with 300 words."""
        return Labels([self._label(text) for text in texts])

    def _label(self, text: str) -> str:
        best, most = self.otherwise, 0
        for label, words in self.words.items():
            found = sum(word in text for word in words)
            if found > most:
                best, most = label, found
        return best


def fit(baseline: Baseline, train_labels: Sequence[str]) -> Predictor:
    """The predictor a baseline describes; all it learns is the most frequent class.

    Errors: `Invalid` ``evaluation.baseline_invalid`` with every finding: an unknown kind, words for
    a class that the data does not have (a misspelt one would make the gate easier), a class without
    words, an empty word, no words at all.
    """
    findings = _faults(baseline, frozenset(train_labels))
    if findings:
        raise Invalid("evaluation.baseline_invalid", findings=findings)
    counts = Counter(train_labels)
    majority = min(counts, key=lambda label: (-counts[label], label))
    if baseline.kind == "majority":
        return Majority(majority)
    words = {label: tuple(dict.fromkeys(words)) for label, words in baseline.keywords.items()}
    return Keywords(words, majority)


def _faults(baseline: Baseline, classes: frozenset[str]) -> list[Finding]:
    if baseline.kind == "majority":
        return []
    if baseline.kind != "keywords":
        return [Finding("kind", "evaluation.baseline_kind", (("kind", baseline.kind[:64]),))]
    if not baseline.keywords:
        return [Finding("keywords", "evaluation.baseline_no_words")]
    findings = []
    for label, words in baseline.keywords.items():
        where = f"keywords.{label[:64]}"
        if label not in classes:
            findings.append(Finding(where, "evaluation.baseline_class_unknown"))
        if not words:
            findings.append(Finding(where, "evaluation.baseline_no_words"))
        if any(not word for word in words):
            findings.append(Finding(where, "evaluation.baseline_word_empty"))
    return findings
