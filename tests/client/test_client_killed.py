"""A real server, killed at the worst moment and started again: nothing is lost, nothing doubled."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from server_desk import Process, eventually, opened

from free_ports import free_port
from yunhe.client.client import Client
from yunhe.client.http import Options
from yunhe.client.wire.credentials import Claim, NewKey
from yunhe.client.wire.identity import NewOrganisation
from yunhe.client.wire.ledger import NewIssuance
from yunhe.client.wire.operations import Operation
from yunhe.storage import events, operations

PROGRAM = (str(Path(__file__).with_name("dying_process.py")),)


class Mortal:
    """A server that comes back at the same address when it is waited for."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.mark = folder / "die"
        self.deaths = 0
        self.process = self.start(str(free_port()))
        self.url = self.process.url

    def start(self, port: str) -> Process:
        return Process(
            self.home, "--only", "api", "--port", port, program=PROGRAM, DIE_ON=str(self.mark)
        ).started()

    def wait(self, _: float) -> None:
        """In the place of a client's sleep; a connection may break a moment before its server."""
        with suppress(subprocess.TimeoutExpired):
            self.process.process.wait(timeout=2.0)
        if self.process.process.poll() is not None:
            self.deaths += 1
            self.process = self.start(self.url.rpartition(":")[2])

    def client(self, key: str = "") -> Client:
        return Client(self.url, key, Options(sleep=self.wait, seconds_max=20.0))

    def end(self) -> None:
        self.process.__exit__()


@pytest.fixture
def mortal(tmp_path):
    server = Mortal(tmp_path)
    yield server
    server.end()


@pytest.mark.slow
def test_killed_between_commit_and_answer_nothing_is_made_twice(mortal):
    token = str(mortal.process.said["first_token"])
    with mortal.client() as nobody:
        claim = Claim(token=token, organisation_name="Our City", name="Chen Example")
        mortal.mark.touch()
        claimed = nobody.credentials.claim_operator(claim)
    assert mortal.deaths == 1
    with mortal.client(claimed.key.secret) as client:
        assert client.identity.me().member == claimed.member
        mortal.mark.touch()
        made = client.identity.add_organisation(NewOrganisation(name="Lakeside", kind="sme"))
        assert mortal.deaths == 2
        assert [each.id for each in client.identity.organisations()].count(made.id) == 1
        assert sum(each.name == "Lakeside" for each in client.identity.organisations()) == 1

        mortal.mark.touch()
        grant = NewIssuance(organisation=made.id, unit="CNY", amount=700)
        posted = client.ledger.issue(grant)
        assert mortal.deaths == 3
        [account] = [each for each in client.ledger.accounts() if each.owner == made.id]
        assert account.available == 700
        assert [each.transfer for each in client.ledger.entries(account.id)] == [posted.transfer]

        mortal.mark.touch()
        issued = client.credentials.issue_key(NewKey(label="second", scopes=["identity:read"]))
        assert mortal.deaths == 4
        assert [each.label for each in client.credentials.issued_keys()].count("second") == 1
    with mortal.client(issued.secret) as second:
        assert second.identity.me().scopes == ["identity:read"]


def test_a_stream_goes_on_where_the_killed_server_left_it(mortal):
    with mortal.client() as nobody:
        claim = Claim(
            token=str(mortal.process.said["first_token"]), organisation_name="C", name="N"
        )
        claimed = nobody.credentials.claim_operator(claim)
    with opened(mortal.home) as platform, mortal.client(claimed.key.secret) as client:
        database, now_us = platform.storage.database, platform.storage.clock.now_us

        def say(step: str) -> None:
            with database.begin() as tx:
                body = {"step": step}
                events.append(tx, stream=made.id, name="step", body=body, at_us=now_us())

        with database.begin() as tx:
            made = operations.create(
                tx,
                kind="plans.run",
                key="k",
                organisation=claimed.organisation,
                member=claimed.member,
                payload={},
                at_us=now_us(),
            )
        seen = client.operations.follow(made.id)
        assert next(seen).name == "waiting"
        say("first")
        assert next(seen).body["step"] == "first"
        mortal.process.process.kill()
        eventually(lambda: mortal.process.process.poll() is not None)
        say("while it was away")
        assert next(seen).body["step"] == "while it was away"
        assert mortal.deaths == 1
        assert client.operations.cancel(made.id).state == "cancelled"
        rest = list(seen)
        assert [each.name for each in rest] == ["cancelled"]
        assert rest[0].seq == 4
        found = client.operations.wait(made.id)
        assert isinstance(found, Operation)
        assert found.state == "cancelled"
        assert [each.seq for each in client.operations.follow(made.id, after=2)] == [3, 4]
        assert list(client.operations.follow(made.id, after=4)) == []
