"""Runs a job again and again, each time in a process that dies at another point.

``INPUT FOLDER POINT…``: for every point ``FOLDER/POINT/OUT.work`` is left as the dead left it. A
point is how many times bytes were put on the disk before; the processes are forked from one that
has imported everything, which costs seconds, and started no thread.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pyarrow as pa
from corpus_engine_desk import job

from yunhe.corpus import engine, naming
from yunhe.corpus.kernels.keys import name_hashes
from yunhe.corpus.readers.blocks import blocks
from yunhe.corpus.running import folder, intake, parts
from yunhe.kernel.progress import Silent


def shrink() -> None:
    """Many small units of one block each."""
    intake.UNIT_BYTES = 1
    blocks.__kwdefaults__ = {"block_bytes": 2_000, "line_bytes_max": 1 << 20}


def dying_at(point: int) -> None:
    """Die in place of putting the next file on the disk."""
    left, sync = [point], folder.sync

    def deadly(path: Path) -> None:
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        sync(path)

    folder.sync = parts.sync = deadly


def main() -> None:
    source, where = Path(sys.argv[1]), Path(sys.argv[2])
    shrink()
    name_hashes(pa.array(["compiled before anybody dies"]))
    naming.personal(pa.array(["so are these"]))
    for point in sys.argv[3:]:
        child = os.fork()
        if not child:
            dying_at(int(point))
            engine.run(job(where / point, source), progress=Silent())
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status)
        assert os.WTERMSIG(status) == signal.SIGKILL


if __name__ == "__main__":
    main()
