"""Requests a second of the API: reads and durable writes, SQLite and PostgreSQL, p50 and p99.

    python benchmarks/api/load.py [--seconds 4] [--rounds 3] [--own] [--only NAME …] [--folder DIR]

Starts `yunhe up --only api` on a free port over a real home (100 organisations, 1,000 members with
keys, 400 accounts, 200 workloads, operations and notices), with the limits of a key raised by
settings and everything else as it comes: log, metrics, quotas, durable commits (SQLite in WAL mode
with ``synchronous=FULL``, PostgreSQL with ``fsync`` and ``synchronous_commit``). wrk asks, or with
``--own`` and where it is missing `callers.py`, from another process of the same machine. Writes
come from 100 keys, each with an Idempotency-Key of its own.

``a core`` is what one processor core would do: 1 / CPU-seconds of the server per request; on a
machine that others use as well it says more than the rate. The server is one process, which keeps
about one core busy; the other is for the database's flushes, PostgreSQL and the callers.

Below each database: the same read and write through FastAPI's own handler, and without any
framework (`bare.py`). Rows of two processes are two such servers on one home, asked at once.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
TICKS = os.sysconf("SC_CLK_TCK")
RAISED = {
    "YUNHE_RATE_PER_SECOND": "1000000",
    "YUNHE_RATE_BURST": "1000000",
    "YUNHE_QUOTA_PER_DAY": "1000000000",
}
SCRIPT = """
local lines, n, tag, threads = {}, 0, "", 0
function setup(thread) threads = threads + 1; thread:set("number", threads) end
function init(args)
  tag = args[2] .. "-" .. number
  for line in io.lines(args[1]) do
    local f = {}
    for part in line:gmatch("[^\\t]+") do f[#f + 1] = part end
    lines[#lines + 1] = f
  end
end
function request()
  n = n + 1
  local f = lines[n % #lines + 1]
  local headers = {["Authorization"] = "Bearer " .. f[3]}
  if f[4] then
    headers["Content-Type"] = "application/json"
    headers["Idempotency-Key"] = tag .. "-" .. n
  end
  return wrk.format(f[1], f[2], headers, f[4])
end
function done(summary, latency)
  local e = summary.errors
  local said = '\\n{"requests": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f, "errors": %d}\\n'
  local failed = e.connect + e.read + e.write + e.status + e.timeout
  io.write(string.format(said, summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, failed))
end
"""


@dataclass(frozen=True)
class Figures:
    """One round of one resource."""

    per_second: float
    p50_ms: float
    p99_ms: float
    errors: int
    cpu_us: float
    """Of the server, per request."""
    callers_cpu: float
    """CPU-seconds of the callers."""
    per_commit: float
    """Requests per durable commit."""


@dataclass(frozen=True)
class Server:
    """A server in a process of its own."""

    url: str
    pid: int

    def cpu_seconds(self) -> float:
        """All its threads have used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def commits(self) -> float:
        """Writing transactions so far, as its own metrics count them."""
        name = 'yunhe_database_transaction_duration_seconds_count{turn="alone"} '
        with urllib.request.urlopen(self.url + "/metrics") as answer:
            text = answer.read().decode()
        return float(text.partition(name)[2].partition("\n")[0] or 0)


@contextmanager
def serving(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Iterator[Server]:
    with (
        log.open("ab") as errors,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
        ) as process,
    ):
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise SystemExit(f"the server did not start: {log.read_text()[-2_000:]}")
            yield Server(json.loads(line)["url"], process.pid)
        finally:
            process.terminate()


def requests_of(home: Mapping[str, object], folder: Path) -> dict[str, tuple[Path, int]]:
    """What is asked of each resource, with how many connections."""
    keys, accounts = home["keys"], home["accounts"]
    organisations = home["organisations"]
    assert isinstance(keys, list)
    assert isinstance(accounts, list)
    assert isinstance(organisations, list)
    reads = {
        "GET /v1/me": "/v1/me",
        "GET /v1/accounts/{account}": f"/v1/accounts/{accounts[0][0]}",
        "GET /v1/operations/{operation}": f"/v1/operations/{home['operation']}",
        "GET /v1/workloads/{workload}": f"/v1/workloads/{home['workload']}",
        "GET /v1/accounts (4)": "/v1/accounts",
        "GET /v1/notices (50)": "/v1/notices?limit=50",
        "GET /v1/workloads (50)": "/v1/workloads?limit=50",
    }
    asked = {name: [("GET", path, str(keys[0]))] for name, path in reads.items()}
    many = range(4 * len(keys))
    bodies: dict[str, list[tuple[str, ...]]] = {
        "POST /v1/transfers": [
            (
                "POST",
                "/v1/transfers",
                keys[n % len(keys)],
                json.dumps(
                    {
                        "entries": [
                            {
                                "debit": accounts[n % len(keys)][n // len(keys)],
                                "credit": accounts[(n * 7 + 1) % len(keys)][n // len(keys)],
                                "amount": 1,
                            }
                        ]
                    }
                ),
            )
            for n in many
        ],
        "POST /v1/issuances": [
            (
                "POST",
                "/v1/issuances",
                str(home["operator"]),
                json.dumps(
                    {
                        "organisation": organisations[n % len(keys)],
                        "unit": "CNY",
                        "purpose": f"cash{n // len(keys)}",
                        "amount": 1,
                    }
                ),
            )
            for n in many
        ],
        "PUT /v1/me/contact": [
            ("PUT", "/v1/me/contact", keys[n % len(keys)], '{"contact": "desk@example.org"}')
            for n in many
        ],
    }
    found = {}
    for number, (name, lines) in enumerate({**asked, **bodies}.items()):
        path = folder / f"requests-{number}"
        path.write_text("".join("\t".join(line) + "\n" for line in lines))
        found[name] = (path, 32 if name.startswith("GET") else 64)
    return found


class Bench:
    """Asks servers and keeps what came of it."""

    def __init__(self, asked: argparse.Namespace, folder: Path) -> None:
        self._seconds = asked.seconds
        self._script = folder / "script.lua"
        self._script.write_text(SCRIPT)
        self.own = asked.own or shutil.which("wrk") is None
        self.kept: dict[tuple[str, str, str], list[Figures]] = {}

    def command(self, url: str, requests: Path, connections: int, seconds: float) -> list[str]:
        """What asks one server."""
        tag = str(time.time_ns())
        if self.own:
            return [
                *(sys.executable, str(HERE / "callers.py"), url, str(requests)),
                *("--connections", str(connections), "--seconds", str(seconds), "--tag", tag),
            ]
        said = ["-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "-s", str(self._script)]
        return ["wrk", *said, url, "--", str(requests), tag]

    def measure(self, servers: Sequence[Server], requests: Path, connections: int) -> Figures:
        """Ask all servers at once, the connections shared out."""
        share = connections // len(servers)
        self._ask(servers, requests, share, 1.0)  # warm
        cpu, commits = self._spent(servers)
        callers_cpu = _children_cpu()
        said = self._ask(servers, requests, share, self._seconds)
        after_cpu, after_commits = self._spent(servers)
        count = sum(each["requests"] for each in said)
        return Figures(
            sum(each["requests"] / each["seconds"] for each in said),
            statistics.mean(each["p50_ms"] for each in said),
            max(each["p99_ms"] for each in said),
            int(sum(each["errors"] for each in said)),
            (after_cpu - cpu) / count * 1e6,
            _children_cpu() - callers_cpu,
            count / max(1, after_commits - commits),
        )

    def _ask(
        self, servers: Sequence[Server], requests: Path, connections: int, seconds: float
    ) -> list[dict[str, float]]:
        callers = [
            subprocess.Popen(
                self.command(server.url, requests, connections, seconds), stdout=subprocess.PIPE
            )
            for server in servers
        ]
        outputs = [each.communicate()[0] for each in callers]
        return [json.loads(output.decode().strip().splitlines()[-1]) for output in outputs]

    @staticmethod
    def _spent(servers: Sequence[Server]) -> tuple[float, float]:
        return sum(s.cpu_seconds() for s in servers), sum(s.commits() for s in servers)


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def postgresql(folder: Path) -> Iterator[tuple[str, str] | None]:
    """Version and address of a server of our own on that disk; None where there can be none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pgserver.postgres_server import PostgresServer  # noqa: PLC0415 (not everywhere)
        import psycopg  # noqa: PLC0415
    except ImportError as error:
        print(f"PostgreSQL left out: {error}")
        yield None
        return
    place = Path(tempfile.mkdtemp(prefix="pg-", dir=folder))
    place.chmod(0o755)
    server = PostgresServer(place, cleanup_mode="delete")
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            durable = [
                connection.execute(f"SHOW {name}".encode()).fetchall()[0][0]
                for name in ("fsync", "synchronous_commit", "server_version")
            ]
            if durable[:2] != ["on", "on"]:
                raise SystemExit(f"this server is not durable: {durable}")
            connection.execute(b"CREATE DATABASE yunhe")
        yield durable[2], server.get_uri("yunhe")
    finally:
        server.cleanup()


def one_database(
    bench: Bench, place: str, folder: Path, url: str, asked: argparse.Namespace
) -> None:
    """Every resource on one database, in rounds; then the ways."""
    home = folder / "home"
    environment = {**os.environ, **RAISED, "YUNHE_HOME": str(home), "YUNHE_DATABASE_URL": url}
    made = subprocess.run(
        [sys.executable, str(HERE / "home.py"), str(home)],
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
    )
    requests = requests_of(json.loads(made.stdout), folder)
    log = folder / "server.log"
    whole = [
        *(sys.executable, "-m", "yunhe", "--home", str(home), "--json"),
        *("up", "--only", "api", "--port", "0"),
    ]
    slow, bare = (
        [sys.executable, str(HERE / "bare.py"), str(home), w] for w in ("framework", "bare")
    )
    compared = ("GET /v1/accounts/{account}", "POST /v1/transfers")
    plans = [
        ("", [whole], tuple(requests)),
        ("FastAPI's own handler", [slow], compared),
        ("no framework, no checks", [bare], compared),
        ("two processes", [whole, whole], compared),
    ]
    for _ in range(asked.rounds):
        for way, commands, names in plans:
            with ExitStack() as stack:
                servers = [
                    stack.enter_context(serving(each, environment, log)) for each in commands
                ]
                for name in names:
                    if not asked.only or any(part in name for part in asked.only):
                        found = bench.measure(servers, *requests[name])
                        bench.kept.setdefault((place, name, way), []).append(found)


def report(bench: Bench) -> None:
    """A table for each database."""
    row = "{:32} {:>10} {:>17} {:>8} {:>8} {:>7} {:>10} {:>9} {:>11} {:>8}"
    last = ""
    for (place, name, way), rounds in bench.kept.items():
        if place != last:
            print(f"\n{place}")
            heads = ("p50 ms", "p99 ms", "errors", "CPU-µs", "a core/s", "callers' s", "/commit")
            print(row.format("", "requests/s", "(least – most)", *heads))
            last = place

        def middle(of: str, rounds: list[Figures] = rounds) -> float:
            return statistics.median(getattr(each, of) for each in rounds)

        rates = [each.per_second for each in rounds]
        cpu = middle("cpu_us")
        print(
            row.format(
                f"  … {way}" if way else name,
                f"{middle('per_second'):,.0f}",
                f"({min(rates):,.0f} – {max(rates):,.0f})",
                f"{middle('p50_ms'):.1f}",
                f"{middle('p99_ms'):.1f}",
                sum(each.errors for each in rounds),
                f"{cpu:,.0f}",
                f"{1e6 / cpu:,.0f}",
                f"{middle('callers_cpu'):.2f}",
                f"{middle('per_commit'):.1f}" if name[0] == "P" else "–",
            )
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="for each resource and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--own", action="store_true", help="callers.py even where there is wrk")
    parser.add_argument("--only", nargs="*", default=[], help="resources whose name has this in it")
    parser.add_argument("--folder", type=Path, default=Path("build"), help="on a real disk")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=asked.folder))).resolve()
        bench = Bench(asked, folder)
        places = {f"SQLite {sqlite3.sqlite_version}": ""}
        server = stack.enter_context(postgresql(folder))
        if server is not None:
            places[f"PostgreSQL {server[0]}"] = server[1]
        before = os.getloadavg()[0]
        for number, (place, url) in enumerate(places.items()):
            part = folder / str(number)
            part.mkdir()
            one_database(bench, place, part, url, asked)
        names = ("fastapi", "starlette", "uvicorn", "uvloop", "pydantic", "sqlalchemy")
        print(
            f"{platform.machine()}, {os.cpu_count()} CPUs, {platform.system()} "
            f"{platform.release()}, load {before:.1f} before; Python {platform.python_version()}, "
            + ", ".join(f"{name} {version(name)}" for name in names)
        )
        print(
            f"{'callers.py' if bench.own else 'wrk'} on the same machine, {asked.seconds:g} s "
            f"a round, median of {asked.rounds}; 32 connections read, 64 write"
        )
        report(bench)


if __name__ == "__main__":
    main()
