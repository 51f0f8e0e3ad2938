"""`yunhe up` as people meet it: what it prints, what it refuses, and how it starts in parts."""

from __future__ import annotations

import json
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "api"))

from server_desk import ENVIRONMENT, Process

from yunhe.api import listening
from yunhe.cli.up import PARTS, _port
from yunhe.kernel.errors import Invalid

FETCH = build_opener(ProxyHandler({}))


def yunhe(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "yunhe", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**ENVIRONMENT, **environment},
    )


def test_one_process_runs_everything_on_loopback_and_says_where(tmp_path):
    with Process(tmp_path / "home", "--port", "0").started() as server:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", server.url)
        assert server.said["parts"] == ["api", "gateway", "worker"]
        with FETCH.open(f"{server.url}/readyz", timeout=20) as response:
            ready = json.load(response)
        assert ready["ready"] is True
        assert {check["name"] for check in ready["checks"]} >= {"database", "blobs", "worker"}
        with FETCH.open(f"{server.url}/v1/openapi.json", timeout=20) as response:
            assert json.load(response)["openapi"].startswith("3.")
        assert server.end() == 0


def test_the_first_start_shows_a_token_once_and_no_secret_is_left_behind(tmp_path):
    home = tmp_path / "home"
    with Process(home, "--port", "0").started() as server:
        token = str(server.said["first_token"])
        assert server.end() == 0
    assert len(token) > 60
    kept = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert token.encode() not in kept
    assert token.encode() not in server.log.read_bytes()
    with Process(home, "--port", "0").started() as server:
        assert server.said["first_token"] not in (None, token)
        assert server.end() == 0


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_a_person_becomes_the_operator_by_typing_what_the_first_start_shows(tmp_path):
    for language, words in (("en", ("Listening on", "operator")), ("zh", ("正在监听", "运营方"))):
        home = tmp_path / language
        process = subprocess.Popen(
            [sys.executable, "-m", "yunhe", "--lang", language, "--home", str(home),
             "up", "--port", "0"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=ENVIRONMENT, text=True,
        )  # fmt: skip
        try:
            said = ""
            while not said.endswith("\nEND\n"):
                line = process.stdout.readline()
                assert line, said
                said += line
            shown = said[said.index("  curl") :]
            done = subprocess.run(
                ["sh", "-ec", shown],
                capture_output=True,
                text=True,
                check=True,
                env={**ENVIRONMENT, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"},
            )
        finally:
            process.terminate()
            process.communicate(timeout=60)
        assert all(word in said for word in words)
        assert json.loads(done.stdout)["key"]["secret"].startswith("yk_")
    with Process(home, "--port", "0").started() as again:
        assert again.said["first_token"] is None
        assert again.end() == 0


def test_the_parts_run_as_processes_of_their_own_on_one_home(tmp_path):
    home = tmp_path / "home"
    with (
        Process(home, "--only", "api", "--port", "0").started() as api,
        Process(home, "--only", "gateway", "--port", "0").started() as gateway,
        Process(home, "--only", "worker", "--port", "0").started() as worker,
    ):
        assert api.said["first_token"]
        assert gateway.said["first_token"] is worker.said["first_token"] is None
        for server in (api, gateway, worker):
            with FETCH.open(f"{server.url}/readyz", timeout=20) as response:
                assert json.load(response)["ready"] is True
        assert [server.end() for server in (worker, gateway, api)] == [0, 0, 0]


def test_parts_alone_have_ports_of_their_own_so_that_they_share_settings():
    assert _port(8420, frozenset(PARTS)) == 8420
    assert _port(8420, frozenset(["api"])) == 8420
    assert _port(8420, frozenset(["gateway"])) == 8421
    assert _port(8420, frozenset(["worker"])) == 8422
    assert _port(0, frozenset(["worker"])) == 0


def test_a_port_that_is_taken_is_named_with_what_to_do(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = yunhe("--lang", "zh", "--home", str(tmp_path / "h"), "up", "--port", str(port))
    assert done.returncode == 75
    assert f"127.0.0.1:{port} 已被其他程序占用" in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_start_that_fails_leaves_the_token_that_was_shown(tmp_path):
    home = tmp_path / "home"
    with Process(home, "--port", "0").started() as server:
        again = yunhe("--home", str(home), "up", "--port", server.url.rpartition(":")[2])
        assert again.returncode == 75
        body = {"token": server.said["first_token"], "organisation_name": "City", "name": "Chen"}
        request = Request(
            f"{server.url}/v1/operator",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Idempotency-Key": "first"},
        )
        with FETCH.open(request, timeout=20) as response:
            assert response.status == 201
        assert server.end() == 0


@pytest.mark.parametrize("host", ["0.0.0.0", "yunhe.example"])
def test_an_address_others_reach_is_refused_without_tls_in_front(tmp_path, host):
    done = yunhe("--json", "--home", str(tmp_path / "h"), "up", "--host", host)
    said = json.loads(done.stdout)
    assert done.returncode == 65
    assert said["code"] == "api.exposed"
    assert "--insecure" in said["do"]
    assert not (tmp_path / "h").exists()


def test_tls_in_front_or_a_clear_word_allows_such_an_address():
    check = listening.check_exposure
    check("0.0.0.0", public_url="https://yunhe.example", trusted_proxies="")
    check("0.0.0.0", public_url="", trusted_proxies="10.0.0.7")
    check("127.0.0.2", public_url="", trusted_proxies="")
    check("::1", public_url="", trusted_proxies="")
    with pytest.raises(Invalid):
        check("0.0.0.0", public_url="http://yunhe.example", trusted_proxies=" ")


def test_insecure_listens_where_it_is_told(tmp_path):
    start = ("--only", "worker", "--host", "0.0.0.0", "--port", "0", "--insecure")
    with Process(tmp_path / "home", *start).started() as server:
        assert server.url.startswith("http://0.0.0.0:")
        assert server.end() == 0


def test_an_address_of_another_machine_is_explained(tmp_path):
    start = ("up", "--host", "192.0.2.1", "--port", "0", "--insecure")
    done = yunhe("--home", str(tmp_path / "h"), *start)
    assert done.returncode == 74
    assert "192.0.2.1" in done.stderr
    assert "YUNHE_HOST" in done.stderr


def test_a_database_of_a_newer_version_is_left_alone(tmp_path):
    home = tmp_path / "home"
    with Process(home, "--only", "worker", "--port", "0").started() as server:
        assert server.end() == 0
    with closing(sqlite3.connect(home / "yunhe.db")) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.commit()
    done = yunhe("--json", "--home", str(home), "up", "--port", "0")
    assert done.returncode == 75
    assert json.loads(done.stdout)["code"] == "storage.newer"


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
def test_a_home_that_cannot_be_written_is_explained(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [
            "bwrap",
            *("--dev-bind", "/", "/", "--ro-bind", str(home), str(home)),
            sys.executable,
            *("-m", "yunhe", "--home", str(home), "up", "--port", "0"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=ENVIRONMENT,
    )
    assert done.returncode == 74
    assert str(home) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_in_the_place_of_the_home_is_explained(tmp_path):
    home = tmp_path / "home"
    home.write_text("no folder")
    done = yunhe("--home", str(home), "up", "--port", "0")
    assert done.returncode == 74
    assert str(home) in done.stderr
    assert "Traceback" not in done.stderr


def test_traces_without_their_packages_are_explained(tmp_path):
    code = (
        "import sys; sys.modules['opentelemetry.sdk.trace'] = None\n"
        "from yunhe.cli.main import main\n"
        f"main(['--json', '--home', {str(tmp_path / 'h')!r}, 'up', '--port', '0'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**ENVIRONMENT, "YUNHE_OTLP_ENDPOINT": "http://127.0.0.1:9"},
    )
    assert done.returncode == 74
    assert json.loads(done.stdout)["code"] == "operations.otel_missing"


def test_settings_of_the_environment_are_used_and_options_win(tmp_path):
    chosen = {"YUNHE_PORT": "1", "YUNHE_LOG_FORMAT": "json", "YUNHE_LOG_LEVEL": "info"}
    start = ("--only", "worker", "--port", "0")
    with Process(tmp_path / "home", *start, **chosen).started() as server:
        assert not server.url.endswith(":1")
        assert server.end() == 0
    lines = [json.loads(line) for line in server.log.read_text("utf-8").splitlines()]
    assert {"serving", "stopping", "stopped"} <= {line["event"] for line in lines}
