"""Declares, compiles and keeps the kernels: one decorator, one cache, one command to fill it.

A kernel names its types, so that it can be compiled before anybody needs it. What was compiled is
kept in a folder named by the digest of every source file of the package the kernel is in: numba's
own cache looks at the file of the kernel alone and would go on using a callee that has changed
since.
"""

from __future__ import annotations

import hashlib
import os
import pkgutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from yunhe.native import keeping, loading, parts

PACKAGES = ("yunhe.compute.scheduling.kernels", "yunhe.corpus.kernels")
"""Where the kernels are; each package is compiled anew when anything in it changes."""
_Kernel = TypeVar("_Kernel", bound=Callable[..., Any])

TEXT = numba.types.Array(numba.types.uint8, 1, "C", readonly=True)
"""Bytes that are only read, e.g. UTF-8."""
OFFSETS = numba.types.Array(numba.types.int64, 1, "C", readonly=True)
"""Whole numbers that are only read, e.g. offsets into such bytes."""
U1, U2, U4, U8 = (
    numba.types.Array(getattr(numba.types, f"uint{n}"), 1, "C") for n in (8, 16, 32, 64)
)
"""Writable vectors of whole numbers: uint8[n] … uint64[n]."""
I4, I8 = (numba.types.Array(getattr(numba.types, f"int{n}"), 1, "C") for n in (32, 64))
"""int32[n], int64[n]."""
BOOL = numba.types.Array(numba.types.boolean, 1, "C")
"""bool[n]."""
INT = numba.types.int64
"""One whole number."""

_FOR_PYTHON: dict[str, Any] = {"no_cfunc_wrapper": True}
_Number = TypeVar("_Number", bound=np.generic)
_declared: dict[str, tuple[Any, tuple[object, ...]]] = {}


def kernel(*types: object) -> Callable[[_Kernel], _Kernel]:
    """A function for the bulk of the work: compiled on first use or by `compile_all`, no GIL held.

    ``types``: of its arguments, in order; a call with others compiles again, which costs seconds
    and is a mistake. Its ``py_func`` is the plain Python that it must agree with.
    """

    def declare(function: _Kernel) -> _Kernel:
        folder = _keep_in(_package(function))
        made = numba.njit(nogil=True, cache=folder is not None, error_model="numpy", **_FOR_PYTHON)(
            function
        )
        loading.keep(made, function, folder)
        _declared[f"{function.__module__}.{function.__qualname__}"] = (made, types)
        return cast("_Kernel", made)

    return declare


def inner(function: _Kernel) -> _Kernel:
    """A part of kernels, taken into each that calls it; not called from outside."""
    return cast("_Kernel", parts.part(function))


def compile_all(told: Callable[[int, int, str], None]) -> int:
    """Compile whatever is not in the cache yet; returns how many kernels there are.

    ``told``: called before each with (done, total, name). On more than one processor a second
    program begins at the other end, and each takes from the cache what the other has compiled.
    Cost: seconds each the first time, milliseconds after.
    """
    kernels = _all_declared()
    beside: subprocess.Popen[bytes] | None = None
    for done, (name, (made, types)) in enumerate(kernels):
        told(done, len(kernels), name)
        made.compile(types)
        if beside is None and made.stats.cache_misses and (os.cpu_count() or 1) > 1:
            beside = subprocess.Popen(
                [sys.executable, "-c", f"from {__name__} import compile_backwards as c; c()"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # what it does not reach is compiled here
            )
    if beside is not None:
        beside.wait()
    told(len(kernels), len(kernels), "")
    return len(kernels)


def compile_backwards() -> None:
    """The same from the last kernel to the first, without a word."""
    for _, (made, types) in reversed(_all_declared()):
        made.compile(types)


def _all_declared() -> list[tuple[str, tuple[Any, tuple[object, ...]]]]:
    """Every kernel by its name, in order."""
    for package in PACKAGES:
        for module in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
            import_module(module.name)
    return sorted(_declared.items())


def kept_array(name: str, make: Callable[[], NDArray[_Number]]) -> NDArray[_Number]:
    """A table that takes long to make and depends on nothing but ``name`` and kernels' sources.

    It is kept beside the compiled kernels of the package that ``make`` is in; the result is
    read-only.
    """
    folder = _keep_in(_package(make))
    path = None if folder is None else folder / f"{name}.npy"
    if path is not None and path.exists():
        table: NDArray[_Number] = np.load(path, allow_pickle=False)
    else:
        table = make()
        if path is not None:
            with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".new", delete=False) as new:
                np.save(new, table)
            Path(new.name).replace(path)
    table.flags.writeable = False
    return table


def _package(function: Callable[..., Any]) -> str:
    module = function.__module__
    return next((each for each in PACKAGES if module.startswith(f"{each}.")), module)


@cache
def _folder(package: str) -> Path | None:
    """Where the compiled kernels of a package are kept; below ``NUMBA_CACHE_DIR`` if that is set.

    None where nothing can be written at all: then each program compiles what it needs.
    """
    digest = hashlib.sha256(version("numba").encode())
    for path in sorted((*_sources(__package__), *_sources(package))):
        digest.update(path.read_bytes())
    name = f"{package.removeprefix('yunhe.')}-{digest.hexdigest()[:16]}"
    return keeping.writable(keeping.parent() / name)


def _sources(package: str) -> list[Path]:
    """The package's Python files; those of a single module, its own."""
    there = sys.modules[package]
    folders = getattr(there, "__path__", None)
    if folders is None:
        file = getattr(there, "__file__", None)
        return [Path(file)] if file else []
    return [path for folder in folders for path in Path(folder).rglob("*.py")]


def _keep_in(package: str) -> Path | None:
    """Have numba keep what is declared next there."""
    folder = _folder(package)
    if folder is not None:
        setattr(numba.config, "CACHE_DIR", str(folder))  # noqa: B010 - unknown to its own types
    return folder
