"""`yunhe` with a kind of operation that goes on until it is let go: ``held_process.py ARGUMENTS``.

The operation writes ``held-<attempt>`` into the folder named by HELD, and ends when ``free`` lies
there.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from yunhe.cli.main import main
from yunhe.operations import registry

FOLDER = Path(os.environ["HELD"])


def held(platform, task, *, progress, halt):
    attempt = len(list(FOLDER.glob("held-*"))) + 1
    (FOLDER / f"held-{attempt}").touch()
    step = 0
    while not (FOLDER / "free").exists():
        step += 1
        progress.step("holding", done=step)
        time.sleep(0.01)
    return {"attempt": attempt}


if __name__ == "__main__":
    registry.HANDLERS["held"] = held
    main(sys.argv[1:])
