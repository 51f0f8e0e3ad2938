"""The client against real servers that lie, stall, redirect and flood."""

from __future__ import annotations

import gzip
import socket
import threading
import time

import httpx
import pytest
from outbound_servers import LOOPBACK, answer

from yunhe.kernel.errors import Invalid, NotAllowed, Unavailable
from yunhe.outbound.client import Outbound
from yunhe.outbound.guard import Guard


def client(*allow, resolver=None, tls=None, seconds=5.0):
    more = {} if resolver is None else {"resolver": resolver}
    return Outbound(Guard(allow or [LOOPBACK], **more), seconds_max=seconds, tls=tls)


def names(**addresses):
    """A resolver of our own; a list of lists answers one after the other."""
    given = {name.replace("_", "."): list(found) for name, found in addresses.items()}

    def resolve(host, port):
        found = given[host]
        return found.pop(0) if isinstance(found[0], list) else found

    return resolve


def test_a_request_arrives_as_sent_and_its_answer_comes_back(serve):
    server = serve(lambda h: answer(h, 201, {"X-One": "1"}, b"made"))
    response = client().request(
        "POST", server.url("/a?b=c"), headers={"X-Two": "2"}, content=b"body"
    )
    assert (response.status, response.headers["x-one"], response.body) == (201, "1", b"made")
    ((method, path, headers, body),) = server.asked
    headers = {name.lower(): value for name, value in headers.items()}
    assert (method, path, body) == ("POST", "/a?b=c", b"body")
    assert headers["x-two"] == "2"
    assert headers["accept-encoding"] == "identity"
    assert headers["host"] == f"127.0.0.1:{server.port}"


def test_nothing_is_sent_to_an_address_that_is_not_allowed(serve):
    server = serve()
    with pytest.raises(NotAllowed):
        client("10.0.0.0/8").request("GET", server.url())
    assert server.asked == []


def test_a_name_that_is_rebound_after_the_check_is_not_followed_there(serve):
    inside = serve()
    asked = []

    def rebinding(host, port):
        asked.append(host)
        return ["127.0.0.2" if len(asked) == 1 else "127.0.0.1"]

    # The first answer passes, the second would be the loopback: there must be no second question
    # between deciding and connecting.
    out = client("127.0.0.2/32", resolver=rebinding)
    with pytest.raises(Unavailable):  # nobody listens at 127.0.0.2
        out.request("GET", f"http://rebind.example.org:{inside.port}/")
    assert asked == ["rebind.example.org"]
    with pytest.raises(NotAllowed):  # a later request asks again, and is refused
        out.request("GET", f"http://rebind.example.org:{inside.port}/")
    assert inside.asked == []


def test_the_decision_of_check_is_not_carried_to_another_answer(serve):
    inside = serve()
    guard = Guard(resolver=names(rebind_example_org=[["93.184.216.34"], ["127.0.0.1"]]))
    url = f"http://rebind.example.org:{inside.port}/"
    assert guard.check(url).addresses == ("93.184.216.34",)
    with pytest.raises(NotAllowed):
        Outbound(guard).request("GET", url)
    assert inside.asked == []


def test_the_connection_goes_to_the_checked_address_with_the_name_as_host(serve):
    server = serve()
    out = client(resolver=names(hooks_example_org=["127.0.0.1"]))
    assert out.request("GET", server.url(host="hooks.example.org")).status == 200
    assert server.asked[0][2]["host"] == f"hooks.example.org:{server.port}"


def test_an_ipv6_address_is_reached_and_written_as_it_should_be():
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 on this machine")
    got = []

    def once():
        connection, _ = listener.accept()
        with connection:
            got.append(connection.recv(65_536))
            connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    thread = threading.Thread(target=once)
    thread.start()
    port = listener.getsockname()[1]
    with listener:
        assert client("::1").request("GET", f"http://[0::1]:{port}/").status == 204
    thread.join()
    assert f"host: [::1]:{port}".encode() in got[0].lower()


def test_the_next_address_is_tried_when_the_first_is_silent(serve):
    server = serve()
    out = client(resolver=names(two_example_org=["127.0.0.9", "127.0.0.1"]))
    assert out.request("GET", server.url(host="two.example.org")).status == 200


def test_proxies_named_in_the_environment_are_not_used(serve, monkeypatch):
    proxy, server = serve(), serve()
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url())
    monkeypatch.setenv("no_proxy", "")
    assert client().request("GET", server.url()).status == 200
    with httpx.Client(transport=client().transport()) as http:
        assert http.get(server.url()).status_code == 200
    assert proxy.asked == []
    assert len(server.asked) == 2


# --- Redirects ------------------------------------------------------------------------------------


def redirecting(status, location):
    return lambda h: answer(h, status, {"Location": location})


def test_a_redirect_is_an_answer_unless_following_was_asked_for(serve):
    server = serve(redirecting(302, "http://127.0.0.1:1/"))
    assert client().request("GET", server.url()).status == 302


