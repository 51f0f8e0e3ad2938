"""Says which device files it finds and may open, what it is told of them, what it may reserve."""

import ctypes
import json
import os
import resource
import stat
import sys
from pathlib import Path

job = json.loads(Path(sys.argv[1]).read_bytes())
USUAL = {"null", "zero", "full", "random", "urandom", "tty", "console", "ptmx", "pts/ptmx"}
sys.stdout.write(json.dumps({"what": "looking", "done": 1, "total": 1}) + "\n")
sys.stdout.flush()
found, opened = [], []
for folder, _, names in os.walk("/dev"):
    for name in names:
        path = Path(folder) / name
        short = str(path.relative_to("/dev"))
        if short in USUAL or not stat.S_ISCHR(path.lstat().st_mode):
            continue
        found.append(short)
        try:
            os.close(os.open(path, os.O_RDWR))
        except OSError:
            continue
        opened.append(short)
reserve = ctypes.CDLL(None, use_errno=True).mmap
reserve.restype = ctypes.c_void_p
reserve.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
place = reserve(None, 64 << 30, 0, 0x22, -1, 0)  # no access, private, of nothing: addresses only
shared = os.statvfs("/dev/shm")
report = {
    "devices": sorted(found),
    "opened": sorted(opened),
    "told": {name: value for name, value in os.environ.items() if "DEVICE" in name},
    "reserved": place not in (None, ctypes.c_void_p(-1).value),
    "data_bytes": resource.getrlimit(resource.RLIMIT_DATA)[0],
    "shared_bytes": shared.f_blocks * shared.f_frsize,
    "replica": os.environ.get("YUNHE_REPLICA"),
}
folder = Path(job["outputs"])
(folder / f"report{report['replica']}.json").write_text(json.dumps(report))
