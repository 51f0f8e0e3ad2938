"""What the vault deals in: named secrets whose values nobody is shown again."""

from __future__ import annotations

import re
from dataclasses import dataclass

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
"""Names of secrets, as names of environment variables are."""
VALUE_BYTES_MIN = 8
"""A shorter value could be guessed, and could not be masked where it is printed."""
VALUE_BYTES_MAX = 64 << 10
"""Largest value: what one environment variable can hold with room to spare."""
SECRETS_MAX = 200
"""Most secrets of one project, and of an organisation outside its projects."""
_PROJECT_LETTERS_MAX = 64


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret as it may be shown: everything but the value."""

    organisation: str
    """Whose it is."""
    project: str
    """Within which project; empty: the whole organisation's."""
    name: str
    """Unique within the two."""
    version: int
    """1 for the first value, one more for each that replaced it."""
    key: str
    """Id of the key it is sealed with."""
    changed_by: str
    """Member who put the present value."""
    changed_at_us: int
    """When."""


@dataclass(frozen=True, slots=True)
class Reference:
    """How something else names a secret of its own organisation."""

    project: str
    """Empty: the organisation's."""
    name: str
    """Of the secret."""


def reference(text: str) -> Reference | None:
    """``NAME`` or ``<project>/NAME`` taken apart; None when it is neither."""
    project, slash, name = text.rpartition("/")
    sound = NAME.fullmatch(name) is not None and len(project) <= _PROJECT_LETTERS_MAX
    if not sound or bool(slash) != bool(project) or "/" in project or not text.isascii():
        return None
    return Reference(project, name)
