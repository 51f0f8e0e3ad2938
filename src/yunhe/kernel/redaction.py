"""Takes out of text what has the shape of a secret, as in errors and traces of any origin.

`yunhe.kernel.masking` is for secrets whose values are known.
"""

from __future__ import annotations

import re

REDACTED = "***"
"""What stands in a secret's place."""

_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = (
    # Keys, sessions and tokens of ours: the id that finds the row stays.
    (re.compile(r"\b([a-z]{2,12}_[0-9a-z]{26})_[0-9A-Za-z_-]{20,}"), rf"\1_{REDACTED}"),
    (re.compile(r"\bwhsec_[A-Za-z0-9+/_-]{8,}=*"), f"whsec_{REDACTED}"),
    (re.compile(r"\beyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]+\.[0-9A-Za-z_-]*"), REDACTED),  # a JWT
    (re.compile(r"(\b[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@'\"]*):[^\s/'\"]*@"), rf"\1:{REDACTED}@"),
    (
        re.compile(
            r"(\bauthorization[\"']?\s*[:=]\s*b?[\"']?(?:[A-Za-z]+\s+)?+)(?!\*\*\*)[^\s\"',;)}]{6,}",
            re.IGNORECASE,
        ),
        rf"\1{REDACTED}",
    ),
    (
        re.compile(r"\b(Bearer|Basic|DPoP)(\s+)(?=\S*[0-9=])[A-Za-z0-9._~+/-]{6,}=*"),
        rf"\1\2{REDACTED}",
    ),
    (
        re.compile(
            r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)",
            re.DOTALL,
        ),
        rf"\1{REDACTED}\2",
    ),
    # name=value, name: value, "name": "value"; a path is where a secret lies, not the secret
    (
        re.compile(
            r"([\w-]*(?:passw(?:or)?d|secret|token|api[_-]?key|secrets_key|access[_-]?key"
            r"|x-amz-signature|code_verifier|csrf)[\w-]*[\"']?\s*[=:]\s*b?[\"']?)"
            r"(?!\s|/|\*\*\*)[^\s\"'&,;)}\]]{4,}",
            re.IGNORECASE,
        ),
        rf"\1{REDACTED}",
    ),
)


def redacted(text: str) -> str:
    """``text`` without the parts that have the shape of a secret.

    Our keys and tokens, secrets of webhooks, web tokens, passwords inside addresses, values of
    Authorization headers, private keys in PEM, and values behind names such as ``password`` or
    ``token``. Cost: eight regular expressions; hand it a line or a trace, not a book.
    """
    for shape, instead in _SHAPES:
        text = shape.sub(instead, text)
    return text
