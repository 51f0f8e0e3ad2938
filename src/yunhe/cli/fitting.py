"""Tables that fit a terminal: ids and figures stay whole, free text wraps, the rest is stacked.

Where the columns do not fit beside each other, each record is a block of lines, "label: value".
Letters are counted in cells: a Chinese one is two wide.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.text import Text

GAP = 2
"""Cells between two columns."""
WORD_MAX = 16
"""A longer word of free text may be broken, unless there is a figure in it."""
FIGURE_MAX = 40
"""What begins like a figure and is longer is a sentence."""
WHOLE = re.compile(r"[a-z]{1,32}_[0-9a-z]{26}|(?:sha256:)?[0-9a-f]{64}")
"""What people copy: ids, digests, references."""
_FIGURE = re.compile(r"[<>~+≥≤−–-]?\s?\d")
# Closing marks stay with what they close, and what opens with what follows.
_OPENING, _CLOSING = "（《“‘【", "，。；：！？、）》”’】"
_PARTS = re.compile(
    rf"[^\S\n]+|[{_OPENING}]*(?:[\u0021-\u10ff\u2000-\u206f]+|.)[{_CLOSING}]*", re.DOTALL
)


def cells(value: str) -> int:
    """How wide a text is on a terminal."""
    from rich.cells import cell_len  # noqa: PLC0415

    return cell_len(value)


def narrowest(value: str) -> int:
    """The least width in which nothing that belongs together is broken."""
    if is_figure(value):
        return cells(value)
    return max((_least(part) for part in _PARTS.findall(value)), default=0)


def is_figure(value: str) -> bool:
    """Whether a value is a number, an amount, a time or a share of something, with its unit."""
    return bool(_FIGURE.match(value)) and cells(value) <= FIGURE_MAX


def wrapped(value: str, width: int) -> list[str]:
    """The text in lines of so many cells; a line is longer only for one part that stays whole."""
    if cells(value) <= width or is_figure(value):
        return [value]
    lines = [""]
    for part in _PARTS.findall(value):
        for piece in _broken(part, width):
            if piece.isspace():
                lines[-1] += " " if lines[-1] else ""
            elif lines[-1] and cells(lines[-1]) + cells(piece) > width:
                lines.append(piece)
            else:
                lines[-1] += piece
    return [line.rstrip() for line in lines]


def _kept(part: str) -> bool:
    figure = any(letter.isdigit() for letter in part)
    return figure or cells(part) <= WORD_MAX or bool(WHOLE.search(part))


def _least(part: str) -> int:
    return 0 if part.isspace() else cells(part) if _kept(part) else WORD_MAX


def _broken(part: str, width: int) -> Iterator[str]:
    if _kept(part):
        yield part
        return
    most = max(width, WORD_MAX)
    yield from (part[at : at + most] for at in range(0, len(part), most))


class Fitted:
    """A table as wide as what it is printed on, whatever that is."""

    def __init__(self, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """``heads``: what stands above each column; ``rows`` have as many values."""
        self.heads = list(heads)
        self.rows = [list(row) for row in rows]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Line by line, as rich asks for it."""
        from rich.text import Text  # noqa: PLC0415

        for line, style in self.lines(options.max_width):
            yield Text(line, style=style, no_wrap=True, overflow="ignore")

    def lines(self, width: int) -> Iterator[tuple[str, str]]:
        """Each line, and its style."""
        every = range(len(self.heads))
        said = [place for place in every if any(row[place] for row in self.rows)]
        for places in (every, said):  # a column without a word in it is left out before all else
            widths = self._widths(places, width)
            if widths is not None:
                yield from self._beside(places, widths)
                return
        yield from self._stacked(width)

    def _widths(self, places: Sequence[int], width: int) -> list[int] | None:
        """Of each column; None where they do not fit."""
        least, most = [], []
        for place in places:
            values = [row[place] for row in self.rows]
            every = [self.heads[place], *values]
            least.append(max(map(narrowest, every)))
            most.append(max(map(cells, every)))
        room = width - GAP * (len(least) - 1) - sum(least)
        if room < 0:
            return None
        for at in sorted(range(len(least)), key=lambda each: most[each] - least[each]):
            left = sum(most[each] > least[each] for each in range(len(least)))
            given = min(most[at] - least[at], room // max(left, 1))
            least[at] += given
            room -= given
            most[at] = least[at]
        return least

    def _beside(self, places: Sequence[int], widths: Sequence[int]) -> Iterator[tuple[str, str]]:
        named = [self.heads[place] for place in places]
        yield from ((line, "bold") for line in _row(named, widths))
        for row in self.rows:
            yield from ((line, "") for line in _row([row[place] for place in places], widths))

    def _stacked(self, width: int) -> Iterator[tuple[str, str]]:
        indent = max(cells(head) for head in self.heads) + 2
        for number, row in enumerate(self.rows):
            if number:
                yield "", ""
            for head, value in zip(self.heads, row, strict=True):
                if not value:
                    continue
                label = f"{head}:"
                if indent + narrowest(value) > width:  # below it, whole
                    yield label, ""
                    yield from ((f"  {line}", "") for line in wrapped(value, width - 2))
                    continue
                first, *rest = wrapped(value, width - indent)
                yield f"{label}{' ' * (indent - cells(label))}{first}", ""
                yield from ((f"{' ' * indent}{line}", "") for line in rest)


def _row(values: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    columns = [wrapped(value, width) for value, width in zip(values, widths, strict=True)]
    for number in range(max(map(len, columns), default=0)):
        line = ""
        start = 0
        for lines, width in zip(columns, widths, strict=True):
            line += " " * (start - cells(line))
            line += lines[number] if number < len(lines) else ""
            start += width + GAP
        yield line.rstrip()
