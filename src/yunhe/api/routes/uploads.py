"""Files that an organisation sends, named by their digest afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Annotated

from fastapi import Path, Request
from starlette.responses import Response, StreamingResponse

from yunhe.api.call import Caller
from yunhe.api.paths import Routes
from yunhe.api.pulling import pulled
from yunhe.client.wire import operations as wire
from yunhe.compute.service import forwarding
from yunhe.kernel.clock import iso
from yunhe.storage import uploads
from yunhe.storage.database import Transaction
from yunhe.storage.taking import Taking, removed

routes = Routes("uploads")
"""Of files."""
BYTES = "application/octet-stream"
"""Media type of a file."""
DigestPath = Annotated[str, Path(pattern=r"^sha256:[0-9a-f]{64}$")]
"""A digest in an address."""


@routes.add("POST /v1/uploads", wire.Upload, status=201, consumes=BYTES)
async def create_upload(call: Caller, request: Request) -> wire.Upload:
    """Send a file; the answer names its digest. The same file again is the same upload.

    All uploads of an organisation together keep within a quota. No Idempotency-Key: the digest is
    one.
    """
    who, at_us, stated = call.who, call.now_us(), request.headers.get("content-length", "")
    taking = Taking(
        storage=call.runtime.storage,
        organisation=who.organisation,
        member=who.member,
        limit=call.runtime.settings.upload_bytes_quota,
        at_us=at_us,
    )
    await call.apart(lambda: taking.begin(int(stated) if stated.isdecimal() else 0))
    call.facts.unbounded()
    chunks = pulled(request.stream(), asyncio.get_running_loop())
    most = call.runtime.settings.upload_bytes_max
    blob = await call.runtime.with_file(lambda: taking.put(chunks, bytes_max=most))

    def keep(tx: Transaction) -> wire.Upload:
        uploads.keep(
            tx,
            organisation=who.organisation,
            member=who.member,
            digest=blob.digest,
            size_bytes=blob.size_bytes,
            at_us=at_us,
        )
        forwarding.sent_by_hand(
            tx, organisation=who.organisation, member=who.member, digest=blob.digest
        )
        return _shown(uploads.find(tx, organisation=who.organisation, digest=blob.digest))

    return await call.write(keep)


@routes.add("GET /v1/uploads/{digest}", wire.Upload)
async def get_upload(call: Caller, digest: DigestPath) -> wire.Upload:
    """What one's own organisation sent under this digest."""
    organisation = call.who.organisation
    return _shown(
        await call.look(lambda tx: uploads.find(tx, organisation=organisation, digest=digest))
    )


@routes.add("DELETE /v1/uploads/{digest}", status=204)
async def remove_upload(call: Caller, digest: DigestPath) -> None:
    """Remove what one's organisation sent; the quota has room for it again.

    The bytes go too, unless somebody else sent the same or rows name them.
    """
    organisation, storage = call.who.organisation, call.runtime.storage
    await call.apart(lambda: removed(storage, organisation=organisation, digest=digest))


@routes.add("GET /v1/uploads/{digest}/content", produces=BYTES)
async def get_upload_content(call: Caller, digest: DigestPath) -> Response:
    """The bytes, checked against the digest on the way."""
    organisation = call.who.organisation
    found = await call.look(lambda tx: uploads.find(tx, organisation=organisation, digest=digest))
    call.facts.unbounded()
    pieces = call.runtime.storage.blobs.stream(digest)
    first = await call.apart(lambda: next(pieces, b""))  # so that a missing blob is an error yet
    headers = {"content-length": str(found.size_bytes), "content-disposition": "attachment"}
    return StreamingResponse(_all(first, pieces), headers=headers, media_type=BYTES)


def _all(first: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from pieces


def _shown(found: uploads.Upload) -> wire.Upload:
    return wire.Upload(digest=found.digest, size_bytes=found.size_bytes, at=iso(found.at_us))
