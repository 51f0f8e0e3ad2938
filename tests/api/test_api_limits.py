"""Limits at the door: what is refused, and headers that say what is enforced."""

from __future__ import annotations

import asyncio
import re
from contextlib import contextmanager

import pytest
from api_desk import Desk, open_home

from yunhe.api import limits, rates
from yunhe.api.limits import Proxies, host_name, names_of
from yunhe.kernel.errors import Invalid
from yunhe.settings import Settings
from yunhe.storage import quotas


@contextmanager
def opened(storage, tmp_path, **settings):
    with Desk(open_home(storage, tmp_path / "home", **settings)).open() as desk:
        yield desk


def member_key(desk, name="uni"):
    return desk.key(desk.member(desk.organisation(name), "buyer"))


def said(answer):
    """Policy → (how many, window), and what is left of which."""
    policies = {
        name: (int(q), int(w))
        for name, q, w in re.findall(r'"(\w+)";q=(\d+);w=(\d+)', answer.headers["ratelimit-policy"])
    }
    name, left, seconds = re.fullmatch(
        r'"(\w+)";r=(\d+);t=(\d+)', answer.headers["ratelimit"]
    ).groups()
    return policies, name, int(left), int(seconds)


@pytest.fixture
def still(monkeypatch):
    """A clock for buckets that stands until it is moved."""
    now = [1_000.0]
    monkeypatch.setattr(rates.time, "monotonic", lambda: now[0])
    return now


def find(desk, kind):
    """The layer of that kind."""
    layer = desk.app
    while not isinstance(layer, kind):
        layer = layer._app
    return layer


def test_a_key_may_burst_and_then_go_on_at_its_rate_and_the_headers_say_so(storage, tmp_path):
    with opened(storage, tmp_path, rate_per_second=2, rate_burst=4) as desk:
        now = [0.0]
        find(desk, rates.Rates)._seconds = lambda: now[0]
        key = member_key(desk)
        for left in (3, 2, 1, 0):
            answer = desk.ask("GET", "/v1/me", key)
            assert answer.status_code == 200
            policies, name, told, seconds = said(answer)
            assert (name, told) == ("burst", left)
            assert policies == {"burst": (4, 2), "day": (500_000, 86_400)}
            assert seconds == -(-(4 - left) // 2)
        refused = desk.ask("GET", "/v1/me", key)
        assert (refused.status_code, refused.json()["code"]) == (429, "api.rate_exceeded")
        assert said(refused)[1:3] == ("burst", 0)
        wait = int(refused.headers["retry-after"])
        now[0] += 0.49
        assert desk.ask("GET", "/v1/me", key).status_code == 429
        now[0] += wait
        assert desk.ask("GET", "/v1/me", key).status_code == 200
        now[0] += said(answer)[3] + 10
        assert said(desk.ask("GET", "/v1/me", key))[2] == 3


def test_one_key_does_not_use_up_what_another_may(storage, tmp_path):
    with opened(storage, tmp_path, rate_per_second=1, rate_burst=2) as desk:
        find(desk, rates.Rates)._seconds = lambda: 0.0
        member = desk.member(desk.organisation("uni"), "buyer")
        one, two = desk.key(member), desk.key(member)
        assert [desk.ask("GET", "/v1/me", one).status_code for _ in range(3)] == [200, 200, 429]
        assert desk.ask("GET", "/v1/me", two).status_code == 200


def test_who_has_no_key_or_invents_them_shares_one_bucket_with_its_address(storage, tmp_path):
    with opened(storage, tmp_path) as desk:
        layer = find(desk, rates.Rates)
        layer._seconds = lambda: 0.0
        key = member_key(desk)
        codes = [
            desk.ask("GET", "/v1/log/trust", "" if i % 2 else f"yk_{i}").status_code
            for i in range(rates.ADDRESS_BURST)
        ]
        assert set(codes) == {200}
        refused = desk.ask("GET", "/v1/log/trust")
        assert (refused.status_code, said(refused)[1:3]) == (429, ("address", 0))
        assert desk.ask("GET", "/v1/log/trust", "yk_guess").status_code == 429
        assert desk.ask("GET", "/v1/me", key).status_code == 200  # a genuine key behind it
        assert len(layer._addresses) == 1
        assert len(layer._holders) == 1


def test_the_quota_of_a_day_is_exact_durable_and_ends_at_midnight(storage, tmp_path):
    with opened(storage, tmp_path, quota_per_day=5) as desk:
        key = member_key(desk)
        storage.clock.advance(seconds=3_600)
        for _ in range(3):
            assert desk.ask("GET", "/v1/me", key).status_code == 200
    with opened(storage, tmp_path, quota_per_day=5) as desk:  # another process, as it were
        codes = [desk.ask("GET", "/v1/me", key).status_code for _ in range(4)]
        assert codes == [200, 200, 429, 429]
        refused = desk.ask("GET", "/v1/me", key)
        assert refused.json()["code"] == "api.quota_exceeded"
        assert not refused.json()["retryable"]
        seconds = int(refused.headers["retry-after"])
        assert seconds == 23 * 3_600
        assert said(refused)[1:] == ("day", 0, seconds)
        storage.clock.advance(seconds=seconds - 1)
        assert desk.ask("GET", "/v1/me", key).status_code == 429
        storage.clock.advance(seconds=1)
        assert desk.ask("GET", "/v1/me", key).status_code == 200


def test_a_quota_is_reserved_in_blocks_and_never_exceeded_together(storage):
    with storage.database.begin() as tx:
        got = [quotas.reserve(tx, holder="k", day=1, block=4, most=10) for _ in range(5)]
        assert got == [4, 4, 2, 0, 0]
        assert quotas.used(tx, holder="k", day=1) == 10
        assert quotas.reserve(tx, holder="k", day=2, block=4, most=10) == 4
        assert quotas.reserve(tx, holder="other", day=1, block=4, most=10) == 4
        assert quotas.purge(tx, before_day=2) == 2
        assert quotas.used(tx, holder="k", day=1) == 0


def test_simultaneous_requests_do_not_get_more_than_the_quota(storage, tmp_path):
    with opened(storage, tmp_path, quota_per_day=30) as desk:
        key = member_key(desk)

        async def crowd():
            asked = [desk.asking("GET", "/v1/me", key) for _ in range(80)]
            return [answer.status_code for answer in await asyncio.gather(*asked)]

        assert desk.wait(crowd()).count(200) == 30


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8420", 200),
        ("localhost", 200),
        ("LOCALHOST:1", 200),
        ("[::1]:8420", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example:8420", 421),
        ("", 421),
        ("[::1", 200),
    ],
)
def test_only_own_names_are_answered_for(desk, host, status):
    answer = desk.ask("GET", "/v1/log/trust", headers={"host": host})
    assert answer.status_code == status
    if status == 421:
        assert answer.json()["code"] == "api.host_unknown"


