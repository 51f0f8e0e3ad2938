"""The files under deploy/: parsed, checked by their own tools, and started as they are written."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import socket
import subprocess
import threading
from collections import defaultdict
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest
from proxy_desk import NAME, NGINX, ROOT, nginx
from pydantic import BaseModel
from server_desk import Process, body_of, status_of
from uvicorn.config import Config

from yunhe.api.server import PARTS, STOPPING_SECONDS_MAX
from yunhe.client.http import Connection
from yunhe.kernel.errors import Unavailable
from yunhe.operations.doctor import examine
from yunhe.settings import PREFIX, Settings

UNITS = [ROOT / "deploy" / name for name in ("yunhe.service", "yunhe@.service")]
INSTALLED = "/opt/yunhe/.venv/bin/yunhe"
FETCH = build_opener(ProxyHandler({}))
needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


def unit(path: Path) -> dict[str, dict[str, list[str]]]:
    """Section → key → values; a unit may say a key more than once, which configparser can't."""
    sections: dict[str, dict[str, list[str]]] = {}
    section: dict[str, list[str]] = defaultdict(list)
    for line in path.read_text("utf-8").splitlines():
        if not line.strip() or line.startswith(("#", ";")):
            continue
        if found := re.fullmatch(r"\[(\w+)\]", line):
            section = sections.setdefault(found[1], defaultdict(list))
            continue
        key, equals, value = line.partition("=")
        assert equals, line
        section[key].append(value)
    return sections


def seconds(said: str) -> int:
    return int(said.removesuffix("min")) * 60 if said.endswith("min") else int(said)


