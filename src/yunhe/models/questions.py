"""Reads the one kind of question the gateway takes, and says everything that is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Iterator

from yunhe.kernel.errors import Finding, Invalid

TEXT_LETTERS_MAX = 8_192
"""Longest text, in code points."""


def read_question(body: bytes) -> str:
    """The text of ``{"text": "…"}``.

    Errors: `Invalid` ``models.not_json`` for what is not JSON in UTF-8 or names a field twice,
    ``models.question_invalid`` with every finding for another shape.
    """
    try:
        value = json.loads(body.decode(), object_pairs_hook=_fields, parse_constant=_refuse)
    except (ValueError, RecursionError):  # wrong UTF-8 is a ValueError too
        raise Invalid("models.not_json") from None
    findings = list(_faults(value))
    if findings:
        raise Invalid("models.question_invalid", findings=findings)
    return str(value["text"])


def _fields(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field is named twice")
    return fields


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is not JSON")


def _faults(value: object) -> Iterator[Finding]:
    if not isinstance(value, dict):
        yield Finding("body", "models.not_an_object")
        return
    for name in value:
        if name != "text":
            shown = name[:80].encode("ascii", "backslashreplace").decode()
            yield Finding(shown, "models.field_unknown")
    if "text" not in value:
        yield Finding("text", "models.field_missing")
        return
    text = value["text"]
    if not isinstance(text, str):
        yield Finding("text", "models.not_text")
    elif len(text) > TEXT_LETTERS_MAX:
        params = (("found", len(text)), ("most", TEXT_LETTERS_MAX))
        yield Finding("text", "models.text_too_long", params)
    elif not text.strip():
        yield Finding("text", "models.text_blank")
    elif any("\ud800" <= letter <= "\udfff" for letter in text):
        yield Finding("text", "models.text_surrogates")
