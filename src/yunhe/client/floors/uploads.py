"""Files that one's organisation sends, named by their digest afterwards."""

from __future__ import annotations

from pathlib import Path

from yunhe.client.addresses import at
from yunhe.client.files import Holding, Reading
from yunhe.client.floors.floor import Floor
from yunhe.client.wire.operations import Upload
from yunhe.kernel.errors import Unavailable


class Uploads(Floor):
    """Files of one's own organisation."""

    def send(self, path: Path | bytes) -> Upload:
        """Send a file, or bytes; the same again is the same upload.

        Errors: `NotFound` ``client.no_file``; `Invalid` ``client.is_folder``; `Unavailable`
        ``client.digest_differs`` when other bytes arrived than were read.
        """
        file = Holding(path) if isinstance(path, bytes) else Reading(path)
        made = self._http.upload("/v1/uploads", Upload, file.pieces)
        if made.digest != file.digest:
            raise Unavailable("client.digest_differs", digest=file.digest, retryable=True)
        return made

    def get(self, digest: str) -> Upload:
        """What was sent under this digest."""
        return self._http.get(at("/v1/uploads/{digest}", digest=digest), Upload)

    def remove(self, digest: str) -> None:
        """Remove what one's own organisation sent, so that it no longer counts.

        Errors: `NotFound` ``storage.upload_unknown``; `Conflict` ``storage.upload_used``.
        """
        self._http.act("DELETE", at("/v1/uploads/{digest}", digest=digest))

    def download(self, digest: str, target: Path) -> None:
        """Write the file to ``target``, which appears only whole and with this digest."""
        path = at("/v1/uploads/{digest}/content", digest=digest)
        self._http.save(path, target, digest=digest)
