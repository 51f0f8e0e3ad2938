"""What an agent at a data centre asks: it calls, nobody calls it."""

from __future__ import annotations

from pathlib import Path

from yunhe.client.addresses import at
from yunhe.client.files import Reading
from yunhe.client.floors.floor import Floor
from yunhe.client.wire import agents as wire


class Agents(Floor):
    """The platform as an agent sees it: its own provider's work at one site."""

    def hello(self, site: str, sent: wire.AgentHello) -> wire.AgentHeld:
        """Take the site, or keep it."""
        return self._http.put(at("/v1/agents/{site}", site=site), wire.AgentHeld, sent)

    def work(self, site: str, sent: wire.AgentAsk) -> wire.AgentWork:
        """What is to be started and stopped; waits a while for something to say."""
        return self._http.post(at("/v1/agents/{site}/work", site=site), wire.AgentWork, sent)

    def report(self, site: str, job: str, sent: wire.AgentReport) -> None:
        """Say that a run began or ended; again changes nothing."""
        self._http.act("PUT", at("/v1/agents/{site}/jobs/{job}", site=site, job=job), sent)

    def printed(self, site: str, job: str, sent: wire.AgentPiece) -> wire.AgentKept:
        """Send a piece of a log; the answer says where to go on."""
        path = at("/v1/agents/{site}/jobs/{job}/log", site=site, job=job)
        return self._http.put(path, wire.AgentKept, sent)

    def fetch(self, site: str, job: str, name: str, target: Path, *, fence: int) -> None:
        """Write an input of a job to ``target``, which appears only whole."""
        path = at("/v1/agents/{site}/jobs/{job}/inputs/{name}", site=site, job=job, name=name)
        self._http.save(f"{path}?fence={fence}", target)

    def send(
        self, site: str, job: str, name: str, path: Path, *, fence: int, run: int
    ) -> wire.AgentKept:
        """Send a file that a run wrote; sent again it replaces the former."""
        file = Reading(path)
        where = at("/v1/agents/{site}/jobs/{job}/outputs/{name}", site=site, job=job, name=name)
        named = {"fence": fence, "run": run}
        return self._http.upload(where, wire.AgentKept, file.pieces, query=named)
