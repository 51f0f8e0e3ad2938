"""Traces: sent to a collector as OTLP, joined to the caller's own, and nothing at all while off."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from server_desk import Caller, eventually, new_key, opened, serving, status_of

from yunhe.kernel.errors import NotFound, Unavailable
from yunhe.operations import traces

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Collector:
    """Takes what an OpenTelemetry collector takes, and keeps it."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.spans: list[object] = []
        self.services: set[str] = set()

    def take(self, path: str, body: bytes) -> bytes:
        said = ExportTraceServiceRequest.FromString(body)
        self.paths.append(path)
        for resource in said.resource_spans:
            self.services |= {
                a.value.string_value
                for a in resource.resource.attributes
                if a.key == "service.name"
            }
            for scope in resource.scope_spans:
                self.spans += scope.spans
        return ExportTraceServiceResponse().SerializeToString()

    def named(self, name: str) -> list[object]:
        return [span for span in self.spans if span.name == name]


def attributes(span) -> dict[str, object]:
    return {a.key: getattr(a.value, str(a.value.WhichOneof("value"))) for a in span.attributes}


@contextmanager
def collecting() -> Iterator[tuple[Collector, str]]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = collector.take(self.path, body)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def collector(monkeypatch) -> Iterator[Collector]:
    """Traces are on, and go here."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with collecting() as (made, url):
        assert traces.start(url, service="yunhe-test")
        try:
            yield made
        finally:
            traces.stop()


def test_spans_reach_the_collector_with_names_attributes_and_parents(collector):
    with traces.span("outer", kind="operation:a") as mark:
        mark.set({"count": 3})
        with traces.span("inner"):
            pass
    traces.stop()
    [outer], [inner] = collector.named("outer"), collector.named("inner")
    assert attributes(outer) == {"kind": "operation:a", "count": 3}
    assert inner.parent_span_id == outer.span_id
    assert collector.services == {"yunhe-test"}
    assert set(collector.paths) == {"/v1/traces"}


def test_errors_are_marked_without_their_words(collector):
    with pytest.raises(ValueError, match="13800138000"), traces.span("ours"):
        raise ValueError("张三 13800138000")
    with pytest.raises(NotFound), traces.span("expected"):
        raise NotFound("models.answer_unknown", answer="ans_1")
    with pytest.raises(Unavailable), traces.span("away"):
        raise Unavailable("storage.cannot_open", where="x")
    traces.stop()
    [ours], [expected], [away] = map(collector.named, ("ours", "expected", "away"))
    assert (ours.status.code, expected.status.code, away.status.code) == (2, 0, 2)
    assert attributes(ours) == {"error.type": "ValueError"}
    assert attributes(expected) == {"yunhe.code": "models.answer_unknown"}
    assert "13800138000" not in str(collector.spans)


def test_a_request_is_a_child_of_its_callers_span_and_its_transactions_are_its_own(
    collector, tmp_path
):
    with serving(tmp_path / "home") as running:
        with opened(tmp_path / "home") as platform:
            key = new_key(platform, role="caller")
        with Caller(running.url) as caller:
            told = f"traceparent: 00-{TRACE}-{PARENT}-01\r\nConnection: close\r\n"
            caller.ask("/v1/routes", headers=f"Authorization: Bearer {key}\r\n{told}")
            assert status_of(caller.until_closed()) == 200
    traces.stop()
    [request] = collector.named("GET /v1/routes")
    assert request.trace_id.hex() == TRACE
    assert request.parent_span_id.hex() == PARENT
    said = attributes(request)
    assert (said["http.route"], said["http.response.status_code"]) == ("/v1/routes", 200)
    assert key not in str(collector.spans)
    children = [s for s in collector.named("transaction") if s.parent_span_id == request.span_id]
    assert [attributes(child)["turn"] for child in children] == ["read"]
    assert all(child.trace_id == request.trace_id for child in children)


def test_a_callers_nonsense_starts_a_trace_of_its_own(collector, tmp_path):
    with serving(tmp_path / "home") as running, Caller(running.url) as caller:
        caller.ask("/v1/routes", headers="traceparent: 00-zz\r\nConnection: close\r\n")
        assert status_of(caller.until_closed()) == 401
    traces.stop()
    [request] = collector.named("GET /v1/routes")
    assert request.parent_span_id == b""
    assert len(request.trace_id) == 16


def test_a_collector_that_is_away_holds_nobody_up(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(traces, "FLUSH_SECONDS_MAX", 1)
    assert traces.start("http://127.0.0.1:9/")
    started = time.monotonic()
    for _ in range(100):
        with traces.span("lost"):
            pass
    assert time.monotonic() - started < 5
    traces.stop()
    assert not traces.on()


def test_while_off_nothing_is_loaded_and_spans_are_one_shared_nothing():
    code = (
        "import sys; from yunhe.operations import traces\n"
        "assert not traces.start('')\n"
        "assert traces.span('a', b=1) is traces.request_span('c', {})\n"
        "with traces.span('a') as mark: mark.set({'x': 1}); mark.rename('y'); mark.failed()\n"
        "traces.stop()\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_starting_twice_and_stopping_twice_change_nothing(collector):
    assert traces.start("http://127.0.0.1:9/elsewhere")
    with traces.span("kept"):
        pass
    traces.stop()
    traces.stop()
    eventually(lambda: collector.named("kept"))


def test_an_operation_at_work_is_a_span_around_its_transactions(collector, desk):
    def work(platform, task, *, progress, halt):
        with platform.storage.database.read():
            return {}

    made = desk.worker({"a": work})
    desk.platform.storage.database.watch(lambda turn: traces.span("transaction", turn=turn))
    desk.ask("a")
    assert made.run_once()
    traces.stop()
    [operation] = collector.named("operation")
    assert attributes(operation) == {"kind": "a"}
    within = [s for s in collector.named("transaction") if s.parent_span_id == operation.span_id]
    assert {attributes(span)["turn"] for span in within} >= {"read", "alone"}
