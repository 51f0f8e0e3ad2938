"""What is repeated, how often, after how long; and what never is."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from crooked import answer, crooked, fault, headers_of, stream

from free_ports import free_port
from yunhe.client import http
from yunhe.client.client import Client
from yunhe.client.http import ATTEMPTS_MAX, Connection, Options
from yunhe.client.wire.ledger import Account, NewTransfer, Posted
from yunhe.client.wire.vault import SecretValue
from yunhe.kernel.errors import Exhausted, Invalid, NotFound, Unavailable, YunheError

POSTED = answer(201, b'{"transfer": "transfer_1"}')
SENT = NewTransfer.model_validate(NewTransfer.model_config["json_schema_extra"]["example"])


class Waits(list):
    """Stands in for sleeping."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def waits():
    return Waits()


@pytest.fixture
def connect(waits):
    opened = []

    def make(server, **options) -> Connection:
        url = server if isinstance(server, str) else server.url
        chosen = {"sleep": waits, "seconds_max": 5.0, **options}
        opened.append(Connection(url, "yk_secret", Options(**chosen)))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def test_a_post_is_repeated_with_one_and_the_same_idempotency_key(connect, waits):
    with crooked(b"", answer(503, b"<html>starting</html>"), POSTED) as server:
        made = connect(server).post("/v1/transfers", Posted, SENT)
    assert made.transfer == "transfer_1"
    keys = {headers_of(each)["idempotency-key"] for each in server.heard}
    assert len(server.heard) == 3
    assert len(keys) == 1
    assert len({each.partition(b"\r\n\r\n")[2] for each in server.heard}) == 1
    assert len(waits) == 2


def test_two_posts_have_two_keys_unless_the_caller_gives_one(connect):
    with crooked(POSTED) as server:
        connection = connect(server)
        for key in ("", "", "mine", "mine", "十一月的\n表", "十一月的\n表"):
            connection.post("/v1/transfers", Posted, SENT, key=key)
    keys = [headers_of(each)["idempotency-key"] for each in server.heard]
    assert keys[2:4] == ["mine", "mine"]
    assert keys[4] == keys[5]
    assert len(set(keys)) == 4
    assert all(re.fullmatch("[A-Za-z0-9._:-]{1,100}", key) for key in keys)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 408, 409, 413, 415, 421, 422])
def test_a_refusal_is_never_repeated_even_if_it_claims_that_would_help(connect, waits, status):
    with crooked(fault(status, "some.refusal", retryable=True)) as server:
        for method in ("get", "post"):
            with pytest.raises(YunheError) as raised:
                getattr(connect(server), method)("/v1/accounts/a", Account)
            assert raised.value.code == "some.refusal"
    assert len(server.heard) == 2
    assert waits == []


@pytest.mark.parametrize("status", [429, 503])
def test_too_many_and_unavailable_wait_as_long_as_the_server_asks(connect, waits, status):
    with crooked(fault(status, "api.slow", retryable=True, retry_after="7"), POSTED) as server:
        connect(server).post("/v1/transfers", Posted, SENT)
    assert waits == [7.0]


def test_a_date_in_retry_after_and_a_proxys_own_page_are_honoured_too(connect, waits):
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=9), usegmt=True)
    with crooked(answer(429, b"slow down", retry_after=later), POSTED) as server:
        connect(server).post("/v1/transfers", Posted, SENT)
    [waited] = waits
    assert 6 < waited <= 9


@pytest.mark.parametrize("strange", ["soon", "-1", "²", "9" * 40, ""])
def test_a_strange_retry_after_breaks_nothing(connect, waits, strange):
    first = fault(503, "api.slow", retryable=True).replace(
        b"content-type", b"retry-after: " + strange.encode() + b"\r\ncontent-type", 1
    )
    with crooked(first, POSTED) as server:
        if strange.startswith("999"):
            with pytest.raises(Unavailable):  # longer than anybody waits
                connect(server).post("/v1/transfers", Posted, SENT)
        else:
            connect(server).post("/v1/transfers", Posted, SENT)
            assert len(waits) == 1


