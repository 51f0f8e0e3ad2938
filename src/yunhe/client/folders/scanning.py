"""Which files of a folder go along, with everything about it that would not travel."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from yunhe.client.folders.manifest import (
    FILES_MAX,
    FOLDER_BYTES_MAX,
    path_faults,
    shown,
)
from yunhe.client.folders.patterns import Rule, left_out, rules
from yunhe.kernel.errors import Finding, Invalid, NotFound

IGNORE_FILES = (".yunheignore", ".gitignore")
"""Where a folder says what stays behind; the first that is there counts."""
ALWAYS = (".git/", "__pycache__/", ".venv/", ".yunhe/", ".DS_Store")
"""What stays behind unless a rule takes it back."""
LARGEST_SHOWN = 5
"""How many of the largest files are named when a folder is too large."""
_IGNORE_BYTES_MAX = 256 << 10
_FINDINGS_MAX = 50


@dataclass(frozen=True, slots=True)
class Found:
    """A file that goes along."""

    path: str
    """Relative, with ``/`` between names."""
    size_bytes: int
    """How large it was when it was looked at."""
    executable: bool
    """Whether its owner may run it."""


def scan(root: Path) -> list[Found]:
    """The files of the folder in order of path, links and empty folders not among them.

    Errors: `NotFound` ``client.no_file``; `Invalid` ``client.folder_refused`` with every file that
    cannot go along: links, sockets, devices, names that cannot travel, and, when all of it is too
    much, the largest files.
    """
    if not root.is_dir():
        raise NotFound("client.no_file", path=str(root))
    findings: list[Finding] = []
    found: list[Found] = []
    for each in _walk(root, _rules(root), findings):
        found.append(each)
        if len(found) > FILES_MAX or len(findings) > _FINDINGS_MAX:
            break
    size = sum(each.size_bytes for each in found)
    if len(found) > FILES_MAX:
        findings.append(Finding(str(root), "client.folder_many", (("most", FILES_MAX),)))
    if size > FOLDER_BYTES_MAX:
        params = (("bytes", size), ("bytes_max", FOLDER_BYTES_MAX))
        findings.append(Finding(str(root), "client.folder_large", params))
        largest = sorted(found, key=lambda each: -each.size_bytes)[:LARGEST_SHOWN]
        findings += [
            Finding(shown(each.path), "client.folder_largest", (("bytes", each.size_bytes),))
            for each in largest
        ]
    if findings:
        raise Invalid("client.folder_refused", path=str(root), findings=findings)
    return sorted(found, key=lambda each: each.path)


def _rules(root: Path) -> tuple[Rule, ...]:
    usual = rules("\n".join(ALWAYS))
    for name in IGNORE_FILES:
        path = root / name
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                said = file.read(_IGNORE_BYTES_MAX)
            return usual + rules(said.decode("utf-8", "replace"))
    return usual


def _walk(root: Path, among: Sequence[Rule], findings: list[Finding]) -> Iterator[Found]:
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            entries = sorted(os.scandir(root / folder), key=lambda each: each.name)
        except OSError:
            findings.append(Finding(shown(folder) or str(root), "client.folder_unreadable"))
            continue
        for entry in entries:
            if len(findings) > _FINDINGS_MAX:
                return
            path = f"{folder}/{entry.name}" if folder else entry.name
            inside = entry.is_dir(follow_symlinks=False)
            if left_out(among, path, folder=inside):
                continue
            faults = list(path_faults(path))
            if faults:
                findings += [Finding(each.where, each.code) for each in faults]
            elif inside:
                folders.append(path)
            else:
                yield from _file(entry, path, findings)


def _file(entry: os.DirEntry[str], path: str, findings: list[Finding]) -> Iterator[Found]:
    try:
        found = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return  # gone while we looked
    if stat.S_ISLNK(found.st_mode):
        findings.append(Finding(shown(path), "client.folder_link"))
    elif not stat.S_ISREG(found.st_mode):
        findings.append(Finding(shown(path), "client.folder_odd"))
    elif not os.access(entry.path, os.R_OK):
        findings.append(Finding(shown(path), "client.folder_unreadable"))
    else:
        yield Found(path, found.st_size, bool(found.st_mode & stat.S_IXUSR))
