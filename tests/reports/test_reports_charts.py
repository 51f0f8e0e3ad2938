"""The drawings: well-formed, accessible, in proportion, readable in both themes."""

from __future__ import annotations

import itertools
import re
from xml.etree import ElementTree

import pytest
import report_sample as sample
from hypothesis import given
from hypothesis import strategies as st

from yunhe.reports import palette, picture
from yunhe.reports.charts import (
    HEAT_CLASSES_MAX,
    ROWS_MAX,
    Bar,
    Caption,
    Dot,
    Span,
    axis_start,
    bars,
    dots,
    heat,
)
from yunhe.reports.figures import Figures
from yunhe.reports.lineage import arrange
from yunhe.reports.sections_model import Confusion
from yunhe.reports.svg import element, percent
from yunhe.reports.wording import Wording

CAPTION = Caption("figure", "A <title> & more", 'says "what" it shows')
HOSTILE = "\"'><script>alert(1)</script>]]>&amp;\x00\x1b\u202e</svg>"


def parsed(markup):
    return ElementTree.fromstring(str(markup))


def places(tree, tag, attribute):
    return [float(one.get(attribute).rstrip("%")) for one in tree.iter(tag) if one.get(attribute)]


def test_a_drawing_names_itself_for_those_who_do_not_see_it():
    tree = parsed(bars([Bar("a", 1.0, "1")], caption=CAPTION))
    assert tree.get("role") == "img"
    assert tree.get("aria-labelledby") == "figure-title figure-desc"
    assert tree.find("title").text == "A <title> & more"
    assert tree.find("desc").text == 'says "what" it shows'


def test_bars_are_in_proportion_and_a_small_one_is_still_seen():
    rows = [Bar("all", 1.0, "1,000"), Bar("half", 0.5, "500"), Bar("few", 0.0001, "1"),
            Bar("none", 0.0, "0")]  # fmt: skip
    tree = parsed(bars(rows, caption=CAPTION))
    drawn = [one.get("width") for one in tree.iter("rect") if "fill" in one.get("class")]
    assert drawn == ["100.00%", "50.00%", "0.40%", "0.00%"]
    shown = "".join(tree.itertext())
    assert all(row.value in shown and row.name in shown for row in rows)


def test_a_chart_draws_no_more_rows_than_its_bound():
    tree = parsed(bars([Bar(str(i), 0.5, "1") for i in range(ROWS_MAX + 9)], caption=CAPTION))
    assert sum("fill" in one.get("class") for one in tree.iter("rect")) == ROWS_MAX


def test_a_chart_of_nothing_is_still_a_drawing():
    assert parsed(bars([], caption=CAPTION)).get("role") == "img"
    assert parsed(heat(Confusion((), ()), cell_title=lambda i, j: "", caption=CAPTION)) is not None


def test_dots_stand_at_their_values_between_their_bounds():
    rows = [Dot("a", "", Span(0.8, 0.7, 0.9, "0.800 [0.700, 0.900]"), None, strong=True)]
    tree = parsed(dots(rows, axis_from=0.0, caption=CAPTION))
    (place,) = places(tree, "circle", "cx")
    (span,) = [one for one in tree.iter("line") if "span" in one.get("class")]
    low, high = (float(span.get(end).rstrip("%")) for end in ("x1", "x2"))
    assert low < place < high
    assert place == pytest.approx(1 + 98 * 0.8, abs=0.01)
    assert "0.800 [0.700, 0.900]" in "".join(tree.itertext())


def test_the_baseline_differs_in_shape_and_not_only_in_colour():
    score = Span(0.8, 0.7, 0.9, "m")
    other = Span(0.6, 0.5, 0.7, "b")
    tree = parsed(dots([Dot("a", "", score, other)], axis_from=0.5, caption=CAPTION))
    assert [one.get("class") for one in tree.iter("circle")] == ["dot model"]
    assert "baseline" in [one.get("class") for one in tree.iter("rect")]


def test_a_score_without_interval_is_a_dot_alone():
    rows = [Dot("a", "", Span(0.8, None, None, "0.800"), None)]
    tree = parsed(dots(rows, axis_from=0.0, caption=CAPTION))
    assert not [one for one in tree.iter("line") if "span" in one.get("class")]


@pytest.mark.parametrize(
    ("values", "start"), [([], 0.0), ([0.9, 0.51], 0.5), ([0.5], 0.5), ([0.9, 0.49], 0.0)]
)
def test_the_axis_starts_where_nothing_is_cut_off(values, start):
    assert axis_start(values) == start


@given(st.floats(-2, 3), st.sampled_from([0.0, 0.5]))
def test_no_mark_leaves_the_drawing(value, axis_from):
    row = Dot("a", "", Span(value, value - 0.1, value + 0.1, "x"), None)
    tree = parsed(dots([row], axis_from=axis_from, caption=CAPTION))
    for tag, attribute in (("circle", "cx"), ("line", "x1"), ("line", "x2")):
        assert all(0 <= place <= 100 for place in places(tree, tag, attribute))


