"""How fast data moves between two sites."""

from __future__ import annotations

from pydantic import ConfigDict, Field, JsonValue

from yunhe.client.wire.asking import Site
from yunhe.client.wire.shapes import Sent, Shown

_SAID: dict[str, JsonValue] = {
    "from_site": "east-1",
    "to_site": "west-2",
    "megabit_per_second": 1_000,
}


class NewWay(Sent):
    """How fast data is to be taken to move from one site to another."""

    from_site: Site
    """Where it lies."""
    to_site: Site
    """Where it is to be."""
    megabit_per_second: int = Field(strict=True, ge=1, le=10_000_000)
    """How fast."""

    model_config = ConfigDict(json_schema_extra={"example": _SAID})


class Way(Shown):
    """How fast data moves from one site to another, as the operator said."""

    from_site: str
    """Where it lies."""
    to_site: str
    """Where it goes."""
    megabit_per_second: int
    """How fast; between sites of which nothing is said it is 1,000."""

    model_config = ConfigDict(json_schema_extra={"example": _SAID})