@pytest.mark.parametrize(
    "location",
    [
        "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:10.0.0.1]/",
        "http://2130706433/",
        "//10.0.0.1/",
        "file:///etc/passwd",
        "http://u:p@127.0.0.1/",
        "http://127.0.0.1:22/",
    ],
)
def test_a_redirect_to_a_forbidden_place_is_refused(serve, location):
    server = serve(redirecting(302, location))
    with pytest.raises((NotAllowed, Invalid)):
        client().request("GET", server.url(), redirects_max=3)
    assert len(server.asked) == 1


def test_a_redirect_to_a_name_that_resolves_inside_is_refused(serve):
    inside = serve()
    server = serve(redirecting(302, inside.url(host="inside.example.org")))
    out = client(
        "front.example.org:" + str(server.port),
        resolver=names(front_example_org=["127.0.0.1"], inside_example_org=["127.0.0.1"]),
    )
    with pytest.raises(NotAllowed):
        out.request("GET", server.url(host="front.example.org"), redirects_max=3)
    assert inside.asked == []


def test_credentials_and_unknown_headers_do_not_travel_to_another_host(serve):
    other = serve()
    server = serve(redirecting(302, other.url()))
    sent = {
        "Authorization": "Bearer s3cret",
        "Cookie": "s3cret",
        "X-Api-Key": "s3cret",
        "Accept": "text/plain",
    }
    out = client()
    assert out.request("GET", server.url(), headers=sent, redirects_max=1).body == b"ok"
    headers = other.asked[0][2]
    assert "s3cret" not in str(headers)
    assert headers["accept"] == "text/plain"


def test_credentials_stay_with_a_redirect_on_the_same_origin(serve):
    def respond(handler):
        if handler.path == "/":
            answer(handler, 307, {"Location": "/there"})
        else:
            answer(handler)

    server = serve(respond)
    out = client()
    sent = {"Authorization": "Bearer s3cret"}
    assert out.request(
        "POST", server.url(), headers=sent, content=b"x", redirects_max=1
    ).url == server.url("/there")
    assert server.asked[1][0] == "POST"
    assert server.asked[1][2]["authorization"] == "Bearer s3cret"
    assert server.asked[1][3] == b"x"


def test_a_body_is_not_carried_to_another_host(serve):
    other = serve()
    server = serve(redirecting(307, other.url()))
    with pytest.raises(NotAllowed) as refused:
        client().request("POST", server.url(), content=b"x", redirects_max=1)
    assert refused.value.code == "outbound.redirect_refused"
    assert other.asked == []


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_post_that_is_redirected_becomes_a_get_without_body(serve, status):
    other = serve()
    server = serve(redirecting(status, other.url()))
    out = client()
    sent = {"Content-Type": "text/plain"}
    out.request("POST", server.url(), headers=sent, content=b"x", redirects_max=1)
    method, _, headers, body = other.asked[0]
    assert (method, body) == ("GET", b"")
    assert "content-type" not in {name.lower() for name in headers}


def test_redirects_end_after_the_number_that_was_asked_for(serve):
    server = serve()
    server.respond = redirecting(302, server.url())
    assert client().request("GET", server.url(), redirects_max=99).status == 302
    assert len(server.asked) == 4


def test_https_is_not_left_for_http(serve, authority):
    plain = serve()
    server = serve(redirecting(302, plain.url()), tls=authority.issue("127.0.0.1"))
    with pytest.raises(NotAllowed) as refused:
        client(tls=authority.trusted()).request("GET", server.url(scheme="https"), redirects_max=1)
    assert refused.value.code == "outbound.redirect_refused"
    assert plain.asked == []


# --- Certificates ---------------------------------------------------------------------------------


def test_a_certificate_is_checked_for_the_name_not_for_the_pinned_address(serve, authority):
    server = serve(tls=authority.issue("hooks.example.org"))
    resolver = names(hooks_example_org=["127.0.0.1"], other_example_org=["127.0.0.1"])
    out = client(resolver=resolver, tls=authority.trusted())
    assert out.request("GET", server.url(host="hooks.example.org", scheme="https")).status == 200
    for host in ("other.example.org", "127.0.0.1"):
        with pytest.raises(Unavailable) as refused:
            out.request("GET", server.url(host=host, scheme="https"))
        assert refused.value.code == "outbound.certificate_name"


@pytest.mark.parametrize(
    ("days", "own", "code"),
    [
        ((-30, -1), False, "outbound.certificate_expired"),
        ((1, 30), False, "outbound.certificate_early"),
        ((-1, 30), True, "outbound.certificate_untrusted"),
    ],
)
def test_a_bad_certificate_is_refused_and_the_error_says_why(serve, authority, days, own, code):
    server = serve(tls=authority.issue("127.0.0.1", days=days, own=own))
    with pytest.raises(Unavailable) as refused:
        client(tls=authority.trusted()).request("GET", server.url(scheme="https"), content=b"x")
    assert refused.value.code == code
    assert "127.0.0.1" in refused.value.message("zh")
    assert server.asked == []


