"""From an application to a running job: seconds, through the real API of a running server.

    python benchmarks/compute/speed.py [--rounds 20] [--postgresql URL]

Starts a server with its worker in a process of its own, over a home with a local pool, and does
again and again what a member of a firm does: apply → the rules approve → the award is there →
submit a workload → it runs. Prints the median and the slowest time of each step and of the whole,
the CPU-seconds of the server for each, and beside them what the programmes' own calendars take.

Target: 2 s. The clock is this machine's: on one that others use as well the CPU-seconds say more.
"""

from __future__ import annotations

import argparse
import json
import os
import platform as machine
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from yunhe.api import server
from yunhe.app import open_platform
from yunhe.client.client import Client
from yunhe.client.wire.applications import NewApplication
from yunhe.client.wire.compute import NewWorkload
from yunhe.compute import service as compute
from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT
from yunhe.compute.providers.entry_points import find_program
from yunhe.compute.providers.local import LocalProvider
from yunhe.identity import service as identity
from yunhe.identity.domain import Kind, Role
from yunhe.operations.service import Worker
from yunhe.settings import from_environment

TICKS = os.sysconf("SC_CLK_TCK")
TARGET_SECONDS = 2.0
CALENDARS = (
    ("IndiaAI committee", "15 to 45 days", "in by the 25th, result by the 10th"),
    ("UK AIRR open call", "38 days", "deadline 17 July, earliest start 24 August 2026"),
)
"""Source: the fact sheet, §8 and §11; secondary, not checked."""


@dataclass(frozen=True)
class Round:
    """One request, in seconds since it began."""

    awarded: float
    submitted: float
    running: float
    cpu: float


def serve(home: Path) -> None:
    """The server: an operator's pool, a firm, a worker; tells how to reach it, ends with stdin."""
    with open_platform(from_environment(home=home)) as platform:
        storage = platform.storage
        with storage.database.begin() as tx:

            def someone(kind: Kind, role: Role) -> tuple[str, str, str]:
                place = identity.add_organisation(tx, key=kind, name=kind, kind=kind, at_us=1)
                who = identity.add_member(tx, key=kind, organisation=place.id, name=kind, at_us=1)
                identity.grant_role(tx, member=who.id, role=role, at_us=1)
                key = identity.issue_key(tx, member=who.id, expires_at_us=None, at_us=1)
                return place.id, who.id, key.secret

            centre, chief, _ = someone("operator", "operator")
            _, _, secret = someone("sme", "trainer")
        compute.register_pool(
            storage,
            key="local",
            provider=centre,
            site="here",
            chip="cpu",
            devices=4,
            price_minor_per_device_hour=0,
            currency="CNY",
        )
        compute.approve_entry_point(
            storage,
            name=TRIAL,
            module=TRIAL_ENTRY_POINT.module,
            digest=find_program(TRIAL, TRIAL_ENTRY_POINT).digest,
            approved_by=chief,
        )
        running = server.start(platform, parts=["api"], host="127.0.0.1", port=0)
        provider = LocalProvider(home / "work", {TRIAL: TRIAL_ENTRY_POINT})
        worker = Worker(platform, provider=provider)
        worker.start()
        print(json.dumps({"url": running.url, "key": secret, "program": TRIAL}), flush=True)
        sys.stdin.read()
        worker.stop()
        running.stop()


def cpu_seconds(pid: int) -> float:
    """What a process has used, without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def once(reached: dict[str, str], pid: int, number: int) -> Round:
    """Apply, submit, look until it runs; then stop it."""
    facts: dict[str, bool | int | str | list[str] | None] = {
        "applicant_kind": "sme",
        "conflict_declared": False,
        "device_hours": 1,
        "devices": 1,
        "window_months": 1,
    }
    with Client(reached["url"], reached["key"]) as client:
        list(client.compute.pools())  # the connection is open before the clock starts
        cpu, start = cpu_seconds(pid), time.perf_counter()
        asked = NewApplication(title=f"round {number}", chip="cpu", facts=facts)
        made = client.applications.apply(asked, key=f"apply-{number}")
        awarded = time.perf_counter() - start
        if made.state != "awarded" or not made.awards:
            raise SystemExit(f"not awarded: {made.state} {made.rules}")
        job = NewWorkload(
            entry_point=reached["program"],
            arguments={"action": "endure"},
            wall_seconds_max=60,
            cpu_seconds_max=60,
        )
        workload = client.compute.submit(job, key=f"job-{number}")
        submitted = time.perf_counter() - start
        while client.compute.workload(workload.id).state != "running":
            if time.perf_counter() - start > 60:
                raise SystemExit(f"not running: {client.compute.workload(workload.id)}")
            time.sleep(0.02)
        running = time.perf_counter() - start
        used = cpu_seconds(pid) - cpu
        client.compute.cancel(workload.id)
        client.compute.wait(workload.id)
    return Round(awarded, submitted, running, used)


def measure(rounds: int, url: str) -> list[Round]:
    """Every round, on one server."""
    with tempfile.TemporaryDirectory() as folder:
        more = {"YUNHE_DATABASE_URL": url} if url else {}
        with subprocess.Popen(
            [sys.executable, __file__, "--serve", folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **more, "YUNHE_LOG_LEVEL": "error"},
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            reached = json.loads(process.stdout.readline())
            done = [once(reached, process.pid, number) for number in range(rounds)]
            process.stdin.close()
    return done


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--postgresql", default="", metavar="URL")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        serve(asked.serve)
        return
    print(f"yunhe {version('yunhe')}, Python {machine.python_version()}, {os.cpu_count()} cores")
    done = measure(asked.rounds, asked.postgresql)
    print(f"{'step':<24}{'median s':>10}{'slowest s':>11}")
    for name in ("awarded", "submitted", "running"):
        found = [getattr(each, name) for each in done]
        print(f"{name:<24}{statistics.median(found):>10.3f}{max(found):>11.3f}")
    cpu = statistics.median(each.cpu for each in done)
    slowest = max(each.running for each in done)
    within = sum(each.running <= TARGET_SECONDS for each in done)
    print(f"server CPU-seconds a request, median: {cpu:.3f}")
    print(f"within {TARGET_SECONDS} s: {within} of {len(done)}; slowest {slowest:.3f} s")
    for name, takes, why in CALENDARS:
        print(f"beside it: {name}: {takes} ({why}; secondary)")


if __name__ == "__main__":
    main()
