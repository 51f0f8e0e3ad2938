"""What rules at a candidate see of the shadow: a short text around it, never the whole batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from yunhe.corpus.domain import PersonalType
from yunhe.corpus.kernels.blanked import END

_END = chr(END)


class Sighting(NamedTuple):
    """One find in the shadow; it knows where, not what it says."""

    start: int
    """First character."""
    end: int
    """One past the last."""
    type: PersonalType
    """What it is."""
    score: int
    """Confidence in percent, set by the rule."""
    reason: str
    """One of `yunhe.corpus.personal.found.REASONS`."""


@dataclass(frozen=True, slots=True)
class Shadow:
    """The shadow of a batch, read in short pieces."""

    codes: NDArray[np.uint16]
    """uint16[n]: of `yunhe.corpus.kernels.blanked.Blanked`."""

    def before(self, start: int, length: int) -> str:
        """Up to ``length`` characters of the same document that end at ``start``."""
        return self._text(max(0, start - length), start).rpartition(_END)[2]

    def after(self, start: int, length: int) -> str:
        """Up to ``length`` characters of the same document from ``start`` on."""
        return self._text(start, start + length).partition(_END)[0]

    def _text(self, start: int, end: int) -> str:
        return self.codes[start:end].tobytes().decode("utf-16-le", errors="replace")


Rule = Callable[[Shadow, int, int], Iterator[Sighting]]
"""Given a candidate's start and end, whatever is there."""
