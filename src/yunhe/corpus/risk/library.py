"""An operator's library of words: read whole, refused whole with every place that is wrong.

CSV and TSV have a header with ``word`` (词), ``class`` (类别) and, if wanted, ``weight`` (权重),
``exceptions`` (例外, separated by ``|``) and ``note`` (备注); YAML has, for each class, a list of
words or of ``{word, weight, exceptions}``. Words are never written to an error or a log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yunhe.corpus import errors
from yunhe.corpus.kernels.keywords import LETTERS_MAX
from yunhe.corpus.risk import fold
from yunhe.corpus.risk.classes import position
from yunhe.corpus.risk.records import Record, Sheet, of_csv, of_tsv, of_yaml
from yunhe.kernel.canonical import sha256
from yunhe.kernel.errors import Finding, Invalid

BYTES_MAX = 64 << 20
"""Largest file."""
ENTRIES_MAX = 1_000_000
"""Most entries."""
LETTERS_MIN = 2
"""Letters of the shortest word, spaces and punctuation not counted."""
WEIGHT_MAX = 100
"""Most points of one occurrence."""
EXCEPTIONS_MAX = 16
"""Most exceptions of one word."""
FORMATS: Mapping[str, Callable[[str, str], Sheet]] = {
    ".csv": of_csv,
    ".tsv": of_tsv,
    ".yaml": of_yaml,
    ".yml": of_yaml,
}
"""Ending of the file's name → how it is read."""


@dataclass(frozen=True, slots=True)
class Library:
    """A library's entries, as columns."""

    words: tuple[str, ...]
    """As the operator wrote them."""
    risks: NDArray[np.uint8]
    """uint8[n]: position of the class in `yunhe.corpus.risk.classes.classes`."""
    weights: NDArray[np.int32]
    """int32[n]: points of one occurrence."""
    exceptions: Mapping[int, tuple[str, ...]]
    """Entry → longer words inside which it does not count."""
    digest: str
    """Of the file's bytes: a changed library is another one."""

    def __len__(self) -> int:
        return len(self.words)


@cache
def sample() -> Library:
    """The few harmless words that come with Yunhe, enough to see how a library works."""
    return parse((files("yunhe.corpus.risk") / "sample.csv").read_bytes(), name="sample.csv")


def read(path: Path) -> Library:
    """The library in a file.

    Errors: those of `parse`; `NotFound` ``corpus.input_missing``; `Unavailable`
    ``corpus.input_unreadable``.
    """
    try:
        if path.stat().st_size > BYTES_MAX:
            raise _too_large(path.name)
        return parse(path.read_bytes(), name=path.name)
    except FileNotFoundError:
        raise errors.input_missing(path) from None
    except OSError as error:
        raise errors.input_unreadable(path, error.strerror or "") from None


def parse(data: bytes, *, name: str) -> Library:
    """The library in these bytes; the ending of ``name`` tells the format.

    Errors: `Invalid` ``corpus.library_invalid`` with the place of every fault (the first
    `errors.FINDINGS_MAX` of them), or ``corpus.library_too_large``.
    """
    if len(data) > BYTES_MAX:
        raise _too_large(name)
    ending = Path(name).suffix.lower()
    if ending not in FORMATS:
        known = (("known", ", ".join(FORMATS)),)
        raise _invalid(name, [Finding(name, "corpus.library_format", known)])
    try:
        sheet = FORMATS[ending](data.decode("utf-8-sig"), name)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        place = f"{name}:{line} (byte {error.start})"
        raise _invalid(name, [Finding(place, "corpus.library_encoding")]) from None
    if len(sheet.records) > ENTRIES_MAX:
        raise _too_large(name)
    findings = [*sheet.findings, *_faults(name, sheet.records)]
    if not sheet.records and not findings:
        findings.append(Finding(name, "corpus.library_empty"))
    if findings:
        raise _invalid(name, findings)
    return _library(sheet.records, sha256(data))


def _library(records: Sequence[Record], digest: str) -> Library:
    return Library(
        tuple(each.word for each in records),
        np.array([position(each.risk) for each in records], np.uint8),
        np.array([int(each.weight or "1") for each in records], np.int32),
        {place: each.exceptions for place, each in enumerate(records) if each.exceptions},
        digest,
    )


def _faults(name: str, records: Sequence[Record]) -> Iterable[Finding]:
    keys = fold.keys([each.word for each in records], "punctuation")
    full = fold.keys([each.word for each in records], "none")
    seen: dict[tuple[str, int | None], int] = {}
    for record, key, whole in zip(records, keys, full, strict=True):
        risk = position(record.risk)
        if risk is None:
            yield Finding(record.at(name, "class"), "corpus.library_class")
        if not record.word.strip():
            yield Finding(record.at(name, "word"), "corpus.field_empty")
        elif len(key) < LETTERS_MIN:
            bound = (("min", LETTERS_MIN),)
            yield Finding(record.at(name, "word"), "corpus.library_word_short", bound)
        elif len(whole) > LETTERS_MAX:
            bound = (("max", LETTERS_MAX),)
            yield Finding(record.at(name, "word"), "corpus.library_word_long", bound)
        elif (key, risk) in seen:
            first = (("line", seen[key, risk]),)
            yield Finding(record.at(name, "word"), "corpus.library_word_twice", first)
        seen.setdefault((key, risk), record.line)
        weight = record.weight or "1"
        if not _is_weight(weight):
            span = (("max", WEIGHT_MAX),)
            yield Finding(record.at(name, "weight"), "corpus.library_weight", span)
        if record.exceptions:
            yield from _exception_faults(name, record, key)


def _is_weight(written: str) -> bool:
    short = written.isascii() and written.isdigit() and len(written) <= len(str(WEIGHT_MAX))
    return short and 1 <= int(written) <= WEIGHT_MAX


def _exception_faults(name: str, record: Record, key: str) -> Iterable[Finding]:
    where = record.at(name, "exceptions")
    if len(record.exceptions) > EXCEPTIONS_MAX:
        yield Finding(where, "corpus.library_exceptions_many", (("max", EXCEPTIONS_MAX),))
        return
    for exception, whole in zip(
        fold.keys(record.exceptions, "punctuation"),
        fold.keys(record.exceptions, "none"),
        strict=True,
    ):
        if len(whole) > LETTERS_MAX:
            yield Finding(where, "corpus.library_word_long", (("max", LETTERS_MAX),))
        elif key not in exception or key == exception:
            yield Finding(where, "corpus.library_exception")


def _too_large(name: str) -> Invalid:
    code = "corpus.library_too_large"
    return Invalid(code, where=name, bytes_max=BYTES_MAX, entries_max=ENTRIES_MAX)


def _invalid(name: str, findings: Sequence[Finding]) -> Invalid:
    total, shown = len(findings), list(findings[: errors.FINDINGS_MAX])
    if total > len(shown):
        shown.append(Finding(name, "corpus.more_findings", (("count", total - len(shown)),)))
    return Invalid("corpus.library_invalid", where=name, count=total, findings=shown)
