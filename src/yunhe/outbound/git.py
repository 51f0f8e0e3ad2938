"""Makes git talk to a guarded address only: git connects by itself, so it is told where to."""

from __future__ import annotations

from dataclasses import dataclass

from yunhe.outbound.addresses import parse
from yunhe.outbound.guard import SCHEMES, Guard

PROTOCOLS = "file:http:https:ssh"
"""What git may use; ``ext`` would run a command that the address names."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """How to call git for one remote."""

    remote: str
    """The address to give it."""
    options: tuple[str, ...]
    """Options before the command."""
    environment: tuple[tuple[str, str], ...]
    """Variables to set."""


def pin(guard: Guard, remote: str) -> Pinned:
    """How to reach ``remote``: over HTTP at the addresses decided on now, and by no redirect.

    A folder or an ssh address stays as it is: no user names those. Errors: `Guard.check`.
    """
    environment = (("GIT_ALLOW_PROTOCOL", PROTOCOLS),)
    if remote.partition("://")[0].lower() not in SCHEMES:
        return Pinned(remote, (), environment)
    target = guard.check(remote)
    options = [
        *("-c", "http.followRedirects=false"),
        *("-c", "http.proxy="),  # one from the environment would connect in our place
        *("-c", "http.lowSpeedLimit=100", "-c", "http.lowSpeedTime=20"),
    ]
    if parse(target.host) is None:
        addresses = ",".join(f"[{a}]" if ":" in a else a for a in target.addresses)
        options += ["-c", f"http.curloptResolve={target.host}:{target.port}:{addresses}"]
    return Pinned(target.url, tuple(options), environment)