def started(path: Path, home: Path, part: str = "", **more: str) -> Process:
    """What ExecStart says, with its environment, in a home of the test's."""
    service = unit(path)["Service"]
    [line] = service["ExecStart"]
    program, *arguments = shlex.split(line.replace("%i", part))
    assert (program, arguments[0]) == (INSTALLED, "up")
    [given] = service["Environment"]
    environment = dict(pair.split("=", 1) for pair in shlex.split(given))
    assert environment.pop("YUNHE_HOME") == "/var/lib/yunhe"
    example = (ROOT / "deploy" / "yunhe.env.example").read_text("utf-8")
    for setting in example.splitlines():
        if setting and not setting.startswith("#"):
            name, _, value = setting.partition("=")
            environment[name] = value.replace("/var/lib/yunhe", str(home))
    return Process(home, *arguments[1:], **{**environment, "YUNHE_PORT": "0", **more}).started()


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_units_start_stop_and_confine_the_service_as_it_needs(path):
    said = unit(path)
    service = {key: values[-1] for key, values in said["Service"].items()}
    assert set(said) == {"Unit", "Service", "Install"}
    assert service["Type"] == "notify"
    assert seconds(service["WatchdogSec"]) >= 10
    assert seconds(service["TimeoutStopSec"]) > STOPPING_SECONDS_MAX + 20
    assert service["StateDirectoryMode"] == "0700"
    for key in ("NoNewPrivileges", "PrivateTmp", "ProtectHome", "RestrictSUIDSGID"):
        assert service[key] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == ""
    # What bubblewrap needs for workloads: see the remark in the unit.
    families = set(service["RestrictAddressFamilies"].split())
    assert {"AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"} == families
    forbidding = {
        *("RestrictNamespaces", "ProtectProc", "ProcSubset", "ProtectKernelTunables"),
        *("ProtectKernelLogs", "ProtectHostname", "PrivateUsers"),
    }
    assert not forbidding & service.keys()
    assert "@mount" in service["SystemCallFilter"].split()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_finds_nothing_to_object_to_and_rates_the_confinement(path, tmp_path):
    program = shutil.which("true")
    copy = tmp_path / path.name.replace("@.", "@api.")
    copy.write_text(path.read_text("utf-8").replace(INSTALLED, str(program)))
    checked = subprocess.run(
        ["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(copy)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    [level] = re.findall(r"Overall exposure level for \S+: ([\d.]+)", rated.stdout)
    assert float(level) < 4.0


@pytest.mark.skipif(
    shutil.which("setpriv") is None or shutil.which("bwrap") is None,
    reason="setpriv or bubblewrap is not installed",
)
def test_sandboxes_can_be_made_without_privileges_and_capabilities():
    # The flags of compute/providers/sandbox.py, around the smallest program there is.
    box = ["bwrap", "--unshare-all", "--unshare-user", "--uid", "65534", "--gid", "65534"]
    box += ["--new-session", "--as-pid-1", "--cap-drop", "ALL", "--hostname", "job", "--clearenv"]
    box += ["--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev", "--tmpfs", "/tmp"]
    box += ["--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin"]
    box += ["--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "/bin/true"]
    if subprocess.run(box, capture_output=True, check=False).returncode:
        pytest.skip("bubblewrap makes no sandboxes on this machine")
    bare = ["setpriv", "--no-new-privs", "--bounding-set", "-all", "--inh-caps", "-all"]
    bare += ["--reuid", "65534", "--regid", "65534", "--clear-groups"]
    done = subprocess.run([*bare, *box], capture_output=True, text=True, check=False)
    if "setpriv" in done.stderr:
        pytest.skip("this user may not become another")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_one_process_of_the_unit_starts_serves_and_stops(tmp_path):
    with started(UNITS[0], tmp_path / "home") as server:
        assert server.said["parts"] == ["api", "gateway", "worker"]
        with FETCH.open(f"{server.url}/readyz", timeout=20) as response:
            assert json.load(response)["ready"] is True
        assert server.end() == 0
    assert json.loads(server.log.read_text("utf-8").splitlines()[0])["level"]


def test_the_template_names_every_part_and_starts_each(tmp_path):
    said = UNITS[1].read_text("utf-8")
    assert all(f"yunhe@{part}" in said for part in PARTS)
    for part in ("worker", "gateway"):
        with started(UNITS[1], tmp_path / "home", part) as server:
            assert server.said["parts"] == [part]
            assert server.end() == 0


def test_the_example_of_settings_names_settings_that_there_are():
    example = (ROOT / "deploy" / "yunhe.env.example").read_text("utf-8")
    names = re.findall(r"^(YUNHE_\w+)=", example, re.MULTILINE)
    assert len(names) >= 3
    assert {name.removeprefix(PREFIX).lower() for name in names} <= set(Settings.model_fields)


def test_the_proxys_bounds_are_those_of_the_settings():
    said = (ROOT / "deploy" / "nginx.conf").read_text("utf-8")
    chosen = Settings()
    assert f"client_max_body_size {chosen.body_bytes_max};" in said
    assert f"client_max_body_size {chosen.upload_bytes_max};" in said
    [patience] = re.findall(r"^    proxy_read_timeout (\d+)s;", said, re.MULTILINE)
    assert int(patience) > chosen.request_seconds_max
    assert set(re.findall(r"server 127\.0\.0\.1:(\d+);", said)) == {str(chosen.port)}
    [idle, _] = re.findall(r"keepalive_timeout (\d+)s;", said)
    assert int(idle) < Config("x").timeout_keep_alive


@needs_nginx
def test_a_real_nginx_passes_requests_through_tls_and_keeps_its_bounds(tmp_path):
    with (
        started(UNITS[0], tmp_path / "home") as server,
        nginx(tmp_path / "nginx", upstream=int(server.url.rpartition(":")[2])) as proxy,
    ):
        document = proxy.ask("/v1/openapi.json")
        assert status_of(document) == 200
        assert b"strict-transport-security: max-age" in document.lower()
        assert b"x-request-id: req_" in document.lower()
        routes = proxy.ask("/v1/routes", headers="Accept-Language: zh\r\n")
        assert status_of(routes) == 401
        assert body_of(routes)["code"] == "models.key_missing"
        large = b"a" * (Settings().body_bytes_max + 1)
        refused = proxy.ask(
            "/v1/keys", method="POST", headers=f"Content-Length: {len(large)}\r\n", body=large
        )
        assert status_of(refused) == 413
        for path in ("/metrics", "/readyz", "/healthz"):
            assert status_of(proxy.ask(path)) == 404
        assert server.end() == 0
        assert status_of(proxy.ask("/v1/openapi.json")) == 502
    log = (tmp_path / "nginx" / "yunhe.access.log").read_text("utf-8")
    assert "GET /v1/openapi.json 200" in log
    assert re.search(r"req_\w{26}$", log, re.MULTILINE)


@needs_nginx
def test_plain_http_is_sent_on_to_https(tmp_path):
    with (
        nginx(tmp_path / "nginx", upstream=9) as proxy,
        socket.create_connection(("127.0.0.1", proxy.plain), timeout=20) as caller,
    ):
        caller.sendall(f"GET /v1/me?a=b HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode())
        heard = caller.recv(65_536)
    assert status_of(heard) == 308
    assert f"Location: https://{NAME}/v1/me?a=b".encode() in heard


@needs_nginx
def test_the_proxy_hands_on_events_at_once_and_drops_what_callers_claim(tmp_path):
    heads: list[bytes] = []
    go_on = threading.Event()

    def stream(listener: socket.socket) -> None:
        """A server that says one event, waits, and says another."""
        caller, _ = listener.accept()
        with caller:
            heads.append(caller.recv(65_536))
            caller.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n"
            )
            go_on.wait(20)
            caller.sendall(b"9\r\ndata: 2\n\n\r\n0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=stream, args=(listener,), daemon=True)
        thread.start()
        upstream = listener.getsockname()[1]
        with nginx(tmp_path / "nginx", upstream=upstream) as proxy, proxy.connect() as caller:
            forged = "X-Forwarded-For: 10.9.8.7\r\nForwarded: for=10.9.8.7\r\n"
            caller.sendall(
                f"GET /v1/operations/op/events HTTP/1.1\r\nHost: {NAME}\r\n{forged}\r\n".encode()
            )
            heard = b""
            while b"data: 1" not in heard:
                heard += caller.recv(65_536)
            assert b"data: 2" not in heard
            go_on.set()
            while b"data: 2" not in heard:
                heard += caller.recv(65_536)
        thread.join(timeout=20)
    [head] = heads
    assert b"10.9.8.7" not in head
    assert b"X-Forwarded-For: 127.0.0.1" in head
    assert b"X-Forwarded-Proto: https" in head
    assert f"Host: {NAME}".encode() in head


class Anything(BaseModel):
    """A shape that any object has."""


@needs_nginx
@pytest.mark.parametrize(
    ("shape", "check", "client"),
    [
        ({"days": -1, "begun_days_ago": 30}, "certificate_expired", "certificate_expired"),
        ({"days": 3}, "certificate_ending", None),
        ({"days": 90, "names": ("other.example",)}, "certificate_distrusted", "certificate_name"),
        ({"days": 90}, "certificate_fine", None),
    ],
    ids=["expired", "ending", "wrong name", "good"],
)
def test_the_doctor_and_clients_say_what_is_wrong_with_a_certificate(
    tmp_path, monkeypatch, shape, check, client
):
    with nginx(tmp_path / "nginx", upstream=9, **shape) as proxy:
        address = f"https://localhost:{proxy.secure}"
        monkeypatch.setenv("SSL_CERT_FILE", str(proxy.chain))
        monkeypatch.setenv("NO_PROXY", "localhost")
        lines = examine(Settings(home=tmp_path / "h", public_url=address), environment={})
        [found] = [line.found for line in lines if line.check == "certificate"]
        assert found.code == f"operations.doctor.{check}"
        assert bool(found.advice("zh")) == (check != "certificate_fine")
        with Connection(address) as connection, pytest.raises(Unavailable) as caught:
            connection.get("/v1/me", Anything)
        if client:
            assert caught.value.code == f"client.{client}"
            assert f"localhost:{proxy.secure}" in caught.value.message("en")
        else:
            assert "certificate" not in caught.value.code  # it came as far as nginx's own 502
