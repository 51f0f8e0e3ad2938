"""What a job saved for its next run: the plain files of one folder within its working folder."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from yunhe.compute.folders.keeping import keep, path_of
from yunhe.kernel.errors import Finding, Invalid
from yunhe.storage.blobs import Blobs

FOLDER = "checkpoint"
"""Its name within the working folder; the job finds its path in ``YUNHE_CHECKPOINT``."""


def lay(saved: Mapping[str, str], work: Path, *, blobs: Blobs) -> None:
    """Make the folder, with what was saved before; the working folder is fresh and holds no link.

    What was saved is all that was there: of what its owner sent nothing stays that the job removed.
    Errors: `Invalid` ``compute.folder_invalid`` where its owner sent a file of that name, which is
    told when the work is asked for; what the blobs raise; ``OSError`` of the disk.
    """
    folder = work / FOLDER
    if folder.is_file():
        findings = [Finding(FOLDER, "compute.checkpoint_file")]
        raise Invalid("compute.folder_invalid", findings=findings)
    if saved and folder.is_dir():
        shutil.rmtree(folder)
    folder.mkdir(mode=0o700, exist_ok=True)
    for name, digest in saved.items():
        path = folder / path_of(name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        blobs.fetch(digest, path)
        path.chmod(0o600)


def take(work: Path, *, blobs: Blobs, bytes_max: int) -> dict[str, str]:
    """Digests by name of what it saved; nothing when that is too much, or odd.

    Errors: what the blobs raise; ``OSError`` of the disk.
    """
    folder = work / FOLDER
    if folder.is_symlink() or not folder.is_dir():
        return {}
    found, why = keep(folder, ("**",), blobs=blobs, bytes_max=bytes_max)
    return {} if why else found
