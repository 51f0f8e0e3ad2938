"""Compares what was done with what was planted, where somebody knows: recall with intervals."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from yunhe.corpus import errors
from yunhe.corpus.documents import Spans
from yunhe.corpus.domain import PERSONAL_TYPES
from yunhe.corpus.gathering import Corpus
from yunhe.corpus.intervals import share
from yunhe.corpus.pipeline import Pipeline
from yunhe.corpus.readers.blocks import LineCut, blocks
from yunhe.kernel.canonical import JsonObject
from yunhe.kernel.errors import Finding

FLAGS = ("spam", "abuse", "mojibake")
"""What a document can be besides holding personal details."""


@dataclass(frozen=True, slots=True)
class Planted:
    """What is known of one document."""

    spans: tuple[tuple[int, int, str, str], ...]
    """(start, end, type, value) of each planted detail, in characters of the repaired text."""
    duplicate_of: str | None
    """Id of the document it was copied from."""
    flags: frozenset[str]
    """Which of `FLAGS` hold."""


def read(path: Path) -> dict[str, Planted]:
    """The sidecar by document id.

    Errors: `NotFound` ``corpus.input_missing``; `Invalid` ``corpus.input_faulty`` with every line
    that is not of the agreed shape. No value is ever part of a finding.
    """
    if not path.is_file():
        raise errors.input_missing(path)
    found: dict[str, Planted] = {}
    findings: list[Finding] = []
    for number, line in _lines(path):
        try:
            record = json.loads(line)
            found[str(record["id"])] = _planted(record)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            findings.append(Finding(errors.place(path, number), "corpus.truth_line"))
    if findings or not found:
        raise errors.input_faulty(path, findings or [Finding(path.name, "corpus.input_empty")])
    return found


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Numbered lines that are not blank; one beyond the readers' bound comes as an empty one."""
    with path.open("rb") as stream:
        for block in blocks(stream, LineCut()):
            if block.too_long:
                yield block.line, b""
            for number, line in enumerate(block.data.split(b"\n"), block.line):
                if line.strip():
                    yield number, line


def _planted(record: Mapping[str, object]) -> Planted:
    raw = record["spans"]
    if not isinstance(raw, list):
        raise TypeError
    spans = tuple((int(start), int(end), str(kind), str(value)) for start, end, kind, value in raw)
    if any(kind not in PERSONAL_TYPES or not 0 <= start < end for start, end, kind, _ in spans):
        raise ValueError
    origin = record.get("duplicate_of")
    flags = frozenset(flag for flag in FLAGS if record.get(flag) is True)
    return Planted(spans, None if origin is None else str(origin), flags)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of each document, by id."""

    text: dict[str, str]
    group: dict[str, int]
    spans: dict[str, list[tuple[int, int, str]]]
    dropped: dict[str, str]
    repaired: frozenset[str]


def compare(
    planted: Mapping[str, Planted], corpus: Corpus, *, ids: pa.Array, pipeline: Pipeline
) -> JsonObject:
    """Recall by type and by flag, and what was found that nobody planted.

    A planted value counts as masked only if the spans cover all of it and it occurs nowhere in the
    output.
    """
    outcome = _outcome(corpus, ids, pipeline)
    masked, of, surplus = (Counter[str](), Counter[str](), Counter[str]())
    clean = with_details = 0
    for name, known in planted.items():
        if name not in outcome.text:
            continue
        spans, text = outcome.spans.get(name, []), outcome.text[name]
        hidden = [
            _covered(start, end, spans) and value not in text
            for start, end, _, value in known.spans
        ]
        for (_, _, kind, _), gone in zip(known.spans, hidden, strict=True):
            of[kind] += 1
            masked[kind] += gone
        with_details += bool(hidden)
        clean += bool(hidden) and all(hidden)
        for start, end, kind in spans:
            if not any(start < theirs[1] and theirs[0] < end for theirs in known.spans):
                surplus[kind] += 1
    return {
        "documents": len(planted),
        "released": sum(1 for name in planted if name in outcome.text),
        "recall": {kind: share(masked[kind], of[kind]) for kind in sorted(of)},
        "documents_fully_masked": share(clean, with_details),
        "found_but_not_planted": dict(sorted(surplus.items())),
        "flags": _flags(planted, outcome),
    }


def _covered(start: int, end: int, spans: Iterable[tuple[int, int, str]]) -> bool:
    for begins, ends, _ in sorted(spans):
        if begins <= start < ends:
            start = ends
    return start >= end


def _outcome(corpus: Corpus, ids: pa.Array, pipeline: Pipeline) -> _Outcome:
    released = ids.take(pa.array(corpus.rows)).to_pylist()
    spans: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    found: Spans = corpus.spans
    for document, start, end, kind in zip(
        found.documents.tolist(), found.starts.tolist(), found.ends.tolist(), found.types.tolist(),
        strict=True,
    ):  # fmt: skip
        spans[released[document]].append((start, end, PERSONAL_TYPES[kind]))
    dropped: dict[str, str] = {}
    for marks in corpus.drops:
        names = ids.take(pa.array(marks.rows)).to_pylist()
        reasons = pipeline.steps[marks.step].step.reasons
        said = (reasons[code - 1] for code in marks.codes.tolist())
        dropped.update(zip(names, said, strict=True))
    rows = [marks.rows for marks in corpus.repairs] or [np.empty(0, np.int64)]
    return _Outcome(
        dict(zip(released, corpus.texts.to_pylist(), strict=True)),
        dict(zip(released, corpus.groups.tolist(), strict=True)),
        spans,
        dropped,
        frozenset(ids.take(pa.array(np.concatenate(rows))).to_pylist()),
    )


def _flags(planted: Mapping[str, Planted], outcome: _Outcome) -> JsonObject:
    tests: dict[str, Callable[[str], bool]] = {
        "spam": lambda name: name in outcome.dropped,
        "abuse": lambda name: name in outcome.dropped,
        "mojibake": lambda name: name in outcome.repaired or name in outcome.dropped,
    }
    result: dict[str, JsonObject] = {}
    for flag, caught in tests.items():
        names = [name for name, known in planted.items() if flag in known.flags]
        result[flag] = share(sum(map(caught, names)), len(names))
    copies = [(name, known.duplicate_of) for name, known in planted.items() if known.duplicate_of]
    together = sum(1 for name, origin in copies if origin and _together(name, origin, outcome))
    result["duplicate"] = share(together, len(copies))
    wrongly = {
        flag: sum(
            1 for name, said in outcome.dropped.items()
            if said == flag and name in planted and not planted[name].flags
        )
        for flag in ("spam", "abuse")
    }  # fmt: skip
    return {**result, "dropped_without_flag": wrongly}


def _together(name: str, origin: str, outcome: _Outcome) -> bool:
    """Whether a copy or its original is gone, or both are in one group."""
    if name in outcome.dropped or origin in outcome.dropped:
        return True
    return name in outcome.group and outcome.group[name] == outcome.group.get(origin)
