"""The register of sources, and versions of keyword libraries."""

from __future__ import annotations

from collections.abc import Iterator

from yunhe.client.addresses import at
from yunhe.client.floors.floor import Floor
from yunhe.client.wire import sources as wire


class Sources(Floor):
    """Supervision of collection."""

    def register(self, sent: wire.NewSource, *, key: str = "") -> wire.SourceInFull:
        """Put a source of one's own organisation into the register."""
        return self._http.post("/v1/sources", wire.SourceInFull, sent, key=key)

    def listed(self, *, state: str = "") -> Iterator[wire.Source]:
        """Registered sources, newest first; with ``state`` only those in it."""
        return self._http.pages("/v1/sources", wire.Source, {"state": state or None})

    def source(self, source: str) -> wire.SourceInFull:
        """One source with its samples and what stands against it."""
        return self._http.get(at("/v1/sources/{source}", source=source), wire.SourceInFull)

    def sample(self, source: str, sent: wire.NewSample, *, key: str = "") -> wire.SourceInFull:
        """Add what was found in a sample; not by whoever registered the source."""
        path = at("/v1/sources/{source}/samples", source=source)
        return self._http.post(path, wire.SourceInFull, sent, key=key)

    def decide(self, source: str, sent: wire.SourceDecision) -> wire.SourceInFull:
        """Accept, refuse or withdraw it; not by whoever registered it or judged a sample."""
        path = at("/v1/sources/{source}/decide", source=source)
        return self._http.post(path, wire.SourceInFull, sent)

    def put_library(self, sent: wire.NewLibrary, *, key: str = "") -> wire.Library:
        """Put an upload in use as the library of risk words."""
        return self._http.post("/v1/keyword-libraries", wire.Library, sent, key=key)

    def libraries(self) -> Iterator[wire.Library]:
        """Versions of the library of risk words, newest first; the newest is in use."""
        return self._http.pages("/v1/keyword-libraries", wire.Library)

    def library(self, library: str) -> wire.Library:
        """One version."""
        return self._http.get(at("/v1/keyword-libraries/{library}", library=library), wire.Library)
