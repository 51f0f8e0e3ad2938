"""Cleanses in a process of its own that dies at a point: ``HOME DATABASE INPUT POINT``."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

from yunhe.corpus import service
from yunhe.corpus.domain import CleanseRequest, Columns
from yunhe.custody import service as custody
from yunhe.kernel.clock import SystemClock
from yunhe.kernel.progress import Silent
from yunhe.storage.blobs import Blob, LocalBlobs
from yunhe.storage.database import Database
from yunhe.storage.service import Storage


def die() -> None:
    """As ``kill -9`` does."""
    os.kill(os.getpid(), signal.SIGKILL)


class Deadly(LocalBlobs):
    """Kills the process in place of storing one blob."""

    def __init__(self, root: Path, point: int) -> None:
        super().__init__(root)
        self._left = point

    def put(self, data: bytes) -> Blob:
        self._count()
        return super().put(data)

    def put_file(self, path: Path) -> Blob:
        self._count()
        return super().put_file(path)

    def _count(self) -> None:
        if not self._left:
            die()
        self._left -= 1


def main() -> None:
    home, url, tickets, point = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
    storage = Storage(Database(url), Deadly(home / "blobs", point), SystemClock())
    append, left = custody.append, [point - 5]

    def deadly_append(tx: object, record: object) -> str:
        if not left[0]:
            die()
        left[0] -= 1
        return append(tx, record)  # type: ignore[arg-type]

    custody.append = deadly_append  # type: ignore[assignment]
    request = CleanseRequest(
        key="run-1",
        path=tickets,
        name="tickets",
        holder="org_hotline",
        licence="CC-BY-4.0",
        synthetic=True,
        columns=Columns("text", "label", "id"),
        profile=service.load_profile(),
    )
    service.cleanse(storage, replace(request, threads=2), progress=Silent())


if __name__ == "__main__":
    main()
