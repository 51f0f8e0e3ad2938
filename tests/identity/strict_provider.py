"""A sign-in provider for tests that is strict where a real one is, and wrong where told to be.

It is no OpenID provider to copy: people sign in by naming themselves. What it does check it checks
as RFC 7636 and RFC 6749 ask: the client, the redirect address, the code (once), the PKCE verifier.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

CLIENT, SECRET, ACCESS = "yunhe-tests", "a secret with / and ü", "access-token"


@cache
def rsa_key(kid: str, *, number: int = 0) -> RSAKey:
    """A key of that id, and others of the same by number; made once, for it takes a while."""
    return RSAKey.generate_key(2048, {"kid": kid, "x-number": number})


class StrictProvider:
    """Its knobs are plain attributes; a test turns one and signs in."""

    def __init__(self, clock, *, port: int) -> None:
        self.clock, self.issuer = clock, f"http://127.0.0.1:{port}"
        self.keys = [rsa_key("first")]
        self.codes: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []
        self.description: dict[str, Any] = {}  # replaces entries; None removes one
        self.claims: dict[str, Any] = {}  # the same for the token
        self.header: dict[str, Any] = {}
        self.sign_with = None  # another key than the published one
        self.token: Any = None  # the whole token
        self.profile: dict[str, Any] | None = None  # what the user-info endpoint says, if any
        self.answers: dict[str, tuple[int, bytes]] = {}  # by path, instead of the usual
        self.bodies: list[str] = []

    def sign_in(self, url: str, subject: str) -> dict[str, str]:
        """What the browser brings back when that person signs in at the authorization address."""
        parts = urlsplit(url)
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == self.issuer + "/authorize"
        asked = {name: value for name, [value] in parse_qs(parts.query).items()}
        assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT)
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(16)
        self.codes[code] = {**asked, "sub": subject}
        return {"code": code, "state": asked["state"]}

    def describe(self) -> dict[str, Any]:
        said = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        }
        if self.profile is not None:
            said["userinfo_endpoint"] = f"{self.issuer}/userinfo"
        return changed(said, self.description)

    def redeem(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        pair = f"{form.get('client_id')}:{form.get('client_secret')}"
        if authorization:
            pair = base64.b64decode(authorization.removeprefix("Basic ")).decode()
            pair = ":".join(unquote_plus(part) for part in pair.split(":"))
        if pair != f"{CLIENT}:{SECRET}":
            return 401, {"error": "invalid_client"}
        asked = self.codes.pop(form["code"], None)
        challenge = hashlib.sha256(form["code_verifier"].encode()).digest()
        told = base64.urlsafe_b64encode(challenge).rstrip(b"=").decode()
        if (
            asked is None
            or asked["redirect_uri"] != form["redirect_uri"]
            or asked["code_challenge"] != told
        ):
            return 400, {"error": "invalid_grant", "error_description": "not <you>"}
        return 200, {"access_token": ACCESS, "token_type": "Bearer", "id_token": self._token(asked)}

    def _token(self, asked: dict[str, str]) -> str:
        if self.token is not None:
            return self.token(asked) if callable(self.token) else self.token
        now = self.clock.now_us() // 1_000_000
        key = self.sign_with or self.keys[-1]
        algorithm = {RSAKey: "RS256", ECKey: "ES256", OctKey: "HS256"}[type(key)]
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": asked["sub"],
            "nonce": asked["nonce"],
            "iat": now,
            "exp": now + 300,
        }
        header = changed({"alg": algorithm, "kid": key.kid}, self.header)
        return jwt.encode(header, changed(claims, self.claims), key, algorithms=[algorithm])

    def answer(self, method: str, path: str, body: bytes, authorization: str):
        self.asked.append(path)
        if path in self.answers:
            return self.answers[path]
        if path == "/.well-known/openid-configuration":
            said = 200, self.describe()
        elif path == "/keys":
            said = 200, {"keys": [key.as_dict(private=False) for key in self.keys]}
        elif path == "/userinfo":
            assert authorization == f"Bearer {ACCESS}"
            said = 200, self.profile
        else:
            assert (method, path) == ("POST", "/token")
            self.bodies.append(body.decode())
            form = {name: value for name, [value] in parse_qs(body.decode()).items()}
            said = self.redeem(form, authorization)
        return said[0], json.dumps(said[1]).encode()


def changed(said: dict[str, Any], by: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**said, **by}.items() if value is not None}


@contextmanager
def strict_provider(clock) -> Iterator[StrictProvider]:
    """One that listens on a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("content-length", 0))
            status, body = provider.answer(
                self.command,
                self.path,
                self.rfile.read(length),
                self.headers.get("authorization", ""),
            )
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 (the library's name)

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider = StrictProvider(clock, port=server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)
