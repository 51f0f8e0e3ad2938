"""Serves a platform in a process of its own: ``python serving_process.py HOME DATABASE NOW_US``."""

from __future__ import annotations

import sys
from pathlib import Path

from yunhe.kernel.clock import ManualClock
from yunhe.models import serve
from yunhe.storage.blobs import LocalBlobs
from yunhe.storage.database import Database
from yunhe.storage.service import Storage


def main() -> None:
    home, database, now_us = Path(sys.argv[1]), Database(sys.argv[2]), int(sys.argv[3])
    storage = Storage(database, LocalBlobs(home / "blobs"), ManualClock(now_us))
    serve.run(storage, ready=say)
    say("ended")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
