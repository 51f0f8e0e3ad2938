"""Ten thousand callers at once: each is answered or told to come back, none hangs."""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from server_desk import Caller, Process, new_key, opened, status_of

CROWD = Path(__file__).with_name("crowd.py")
_LIMIT = resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def crowd(server: Process, count: int, *, key: str, path: str) -> dict[str, int]:
    """What ``count`` callers were told, by a process of their own."""
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    done = subprocess.run(
        [sys.executable, str(CROWD), host, port, str(count), key, path],
        capture_output=True,
        text=True,
        check=True,
        timeout=200,
    )
    return json.loads(done.stdout)["told"]


def well(server: Process) -> bool:
    with Caller(server.url) as caller:
        caller.ask("/readyz", headers="Connection: close\r\n")
        return status_of(caller.until_closed()) == 200


@pytest.mark.slow
@pytest.mark.skipif(
    _LIMIT != resource.RLIM_INFINITY and _LIMIT < 10_500, reason="too few open files are allowed"
)
@pytest.mark.parametrize(("part", "path"), [("gateway", "/v1/routes"), ("api", "/v1/me")])
def test_ten_thousand_callers_are_all_answered_or_told_to_come_back(tmp_path, part, path):
    home = tmp_path / "home"
    with opened(home) as platform:
        key = new_key(platform)
    with Process(home, "--only", part, "--port", "0").started() as server:
        told = crowd(server, 10_000, key=key, path=path)
        assert set(told) <= {"200", "503 retry", "429 retry"}, told
        assert sum(told.values()) == 10_000
        assert told["200"] >= 100
        assert well(server)
        assert server.end() == 0
    assert "Traceback" not in server.log.read_text("utf-8")


def test_a_server_that_may_open_few_files_refuses_the_rest_but_stays_well(tmp_path):
    home = tmp_path / "home"
    with opened(home) as platform:
        key = new_key(platform)
    limited = (
        "-c",
        "import resource, runpy; resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256));"
        "runpy.run_module('yunhe', run_name='__main__')",
    )
    start = ("--only", "gateway", "--port", "0")
    with Process(home, *start, program=limited).started() as server:
        told = crowd(server, 1_000, key=key, path="/v1/routes")
        # Beyond what may be open at all a caller is cut off; it knows at once, and may try again.
        assert all(re.match(r"200|503 retry|cut", what) for what in told), told
        assert sum(told.values()) == 1_000
        assert told["200"] >= 100
        assert well(server)
        assert server.end() == 0
