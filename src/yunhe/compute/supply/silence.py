"""What the platform says when it closes or opens a pool after its site, and what of it waits."""

from __future__ import annotations

from yunhe.compute.domain import Pool
from yunhe.compute.reasons import Why
from yunhe.kernel.language import text

SILENT_SECONDS = 300
"""A site that could not be reached for so long is out of order."""


def said(code: str, **params: str | int) -> str:
    """The reason in both languages: it is kept as people read it."""
    return " · ".join(text(code, each, **params) for each in ("en", "zh"))


def silent(site: str) -> str:
    """That a site could not be reached."""
    return said("compute.follow_silent", site=site, minutes=SILENT_SECONDS // 60)


def absent(site: str) -> str:
    """That no agent fetched its work."""
    return said("compute.follow_absent", site=site)


def without(site: str, chip: str) -> str:
    """That it has no such device in order."""
    return said("compute.follow_none", site=site, chip=chip)


def unnamed(site: str) -> str:
    """That no worker names it."""
    return said("compute.follow_unnamed", site=site)


def waiting_for(pool: Pool, reason: str) -> Why | None:
    """Why work waits for a pool that was closed for such a reason; None for another."""
    params = ("pool", pool.id), ("site", pool.adapter)
    if reason in (silent(pool.adapter), absent(pool.adapter)):
        return Why("compute.waiting_silent", params)
    if reason == unnamed(pool.adapter):
        return Why("compute.waiting_unnamed", params)
    if reason == without(pool.adapter, pool.chip):
        return Why("compute.waiting_site_none", (*params, ("chip", pool.chip)))
    return None
