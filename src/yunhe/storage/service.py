"""The three things a command needs from the ground: a database, blobs and a clock."""

from __future__ import annotations

from dataclasses import dataclass

from yunhe.kernel.clock import Clock
from yunhe.storage.blobs import Blobs
from yunhe.storage.database import Database


@dataclass(frozen=True, slots=True)
class Storage:
    """Handed by the composition root to every floor's commands."""

    database: Database
    """Rows: one command is one transaction."""
    blobs: Blobs
    """Artefacts by digest."""
    clock: Clock
    """The only source of time."""
