"""Bad certificates, proxies that answer in the server's place, and answers meant to do harm."""

from __future__ import annotations

import json
import zlib

import pytest
from certificates import Authority
from crooked import answer, crooked, fault, headers_of

from yunhe.client import http
from yunhe.client.client import Client
from yunhe.client.http import Connection, Options
from yunhe.client.wire.identity import Me
from yunhe.client.wire.ledger import Account
from yunhe.kernel.errors import Unavailable, YunheError
from yunhe.kernel.language import text
from yunhe.outbound.client import Outbound
from yunhe.outbound.guard import Guard

ME = json.dumps(Me.model_config["json_schema_extra"]["example"]).encode()


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def failing(server, **options) -> YunheError:
    chosen = Options(**{"sleep": lambda _: None, "seconds_max": 5.0, **options})
    with Client(server.url, "yk_planted_secret", chosen) as client:
        with pytest.raises(YunheError) as raised:
            client.identity.me()
        assert "yk_planted_secret" not in raised.value.message("en")
        return raised.value


def test_a_certificate_in_order_is_taken(authority):
    with (
        crooked(answer(200, ME), tls=authority.serving()) as server,
        Client(server.url, "yk_x", Options(tls=authority.trusting())) as client,
    ):
        assert client.identity.me().name == "Li Example"


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"days": (-3, -1)}, "client.certificate_expired"),
        ({"days": (1, 3)}, "client.certificate_early"),
        ({"ip": "127.0.0.9"}, "client.certificate_name"),
        ({"by_itself": True}, "client.certificate_untrusted"),
    ],
)
def test_a_faulty_certificate_is_named_with_what_to_do(authority, wrong, code):
    with crooked(answer(200, ME), tls=authority.serving(**wrong)) as server:
        error = failing(server, tls=authority.trusting())
    assert error.code == code
    assert not error.retryable
    assert server.heard == []  # nothing was sent, so no key either
    for language in ("en", "zh"):
        assert text(f"{code}.do", language) in error.message(language)
        assert f"127.0.0.1:{server.port}" in error.message(language)


def test_an_authority_that_this_machine_does_not_trust_is_named(authority):
    with crooked(answer(200, ME), tls=authority.serving()) as server:
        assert failing(server).code == "client.certificate_untrusted"


def test_an_authority_of_ones_own_is_trusted_through_the_usual_variable(authority, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    with (
        crooked(answer(200, ME), tls=authority.serving()) as server,
        Client(server.url, "yk_x") as client,
    ):
        assert client.identity.me().member


def test_https_towards_a_server_without_it_is_explained(authority):
    with crooked(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n") as server:
        server.url = server.url.replace("http:", "https:")

        def plain(connection, _):
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        server.answers = [plain]
        server._request = lambda connection: connection.recv(65_536)
        assert failing(server).code == "client.tls_failed"


def test_a_name_that_nobody_has_is_explained():
    options = Options(sleep=lambda _: None)
    with (
        Client("https://nobody.invalid", "yk_x", options) as client,
        pytest.raises(Unavailable) as raised,
    ):
        client.identity.me()
    assert raised.value.code == "client.unresolved"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("tail", ["/v1/me", "/v1/me?token=private"])
def test_a_redirect_is_not_followed_and_the_key_stays(status, tail):
    with crooked(answer(200, ME)) as elsewhere:
        onward = answer(status, b"", location=elsewhere.url + tail)
        with crooked(onward) as server:
            error = failing(server)
        assert elsewhere.heard == []
    assert error.code == "client.redirected"
    assert elsewhere.url in error.message("en")
    assert "private" not in error.message("en")


@pytest.mark.parametrize("location", ["", "http://[", "\x07", "//"])
def test_a_strange_redirect_breaks_nothing(location):
    with crooked(answer(302, b"", location=location)) as server:
        assert failing(server).code in ("client.redirected", "client.unreachable")


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (200, b"<html>Sign in to the hotel's network</html>", "client.answer_strange"),
        (200, b'{"unexpected": true}', "client.answer_strange"),
        (200, b"\xff\xfe", "client.answer_strange"),
        (200, b"", "client.answer_strange"),
        (200, b"[" * 100_000, "client.answer_strange"),
        (403, b"<html>Forbidden</html>", "client.not_yunhe"),
        (407, b"", "client.not_yunhe"),
        (500, b"null", "client.not_yunhe"),
        (502, b"<html>Bad gateway</html>", "client.proxy_waits"),
        (504, b"{", "client.proxy_waits"),
    ],
)
def test_what_does_not_come_from_our_server_is_said_so(status, body, code):
    with crooked(answer(status, body, content_type="text/html")) as server:
        error = failing(server)
    assert error.code == code
    assert f"127.0.0.1:{server.port}" in error.message("zh")
    assert error.exit_code == Unavailable.exit_code


def test_a_huge_answer_is_not_taken_into_memory(monkeypatch):
    monkeypatch.setattr(http, "ANSWER_BYTES_MAX", 1 << 20)
    sent = []

    def flood(connection, _):
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
        while True:  # until the caller goes
            sent.append(connection.send(b"x" * 65_536))

    with crooked(flood) as server:
        assert failing(server).code == "client.answer_large"
    assert sum(sent) < 64 << 20


