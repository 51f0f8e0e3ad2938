"""Signatures of webhooks. Pure but for the randomness of a new secret.

Source: Standard Webhooks 1.0: HMAC-SHA-256 over ``<id>.<timestamp>.<body>``, base64, scheme ``v1``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Sequence

SECRET_BYTES = 32
"""Random bytes in a secret; the standard asks for 24 to 64."""
PREFIX = "whsec_"
"""What a secret begins with."""


def new_secret() -> str:
    """A fresh secret, as its receiver is told it."""
    return PREFIX + base64.b64encode(os.urandom(SECRET_BYTES)).decode()


def signature(secret: str, *, message: str, timestamp: int, body: bytes) -> str:
    """``v1,<base64>`` of one message; ``timestamp`` in whole seconds."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{message}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def headers(secrets: Sequence[str], *, message: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers; with several secrets, as while one is being changed, a signature each."""
    signed = [signature(s, message=message, timestamp=timestamp, body=body) for s in secrets]
    return {
        "webhook-id": message,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signed),
    }
