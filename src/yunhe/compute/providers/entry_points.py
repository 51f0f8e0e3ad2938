"""Finds a program's source file without importing it: looking at it must not run any of it."""

from __future__ import annotations

import re
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yunhe
from yunhe.kernel.canonical import sha256
from yunhe.kernel.errors import NotFound

_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """A program a provider can run: a Python module that takes the path of a job file."""

    module: str
    """Dotted name; run as ``__main__``."""
    digest: str | None = None
    """Digest of the source file approved where the provider was set up; None approves nothing."""
    root: Path | None = None
    """Folder the module is found in; None: beside the platform's own packages."""
    reads: Mapping[str, Path] = field(default_factory=dict)
    """Folders it may read besides its code and inputs, if they are there, by the environment
    variable that tells it where, e.g. of a cache that others filled."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program file as found now."""

    module: str
    """Dotted name."""
    path: Path
    """Its source file."""
    digest: str
    """Digest of the file's bytes."""
    root: Path
    """Folder to import from."""


def package_folder() -> Path:
    """The folder of the ``yunhe`` package itself."""
    return Path(yunhe.__file__).resolve().parent


def find_program(name: str, entry_point: EntryPoint) -> Program:
    """The file that an entry point means now.

    Errors: `NotFound` ``compute.entry_point_unknown`` when there is no such source file.
    """
    if _MODULE.fullmatch(entry_point.module):
        for root in _roots(entry_point):
            path = root.joinpath(*entry_point.module.split(".")).with_suffix(".py")
            if path.is_file():
                return Program(entry_point.module, path, sha256(path.read_bytes()), root)
    raise NotFound("compute.entry_point_unknown", name=name, module=entry_point.module)


def _roots(entry_point: EntryPoint) -> tuple[Path, ...]:
    if entry_point.root is not None:
        return (entry_point.root.resolve(),)
    return (package_folder().parent, Path(sysconfig.get_path("purelib")))