def test_a_wait_that_is_too_long_is_told_at_once(connect, waits):
    with (
        crooked(fault(429, "api.quota", retryable=True, retry_after="3600")) as server,
        pytest.raises(Exhausted, match=r"said api\.quota"),
    ):
        connect(server).get("/v1/accounts/a", Account)
    assert len(server.heard) == 1
    assert waits == []


def test_a_budget_that_is_used_up_is_not_asked_for_again(connect):
    with (
        crooked(fault(429, "ledger.insufficient", retryable=False)) as server,
        pytest.raises(Exhausted),
    ):
        connect(server).post("/v1/transfers", Posted, SENT)
    assert len(server.heard) == 1


def test_a_fault_of_the_server_that_repeating_cannot_help_is_not_repeated(connect):
    for status in (500, 503):
        with (
            crooked(fault(status, "api.failed", retryable=False)) as server,
            pytest.raises(Unavailable),
        ):
            connect(server).get("/v1/accounts/a", Account)
        assert len(server.heard) == 1


def test_attempts_end_and_waits_grow(connect, waits):
    with crooked(answer(502, b"bad gateway")) as server, pytest.raises(Unavailable) as raised:
        connect(server).get("/v1/accounts/a", Account)
    assert raised.value.code == "client.proxy_waits"
    assert raised.value.retryable
    assert len(server.heard) == ATTEMPTS_MAX
    assert len(waits) == ATTEMPTS_MAX - 1
    assert all(0 < wait < 4 for wait in waits)


def test_an_answer_that_breaks_off_in_the_middle_is_asked_for_again(connect):
    whole = Account.model_config["json_schema_extra"]["example"]
    text = json.dumps(whole).encode()
    with crooked(answer(200, text[:40], length=len(text)), answer(200, text)) as server:
        found = connect(server).get("/v1/accounts/a", Account)
    assert found.id == whole["id"]
    assert len(server.heard) == 2


def test_a_removal_whose_first_answer_was_lost_is_done_not_missing(connect):
    gone = fault(404, "vault.secret_unknown")
    with crooked(b"", gone) as server:
        connect(server).act("DELETE", "/v1/secrets/NAME")
    assert len(server.heard) == 2
    with crooked(gone) as server, pytest.raises(NotFound):
        connect(server).act("DELETE", "/v1/secrets/NAME")


def test_nobody_there_is_said_so_after_a_few_attempts(connect, waits):
    port = free_port()
    with pytest.raises(Unavailable) as raised:
        connect(f"http://127.0.0.1:{port}").get("/v1/me", Account)
    assert raised.value.code == "client.unreachable"
    assert str(port) in raised.value.message("en")
    assert len(waits) == ATTEMPTS_MAX - 1


def test_a_server_that_says_nothing_is_left_in_time(connect):
    def silent(connection, _):
        connection.recv(1)  # until the caller goes

    with crooked(silent) as server, pytest.raises(Unavailable) as raised:
        connect(server, seconds_max=0.1).get("/v1/me", Account)
    assert raised.value.code == "client.timed_out"


def test_a_server_that_drips_is_left_in_time_too(connect):
    def drip(connection, _):
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
        connection.settimeout(0.01)
        while True:
            connection.sendall(b" ")
            try:
                if connection.recv(1) == b"":
                    return
            except TimeoutError:
                continue

    with crooked(drip) as server, pytest.raises(Unavailable) as raised:
        connect(server, answer_seconds_max=0.1).get("/v1/me", Account)
    assert raised.value.code == "client.timed_out"


def test_an_upload_begins_again_from_its_first_byte(connect):
    asked = []

    def chunks():
        asked.append(1)
        yield b"a" * 100
        yield b"b" * 100

    with crooked(b"", POSTED) as server:
        connect(server).upload("/v1/uploads", Posted, chunks)
    assert len(asked) == 2
    assert server.heard[0].partition(b"\r\n\r\n")[2] == server.heard[1].partition(b"\r\n\r\n")[2]


def event(seq: int, name: str = "step", body: str = "{}") -> str:
    return f"id: {seq}\nevent: {name}\ndata: {body}\n\n"


