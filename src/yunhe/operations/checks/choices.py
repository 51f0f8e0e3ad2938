"""Settings that contradict each other, or miss their other half."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from yunhe.app import guard
from yunhe.compute import service as compute
from yunhe.kernel.errors import YunheError
from yunhe.operations.checks.findings import (
    Found,
    Subject,
    failed,
    fine,
    of_error,
    private,
    skipped,
    warning,
)

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def address(subject: Subject) -> Iterator[Found]:
    """Where the server listens fits where people are told to find it."""
    settings = subject.settings
    public = urlsplit(settings.public_url)
    near = settings.host in _LOOPBACK
    told = False
    if public.scheme == "http" and public.hostname not in _LOOPBACK:
        told = True
        yield failed("operations.doctor.public_in_clear", public=settings.public_url)
    if not near and public.scheme != "https" and not settings.trusted_proxies:
        told = True
        yield failed("operations.doctor.exposed", host=settings.host)
    if public.scheme == "https" and not settings.trusted_proxies:
        told = True
        yield warning("operations.doctor.proxies_unnamed")
    if not told:
        where = settings.public_url or f"http://{settings.host}:{settings.port}"
        yield fine("operations.doctor.address_fine", where=where)


def sign_in(subject: Subject) -> Iterator[Found]:
    """Sign-in by browser has all that it needs."""
    settings = subject.settings
    if not settings.oidc_issuer and not settings.oidc_client_id:
        yield skipped("operations.doctor.sign_in_off")
        return
    told = False
    halves = (
        ("YUNHE_OIDC_ISSUER", settings.oidc_issuer),
        ("YUNHE_OIDC_CLIENT_ID", settings.oidc_client_id),
        ("YUNHE_PUBLIC_URL", settings.public_url),
    )
    for name, value in halves:
        if not value:
            told = True
            yield failed("operations.doctor.sign_in_half", missing=name)
    issuer = urlsplit(settings.oidc_issuer)
    if issuer.scheme == "http" and issuer.hostname not in _LOOPBACK:
        told = True
        yield failed("operations.doctor.issuer_in_clear", issuer=settings.oidc_issuer)
    for found in _secret_file("YUNHE_OIDC_CLIENT_SECRET_FILE", settings.oidc_client_secret_file):
        told = True
        yield found
    if not told:
        yield fine("operations.doctor.sign_in_fine", issuer=settings.oidc_issuer)


def mail(subject: Subject) -> Iterator[Found]:
    """E-mail has a server and a sender."""
    settings = subject.settings
    if not settings.smtp_url and not settings.mail_from:
        yield skipped("operations.doctor.mail_off")
        return
    told = False
    for name, value in (
        ("YUNHE_SMTP_URL", settings.smtp_url),
        ("YUNHE_MAIL_FROM", settings.mail_from),
    ):
        if not value:
            told = True
            yield failed("operations.doctor.mail_half", missing=name)
    if urlsplit(settings.smtp_url).password is not None:
        told = True
        yield warning("operations.doctor.mail_password_in_address")
    for found in _secret_file("YUNHE_SMTP_PASSWORD_FILE", settings.smtp_password_file):
        told = True
        yield found
    if not told:
        yield fine("operations.doctor.mail_fine")


def outbound(subject: Subject) -> Iterator[Found]:
    """The private addresses that users may reach are written properly."""
    try:
        guard(subject.settings)
    except YunheError as error:
        yield of_error(error)
        return
    yield fine("operations.doctor.outbound_fine")


def programmes(subject: Subject) -> Iterator[Found]:
    """The operator's own rule files can be used, and none that is needed is gone."""
    folder = subject.settings.programmes_folder
    there = set() if folder is None else set(compute.applications.read_folder(folder))
    there |= {each.id for each in compute.applications.shipped_ones()}
    with subject.tables().storage.database.read() as tx:
        gone = sorted(compute.applications.in_use(tx) - there)
    if gone:
        yield warning("operations.doctor.programmes_gone", programmes=", ".join(gone))
    else:
        yield fine("operations.doctor.programmes_fine", count=len(there))


def sites(subject: Subject) -> Iterator[Found]:
    """Every pool and every job at a site has somebody who looks after it."""
    platform = subject.tables()
    sites = platform.sites()
    named = {*compute.OWN, *(site.adapter for site in sites)}
    with platform.storage.database.read() as tx:
        pools = compute.pools(tx)
        jobs = compute.remote.left_open(tx)
        views = [compute.remote.site(tx, site.adapter) for site in sites]
    for view in views:
        if view is not None and view.watch_error:
            yield warning(view.watch_error.code, **dict(view.watch_error.params))
    lost = sorted((jobs.keys() | {each.pool.adapter for each in pools}) - named)
    for name in lost:
        count = sum(each.pool.adapter == name for each in pools)
        said = warning if not jobs.get(name) else failed
        yield said("operations.doctor.site_gone", site=name, jobs=jobs.get(name, 0), pools=count)
    if not lost:
        yield fine("operations.doctor.sites_fine", count=len(sites))


def pools(subject: Subject) -> Iterator[Found]:
    """No pool of this machine offers what is not in it; own chips and classes can be read."""
    file = subject.settings.chips_file
    if subject.settings.chip_classes_file is not None:
        compute.classes.read_own(subject.settings.chip_classes_file)
    known = compute.supply.catalogue() if file is None else compute.supply.read_own(file)
    with subject.tables().storage.database.read() as tx:
        found = [each.pool for each in compute.pools(tx)]
        own = compute.supply.sold_here(tx)
    told = False
    for pool in own:
        for fault in compute.chip_faults(
            pool.chip, pool.devices, adapter=pool.adapter, makers=known.vendors()
        ):
            told = True
            params = dict(fault.params)
            yield warning("operations.doctor.pool_not_here", pool=pool.id, **params)
    count = sum(pool.adapter == compute.DEMONSTRATION for pool in found)
    if not told:
        yield fine("operations.doctor.pools_fine", count=len(own), demonstrations=count)


def secrets_file(subject: Subject) -> Iterator[Found]:
    """A file named for the secrets' key is there and private."""
    found = list(_secret_file("YUNHE_SECRETS_KEY_FILE", subject.settings.secrets_key_file))
    yield from found or [fine("operations.doctor.secrets_file_fine")]


def _secret_file(setting: str, path: Path | None) -> Iterator[Found]:
    if path is None:
        return
    try:
        if not path.read_bytes().strip():
            yield failed("operations.doctor.secret_file_empty", setting=setting, where=str(path))
        elif not private(path):
            yield warning("operations.doctor.secret_file_open", setting=setting, where=str(path))
    except OSError as error:
        params = {"where": str(path), "why": error.strerror or "?"}
        yield failed("operations.doctor.secret_file_unreadable", setting=setting, **params)


CHECKS = {
    "address": address,
    "sign_in": sign_in,
    "mail": mail,
    "outbound": outbound,
    "programmes": programmes,
    "sites": sites,
    "pools": pools,
    "secrets_file": secrets_file,
}
"""By the name each has in the answer."""
