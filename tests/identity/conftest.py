"""Two organisations, their people, and short ways to act for them."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path

import pytest

from yunhe.identity import service as identity
from yunhe.identity.domain import IssuedKey, Principal
from yunhe.kernel.clock import ManualClock
from yunhe.kernel.errors import YunheError
from yunhe.storage.service import Storage


@dataclass
class Town:
    """An operator's city and a university; each with an administrator, the latter with more."""

    storage: Storage
    clock: ManualClock
    city: str
    university: str
    people: dict[str, str]

    @property
    def now_us(self) -> int:
        return self.clock.now_us()

    def do(self, command, *args, **params):
        """Run a command in its own transaction at the time of now."""
        if "at_us" in inspect.signature(command).parameters:
            params.setdefault("at_us", self.now_us)
        with self.storage.database.begin() as tx:
            return command(tx, *args, **params)

    def see(self, question, *args, **params):
        with self.storage.database.read() as tx:
            return question(tx, *args, **params)

    def refusal(self, command, *args, **params) -> YunheError:
        with pytest.raises(YunheError) as error:
            self.do(command, *args, **params)
        return error.value

    def code(self, command, *args, **params) -> str:
        return self.refusal(command, *args, **params).code

    def add(self, name: str, organisation: str, *roles: str) -> str:
        """A new person with these roles."""
        member = self.do(
            identity.add_member, key=name, organisation=organisation, name=f"Name {name}"
        ).id
        for role in roles:
            self.do(identity.grant_role, member=member, role=role)
        self.people[name] = member
        return member

    def key(self, name: str, **params) -> IssuedKey:
        params.setdefault("expires_at_us", None)
        return self.do(identity.issue_key, member=self.people[name], **params)

    def who(self, secret: str) -> Principal:
        return self.see(identity.authenticate, secret, now_us=self.now_us)

    def actor(self, name: str, **params) -> Principal:
        """The principal of a fresh key of a person."""
        return self.who(self.key(name, **params).secret)

    def stored(self) -> bytes:
        """Every byte of the database's files, on SQLite; of every row elsewhere."""
        url = self.storage.database.url
        if url.startswith("sqlite:///"):
            folder = Path(url.removeprefix("sqlite:///")).parent
            return b"".join(file.read_bytes() for file in folder.glob("yunhe.db*"))
        from yunhe.storage.schema import metadata  # noqa: PLC0415 - only here

        with self.storage.database.read() as tx:
            tables = [t for t in metadata.sorted_tables if t.name.startswith("identity_")]
            return repr([tx.execute(table.select()).all() for table in tables]).encode()


@pytest.fixture
def town(storage: Storage, clock: ManualClock) -> Town:
    town = Town(storage, clock, "", "", {})
    add = identity.add_organisation
    town.city = town.do(add, key="city", name="示范市", kind="operator").id
    town.university = town.do(add, key="uni", name="示范大学", kind="university").id
    town.add("operator", town.city, "operator", "administrator")
    town.add("dean", town.university, "administrator")
    town.add("li", town.university, "trainer", "caller")
    return town
