"""Inference services."""

from __future__ import annotations

from collections.abc import Iterator

from yunhe.client.addresses import at
from yunhe.client.floors.floor import Floor
from yunhe.client.wire import services as wire


class Services(Floor):
    """Programs that answer, in as many replicas as their load needs."""

    def listed(self) -> Iterator[wire.Service]:
        """Services, by id."""
        return self._http.pages("/v1/services", wire.Service)

    def create(self, sent: wire.NewService, *, key: str = "") -> wire.Service:
        """Keep a service running between floor and ceiling, within the budget."""
        return self._http.post("/v1/services", wire.Service, sent, key=key)

    def get(self, service: str) -> wire.Service:
        """One service as it stands."""
        return self._http.get(_at(service), wire.Service)

    def change(self, service: str, sent: wire.ServiceChange) -> wire.Service:
        """Give it another floor, ceiling or target."""
        return self._http.post(f"{_at(service)}/change", wire.Service, sent)

    def stop(self, service: str) -> wire.Service:
        """End it and its replicas; what ran is paid."""
        return self._http.post(f"{_at(service)}/stop", wire.Service)

    def report(self, service: str, sent: wire.NewLoad) -> wire.LoadTaken:
        """Say what it had to do; the same report again changes nothing."""
        return self._http.post(f"{_at(service)}/load", wire.LoadTaken, sent)


def _at(service: str) -> str:
    return at("/v1/services/{service}", service=service)
