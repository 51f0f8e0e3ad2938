"""A worker in a process of its own, on a home folder; SIGTERM stops it as the real one is stopped.

Arguments: home, which handlers (``hold``: one that never ends; ``real``: those of the platform;
``trial``: none, but the trial program), address of the database (empty: in the home).
Prints ``ready``, and ``begun`` when the held handler begins; ``stopped`` at the end.
"""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

from yunhe.app import open_platform
from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT
from yunhe.compute.providers.local import LocalProvider
from yunhe.operations.registry import HANDLERS
from yunhe.operations.worker import Worker
from yunhe.settings import Settings


def tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def hold(platform, task, *, progress, halt):
    tell("begun")
    step = 0
    while True:
        step += 1
        threading.Event().wait(0.01)
        progress.step("holding", done=step)


def main() -> int:
    home, which, address = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    with open_platform(Settings(home=home, database_url=address)) as platform:
        provider = None
        if which == "trial":
            provider = LocalProvider(home / "work", {TRIAL: TRIAL_ENTRY_POINT})
        handlers = HANDLERS if which == "real" else {"a": hold}
        worker = Worker(platform, handlers=handlers, duties=(), provider=provider)
        tell("ready")
        worker.start()
        told.wait()
        ended = worker.stop(20)
    tell("stopped")
    return 0 if ended else 1


sys.exit(main())
