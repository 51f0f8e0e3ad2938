"""The gateway over real HTTP: answers, their records, and who may see what."""

from __future__ import annotations

import json
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from released_model import ROUTE, Bench, ask, call
from training_rows import WORDS

from kept_bytes import kept_bytes
from yunhe.custody import service as custody
from yunhe.identity import service as identity
from yunhe.kernel.canonical import sha256
from yunhe.kernel.errors import Unavailable
from yunhe.models import serve
from yunhe.models import service as models
from yunhe.models.answers import Grouping
from yunhe.models.domain import tenant_of
from yunhe.models.gateway import Limits


@contextmanager
def serving(bench: Bench, limits: Limits | None = None) -> Iterator[str]:
    running = serve.start(bench.storage, limits=limits)
    try:
        yield running.url
    finally:
        running.stop()
        assert not running.alive()


@pytest.fixture
def url(bench: Bench) -> Iterator[str]:
    bench.deploy()
    with serving(bench) as address:
        yield address


def test_an_answer_leads_back_to_the_raw_data(bench: Bench, url: str):
    text = json.dumps({"text": "小区门口路灯不亮，请尽快处理"}).encode()
    reply = call(url, "POST", f"/v1/routes/{ROUTE}/answers", secret=bench.secret, body=text)
    assert reply.status == 200
    said = reply.json
    assert (
        said["label"] == "道路" == max(said["scores"], key=lambda name: float(said["scores"][name]))
    )
    assert set(said["scores"]) == set(WORDS)
    assert sum(map(float, said["scores"].values())) == pytest.approx(1, abs=0.001)
    assert said["model_digest"] == bench.digest("model")
    assert said["receipt"] == f"/v1/answers/{said['id']}/receipt"

    pending = call(url, "GET", said["receipt"], secret=bench.secret)
    assert (pending.status, pending.json["code"]) == (409, "models.receipt_pending")
    assert (pending.json["retryable"], pending.headers["retry-after"]) == (True, "1")
    bench.sequence()
    receipt = call(url, "GET", said["receipt"], secret=bench.secret)
    assert receipt.status == 200
    verdict = custody.verify(receipt.body, bench.trust())
    assert verdict.ok
    kinds = {link.kind for link in verdict.links}
    assert {"serving.answer", "governance.release", "model.version", "data.source"} <= kinds
    entry = receipt.json["entries"][receipt.json["subject"]]["record"]
    nonce = bytes.fromhex(said["nonce"])
    assert entry["subject"] == said["id"]
    assert entry["body"]["request_commitment"] == sha256(nonce + text)
    assert entry["body"]["response_commitment"] == sha256(nonce + reply.body)
    assert entry["body"]["tenant"] == tenant_of(bench.organisation)
    assert entry["body"]["device_us"] >= 0
    changed = receipt.body.replace(said["id"].encode(), said["id"][:-1].encode() + b"!")
    assert not custody.verify(changed, bench.trust()).ok


