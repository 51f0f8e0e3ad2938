"""The database and the artefacts."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from yunhe.kernel.errors import YunheError
from yunhe.operations import artefacts
from yunhe.operations.checks.findings import (
    Found,
    Subject,
    failed,
    fine,
    of_error,
    skipped,
    warning,
)
from yunhe.storage import upgrade

SAMPLE_COUNT = 20
"""Artefacts that are read in full, unless the check is deep."""
SAMPLE_SECONDS = 10.0
"""After so long a check that is not deep reads no further artefact."""
NAMES_MAX = 10_000
"""Artefacts that are looked for, unless the check is deep."""
TOLD_MAX = 5
"""Artefacts that are told of one by one."""


def database(subject: Subject) -> Iterator[Found]:
    """It answers, and its tables are those of this version."""
    if subject.embedded_missing():
        where = str(subject.settings.database_path())
        yield failed("operations.doctor.database_missing", where=where)
        return
    place = subject.platform.storage.database
    found = upgrade.revision(place)
    if found == upgrade.HEAD:
        yield fine("operations.doctor.database_fine", where=place.where, found=found)
    elif found == upgrade.RESTORING:
        yield failed("storage.restoring", where=place.where)
    elif found is not None and found > upgrade.HEAD:
        yield failed("storage.newer", where=place.where, found=found, known=upgrade.HEAD)
    else:
        params = {"found": found or "-", "known": upgrade.HEAD}
        yield warning("operations.not_migrated", where=place.where, **params)


def blobs(subject: Subject) -> Iterator[Found]:
    """The place of the artefacts can be used."""
    subject.platform.storage.blobs.probe()
    where = subject.settings.blobs or str(subject.settings.home / "blobs")
    yield fine("operations.doctor.blobs_fine", where=where)


def digests(subject: Subject) -> Iterator[Found]:
    """Artefacts still have the bytes their names stand for."""
    place = subject.platform.storage.blobs
    place.probe()
    read, damaged, started = 0, 0, time.monotonic()
    with TemporaryDirectory(prefix="yunhe-doctor-") as folder:
        found = place.digests()
        for digest in found if subject.deep else itertools.islice(found, SAMPLE_COUNT):
            if not subject.deep and time.monotonic() - started > SAMPLE_SECONDS:
                break
            try:
                place.fetch(digest, Path(folder) / "artefact").unlink()
                read += 1
            except YunheError as error:
                damaged += 1
                if damaged <= TOLD_MAX:
                    yield of_error(error)
    if not read and not damaged:
        yield skipped("operations.doctor.no_artefacts")
    elif not damaged:
        yield fine("operations.doctor.digests_fine", count=read)


def lost(subject: Subject) -> Iterator[Found]:
    """Artefacts that rows name are there, unless they were erased on request."""
    storage = subject.tables().storage
    storage.blobs.probe()
    with storage.database.read() as tx:
        names = artefacts.named(tx, limit=None if subject.deep else NAMES_MAX)
    looked, missing, started = 0, 0, time.monotonic()
    for digest in names:
        if not subject.deep and time.monotonic() - started > SAMPLE_SECONDS:
            break
        looked += 1
        if not storage.blobs.exists(digest):
            missing += 1
            if missing <= TOLD_MAX:
                yield failed("storage.blob_missing", digest=digest)
    if missing > TOLD_MAX:
        yield failed("operations.doctor.artefacts_lost", lost=missing, count=looked)
    elif not looked:
        yield skipped("operations.doctor.no_artefacts")
    elif not missing:
        yield fine("operations.doctor.named_fine", count=looked)


CHECKS = {"database": database, "blobs": blobs, "digests": digests, "lost": lost}
"""By the name each has in the answer."""