def test_a_public_address_is_the_one_name_beyond_this_machine():
    names, every = names_of(Settings(public_url="https://Yunhe.Example.org", host="0.0.0.0"))
    assert "yunhe.example.org" in names
    assert not every
    assert names_of(Settings(host="10.0.0.5"))[1]
    assert not names_of(Settings())[1]
    assert host_name("Example.ORG.:443") == "example.org"


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://127.0.0.1:8420", 200),
        ("https://127.0.0.1:8420", 403),
        ("http://127.0.0.1:9999", 403),
        ("http://evil.example", 403),
        ("null", 403),
    ],
)
def test_pages_of_other_sites_get_nothing(desk, origin, status):
    answer = desk.ask("GET", "/v1/log/trust", headers={"origin": origin})
    assert answer.status_code == status
    assert "access-control-allow-origin" not in answer.headers


def test_a_browser_that_says_it_crosses_sites_changes_nothing_by_cookie(desk):
    member = desk.member(desk.organisation("uni"), "buyer")
    cookie, csrf = desk.session(member)
    for site, code in (("cross-site", "api.origin_refused"), ("same-site", "api.origin_refused")):
        headers = {**cookie, "x-csrf-token": csrf, "sec-fetch-site": site}
        assert desk.ask("POST", "/auth/logout", headers=headers).json()["code"] == code
    headers["sec-fetch-site"] = "same-origin"
    assert desk.ask("POST", "/auth/logout", headers=headers).status_code == 204


