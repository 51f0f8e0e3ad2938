"""The summary on a terminal: one line a policy, then times by size, within 80 cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from yunhe.compute.simulation.figures import ALL, Figures, SizeClass, Spread
from yunhe.compute.simulation.report.wording import Words

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from yunhe.compute.simulation.report.sheet import Sheet
    from yunhe.kernel.language import Language

POLICIES_BOTH, POLICIES_MAX = 3, 6
"""Policies side by side in the table by size: with mean and percentile, with the mean alone."""
NAME_CELLS = 16
"""Longest name of a policy shown; the rest is cut."""


def told(sheet: Sheet, language: Language, *, findings: int) -> Iterator[RenderableType]:
    """Everything, top to bottom; at most so many findings."""
    words = Words(language)
    yield words.say(
        "lead",
        jobs=words.count(sheet.jobs),
        days=f"{sheet.days:.1f}",
        load=words.share(sheet.load),
        devices=words.count(sheet.devices),
        nodes=words.count(sheet.nodes),
        sites=words.count(sheet.sites),
    )
    yield ""
    yield summary(sheet.figures, words)
    yield ""
    yield words.say("by_size" if len(sheet.figures) <= POLICIES_BOTH else "by_size_mean")
    yield by_size(sheet.figures, words)
    yield ""
    yield words.say("by_size_jct")
    yield percentiles(sheet.figures, words, of=lambda one: one.jct_seconds, told=words.duration)
    yield ""
    yield words.say("by_size_slowdown")
    yield percentiles(sheet.figures, words, of=lambda one: one.slowdown, told="{:,.1f}".format)
    if any(one.cost_minor is not None for one in sheet.figures):
        yield ""
        costs = [
            f"{one.policy} {words.money(one.cost_minor, one.currency)}" for one in sheet.figures
        ]
        yield words.say("costs", costs="; ".join(costs))
    yield ""
    yield words.say("window.whole" if sheet.whole else "window")
    for note in sheet.notes:
        yield f"- {words.note(note)}"
    if sheet.faults:
        yield ""
        yield words.say("faulty", faults=words.count(sheet.faults), rows=words.count(sheet.rows))
        for finding in sheet.findings[:findings]:
            yield f"  - {finding.message(language)}"
        if sheet.faults > findings:
            yield f"  {words.say('more', count=words.count(sheet.faults - findings))}"
    yield f"{words.say('again')} {sheet.command}"


def summary(figures: Sequence[Figures], words: Words) -> Table:
    """One line a policy: mean wait, p99, mean JCT, slowdown, use, fragmentation, fairness."""
    columns = ("wait_mean", "p99", "jct_mean", "slowdown", "used", "partial", "rho_max")
    table = _table(words.say("column.policy"), [words.say(f"short.{name}") for name in columns])
    numbered = len(figures) > POLICIES_BOTH
    names = _numbered(figures, NAME_CELLS - 2) if numbered else _apart(figures)
    for name, one in zip(names, figures, strict=True):
        every = one.classes[0]
        table.add_row(
            name,
            words.duration(every.wait_seconds.mean),
            words.duration(every.wait_seconds.p99),
            words.duration(every.jct_seconds.mean),
            f"{every.slowdown.mean:,.1f}",
            f"{100 * one.utilisation:.1f}%",
            "–" if one.partial is None else f"{100 * one.partial:.1f}%",
            f"{one.fairness.rho_max:.2f}",
        )
    return table


def by_size(figures: Sequence[Figures], words: Words) -> Table:
    """The wait by class of size, the first policies side by side: mean, with few also p99."""
    shown = figures[:POLICIES_MAX]
    both = len(figures) <= POLICIES_BOTH
    names = _apart(shown) if both else _numbered(shown, 7)
    table = _table(words.say("short.devices"), names)
    for name in [one.name for one in shown[0].classes if one.name != ALL]:
        found = [next(c for c in one.classes if c.name == name) for one in shown]
        mean = [words.duration(each.wait_seconds.mean) for each in found]
        late = [words.duration(each.wait_seconds.p99) for each in found]
        pairs = [f"{a} / {b}" for a, b in zip(mean, late, strict=True)]
        table.add_row(name, *(pairs if both else mean))
    return table


def percentiles(
    figures: Sequence[Figures],
    words: Words,
    *,
    of: Callable[[SizeClass], Spread],
    told: Callable[[float], str],
) -> Table:
    """A quantity by class of size: p50, p90 and p99, a line each; the first policies beside."""
    shown = figures[:POLICIES_MAX]
    names = _apart(shown) if len(figures) <= POLICIES_BOTH else _numbered(shown, 7)
    table = _table(words.say("short.devices"), ["", *names])
    for name in [one.name for one in shown[0].classes if one.name != ALL]:
        found = [of(next(c for c in one.classes if c.name == name)) for one in shown]
        for part in ("p50", "p90", "p99"):
            first = name if part == "p50" else ""
            table.add_row(first, part, *(told(getattr(each, part)) for each in found))
    return table


def _numbered(figures: Sequence[Figures], cells: int) -> list[str]:
    return [f"{place} {_cut(one.policy, cells)}" for place, one in enumerate(figures, 1)]


def _apart(figures: Sequence[Figures]) -> list[str]:
    """Names of policies that tell them apart: where beginnings are alike, what they end with."""
    names = [_cut(one.policy, NAME_CELLS) for one in figures]
    alike = {name for name in names if names.count(name) > 1}
    found = [
        f"{one.policy[:4]}…{one.policy[5 - NAME_CELLS :]}" if name in alike else name
        for name, one in zip(names, figures, strict=True)
    ]
    return found if len(set(found)) == len(found) else _numbered(figures, NAME_CELLS - 2)


def _cut(name: str, cells: int) -> str:
    """The beginning of a name, and whether every job stays at home."""
    if len(name) <= cells:
        return name
    home = name.endswith("@home")
    return name[: cells - 5] + "@home" if home and cells > 10 else name[: cells - 1] + "…"


def _table(first: str, columns: Sequence[str]) -> Table:
    from rich.table import Table  # noqa: PLC0415 (help must start without it)

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(first, no_wrap=True)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    return table
