"""Every field of a workload's file: its kind, unit, default, bounds and what it does.

Names, kinds and bounds are those that a message to the server is held to; only what they are for is
written down, in the locale files. The tables in the documents are what `markdown` makes of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from yunhe.kernel.language import Language, text

COLUMNS = ("spec_field", "spec_kind", "spec_unit", "spec_default", "spec_bounds", "meaning")
"""What is told of each."""
_SHORT: Mapping[str, Mapping[str, object]] = {
    "chips": {"type": "object", "patternProperties": {"": {"maximum": 100_000, "minimum": 1}}},
    "elastic": {"type": "object", "of": "integer"},
}
"""What a file may say in place of other fields."""
_UNITS = {"milli": "milli", "seconds": "seconds", "bytes": "bytes", "minutes": "minutes"}
_DIGESTS = frozenset({"folder", "inputs"})
_LARGE = 1 << 50  # a bound beyond which nobody has anything


@dataclass(frozen=True, slots=True)
class SpecField:
    """One field, in words."""

    field: str
    """Its name."""
    kind: str
    """What is written there."""
    unit: str
    """Unit of a number; empty: none."""
    default: str
    """What counts where it is not said; ``–``: it must be said."""
    bounds: str
    """Least and most, or all values there are."""
    meaning: str
    """What it does."""


def fields_of(language: Language) -> list[SpecField]:
    """All fields, in the order of the message; those that only a file knows come last."""
    schema = schema_of(language)
    needed = set(cast("list[str]", schema["required"]))
    shapes = cast("Mapping[str, Mapping[str, object]]", schema["properties"])
    return [
        SpecField(
            field=name,
            kind=_kind(name, shape, language),
            unit=_unit(name, language),
            default="–" if name in needed else _default(shape, language),
            bounds=_bounds(shape),
            meaning=text(f"cli.fields.{name}", language),
        )
        for name, shape in shapes.items()
    ]


def schema_of(language: Language) -> dict[str, object]:
    """The JSON Schema of a workload's file, for editors that check while one types.

    Paths stand where a message has digests. Source: JSON Schema 2020-12.
    """
    from yunhe.client.wire.asking import NewWorkload  # noqa: PLC0415

    schema = NewWorkload.model_json_schema()
    shapes: dict[str, Mapping[str, object]] = {
        name: _shaped(name, each) for name, each in schema["properties"].items()
    }
    shapes |= _SHORT
    for name, shape in shapes.items():
        shapes[name] = {**shape, "description": text(f"cli.fields.{name}", language)}
    kept: dict[str, object] = {
        name: schema[name] for name in ("$defs", "required", "type") if name in schema
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Workload",
        "additionalProperties": False,
        **kept,
        "properties": {name: _clean(shape) for name, shape in shapes.items()},
    }


def _clean(shape: Mapping[str, object]) -> dict[str, object]:
    return {name: each for name, each in shape.items() if name not in ("title", "of")}


def _shaped(name: str, shape: Mapping[str, object]) -> Mapping[str, object]:
    """As a file may say it: paths for digests, and a command as one line."""
    if name == "folder":
        return {"type": "string", "default": ""}
    if name == "inputs":
        return {**shape, "additionalProperties": {"type": "string"}}
    if name == "environment":
        return {**shape, "additionalProperties": {"type": ["string", "integer"]}}
    if name == "command":
        items = {"type": ["string", "integer"]}
        return {"anyOf": [{**shape, "items": items}, {"type": "string"}], "default": []}
    return shape


def _plain(shape: Mapping[str, object]) -> Mapping[str, object]:
    """The first of several kinds, with the default of the whole."""
    kinds = cast("list[Mapping[str, object]] | None", shape.get("anyOf"))
    return shape if kinds is None else {**shape, **kinds[0]}


def _kind(name: str, shape: Mapping[str, object], language: Language) -> str:
    plain = _plain(shape)
    kind = str(plain.get("type", "string"))
    if "enum" in plain:
        kind = "enum"
    elif name in _DIGESTS:
        kind = f"path_{kind}"
    elif "patternProperties" in plain or "of" in plain or name in _SHORT:
        kind = "numbers"
    elif name == "deadline":
        kind = "instant"
    return text(f"cli.fields.kind.{kind}", language)


def _unit(name: str, language: Language) -> str:
    if name in ("chips", "substitutes"):
        return text("cli.fields.unit.milli", language)
    found = next((unit for part, unit in _UNITS.items() if part in name.split("_")), "")
    return text(f"cli.fields.unit.{found}", language) if found else ""


def _default(shape: Mapping[str, object], language: Language) -> str:
    default = shape.get("default")
    if default in (None, "", [], {}):
        return text("cli.fields.none", language)
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:,}" if isinstance(default, int) else str(default)


def _bounds(shape: Mapping[str, object]) -> str:
    plain = _plain(shape)
    if "anyOf" in shape and plain.get("type") == "string":
        return ""
    if "enum" in plain:
        return ", ".join(cast("list[str]", plain["enum"]))
    inside = cast("Mapping[str, Mapping[str, object]]", plain.get("patternProperties", {}))
    for each in inside.values():
        return _span(each)
    if "minimum" in plain:
        return _span(plain)
    most = next((plain[n] for n in ("maxItems", "maxProperties", "maxLength") if n in plain), None)
    return f"≤ {most:,}" if isinstance(most, int) else ""


def _span(shape: Mapping[str, object]) -> str:
    least, most = cast("int", shape["minimum"]), cast("int", shape["maximum"])
    return f"≥ {least:,}" if most > _LARGE else f"{least:,} – {most:,}"


def markdown(language: Language) -> str:
    """The table as the documents have it."""
    heads = [text(f"cli.column.{name}", language) for name in COLUMNS]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(COLUMNS) + "|"]
    for each in fields_of(language):
        values = [f"`{each.field}`", each.kind, each.unit, each.default, each.bounds, each.meaning]
        lines.append(f"| {' | '.join(value.replace('|', chr(92) + '|') for value in values)} |")
    return "\n".join(lines)
