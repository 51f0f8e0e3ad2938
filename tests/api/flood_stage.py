"""A real server, a tenant that floods it, another that submits in between, and passes meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from server_desk import Process, new_key, opened
from sqlalchemy import func, select

from yunhe.app import Platform
from yunhe.compute import service as compute
from yunhe.compute.tables import workload_table
from yunhe.identity import service as identity
from yunhe.kernel.clock import DAY_US
from yunhe.ledger import service as ledger

FLOOD = Path(__file__).with_name("flood.py")
DEVICES = 60
BODY = {"entry_point": "training", "chip": "cpu", "wall_seconds_max": 600, "cpu_seconds_max": 60}
FREE = {"YUNHE_RATE_PER_SECOND": "1000000", "YUNHE_RATE_BURST": "1000000"}
"""No limit at the door, so that the rest is reached."""


@dataclass
class Told:
    """What came of a flood."""

    answers: dict[str, int]
    """How often each status and code."""
    ids: dict[str, str]
    """Workload by the name it was submitted under."""
    calm: list[float]
    """How long the other tenant waited for each answer before it, in seconds."""
    storm: list[float]
    """The same during it."""
    overtaken: list[int]
    """How many answers the flood got meanwhile, for each of those."""
    seconds: float
    """How long it took."""


class Stage:
    """The platform behind the server, and who uses it."""

    def __init__(self, platform: Platform, *, keys: int) -> None:
        self.platform = platform
        self.storage = platform.storage
        new_key(platform)
        self.flooder, self.keys = self._tenant("flooder", keys)
        self.other, [self.other_key] = self._tenant("other", 1)
        self._supply()

    def _tenant(self, name: str, keys: int) -> tuple[str, list[str]]:
        now_us = self.storage.clock.now_us()
        with self.storage.database.begin() as tx:
            place = identity.add_organisation(tx, key=name, name=name, kind="sme", at_us=now_us)
            made = []
            for number in range(keys):
                member = identity.add_member(
                    tx, key=f"{name}-{number}", organisation=place.id, name="m", at_us=now_us
                )
                identity.grant_role(tx, member=member.id, role="trainer", at_us=now_us)
                issued = identity.issue_key(
                    tx, member=member.id, expires_at_us=now_us + 30 * DAY_US, at_us=now_us
                )
                made.append(issued.secret)
        return place.id, made

    def _supply(self) -> None:
        now_us, database = self.storage.clock.now_us(), self.storage.database
        with database.begin() as tx:
            operator = next(each for each in identity.organisations(tx) if each.kind == "operator")
            centre = identity.add_organisation(
                tx, key="centre", name="centre", kind="provider", at_us=now_us
            )
            chief = identity.add_member(
                tx, key="chief", organisation=operator.id, name="chief", at_us=now_us
            )
            identity.grant_role(tx, member=chief.id, role="operator", at_us=now_us)
        compute.register_pool(
            self.storage,
            key="pool",
            provider=centre.id,
            site="east-1",
            chip="cpu",
            devices=DEVICES,
            price_minor_per_device_hour=1,
            currency="CNY",
        )
        for tenant in (self.flooder, self.other):
            compute.award(
                self.storage,
                key="award",
                organisation=tenant,
                chip="cpu",
                device_ms=10**13,
                expires_at_us=now_us + 300 * DAY_US,
                awarded_by=chief.id,
            )
            with database.begin() as tx:
                cash = ledger.open_account(tx, owner=tenant, unit="CNY", purpose="cash")
                ledger.grant(tx, key=f"cash {tenant}", account=cash, amount=10**9, at_us=now_us)

    def states(self, organisation: str) -> dict[str, int]:
        """How many of its workloads are in each state."""
        table = workload_table
        query = select(table.c.state, func.count()).where(table.c.organisation == organisation)
        with self.storage.database.read() as tx:
            return {row[0]: row[1] for row in tx.execute(query.group_by(table.c.state))}

    def free(self, count: int) -> int:
        """End so many of what the flooder has placed; how many there were."""
        with self.storage.database.read() as tx:
            placed = [
                each.id
                for each in compute.workloads(tx, organisation=self.flooder)
                if each.state == "placed"
            ]
        for each in placed[:count]:
            compute.cancel(self.storage, each)
        return len(placed[:count])

    @contextmanager
    def passes(self, every_seconds: float = 2.0) -> Iterator[list[int]]:
        """A scheduler of its own meanwhile, which makes passes as the worker does."""
        made: list[int] = []
        over = threading.Event()

        def look() -> None:
            while not over.wait(every_seconds):
                with suppress(Exception):  # a locked database: the next pass comes
                    made.append(compute.reconsider(self.storage))

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield made
        finally:
            over.set()
            thread.join()


@contextmanager
def staged(
    home: Path, *, keys: int = 1, program: tuple[str, ...] = (), **environment: str
) -> Iterator[tuple[Stage, Process]]:
    """The stage with its server, which serves the API in a process of its own."""
    with opened(home) as platform:
        stage = Stage(platform, keys=keys)
        start = {"program": program} if program else {}
        made = Process(home, "--only", "api", "--port", "0", **start, **environment)
        with made.started() as server:
            yield stage, server
            assert server.end() == 0
            assert "Traceback" not in server.log.read_text("utf-8")


def pour(stage: Stage, server: Process, *, count: int, connections: int, **more: object) -> Told:
    """A flood of ``count`` submissions, each tenth of them sent twice."""
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    plan = {
        "host": host,
        "port": int(port),
        "body": BODY,
        "keys": stage.keys,
        "other": stage.other_key,
        "count": count,
        "connections": connections,
        "again": 10,
        "calm": 20,
        "storm": 10_000,
        **more,
    }
    done = subprocess.run(
        [sys.executable, str(FLOOD)],
        input=json.dumps(plan),
        capture_output=True,
        text=True,
        check=False,
        timeout=1_500,
        env=dict(os.environ),
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    said = json.loads(done.stdout)
    answers = said.pop("told")
    return Told(answers=answers, **said)


def cpu_seconds(server: Process) -> float:
    """What the server's process has used so far."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def placed_soon(stage: Stage, organisation: str, *, count: int, passes: int) -> int:
    """After how many passes that many of its workloads are placed."""
    for number in range(passes + 1):
        if stage.states(organisation).get("placed", 0) >= count:
            return number
        compute.reconsider(stage.storage)
    raise AssertionError(f"not placed within {passes} passes: {stage.states(organisation)}")
