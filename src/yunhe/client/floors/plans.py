"""Runs of plans."""

from __future__ import annotations

from collections.abc import Iterator

from yunhe.client.addresses import at
from yunhe.client.floors.floor import Floor
from yunhe.client.wire import plans as wire
from yunhe.client.wire.operations import Operation
from yunhe.kernel.language import Language


class Plans(Floor):
    """The whole chain, as a plan describes it."""

    def runs(self) -> Iterator[wire.Run]:
        """Runs of plans, newest first."""
        return self._http.pages("/v1/runs", wire.Run)

    def run(self, run: str) -> wire.Run:
        """One run as it stands."""
        return self._http.get(at("/v1/runs/{run}", run=run), wire.Run)

    def start(self, sent: wire.NewRun, *, key: str = "") -> Operation:
        """Run a plan from uploads; the operation's result names the run."""
        return self._http.post("/v1/runs", Operation, sent, key=key)

    def report(self, run: str, *, language: Language | None = None) -> bytes:
        """What a run did and what proves it, as an HTML page that needs nothing else."""
        path = at("/v1/runs/{run}/report", run=run)
        return self._http.raw(path, media_type="text/html", query={"lang": language})
