"""The small values that sections of a report are made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phrase:
    """A text of the locale files, so that it reads in either language."""

    code: str
    """Its key, e.g. ``compute.award_spent``; shown bare when no locale file has it."""
    params: tuple[tuple[str, str | int], ...] = ()
    """Values the text needs."""


@dataclass(frozen=True, slots=True)
class Both:
    """A text that brings its own translation."""

    en: str
    """The English text."""
    zh: str
    """The Chinese text."""


Words = str | Phrase | Both
"""A text for people."""


@dataclass(frozen=True, slots=True)
class Amount:
    """So much of one unit of account."""

    minor: int
    """Whole number of minor units."""
    unit: str
    """As in `kernel.units`: ``CNY``, ``device:cpu``, ``voucher:CNY``."""


@dataclass(frozen=True, slots=True)
class Score:
    """A fraction from 0 to 1, with its 95 % interval where there is one."""

    value: str
    """Fixed-point text."""
    low: str | None = None
    """Lower bound."""
    high: str | None = None
    """Upper bound."""
    hits: int | None = None
    """Successes, when the score is a proportion."""
    of: int | None = None
    """Trials, when the score is a proportion."""


@dataclass(frozen=True, slots=True)
class Count:
    """A named number, e.g. documents dropped for one reason."""

    name: Words
    """What is counted."""
    count: int
    """How many."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A name and its value: a setting, a fact, a version."""

    name: Words
    """What it is."""
    value: Words
    """Its value as text."""


@dataclass(frozen=True, slots=True)
class Artefact:
    """Stored bytes, known by their digest."""

    name: Words
    """What it is, e.g. a file name."""
    digest: str
    """``sha256:`` and 64 hexadecimal digits."""
    size_bytes: int | None = None
    """Length."""


@dataclass(frozen=True, slots=True)
class Check:
    """Something the run tried on purpose, and whether the platform did what it must."""

    what: Words
    """E.g. "a workload that tried to read the signing key was refused"."""
    ok: bool
    """Whether it held."""