def test_the_bytes_of_a_response_can_be_rebuilt_from_its_values(bench: Bench, url: str):
    reply = ask(url, bench.secret)
    rebuilt = json.dumps(reply.json, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert rebuilt.encode() == reply.body


def test_an_answers_record_is_shown_to_the_organisation_that_asked_and_to_no_other(
    bench: Bench, url: str
):
    said = ask(url, bench.secret).json
    bench.sequence()
    shown = call(url, "GET", f"/v1/answers/{said['id']}", secret=bench.secret)
    assert shown.status == 200
    assert shown.json["request_commitment"].startswith("sha256:")
    assert {name: shown.json[name] for name in ("id", "route", "label", "model", "nonce")} == {
        name: said[name] for name in ("id", "route", "label", "model", "nonce")
    }
    *_, stranger = bench.caller("another")
    for path in (f"/v1/answers/{said['id']}", said["receipt"], "/v1/answers/ans_none"):
        reply = call(url, "GET", path, secret=stranger)
        assert (reply.status, reply.json["code"]) == (404, "models.answer_unknown")
        assert call(url, "GET", path).status == 401
    colleague = bench.secret  # any key of the organisation will do
    assert call(url, "GET", said["receipt"], secret=colleague).status == 200


def test_neither_question_nor_key_is_kept_anywhere(bench: Bench, url: str, tmp_path):
    marker = "独一无二的句子"
    assert ask(url, bench.secret, f"{marker}路灯").status == 200
    bench.sequence()
    traces = (marker.encode(), json.dumps(marker)[1:-1].encode(), bench.secret.encode())
    kept = list(kept_bytes(tmp_path, bench.storage.database))
    assert len(kept) > 3
    for where, held in kept:
        assert [trace for trace in traces if trace in held] == [], where


def test_two_hundred_questions_at_once_are_each_recorded_exactly_once(
    bench: Bench, url: str, monkeypatch
):
    groups: list[int] = []
    append_new = custody.append_new

    def counted(tx, records):
        groups.append(len(records))
        return append_new(tx, records)

    monkeypatch.setattr(custody, "append_new", counted)
    texts = [f"小区门口{WORDS[label][n % 5]}{n}" for n in range(67) for label in WORDS][:200]
    with ThreadPoolExecutor(32) as pool:
        replies = list(pool.map(lambda text: ask(url, bench.secret, text), texts))
    assert [reply.status for reply in replies] == [200] * 200
    ids = [reply.json["id"] for reply in replies]
    assert len(set(ids)) == 200
    assert sorted(ids) == bench.answer_ids()
    assert sum(groups) == 200
    assert len(groups) < 200  # some shared a transaction
    classifier = models.load(bench.storage, bench.digest("model"))
    assert [reply.json["label"] for reply in replies] == list(classifier.predict(texts).labels)
    with bench.storage.database.read() as tx:
        assert list(models.answers_count(tx).values()) == [200]
        answer = models.answer(tx, ids[0])
        assert custody.reference(tx, "serving.answer", ids[0]) == answer.reference
    bench.sequence()
    for chosen in (ids[0], ids[99], ids[199]):
        receipt = call(url, "GET", f"/v1/answers/{chosen}/receipt", secret=bench.secret)
        assert custody.verify(receipt.body, bench.trust()).ok


def test_routes_say_what_answers_and_whether_it_may(bench: Bench, url: str):
    [route] = call(url, "GET", "/v1/routes", secret=bench.secret).json
    assert (route["route"], route["answers"], route["why_not"]) == (ROUTE, True, None)
    assert route["model_digest"] == bench.digest("model")
    with bench.storage.database.begin() as tx:
        models.withdraw(tx, route["model"], at_us=1)
    [route] = call(url, "GET", "/v1/routes", secret=bench.secret).json
    assert (route["answers"], route["why_not"]) == (False, "models.withdrawn")
    assert call(url, "GET", "/v1/routes").status == 401
    assert call(url, "GET", "/healthz").json == {"status": "ok"}


def test_a_newer_deployment_takes_the_route_over_while_it_serves(bench: Bench, url: str):
    first = ask(url, bench.secret).json
    second = models.register(bench.storage, **bench.registration(key="v2"))
    bench.approve(second, "2")
    models.deploy(bench.storage, key="d2", version=second.id, route=ROUTE)
    said = ask(url, bench.secret).json
    assert (first["model"] != second.id, said["model"]) == (True, second.id)
    bench.sequence()
    for answer in (first, said):
        receipt = call(url, "GET", answer["receipt"], secret=bench.secret)
        assert custody.verify(receipt.body, bench.trust()).ok


def error_of(reply) -> tuple[int, str]:
    said = reply.json
    assert set(said) == {"kind", "code", "message", "do", "params", "findings", "retryable"}
    assert said["message"]
    assert said["do"]
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["cache-control"] == "no-store"
    return reply.status, said["code"]


def test_only_a_live_key_of_a_caller_is_answered(bench: Bench, url: str):
    *_, auditor = bench.caller("auditors", role="auditor")
    *_, revoked_id, revoked = bench.caller("revoked")
    *_, short = bench.caller("short", days=2)
    with bench.storage.database.begin() as tx:
        identity.revoke_key(tx, revoked_id, at_us=1)
    assert error_of(ask(url, auditor)) == (403, "identity.role_missing")
    assert ask(url, short).status == 200
    bench.storage.clock.advance(seconds=2 * 86_400)
    before = bench.answer_ids()
    for secret, code in (
        (short, "identity.key_expired"),
        (revoked, "identity.key_revoked"),
        (bench.secret[:-1] + ("0" if bench.secret[-1] != "0" else "1"), "identity.key_unknown"),
        ("nonsense", "identity.key_unknown"),
        ("", "models.key_missing"),
    ):
        reply = ask(url, secret)
        assert error_of(reply) == (401, code)
        assert reply.headers["www-authenticate"] == "Bearer"
        assert secret not in reply.body.decode() or not secret
    body = json.dumps({"text": "路灯"}).encode()
    path = f"/v1/routes/{ROUTE}/answers"
    assert error_of(call(url, "POST", path, body=body)) == (401, "models.key_missing")
    basic = call(url, "POST", path, body=body, headers={"Authorization": "Basic eA=="})
    assert error_of(basic) == (401, "models.key_missing")
    assert bench.answer_ids() == before


def test_wrong_addresses_and_methods_are_told_apart(bench: Bench, url: str):
    assert error_of(ask(url, bench.secret, route="other")) == (404, "models.route_unknown")
    for path in ("/", "/v1/routes/", "/v1/routes/a/b/answers", "/v1/answers/", "/docs"):
        reply = call(url, "GET", path, secret=bench.secret)
        assert error_of(reply) == (404, "models.path_unknown"), path
    for method, path, allowed in (
        ("GET", f"/v1/routes/{ROUTE}/answers", "POST"),
        ("POST", "/v1/routes", "GET"),
        ("DELETE", "/v1/answers/ans_1", "GET"),
        ("PUT", "/v1/answers/ans_1/receipt", "GET"),
        ("POST", "/healthz", "GET"),
    ):
        reply = call(url, method, path, secret=bench.secret)
        assert error_of(reply) == (405, "models.method_not_allowed")
        assert reply.headers["allow"] == allowed
    assert bench.answer_ids() == []


def test_questions_of_another_shape_are_refused_in_the_callers_language(bench: Bench, url: str):
    path = f"/v1/routes/{ROUTE}/answers"
    for body, status, code in (
        (b"\xff\xfe\x00", 400, "models.not_json"),
        (b'{"text": "\xc0\xaf"}', 400, "models.not_json"),
        (b"", 400, "models.not_json"),
        (b"[" * 50_000, 400, "models.not_json"),
        (b'{"text": 3}', 422, "models.question_invalid"),
        (b'{"text": "x", "model": "other"}', 422, "models.question_invalid"),
        (json.dumps({"text": "路" * 8_193}).encode(), 422, "models.question_invalid"),
    ):
        reply = call(
            url, "POST", path, secret=bench.secret, body=body, headers={"Accept-Language": "zh-CN"}
        )
        assert error_of(reply) == (status, code)
        assert reply.headers["content-language"] == "zh"
        assert any("\u4e00" <= letter <= "\u9fff" for letter in reply.json["message"])
    assert bench.answer_ids() == []
    longest = ask(url, bench.secret, "路" * 8_192)
    assert longest.status == 200


def raw(url: str, head: str, body: bytes = b"", *, close: bool = False) -> bytes:
    """Send bytes on a socket and read what comes back until the server closes."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode() + body)
        if close:
            return b""
        received = b""
        while part := connection.recv(65_536):
            received += part
        return received


def head(bench: Bench, *lines: str) -> str:
    start = f"POST /v1/routes/{ROUTE}/answers HTTP/1.1\nHost: test\n"
    return (
        start + f"Authorization: Bearer {bench.secret}\n" + "".join(f"{x}\n" for x in lines) + "\n"
    )


def test_a_huge_body_is_refused_before_it_is_read(bench: Bench, url: str):
    # Nothing of the announced body is sent: the refusal cannot have waited for it.
    said = raw(url, head(bench, "Content-Length: 1000000000"))
    assert said.startswith(b"HTTP/1.1 413")
    assert b'"models.body_too_large"' in said
    chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
    said = raw(url, head(bench, "Transfer-Encoding: chunked"), chunk * 3)  # never ended
    assert said.startswith(b"HTTP/1.1 413")
    assert bench.answer_ids() == []


def test_a_body_that_stops_halfway_is_refused_and_leaves_nothing(bench: Bench):
    bench.deploy()
    with serving(bench, Limits(body_seconds_max=0.2)) as url:
        half = head(bench, "Content-Length: 100")
        said = raw(url, half, b'{"text": "')
        assert said.startswith(b"HTTP/1.1 408")
        assert b"connection: close" in said.lower()
        assert raw(url, half, b'{"text": "', close=True) == b""
        assert ask(url, bench.secret).status == 200
    assert len(bench.answer_ids()) == 1


def test_more_questions_than_may_wait_are_refused_at_once(bench: Bench):
    bench.deploy()
    with serving(bench, Limits(grouping=Grouping(waiting_max=0))) as url:
        reply = ask(url, bench.secret)
        assert error_of(reply) == (503, "models.busy")
        assert reply.headers["retry-after"] == "1"
    assert bench.answer_ids() == []


def test_mixed_groups_give_each_caller_their_own_outcome(bench: Bench, url: str):
    *_, auditor = bench.caller("auditors", role="auditor")
    asked = [(bench.secret, ROUTE), (auditor, ROUTE), ("nobody", ROUTE), (bench.secret, "none")]
    barrier = threading.Barrier(24)

    def one(index: int) -> int:
        barrier.wait()
        secret, route = asked[index % 4]
        return ask(url, secret, route=route).status

    with ThreadPoolExecutor(24) as pool:
        statuses = Counter(pool.map(one, range(24)))
    assert statuses == {200: 6, 403: 6, 401: 6, 404: 6}
    assert len(bench.answer_ids()) == 6


def test_a_taken_port_is_a_clear_error(bench: Bench, url: str):
    with pytest.raises(Unavailable) as refused:
        serve.start(bench.storage, port=urlsplit(url).port or 0)
    assert refused.value.code == "models.cannot_listen"
    with pytest.raises(Unavailable):
        serve.start(bench.storage, host="not a host")
