"""Handing work to another platform."""

from __future__ import annotations

from yunhe.client.addresses import at
from yunhe.client.floors.floor import Floor
from yunhe.client.wire import forwarding as wire


class Forwarding(Floor):
    """What one platform asks another, as a member of an organisation there."""

    def hand_over(self, job: str, sent: wire.NewForwarded) -> wire.Forwarded:
        """Hand a job over, once however often it is sent."""
        return self._http.put(_at(job), wire.Forwarded, sent)

    def inputs(self, job: str, sent: wire.ForwardedInputs) -> wire.ForwardedMissing:
        """Which files of a job are to be sent before it is handed over."""
        return self._http.put(f"{_at(job)}/inputs", wire.ForwardedMissing, sent)

    def jobs(self, jobs: str) -> wire.ForwardedJobs:
        """Those of the jobs that are known there; at most 50 names, commas between them."""
        return self._http.get("/v1/forwarded", wire.ForwardedJobs, {"jobs": jobs})

    def cancel(self, job: str) -> None:
        """Call a job off; one that has not come yet never starts."""
        self._http.act("POST", f"{_at(job)}/cancel")

    def forget(self, job: str) -> None:
        """Say that nothing more is wanted of it."""
        self._http.act("DELETE", _at(job))

    def capacity(self) -> wire.Capacity:
        """The pools that one may count on there."""
        return self._http.get("/v1/capacity", wire.Capacity)


def _at(job: str) -> str:
    return at("/v1/forwarded/{job}", job=job)
