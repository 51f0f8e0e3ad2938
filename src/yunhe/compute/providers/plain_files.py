"""Plain files in a folder that others write too: no part of the way to one is a link."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


class NotPlainError(ValueError):
    """Something is no plain file where one is expected; its name."""


@contextmanager
def directory(root: Path, *names: str) -> Iterator[int]:
    """A folder below the root, no part of the way a link."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    handle = os.open(root, flags)
    try:
        for name in names:
            try:
                below = os.open(name, flags, dir_fd=handle)
            except OSError as error:
                if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.ENOENT):
                    raise NotPlainError(name) from None
                raise
            os.close(handle)
            handle = below
        yield handle
    finally:
        os.close(handle)


@contextmanager
def opened(root: Path, *names: str) -> Iterator[BinaryIO]:
    """A plain file below the root, no part of the way a link."""
    with directory(root, *names[:-1]) as folder:
        try:  # a pipe without a writer would be waited for
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
            handle = os.open(names[-1], flags, dir_fd=folder)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO):
                raise NotPlainError(names[-1]) from None
            raise
        if not stat.S_ISREG(os.fstat(handle).st_mode):  # a folder could not even be wrapped
            os.close(handle)
            raise NotPlainError(names[-1])
        with os.fdopen(handle, "rb") as file:
            yield file
