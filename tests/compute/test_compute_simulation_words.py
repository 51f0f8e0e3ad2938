"""Everything a simulation is judged by stands in its report, side by side and in both languages."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from yunhe.compute.simulation import comparing
from yunhe.compute.simulation.comparing import Asked, compare, load
from yunhe.compute.simulation.fairness import Fairness, Tenant
from yunhe.compute.simulation.report.page import Reading, render
from yunhe.compute.simulation.report.terminal import NAME_CELLS, by_size, percentiles, summary
from yunhe.compute.simulation.report.wording import Words

POLICIES = ("fifo", "yunhe")
SAID = {
    "en": ("Wait", "Arrival to end (JCT)", "Slowdown", "Utilisation", "Fragmentation", "Cost"),
    "zh": ("等待时间", "完成时间（JCT）", "减速", "利用率", "碎片", "费用"),
}


@pytest.fixture(scope="module")
def sheet():
    asked = Asked(policies=POLICIES, first=300)
    return compare(asked, load(asked), progress=lambda *_: None)


def shown(sheet, language: str) -> str:
    out = io.StringIO()
    console = Console(file=out, width=80)
    for part in comparing.told(sheet, language, findings=2):
        console.print(part, crop=False)
    return out.getvalue()


@pytest.mark.parametrize("language", sorted(SAID))
def test_the_page_names_every_measure_and_its_percentiles_for_every_policy(sheet, language):
    page = render(sheet, language=language)
    start = page.index(f'<main class="in-{language}"')
    main = page[start : page.index("</main>", start)]
    for word in SAID[language]:
        assert word in main
    classes = len(sheet.figures[0].classes)
    for part in ("p50", "p90", "p99"):
        cells = re.findall(rf'<th class="v">{part}</th>', main)
        assert len(cells) == 3 * classes  # of wait, time to the end and slowdown, for each class
        assert main.count(f"ρ {part}") == 1
    for policy in POLICIES:
        assert main.count(f'<th scope="row">{policy}</th>') == classes + 2  # and use, fairness


@pytest.mark.parametrize("language", sorted(SAID))
def test_a_terminal_shows_the_same_percentiles_by_size(sheet, language):
    text, words = shown(sheet, language), Words(language)
    for key in ("by_size_jct", "by_size_slowdown"):
        assert words.say(key) in text
    assert max(len(line) for line in text.splitlines()[2:8]) <= 80
    for one in sheet.figures[0].classes[1:]:
        for value in (one.jct_seconds.p50, one.jct_seconds.p90, one.jct_seconds.p99):
            assert words.duration(value) in text
        assert f"{one.slowdown.p99:,.1f}" in text
    assert f"{100 * sheet.figures[0].partial:.1f}%" in text
    assert f"{sheet.figures[1].fairness.rho_max:.2f}" in text


def test_percentiles_of_fairness_are_those_of_somebody(sheet):
    tenants = tuple(Tenant(f"t{n}", 1, (100 - n) / 10) for n in range(100))
    figures = replace(sheet.figures[0], fairness=Fairness(tenants, 1.0, 10.0, 99))
    reading = Reading(sheet, Words("en"))
    assert reading.rho(figures) == (5.0, 9.0, 9.9)
    assert reading.rho(replace(figures, fairness=Fairness((), 1.0, 0.0, 0))) == (0.0, 0.0, 0.0)
    one = Fairness(tenants[:1], 1.0, 10.0, 1)
    assert reading.rho(replace(figures, fairness=one)) == (10.0, 10.0, 10.0)


@pytest.mark.parametrize("language", sorted(SAID))
@pytest.mark.parametrize(
    "names",
    [
        ("first_fit:packing=fgd", "first_fit:packing=best_fit"),
        ("first_fit:packing=fgd", "first_fit:packing=best_fit", "yunhe"),
        ("first_fit:packing=fgd,reserve=1000", "first_fit:packing=fgd,weight=1000"),
        ("first_fit:packing=fgd@home", "first_fit:packing=best_fit@home"),
    ],
)
def test_policies_whose_names_begin_alike_are_told_apart_in_a_narrow_terminal(
    sheet, language, names
):
    figures = [replace(sheet.figures[0], policy=name) for name in names]
    words = Words(language)
    wide = {"of": lambda one: one.jct_seconds, "told": words.duration}
    for table in (by_size(figures, words), percentiles(figures, words, **wide)):
        heads = [str(column.header) for column in table.columns][-len(names) :]
        assert len(set(heads)) == len(names)
        assert all(len(head) <= NAME_CELLS for head in heads)
    lines = list(summary(figures, words).columns[0].cells)
    assert len(set(lines)) == len(names)
    assert all(len(str(line)) <= NAME_CELLS for line in lines)
