"""Classifiers in memory, and proof before each answer that their stored bytes are the approved.

A model is read and hashed when it is first needed and again whenever the blobs' stamp of it changed
(see `yunhe.storage.blobs.Blobs.stamp`): for a file at once, for an object in S3 within seconds.
While the place does not answer, what was verified before goes on: those bytes are in memory.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from yunhe.kernel.errors import Invalid, NotFound, Unavailable
from yunhe.models import errors
from yunhe.models.classifier import Classifier, from_bytes
from yunhe.storage.blobs import Blobs

HELD_MAX = 8
"""Classifiers kept in memory; the one unused longest goes first."""


@dataclass(frozen=True, slots=True)
class _Held:
    stamp: str
    classifier: Classifier | None  # None: the bytes under this stamp are wrong


class LoadedClassifiers:
    """Gives out classifiers by digest; used by one thread."""

    def __init__(self, blobs: Blobs) -> None:
        """Nothing is read yet."""
        self._blobs = blobs
        self._held: OrderedDict[str, _Held] = OrderedDict()

    def get(self, digest: str) -> Classifier:
        """The classifier, whose stored bytes have the digest at this moment.

        Errors: `NotAllowed` ``models.bytes_differ`` when they have not, or are gone; `Unavailable`
        when the blobs don't answer and it is not in memory yet. Cost: one stamp when nothing
        changed, else reading and hashing.
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
        except Unavailable as error:
            if error.retryable:
                raise  # nothing was learnt about the bytes
            return None
        except (NotFound, Invalid):
            return None

    def _stamp(self, digest: str) -> str:
        try:
            return self._blobs.stamp(digest)
        except Unavailable:
            held = self._held.get(digest)
            if held is None:
                raise
            return held.stamp
