"""Sentences with the details marked in them, and what the scan says of them."""

from __future__ import annotations

import pyarrow as pa

from yunhe.corpus.domain import PERSONAL_TYPES
from yunhe.corpus.kernels.utf8 import utf8
from yunhe.corpus.personal import names
from yunhe.corpus.personal.found import REASONS, as_spans
from yunhe.corpus.personal.scan import scan

OPEN, CLOSE = "⟦", "⟧"
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def unmarked(marked: str) -> tuple[str, list[tuple[int, int]]]:
    """The sentence, and the (start, end) of what is marked in it."""
    text, bounds, begin = "", [], 0
    for one in marked:
        if one == OPEN:
            begin = len(text)
        elif one == CLOSE:
            bounds.append((begin, len(text)))
        else:
            text += one
    return text, bounds


def seen(text: str, *, score: int = 70) -> list[tuple[str, int, int]]:
    """(type, start, end) of everything found in one document, in characters."""
    return [(kind, start, end) for kind, start, end, _, _ in rows([text], score=score)[0]]


def rows(texts: list[str], *, score: int = 0) -> list[list[tuple[str, int, int, int, str]]]:
    """(type, start, end, score, reason) of everything found, document by document."""
    batch = utf8(pa.array(texts, pa.large_string()))
    spans = as_spans(scan(batch, names=names.find, score_percent_min=score), batch)
    found: list[list[tuple[str, int, int, int, str]]] = [[] for _ in texts]
    for number, document in enumerate(spans.documents.tolist()):
        found[document].append((
            PERSONAL_TYPES[spans.types[number]],
            int(spans.starts[number]),
            int(spans.ends[number]),
            int(spans.scores[number]),
            REASONS[spans.reasons[number]],
        ))  # fmt: skip
    return found


def expected(marked: str, *kinds: str) -> tuple[str, list[tuple[str, int, int]]]:
    """The sentence, and the marked places with their types, in order."""
    text, bounds = unmarked(marked)
    return text, [(kind, *bound) for kind, bound in zip(kinds, bounds, strict=True)]


def identity(region: str, born: str, order: str) -> str:
    """An ID number with the check digit of GB 11643-1999 (ISO 7064, MOD 11-2)."""
    body = region + born + order
    total = sum(int(digit) * weight for digit, weight in zip(body, _WEIGHTS, strict=True))
    return body + "10X98765432"[total % 11]


def luhn(body: str) -> str:
    """A card number with the check digit of ISO/IEC 7812-1."""
    total = 0
    for place, digit in enumerate(reversed(body)):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled // 10 + doubled % 10
    return body + str(-total % 10)


def credit_code(body: str) -> str:
    """A credit code with the check sign of GB 32100-2015, of its first 17 signs."""
    signs = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    total = sum(signs.index(sign) * pow(3, place, 31) for place, sign in enumerate(body))
    return body + signs[-total % 31]
