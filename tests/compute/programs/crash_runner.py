"""A runner in a process of its own, which can be told at which commit to die.

Arguments: home folder, time, isolation, workload, and optionally ``before`` or ``after`` with the
number of the write transaction whose commit it does not survive.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from yunhe.compute import service as compute
from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT
from yunhe.compute.providers.local import LocalProvider
from yunhe.custody import store as custody_store
from yunhe.kernel.clock import ManualClock
from yunhe.storage.blobs import LocalBlobs
from yunhe.storage.database import Database, Transaction
from yunhe.storage.service import Storage

assert custody_store
HOME, NOW_US, ISOLATION, WORKLOAD = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
WHEN, NUMBER = (sys.argv[5], int(sys.argv[6])) if len(sys.argv) > 5 else ("never", 0)


class Mortal(Database):
    """Dies with SIGKILL right before or right after the commit it was told."""

    begun = 0

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        with super().begin() as tx:
            yield tx
            self.begun += 1
            self._die("before")
        self._die("after")

    def _die(self, when: str) -> None:
        if (when, self.begun) == (WHEN, NUMBER):
            os.kill(os.getpid(), signal.SIGKILL)


def tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class Told:
    """Tells the test how far the job is."""

    def step(self, what: str, *, done: int, total: int | None = None) -> None:
        tell(f"step {what}")


storage = Storage(Mortal.at(HOME / "yunhe.db"), LocalBlobs(HOME / "blobs"), ManualClock(NOW_US))
provider = LocalProvider(HOME / "work", {TRIAL: TRIAL_ENTRY_POINT}, isolation=ISOLATION)
tell("ready")
sys.stdin.readline()
done = compute.run_next(storage, provider, workload=WORKLOAD, progress=Told())
tell("end none" if done is None else f"end {done.state}")
