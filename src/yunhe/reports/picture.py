"""The chain as a picture: one box a record, from the answer at the top to the raw data below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from yunhe.reports.charts import Caption
from yunhe.reports.lineage import Lineage
from yunhe.reports.sections_proof import Link
from yunhe.reports.svg import drawing, element, hint, label, percent

_BOX, _GAP = 62, 30


@dataclass(frozen=True, slots=True)
class Box:
    """What is written in the box of one record."""

    title: str
    """Number and kind."""
    subject: str
    """Its id, shortened."""
    digest: str
    """Its reference, shortened."""
    time: str
    """When, short."""
    full: str
    """All of it, in full, for the pointer."""
    anchor: str
    """Where the page explains it."""


def chain(lineage: Lineage, boxes: Mapping[str, Box], *, caption: Caption) -> Markup:
    """Boxes by reference, joined by lines that mean "rests on".

    A line is whole and green when both its records verified, broken and red otherwise; a box says
    the same with ✓ and ✗.
    """
    places = _places(lineage.rows)
    ok = {link.reference: link.ok for link in lineage.links}
    parts: list[Markup] = []
    for child, parent in lineage.lines:
        parts += _line(places[child], places[parent], ok=ok[child] and ok[parent])
    for link in lineage.links:
        parts.append(_box(link, boxes[link.reference], places[link.reference]))
    height = max(len(lineage.rows) * (_BOX + _GAP) - _GAP + 4, 1)
    return drawing(
        *parts,
        name=caption.name,
        title=caption.title,
        description=caption.description,
        height=height,
        class_="chain",
    )


@dataclass(frozen=True, slots=True)
class _Place:
    left: float
    width: float
    top: int

    @property
    def middle(self) -> float:
        return self.left + self.width / 2


def _places(rows: Sequence[Sequence[Link]]) -> dict[str, _Place]:
    places = {}
    for index, row in enumerate(rows):
        share = 1 / len(row)
        width = 0.56 if len(row) == 1 else share - 0.02
        for column, link in enumerate(row):
            left = share * (column + 0.5) - width / 2
            places[link.reference] = _Place(left, width, 2 + index * (_BOX + _GAP))
    return places


def _line(child: _Place, parent: _Place, *, ok: bool) -> list[Markup]:
    start, end = child.top + _BOX, parent.top
    # Lines of either kind keep to their own lane, so that neither hides the other.
    middle = parent.top - _GAP / 2 + (-3 if ok else 3)
    style = "join good" if ok else "join bad"
    corners = (
        ((child.middle, start), (child.middle, middle)),
        ((child.middle, middle), (parent.middle, middle)),
        ((parent.middle, middle), (parent.middle, end - 5)),
    )
    lines = [
        element("line", x1=percent(x1), y1=y1, x2=percent(x2), y2=y2, class_=style)
        for (x1, y1), (x2, y2) in corners
        if (x1, y1) != (x2, y2)
    ]
    head = element("path", d="M-4 -6 L4 -6 L0 0 Z", class_=f"head {style[5:]}")
    return [*lines, element("svg", head, x=percent(parent.middle), y=end, overflow="visible")]


def _box(link: Link, box: Box, place: _Place) -> Markup:
    tone = "good" if link.ok else "bad"
    sign = element(
        "text", Markup("✓") if link.ok else Markup("✗"), x=10, y=21, class_=f"sign {tone}"
    )
    content = element(
        "svg",
        hint(box.full),
        element("rect", x=1, y=1, width="100%", height=_BOX - 2, rx=7, class_=f"box {tone}"),
        sign,
        label(box.title, x=28, y=21, class_="t strong"),
        label(box.subject, x=10, y=38, class_="t mono"),
        label(box.digest, x=10, y=53, class_="t mono quiet"),
        label(box.time, x="97%", y=53, class_="t mono quiet", text_anchor="end"),
        x=percent(place.left),
        y=place.top,
        width=percent(place.width),
        height=_BOX,
    )
    return element("a", content, href=f"#{box.anchor}")
