"""Residual risk: probes planted into the user's own texts, in memory, and how many were found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import ceil, floor
from random import Random

import pyarrow as pa

from yunhe.corpus.domain import PersonalType
from yunhe.corpus.intervals import wilson
from yunhe.corpus.kernels.utf8 import utf8
from yunhe.corpus.personal.found import Found, as_spans
from yunhe.corpus.personal.probes import KINDS, Probe, probes
from yunhe.corpus.personal.scan import scan
from yunhe.kernel.canonical import JsonObject

EACH = 400
"""Probes of each kind: with 400 of 400 found, the interval begins at .990."""
CONTEXT_CHARACTERS_MAX = 600
"""Of a user's text on either side of a probe; more would only cost time."""
_BORDERS = "，。；！？\n"  # an ASCII mark may be part of a link, and links are not scanned
Scan = Callable[..., Found]
"""`yunhe.corpus.personal.scan.scan` with the options that were used on the data."""


def probe(
    texts: Sequence[str],
    *,
    seed: int,
    look: Scan = scan,
    each: int = EACH,
    kinds: Iterable[PersonalType] = KINDS,
) -> Mapping[str, JsonObject]:
    """Recall by kind with Wilson intervals, measured in the texts at hand.

    ``texts``: some of the user's documents; none of their characters leaves this function. One
    probe is put between two sentences of each. The result has whole numbers only: probes, found,
    and the interval per thousand.
    """
    result: dict[str, JsonObject] = {}
    for place, kind in enumerate(sorted(kinds)):
        made = probes(kind, each, seed=seed * 1000 + place)
        planted = plant(made, texts, seed=seed * 1000 + place)
        hit = covered(made, planted, look)
        low, high = wilson(sum(hit), len(hit))
        result[kind] = {
            "probes": len(hit),
            "found": sum(hit),
            "low_per_thousand": floor(1000 * low),
            "high_per_thousand": ceil(1000 * high),
        }
    return result


def plant(made: Sequence[Probe], texts: Sequence[str], *, seed: int) -> list[tuple[str, int, int]]:
    """(text with a probe, first character of its value, one past the last) for each probe."""
    drawn = Random(seed)  # noqa: S311 - a seed must plant the same
    planted = []
    for one in made:
        text = drawn.choice(texts) if texts else ""
        at = drawn.randint(0, len(text))
        while 0 < at < len(text) and text[at - 1] not in _BORDERS:
            at += 1
        head = text[max(0, at - CONTEXT_CHARACTERS_MAX) : at]
        tail = text[at : at + CONTEXT_CHARACTERS_MAX]
        head += one.before if not head or head[-1:] in _BORDERS else "，" + one.before
        planted.append((
            head + one.value + one.after + tail,
            len(head),
            len(head) + len(one.value),
        ))  # fmt: skip
    return planted


def covered(
    made: Sequence[Probe], planted: Sequence[tuple[str, int, int]], look: Scan
) -> list[bool]:
    """For each probe, whether finds cover all of its value; by whatever name they go."""
    seen = utf8(pa.array([text for text, _, _ in planted], pa.large_string()))
    spans = as_spans(look(seen), seen)
    hit = [False] * len(made)
    for document, start, end in zip(
        spans.documents.tolist(), spans.starts.tolist(), spans.ends.tolist(), strict=True
    ):
        _, first, last = planted[document]
        hit[document] |= start <= first and last <= end
    return hit
