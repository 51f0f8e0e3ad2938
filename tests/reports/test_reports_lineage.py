"""The arrangement of a chain for its picture."""

from __future__ import annotations

import report_sample as sample
from hypothesis import given
from hypothesis import strategies as st

from yunhe.reports.lineage import LINKS_DRAWN_MAX, arrange
from yunhe.reports.sections_proof import Link


def link(name: str, *parents: str) -> Link:
    return Link(
        reference=name,
        kind="kind",
        subject=name,
        ok=True,
        parents=tuple(("rests", parent) for parent in parents),
    )


def names(rows):
    return [[one.reference for one in row] for row in rows]


def test_the_answer_stands_on_top_and_the_raw_data_at_the_bottom():
    lineage = arrange(sample.links())
    kinds = [[one.kind for one in row] for row in lineage.rows]
    assert kinds == [
        ["serving.answer"],
        ["serving.deployment"],
        ["governance.release"],
        ["governance.approval", "governance.approval"],
        ["evaluation.run", "governance.risk"],
        ["model.version"],
        ["compute.usage"],
        ["compute.award", "evaluation.split"],
        ["data.grant"],
        ["data.listing"],
        ["data.certificate"],
        ["data.source"],
    ]


def test_a_line_that_a_longer_way_implies_is_left_out():
    lineage = arrange([link("a", "b", "c"), link("b", "c"), link("c")])
    assert lineage.lines == (("a", "b"), ("b", "c"))


def test_links_without_parents_are_drawn_as_one_thread():
    lineage = arrange([link("a"), link("b"), link("c")])
    assert names(lineage.rows) == [["a"], ["b"], ["c"]]
    assert lineage.lines == (("a", "b"), ("b", "c"))


def test_parents_that_are_not_there_are_passed_over():
    lineage = arrange([link("a", "b", "elsewhere"), link("b")])
    assert lineage.lines == (("a", "b"),)


def test_a_circle_does_not_hang_and_every_record_is_still_drawn():
    lineage = arrange([link("a", "b"), link("b", "c"), link("c", "a"), link("d", "d")])
    assert sorted(one.reference for one in lineage.links) == ["a", "b", "c", "d"]


def test_a_repeated_reference_is_drawn_once():
    assert names(arrange([link("a", "b"), link("b"), link("a")]).rows) == [["a"], ["b"]]


def test_a_row_is_ordered_by_what_stands_above_it():
    lineage = arrange([link("top", "left", "right"), link("left", "x"), link("right", "w"),
                       link("w"), link("x")])  # fmt: skip
    assert names(lineage.rows) == [["top"], ["left", "right"], ["x", "w"]]


def test_nothing_gives_an_empty_picture():
    lineage = arrange([])
    assert lineage.rows == ()
    assert lineage.lines == ()


def test_a_long_chain_is_drawn_from_the_answer_down_to_its_bound():
    many = [link(str(i), str(i + 1)) for i in range(LINKS_DRAWN_MAX + 20)]
    lineage = arrange(many)
    assert [one.reference for one in lineage.links] == [str(i) for i in range(LINKS_DRAWN_MAX)]


@st.composite
def graphs(draw):
    size = draw(st.integers(1, 12))
    return [
        link(str(i), *(str(j) for j in draw(st.sets(st.integers(0, 14), max_size=4))))
        for i in range(size)
    ]


@given(graphs())
def test_every_record_has_one_place_and_every_line_goes_down(links):
    lineage = arrange(links)
    depth = {one.reference: i for i, row in enumerate(lineage.rows) for one in row}
    assert sorted(depth) == sorted({one.reference for one in links})
    assert len(lineage.links) == len(links)
    assert all(row for row in lineage.rows)
    for child, parent in lineage.lines:
        assert depth[child] < depth[parent]


@given(graphs())
def test_leaving_out_lines_never_cuts_a_record_from_what_it_rests_on(links):
    lineage = arrange(links)
    below = {}
    for child, parent in lineage.lines:
        below.setdefault(child, set()).add(parent)

    def reach(start):
        found, waiting = set(), [start]
        while waiting:
            for parent in below.get(waiting.pop(), ()):
                if parent not in found:
                    found.add(parent)
                    waiting.append(parent)
        return found

    depth = {one.reference: i for i, row in enumerate(lineage.rows) for one in row}
    for one in links:
        for _, parent in one.parents:
            if parent in depth and depth[parent] > depth[one.reference]:
                # A circle may have dropped the line itself; without one, the way must remain.
                assert parent in reach(one.reference) or one.reference in {
                    other for other in depth if _circular(links, other)
                }


def _circular(links, start):
    parents = {one.reference: [parent for _, parent in one.parents] for one in links}
    found, waiting = set(), [start]
    while waiting:
        for parent in parents.get(waiting.pop(), ()):
            if parent == start:
                return True
            if parent not in found:
                found.add(parent)
                waiting.append(parent)
    return False
