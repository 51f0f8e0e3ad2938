"""The report of one run, as a page and for the terminal: the floor's two commands.

The page is one file: no script, no outside resource, both languages inside, readable on a phone,
in the dark and on paper. The same input gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

import rich.console
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from yunhe.kernel.language import LANGUAGES, Language
from yunhe.reports import figures, palette, story, terminal
from yunhe.reports.domain import STAGES, Chain
from yunhe.reports.wording import Piece, Wording, clean

_INTERVAL = re.compile(r"[\d.]+ \[[\d.]+, [\d.]+\]")

ROWS_MAX = 200
"""Rows of one table; how many more there are is said below it."""


def render_html(chain: Chain, *, language: Language) -> str:
    """The report as one HTML page that opens in ``language`` and holds the other one as well.

    Every value is escaped, and control characters are shown as ``�``. Cost: about 0.1 s and
    250 kB for twelve classes.
    """
    readings = [_reading(chain, Wording(one)) for one in LANGUAGES]
    page = _environment().get_template("page.html.j2")
    return page.render(
        chain=chain,
        first=Wording(language),
        readings=readings,
        light=palette.LIGHT,
        dark=palette.DARK,
        heat_steps=range(palette.HEAT_STEPS),
    )


def render_terminal(chain: Chain, *, language: Language) -> rich.console.RenderableType:
    """The same for a terminal of 80 columns or more; print it with a `rich.console.Console`."""
    return terminal.render(chain, Wording(language))


def _reading(chain: Chain, wording: Wording) -> dict[str, object]:
    """What the templates need to write the run down in one language."""
    evaluation = chain.evaluation
    lineage = figures.lineage(chain.verification) if chain.verification else None
    return {
        "w": wording,
        "draw": figures.Figures(wording),
        "headline": story.headline(chain, wording),
        "alarming": story.alarming(chain),
        "signs": terminal.SIGNS,
        "tiles": story.tiles(chain, wording),
        "stages": story.stages(chain),
        "sentences": {stage: story.sentence(chain, stage, wording) for stage in STAGES},
        "gate": story.gate(evaluation, wording) if evaluation else "",
        "confusions": story.confusions(evaluation.confusion, wording)
        if evaluation and evaluation.confusion
        else (),
        "lineage": lineage,
        "numbers": {link.reference: i + 1 for i, link in enumerate(lineage.links)}
        if lineage
        else {},
        "left_out": figures.left_out(chain.verification) if chain.verification else 0,
    }


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("yunhe.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters["stress"] = _stress
    environment.filters["rows"] = _rows
    return environment


def _finalize(value: object) -> object:
    """Clean every text before it is escaped; markup was made by `svg`, which cleans too."""
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _stress(pieces: Sequence[Piece]) -> Markup:
    """A sentence whose values stand out; a figure and its interval stay on one line."""
    return Markup("").join(_strong(piece) if value else escape(piece) for piece, value in pieces)


def _strong(value: str) -> Markup:
    if _INTERVAL.fullmatch(value):
        return Markup('<strong class="nowrap">{}</strong>').format(value)
    return Markup("<strong>{}</strong>").format(value)


def _rows(items: Sequence[object]) -> Sequence[object]:
    """As many rows as a table shows."""
    return items[:ROWS_MAX]
