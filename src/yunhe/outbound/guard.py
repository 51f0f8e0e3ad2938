"""Decides which addresses a user may make this platform talk to."""

from __future__ import annotations

import queue
import re
import socket
import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from dataclasses import dataclass

from yunhe.kernel.errors import Finding, Invalid, NotAllowed, Unavailable
from yunhe.outbound.addresses import Address, is_public, parse, parse_network, plain

URL_LETTERS_MAX = 2_000
"""Longest address of a resource."""
RESOLVE_SECONDS_MAX = 10
"""Longest wait for a name server."""
RESOLVING_MAX = 64
"""Name look-ups under way at once in this process; one that hangs occupies its place until then."""
SCHEMES = {"http": 80, "https": 443}
"""What is spoken, with the usual ports."""
PORTS_REFUSED = frozenset(
    {1433, 1521, 1719, 1720, 1723, 2049, 3306, 3659, 4045, 4190, 5060, 5061, 5432, 6000, 6379}
    | {6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080, 11211, 27017}
)
"""Ports above 1023 where other protocols listen, which take commands hidden in a request.

Source: the bad ports of the WHATWG Fetch standard, and the usual ports of databases. Below 1024
only 80 and 443 are used.
"""

Resolver = Callable[[str, int], Sequence[str]]
"""The addresses of a name, as text, in order of preference; raises ``OSError`` for none."""

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
# What a C library would read as a number: 2130706433, 0x7f.1, 0177.0.0.1, 127.1
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+", re.ASCII)
_resolving = threading.BoundedSemaphore(RESOLVING_MAX)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes, decided once."""

    scheme: str
    """``http`` or ``https``."""
    host: str
    """Lower-case ASCII name without a final dot, or an address in its usual spelling."""
    port: int
    """1 to 65535."""
    path: str
    """Path and query, percent-encoded."""
    addresses: tuple[str, ...] = ()
    """What the name resolves to, every one allowed; empty before it was resolved."""

    @property
    def origin(self) -> str:
        """Scheme, host and port in one spelling."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = SCHEMES[self.scheme] == self.port
        return f"{self.scheme}://{host}" if usual else f"{self.scheme}://{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole address in one spelling, without fragment."""
        return self.origin + self.path


