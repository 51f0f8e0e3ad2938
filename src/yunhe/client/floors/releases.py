"""Decisions about model versions: approvals, releases, withdrawals."""

from __future__ import annotations

from collections.abc import Iterator

from yunhe.client.addresses import at
from yunhe.client.floors.floor import Floor
from yunhe.client.wire import releases as wire
from yunhe.client.wire.models import Model


class Releases(Floor):
    """What may serve, by whose decision, and until when."""

    def approve(self, sent: wire.NewApproval, *, key: str = "") -> wire.Approval:
        """Decide about a model version, for oneself: whoever sends this is the approver."""
        return self._http.post("/v1/approvals", wire.Approval, sent, key=key)

    def approvals(self, model: str) -> Iterator[wire.Approval]:
        """Every decision about a version, oldest first, those no longer in force included."""
        return self._http.pages(at("/v1/models/{model}/approvals", model=model), wire.Approval)

    def release(self, sent: wire.NewRelease, *, key: str = "") -> wire.Release:
        """Release a version on the approvals in force, until the first of them expires."""
        return self._http.post("/v1/releases", wire.Release, sent, key=key)

    def releases(self, model: str) -> Iterator[wire.Release]:
        """Every release of a version, oldest first."""
        return self._http.pages(at("/v1/models/{model}/releases", model=model), wire.Release)

    def withdraw(self, model: str) -> Model:
        """Stop a version from serving, from the next answer on; again changes nothing."""
        return self._http.post(at("/v1/models/{model}/withdraw", model=model), Model)
