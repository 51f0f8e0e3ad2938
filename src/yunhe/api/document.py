"""The OpenAPI document: written once at the start, with an example of every body."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, cast

from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from yunhe.api.access import Row
from yunhe.api.paths import JSON, Guarded
from yunhe.api.table import ROWS
from yunhe.client.wire.shapes import Fault

VERSION = version("yunhe")
"""Of the platform, and of the document with it."""
_REFUSALS = {
    "400": "The body is no JSON.",
    "401": "No key, or one that opens nothing.",
    "403": "This caller may not do this.",
    "404": "No such thing, or none this caller may know of.",
    "406": "The caller takes nothing this route can answer with.",
    "408": "The body did not arrive in time.",
    "409": "Somebody else changed it, or the Idempotency-Key was used for another request.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "421": "The Host is not this server.",
    "422": "Fields are wrong; every one is listed.",
    "429": "The key's rate or quota, or a budget, is used up.",
    "503": "Something this depends on is away; try again after Retry-After seconds.",
}
_BODY_ONLY = {"400", "408", "413", "415"}
_INTRODUCTION = (
    "Every error has one shape (`Fault`). Lists give `next`, to be handed back as `after`. What is "
    "created takes an `Idempotency-Key`. Texts follow `Accept-Language` (en, zh). Amounts are "
    "whole numbers in the minor unit of their unit of account; times are RFC 3339 in UTC. Ids of "
    "others answer exactly like ids that do not exist."
)


def written(routes: Sequence[Guarded]) -> bytes:
    """The document as JSON."""
    made = get_openapi(
        title="Yunhe",
        version=VERSION,
        openapi_version="3.1.0",
        description=_INTRODUCTION,
        routes=list(routes),
    )
    components = made.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    shapes = Fault.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(shapes.pop("$defs", {}))
    schemas["Fault"] = shapes
    components["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "A key: yk_…"},
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": "__Host-yunhe",
            "description": "A signed-in browser; unsafe methods also need X-CSRF-Token.",
        },
    }
    for route in routes:
        for method in sorted(route.methods or ()):
            _complete(made["paths"][route.path_format][method.lower()], route)
    return json.dumps(made, ensure_ascii=False, separators=(",", ":")).encode()


def _complete(operation: dict[str, Any], route: Guarded) -> None:
    declared = route.declared
    row = ROWS[declared.name]
    operation["security"] = [] if row.public else [{"key": []}, {"session": []}]
    operation["description"] = _access(row)
    answers = operation["responses"]
    success = answers[str(declared.status)]
    success["description"] = declared.summary
    if declared.model is None:
        success.pop("content", None)
        if declared.produces != JSON:
            success["content"] = {declared.produces: {"schema": {"type": "string"}}}
    else:
        success["content"][JSON]["example"] = example(declared.model)
    success["headers"] = {"X-Request-Id": {"schema": {"type": "string"}}}
    if declared.consumes != JSON:
        bytes_ = {"schema": {"type": "string", "format": "binary"}}
        operation["requestBody"] = {"required": True, "content": {declared.consumes: bytes_}}
    body = operation.get("requestBody")
    if body is not None and JSON in body["content"] and route.body_field is not None:
        sent = cast("type", route.body_field.field_info.annotation)
        body["content"][JSON]["example"] = example(sent)
    for status, meaning in _REFUSALS.items():
        if body is None and status in _BODY_ONLY:
            continue
        if row.public and status in {"401", "403"}:
            continue
        answers[status] = _refusal(meaning)
    answers["default"] = _refusal("Any other error.")


def _refusal(meaning: str) -> dict[str, Any]:
    shape = {"schema": {"$ref": "#/components/schemas/Fault"}}
    return {"description": meaning, "content": {JSON: shape}}


def _access(row: Row) -> str:
    if row.public:
        return "Open to anyone."
    parts = [f"Scope: `{row.scope}`." if row.scope else "Any key."]
    roles = ", ".join(f"`{role}`" for role in sorted(row.roles)) or "any"
    parts.append(f"Roles in one's own organisation: {roles}.")
    if row.beyond:
        beyond = ", ".join(f"`{role}`" for role in sorted(row.beyond))
        parts.append(f"Beyond it, in the operator's or a regulator's: {beyond}.")
    if row.who == "operator":
        parts.append("Only for members of the operator's organisation.")
    return " ".join(parts)


def example(model: type) -> object:
    """A body of that kind; a page is made of an example of its items."""
    if issubclass(model, BaseModel):
        extra = model.model_config.get("json_schema_extra")
        if isinstance(extra, dict) and "example" in extra:
            return extra["example"]
        items = model.__pydantic_generic_metadata__["args"]
        if items:
            return {"items": [example(items[0])], "next": None}
    raise RuntimeError(f"{model.__name__} has no example")