def test_an_answer_that_unpacks_to_something_huge_is_not_taken_either(monkeypatch):
    monkeypatch.setattr(http, "ANSWER_BYTES_MAX", 1 << 20)
    packed = zlib.compress(b"x" * (8 << 20))
    with crooked(answer(200, packed, content_encoding="deflate")) as server:
        assert failing(server).code == "client.answer_large"
    assert headers_of(server.heard[0])["accept-encoding"] == "identity"


def test_a_broken_encoding_is_said_to_be_strange():
    with crooked(answer(200, b"no gzip", content_encoding="gzip")) as server:
        assert failing(server).code == "client.answer_strange"


def test_no_http_at_all_is_said_so():
    with crooked(b"SSH-2.0-server\r\n") as server:
        assert failing(server).code == "client.unreachable"


def test_the_servers_words_can_not_steer_a_terminal():
    said = fault(422, "some.code").replace(b"said some.code", rb"\u001b[2Jgone\u0007\u009b")
    body = said.partition(b"\r\n\r\n")[2]
    with crooked(answer(422, body)) as server:
        error = failing(server)
    assert error.message("en").startswith("[2Jgone")
    assert not any(ord(letter) < 32 and letter != "\n" for letter in error.message("en"))


def test_the_servers_words_are_told_in_the_kind_and_with_the_exit_code_of_local_errors():
    with crooked(fault(409, "ledger.changed")) as server:
        error = failing(server)
    assert error.kind == "conflict"
    assert error.exit_code == 75
    assert error.message("zh") == "said ledger.changed\ndo this"  # the server chose the language
    assert error.as_json("zh")["request_id"] == "req_1"
    assert error.params == {"code": "p", "kind": "q"}


def test_a_kind_that_a_newer_server_invents_is_unavailable():
    with crooked(fault(422, "new.code", kind="brand_new")) as server:
        assert failing(server).kind == "unavailable"


def test_a_proxy_named_in_the_environment_does_not_read_what_stays_on_this_machine(monkeypatch):
    with crooked(answer(502, b"")) as proxy, crooked(answer(200, ME)) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        with Client(server.url, "yk_x") as client:
            assert client.identity.me().member
    assert proxy.heard == []


def test_the_language_asked_for_goes_along():
    with (
        crooked(answer(200, ME)) as server,
        Client(server.url, "yk_x", Options(language="zh")) as client,
    ):
        client.identity.me()
    assert headers_of(server.heard[0])["accept-language"] == "zh"
    assert headers_of(server.heard[0])["authorization"] == "Bearer yk_x"


def test_the_guarded_way_out_works_where_it_is_allowed_and_refuses_where_not():
    allowed = Outbound(Guard(["127.0.0.1"]), seconds_max=5.0)
    refused = Outbound(Guard([]), seconds_max=5.0)
    with crooked(b"", answer(200, ME)) as server:
        options = Options(transport=allowed.transport(seconds_max=5.0), sleep=lambda _: None)
        with Client(server.url, "yk_x", options) as client:
            assert client.identity.me().name == "Li Example"
        assert len(server.heard) == 2
        error = failing(server, transport=refused.transport())
        assert error.code == "outbound.refused"
        assert len(server.heard) == 2


def test_the_guarded_way_out_keeps_the_bounds_of_bytes_and_redirects(monkeypatch):
    monkeypatch.setattr(http, "ANSWER_BYTES_MAX", 1 << 10)
    way = Outbound(Guard(["127.0.0.1"]), seconds_max=5.0)
    with crooked(answer(200, b" " * 2048)) as server:
        assert failing(server, transport=way.transport()).code == "client.answer_large"
    with crooked(answer(302, b"", location="http://127.0.0.1:1/")) as server:
        assert failing(server, transport=way.transport()).code == "client.redirected"


def test_a_stream_over_the_guarded_way_out_goes_on_after_its_time_limit():
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"

    def hanging(connection, request):
        last = int(headers_of(request).get("last-event-id", "0"))
        if last == 2:
            connection.sendall(b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n")
            return
        connection.sendall(head + f"id: {last + 1}\nevent: step\ndata: {{}}\n\n".encode())
        connection.recv(1)  # until the caller goes

    way = Outbound(Guard(["127.0.0.1"]))
    options = Options(transport=way.transport(seconds_max=0.3), sleep=lambda _: None)
    with crooked(hanging) as server, Connection(server.url, "yk_x", options) as connection:
        assert [each.seq for each in connection.events("/v1/operations/o/events")] == [1, 2]


def test_a_list_may_come_in_many_pages_and_is_read_as_far_as_asked():
    item = Account.model_config["json_schema_extra"]["example"]
    pages = [
        answer(200, json.dumps({"items": [item, item], "next": "c&1"}).encode()),
        answer(200, json.dumps({"items": [item], "next": None}).encode()),
    ]
    with crooked(*pages) as server, Client(server.url, "yk_x") as client:
        accounts = client.ledger.accounts()
        next(accounts)
        assert len(server.heard) == 1
        assert len(list(accounts)) == 2
    assert b"GET /v1/accounts?after=c%261 " in server.heard[1]
