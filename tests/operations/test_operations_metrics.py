"""Figures: named by convention, true, without tenants, and read by a real Prometheus."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

import pytest
from prometheus_client.parser import text_string_to_metric_families
from server_desk import Caller, body_of, eventually, new_key, opened, serving, status_of

from prometheus_server import prometheus
from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.identity import service as identity
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Unavailable
from yunhe.operations import metrics as figures
from yunhe.operations.metrics import Metrics
from yunhe.storage import leases

FETCH = build_opener(ProxyHandler({}))


@pytest.fixture(autouse=True)
def nothing_is_kept(monkeypatch):
    monkeypatch.setattr(figures, "FRESH_SECONDS", 0.0)


def ask(url: str, path: str = "/metrics", *, headers: str = "", method: str = "GET") -> bytes:
    with Caller(url) as caller:
        caller.ask(path, headers=f"{headers}Connection: close\r\n", method=method)
        return caller.until_closed()


def samples(text: bytes) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def value(text: bytes, name: str, **labels: str) -> float | None:
    return samples(text).get((name, frozenset(labels.items())))


def body(heard: bytes) -> bytes:
    return heard.partition(b"\r\n\r\n")[2]


def test_requests_are_counted_by_route_template_method_and_status(tmp_path):
    with serving(tmp_path / "home") as running:
        for answer in ("ans_1", "ans_2", "ans_3"):
            assert status_of(ask(running.url, f"/v1/answers/{answer}")) == 401
        ask(running.url, "/v1/routes/citizens/answers", method="POST")
        ask(running.url, "/no/such/place")
        ask(running.url, "/v1/routes", method="BREW")
        text = body(ask(running.url))
    count = "yunhe_http_requests_total"
    assert value(text, count, method="GET", route="/v1/answers/{answer}", status="401") == 3
    route = "/v1/routes/{route}/answers"
    assert value(text, count, method="POST", route=route, status="401") == 1
    assert value(text, count, method="GET", route="other", status="404") == 1
    seconds = "yunhe_http_request_duration_seconds"
    assert value(text, f"{seconds}_count", method="GET", route="/v1/answers/{answer}") == 3
    assert b"ans_1" not in text
    assert b"citizens" not in text
    assert b"BREW" not in text


def test_probes_do_not_count_themselves(tmp_path):
    with serving(tmp_path / "home") as running:
        for path in ("/healthz", "/readyz", "/metrics"):
            ask(running.url, path)
        text = body(ask(running.url))
    assert b"yunhe_http_requests_total{" not in text


def test_names_and_units_follow_the_conventions_and_promtool_agrees(tmp_path):
    with opened(tmp_path / "home") as platform:
        made = Metrics(platform, parts=("api",))
        made.began()
        made.ended("GET", "/v1/me", status=200, seconds=0.01)
        made.refused()
        with made.transaction("read"):
            pass
        with platform.storage.database.begin() as tx:
            leases.enqueue(tx, kind="operation:a", key="1", payload={}, at_us=1)
        text = made.text()
    families = list(text_string_to_metric_families(text.decode()))
    ours = [family for family in families if family.name.startswith("yunhe_")]
    assert len(ours) >= 15
    for family in ours:
        assert re.fullmatch(r"yunhe(_[a-z]+)+", family.name), family.name
        assert family.documentation
        assert "_ms" not in family.name
        if family.type == "histogram":
            assert family.name.endswith("_seconds")
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed")
    said = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (said.returncode, said.stdout, said.stderr) == (0, b"", b"")


def test_what_waits_is_counted_with_its_age(tmp_path):
    with opened(tmp_path / "home") as platform:
        now_us = platform.storage.clock.now_us()
        with platform.storage.database.begin() as tx:
            for number, age in enumerate((50, 20, 10)):
                at_us = now_us - age * SECOND_US
                leases.enqueue(tx, kind="operation:a", key=str(number), payload={}, at_us=at_us)
            at_us = now_us - 30 * SECOND_US
            custody.append(tx, Record("data.source", "src", at_us, {}, {}))
        leases.claim(platform.storage, ["operation:a"])
        text = Metrics(platform).text()
        assert value(text, "yunhe_work_items", kind="operation:a", state="ready") == 2
        assert value(text, "yunhe_work_items", kind="operation:a", state="running") == 1
        assert 20 <= value(text, "yunhe_work_oldest_seconds", kind="operation:a") < 40
        assert value(text, "yunhe_custody_pending_leaves") == 1
        assert 30 <= value(text, "yunhe_custody_sequencer_lag_seconds") < 60
        platform.sequencer.run_once()
        text = Metrics(platform).text()
        assert value(text, "yunhe_custody_pending_leaves") == 0
        assert value(text, "yunhe_custody_sequencer_lag_seconds") == 0
        assert value(text, "yunhe_custody_signed_leaves") == 1


def test_the_number_of_series_does_not_grow_with_tenants(tmp_path):
    with opened(tmp_path / "home") as platform:
        made = Metrics(platform)
        before = len(samples(made.text()))
        with platform.storage.database.begin() as tx:
            for number in range(50):
                place = identity.add_organisation(
                    tx, key=f"o{number}", name=f"机构{number}", kind="company", at_us=1
                )
                custody.append(tx, Record("data.source", place.id, number + 1, {}, {}))
        text = made.text()
    assert len(samples(text)) == before
    assert "机构" not in text.decode()
    assert b"org_" not in text


def test_a_database_that_does_not_answer_leaves_the_other_figures(tmp_path, monkeypatch):
    with opened(tmp_path / "home") as platform:
        made = Metrics(platform)
        assert value(made.text(), "yunhe_database_up") == 1
        monkeypatch.setattr(
            type(platform.storage.database),
            "read",
            lambda self: (_ for _ in ()).throw(Unavailable("storage.cannot_open", where="x")),
        )
        text = made.text()
    assert value(text, "yunhe_database_up") == 0
    assert value(text, "yunhe_custody_pending_leaves") is None
    assert value(text, "yunhe_home_free_bytes") > 0
    assert value(text, "process_open_fds") > 0


def test_figures_are_kept_for_a_moment_however_often_they_are_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "FRESH_SECONDS", 60.0)
    with opened(tmp_path / "home") as platform:
        made = Metrics(platform)
        reads: list[str] = []
        platform.storage.database.watch(lambda turn: reads.append(turn) or made.transaction(turn))
        for _ in range(20):
            made.text()
    assert reads == ["read"]


def test_only_this_machine_and_operators_read_the_figures(tmp_path):
    home = tmp_path / "home"
    with serving(home) as running:
        with opened(home) as platform:
            right = new_key(platform, scopes=frozenset({"operations:read"}))
            narrow = new_key(platform, scopes=frozenset({"ledger:read"}))
            foreign = new_key(platform, kind="company", role="auditor")
        assert status_of(ask(running.url)) == 200
        far = "X-Forwarded-For: 192.0.2.1\r\n"
        expected = {"": 401, right: 200, narrow: 403, foreign: 403, right[:-4] + "0000": 401}
        for key, status in expected.items():
            given = f"Authorization: Bearer {key}\r\n" if key else ""
            heard = ask(running.url, headers=far + given)
            assert status_of(heard) == status, body_of(heard)
        with Caller(running.url) as rebound:  # a page whose name was pointed at this machine
            rebound.send("GET /metrics HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
            assert status_of(rebound.until_closed()) == 401


def queried(server: str, expression: str) -> list[dict]:
    try:
        with FETCH.open(f"{server}/api/v1/query?{urlencode({'query': expression})}") as response:
            return json.load(response)["data"]["result"]
    except OSError:
        return []


@pytest.mark.prometheus
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed")
def test_a_real_prometheus_scrapes_and_answers_questions(tmp_path):
    with serving(tmp_path / "home", parts=("gateway", "worker")) as running:
        for _ in range(7):
            ask(running.url, "/v1/routes")
        with prometheus(tmp_path, running.url.removeprefix("http://"), every_seconds=5) as server:
            eventually(lambda: queried(server, 'up{job="tested"} == 1'))
            [requests] = queried(server, 'yunhe_http_requests_total{route="/v1/routes"}')
            assert requests["value"][1] == "7"
            assert requests["metric"]["status"] == "401"
            quantile = "histogram_quantile(0.99, yunhe_http_request_duration_seconds_bucket)"
            assert queried(server, quantile)
            [lag] = queried(server, "yunhe_custody_sequencer_lag_seconds")
            assert float(lag["value"][1]) < 60
            with FETCH.open(f"{server}/api/v1/targets") as response:
                [target] = json.load(response)["data"]["activeTargets"]
            assert target["lastError"] == ""


@pytest.mark.parametrize("page", ["operations.md", "operations.zh.md"])
def test_every_figure_is_documented_and_every_documented_figure_exists(tmp_path, page):
    document = (Path(__file__).parents[2] / "docs" / page).read_text("utf-8")
    named = {name for name in re.findall(r"\b(yunhe_[a-z_]+)", document) if "." not in name}
    with opened(tmp_path / "home") as platform:
        made = Metrics(platform)
        families = text_string_to_metric_families(made.text().decode())
        # promtool's names: a counter's samples end in _total, an info's in _info.
        ends = {"counter": "_total", "info": "_info"}
        known = {
            f.name.removesuffix("_info") + ends.get(f.type, "") if f.type in ends else f.name
            for f in families
            if f.name.startswith("yunhe_")
        }
    assert known - named == set()
    assert named - known == set()
