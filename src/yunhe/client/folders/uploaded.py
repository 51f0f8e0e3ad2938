"""One's own uploads as the place where a working folder's blobs go."""

from __future__ import annotations

from yunhe.client.floors.uploads import Uploads
from yunhe.kernel.errors import NotFound


class Uploaded:
    """Satisfies `yunhe.client.folders.sending.Store`."""

    def __init__(self, uploads: Uploads) -> None:
        """``uploads`` of the organisation that sends."""
        self._uploads = uploads

    def has(self, digest: str) -> bool:
        """Whether one's own organisation sent it already."""
        try:
            self._uploads.get(digest)
        except NotFound:
            return False
        return True

    def put(self, data: bytes) -> str:
        """Send the bytes; errors as `Uploads.send`."""
        return self._uploads.send(data).digest
