"""Classifiers in memory, and proof before each answer that their stored bytes are the approved.

A file is read and hashed when it is first needed and again whenever its metadata changed. Whoever
writes to a file changes its ctime, which no call can set back, so an edit that restores size and
mtime is seen too. Blobs that are not local files are verified when they are loaded only.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from yunhe.kernel.errors import Invalid, NotFound, Unavailable
from yunhe.models import errors
from yunhe.models.classifier import Classifier, from_bytes
from yunhe.storage.blobs import Blobs, LocalBlobs

HELD_MAX = 8
"""Classifiers kept in memory; the one unused longest goes first."""

_Stamp = tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class _Held:
    stamp: _Stamp
    classifier: Classifier | None  # None: the bytes under this stamp are wrong


class LoadedClassifiers:
    """Gives out classifiers by digest; used by one thread."""

    def __init__(self, blobs: Blobs) -> None:
        """Nothing is read yet."""
        self._blobs = blobs
        self._held: OrderedDict[str, _Held] = OrderedDict()

    def get(self, digest: str) -> Classifier:
        """The classifier, whose stored bytes have the digest at this moment.

        Errors: `NotAllowed` ``models.bytes_differ`` when they have not, or are gone. Cost: one stat
        when nothing changed, else reading and hashing the file.
        """
        stamp = self._stamp(digest)
        held = self._held.get(digest)
        if held is None or held.stamp != stamp:
            held = _Held(stamp, self._verified(digest))
            self._held[digest] = held
        self._held.move_to_end(digest)
        while len(self._held) > HELD_MAX:
            self._held.popitem(last=False)
        if held.classifier is None:
            raise errors.bytes_differ(digest)
        return held.classifier

    def _verified(self, digest: str) -> Classifier | None:
        try:
            return from_bytes(self._blobs.read(digest))
        except (NotFound, Unavailable, Invalid):
            return None

    def _stamp(self, digest: str) -> _Stamp:
        if not isinstance(self._blobs, LocalBlobs):
            return None
        try:
            status = self._blobs.path(digest).stat()
        except OSError:
            return (0,)
        return (
            status.st_dev,
            status.st_ino,
            status.st_size,
            status.st_mtime_ns,
            status.st_ctime_ns,
        )
