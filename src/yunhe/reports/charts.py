"""Bars, interval dots and the confusion matrix as SVG: plain values in, one drawing out.

Pure and deterministic. Sizes are in pixels; lettering never scales (see `svg`). What a colour says
is also said by a number, a shape or a sign.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from yunhe.reports.palette import HEAT_STEPS
from yunhe.reports.sections_model import Confusion
from yunhe.reports.svg import clipped, drawing, element, hint, label, percent
from yunhe.reports.wording import clean

ROWS_MAX = 60
"""Rows drawn in one chart; the rest are counted in its description, and stay in the tables."""
HEAT_CLASSES_MAX = 40
"""Classes up to which a confusion matrix is drawn: its cells grow with the square."""

_ROW = 38


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar."""

    name: str
    """Its label."""
    length: float
    """Its length as a fraction of the longest possible bar."""
    value: str
    """Its value as people read it."""
    tone: str = "bar"
    """``bar``, ``good``, ``bad``, ``warn`` or ``quiet``."""


@dataclass(frozen=True, slots=True)
class Span:
    """A point and its interval, from 0 to 1."""

    value: float
    """The point."""
    low: float | None
    """Lower bound."""
    high: float | None
    """Upper bound."""
    text: str
    """All three as people read them."""


@dataclass(frozen=True, slots=True)
class Dot:
    """One row of an interval plot."""

    name: str
    """Its label."""
    note: str
    """What stands after the label, e.g. how many documents."""
    model: Span
    """The model's score."""
    baseline: Span | None
    """The baseline's."""
    strong: bool = False
    """Whether it is a total rather than a part."""


@dataclass(frozen=True, slots=True)
class Caption:
    """What a drawing is called and says."""

    name: str
    """Unique identifier on the page."""
    title: str
    """Its name for people."""
    description: str
    """What it shows, for those who do not see it."""


def bars(rows: Sequence[Bar], *, caption: Caption) -> Markup:
    """Horizontal bars, label and value above each."""
    parts: list[Markup] = []
    for index, row in enumerate(rows[:ROWS_MAX]):
        top = index * _ROW
        parts += [
            clipped(
                label(row.name, title=row.name, x=0, y=14, class_="t"),
                top=top,
                width=0.5 if len(row.value) > 12 else 0.74,
                height=20,
            ),
            label(row.value, x="100%", y=top + 14, class_="t v", text_anchor="end"),
            element("rect", x=0, y=top + 21, width="100%", height=7, rx=3, class_="track"),
            element(
                "rect",
                x=0,
                y=top + 21,
                width=percent(max(row.length, 0.004) if row.length > 0 else 0),
                height=7,
                rx=3,
                class_=f"fill {row.tone}",
            ),
        ]
    return _drawn(parts, caption, height=max(len(rows[:ROWS_MAX]) * _ROW - 6, 1))


def dots(rows: Sequence[Dot], *, axis_from: float, caption: Caption) -> Markup:
    """Score and interval of model and baseline, one row each, on an axis up to 1.

    The model is a disc on a thick line, the baseline a square on a thin one below it. Places left
    of ``axis_from`` are drawn at the edge; the numbers above each row are exact.
    """
    ticks = _ticks(axis_from)
    shown = rows[:ROWS_MAX]
    height = len(shown) * 50 + 18
    parts = [
        element(
            "line",
            x1=_at(tick, axis_from),
            x2=_at(tick, axis_from),
            y1=0,
            y2=height - 18,
            class_="grid",
        )
        for tick in ticks
    ]
    for index, row in enumerate(shown):
        top = index * 50
        parts += [
            clipped(_dot_name(row), top=top, width=0.62, height=20),
            label(row.model.text, x="100%", y=top + 14, class_="t v halo", text_anchor="end"),
            *_span(row.model, axis_from=axis_from, y=top + 24, kind="model"),
        ]
        if row.baseline is not None:
            parts += _span(row.baseline, axis_from=axis_from, y=top + 33, kind="baseline")
    for tick in ticks:
        anchor = "start" if tick == ticks[0] else "end" if tick == ticks[-1] else "middle"
        parts.append(
            label(
                f"{tick:.1f}",
                x=_at(tick, axis_from),
                y=height - 3,
                class_="t tick",
                text_anchor=anchor,
            )
        )
    return _drawn(parts, caption, height=height)


