"""What is said of a city."""

from __future__ import annotations

import re
from dataclasses import dataclass

OWN = "local"
"""Code of a platform's own city until a setting gives it another."""
CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
"""Codes of cities, e.g. those of ISO 3166-2: ``CN-11``."""


@dataclass(frozen=True, slots=True)
class City:
    """A city, or another member of a programme, whose organisations share as one."""

    code: str
    """Its code."""
    name: str
    """What it is called; empty: nobody said."""
    organisations: int = 0
    """How many belong to it."""
    own: bool = False
    """Whether it is the platform's own, to which everybody belongs of whom nothing else is said."""
    reference: str = ""
    """Custody record of who added it, and when; empty for the platform's own."""
