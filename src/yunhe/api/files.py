"""Stored bytes as an answer, in pieces."""

from __future__ import annotations

from collections.abc import Iterator

from starlette.responses import Response, StreamingResponse

from yunhe.api.call import Call

BYTES = "application/octet-stream"
"""Media type of every file: browsers save it rather than show it."""


async def file(call: Call, digest: str, *, size_bytes: int | None = None) -> Response:
    """The blob, checked against its digest on the way; whoever calls has decided that it may be.

    Errors: `NotFound` ``storage.blob_missing``. Bytes that turn out damaged break the answer off.
    """
    call.facts.unbounded()
    pieces = call.runtime.storage.blobs.stream(digest)
    first = await call.apart(lambda: next(pieces, b""))  # so that a missing blob is an error yet
    headers = {"content-disposition": "attachment"}
    if size_bytes is not None:
        headers["content-length"] = str(size_bytes)
    return StreamingResponse(_all(first, pieces), headers=headers, media_type=BYTES)


def _all(first: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from pieces