def _dot_name(row: Dot) -> Markup:
    name = element("tspan", escape(clean(row.name)), class_="strong" if row.strong else None)
    note = element("tspan", escape(clean(row.note)), class_="quiet", dx=6)
    full = hint(f"{row.name} {row.note}".rstrip())
    return element("text", full, name, note, x=0, y=14, class_="t halo")


def axis_start(values: Sequence[float]) -> float:
    """Where an axis up to 1 should start: 0, or 0.5 when every value lies above it."""
    return 0.5 if values and min(values) >= 0.5 else 0.0


def _ticks(axis_from: float) -> list[float]:
    step = (1 - axis_from) / 5
    return [axis_from + step * index for index in range(6)]


def _at(value: float, axis_from: float) -> str:
    # One percent at either side keeps the outermost marks whole.
    return percent(0.01 + 0.98 * min(max((value - axis_from) / (1 - axis_from), 0.0), 1.0))


def _span(span: Span, *, axis_from: float, y: int, kind: str) -> list[Markup]:
    parts: list[Markup] = []
    if span.low is not None and span.high is not None:
        ends = {"x1": _at(span.low, axis_from), "x2": _at(span.high, axis_from)}
        parts.append(element("line", hint(span.text), y1=y, y2=y, class_=f"span {kind}", **ends))
    place = _at(span.value, axis_from)
    if kind == "model":
        parts.append(element("circle", hint(span.text), cx=place, cy=y, r=5, class_="dot model"))
    else:
        square = element("rect", hint(span.text), x=-4, y=-4, width=8, height=8, class_="baseline")
        parts.append(element("svg", square, x=place, y=y, overflow="visible", class_="dot"))
    return parts


def heat(
    confusion: Confusion, *, cell_title: Callable[[int, int], str], caption: Caption
) -> Markup:
    """The confusion matrix: rows are the truth, columns what was predicted; every count is printed.

    A cell's shade is its share of its row; ``cell_title(truth, predicted)`` says what it means.
    Errors: ``ValueError`` beyond `HEAT_CLASSES_MAX`.
    """
    size = len(confusion.labels)
    if size > HEAT_CLASSES_MAX:
        raise ValueError(f"{size} classes are too many to draw")
    side, start = 30, 0.26
    width = (1 - start) / max(size, 1)
    parts = [_column_head(index, width, start=start) for index in range(size)]
    for truth, (name, row) in enumerate(zip(confusion.labels, confusion.counts, strict=False)):
        top = 24 + truth * side
        text = label(f"{truth + 1}  {name}", title=name, x=0, y=19, class_="t small")
        parts.append(clipped(text, top=top, width=start - 0.01, height=side))
        total = sum(row)
        parts += [
            _cell(
                count,
                step=_step(count, total),
                box=(start + predicted * width, top, width, side),
                title=cell_title(truth, predicted),
                right=truth == predicted,
            )
            for predicted, count in enumerate(row[:size])
        ]
    return _drawn(parts, caption, height=26 + size * side)


def _column_head(index: int, width: float, *, start: float) -> Markup:
    return label(
        str(index + 1),
        x=percent(start + (index + 0.5) * width),
        y=16,
        class_="t tick",
        text_anchor="middle",
    )


def _step(count: int, total: int) -> int:
    if count <= 0 or total <= 0:
        return 0
    share = min(count / total, 1.0)
    edges = (0.05, 0.15, 0.4, 0.75)
    return min(1 + sum(share > edge for edge in edges), HEAT_STEPS - 1)


def _cell(
    count: int, *, step: int, box: tuple[float, int, float, int], title: str, right: bool
) -> Markup:
    left, top, width, height = box
    number = label(
        f"{count:,}" if count else "·",
        x="50%",
        y=height / 2 + 4,
        class_=f"h{step}t",
        text_anchor="middle",
    )
    ring = " right" if right else ""
    field = element("rect", width="100%", height="100%", class_=f"h{step}{ring}")
    return element(
        "svg",
        *((hint(title),) if count else ()),
        field,
        number,
        x=percent(left),
        y=top,
        width=percent(width),
        height=height,
    )


def _drawn(parts: Sequence[Markup], caption: Caption, *, height: int) -> Markup:
    return drawing(
        *parts,
        name=caption.name,
        title=caption.title,
        description=caption.description,
        height=height,
    )
