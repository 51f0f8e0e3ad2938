"""Takes uploads in within an organisation's quota, and removes them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from yunhe.kernel.errors import Conflict, Unavailable
from yunhe.storage import uploads
from yunhe.storage.blobs import Blob, LocalBlobs
from yunhe.storage.resting import rests
from yunhe.storage.service import Storage

FREE_BYTES_RESERVED = 128 << 20
"""What uploads leave free on a local disk: twice what readiness needs, so they can't end it."""
LOOK_BYTES = 16 << 20
"""After so many bytes more the disk and the quota are looked at again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """One upload on its way in."""

    storage: Storage
    """Where it goes."""
    organisation: str
    """Whose it will be."""
    member: str
    """Who sends it."""
    limit: int
    """Bytes that all uploads of the organisation may have."""
    at_us: int
    """When it is sent."""

    def begin(self, size_bytes: int) -> None:
        """Return when so many bytes have room; ``size_bytes`` is 0 where nobody said.

        Bytes that were sent before count here as new ones: which they are is not known yet.
        Errors: as `put`.
        """
        self._require_disk(size_bytes)
        self._require_room(size_bytes)

    def put(self, chunks: Iterable[bytes], *, bytes_max: int) -> Blob:
        """Store what the chunks make together and write down whose it is.

        The row comes before the blob, in a transaction in which nobody else writes, so uploads at
        the same time can't exceed the quota together and what is refused was never stored. Killed
        in between, the row stays and counts: sending the file again, or removing it, mends that.
        Errors: `Exhausted` ``storage.uploads_exhausted``; `Unavailable` ``storage.disk_full`` when
        less than `FREE_BYTES_RESERVED` would be left; of `Blobs.put_stream`.
        """
        new: list[str] = []
        try:
            return self.storage.blobs.put_stream(self._counted(chunks, new), bytes_max=bytes_max)
        except BaseException:
            for digest in new:
                with self.storage.database.begin() as tx:
                    uploads.forget(tx, digest, organisation=self.organisation)
            raise

    def _counted(self, chunks: Iterable[bytes], new: list[str]) -> Iterator[bytes]:
        hasher, size, looked = hashlib.sha256(), 0, 0
        for chunk in chunks:
            size += len(chunk)
            hasher.update(chunk)
            if size - looked >= LOOK_BYTES:
                looked = size
                self._require_disk(len(chunk))
                self._require_room(size)
            yield chunk
        digest = "sha256:" + hasher.hexdigest()
        with self.storage.database.begin() as tx:
            if uploads.holds(tx, self.organisation, digest):
                return
            uploads.require_room(tx, self.organisation, size_bytes=size, limit=self.limit)
            uploads.keep(
                tx,
                organisation=self.organisation,
                member=self.member,
                digest=digest,
                size_bytes=size,
                at_us=self.at_us,
            )
        new.append(digest)

    def _require_room(self, size_bytes: int) -> None:
        with self.storage.database.read() as tx:
            uploads.require_room(tx, self.organisation, size_bytes=size_bytes, limit=self.limit)

    def _require_disk(self, size_bytes: int) -> None:
        blobs = self.storage.blobs
        if not isinstance(blobs, LocalBlobs):
            return
        free_bytes = shutil.disk_usage(_there(blobs.root)).free
        if free_bytes - size_bytes < FREE_BYTES_RESERVED:
            raise Unavailable(
                "storage.disk_full", where=str(blobs.root), free_bytes=free_bytes, retryable=True
            )


def removed(storage: Storage, *, organisation: str, digest: str) -> None:
    """Remove what the organisation sent, so that it counts no more.

    The blob goes as well, unless somebody else sent the same bytes or any row names them, of which
    the caller learns nothing. Errors: `NotFound` ``storage.upload_unknown``; `Conflict`
    ``storage.upload_used`` when something of the organisation's own rests on it.
    """
    with storage.database.begin() as tx:
        uploads.find(tx, organisation=organisation, digest=digest)
        if rests(tx, digest, organisation=organisation):
            raise Conflict("storage.upload_used", digest=digest)
        uploads.forget(tx, digest, organisation=organisation)
    dropped(storage, digest)


def dropped(storage: Storage, digest: str) -> None:
    """Remove the bytes of an upload that was forgotten, unless anybody sent or names them still."""
    with storage.database.read() as tx:
        if rests(tx, digest):
            return
    local = isinstance(storage.blobs, LocalBlobs)
    with storage.database.begin() as tx:
        # Whoever sends it again writes the row first, so it is seen here or the bytes come later.
        unclaimed = uploads.unclaimed(tx, digest)
        if unclaimed and local:
            storage.blobs.delete(digest)
    if unclaimed and not local:  # a network has no place in a transaction
        storage.blobs.delete(digest)


def _there(place: Path) -> Path:
    while not place.exists() and place != place.parent:
        place = place.parent
    return place
