"""What is said of policies."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chosen:
    """The policy that the next pass decides by."""

    name: str
    """One of those that a platform may run."""
    reference: str = ""
    """Custody record of who said so, and when; empty: nobody said anything."""
