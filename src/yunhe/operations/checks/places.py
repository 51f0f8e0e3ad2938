"""The home folder and the disk beneath it."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from yunhe.operations.checks.findings import Found, Subject, failed, fine, skipped, warning
from yunhe.operations.health import FREE_BYTES_MIN

FREE_BYTES_WANTED = 2 << 30
"""With less free space it is time to do something."""
_NETWORK = {
    *("9p", "afs", "beegfs", "ceph", "cifs", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs"),
    *("glusterfs", "lustre", "nfs", "nfs4", "smb3", "smbfs", "virtiofs"),
}
_SQLITE = b"SQLite format 3\0"  # the first 16 bytes of every such file
_WAL_VERSION = 2  # bytes 18 and 19 of an SQLite file that is written ahead


def home(subject: Subject) -> Iterator[Found]:
    """The folder is there, ours, and nobody else's to read."""
    path = subject.settings.home
    if not path.is_dir():
        yield failed("operations.doctor.home_missing", where=str(path))
        return
    found = path.stat()
    if found.st_uid != os.geteuid():
        params = {"owner": found.st_uid, "user": os.geteuid()}
        yield failed("operations.doctor.home_owner", where=str(path), **params)
    elif not os.access(path, os.W_OK | os.X_OK) or _read_only(path):
        yield failed("storage.read_only", where=str(path))
    elif stat.S_IMODE(found.st_mode) & 0o077:
        mode = f"{stat.S_IMODE(found.st_mode):o}"
        yield warning("operations.doctor.home_open", where=str(path), mode=mode)
    else:
        yield fine("operations.doctor.home_fine", where=str(path))


def disk(subject: Subject) -> Iterator[Found]:
    """There is room for the database, the log and artefacts."""
    path = subject.settings.home
    if not path.is_dir():
        return
    free_bytes = shutil.disk_usage(path).free
    megabytes = free_bytes >> 20
    if free_bytes < FREE_BYTES_MIN:
        yield failed("storage.disk_full", where=str(path), free_bytes=free_bytes)
    elif free_bytes < FREE_BYTES_WANTED:
        yield warning("operations.doctor.disk_low", where=str(path), megabytes=megabytes)
    else:
        yield fine("operations.doctor.disk_fine", megabytes=megabytes)


def file_system(subject: Subject) -> Iterator[Found]:
    """SQLite's locks do not hold on network file systems."""
    path = subject.settings.home
    if subject.settings.database_url or not path.is_dir():
        return
    kind = file_system_of(path)
    if kind in _NETWORK:
        yield failed("operations.doctor.network_disk", where=str(path), kind=kind)
    else:
        yield fine("operations.doctor.local_disk", kind=kind or "?")


def write_ahead(subject: Subject) -> Iterator[Found]:
    """The SQLite file is written ahead, so that readers never wait for writers."""
    path = subject.settings.database_path()
    if subject.settings.database_url or not path.is_file():
        return
    with path.open("rb") as file:
        head = file.read(100)
    if not head.startswith(_SQLITE):
        yield skipped("operations.doctor.no_tables")  # no start would mend it
    elif head[18:20] == bytes([_WAL_VERSION, _WAL_VERSION]):
        yield fine("operations.doctor.wal_fine")
    else:
        yield warning("operations.doctor.wal_off", where=str(path))


def file_system_of(path: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str:
    """Kind of the file system that holds ``path``; empty where the system does not say."""
    try:
        lines = mounts.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    place, best, kind = str(path.resolve()), "", ""
    for line in lines:
        before, _, after = line.partition(" - ")
        fields = before.split()
        if len(fields) < 5 or not after:
            continue
        # proc(5) writes blanks in paths as \040.
        root = fields[4].replace("\\040", " ")
        inside = place == root or place.startswith(root.rstrip("/") + "/")
        if inside and len(root) >= len(best):
            best, kind = root, after.split()[0]
    return kind


def _read_only(path: Path) -> bool:
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


CHECKS = {
    "home": home,
    "disk": disk,
    "file_system": file_system,
    "write_ahead": write_ahead,
}
"""By the name each has in the answer."""
