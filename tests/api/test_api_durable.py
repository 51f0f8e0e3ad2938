"""What a caller was told is there is there, however the server ends."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

from server_desk import ENVIRONMENT, eventually, new_key, opened

from yunhe.app import Platform
from yunhe.identity import service as identity
from yunhe.ledger import service as ledger

WRITERS = 8
FUNDS = 10**9


class Writers:
    """Callers who transfer one unit after the other until the server is gone."""

    def __init__(self, url: str, secret: str, accounts: tuple[str, str]) -> None:
        self._address = urlsplit(url)
        self._secret = secret
        debit, credit = accounts
        entry = {"debit": debit, "credit": credit, "amount": 1}
        self._body = json.dumps({"entries": [entry]})
        self.sent: list[str] = []
        self.told: dict[str, str] = {}
        self.threads = [threading.Thread(target=self._write, args=(n,)) for n in range(WRITERS)]
        for thread in self.threads:
            thread.start()

    def _write(self, writer: int) -> None:
        connection = http.client.HTTPConnection(str(self._address.hostname), self._address.port)
        try:
            for number in range(100_000):
                key = f"{writer}-{number}"
                self.sent.append(key)
                status, transfer = self.post(connection, key)
                assert status == 201
                self.told[key] = transfer
        except (OSError, http.client.HTTPException):
            pass  # the server is gone
        finally:
            connection.close()

    def post(self, connection: http.client.HTTPConnection, key: str) -> tuple[int, str]:
        headers = {
            "Authorization": f"Bearer {self._secret}",
            "Content-Type": "application/json",
            "Idempotency-Key": key,
        }
        connection.request("POST", "/v1/transfers", self._body, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read()).get("transfer", "")


def _funded(platform: Platform, secret: str) -> tuple[str, str]:
    """Two accounts of the key's organisation, the first with funds."""
    with platform.storage.database.begin() as tx:
        who = identity.authenticate(tx, secret, now_us=platform.storage.clock.now_us())
        made = [
            ledger.open_account(tx, owner=who.organisation, unit="CNY", purpose=purpose)
            for purpose in ("cash", "other")
        ]
        ledger.grant(tx, key="fund", account=made[0], amount=FUNDS, at_us=1)
    return made[0], made[1]


def _server(home: Path) -> tuple[subprocess.Popen[str], str]:
    names = ("YUNHE_RATE_PER_SECOND", "YUNHE_RATE_BURST", "YUNHE_QUOTA_PER_DAY")
    limits = dict.fromkeys(names, "1000000")
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "yunhe", "--home", str(home), "--json"),
            *("up", "--only", "api", "--port", "0"),
        ],
        env=ENVIRONMENT | limits,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout is not None
    return server, json.loads(server.stdout.readline())["url"]


def test_every_acknowledged_transfer_survives_a_kill_exactly_once(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with opened(home) as platform:
        secret = new_key(platform, kind="university", role="buyer")
        accounts = _funded(platform, secret)
    server, url = _server(home)
    try:
        writers = Writers(url, secret, accounts)
        eventually(lambda: len(writers.told) > 200)
    finally:
        server.kill()
        server.wait()
    for thread in writers.threads:
        thread.join()
    told, sent = dict(writers.told), list(writers.sent)
    with opened(home) as platform, platform.storage.database.read() as tx:
        lines = Counter(
            line.transfer
            for line in ledger.account_entries(tx, accounts[1], after=(0, 0), limit=100_000)
        )
        assert {lines[transfer] for transfer in told.values()} == {1}
        assert len(set(told.values())) == len(told)
        assert len(told) <= sum(lines.values()) <= len(sent)
        assert ledger.balance(tx, accounts[1]).available == sum(lines.values())
        assert ledger.replay(tx).ok
    _repeated(home, writers, accounts)


def _repeated(home: Path, writers: Writers, accounts: tuple[str, str]) -> None:
    """Who asks again with the same keys gets the same transfers, and nothing is done twice."""
    server, url = _server(home)
    try:
        address = urlsplit(url)
        connection = http.client.HTTPConnection(str(address.hostname), address.port)
        again = {key: writers.post(connection, key) for key in writers.sent}
        connection.close()
    finally:
        server.terminate()
        assert server.wait(30) == 0
    assert {status for status, _ in again.values()} == {201}
    assert {key: again[key][1] for key in writers.told} == writers.told
    with opened(home) as platform, platform.storage.database.read() as tx:
        assert ledger.balance(tx, accounts[1]).available == len(writers.sent)
        assert ledger.replay(tx).ok