def test_behind_a_trusted_proxy_its_word_counts_for_address_and_scheme(storage, tmp_path):
    with opened(
        storage,
        tmp_path,
        trusted_proxies="127.0.0.1, 10.0.0.0/8",
        public_url="https://yunhe.example.org",
    ) as desk:
        key = member_key(desk)
        headers = {
            "host": "yunhe.example.org",
            "x-forwarded-for": "6.6.6.6, 203.0.113.7, 10.1.2.3",
            "x-forwarded-proto": "https",
        }
        made = desk.ask("POST", "/v1/session", key, json={}, headers=headers)
        assert made.headers["set-cookie"].startswith("__Host-yunhe=")
        assert "Secure" in made.headers["set-cookie"]
        desk.ask("GET", "/v1/log/trust", headers=headers)
        assert set(find(desk, rates.Rates)._addresses) == {"203.0.113.7"}
        plain = desk.ask("POST", "/v1/session", key, json={}, headers={"host": "yunhe.example.org"})
        assert plain.json()["code"] == "api.session_needs_tls"
        cookie = made.headers["set-cookie"].partition(";")[0].replace("__Host-", "")
        planted = desk.ask("GET", "/v1/me", headers={**headers, "cookie": cookie})
        assert planted.status_code == 401  # over TLS the cookie without the prefix counts nothing


def test_from_strangers_forwarded_headers_count_nothing():
    proxies = Proxies("10.0.0.0/8")
    headers = {b"x-forwarded-for": b"1.2.3.4", b"x-forwarded-proto": b"https"}
    assert proxies.sender("192.0.2.1", headers, https=False) == ("192.0.2.1", False)
    assert proxies.sender("10.0.0.1", headers, https=False) == ("1.2.3.4", True)
    assert proxies.sender("10.0.0.1", {}, https=False) == ("10.0.0.1", False)
    assert proxies.sender("", headers, https=False) == ("", False)
    with pytest.raises(Invalid) as caught:
        Proxies("10.0.0.0/8, nonsense")
    assert caught.value.code == "api.proxies_invalid"


def raw(desk, key, receive, *, headers=()):
    """One POST whose body comes as ``receive`` gives it; the status and code of the answer."""
    sent = []

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/projects",
        "raw_path": b"/v1/projects",
        "query_string": b"",
        "headers": [
            (b"host", b"127.0.0.1"),
            (b"authorization", f"Bearer {key}".encode()),
            (b"content-type", b"application/json"),
            (b"idempotency-key", b"k"),
            *headers,
        ],
        "client": ("127.0.0.1", 1),
        "scheme": "http",
    }
    desk.wait(desk.app(scope, receive, send))
    return sent


@pytest.fixture
def admin(desk):
    return desk.key(desk.member(desk.organisation("uni"), "administrator"))


def test_a_body_that_says_it_is_too_large_is_refused_unread(desk, admin):
    async def receive():
        raise AssertionError

    for length in (b"2000000", b"9" * 400):
        sent = raw(desk, admin, receive, headers=[(b"content-length", length)])
        assert sent[0]["status"] == 413
        assert (b"connection", b"close") in sent[0]["headers"]


def test_a_body_in_pieces_is_refused_as_soon_as_it_is_too_large(desk, admin):
    pieces = []

    async def receive():
        pieces.append(1)
        return {"type": "http.request", "body": b" " * 100_000, "more_body": True}

    sent = raw(desk, admin, receive)
    assert sent[0]["status"] == 413
    assert len(pieces) == 11


def test_a_body_that_stops_arriving_is_given_up(desk, admin, monkeypatch):
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.05)
    first = [{"type": "http.request", "body": b'{"na', "more_body": True}]

    async def receive():
        if first:
            return first.pop()
        await asyncio.Event().wait()
        return {}

    sent = raw(desk, admin, receive)
    assert sent[0]["status"] == 408
    assert b"api.body_too_slow" in sent[1]["body"]


def test_a_request_that_takes_too_long_is_answered_all_the_same(desk, admin, monkeypatch):
    never = asyncio.Event()

    async def look(self, work):
        await never.wait()

    monkeypatch.setattr("yunhe.api.runtime.Runtime.look", look)
    edge = desk.app
    monkeypatch.setattr(edge, "_seconds_max", 0.05)
    answer = desk.ask("GET", "/v1/me", admin)
    assert (answer.status_code, answer.json()["code"]) == (503, "api.too_long")
    assert answer.headers["retry-after"] == "1"


def test_unknown_addresses_and_methods_count_as_well(storage, tmp_path):
    with opened(storage, tmp_path, rate_per_second=1, rate_burst=2) as desk:
        find(desk, rates.Rates)._seconds = lambda: 0.0
        key = member_key(desk)
        codes = [desk.ask("PATCH", "/v1/nothing", key).status_code for _ in range(3)]
        assert codes == [404, 404, 429]
