"""People sign in by a browser over HTTP, through a provider that runs on loopback (a mock)."""

from __future__ import annotations

import warnings
from urllib.parse import urlsplit

import httpx
import pytest
from api_desk import BASE, Desk, open_home

from yunhe.identity import service as identity
from yunhe.kernel.clock import SystemClock
from yunhe.storage.service import Storage


@pytest.fixture
def provider(monkeypatch, tmp_path):
    """The package oidc-provider-mock: a mock that speaks the protocol over real HTTP.

    It checks clients, redirect addresses and codes, but no PKCE verifier; the tests of identity
    have a provider that does.
    """
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")  # loopback has no TLS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own dependencies
        import oidc_provider_mock as mocking  # noqa: PLC0415

        with mocking.run_server_in_thread(require_client_registration=True) as server:
            issuer = f"http://localhost:{server.server_port}"
            asked = {"redirect_uris": [f"{BASE}/auth/callback"]}
            given = httpx.post(f"{issuer}/oauth2/clients", json=asked).json()
            secret = tmp_path / "client-secret"
            secret.write_text(given["client_secret"])
            yield {
                "oidc_issuer": issuer,
                "oidc_client_id": given["client_id"],
                "oidc_client_secret_file": secret,
                "outbound_allow": f"localhost:{server.server_port}",
            }


@pytest.fixture
def desk(storage, tmp_path, provider):
    real = Storage(storage.database, storage.blobs, SystemClock())  # tokens live in real time
    platform = open_home(real, tmp_path / "home", **provider)
    with Desk(platform).open() as opened:
        yield opened


def at_provider(url, subject):
    """What a person does at the provider; where the browser is sent back to."""
    answer = httpx.post(url, data={"sub": subject}, follow_redirects=False)
    assert answer.status_code == 302, answer.text
    back = urlsplit(answer.headers["location"])
    assert f"{back.scheme}://{back.netloc}" == BASE
    return f"{back.path}?{back.query}"


def cookie(answer, name):
    [value] = [
        each.partition(";")[0]
        for each in answer.headers.get_list("set-cookie")
        if each.startswith(f"{name}=")
    ]
    return value


def invited(desk):
    admin = desk.key(desk.member(desk.organisation("uni"), "administrator"))
    made = desk.ask("POST", "/v1/invitations", admin, json={"roles": ["buyer"]})
    return made.json()["token"]


def test_an_invited_person_signs_in_gets_a_session_and_uses_it(desk):
    token = invited(desk)
    begun = desk.ask("GET", f"/auth/login?invitation={token}&return_to=/console")
    assert begun.status_code == 303, begun.text
    state = cookie(begun, "yunhe-sign-in")
    back = at_provider(begun.headers["location"], "li@example.org")
    without = desk.ask("GET", back)
    assert (without.status_code, without.json()["code"]) == (403, "identity.sign_in_unknown")
    done = desk.ask("GET", back, headers={"cookie": state})
    assert (done.status_code, done.headers.get("location")) == (303, "/console"), done.text
    session = {"cookie": cookie(done, "yunhe")}
    me = desk.ask("GET", "/v1/me", headers=session).json()
    assert me["roles"] == ["buyer"]
    assert desk.ask("GET", back, headers={"cookie": state}).status_code == 403  # once
    again = desk.ask("GET", "/auth/login")
    second = at_provider(again.headers["location"], "li@example.org")
    known = desk.ask("GET", second, headers={"cookie": cookie(again, "yunhe-sign-in")})
    assert known.status_code == 303
    assert known.headers["location"] == "/"


def test_a_stranger_who_signs_in_is_not_let_in(desk):
    begun = desk.ask("GET", "/auth/login")
    back = at_provider(begun.headers["location"], "stranger@example.org")
    answer = desk.ask("GET", back, headers={"cookie": cookie(begun, "yunhe-sign-in")})
    assert (answer.status_code, answer.json()["code"]) == (403, "identity.not_invited")


def test_a_member_binds_its_sign_in_by_key(desk):
    member = desk.member(desk.organisation("uni"), "trainer")
    begun = desk.ask("POST", "/auth/link", desk.key(member), json={})
    assert begun.status_code == 200, begun.text
    back = at_provider(begun.json()["url"], "wang@example.org")
    done = desk.ask("GET", back, headers={"cookie": cookie(begun, "yunhe-sign-in")})
    session = {"cookie": cookie(done, "yunhe")}
    assert desk.ask("GET", "/v1/me", headers=session).json()["member"] == member.id
    with desk.storage.database.begin() as tx:
        identity.end_member(tx, member.id, at_us=desk.now_us())
    assert desk.ask("GET", "/v1/me", headers=session).status_code == 401


def test_nobody_is_sent_to_another_site_after_signing_in(desk):
    for target in ("https://evil.example", "//evil.example", "/\\evil.example"):
        answer = desk.ask("GET", "/auth/login", params={"return_to": target})
        assert (answer.status_code, answer.json()["code"]) == (422, "identity.invalid")
