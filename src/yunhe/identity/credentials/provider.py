"""A sign-in provider: its description, its keys, and codes turned into claims. Network only.

Source: OpenID Connect Core 1.0 and Discovery 1.0, RFC 6749, RFC 7636 (PKCE), RFC 9207 (issuer in
the answer).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Protocol
from urllib.parse import quote_plus, urlencode, urlsplit, urlunsplit

from yunhe.identity.credentials import id_token
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import NotAllowed, Unavailable, YunheError

FRESH_SECONDS = 3_600
"""How long the provider's description and keys are used before they are asked for again."""
ANSWER_BYTES_MAX = 1 << 19
"""Longest answer of a provider that is read."""
SCOPES = "openid email profile"
"""What is asked of the provider: who, with which address, under which name."""
_WORD = re.compile(r"[a-z_]{1,40}", re.ASCII)


class Fetched(Protocol):
    """An answer."""

    @property
    def status(self) -> int:
        """HTTP status."""
        ...

    @property
    def body(self) -> bytes:
        """The body, whole."""
        ...


class Fetch(Protocol):
    """What a provider is reached through, e.g. `yunhe.outbound.client.Outbound`.

    It bounds time and bytes, follows no redirect unless told to, and raises `YunheError`.
    """

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        bytes_max: int = ANSWER_BYTES_MAX,
    ) -> Fetched:
        """One request and its answer, whatever its status."""
        ...


@dataclass(frozen=True, slots=True)
class Redeemed:
    """What came for a code."""

    claims: id_token.Claims
    """Who it is."""
    access_token: str = field(repr=False)
    """What the provider says more for; empty if it gave none."""


@dataclass(frozen=True, slots=True)
class Description:
    """What a provider says about itself."""

    authorization_endpoint: str
    """Where browsers go."""
    token_endpoint: str
    """Where codes are turned in."""
    jwks_uri: str
    """Where its keys lie."""
    userinfo_endpoint: str
    """Where it says more about a person; empty if nowhere."""
    by_post: bool
    """Whether the client's secret goes into the form instead of a header."""
    names_issuer: bool
    """Whether it names itself in the answer that the browser carries (RFC 9207)."""
    asked_us: int
    """When it said so."""


