"""Risk words by class: what the library holds, and what was dropped or let through for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from yunhe.corpus.risk.classes import classes
from yunhe.corpus.risk.coverage import least_entries
from yunhe.kernel.canonical import sha256
from yunhe.kernel.language import Language

STEP = "risk"
"""The step that looks for them."""


@dataclass(frozen=True, slots=True)
class RiskLine:
    """One class of risk."""

    risk: str
    """Its id, e.g. ``A.1.3``."""
    names: Mapping[Language, str]
    """What it is called."""
    entries: int | None
    """Entries of the library; None where nobody noted it."""
    wanted: int
    """Fewest that the rule data asks for; 0 where it asks for nothing."""
    dropped: int
    """Documents dropped for it."""
    noticed: int
    """Documents let through although its words stood in them; a later step may have dropped
    them."""


@dataclass(frozen=True, slots=True)
class Risks:
    """What the step for risk words went by and what it found."""

    lines: tuple[RiskLine, ...]
    """All classes, in order."""
    entries: int
    """Entries of the library."""
    wanted: int
    """Fewest that the rule data asks for in all."""
    verified: bool
    """Whether those bounds were compared with the official text."""
    library: str
    """Digest of its file."""
    sample: bool
    """Whether it is the sample that comes with Yunhe, which covers nothing."""

    @property
    def covered(self) -> int:
        """Classes with an entry."""
        return sum(bool(line.entries) for line in self.lines)


def of_pipeline(pipeline: Mapping[str, Any], statistics: Mapping[str, Any]) -> Risks | None:
    """What a manifest or a certificate says of it; None where no step looked."""
    steps = pipeline.get("steps") or []
    data = next((each.get("data") or {} for each in steps if each["name"] == STEP), None)
    if data is None:
        return None
    held = data.get("by_class")
    dropped = (statistics.get("dropped") or {}).get(STEP) or {}
    noticed = (statistics.get("noticed") or {}).get(STEP) or {}
    asked = least_entries()
    lines = tuple(
        RiskLine(
            each.id,
            each.names,
            None if held is None else int(held.get(each.id, 0)),
            asked.get(each.id, (0, True))[0],
            int(dropped.get(each.reason, 0)),
            int(noticed.get(each.reason, 0)),
        )
        for each in classes()
    )
    return Risks(
        lines,
        int(data.get("entries", 0)),
        asked[""][0],
        all(verified for _, verified in asked.values()),
        str(data.get("library", "")),
        data.get("library") == _sample_digest(),
    )


@cache
def _sample_digest() -> str:
    return sha256((files("yunhe.corpus.risk") / "sample.csv").read_bytes())
