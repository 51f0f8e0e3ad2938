"""SVG elements as text: every attribute and every text is escaped, nothing else gets in.

Drawings have no ``viewBox``: places across are percentages, places down are pixels, so a drawing
fills a phone or a desk screen and its lettering keeps its size.
"""

from __future__ import annotations

from markupsafe import Markup, escape

from yunhe.reports.wording import clean

Attribute = str | int | float


def element(tag: str, *children: Markup, **attributes: Attribute | None) -> Markup:
    """``<tag …>children</tag>``; attributes of ``None`` are left out.

    A trailing underscore in an attribute's name is dropped (``class_``), others become hyphens.
    """
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(clean(str(value)))}"'
        for name, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{tag}{written}>{''.join(children)}</{tag}>")  # noqa: S704 - escaped above


def label(content: str, *, title: str | None = None, **attributes: Attribute | None) -> Markup:
    """A line of text, with a hint for the pointer."""
    shown = escape(clean(content))
    return element("text", *((hint(title),) if title else ()), shown, **attributes)


def clipped(*children: Markup, top: int, width: float, height: int) -> Markup:
    """Children at the left edge, cut off where the next column begins."""
    return element("svg", *children, x=0, y=top, width=percent(width), height=height)


def hint(content: str) -> Markup:
    """The text that a pointer at rest brings up, and that a screen reader says."""
    return element("title", escape(clean(content)))


def drawing(
    *children: Markup, name: str, title: str, description: str, height: int, class_: str = ""
) -> Markup:
    """A whole picture with its name and a sentence that says what it shows.

    ``name`` must be unique on the page and a plain identifier.
    """
    return element(
        "svg",
        element("title", escape(clean(title)), id=f"{name}-title"),
        element("desc", escape(clean(description)), id=f"{name}-desc"),
        *children,
        class_=f"drawing {class_}".rstrip(),
        role="img",
        width="100%",
        height=height,
        aria_labelledby=f"{name}-title {name}-desc",
    )


def percent(fraction: float) -> str:
    """A place across the drawing."""
    return f"{100 * min(max(fraction, 0.0), 1.0):.2f}%"
