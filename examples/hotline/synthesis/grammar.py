"""Word lists and sentence templates: read once from ``../lexicon``, expanded many times.

A template is text with ``[one|or another]`` and ``{slot}``. Slots in capitals are personal details
and become spans in the truth; the others are ordinary words such as a place or an amount.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TypeVar

LEXICON = Path(__file__).resolve().parent.parent / "lexicon"
"""Where the word lists lie."""

T = TypeVar("T")
Segment = tuple[str, str]
"""A run of text and its kind: "" for ordinary words, else a type of personal detail."""


class Draw:
    """Every random choice, by ``Random.random`` alone, which Python keeps stable."""

    def __init__(self, seed: int) -> None:
        """The same seed makes the same choices."""
        self.random: Callable[[], float] = random.Random(seed).random

    def below(self, bound: int) -> int:
        """A whole number in [0, bound)."""
        return int(self.random() * bound)

    def pick(self, items: Sequence[T]) -> T:
        """One of the items, each equally likely."""
        return items[int(self.random() * len(items))]

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self.random() < probability

    def digits(self, count: int) -> str:
        """That many decimal digits."""
        return f"{int(self.random() * 10**count):0{count}d}"


class Weighted(tuple[tuple[T, ...], tuple[float, ...]]):
    """Items with how often each is wanted."""

    __slots__ = ()

    @classmethod
    def of(cls, weights: Sequence[tuple[T, float]]) -> Weighted[T]:
        """From (item, weight) pairs."""
        return cls((tuple(i for i, _ in weights), tuple(accumulate(w for _, w in weights))))

    def draw(self, draw: Draw) -> T:
        """One of the items, in proportion to its weight."""
        items, sums = self
        return items[bisect_right(sums, draw.random() * sums[-1], 0, len(sums) - 1)]


@dataclass(frozen=True, slots=True)
class Slot:
    """A named gap in a template."""

    name: str
    """Capitals for a personal detail."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Alternatives of which one is taken."""

    options: tuple[Template, ...]
    """Each is a template of its own."""


Template = tuple[str | Slot | Choice, ...]
"""A compiled template."""


def compile_template(source: str) -> Template:
    """Parse ``text [a|b{slot}] …``.

    Errors: ``ValueError`` naming the template when a bracket is not closed.
    """
    nodes, position = _parse(source, 0, "")
    if position != len(source):
        raise ValueError(f"unbalanced bracket at {position} in {source!r}")
    return nodes


def _parse(source: str, start: int, until: str) -> tuple[Template, int]:
    nodes: list[str | Slot | Choice] = []
    text, position = "", start
    while position < len(source) and source[position] not in until:
        character = source[position]
        if character not in "[{":
            text += character
            position += 1
            continue
        if text:
            nodes.append(text)
            text = ""
        if character == "{":
            end = source.index("}", position)
            nodes.append(Slot(source[position + 1 : end]))
            position = end + 1
        else:
            options = []
            while source[position] != "]":
                option, position = _parse(source, position + 1, "|]")
                options.append(option)
            nodes.append(Choice(tuple(options)))
            position += 1
    if text:
        nodes.append(text)
    return tuple(nodes), position


def expand(
    template: Template, draw: Draw, fill: Callable[[str], Sequence[Segment]]
) -> list[Segment]:
    """One sentence from a template; ``fill`` says what a slot stands for in this ticket."""
    out: list[Segment] = []
    for node in template:
        if isinstance(node, str):
            out.append((node, ""))
        elif isinstance(node, Slot):
            out.extend(fill(node.name))
        else:
            out.extend(expand(draw.pick(node.options), draw, fill))
    return out


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of complaint."""

    title: str
    """What a clerk would call it."""
    wordings: tuple[Template, ...]
    """Ways in which people tell it."""


@dataclass(frozen=True, slots=True)
class Department:
    """A department and what people write to it about."""

    name: str
    """As it stands in the label."""
    weight: float
    """Its share of tickets, relative to the others."""
    problems: tuple[Problem, ...]
    """What they write about."""


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Everything the tickets are written with."""

    departments: tuple[Department, ...]
    """In the order of their files."""
    ambiguous: tuple[tuple[Template, Weighted[str]], ...]
    """Wordings that fit several departments, with how often each is the right one."""
    phrases: dict[str, tuple[Template, ...]]
    """Greetings, histories, demands …, by section."""
    places: dict[str, tuple[str, ...]]
    """Parts of invented names of places and firms."""
    people: dict[str, tuple[str, ...]]
    """Parts of invented names of people."""
    typos: tuple[tuple[str, ...], ...]
    """Right form, wrong form."""
    dialect: tuple[tuple[str, ...], ...]
    """Standard form, then regional ones."""


def load_lexicon(folder: Path = LEXICON) -> Lexicon:
    """Read every word list."""
    return Lexicon(
        tuple(_department(path) for path in sorted((folder / "departments").glob("*.txt"))),
        tuple(_ambiguous(line) for line in _lines(folder / "ambiguous.txt")),
        _phrases(folder / "phrases.txt"),
        {row[0]: row[1:] for row in _rows(folder / "places.txt")},
        {row[0]: row[1:] for row in _rows(folder / "people.txt")},
        _rows(folder / "typos.txt"),
        _rows(folder / "dialect.txt"),
    )


def _lines(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def _rows(path: Path) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(line.split()) for line in _lines(path))


def _department(path: Path) -> Department:
    name, weight = "", 1.0
    titles: list[str] = []
    wordings: list[list[Template]] = []
    for line in _lines(path):
        if line.startswith("department "):
            name = line.split(maxsplit=1)[1]
        elif line.startswith("weight "):
            weight = float(line.split()[1])
        elif line.startswith("* "):
            titles.append(line[2:])
            wordings.append([])
        else:
            wordings[-1].append(compile_template(line))
    problems = zip(titles, wordings, strict=True)
    return Department(name, weight, tuple(Problem(t, tuple(w)) for t, w in problems))


def _ambiguous(line: str) -> tuple[Template, Weighted[str]]:
    source, _, targets = line.partition(" => ")
    pairs = [target.split() for target in targets.split(", ")]
    return compile_template(source), Weighted.of([(name, float(w)) for name, w in pairs])


def _phrases(path: Path) -> dict[str, tuple[Template, ...]]:
    sections: dict[str, list[Template]] = {}
    current: list[Template] = []
    for line in _lines(path):
        if line.startswith("== "):
            current = sections.setdefault(line[3:], [])
        else:
            current.append(compile_template(line))
    return {name: tuple(templates) for name, templates in sections.items()}
