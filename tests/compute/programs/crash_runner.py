"""A runner in a process of its own, which can be told at which commit to die.

Arguments: home folder, address of the database, time, isolation, workload, and optionally
``before`` or ``after`` with the number of the write transaction whose commit it does not survive.
"""

import sys
from pathlib import Path

from mortal import Mortal

from yunhe.compute import service as compute
from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT
from yunhe.compute.providers.local import LocalProvider
from yunhe.custody import store as custody_store
from yunhe.kernel.clock import ManualClock
from yunhe.storage.blobs import LocalBlobs
from yunhe.storage.service import Storage

assert custody_store
HOME, URL, NOW_US, ISOLATION, WORKLOAD = (
    Path(sys.argv[1]),
    sys.argv[2],
    int(sys.argv[3]),
    sys.argv[4],
    sys.argv[5],
)
WHEN, NUMBER = (sys.argv[6], int(sys.argv[7])) if len(sys.argv) > 6 else ("never", 0)


def tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class Told:
    """Tells the test how far the job is."""

    def step(self, what: str, *, done: int, total: int | None = None) -> None:
        tell(f"step {what}")


storage = Storage(Mortal(URL, WHEN, NUMBER), LocalBlobs(HOME / "blobs"), ManualClock(NOW_US))
provider = LocalProvider(HOME / "work", {TRIAL: TRIAL_ENTRY_POINT}, isolation=ISOLATION)
tell("ready")
sys.stdin.readline()
done = compute.run_next(storage, provider, workload=WORKLOAD, progress=Told())
tell("end none" if done is None else f"end {done.state}")
