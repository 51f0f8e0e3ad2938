"""Who watches the devices of a site: what its table says of its Prometheus, checked and built.

``[site.watch]`` names the address, ``[site.queries]`` an own query, or a maker, for a chip.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from yunhe.compute.utilisation.prometheus import Prometheus, Source
from yunhe.compute.utilisation.queries import EACH, JOBS, Each, Query, own, shipped
from yunhe.kernel.errors import Finding

if TYPE_CHECKING:
    from yunhe.compute.providers.sites import Site
    from yunhe.compute.providers.staged import Staged
    from yunhe.outbound.client import Outbound

KEYS = ("address", "token_file", "authority_file", "label", "each")
"""What a ``watch`` table may say."""
QUERY_LETTERS_MAX = 2_000
"""Longest query of one's own."""
_FILES = ("token_file", "authority_file")


def faults(name: str, kind: str, table: Mapping[str, object]) -> Iterator[Finding]:
    """What is wrong with the two tables of a site, whose values are texts already."""
    watch = cast("Mapping[str, str]", table.get("watch", {}))
    queries = cast("Mapping[str, str]", table.get("queries", {}))
    chips = cast("Mapping[str, str]", table.get("chips", {}))
    if "watch" in table:
        known = (("known", ", ".join(KEYS)),)
        for key in watch:
            if key not in KEYS:
                yield Finding(f"{name}.watch.{key[:64]}", "compute.site_key", known)
        if not _leads_somewhere(watch.get("address", "")):
            yield Finding(f"{name}.watch.address", "compute.site_watch_address")
        if watch.get("each", "device") not in EACH:
            yield Finding(f"{name}.watch.each", "compute.site_watch_each")
    elif queries:
        yield Finding(f"{name}.watch", "compute.site_needs")
    makers = sorted(vendor for where, vendor in shipped() if where == kind)
    for chip, said in queries.items():
        if chip not in chips or not (said in makers or _query(said)):
            params = (("place", JOBS), ("makers", ", ".join(makers) or "-"))
            yield Finding(f"{name}.queries.{chip[:64]}", "compute.site_query", params)


def _leads_somewhere(address: str) -> bool:
    """Whether something may be put behind it, and it holds no password."""
    try:
        there = urlsplit(address)
        ported = there.port != 0
    except ValueError:
        return False
    usable = there.scheme in ("http", "https") and bool(there.hostname) and ported
    return usable and not (there.query or there.fragment or "@" in there.netloc)


def _query(said: str) -> bool:
    return JOBS in said and len(said) <= QUERY_LETTERS_MAX


def queries_of(site: Site, *, makers: Mapping[str, str]) -> dict[str, Query]:
    """What is asked for each chip of a site; ``makers`` of those that are known."""
    found: dict[str, Query] = {}
    for chip in site.chips:
        said = site.queries.get(chip, makers.get(chip, ""))
        if _query(said):
            each = cast("Each", site.watch.get("each", "device"))
            found[chip] = own(site.kind, said, label=site.watch.get("label", ""), each=each)
        elif (site.kind, said) in shipped():
            found[chip] = shipped()[site.kind, said]
    return found


def watch_for(site: Site, remote: Staged, outbound: Outbound) -> Prometheus:
    """Who asks the Prometheus of a site. Errors: as `kubernetes_access.trusting`."""
    from yunhe.compute.supply.chips import catalogue  # noqa: PLC0415 - pydantic, only here

    files = {key: site.beside / site.watch[key] for key in _FILES if key in site.watch}
    if "authority_file" in files:
        from yunhe.compute.providers.kubernetes_access import trusting  # noqa: PLC0415
        from yunhe.outbound.client import Outbound  # noqa: PLC0415

        outbound = Outbound(outbound.guard, tls=trusting(files["authority_file"]))
    source = Source(
        site.name,
        site.watch["address"],
        namespace=getattr(remote, "namespace", ""),
        token_file=files.get("token_file"),
    )
    return Prometheus(source, queries_of(site, makers=catalogue().vendors()), outbound=outbound)
