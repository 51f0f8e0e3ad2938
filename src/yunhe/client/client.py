"""The platform from elsewhere: every route as a typed method, grouped by floor."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from yunhe.client.floors.agents import Agents
from yunhe.client.floors.applications import Applications
from yunhe.client.floors.compute import Compute
from yunhe.client.floors.corpus import Corpus
from yunhe.client.floors.credentials import Credentials
from yunhe.client.floors.custody import Custody
from yunhe.client.floors.erasures import Erasures
from yunhe.client.floors.evaluation import Evaluation
from yunhe.client.floors.exchange import Exchange
from yunhe.client.floors.forwarding import Forwarding
from yunhe.client.floors.governance import Governance
from yunhe.client.floors.identity import Identity
from yunhe.client.floors.ledger import Ledger
from yunhe.client.floors.live import Live
from yunhe.client.floors.models import Models
from yunhe.client.floors.notices import Notices
from yunhe.client.floors.operations import Operations
from yunhe.client.floors.plans import Plans
from yunhe.client.floors.releases import Releases
from yunhe.client.floors.reviews import Reviews
from yunhe.client.floors.services import Services
from yunhe.client.floors.sources import Sources
from yunhe.client.floors.statements import Statements
from yunhe.client.floors.supply import Supply
from yunhe.client.floors.uploads import Uploads
from yunhe.client.floors.vault import Vault
from yunhe.client.http import JSON, Connection, Options


class Client:
    """One server and one key; give it back with `close` or use it as ``with``.

    What is safe to repeat is repeated (see `yunhe.client.http.Connection`). Errors are the
    platform's own six kinds (`yunhe.kernel.errors`), in the server's words. May be shared by
    threads.
    """

    def __init__(self, server: str, key: str = "", options: Options | None = None) -> None:
        """``server`` is its address, e.g. ``https://yunhe.example.org``. Nothing is sent yet.

        Without ``key`` only what is open to anyone answers. Errors: those of `Connection`.
        """
        self._http = Connection(server, key, options)
        self.identity = Identity(self._http)
        self.credentials = Credentials(self._http)
        self.operations = Operations(self._http)
        self.uploads = Uploads(self._http)
        self.ledger = Ledger(self._http)
        self.compute = Compute(self._http)
        self.services = Services(self._http)
        self.forwarding = Forwarding(self._http)
        self.agents = Agents(self._http)
        self.applications = Applications(self._http)
        self.statements = Statements(self._http)
        self.supply = Supply(self._http)
        self.custody = Custody(self._http)
        self.vault = Vault(self._http)
        self.corpus = Corpus(self._http)
        self.reviews = Reviews(self._http)
        self.sources = Sources(self._http)
        self.exchange = Exchange(self._http)
        self.live = Live(self._http)
        self.models = Models(self._http)
        self.evaluation = Evaluation(self._http)
        self.governance = Governance(self._http)
        self.releases = Releases(self._http)
        self.plans = Plans(self._http)
        self.notices = Notices(self._http)
        self.erasures = Erasures(self._http)

    def __enter__(self) -> Self:
        """This client."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Let go of the sockets."""
        self._http.close()

    def document(self) -> bytes:
        """The server's OpenAPI document."""
        return self._http.raw("/v1/openapi.json", media_type=JSON)
