"""The report in a terminal: the same story in 80 columns, and nothing that moves the cursor."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
import report_sample as sample
import rich.console
from hypothesis import given
from hypothesis import strategies as st
from report_parts import DEPARTMENTS
from rich.cells import cell_len
from test_reports_hostile import poisoned
from test_reports_page import SECTIONS, without_optional

from yunhe.kernel.language import LANGUAGES
from yunhe.reports import blocks
from yunhe.reports.chain import render_terminal
from yunhe.reports.charts import Bar, Dot, Span
from yunhe.reports.domain import STAGES, Chain, Confusion
from yunhe.reports.wording import Wording, clean


def printed(chain, language, *, width=80, colours=False):
    out = io.StringIO()
    console = rich.console.Console(
        file=out, width=width, force_terminal=colours, color_system="truecolor" if colours else None
    )
    console.print(render_terminal(chain, language=language))
    return out.getvalue()


def flat(text):
    return re.sub(r"\s+", "", text)


CHAINS = {
    "full": sample.full(),
    "broken": sample.broken(),
    "stopped": sample.stopped(3),
    "hostile": poisoned(sample.full()),
    "hostile numbers": poisoned(sample.full(), numbers=True),
    "many classes": replace(sample.full(), evaluation=sample.evaluation(classes=30)),
    "nothing": Chain(run_id="r", plan="p", title="t", synthetic=True, started_at_us=0),
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", [80, 100, 140])
@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS.keys())
def test_no_line_is_wider_than_the_terminal(chain, width, language):
    text = printed(chain, language, width=width)
    assert max(cell_len(line) for line in text.splitlines()) <= width


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS.keys())
def test_in_a_file_nothing_is_drawn_out_to_the_width_there_is_not(chain):
    lines = printed(chain, "en", width=100_000).splitlines()
    assert max(map(len, lines)) < 10_000  # hostile names are long
    assert all(line.count("─") <= blocks.LINE_CELLS for line in lines)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_terminal_tells_the_same_story_as_the_page(language):
    text = flat(printed(sample.full(), language))
    wording = Wording(language)
    for key in ("notice.evidence", "notice.deidentified", "notice.limits", "synthetic.note",
                "gate.passed", "ledger.balanced", "tamper"):  # fmt: skip
        assert flat(wording.say(key)) in text, key
    for figure in ("20,000→17,482", "34,085", "0.891[0.879,0.903]", "15/15", "41.250"):
        assert figure in text
    for stage in STAGES:
        assert flat(wording.named("stage", stage)) in text
    for link in sample.links():
        assert flat(wording.proof(link.kind)) in text
        assert wording.short(link.reference) in text
    for label in DEPARTMENTS:
        assert label in text
    assert text.count(flat(wording.say("governance.unverified"))) >= 2
    assert flat(wording.say("synthetic.badge")) in text


def test_the_command_that_repeats_the_verification_can_be_copied():
    assert "  yunhe verify receipt.json --trust trust.txt" in printed(sample.full(), "en")


def test_a_broken_chain_is_told_at_the_top():
    text = printed(sample.broken(), "en")
    assert text.index("✗ The chain does not verify: 1 of 15") < 600
    assert "⚠ not noticed" in text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("at", range(len(STAGES)))
def test_a_stopped_run_says_where_and_why(language, at):
    text = flat(printed(sample.stopped(at), language).replace("│", ""))
    wording = Wording(language)
    stop = sample.stopped(at).stopped
    assert flat(wording.words(stop.why)) in text
    assert flat(wording.words(stop.next_step)) in text
    assert text.count(flat(wording.say("say.not_reached"))) == len(STAGES) - at


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_may_be_missing_or_bare(section):
    for value in (None, without_optional(getattr(sample.full(), section))):
        assert "None" not in printed(replace(sample.full(), **{section: value}), "en")


def test_hostile_text_moves_colours_and_clears_nothing():
    text = printed(CHAINS["hostile numbers"], "en")
    assert "\x1b" not in text
    assert "\x00" not in text
    assert "\u202e" not in text
    coloured = printed(CHAINS["hostile"], "en", colours=True)
    # Only rich's own colour sequences: no cursor, no screen, no title.
    assert set(re.findall(r"\x1b(?!\[[0-9;]*m)..", coloured)) == set()


def test_markup_in_a_value_is_text():
    chain = replace(sample.full(), title="[bold red]title[/] [link=file:///x]y[/link]")
    assert "[bold red]title[/] [link=file:///x]y[/link]" in printed(chain, "en")


def test_the_same_chain_gives_the_same_text():
    assert printed(sample.full(), "zh") == printed(sample.full(), "zh")


@given(st.text(max_size=60), st.integers(2, 40))
def test_a_fitted_label_takes_exactly_its_cells(text, cells):
    assert cell_len(blocks.fitted(clean(text), cells)) == cells


@given(st.floats(-1, 2), st.integers(1, 40))
def test_a_bar_is_as_long_as_its_fraction(fraction, cells):
    drawn = blocks.bar(fraction, cells)
    assert cell_len(drawn) == cells
    full = drawn.rstrip()
    expected = min(max(fraction, 0), 1) * cells
    assert abs(len(full) - expected) <= 1
    assert bool(full) == (fraction > 0)


@given(*(st.floats(0, 1) for _ in range(6)), st.sampled_from([0.0, 0.5]))
def test_a_track_shows_both_marks_at_their_places(a, b, c, d, e, f, axis_from):
    model = Span(sorted((a, b, c))[1], min(a, b, c), max(a, b, c), "m")
    other = Span(sorted((d, e, f))[1], min(d, e, f), max(d, e, f), "b")
    drawn = blocks.track(model, other, axis_from=axis_from).plain
    assert len(drawn) == blocks.TRACK_CELLS
    assert drawn.count("●") == 1
    assert drawn.count("◇") <= 1
    alone = blocks.track(model, None, axis_from=axis_from).plain
    assert "◇" not in alone
    place = max(model.value - axis_from, 0) / (1 - axis_from) * (blocks.TRACK_CELLS - 1)
    assert abs(alone.index("●") - place) <= 0.5


def test_a_matrix_too_wide_for_a_terminal_is_left_to_its_mistakes():
    few = Confusion(("甲", "乙"), ((9, 1), (2, 8)))
    assert blocks.matrix(few) is not None
    labels = tuple(str(i) for i in range(30))
    assert blocks.matrix(Confusion(labels, tuple((1,) * 30 for _ in labels))) is None
    text = printed(CHAINS["many classes"], "en")
    assert "Most frequent confusions" in text


def test_charts_of_nothing_are_empty_and_do_not_fail():
    console = rich.console.Console(file=io.StringIO(), width=80)
    console.print(blocks.bars([]))
    console.print(blocks.dots([], axis_from=0.0))
    assert blocks.matrix(Confusion((), ())) is None


def test_long_labels_and_values_leave_room_for_a_bar():
    rows = [Bar("很长的名称" * 9, 1.0, "900.000 device-seconds (ascend910b)"), Bar("a", 0.5, "1")]
    out = io.StringIO()
    rich.console.Console(file=out, width=80).print(blocks.bars(rows))
    first = out.getvalue().splitlines()[0]
    assert "…" in first
    assert first.count("█") >= blocks.BAR_CELLS_MIN
    assert cell_len(first) <= 80


def test_a_row_of_an_interval_plot_names_figures_and_places_agree():
    rows = [Dot("甲", "", Span(1.0, 0.9, 1.0, "1.000 [0.900, 1.000]"), None)]
    out = io.StringIO()
    rich.console.Console(file=out, width=80).print(blocks.dots(rows, axis_from=0.5))
    first, axis = out.getvalue().splitlines()[:2]
    assert "1.000 [0.900, 1.000]" in first
    # The label is one character on two cells, so the axis stands one character further right.
    assert first.index("●") + 1 == axis.index("1.0") + 2
