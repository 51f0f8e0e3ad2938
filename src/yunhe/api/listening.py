"""The socket the server listens on, and how many files this process may have open."""

from __future__ import annotations

import errno
import ipaddress
import resource
import socket

from yunhe.kernel.errors import Conflict, Invalid, Unavailable

BACKLOG = 4_096
"""Connections the system keeps for us while we accept others."""
FILES_MAX = 65_536
"""Open files asked for; more helps nobody, and some systems allow a billion."""
FILES_RESERVED = 512
"""Files kept for the database, artefacts and callers being turned away."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that accepts connections; port 0 takes a free one.

    Errors: `Conflict` ``api.port_taken``, `Unavailable` ``api.cannot_listen``.
    """
    where = f"{host}:{port}"
    try:
        family, kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # asyncio sets TCP_NODELAY only on sockets that say they are TCP; without it each answer
        # waits 40 ms for the caller's delayed acknowledgement.
        listener = socket.socket(family, kind, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
        except BaseException:
            listener.close()
            raise
    except (OSError, OverflowError, UnicodeError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise Conflict("api.port_taken", where=where, port=port) from error
        raise Unavailable("api.cannot_listen", where=where, why=str(error)) from error
    return listener


def address_of(listener: socket.socket, host: str) -> str:
    """``http://host:port`` with the port it got."""
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{listener.getsockname()[1]}"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches ``host``: a loopback address or ``localhost``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def check_exposure(host: str, *, public_url: str, trusted_proxies: str) -> None:
    """Return only if keys and sessions would not cross a network in clear as far as we can know.

    Errors: `Invalid` ``api.exposed`` for an address others can reach without TLS in front.
    """
    if is_loopback(host) or public_url.startswith("https://") or trusted_proxies.strip():
        return
    raise Invalid("api.exposed", host=host)


def allow_many_files() -> int:
    """Raise this process's limit of open files as far as it may; returns the limit it has."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, FILES_MAX)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
        except (OSError, ValueError):  # forbidden here: the limit stays, the server takes fewer
            pass
    return FILES_MAX if soft == resource.RLIM_INFINITY else soft
