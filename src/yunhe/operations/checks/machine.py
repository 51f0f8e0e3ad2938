"""What this machine offers: isolation, open files, the packages that settings ask for."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from importlib.util import find_spec

from yunhe.operations.checks.findings import Found, Subject, failed, fine, warning
from yunhe.settings import Settings

FILES_WANTED = 4_096
"""Open files below which a busy server turns callers away early."""


def isolation(subject: Subject) -> Iterator[Found]:
    """Workloads run in a sandbox, or only approved ones run."""
    kind = subject.platform.equipment().provider.isolation
    wanted = subject.settings.isolation
    if wanted == "approved":
        yield fine("operations.doctor.isolation_approved")
    elif kind == "bubblewrap":
        yield fine("operations.doctor.isolation_fine")
    elif wanted == "bubblewrap":
        yield failed("operations.doctor.isolation_missing")
    else:
        yield warning("operations.doctor.isolation_missing")


def files(_: Subject) -> Iterator[Found]:
    """Enough files may be open for many connections."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES_WANTED:
        yield warning("operations.doctor.files_few", most=hard, wanted=FILES_WANTED)
    else:
        most = "-" if hard == resource.RLIM_INFINITY else hard
        yield fine("operations.doctor.files_fine", most=most)


def extras(subject: Subject) -> Iterator[Found]:
    """The packages that the settings ask for are installed."""
    wanted = list(_wanted(subject.settings))
    for setting, extra, module in wanted:
        if find_spec(module) is None:
            params = {"setting": setting, "extra": extra}
            yield failed("operations.doctor.extra_missing", **params)
    if all(find_spec(module) is not None for *_, module in wanted):
        yield fine("operations.doctor.extras_fine")


def _wanted(settings: Settings) -> Iterator[tuple[str, str, str]]:
    if settings.database_url.startswith("postgres"):
        yield "YUNHE_DATABASE_URL", "postgresql", "psycopg"
    if settings.blobs.startswith("s3://"):
        yield "YUNHE_BLOBS", "s3", "obstore"
    if settings.otlp_endpoint:
        yield "YUNHE_OTLP_ENDPOINT", "otel", "opentelemetry"


CHECKS = {"isolation": isolation, "files": files, "extras": extras}
"""By the name each has in the answer."""
