"""Words and values that several messages of compute share."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, JsonValue, StringConstraints

Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
"""Name of a chip, an adapter or an entry point."""


def _exact(value: JsonValue) -> JsonValue:
    if isinstance(value, float):
        raise ValueError("fraction")
    if isinstance(value, dict):
        _exact(list(value.values()))
    elif isinstance(value, list):
        for each in value:
            _exact(each)
    return value


Argument = Annotated[JsonValue, AfterValidator(_exact)]
"""JSON without fractions: they are given as text, so that every reader sees the same."""
