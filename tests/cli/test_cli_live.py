"""Commands inside running work, sessions and logs as they come, from a real command line."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from remote_desk import people, supplied

sys.path.insert(0, str(Path(__file__).parents[1] / "api"))

from server_desk import ENVIRONMENT, Process

from free_ports import free_port
from yunhe.client.client import Client
from yunhe.compute.providers.sandbox import bubblewrap

pytestmark = [
    pytest.mark.skipif(bubblewrap() is None, reason="bubblewrap does not work here"),
    pytest.mark.slow,
]
SECONDS = 180
"""Far more than anything takes: the machine may be busy with other tests."""
WAITS = "echo first; while [ ! -e go ]; do sleep 0.05; done; echo last"


class Town:
    """A server and a worker in processes of their own, and somebody who may run work."""

    def __init__(self, folder: Path, api: Process, tenant) -> None:
        self.folder, self.api, self.tenant = folder, api, tenant
        self.environment = {**ENVIRONMENT, "XDG_CONFIG_HOME": str(tenant.folder), "COLUMNS": "100"}

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def line(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "yunhe", *words]

    def run(self, *words: str, typed: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            self.line(*words),
            input=typed,
            capture_output=True,
            check=False,
            timeout=SECONDS,
            env=self.environment,
        )

    @contextmanager
    def started(self, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        process = subprocess.Popen(
            self.line(*words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self.environment,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def tenant_client(self) -> Client:
        return Client(self.api.url, self.tenant.key)

    def submit(self, script: str) -> str:
        path = self.folder / "job.yaml"
        spec = {"command": ["sh", "-c", script], "wall_seconds_max": 300, "cpu_seconds_max": 60}
        path.write_text(json.dumps(spec), "utf-8")
        made = self.tenant.json("submit", str(path))["id"]
        until = time.monotonic() + SECONDS
        while self.tenant.json("workloads", made)["state"] != "running":
            assert time.monotonic() < until, self.tenant.json("workloads", made)
            time.sleep(0.05)
        return made


class Terminal:
    """A person's terminal with a command line in it."""

    def __init__(self, line: list[str], environment: dict[str, str]) -> None:
        self.pid, self.handle = pty.fork()
        if self.pid == 0:
            os.execve(line[0], line, {**environment, "TERM": "xterm"})
        self.said = b""

    def reads(self, word: bytes) -> None:
        until = time.monotonic() + SECONDS
        while word not in self.said:
            assert time.monotonic() < until, self.said
            if select.select([self.handle], [], [], 0.2)[0]:
                self.said += os.read(self.handle, 65_536)

    def types(self, words: bytes) -> None:
        os.write(self.handle, words)

    def ended(self) -> int:
        with suppress(OSError):
            while part := os.read(self.handle, 65_536):
                self.said += part
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.handle)


@pytest.fixture
def town(tmp_path, capsys, monkeypatch) -> Iterator[Town]:
    home = tmp_path / "home"
    with (
        Process(home, "--only", "api", "--port", str(free_port())).started() as api,
        Process(home, "--only", "worker", "--port", "0", YUNHE_WORKER_SLOTS="2").started(),
    ):
        token = str(api.said["first_token"])
        running = SimpleNamespace(url=api.url, _platform=SimpleNamespace(first_token=lambda: token))
        operator, tenant = people(tmp_path, capsys, monkeypatch, running)
        supplied(running, operator, tenant)
        yield Town(tmp_path, api, tenant)


def test_commands_and_their_input_pass_through_the_command_line(town):
    made = town.submit(WAITS)
    done = town.run("exec", made, "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, b"out\n", b"err\n")
    sent = os.urandom(200_000)
    echoed = town.run("exec", "-i", made, "--", "cat", typed=sent)
    assert (echoed.returncode, echoed.stdout == sent) == (0, True)
    told = town.run("--json", "exec", made, "--", "echo", "word")
    first, last = map(json.loads, told.stdout.splitlines())
    assert (first["stream"], last["status"]) == ("stdout", 0)
    refused = town.run("exec", "-t", made, "--", "sh")
    assert b"terminal" in refused.stderr
    at_home = town.run("--home", str(town.home), "exec", made, "--", "echo", "home")
    assert at_home.stdout == b"home\n"
    town.tenant.json("cancel", made)
    until = time.monotonic() + SECONDS
    while town.tenant.json("workloads", made)["state"] == "running":  # its runner hears of it
        assert time.monotonic() < until
    late = town.run("exec", made, "--", "true")
    assert late.returncode != 0


def test_a_log_is_followed_over_the_death_of_the_server(town):
    made = town.submit(WAITS)
    with town.started("logs", made, "--follow") as follower:
        assert follower.stdout.readline() == b"first\n"
        port = town.api.url.rpartition(":")[2]
        town.api.process.kill()
        town.api.process.wait()
        with Process(town.home, "--only", "api", "--port", port).started():
            touched = town.run("exec", made, "--", "touch", "go").returncode
            assert touched in (0, 75)  # the workload ends at that, maybe before the command
            assert follower.stdout.read() == b"last\n"
            assert follower.wait(SECONDS) == 0
            again = town.run("--home", str(town.home), "logs", made)
            assert again.stdout == b"first\nlast\n"


def test_a_session_is_worked_in_left_by_accident_and_gone_on_with(town):
    line = town.line("develop", "--hours", "1", "bash", "--norc")
    terminal = Terminal(line, town.environment)
    terminal.reads(b"$ ")
    terminal.types(b"echo first-$((40+2)); echo model > weights\n")
    terminal.reads(b"first-42")
    [made] = [each["id"] for each in town.tenant.json("workloads")["items"]]
    terminal.kill()
    with town.tenant_client() as client:
        [left] = list(client.live.execs(made))
    again = Terminal(town.line("exec", "--attach", left.id, made), town.environment)
    again.reads(b"first-42")
    again.types(b"echo second-$((40+3)); exit 6\n")
    again.reads(b"second-43")
    assert again.ended() == 6
    until = time.monotonic() + SECONDS
    while (found := town.tenant.json("workloads", made))["state"] != "settled":
        assert time.monotonic() < until, found
        time.sleep(0.05)
    assert set(found["outputs"]) == {"weights"}
    assert found["usage"]["device_ms"] > 0
