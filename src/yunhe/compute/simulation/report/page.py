"""The report as one HTML page: both languages inside, charts as SVG, no outside resource."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from yunhe.compute.simulation.domain import Note
from yunhe.compute.simulation.figures import ALL, Figures, SizeClass
from yunhe.compute.simulation.report.lines import STYLES, Line, Tick, lines
from yunhe.compute.simulation.report.sheet import Sheet
from yunhe.compute.simulation.report.wording import Words
from yunhe.kernel.language import LANGUAGES, Language
from yunhe.reports import palette
from yunhe.reports.charts import Bar, Caption, bars
from yunhe.reports.wording import clean

ROWS_MAX = 30
"""Rows of one table of tenants, sites or findings; how many more there are is said."""
_LOG_LEAST = 1.0  # seconds; shorter waits are drawn at the edge


def render(sheet: Sheet, *, language: Language) -> str:
    """The page, opening in ``language``; the same sheet gives the same bytes."""
    return (
        _environment()
        .get_template("simulation.html.j2")
        .render(
            sheet=sheet,
            first=Words(language),
            readings=[Reading(sheet, Words(one)) for one in LANGUAGES],
            light=palette.LIGHT,
            dark=palette.DARK,
            heat_steps=range(palette.HEAT_STEPS),
            styles=STYLES,
        )
    )


@cache
def _environment() -> Environment:
    return Environment(
        loader=ChoiceLoader(
            [
                PackageLoader("yunhe.compute.simulation.report", "templates"),
                PackageLoader("yunhe.reports", "templates"),  # the style sheet
            ]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: (
            clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value
        ),
    )


@dataclass(frozen=True, slots=True)
class Reading:
    """The page's words and drawings in one language."""

    sheet: Sheet
    """What it is about."""
    w: Words
    """The language."""

    def note(self, note: Note) -> str:
        """One sentence about the trace."""
        return self.w.note(note)

    def shown(self, rows: Sequence[object]) -> Sequence[object]:
        """As many rows as a table takes."""
        return rows[:ROWS_MAX]

    def waits(self) -> Markup:
        """Mean wait of each policy."""
        return self._bars("waits", lambda one: one.classes[0].wait_seconds.mean)

    def tails(self) -> Markup:
        """99th percentile of the wait of each policy."""
        return self._bars("tails", lambda one: one.classes[0].wait_seconds.p99)

    def completions(self) -> Markup:
        """Mean time from arrival to end of each policy."""
        return self._bars("completions", lambda one: one.classes[0].jct_seconds.mean)

    def _bars(self, key: str, of: Callable[[Figures], float]) -> Markup:
        values = [of(one) for one in self.sheet.figures]
        most, least = max(values, default=0) or 1, min(values, default=0)
        rows = [
            Bar(one.policy, value / most, self.w.duration(value), "good" if value == least else "")
            for one, value in zip(self.sheet.figures, values, strict=True)
        ]
        rows = [Bar(row.name, row.length, row.value, row.tone or "bar") for row in rows]
        said = "; ".join(f"{row.name}: {row.value}" for row in rows)
        return bars(rows, caption=self._caption(key, said))

    def busy(self) -> Markup:
        """Share of the devices held over time."""
        return self._series("busy", lambda one: one.series_busy, top=1.0)

    def waiting(self) -> Markup:
        """Devices waited for over time, as a share of the fleet."""
        most = max((max(one.series_waiting, default=0) for one in self.sheet.figures), default=0)
        return self._series("waiting", lambda one: one.series_waiting, top=most or 1.0)

    def _series(
        self, key: str, of: Callable[[Figures], tuple[float, ...]], *, top: float
    ) -> Markup:
        end = max((max(one.series_hours, default=0) for one in self.sheet.figures), default=0) or 1
        rows = [
            Line(
                one.policy,
                place,
                [(x / end, y / top) for x, y in zip(one.series_hours, of(one), strict=True)],
            )
            for place, one in enumerate(self.sheet.figures)
        ]
        across = [Tick(k / 4, self.w.duration(end * 3600 * k / 4)) for k in range(5)]
        up = [Tick(k / 4, f"{top * k / 4:.0%}") for k in range(1, 5)]
        said = "; ".join(f"{one.policy}: {one.utilisation:.1%}" for one in self.sheet.figures)
        return lines(rows, across=across, up=up, caption=self._caption(key, said))

    def distribution(self) -> Markup:
        """Share of jobs that waited at most so long, on a logarithmic axis."""
        longest = max((one.wait_seconds_quantiles[-1] for one in self.sheet.figures), default=0)
        decades = max(math.ceil(math.log10(max(longest, 10.0))), 1)
        rows = [
            Line(
                one.policy,
                place,
                [
                    (math.log10(max(wait, _LOG_LEAST)) / decades, share / 100)
                    for share, wait in enumerate(one.wait_seconds_quantiles)
                ],
            )
            for place, one in enumerate(self.sheet.figures)
        ]
        across = [Tick(k / decades, self.w.duration(10.0**k)) for k in range(decades + 1)]
        up = [Tick(k / 4, f"{k / 4:.0%}") for k in range(1, 5)]
        said = "; ".join(
            f"{one.policy}: p50 {self.w.duration(one.classes[0].wait_seconds.p50)}"
            for one in self.sheet.figures
        )
        return lines(rows, across=across, up=up, caption=self._caption("distribution", said))

    def classes(self) -> list[str]:
        """Names of the classes of size that any policy has."""
        return [one.name for one in self.sheet.figures[0].classes] if self.sheet.figures else []

    def of_class(self, figures: Figures, name: str) -> SizeClass:
        """The figures of one class."""
        return next(one for one in figures.classes if one.name == name)

    def class_name(self, name: str) -> str:
        """A class of size for people."""
        return self.w.say("class.all") if name == ALL else self.w.say("class.size", size=name)

    def rho(self, figures: Figures) -> tuple[float, float, float]:
        """Median, 90th and 99th percentile of ρ over the tenants; the nearest that somebody has."""
        rising = sorted(one.rho for one in figures.fairness.tenants) or [0.0]
        p50, p90, p99 = (rising[-(-len(rising) * part // 100) - 1] for part in (50, 90, 99))
        return p50, p90, p99

    def fair(self, figures: Figures) -> Markup:
        """ρ of the tenants that fare worst, under one policy."""
        worst = figures.fairness.tenants[:ROWS_MAX]
        most = max((one.rho for one in worst), default=1.0) or 1.0
        rows = [
            Bar(
                one.name,
                one.rho / most,
                f"{one.rho:.2f}",
                "bad" if one.rho > 1.1 else "good",
            )
            for one in worst
        ]
        said = "; ".join(f"{row.name}: {row.value}" for row in rows)
        place = [one.policy for one in self.sheet.figures].index(figures.policy)
        return bars(rows, caption=self._caption("fair", said, f"-{place}"))

    def _caption(self, key: str, said: str, more: str = "") -> Caption:
        name = f"{self.w.language}-simulation-{key}{more}"
        return Caption(name, self.w.say(f"chart.{key}"), said)
