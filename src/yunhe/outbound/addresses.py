"""Which addresses are public. Pure: tables of blocks in, a decision out.

Source: the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 and its updates) and the
IPv6 Global Unicast registry. Written down here rather than asked of `ipaddress.is_global`, whose
answers changed between patch releases of Python.
"""

from __future__ import annotations

from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
"""An address."""
Network = IPv4Network | IPv6Network
"""A block of addresses."""

_NOT_PUBLIC_V4 = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",  # this network; Linux takes 0.0.0.0 for itself
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT; a cloud's metadata lives here
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # a cloud's control service behind a public-looking address
        "169.254.0.0/16",  # link-local; most clouds' metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; a cloud's metadata
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays, withdrawn
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and the broadcast address
    )
)
_PUBLIC_V6 = IPv6Network("2000::/3")  # the only unicast block given out; all else is refused
_NOT_PUBLIC_V6 = tuple(
    IPv6Network(block)
    for block in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarking
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address in disguise
        "3fff::/20",  # documentation
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: the network translates it to the IPv4 address


def parse(text: str) -> Address | None:
    """The address that ``text`` spells in the usual way; None for a name or any other spelling.

    An IPv6 zone is refused with the rest: it chooses an interface of ours.
    """
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        address = ip_address(bare)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return None
    return address


def plain(address: Address) -> Address:
    """The IPv4 address behind an IPv4-mapped one (``::ffff:0:0/96``); any other as it is."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def is_public(address: Address) -> bool:
    """Whether it belongs to the public internet: neither private, local, special nor reserved.

    What carries an IPv4 address inside counts as that address where the network would translate it
    (mapped, NAT64), and is refused where it would be tunnelled (6to4, Teredo, IPv4-compatible).
    """
    address = plain(address)
    if isinstance(address, IPv6Address) and address in _NAT64:
        address = IPv4Address(int(address) & 0xFFFF_FFFF)
    if isinstance(address, IPv4Address):
        return not any(address in block for block in _NOT_PUBLIC_V4)
    return address in _PUBLIC_V6 and not any(address in block for block in _NOT_PUBLIC_V6)


def parse_network(text: str) -> Network | None:
    """The block ``text`` spells, host bits included; None when it spells none."""
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None