def test_an_authority_nobody_was_told_of_is_not_trusted(serve, authority):
    server = serve(tls=authority.issue("127.0.0.1"))
    with pytest.raises(Unavailable) as refused:
        client().request("GET", server.url(scheme="https"))
    assert refused.value.code == "outbound.certificate_untrusted"


def test_a_server_that_speaks_no_tls_is_told_apart(serve):
    with pytest.raises(Unavailable) as refused:
        client().request("GET", serve().url(scheme="https"))
    assert refused.value.code in ("outbound.tls_failed", "outbound.unreachable")


# --- Bounds ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
)
def test_a_server_that_drips_is_left_at_the_time_limit(serve, start, piece):
    server = serve()

    def respond(handler):
        handler.wfile.write(start)
        while not server.stopping.wait(0.02):
            handler.wfile.write(piece)

    server.respond = respond
    before = time.monotonic()
    with pytest.raises(Unavailable) as left:
        client(seconds=0.3).request("GET", server.url())
    assert left.value.code == "outbound.timed_out"
    assert time.monotonic() - before < 5


def test_a_server_that_takes_a_body_slowly_is_left_at_the_time_limit():
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    with listener, pytest.raises(Unavailable) as left:
        client(seconds=0.3).request("POST", f"http://127.0.0.1:{port}/", content=b"x" * 50_000_000)
    assert left.value.code == "outbound.timed_out"


def test_a_server_that_never_answers_is_left_at_the_time_limit():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        for scheme in ("http", "https"):
            with pytest.raises(Unavailable) as left:
                client(seconds=0.2).request("GET", url.replace("http", scheme))
            assert left.value.code == "outbound.timed_out"


def test_an_answer_larger_than_the_bound_is_refused_early(serve):
    sent = []

    def flood(handler):
        handler.send_response(200)
        handler.end_headers()
        for _ in range(10_000):
            handler.wfile.write(b"x" * 100_000)
            sent.append(1)

    with pytest.raises(Unavailable) as refused:
        client().request("GET", serve(flood).url(), bytes_max=50_000)
    assert refused.value.code == "outbound.too_large"
    assert len(sent) < 1_000


def test_headers_without_end_are_refused(serve):
    def flood(handler):
        handler.send_response(200)
        for number in range(100_000):
            handler.send_header(f"X-{number}", "y" * 100)
        handler.end_headers()

    with pytest.raises(Unavailable):
        client().request("GET", serve(flood).url())


def test_an_answer_at_the_bound_is_taken(serve):
    server = serve(lambda h: answer(h, body=b"x" * 1_000))
    assert len(client().request("GET", server.url(), bytes_max=1_000).body) == 1_000


def test_a_body_nobody_wants_is_not_read(serve):
    server = serve(lambda h: answer(h, body=b"x" * 10_000_000))
    assert client().request("POST", server.url(), body_wanted=False).body == b""


def test_a_compressed_answer_is_refused_before_it_can_grow(serve):
    bomb = gzip.compress(b"0" * 50_000_000)
    server = serve(lambda h: answer(h, headers={"Content-Encoding": "gzip"}, body=bomb))
    with pytest.raises(Unavailable) as refused:
        client().request("GET", server.url())
    assert refused.value.code == "outbound.encoded"
    with httpx.Client(transport=client().transport()) as http, pytest.raises(Unavailable):
        http.get(server.url())


@pytest.mark.parametrize(
    "said", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"]
)
def test_a_server_that_breaks_off_or_talks_nonsense_is_unreachable(said):
    listener = socket.create_server(("127.0.0.1", 0))

    def once():
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(said)

    thread = threading.Thread(target=once)
    thread.start()
    with listener, pytest.raises(Unavailable) as gone:
        client().request("GET", f"http://127.0.0.1:{listener.getsockname()[1]}/")
    thread.join()
    assert gone.value.code == "outbound.unreachable"
    assert gone.value.retryable


# --- As a transport of httpx ----------------------------------------------------------------------


def test_httpx_over_the_transport_streams_and_checks_each_hop(serve):
    inside = serve()
    server = serve(lambda h: answer(h, 302, {"Location": "http://10.0.0.1/"}))
    with httpx.Client(transport=client().transport(), follow_redirects=True) as http:
        with pytest.raises(NotAllowed):
            http.get(server.url())
        assert http.post(inside.url("/p"), json={"a": 1}).text == "ok"
        with http.stream("GET", inside.url()) as stream:
            assert b"".join(stream.iter_raw()) == b"ok"
    assert inside.asked[0][3] == b'{"a":1}'


def test_httpx_over_the_transport_has_a_time_limit_for_the_whole(serve):
    server = serve()

    def respond(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not server.stopping.wait(0.02):
            handler.wfile.write(b"x")

    server.respond = respond
    with (
        httpx.Client(transport=client().transport(seconds_max=0.3)) as http,
        pytest.raises(Unavailable) as left,
    ):
        http.get(server.url())
    assert left.value.code == "outbound.timed_out"
