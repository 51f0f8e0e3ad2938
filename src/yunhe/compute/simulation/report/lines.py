"""Lines over an axis, one for each policy, told apart by colour and by dashes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from yunhe.reports.charts import Caption
from yunhe.reports.svg import drawing, element, hint, label, percent

HEIGHT = 200
"""Pixels of the field of a chart."""
STYLES = 8
"""Lines that look different; more share a look, and their names tell them apart."""
PIECE = 120
"""Points of one path: an attribute longer than 2,000 letters would be cut (`wording.clean`)."""
_WIDE, _TALL = 1000, 1000  # units of the field, which is stretched to the page
_TOP = 8


@dataclass(frozen=True, slots=True)
class Line:
    """One line."""

    name: str
    """Of the policy."""
    style: int
    """Which look, from 0."""
    points: Sequence[tuple[float, float]]
    """Places from 0 to 1, across and up."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis."""

    at: float
    """Place from 0 to 1."""
    said: str
    """What it stands for."""


def lines(
    rows: Sequence[Line], *, across: Sequence[Tick], up: Sequence[Tick], caption: Caption
) -> Markup:
    """The chart: thin lines of the grid, the lines, the words of both axes."""
    parts: list[Markup] = []
    for tick in up:
        y = _TOP + round((1 - tick.at) * HEIGHT)
        parts.append(element("line", x1="0%", x2="100%", y1=y, y2=y, class_="grid"))
    field = [
        element(
            "path",
            hint(row.name),
            d=_path(row.points[start : start + PIECE + 1]),
            class_=f"line l{row.style % STYLES}",
            vector_effect="non-scaling-stroke",
        )
        for row in rows
        for start in range(0, len(row.points), PIECE)
    ]
    parts.append(
        element(
            "svg",
            *field,
            x=0,
            y=_TOP,
            width="100%",
            height=HEIGHT,
            viewBox=f"0 0 {_WIDE} {_TALL}",
            preserveAspectRatio="none",
        )
    )
    for tick in up:
        y = _TOP + round((1 - tick.at) * HEIGHT)
        parts.append(label(tick.said, x=2, y=y - 3, class_="t tick halo"))
    for place, tick in enumerate(across):
        anchor = "start" if place == 0 else "end" if place == len(across) - 1 else "middle"
        parts.append(
            label(
                tick.said,
                x=percent(tick.at),
                y=_TOP + HEIGHT + 16,
                class_="t tick",
                text_anchor=anchor,
            )
        )
    return drawing(
        *parts,
        name=caption.name,
        title=caption.title,
        description=caption.description,
        height=_TOP + HEIGHT + 22,
    )


def _path(points: Sequence[tuple[float, float]]) -> str:
    places = (
        f"{round(_unit(x) * _WIDE, 1):g} {round((1 - _unit(y)) * _TALL, 1):g}" for x, y in points
    )
    return "M" + " L".join(places)


def _unit(value: float) -> float:
    return min(max(value, 0.0), 1.0)
