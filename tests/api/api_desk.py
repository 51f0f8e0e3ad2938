"""The API over a platform of its own: people of two organisations, and callers in one process."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from yunhe.api.app import create_app
from yunhe.app import Platform
from yunhe.custody import service as custody
from yunhe.custody.publishers import FilePublisher
from yunhe.identity import service as identity
from yunhe.identity.domain import Member
from yunhe.kernel.clock import DAY_US
from yunhe.settings import Settings
from yunhe.storage.service import Storage

BASE = "http://127.0.0.1:8420"
"""Where callers of these tests believe to be."""


def open_home(storage: Storage, home: Path, **settings: object) -> Platform:
    """A platform over storage that is there already, without running migrations."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    chosen = Settings(home=home, **{"rate_per_second": 100_000, "rate_burst": 100_000, **settings})
    signer = custody.create_log(home, chosen.origin)
    publisher = FilePublisher(home / "witness.txt")
    return Platform(
        chosen, storage, signer, publisher, custody.Sequencer(storage, signer, [publisher])
    )


class Desk:
    """Makes people and keys, and calls the API from a thread whose event loop it lives in."""

    def __init__(self, platform: Platform, *, gateway: bool = False) -> None:
        self.platform = platform
        self.storage = platform.storage
        self.app = create_app(platform, gateway=platform.answering() if gateway else None)
        self.loop = asyncio.new_event_loop()
        self._numbers = itertools.count(1)
        self._asked: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    @contextmanager
    def open(self) -> Iterator[Desk]:
        """Start the application, as a server does, and stop it."""
        self._thread.start()
        living = asyncio.run_coroutine_threadsafe(
            self.app({"type": "lifespan", "state": {}}, self._asked.get, self._told.put), self.loop
        )
        self.wait(self._asked.put({"type": "lifespan.startup"}))
        assert self.wait(self._told.get())["type"] == "lifespan.startup.complete"
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=BASE)
        try:
            yield self
        finally:
            self.wait(self._client.aclose())
            self.wait(self._asked.put({"type": "lifespan.shutdown"}))
            living.result(20)
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join()
            self.loop.close()

    def wait(self, work: Coroutine[Any, Any, Any], seconds: float = 30.0) -> Any:
        """What came of work in the application's event loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(seconds)

    def ask(self, method: str, path: str, key: str = "", **given: Any) -> httpx.Response:
        """One request; a POST gets an Idempotency-Key of its own unless it brings one."""
        return self.wait(self.asking(method, path, key, **given))

    async def asking(self, method: str, path: str, key: str = "", **given: Any) -> httpx.Response:
        headers = dict(given.pop("headers", {}))
        if key:
            headers.setdefault("authorization", f"Bearer {key}")
        if method == "POST":
            headers.setdefault("idempotency-key", f"test-{next(self._numbers)}")
        self._client.cookies.clear()  # a test says itself what a browser would bring
        return await self._client.request(method, path, headers=headers, **given)

    def now_us(self) -> int:
        return self.storage.clock.now_us()

    def organisation(self, name: str, kind: str = "university") -> str:
        with self.storage.database.begin() as tx:
            return identity.add_organisation(
                tx, key=name, name=name, kind=kind, at_us=self.now_us()
            ).id

    def member(self, organisation: str, *roles: str, name: str = "", project: str = "") -> Member:
        """A person with these roles, for the organisation or one project."""
        name = name or f"member {next(self._numbers)}"
        with self.storage.database.begin() as tx:
            made = identity.add_member(
                tx, key=name, organisation=organisation, name=name, at_us=self.now_us()
            )
            for role in roles:
                identity.grant_role(
                    tx, member=made.id, role=role, project=project, at_us=self.now_us()
                )
        return made

    def project(self, organisation: str, name: str) -> str:
        with self.storage.database.begin() as tx:
            return identity.add_project(
                tx, key=name, organisation=organisation, name=name, at_us=self.now_us()
            ).id

    def key(self, member: Member | str, *scopes: str, **given: Any) -> str:
        """The secret of a new key."""
        whose = member if isinstance(member, str) else member.id
        with self.storage.database.begin() as tx:
            return identity.issue_key(
                tx,
                member=whose,
                scopes=scopes or ("*",),
                at_us=self.now_us(),
                **{"expires_at_us": self.now_us() + 30 * DAY_US, **given},
            ).secret

    def session(self, member: Member | str) -> tuple[dict[str, str], str]:
        """Headers of a signed-in browser, and its token against forged requests."""
        whose = member if isinstance(member, str) else member.id
        with self.storage.database.begin() as tx:
            made = identity.open_session(tx, member=whose, hours=12, at_us=self.now_us())
        return {"cookie": f"yunhe={made.secret}"}, made.csrf
