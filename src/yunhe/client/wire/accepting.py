"""What awards are for: one chip, or several and how each counts."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, StringConstraints

from yunhe.client.wire.shapes import Shown

_CHIP = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_CHIPS = rf"class:[A-Za-z0-9][A-Za-z0-9._-]{{0,57}}|{_CHIP}(\+{_CHIP})*"
Chips = Annotated[str, StringConstraints(pattern=rf"^({_CHIPS})$", max_length=200)]
"""A chip, chips joined by ``+``, or ``class:`` and the name of a class."""
ChipsIfAny = Annotated[str, StringConstraints(pattern=rf"^({_CHIPS})?$", max_length=200)]
"""The same, or empty."""


class Counted(Shown):
    """How an hour of one chip counts in an award for several."""

    chip: str
    """The chip."""
    workload_class: str
    """Class of work."""
    per_thousand: int
    """Of an hour of the award's reference chip."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"chip": "h100", "workload_class": "training", "per_thousand": 2_500}
        }
    )


class Accepted(Shown):
    """The chips that an award for several is for, as pinned when it was made."""

    chips: list[str]
    """Every chip of the class; one without a rate can't be used."""
    reference: str
    """The chip whose time the award is in."""
    rate_card: str
    """The rate card that was in force."""
    version: int
    """Its version."""
    rates: list[Counted]
    """How each counts, by class of work."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "chips": ["a100", "h100"],
                "reference": "a100",
                "rate_card": "ratecard_9xj4c8t3r6w0h1ab7v1k0e5m2q",
                "version": 1,
                "rates": [{"chip": "h100", "workload_class": "training", "per_thousand": 2_500}],
            }
        }
    )
