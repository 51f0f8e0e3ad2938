"""Runs a command again and again on a disk that grows by a little each time, until it succeeds.

    small_disk.py FOLDER REPORT CAPACITIES COMMAND…

FOLDER is the disk: an empty file system of more than the largest capacity, of which this program
leaves only so many KiB to the command. REPORT gets what happened each time, as JSON. The folder's
content is copied to REPORT's folder at the end, because the disk vanishes with this process.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

KIB = 1024


def main() -> None:
    """See above."""
    folder, report, capacities, *command = sys.argv[1:]
    disk, filler = Path(folder), Path(folder, "filler")
    size = os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize
    attempts = []
    for capacity in map(int, capacities.split(",")):
        with filler.open("ab") as handle:
            handle.truncate(0)
            os.posix_fallocate(handle.fileno(), 0, size - capacity * KIB)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        attempts.append(
            {
                "capacity_kib": capacity,
                "exit_code": done.returncode,
                "stdout": done.stdout,
                "stderr": done.stderr,
                "partial": [str(p) for p in disk.rglob("*") if ".partial" in p.name],
            }
        )
        if done.returncode == 0:
            break
    filler.unlink()
    shutil.copytree(disk, Path(report).parent / "copied", dirs_exist_ok=True)
    Path(report).write_text(json.dumps(attempts), "utf-8")


main()
