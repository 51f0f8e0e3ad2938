"""What an ID token must be before anything in it is believed. Pure: no network, no clock.

Source: OpenID Connect Core 1.0 §3.1.3.7, RFC 8725 (JWT best current practices).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

from yunhe.kernel.errors import NotAllowed

ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
"""Signatures that are taken: public-key ones only, so that neither ``none`` nor a public key used
as a password (HS256) can pass."""
SKEW_SECONDS = 60
"""How far the provider's clock may be off."""
TOKEN_BYTES_MAX = 1 << 16
"""Longest ID token that is looked at."""
SUBJECT_LETTERS_MAX = 255
"""Longest subject. Source: OpenID Connect Core 1.0 §2."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What the provider says about a person."""

    subject: str = field(repr=False)
    """The person's id at the provider, never given to another."""
    email: str = field(repr=False)
    """E-mail address that the provider has verified; empty otherwise."""
    name: str = field(repr=False)
    """What the provider calls the person, or empty."""


class UnknownKey(Exception):
    """The token is signed with a key that is not in the set: it may have been rotated."""


def verified(token: str, keys: Mapping[str, object]) -> Mapping[str, object]:
    """The claims of a token whose signature one of the keys (a JWK set) made; not yet checked.

    Errors: `UnknownKey`; `NotAllowed` ``identity.token_refused``. Cost: loads joserfc when first
    called.
    """
    from joserfc import errors, jwt  # noqa: PLC0415 (a tenth of a second that few starts need)
    from joserfc.jwk import KeySet  # noqa: PLC0415

    if len(token) > TOKEN_BYTES_MAX or not token.isascii():
        raise refused("format")
    try:
        known = KeySet.import_key_set(keys)  # type: ignore[arg-type] # checked by the call
    except (errors.JoseError, ValueError, KeyError, TypeError, AttributeError):
        raise UnknownKey from None
    try:
        return jwt.decode(token, known, algorithms=list(ALGORITHMS)).claims
    except (errors.InvalidKeyIdError, errors.BadSignatureError):
        raise UnknownKey from None
    except errors.UnsupportedAlgorithmError:
        raise refused("alg") from None
    except (errors.JoseError, ValueError, KeyError, TypeError, RecursionError):
        raise refused("format") from None


def checked(
    said: Mapping[str, object], *, issuer: str, client_id: str, nonce: str, now_us: int
) -> Claims:
    """The claims, if the token was made by this provider, for us, for this sign-in, and is fresh.

    Errors: `NotAllowed` ``identity.token_refused`` with the name of the claim that is not as it
    must be; never its value.
    """
    now = now_us // 1_000_000
    if said.get("iss") != issuer:
        raise refused("iss")
    audience = said.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if client_id not in audiences:
        raise refused("aud")
    # A token for several parties must say that it was made for us.
    if said.get("azp", client_id if len(audiences) == 1 else None) != client_id:
        raise refused("azp")
    if _seconds(said, "exp") <= now - SKEW_SECONDS:
        raise refused("exp")
    if _seconds(said, "iat") > now + SKEW_SECONDS:
        raise refused("iat")
    if "nbf" in said and _seconds(said, "nbf") > now + SKEW_SECONDS:
        raise refused("nbf")
    told = said.get("nonce")
    if not isinstance(told, str) or not hmac.compare_digest(told.encode(), nonce.encode()):
        raise refused("nonce")
    subject = said.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_LETTERS_MAX:
        raise refused("sub")
    return Claims(subject, *_profile(said))


def with_profile(claims: Claims, said: Mapping[str, object]) -> Claims:
    """The claims with address and name as the provider's user-info endpoint gives them.

    Errors: `NotAllowed` ``identity.token_refused`` when they are about somebody else. Source:
    OpenID Connect Core 1.0 §5.3.4.
    """
    if said.get("sub") != claims.subject:
        raise refused("sub")
    email, name = _profile(said)
    return Claims(claims.subject, email or claims.email, name or claims.name)


def _profile(said: Mapping[str, object]) -> tuple[str, str]:
    email = said.get("email")
    vouched = said.get("email_verified") is True and isinstance(email, str)
    name = said.get("name") or said.get("preferred_username")
    return str(email) if vouched else "", name if isinstance(name, str) else ""


def _seconds(said: Mapping[str, object], name: str) -> float:
    value = said.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refused(name)
    return value


def refused(problem: str) -> NotAllowed:
    """The error for a token that is not as it must be."""
    return NotAllowed("identity.token_refused", problem=problem)
