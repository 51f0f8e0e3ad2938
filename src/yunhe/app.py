"""The composition root: the only place that builds stores, providers and services from settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from yunhe.kernel.clock import SystemClock
from yunhe.settings import Settings
from yunhe.storage.blobs import LocalBlobs, explain_os_error
from yunhe.storage.database import Database
from yunhe.storage.service import Storage
from yunhe.storage.upgrade import upgrade


@dataclass(frozen=True, slots=True)
class Platform:
    """Everything a door needs, built for one home folder."""

    settings: Settings
    """What the operator chose."""
    storage: Storage
    """Rows, artefacts and time."""


@contextmanager
def open_platform(settings: Settings) -> Iterator[Platform]:
    """The platform of a home folder, made ready (and its schema brought up to date) if needed.

    Errors: `Unavailable` ``storage.read_only`` and its kin when the folder cannot be used.
    """
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain_os_error(error, settings.home) from error
    if settings.database_url:
        database = Database(settings.database_url)
    else:
        database = Database.at(settings.database_path())
    try:
        upgrade(database)
        storage = Storage(database, LocalBlobs(settings.home / "blobs"), SystemClock())
        yield Platform(settings, storage)
    finally:
        database.close()
