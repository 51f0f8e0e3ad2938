"""Addresses: of a server, which may get a key, and of things on it."""

from __future__ import annotations

from urllib.parse import SplitResult, quote, urlsplit

from yunhe.kernel.errors import Invalid, NotFound

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
"""Names of this machine."""


def checked(server: str) -> SplitResult:
    """The parts of a server's address to which a key may be sent.

    Errors: `Invalid` ``client.address_invalid``; ``client.address_open`` for plain http beyond this
    machine, where anybody on the way could read the key.
    """
    try:
        parts = urlsplit(server)
        port = parts.port
    except ValueError:
        raise Invalid("client.address_invalid", server=server[:200]) from None
    known = parts.scheme in ("http", "https") and parts.hostname and port != 0
    if not known or "@" in parts.netloc or parts.query or parts.fragment:
        named = parts.hostname if "@" in parts.netloc else server
        raise Invalid("client.address_invalid", server=str(named)[:200])
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise Invalid("client.address_open", host=str(parts.hostname))
    return parts


def at(template: str, **ids: str) -> str:
    """The address of a thing, its ids filled in so that none can lead to another address.

    Errors: `NotFound` ``client.id_impossible`` for what is no id of anything.
    """
    for value in ids.values():
        if value in ("", ".", "..") or "/" in value:
            raise NotFound("client.id_impossible", id=value[:100])
    return template.format(**{name: quote(value, safe=":") for name, value in ids.items()})
