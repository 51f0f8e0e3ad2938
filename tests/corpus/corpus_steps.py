"""One step on a few texts, as the pipeline runs it."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pyarrow as pa

from yunhe.corpus.documents import Documents, Outcome, Step, Values
from yunhe.corpus.kernels.utf8 import Utf8, utf8


def array(texts: list[str]) -> pa.LargeStringArray:
    return pa.array(texts, pa.large_string())


def bytes_of(texts: list[str]) -> Utf8:
    return utf8(array(texts))


def step(name: str) -> Step:
    return import_module(f"yunhe.corpus.steps.{name}").STEP


def outcome(name: str, texts: list[str], thresholds: dict[str, int] | None = None,
            **options: str) -> Outcome:  # fmt: skip
    found = step(name)
    asked = {key: options.get(key, (*words, "")[0]) for key, words in found.options.items()}
    prepared = found.prepare(asked).value if found.prepare else None
    count = len(texts)
    documents = Documents(array(texts), np.zeros(count, np.bool_), np.zeros(count, np.uint8))
    return found.work(documents, Values(thresholds or {}, asked, prepared))


def texts_after(name: str, texts: list[str], thresholds: dict[str, int] | None = None,
                **options: str) -> list[str]:  # fmt: skip
    found = outcome(name, texts, thresholds, **options)
    if found.texts is None:
        return texts
    found.texts.validate(full=True)
    return found.texts.to_pylist()


def reasons(name: str, texts: list[str], thresholds: dict[str, int], **options: str) -> list[str]:
    found = outcome(name, texts, thresholds, **options)
    codes = np.zeros(len(texts), np.uint8) if found.reasons is None else found.reasons
    return ["" if not code else step(name).reasons[code - 1] for code in codes.tolist()]


def removed(name: str, texts: list[str], found: Outcome) -> list[list[tuple[str, str]]]:
    """What left each text: (reason, characters)."""
    gone: list[list[tuple[str, str]]] = [[] for _ in texts]
    if found.removed is not None:
        columns = (found.removed.documents, found.removed.starts, found.removed.ends)
        rows = zip(
            *(each.tolist() for each in columns), found.removed.reasons.tolist(), strict=True
        )
        for document, start, end, reason in rows:
            gone[document].append((step(name).removes[reason - 1], texts[document][start:end]))
    return gone
