"""Where compiled kernels are kept, and how a program uses them that may not write there."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

VARIABLE = "NUMBA_CACHE_DIR"
"""The environment variable that names another folder than the user's own cache."""


def parent() -> Path:
    """The folder in which each release of the kernels has one of its own; it need not be there."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen)
    home = os.environ.get("XDG_CACHE_HOME")
    return Path(home if home else Path("~/.cache").expanduser()) / "yunhe"


def writable(folder: Path) -> Path | None:
    """The folder itself, made if need be, or else a private one that begins as a view of it.

    A sandboxed job sees the platform's folder and may not write there, and numba takes no folder
    that it cannot write in. So each file is a link to the one that is kept; what is compiled
    besides stays private and goes when the program ends. None where nothing is kept to begin with.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        return None
    try:
        view = Path(tempfile.mkdtemp(prefix="yunhe-kernels-"))
        atexit.register(shutil.rmtree, view, ignore_errors=True)
        shutil.copytree(folder, view, copy_function=os.symlink, dirs_exist_ok=True)
    except OSError:
        return None
    return view
