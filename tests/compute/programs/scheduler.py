"""A scheduler in a process of its own, which makes one whole pass in small batches.

Arguments: home folder, address of the database, time, and optionally ``before`` or ``after`` with
the number of the write transaction whose commit it does not survive.
"""

import sys
from pathlib import Path

from mortal import Mortal

from yunhe.compute import service as compute
from yunhe.compute.passes import whole
from yunhe.custody import store as custody_store
from yunhe.kernel.clock import ManualClock
from yunhe.storage.blobs import LocalBlobs
from yunhe.storage.service import Storage

assert custody_store
HOME, URL, NOW_US = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
WHEN, NUMBER = (sys.argv[4], int(sys.argv[5])) if len(sys.argv) > 4 else ("never", 0)


whole.BATCH_MAX = 8
storage = Storage(Mortal(URL, WHEN, NUMBER), LocalBlobs(HOME / "blobs"), ManualClock(NOW_US))
sys.stdout.write("ready\n")
sys.stdout.flush()
sys.stdin.readline()
sys.stdout.write(f"placed {compute.reconsider(storage)}\n")