def test_a_stream_is_taken_up_after_the_last_event_and_gives_none_twice(connect):
    with crooked(
        stream(event(1) + event(2)),
        stream(event(2) + event(3) + "id: 4\nevent: step\nda"),  # a repetition, and a half one
        stream(event(4, body='{"said": "line\u2028separator"}')),
        answer(204, b""),
    ) as server:
        found = list(connect(server).events("/v1/operations/o/events"))
    assert [each.seq for each in found] == [1, 2, 3, 4]
    assert found[3].body == {"said": "line\u2028separator"}
    asked = [headers_of(each).get("last-event-id") for each in server.heard]
    assert asked == [None, "2", "3", "4"]


def test_a_stream_that_never_brings_anything_is_given_up(connect, waits):
    with crooked(stream(":\n\n")) as server, pytest.raises(Unavailable):
        list(connect(server).events("/v1/operations/o/events"))
    assert len(server.heard) == ATTEMPTS_MAX
    assert len(waits) == ATTEMPTS_MAX - 1


def test_a_stream_waits_when_the_server_has_too_many(connect, waits):
    busy = fault(429, "api.streams_too_many", retryable=True, retry_after="2")
    with crooked(busy, stream(event(1, "done")), answer(204, b"")) as server:
        assert len(list(connect(server).events("/v1/operations/o/events"))) == 1
    assert waits[0] == 2.0


def test_a_stream_ends_when_the_key_is_revoked_meanwhile(connect):
    with crooked(stream(event(1)), fault(401, "identity.key_revoked", kind="not_allowed")) as s:
        events = connect(s).events("/v1/operations/o/events")
        assert next(events).seq == 1
        with pytest.raises(YunheError) as raised:
            next(events)
    assert raised.value.code == "identity.key_revoked"


@pytest.mark.parametrize(
    "text",
    [
        "id: ²\ndata: {}\n\n",
        "id: 1\ndata: []\n\n",
        "id: 1\ndata: {\n\n",
        "data: " + "x" * (1 << 21),
    ],
)
def test_what_is_no_event_is_refused(connect, text):
    with crooked(stream(text)) as server, pytest.raises(Unavailable) as raised:
        list(connect(server).events("/v1/operations/o/events"))
    assert raised.value.code == "client.answer_strange"


def test_a_page_instead_of_a_stream_is_refused(connect):
    with (
        crooked(answer(200, b"<html>", content_type="text/html")) as server,
        pytest.raises(Unavailable) as raised,
    ):
        list(connect(server).events("/v1/operations/o/events"))
    assert raised.value.code == "client.not_yunhe"


def test_a_download_that_breaks_off_begins_again_and_leaves_no_half_file(connect, tmp_path):
    content = b"0123456789" * 1000
    digest = "sha256:" + __import__("hashlib").sha256(content).hexdigest()
    target = tmp_path / "out"
    target.write_bytes(b"what was there before")
    with (
        crooked(answer(200, content[:500], length=len(content))) as server,
        pytest.raises(Unavailable),
    ):
        connect(server).save("/v1/x", target, digest=digest)
    assert len(server.heard) == ATTEMPTS_MAX
    assert target.read_bytes() == b"what was there before"
    with crooked(answer(200, content[:500], length=len(content)), answer(200, content)) as server:
        connect(server).save("/v1/x", target, digest=digest)
    assert target.read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_other_bytes_than_the_digest_says_never_become_the_file(connect, tmp_path):
    with crooked(answer(200, b"other bytes")) as server, pytest.raises(Unavailable) as raised:
        connect(server).save("/v1/x", tmp_path / "out", digest="sha256:" + "0" * 64)
    assert raised.value.code == "client.digest_differs"
    assert list(tmp_path.iterdir()) == []


def test_an_upload_that_arrives_changed_is_told(tmp_path, waits):
    (tmp_path / "file").write_bytes(b"as sent")
    wrong = {"digest": "sha256:" + "0" * 64, "size_bytes": 7, "at": "2026-11-22T00:00:00Z"}
    with (
        crooked(answer(201, json.dumps(wrong).encode())) as server,
        Client(server.url, "yk_x", Options(sleep=waits)) as client,
    ):
        with pytest.raises(Unavailable) as raised:
            client.uploads.send(tmp_path / "file")
        with pytest.raises(NotFound) as missing:
            client.uploads.send(tmp_path / "none")
    assert raised.value.code == "client.digest_differs"
    assert missing.value.code == "client.no_file"