def test_the_matrix_prints_every_count_and_shades_by_share_of_its_row():
    confusion = Confusion(("甲", "乙"), ((90, 10), (0, 4)))
    tree = parsed(heat(confusion, cell_title=lambda i, j: f"cell {i} {j}", caption=CAPTION))
    numbers = [one.text for one in tree.iter("text") if (one.get("class") or "").endswith("t")]
    assert [number for number in numbers if number in {"90", "10", "·", "4"}] == [
        "90", "10", "·", "4"
    ]  # fmt: skip
    shades = [one.get("class") for one in tree.iter("rect")]
    assert shades == ["h5 right", "h2", "h0", "h5 right"]
    titles = [one.text for one in tree.iter("title")]
    assert "cell 0 1" in titles
    assert "cell 1 0" not in titles


def test_the_matrix_refuses_more_classes_than_a_page_can_carry():
    many = tuple(str(i) for i in range(HEAT_CLASSES_MAX + 1))
    confusion = Confusion(many, tuple((0,) * len(many) for _ in many))
    with pytest.raises(ValueError, match="too many"):
        heat(confusion, cell_title=lambda i, j: "", caption=CAPTION)
    assert Figures(Wording("en")).confusion(confusion) is None


def chain_picture(links, text="kind"):
    lineage = arrange(links)
    boxes = {
        one.reference: picture.Box(text, text, text, text, text, f"link-{i}")
        for i, one in enumerate(lineage.links)
    }
    return parsed(picture.chain(lineage, boxes, caption=CAPTION))


def test_the_picture_signs_each_box_and_not_only_colours_it():
    tree = chain_picture(sample.links(broken="evaluation"))
    signs = [one.text for one in tree.iter("text") if "sign" in (one.get("class") or "")]
    assert signs.count("✗") == 1
    assert signs.count("✓") == 14
    broken = [one for one in tree.iter("line") if one.get("class") == "join bad"]
    whole = [one for one in tree.iter("line") if one.get("class") == "join good"]
    assert broken
    assert whole


def test_boxes_of_one_row_do_not_overlap():
    tree = chain_picture(sample.links())
    boxes = [one for one in tree.iter("svg") if one.get("width") and one.get("height") == "62"]
    by_row = {}
    for one in boxes:
        left, width = float(one.get("x")[:-1]), float(one.get("width")[:-1])
        by_row.setdefault(one.get("y"), []).append((left, left + width))
    assert len(by_row) == 12
    for row in by_row.values():
        row.sort()
        assert all(first[1] <= second[0] for first, second in itertools.pairwise(row))
        assert all(left >= 0 and right <= 100 for left, right in row)


@pytest.mark.parametrize(
    "markup",
    [
        bars([Bar(HOSTILE, 0.5, HOSTILE)], caption=Caption("f", HOSTILE, HOSTILE)),
        dots(
            [Dot(HOSTILE, HOSTILE, Span(0.5, 0.4, 0.6, HOSTILE), Span(0.5, 0.4, 0.6, HOSTILE))],
            axis_from=0.0,
            caption=Caption("f", HOSTILE, HOSTILE),
        ),
        heat(Confusion((HOSTILE,), ((1,),)), cell_title=lambda i, j: HOSTILE, caption=CAPTION),
        element("text", title=HOSTILE, class_=HOSTILE),
    ],
)
def test_hostile_text_stays_text_in_a_drawing(markup):
    tree = parsed(markup)
    assert {one.tag for one in tree.iter()} <= {
        "svg", "rect", "line", "circle", "path", "text", "tspan", "title", "desc", "a"
    }  # fmt: skip
    assert "\x1b" not in markup
    assert "\u202e" not in markup
    carried = "".join(tree.itertext()) + "".join(tree.attrib.values())
    assert "<script>" in carried


def test_hostile_text_stays_text_in_the_picture():
    tree = chain_picture(sample.links(), HOSTILE)
    assert "<script>" in "".join(tree.itertext())
    assert not list(tree.iter("script"))


def test_places_are_bounded_and_exact():
    assert [percent(one) for one in (-1, 0, 0.12345, 1, 7)] == [
        "0.00%", "0.00%", "12.35%", "100.00%", "100.00%"
    ]  # fmt: skip


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [palette.LIGHT, palette.DARK], ids=["light", "dark"])
@pytest.mark.parametrize("pair", palette.TEXT_PAIRS, ids="-on-".join)
def test_every_text_has_contrast_of_at_least_four_and_a_half(theme, pair):
    ink, ground = pair
    assert contrast(theme[ink], theme[ground]) >= 4.5


@pytest.mark.parametrize("theme", [palette.LIGHT, palette.DARK], ids=["light", "dark"])
@pytest.mark.parametrize("mark", ["bar", "accent", "baseline", "good", "bad", "warn", "muted"])
def test_marks_of_a_chart_stand_out_from_the_paper(theme, mark):
    # WCAG 2.2, 1.4.11: graphical objects need 3.
    assert contrast(theme[mark], theme["paper"]) >= 3
    assert contrast(theme[mark], theme["card"]) >= 3


def test_both_themes_name_the_same_colours_in_full():
    assert palette.LIGHT.keys() == palette.DARK.keys()
    for theme in (palette.LIGHT, palette.DARK):
        assert all(re.fullmatch(r"#[0-9a-f]{6}", colour) for colour in theme.values())
