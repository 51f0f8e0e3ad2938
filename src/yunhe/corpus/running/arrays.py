"""Arrays on the disk. A disk that is full must be an error while writing, never a lost process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import DTypeLike, NDArray

_SMALL_BYTES = 4096  # not worth a mapping; and nothing at all cannot be mapped


def save(path: Path, array: NDArray[Any]) -> None:
    """Write an array as ``.npy``; errors say why, which those of ``numpy.save`` do not."""
    array = np.ascontiguousarray(array)
    with path.open("wb") as file:
        npy.write_array_header_1_0(file, npy.header_data_from_array_1_0(array))
        if array.size:
            file.write(array.reshape(-1).view(np.uint8).data)


def blank(path: Path, kind: DTypeLike, count: int) -> NDArray[Any]:
    """A new array of zeros in a file, memory-mapped if there is anything to map.

    Its room is taken at once: a mapped page for which the disk has no room ends the process.
    """
    if not count:
        save(path, np.empty(0, kind))
        return np.empty(0, kind)
    about = {"descr": np.dtype(kind).str, "fortran_order": False, "shape": (count,)}
    with path.open("wb") as file:
        npy.write_array_header_1_0(file, about)
        file.flush()
        size = np.dtype(kind).itemsize * count
        os.posix_fallocate(file.fileno(), file.tell(), size)
    return npy.open_memmap(path, mode="r+")


def load(path: Path) -> NDArray[Any]:
    """An array that was written before; not to be changed."""
    small = path.stat().st_size <= _SMALL_BYTES
    # Copy-on-write, because kernels are compiled for arrays that may be written to.
    found: NDArray[Any] = np.load(path, mmap_mode=None if small else "c")
    return found