def system_resolver(host: str, port: int) -> list[str]:
    """What this machine's own configuration says."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [str(entry[4][0]) for entry in found]


class Guard:
    """Lets through what is public, and what the operator allowed besides.

    A name is refused whole when one of its addresses is not allowed: a name with a public and a
    private address is either an attack or a mistake, and trying only the good one hides both.
    """

    def __init__(
        self,
        allow: Sequence[str] = (),
        *,
        own_names: Collection[str] = (),
        resolver: Resolver = system_resolver,
    ) -> None:
        """``allow``: networks (``10.1.0.0/16``), addresses, or ``host:port``.

        ``own_names`` are this platform's own, which nobody may have it call unless allowed. Errors:
        `Invalid` ``outbound.allow_invalid`` with a finding for each entry that is neither.
        """
        self._own_names = frozenset(name.lower().rstrip(".") for name in own_names if name)
        self._resolver = resolver
        self._networks = []
        self._places: set[tuple[str, int]] = set()
        findings = []
        for entry in filter(None, (item.strip() for item in allow)):
            network, place = parse_network(entry), _place(entry)
            if network is not None:
                self._networks.append(network)
            elif place is not None:
                self._places.add(place)
            else:
                what = (("entry", ascii(entry)[1:80]),)
                findings.append(Finding("outbound_allow", "outbound.allow_entry", what))
        if findings:
            raise Invalid("outbound.allow_invalid", findings=findings)

    def examine(self, url: str) -> Target:
        """What can be decided without asking a name server: form, scheme, port, literal address.

        Errors: `Invalid` ``outbound.url_invalid`` for the form, the scheme, a password and the
        port; `NotAllowed` ``outbound.refused`` for whose address it is; both with the reason as
        finding. Neither repeats the address, which may hold a token.
        """
        target = _read(url)
        if (target.host, target.port) in self._places:
            return target
        literal = parse(target.host)
        if literal is not None:
            self._require([literal], target.host, target.port)
        elif target.host in self._own_names:
            raise _refused("outbound.own_host", target.host)
        if (target.port < 1024 and target.port not in SCHEMES.values()) or (
            target.port in PORTS_REFUSED
        ):
            raise _unusable("outbound.port", port=target.port)
        return target

    def check(self, url: str, *, seconds: float = RESOLVE_SECONDS_MAX) -> Target:
        """Decide about ``url`` and resolve its name, once.

        Connect to the addresses in the answer and to no other: asking again may bring another
        answer. Errors: those of `examine` and `resolve`.
        """
        target = self.examine(url)
        addresses = self.resolve(target.host, target.port, seconds=seconds)
        return Target(target.scheme, target.host, target.port, target.path, addresses)

    def resolve(self, host: str, port: int, *, seconds: float) -> tuple[str, ...]:
        """The addresses of a host, every one allowed.

        Errors: `NotAllowed` ``outbound.refused``; `Unavailable` ``outbound.unresolved``.
        """
        host = host.lower().rstrip(".")
        literal = parse(host)
        if literal is not None:
            found: list[Address] = [literal]
        else:
            texts = dict.fromkeys(_bounded(self._resolver, host, port, seconds=seconds))
            read = [parse(text) for text in texts]
            if None in read:
                raise _refused("outbound.not_public", host)
            found = [address for address in read if address is not None]
        if not found:
            raise Unavailable("outbound.unresolved", host=host, retryable=True)
        self._require(found, host, port)
        return tuple(str(plain(address)) for address in found)

    def _require(self, found: Sequence[Address], host: str, port: int) -> None:
        """Every one allowed, or a refusal that does not tell what a private name resolves to."""
        if (host, port) in self._places:
            return
        for address in map(plain, found):
            if any(address in network for network in self._networks):
                continue
            if not is_public(address):
                raise _refused("outbound.not_public", host)
            if is_own(address):
                raise _refused("outbound.own_host", host)


def is_own(address: Address) -> bool:
    """Whether the address is this machine's: then the system would send from it to itself.

    Cost: one socket; nothing is sent, as a datagram socket only looks up the route.
    """
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with closing(socket.socket(family, socket.SOCK_DGRAM)) as probe:
            probe.connect((str(address), 9))
            return parse(str(probe.getsockname()[0])) == address
    except OSError:  # no route there: then not ours
        return False


def _read(url: str) -> Target:
    import httpx  # noqa: PLC0415 - a quarter of a second that most commands do not need

    if len(url) > URL_LETTERS_MAX:
        raise Invalid("outbound.url_invalid", findings=[Finding("url", "outbound.url_long")])
    malformed = Invalid("outbound.url_invalid", findings=[Finding("url", "outbound.url_form")])
    # A backslash is a slash to some readers and not to others.
    if "://" not in url or "\\" in url:
        raise malformed
    try:
        parsed = httpx.URL(url)
        said = parsed.raw_host.decode("ascii").lower()
        path = parsed.raw_path.decode("ascii")
    except (httpx.InvalidURL, ValueError):
        raise malformed from None
    if parsed.scheme not in SCHEMES:
        raise _unusable("outbound.scheme")
    if "@" in url.split("://", 1)[1].split("/", 1)[0]:
        raise _unusable("outbound.userinfo")
    host = _host(said)
    port = SCHEMES[parsed.scheme] if parsed.port is None else parsed.port
    if not host or not 0 < port < 65_536:
        raise malformed
    return Target(parsed.scheme, host, port, path)


def _host(said: str) -> str:
    """The host in one spelling; empty when it has no acceptable one."""
    address = parse(said)
    if address is not None:
        return str(plain(address))
    host = said.removesuffix(".")
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        return ""
    # An address in any other spelling than the usual one is meant to slip past somebody.
    return "" if _NUMBER.fullmatch(labels[-1]) else host


def _place(entry: str) -> tuple[str, int] | None:
    host, _, port = entry.rpartition(":")
    host = _host(host.lower())
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        return None
    return host, int(port)


def _unusable(reason: str, **params: int) -> Invalid:
    """What no address of that form is good for, whoever's it is."""
    return Invalid("outbound.url_invalid", findings=[Finding("url", reason, (*params.items(),))])


def _refused(reason: str, host: str) -> NotAllowed:
    """The refusal of an address that the operator could allow."""
    shown = host[:253] or "?"
    finding = Finding("url", reason, (("host", shown),))
    return NotAllowed("outbound.refused", findings=[finding], host=shown)


def _bounded(resolver: Resolver, host: str, port: int, *, seconds: float) -> Sequence[str]:
    """Ask a resolver that has no time limit of its own, and wait no longer than ``seconds``."""
    answer: queue.SimpleQueue[Sequence[str] | None] = queue.SimpleQueue()
    gone = Unavailable("outbound.unresolved", host=host, retryable=True)
    if not _resolving.acquire(timeout=max(0.0, seconds)):
        raise gone

    def ask() -> None:
        try:
            answer.put(resolver(host, port))
        except (OSError, UnicodeError):
            answer.put(None)
        finally:
            _resolving.release()

    threading.Thread(target=ask, name="resolve", daemon=True).start()
    try:
        found = answer.get(timeout=max(0.01, seconds))
    except queue.Empty:
        raise gone from None
    if not found:
        raise gone
    return found