def test_a_list_that_would_never_end_is_broken_off(connect):
    page = answer(200, b'{"items": [], "next": "same"}')
    with crooked(page) as server, pytest.raises(Unavailable) as raised:
        list(connect(server).pages("/v1/accounts", Account))
    assert raised.value.code == "client.answer_strange"
    assert len(server.heard) == 2


def test_a_secret_travels_as_it_is_though_it_is_never_shown():
    heard = []

    def take(request: httpx.Request) -> httpx.Response:
        heard.append(json.loads(request.content))
        return httpx.Response(
            200,
            json={"name": "N", "project": "", "version": 1, "member": "mem_1", "at": "now"},
        )

    options = Options(transport=httpx.MockTransport(take))
    with Client("http://127.0.0.1:1", "yk_x", options) as client:
        value = SecretValue(value="planted-value")
        client.vault.put("N", value)
    assert heard == [{"value": "planted-value"}]
    assert "planted-value" not in repr(value) + str(value)


@pytest.mark.parametrize("wrong", ["", ".", "..", "../me", "a/b"])
def test_an_id_can_not_lead_to_another_address(wrong):
    with Client("http://127.0.0.1:1", "yk_x") as client, pytest.raises(NotFound) as raised:
        client.ledger.account(wrong)
    assert raised.value.code == "client.id_impossible"


def test_strange_ids_are_escaped():
    asked = []

    def take(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.raw_path.decode())
        return httpx.Response(404, content=b"")

    options = Options(transport=httpx.MockTransport(take))
    with Client("http://127.0.0.1:1", "yk_x", options) as client:
        for each in ("a?b#c", "数据\r\n", "%2e%2e"):
            with pytest.raises(YunheError):
                client.ledger.account(each)
    assert asked == [
        "/v1/accounts/a%3Fb%23c",
        "/v1/accounts/%E6%95%B0%E6%8D%AE%0D%0A",
        "/v1/accounts/%252e%252e",
    ]


@pytest.mark.parametrize(
    ("server", "code"),
    [
        ("yunhe.example.org", "client.address_invalid"),
        ("ftp://yunhe.example.org", "client.address_invalid"),
        ("https://", "client.address_invalid"),
        ("https://user:pass@yunhe.example.org", "client.address_invalid"),
        ("https://yunhe.example.org:99999", "client.address_invalid"),
        ("https://[::1", "client.address_invalid"),
        ("https://yunhe.example.org/?key=1", "client.address_invalid"),
        ("http://yunhe.example.org", "client.address_open"),
        ("http://127.0.0.1.example.org", "client.address_open"),
    ],
)
def test_an_address_that_must_not_get_a_key_is_refused(server, code):
    with pytest.raises(Invalid) as raised:
        Connection(server, "yk_x")
    assert raised.value.code == code
    assert "pass" not in raised.value.message("en")


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel", "x" * 2000])
def test_a_key_that_can_not_be_one_is_refused_without_repeating_it(key):
    with pytest.raises(Invalid) as raised:
        Connection("http://127.0.0.1:1", key)
    assert raised.value.code == "client.key_malformed"
    assert key not in repr(raised.value) + str(raised.value)


def test_a_key_is_in_no_picture_of_a_client():
    with Client("http://127.0.0.1:1", "yk_planted") as client:
        assert "yk_planted" not in repr(client) + repr(vars(client)) + repr(client._http.__dict__)


def test_a_prefix_of_the_servers_address_is_kept(connect):
    with crooked(POSTED) as server:
        connect(f"{server.url}/behind/proxy/").post("/v1/transfers", Posted, SENT)
    assert server.heard[0].startswith(b"POST /behind/proxy/v1/transfers HTTP/1.1")


def test_the_wait_of_every_attempt_is_bounded():
    for attempt in range(1, ATTEMPTS_MAX):
        seen = {http._wait_seconds(attempt) for _ in range(100)}
        assert 0.1 <= min(seen) < max(seen) <= 0.2 * 2 ** (attempt - 1) * 1.5
