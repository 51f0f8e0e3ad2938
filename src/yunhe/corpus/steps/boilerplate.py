"""Takes lines out of texts that say nothing about their subject: navigation, notices, buttons."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from yunhe.corpus.documents import Documents, Outcome, Step, Values
from yunhe.corpus.edits import Edits, applied, collected, removed
from yunhe.corpus.kernels.boilerplate import KEY_BYTES, SLOTS, lines_like, slot
from yunhe.corpus.kernels.utf8 import Utf8, frozen
from yunhe.kernel.canonical import sha256

_UTF8_BYTES_MAX = 4


@dataclass(frozen=True, slots=True)
class _Lines:
    exact: frozenset[bytes]
    begins: tuple[bytes, ...]
    ends: tuple[bytes, ...]
    table: NDArray[np.uint8]
    digest: str


@cache
def _list() -> _Lines:
    data = (files("yunhe.corpus") / "lexicons" / "boilerplate.txt").read_bytes()
    entries = [line for line in data.split(b"\n") if line and not line.startswith(b"#")]
    begins = tuple(entry[:-1] for entry in entries if entry.endswith(b"*"))
    ends = tuple(entry[1:] for entry in entries if entry.startswith(b"*"))
    exact = frozenset(entry for entry in entries if b"*" not in entry)
    table = np.zeros(SLOTS, np.uint8)
    for entry in (*begins, *exact):
        table[slot(entry[:KEY_BYTES])] |= 1
    for entry in ends:
        table[slot(entry[-KEY_BYTES:])] |= 2
    return _Lines(exact, begins, ends, frozen(table), sha256(data))


def _decided(texts: Utf8, edits: Edits, longest: int) -> NDArray[np.bool_]:
    """bool[k]: whether each line is on the list, and no longer than ``longest`` characters."""
    known = _list()
    kept = np.zeros(len(edits), np.bool_)
    for place, (start, end) in enumerate(
        zip(edits.starts.tolist(), edits.ends.tolist(), strict=True)
    ):
        line = texts.data[start:end].tobytes()
        like = line in known.exact or line.startswith(known.begins) or line.endswith(known.ends)
        kept[place] = like and len(line.decode()) <= longest
    return kept


def _work(documents: Documents, values: Values) -> Outcome:
    texts, longest = documents.utf8, values["line_characters_max"]
    call = partial(lines_like, texts.data, texts.offsets, _list().table, longest * _UTF8_BYTES_MAX)
    edits = collected(call, 1024 + len(documents))
    edits = edits.where(_decided(texts, edits, longest))
    if not len(edits):
        return Outcome()
    reasons = np.ones(len(edits), np.uint8)
    return Outcome(texts=applied(texts, edits, ("",)), removed=removed(texts, edits, reasons))


STEP = Step(
    version=1,
    thresholds=("line_characters_max",),
    removes=("boilerplate",),
    work=_work,
    data={"lines": _list().digest},
)
"""Boilerplate, by a list of lines; the line's own end stays, so white space is tidied after it."""
