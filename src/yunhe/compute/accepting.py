"""What an award for several chips accepts and how each counts, as pinned when it was made."""

from __future__ import annotations

import json
from dataclasses import dataclass

from yunhe.kernel.canonical import Json, canonical_bytes


@dataclass(frozen=True, slots=True)
class Accepted:
    """The chips of a class and the rates by which they draw on the award, whatever comes later."""

    chips: tuple[str, ...]
    """Every chip of the class, in alphabetical order."""
    reference: str
    """The chip whose time the award is in: it counts as 1,000."""
    card: str
    """The rate card in force when the award was made."""
    version: int
    """Its version."""
    rates: tuple[tuple[str, str, int], ...]
    """Chip, class of work, per thousand of the reference; a chip without a rate can't be used."""

    @property
    def rated(self) -> tuple[str, ...]:
        """The chips that have a rate in some class of work."""
        return tuple(sorted({chip for chip, _, _ in self.rates}))

    def as_json(self) -> dict[str, Json]:
        """As records hold it and rows keep it."""
        return {
            "chips": list(self.chips),
            "reference": self.reference,
            "card": self.card,
            "version": self.version,
            "rates": [list(rate) for rate in self.rates],
        }


def accepted_text(accepted: Accepted | None) -> str | None:
    """The form in which it is kept; None for an award for one chip."""
    return None if accepted is None else canonical_bytes(accepted.as_json()).decode()


def accepted_from(text: str | None) -> Accepted | None:
    """What `accepted_text` wrote down."""
    if text is None:
        return None
    said = json.loads(text)
    return Accepted(
        chips=tuple(said["chips"]),
        reference=said["reference"],
        card=said["card"],
        version=said["version"],
        rates=tuple((chip, work, rate) for chip, work, rate in said["rates"]),
    )
