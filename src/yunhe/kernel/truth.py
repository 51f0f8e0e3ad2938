"""Three truth values: true, false, and not known yet, with what it is not known for.

Pure. Source: Kleene's strong three-valued logic. What is made of several is true or false only if
it stays so whatever the unknown ones turn out to be.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Truth:
    """What a condition comes to."""

    value: bool | None
    """``None`` is unknown."""
    missing: frozenset[str] = frozenset()
    """The unknown facts it depends on; empty unless it is unknown."""


TRUE = Truth(True)
FALSE = Truth(False)


def truth(*, holds: bool) -> Truth:
    """Of something that is known."""
    return TRUE if holds else FALSE


def negated(one: Truth) -> Truth:
    """The opposite; of what is unknown, unknown for the same facts."""
    return one if one.value is None else truth(holds=not one.value)


def every(parts: Iterable[Truth]) -> Truth:
    """Whether all are true; of none at all, true. The first that is false settles it."""
    return _combined(parts, decisive=FALSE)


def some(parts: Iterable[Truth]) -> Truth:
    """Whether one is true; of none at all, false. The first that is true settles it."""
    return _combined(parts, decisive=TRUE)


def _combined(parts: Iterable[Truth], *, decisive: Truth) -> Truth:
    missing: frozenset[str] = frozenset()
    unknown = False
    for part in parts:
        if part.value is None:
            unknown = True
            missing |= part.missing
        elif part.value == decisive.value:
            return decisive
    return Truth(None, missing) if unknown else negated(decisive)
