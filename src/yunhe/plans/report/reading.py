"""Typed reading of the JSON artefacts a run left."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from yunhe.plans.run import Run
from yunhe.reports.values import Score

Object = Mapping[str, object]


def blob(run: Run, digest: str) -> Object:
    """A JSON object among the artefacts."""
    value = json.loads(run.storage.blobs.read(digest))
    return child({"value": value}, "value")


def child(parent: Object, name: str) -> Object:
    """An object inside an object."""
    value = parent.get(name)
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} is no object")
    return value


def children(parent: Object, name: str) -> Sequence[Object]:
    """A list of objects inside an object."""
    value = parent.get(name)
    if not isinstance(value, Sequence):
        raise TypeError(f"{name} is no list")
    return [item for item in value if isinstance(item, Mapping)]


def number(parent: Object, name: str) -> int:
    """A whole number inside an object; 0 where there is none."""
    value = parent.get(name, 0)
    return value if isinstance(value, int) else 0


def counts(parent: Object, name: str) -> dict[str, int]:
    """A table of whole numbers inside an object."""
    return {key: value for key, value in child(parent, name).items() if isinstance(value, int)}


def share(value: object) -> Score | None:
    """A proportion as corpus writes it; None from no trial at all."""
    if not isinstance(value, Mapping) or value.get("share") is None:
        return None
    return Score(
        str(value["share"]),
        str(value["low"]),
        str(value["high"]),
        number(value, "found"),
        number(value, "of"),
    )