class Provider:
    """One provider, as the settings name it; may be used by several threads."""

    def __init__(
        self,
        issuer: str,
        client_id: str,
        *,
        redirect_uri: str,
        fetch: Fetch,
        client_secret: str = "",
        session_hours: int = 12,
    ) -> None:
        """``redirect_uri`` is our ``…/auth/callback``, letter by letter as registered there.

        Without a secret we are a public client, which PKCE alone protects. Sessions opened by it
        last ``session_hours`` at most. Nothing is fetched yet.
        """
        self.issuer = issuer
        self.client_id = client_id
        self.redirect_uri = redirect_uri
        self.session_hours = session_hours
        self._secret = client_secret
        self._fetch = fetch
        self._described: Description | None = None
        self._keys: tuple[Mapping[str, object], int] | None = None

    def authorization_url(self, *, state: str, nonce: str, verifier: str, now_us: int) -> str:
        """Where to send the browser. Errors: those of `describe`."""
        endpoint = urlsplit(self.describe(now_us=now_us).authorization_endpoint)
        asked = urlencode(
            {
                "response_type": "code",
                "client_id": self.client_id,
                "redirect_uri": self.redirect_uri,
                "scope": SCOPES,
                "state": state,
                "nonce": nonce,
                "code_challenge": challenge(verifier),
                "code_challenge_method": "S256",
            }
        )
        query = f"{endpoint.query}&{asked}" if endpoint.query else asked
        return urlunsplit((endpoint.scheme, endpoint.netloc, endpoint.path, query, ""))

    def redeem(self, code: str, *, verifier: str, nonce: str, now_us: int) -> Redeemed:
        """Turn in a code and check the token that comes for it.

        Keys that the token doesn't fit are asked for once more: the provider may have rotated them.
        Errors: `NotAllowed` ``identity.sign_in_refused``, ``identity.token_refused``; `Unavailable`
        ``identity.provider_away``, ``identity.provider_wrong``.
        """
        answer = self._tokens(code, verifier=verifier, now_us=now_us)
        said = self._verified(str(answer["id_token"]), now_us=now_us)
        claims = id_token.checked(
            said, issuer=self.issuer, client_id=self.client_id, nonce=nonce, now_us=now_us
        )
        access = answer.get("access_token")
        return Redeemed(claims, access if isinstance(access, str) and access.isascii() else "")

    def profile(self, redeemed: Redeemed, *, now_us: int) -> id_token.Claims:
        """The claims with address and name, which strict providers tell only when asked again.

        Errors: as `redeem`.
        """
        endpoint = self.describe(now_us=now_us).userinfo_endpoint
        if redeemed.claims.email or not endpoint or not redeemed.access_token:
            return redeemed.claims
        said = self._get(endpoint, step="userinfo", bearer=redeemed.access_token)
        return id_token.with_profile(redeemed.claims, said)

    def check_issuer(self, said: str | None, *, now_us: int) -> None:
        """Return only if the answer in the browser names this provider, or needn't name any.

        Errors: `NotAllowed` ``identity.token_refused``.
        """
        needed = self.describe(now_us=now_us).names_issuer
        if (said is None and needed) or (said is not None and said != self.issuer):
            raise id_token.refused("iss")

    def describe(self, *, now_us: int) -> Description:
        """The provider's description, asked for at most every `FRESH_SECONDS`.

        Errors: `Unavailable` ``identity.provider_away`` when it doesn't answer, also
        ``identity.provider_wrong`` when it says it is another, or names unprotected addresses.
        """
        known = self._described
        if known is not None and abs(now_us - known.asked_us) < FRESH_SECONDS * SECOND_US:
            return known
        said = self._get(
            self.issuer.rstrip("/") + "/.well-known/openid-configuration", step="discovery"
        )
        if said.get("issuer") != self.issuer:
            raise Unavailable("identity.provider_wrong", problem="issuer")
        methods = said.get("token_endpoint_auth_methods_supported")
        known = Description(
            authorization_endpoint=_address(said, "authorization_endpoint"),
            token_endpoint=_address(said, "token_endpoint"),
            jwks_uri=_address(said, "jwks_uri"),
            userinfo_endpoint=(
                _address(said, "userinfo_endpoint") if "userinfo_endpoint" in said else ""
            ),
            by_post=isinstance(methods, list) and "client_secret_basic" not in methods,
            names_issuer=said.get("authorization_response_iss_parameter_supported") is True,
            asked_us=now_us,
        )
        self._described = known
        return known

    def _tokens(self, code: str, *, verifier: str, now_us: int) -> Mapping[str, object]:
        described = self.describe(now_us=now_us)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": verifier,
        }
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "accept": "application/json",
        }
        if not self._secret or described.by_post:
            form["client_id"] = self.client_id
        if self._secret and described.by_post:
            form["client_secret"] = self._secret
        elif self._secret:
            pair = f"{quote_plus(self.client_id)}:{quote_plus(self._secret)}"
            headers["authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        status, said = self._ask(
            "POST",
            described.token_endpoint,
            step="token",
            headers=headers,
            content=urlencode(form).encode(),
        )
        if 400 <= status < 500:
            reason = said.get("error")
            if reason in ("invalid_client", "unauthorized_client"):
                raise Unavailable("identity.provider_wrong", problem=str(reason))
            raise NotAllowed("identity.sign_in_refused", reason=word(reason))
        if status != 200 or not isinstance(said.get("id_token"), str):
            raise Unavailable("identity.provider_away", step="token", retryable=True)
        return said

    def _verified(self, token: str, *, now_us: int) -> Mapping[str, object]:
        known = self._keys
        if known is not None and abs(now_us - known[1]) < FRESH_SECONDS * SECOND_US:
            try:
                return id_token.verified(token, known[0])
            except id_token.UnknownKey:
                pass  # asked for again below
        keys = self._get(self.describe(now_us=now_us).jwks_uri, step="keys")
        self._keys = (keys, now_us)
        try:
            return id_token.verified(token, keys)
        except id_token.UnknownKey:
            raise id_token.refused("signature") from None

    def _get(self, url: str, *, step: str, bearer: str = "") -> Mapping[str, object]:
        headers = {"accept": "application/json"}
        if bearer:
            headers["authorization"] = f"Bearer {bearer}"
        status, said = self._ask("GET", url, step=step, headers=headers)
        if status != 200:
            raise Unavailable("identity.provider_away", step=step, retryable=True)
        return said

    def _ask(
        self, method: str, url: str, *, step: str, headers: Mapping[str, str], content: bytes = b""
    ) -> tuple[int, Mapping[str, object]]:
        """Status and JSON object; an answer that is none is as good as no answer."""
        try:
            answer = self._fetch.request(
                method, url, headers=headers, content=content, bytes_max=ANSWER_BYTES_MAX
            )
        except YunheError as error:
            raise Unavailable("identity.provider_away", step=step, retryable=True) from error
        try:
            said = json.loads(answer.body)
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            raise Unavailable("identity.provider_away", step=step, retryable=True)
        return answer.status, said


def challenge(verifier: str) -> str:
    """The S256 challenge of a verifier. Source: RFC 7636 §4.2."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def word(said: object) -> str:
    """An error code of the provider, if it looks like one; never free text."""
    return said if isinstance(said, str) and _WORD.fullmatch(said) else "error"


def _address(said: Mapping[str, object], name: str) -> str:
    """An endpoint that is protected by TLS, or on this machine."""
    value = said.get(name)
    try:
        parts = urlsplit(value if isinstance(value, str) and value.isascii() else "")
    except ValueError:
        parts = urlsplit("")
    protected = parts.scheme == "https" or _is_loopback(parts.hostname or "")
    if parts.scheme not in ("http", "https") or not parts.hostname or not protected:
        raise Unavailable("identity.provider_wrong", problem=name)
    return str(value)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
