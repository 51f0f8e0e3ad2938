"""Who sent a request, found out once however many layers ask."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

from yunhe.api.requests import Facts
from yunhe.api.runtime import Runtime
from yunhe.identity import service as identity
from yunhe.identity.domain import Principal
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import NotAllowed
from yunhe.storage.database import Transaction

_KNOWN_MAX = 10_000  # keys whose principal is kept in memory
_NOTED_MAX = 10_000  # keys whose use was noted lately


class Authentication:
    """Finds the principal behind a key or cookie, and puts the use on record now and then."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._noted: OrderedDict[str, int] = OrderedDict()
        self._known: dict[bytes, Principal] = {}
        self._version: int | None = None

    async def principal(self, facts: Facts) -> Principal:
        """Who sent it; asked again, the same again.

        Errors: `NotAllowed` as identity gives them, or ``api.credential_missing``.
        """
        if facts.principal is None:
            if facts.refusal is None:
                await self._look_up(facts)
            if facts.refusal is not None:
                raise facts.refusal
        if facts.principal is None:
            raise NotAllowed("api.credential_missing")
        return facts.principal

    async def _look_up(self, facts: Facts) -> None:
        if not facts.secret:
            facts.refusal = NotAllowed("api.credential_missing")
            return
        now_us = self._runtime.now_us()
        try:
            if facts.way == "session":
                found = await self._runtime.look(
                    lambda tx: identity.authenticate_session(tx, facts.secret, now_us=now_us)
                )
            else:
                found = await self._of_key(facts.secret, now_us=now_us)
        except NotAllowed as refusal:
            facts.refusal = refusal
            return
        facts.principal, facts.member = found, found.member
        if identity.use_due(found, now_us=now_us):
            self._note(found, now_us=now_us)

    async def _of_key(self, secret: str, *, now_us: int) -> Principal:
        """As identity says; from memory while nobody has committed anything since it said so."""
        version = self._runtime.version()
        if version is None or version != self._version:
            self._known.clear()
            self._version = version
        name = hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(name)
        if known is not None and (known.expires_at_us is None or known.expires_at_us > now_us):
            return known
        found = await self._runtime.look(
            lambda tx: identity.authenticate(tx, secret, now_us=now_us)
        )
        if version is not None and len(self._known) < _KNOWN_MAX:
            self._known[name] = found
        return found

    def _note(self, who: Principal, *, now_us: int) -> None:
        """Ask for the use to be written; nobody waits for it, and one request a minute does."""
        if now_us - self._noted.get(who.key, 0) < identity.USE_SECONDS * SECOND_US:
            return
        self._noted[who.key] = now_us
        self._noted.move_to_end(who.key)
        if len(self._noted) > _NOTED_MAX:
            self._noted.popitem(last=False)

        def note(tx: Transaction) -> None:
            identity.note_use(tx, who, now_us=now_us)

        self._runtime.write_later(note)
