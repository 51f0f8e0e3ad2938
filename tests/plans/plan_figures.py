"""The figures that README quotes: how they are written, and what a run says they are.

A block in README stands between ``<!-- figures:NAME -->`` and ``<!-- /figures:NAME -->`` and is a
table of two columns whose rows begin with the labels below. Only whole numbers, percentages and
scores to three decimals are quoted; times and sums of money differ from machine to machine.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import ceil, floor

from plan_desk import ROOT, Desk

SCORE_TOLERANCE = 0.002
"""Processors differ in the last bits of their sums, and a prediction on the edge may follow."""


@dataclass(frozen=True)
class Figure:
    """One row: its label, its numbers, and how far each may be off."""

    label: str
    numbers: tuple[float, ...]
    template: str
    tolerance: float = 0.0

    @property
    def row(self) -> str:
        """The row as it should stand in README."""
        return f"| {self.label} | {self.template.format(*self.numbers)} |"


def figures(desk: Desk, result: dict) -> list[Figure]:
    """What this run's README block says."""
    body = desk.certificate(result["run"])
    dropped = body["decisions"]["documents_dropped"]
    low, high = (float(result[name]) * 1_000 for name in ("score_low", "score_high"))
    metric = float(result["score"]), floor(low) / 1_000, ceil(high) / 1_000  # as it is printed
    baseline = float(result["baseline_score"])
    lines = [
        Figure("Documents in → out", (result["documents_in"], result["documents_out"]),
               "{0:,} → {1:,}"),
        Figure("Dropped, each with a reason", (dropped,), "{0:,}"),
        Figure("Personal details masked", (result["details_masked"],), "{0:,}"),
    ]  # fmt: skip
    if isinstance(body["truth"], dict):
        recall = body["truth"]["recall"].values()
        found, of = (sum(claim[name] for claim in recall) for name in ("found", "of"))
        lines.append(
            Figure("Of those planted, masked", (found, of, 100 * found / of),
                   "{0:,} of {1:,} ({2:.1f} %)", 0.05)
        )  # fmt: skip
    return [
        *lines,
        Figure("Macro-F1 on what it never saw, with 95 % interval", metric,
               "{0:.3f} [{1:.3f}, {2:.3f}]", SCORE_TOLERANCE),
        Figure("Keyword baseline, macro-F1", (baseline,), "{0:.3f}", SCORE_TOLERANCE),
        Figure("Links of the answer's chain verified", (result["links_ok"], result["links"]),
               "{0} of {1}"),
    ]  # fmt: skip


def block(name: str) -> str:
    """README's block of that name."""
    readme = (ROOT / "README.md").read_text("utf-8")
    begin, end = f"<!-- figures:{name} -->", f"<!-- /figures:{name} -->"
    assert readme.count(begin) == readme.count(end) == 1, name
    return readme.partition(begin)[2].partition(end)[0].strip()


def as_it_should_be(expected: list[Figure]) -> str:
    """The whole block, to be copied into README."""
    return "\n".join(["| Figure | This run |", "|---|---|", *(figure.row for figure in expected)])


def check(name: str, expected: list[Figure]) -> None:
    """The block quotes every figure, and each as this run has it."""
    cells = dict(re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|$", block(name), re.MULTILINE))
    said = {label: text for label, text in cells.items() if re.search(r"\d", text)}
    advice = f"README's figures:{name} should read\n\n{as_it_should_be(expected)}\n"
    assert list(said) == [figure.label for figure in expected], advice
    for figure in expected:
        shape = re.sub(r"\d[\d,]*", "0", figure.template.format(*figure.numbers))
        assert re.sub(r"\d[\d,]*", "0", said[figure.label]) == shape, advice
        quoted = [
            float(n.replace(",", "")) for n in re.findall(r"\d[\d,]*(?:\.\d+)?", said[figure.label])
        ]
        for quote, number in zip(quoted, figure.numbers, strict=True):
            fine = abs(quote - number) <= figure.tolerance + 0.0005 * (figure.tolerance > 0)
            assert fine, f"{figure.label}: {quote} is not {number}\n{advice}"
