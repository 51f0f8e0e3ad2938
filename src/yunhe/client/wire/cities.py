"""Messages about the cities of a programme, and what each had of late."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from yunhe.client.wire.shapes import Sent, Shown

CityCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")]
"""Code of a city, e.g. that of ISO 3166-2."""


class City(Shown):
    """A city, or another member of a programme, whose organisations share as one."""

    city: str
    """Its code."""
    name: str
    """What it is called; empty: nobody said."""
    own: bool
    """Whether it is the platform's own, of which everybody is of whom nothing else is said."""
    organisations: int
    """How many belong to it."""
    weight: int
    """1 to 1,000: its share among the cities."""
    used_ms: int
    """Device time its organisations used, in milliseconds, as it counts now: half after a day."""
    used_per_thousand: int
    """Of what all cities used, as it counts now."""
    busy: int
    """Devices that its organisations occupy now."""
    reference: str
    """Custody record of who added it, and when; empty for the platform's own."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "city": "CN-11",
                "name": "Beijing",
                "own": False,
                "organisations": 12,
                "weight": 3,
                "used_ms": 86_400_000,
                "used_per_thousand": 640,
                "busy": 96,
                "reference": "9f" * 32,
            }
        }
    )


class NewCity(Sent):
    """What a city is to be called."""

    name: str = Field(default="", max_length=200)
    """In any script; empty: only its code."""

    model_config = ConfigDict(json_schema_extra={"example": {"name": "Beijing"}})


class GivenCity(Sent):
    """Which city an organisation is to belong to."""

    city: CityCode | None = None
    """Its code; null: the platform's own."""

    model_config = ConfigDict(json_schema_extra={"example": {"city": "CN-11"}})
