"""The API about itself."""

from __future__ import annotations

from starlette.responses import Response

from yunhe.api.call import Caller
from yunhe.api.paths import JSON, Routes

routes = Routes("about")
"""Of the API itself."""


@routes.add("GET /v1/openapi.json")
async def get_openapi(call: Caller) -> Response:
    """This document."""
    headers = {"cache-control": "public, max-age=300"}
    written = await call.apart(call.runtime.document)
    return Response(written, 200, headers, media_type=JSON)
