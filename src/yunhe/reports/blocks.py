"""Charts for a terminal: bars, intervals and the confusion matrix from block characters.

Pure. Widths are in cells; a Chinese character takes two, which rich measures.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.table import Table
from rich.text import Text

from yunhe.reports.charts import Bar, Dot, Span
from yunhe.reports.sections_model import Confusion
from yunhe.reports.wording import clean

BAR_CELLS = 24
"""Length of the longest bar."""
BAR_CELLS_MIN = 8
"""The same where long values leave little room."""
LINE_CELLS = 77
"""What one line of a chart may take."""
TRACK_CELLS = 26
"""Length of the axis of an interval plot."""
MATRIX_CELLS_MAX = 76
"""Widest confusion matrix; a wider one is told by its most frequent mistakes only."""
NAME_CELLS_MAX = 26
"""Longest label before a chart; a longer one is cut with an ellipsis."""
NAME_CELLS_MIN = 8
"""Room a label needs for the matrix to be worth printing."""

_EIGHTHS = " ▏▎▍▌▋▊▉"
_TONES = {"bar": "cyan", "good": "green", "bad": "red", "warn": "yellow", "quiet": "bright_black"}


def fitted(text: str, cells: int) -> str:
    """``text`` in exactly so many cells, cut with an ellipsis where it is longer."""
    if cell_len(text) <= cells:
        return set_cell_size(text, cells)
    return set_cell_size(set_cell_size(text, cells - 1).rstrip() + "…", cells)


def bar(fraction: float, cells: int = BAR_CELLS) -> str:
    """A bar of ``fraction`` × ``cells``, in eighths; never empty for more than nothing."""
    eighths = round(min(max(fraction, 0.0), 1.0) * cells * 8)
    if fraction > 0:
        eighths = max(eighths, 1)
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + (_EIGHTHS[rest] if rest else "")).ljust(cells)


def bars(rows: Sequence[Bar]) -> Table:
    """One line a bar: label, bar, value."""
    names = _name_cells([row.name for row in rows])
    values = max((cell_len(row.value) for row in rows), default=0)
    length = max(min(BAR_CELLS, LINE_CELLS - names - values - 4), BAR_CELLS_MIN)
    table = _grid()
    for row in rows:
        table.add_row(
            fitted(row.name, names),
            Text(bar(row.length, length), style=_TONES[row.tone]),
            Text(row.value, style="bold"),
        )
    return table


def dots(rows: Sequence[Dot], *, axis_from: float) -> Table:
    """One line a score: label, the model ● and the baseline ◇ on one axis, the model's figures."""
    names = _name_cells([row.name for row in rows])
    table = _grid()
    for row in rows:
        table.add_row(
            Text(fitted(row.name, names), style="bold" if row.strong else ""),
            track(row.model, row.baseline, axis_from=axis_from),
            Text(row.model.text, style="bold" if row.strong else ""),
        )
    axis = f"{axis_from:.1f}".ljust(TRACK_CELLS - 3) + "1.0"
    table.add_row("", Text(axis, style="dim"), "")
    return table


def track(model: Span, baseline: Span | None, *, axis_from: float) -> Text:
    """An axis from ``axis_from`` to 1 with both intervals; the model's is drawn over the other."""
    cells = [("·", "dim")] * TRACK_CELLS
    spans = [(baseline, "╌", "◇", "yellow")] if baseline else []
    for span, line, mark, style in [*spans, (model, "━", "●", "cyan")]:
        if span.low is not None and span.high is not None:
            for place in range(_cell(span.low, axis_from), _cell(span.high, axis_from) + 1):
                cells[place] = (line, style)
        cells[_cell(span.value, axis_from)] = (mark, f"bold {style}")
    return Text.assemble(*cells)


def _cell(value: float, axis_from: float) -> int:
    share = (value - axis_from) / (1 - axis_from)
    return round(min(max(share, 0.0), 1.0) * (TRACK_CELLS - 1))


def matrix(confusion: Confusion) -> Table | None:
    """Truth in rows, prediction in columns; ``None`` when it would not fit a terminal."""
    most = max((count for row in confusion.counts for count in row), default=0)
    size = len(confusion.labels)
    column = max(len(f"{most:,}"), len(str(size)))
    labels = [clean(f"{index + 1} {name}") for index, name in enumerate(confusion.labels)]
    wanted = _name_cells(labels)
    names = min(wanted, MATRIX_CELLS_MAX - size * (column + 1))
    if size == 0 or names < min(wanted, NAME_CELLS_MIN):
        return None
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(width=names, no_wrap=True)
    for _ in confusion.labels:
        table.add_column(width=column, justify="right", no_wrap=True)
    table.add_row("", *(Text(str(i + 1), style="dim") for i in range(size)))
    for truth, (name, row) in enumerate(zip(labels, confusion.counts, strict=False)):
        shown = [_count(count, right=truth == i) for i, count in enumerate(row[:size])]
        table.add_row(Text(fitted(name, names)), *shown)
    return table


def _count(count: int, *, right: bool) -> Text:
    if right:
        return Text(f"{count:,}", style="bold green")
    return Text(f"{count:,}", style="") if count else Text("·", style="dim")


def _name_cells(names: Sequence[str]) -> int:
    return min(max((cell_len(name) for name in names), default=0), NAME_CELLS_MAX)


def _grid() -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table
