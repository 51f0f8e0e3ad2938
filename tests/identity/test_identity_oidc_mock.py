"""The same flow against `oidc-provider-mock`: a mock for tests by others, not a real provider.

It checks clients, redirect addresses and codes, but no PKCE verifier; `strict_provider` does.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from yunhe.identity import service as identity
from yunhe.identity.domain import Offer
from yunhe.identity.service import oidc
from yunhe.kernel.clock import SystemClock
from yunhe.kernel.errors import YunheError
from yunhe.outbound.client import Outbound
from yunhe.outbound.guard import Guard
from yunhe.storage.service import Storage

REDIRECT = "http://127.0.0.1:8420/auth/callback"


@dataclass
class Mock:
    issuer: str
    client: oidc.Provider
    outbound: Outbound

    def person(self, url: str, subject: str, *, action: str = "") -> dict[str, str]:
        """A person who fills in the mock's form; what the browser then brings back."""
        form = urlencode({"sub": subject, **({"action": action} if action else {})})
        answer = self.outbound.request(
            "POST",
            url,
            headers={"content-type": "application/x-www-form-urlencoded"},
            content=form.encode(),
        )
        assert answer.status == 302, answer.body
        query = parse_qs(urlsplit(answer.headers["location"]).query)
        return {name: value for name, [value] in query.items()}


@pytest.fixture
def mock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mock]:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")  # loopback has no TLS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own dependencies
        import oidc_provider_mock as mocking  # noqa: PLC0415

        claims = {"name": "李雷", "email": "li@example.org", "email_verified": True}
        users = [mocking.User(sub="li", claims=claims)]
        running = mocking.run_server_in_thread(
            user_claims=users, require_client_registration=True, require_nonce=True
        )
        with running as server:
            issuer = f"http://localhost:{server.server_port}"
            outbound = Outbound(Guard([f"localhost:{server.server_port}"]))
            answer = outbound.request(
                "POST",
                f"{issuer}/oauth2/clients",
                headers={"content-type": "application/json"},
                content=json.dumps({"redirect_uris": [REDIRECT]}).encode(),
            )
            given = json.loads(answer.body)
            client = oidc.Provider(
                issuer,
                given["client_id"],
                client_secret=given["client_secret"],
                redirect_uri=REDIRECT,
                fetch=outbound,
            )
            yield Mock(issuer, client, outbound)


@pytest.fixture
def today(town, storage):
    """The mock lives in real time, and so do its tokens."""
    town.clock = SystemClock()
    town.storage = Storage(storage.database, storage.blobs, town.clock)
    return town


def test_the_whole_flow_against_the_mock(today, mock):
    town = today
    offer = Offer(
        organisation=town.university, roles=frozenset({"caller"}), contact="Li@Example.org"
    )
    town.do(identity.invite, offer, by=town.actor("dean"))
    members = set()
    for _ in range(2):
        begun = oidc.begin(town.storage, mock.client, return_to="/here")
        back = mock.person(begun.url, "li")
        done = oidc.complete(
            town.storage,
            mock.client,
            code=back["code"],
            state=back["state"],
            cookie_state=begun.cookie_state,
        )
        assert done.return_to == "/here"
        members.add(done.member)
    [member] = members
    found = town.see(identity.member, member)
    assert (found.name, found.contact) == ("李雷", "li@example.org")
    who = town.see(identity.authenticate_session, done.session.secret, now_us=town.clock.now_us())
    assert who.member == member


def test_the_mock_refuses_a_replayed_code_and_a_person_may_refuse(today, mock):
    town = today
    begun = oidc.begin(town.storage, mock.client)
    back = mock.person(begun.url, "li")
    with pytest.raises(YunheError) as error:
        oidc.complete(
            town.storage,
            mock.client,
            code=back["code"],
            state=back["state"],
            cookie_state=begun.cookie_state,
        )
    assert error.value.code == "identity.not_invited"
    again = oidc.begin(town.storage, mock.client)
    state = mock.person(again.url, "li")["state"]
    with pytest.raises(YunheError) as error:
        oidc.complete(
            town.storage,
            mock.client,
            code=back["code"],
            state=state,
            cookie_state=again.cookie_state,
        )
    assert error.value.code == "identity.sign_in_refused"
    third = oidc.begin(town.storage, mock.client)
    assert mock.person(third.url, "li", action="deny")["error"] == "access_denied"
