"""How the records of a chain are arranged for a picture: rows from the answer down to the raw data.

Pure: links in, rows and lines out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from yunhe.reports.sections_proof import Link

LINKS_DRAWN_MAX = 64
"""Records in one picture; a longer chain is drawn from the answer down to this many."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where each record stands, and which lines join them."""

    rows: tuple[tuple[Link, ...], ...]
    """Top (what was answered) to bottom (what it rests on)."""
    lines: tuple[tuple[str, str], ...]
    """References of child and parent; a line implied by longer ways is left out."""

    @property
    def links(self) -> tuple[Link, ...]:
        """The records in reading order."""
        return tuple(link for row in self.rows for link in row)


def arrange(links: Sequence[Link]) -> Lineage:
    """Rows and lines for ``links``.

    A record stands below every record that rests on it. Links that name no parents at all are drawn
    as one thread in the given order. Parents that are not among the links, repeated references and
    circles (which a verified chain cannot have) are passed over. Cost: O(n³) in at most
    `LINKS_DRAWN_MAX` records.
    """
    known = {link.reference: link for link in reversed(links[:LINKS_DRAWN_MAX])}
    ordered = [reference for reference in _order(links) if reference in known]
    parents = _parents(known, ordered)
    depth = dict.fromkeys(ordered, 0)
    for reference in _sorted(parents, ordered):
        for parent in parents[reference]:
            depth[parent] = max(depth[parent], depth[reference] + 1)
    rows: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for reference in ordered:
        rows[depth[reference]].append(reference)
    lines = _reduced(parents, ordered)
    _untangle(rows, lines)
    return Lineage(tuple(tuple(known[one] for one in row) for row in rows), lines)


def _order(links: Sequence[Link]) -> list[str]:
    return list(dict.fromkeys(link.reference for link in links))


def _parents(known: Mapping[str, Link], ordered: Sequence[str]) -> dict[str, list[str]]:
    """Parents by reference, without circles."""
    if not any(link.parents for link in known.values()):
        return {one: list(ordered[i + 1 : i + 2]) for i, one in enumerate(ordered)}
    parents: dict[str, list[str]] = {one: [] for one in ordered}
    for child in ordered:
        for _, parent in known[child].parents:
            fresh = parent in known and parent not in parents[child]
            if fresh and child not in _above(parents, parent):
                parents[child].append(parent)
    return parents


def _above(parents: Mapping[str, Sequence[str]], start: str) -> set[str]:
    """``start`` and everything it rests on."""
    found, waiting = {start}, [start]
    while waiting:
        for parent in parents[waiting.pop()]:
            if parent not in found:
                found.add(parent)
                waiting.append(parent)
    return found


def _sorted(parents: Mapping[str, Sequence[str]], ordered: Sequence[str]) -> list[str]:
    """Every record before those it rests on."""
    return sorted(ordered, key=lambda one: -len(_above(parents, one)))


def _reduced(
    parents: Mapping[str, Sequence[str]], ordered: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    """Lines that no longer way implies (transitive reduction)."""
    above = {one: _above(parents, one) - {one} for one in ordered}
    return tuple(
        (child, parent)
        for child in ordered
        for parent in parents[child]
        if not any(parent in above[other] for other in parents[child] if other != parent)
    )


def _untangle(rows: list[list[str]], lines: Sequence[tuple[str, str]]) -> None:
    """Order each row by where its children stand, so that few lines cross."""
    place: dict[str, float] = {}
    for row in rows:

        def key(reference: str) -> float:
            over = [place[child] for child, parent in lines if parent == reference]
            return sum(over) / len(over) if over else 0.5

        row.sort(key=key)
        for index, reference in enumerate(row):
            place[reference] = (index + 0.5) / len(row)
