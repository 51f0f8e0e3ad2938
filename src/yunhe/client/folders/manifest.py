"""The manifest of a working folder: every file by path and digest, and the blobs it is made of.

Small files travel together in packs, large ones in pieces; both are blobs named by their digest, so
what is there already is not sent again. The manifest's own digest stands for the whole folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import Field, ValidationError

from yunhe.client.wire.shapes import Digest, Sent
from yunhe.kernel.canonical import Json, canonical_bytes
from yunhe.kernel.errors import Finding, Invalid

FILES_MAX = 20_000
"""Most files of a folder."""
FOLDER_BYTES_MAX = 20 << 30
"""Most bytes of a folder."""
PART_BYTES_MAX = 64 << 20
"""Largest blob that files are cut into or packed into: one is held in memory."""
MANIFEST_BYTES_MAX = 32 << 20
"""Largest manifest."""
FORM = "yunhe.folder/1"
"""What a manifest calls itself."""
_PATH_BYTES_MAX = 1_024
_NAME_BYTES_MAX = 255
_DEPTH_MAX = 40
_FINDINGS_MAX = 50
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Part(Sent):
    """Where a piece of a file's bytes is."""

    blob: Digest
    """The blob."""
    offset: int = Field(strict=True, ge=0, le=PART_BYTES_MAX)
    """Where in it."""
    size_bytes: int = Field(strict=True, ge=1, le=PART_BYTES_MAX)
    """How much."""


class File(Sent):
    """One file of the folder."""

    path: str = Field(min_length=1, max_length=_PATH_BYTES_MAX)
    """Relative, with ``/`` between names."""
    digest: Digest
    """Of its bytes."""
    size_bytes: int = Field(strict=True, ge=0, le=FOLDER_BYTES_MAX)
    """How many."""
    executable: bool = Field(default=False, strict=True)
    """Whether it may be run."""
    parts: list[Part] = Field(max_length=FOLDER_BYTES_MAX // PART_BYTES_MAX + 1)
    """Its bytes, in order."""


class Manifest(Sent):
    """A folder."""

    form: str = Field(pattern=rf"^{re.escape(FORM)}$")
    """`FORM`."""
    files: list[File] = Field(max_length=FILES_MAX)
    """Its files, in order of path."""

    @property
    def size_bytes(self) -> int:
        """Bytes of all files together."""
        return sum(file.size_bytes for file in self.files)

    def blobs(self) -> list[str]:
        """Every blob its files are made of, each once."""
        return list(dict.fromkeys(part.blob for file in self.files for part in file.parts))

    def digests(self) -> list[str]:
        """Of its blobs and of its files, each once: a small file lies in a blob with others."""
        return list(dict.fromkeys((*self.blobs(), *(file.digest for file in self.files))))


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a path or a manifest."""

    where: str
    """Which file or field, shown safely."""
    code: str
    """Key of a sentence."""


def written(files: Sequence[File]) -> bytes:
    """The canonical bytes of the manifest of these files: the same files, the same bytes."""
    said: dict[str, Json] = {
        "form": FORM,
        "files": [file.model_dump() for file in sorted(files, key=lambda each: each.path)],
    }
    return canonical_bytes(said)


def read(data: bytes) -> Manifest:
    """The manifest in these bytes, once everything about it is sound.

    Errors: `Invalid` ``compute.folder_invalid`` with every finding, at most some dozens.
    """
    if len(data) > MANIFEST_BYTES_MAX:
        raise _invalid([Fault("folder", "compute.folder_manifest")])
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError as error:
        raise _invalid(
            Fault(".".join(map(str, each["loc"]))[:80] or "folder", "compute.folder_manifest")
            for each in error.errors(include_url=False, include_context=False, include_input=False)
        ) from None
    found = list(_faults(manifest))
    if found:
        raise _invalid(found)
    return manifest


def _invalid(faults: Sequence[Fault] | Iterator[Fault]) -> Invalid:
    findings = [Finding(fault.where, fault.code) for fault in faults]
    return Invalid("compute.folder_invalid", findings=findings[:_FINDINGS_MAX])


def _faults(manifest: Manifest) -> Iterator[Fault]:
    if manifest.size_bytes > FOLDER_BYTES_MAX:
        yield Fault("folder", "compute.folder_too_large")
    paths: set[str] = set()
    for file in manifest.files:
        yield from path_faults(file.path)
        if file.path in paths:
            yield Fault(shown(file.path), "compute.folder_path_twice")
        paths.add(file.path)
        if sum(part.size_bytes for part in file.parts) != file.size_bytes:
            yield Fault(shown(file.path), "compute.folder_parts_differ")
        if any(part.offset + part.size_bytes > PART_BYTES_MAX for part in file.parts):
            yield Fault(shown(file.path), "compute.folder_parts_differ")
    for path in paths:
        names = path.split("/")
        if any("/".join(names[:depth]) in paths for depth in range(1, len(names))):
            yield Fault(shown(path), "compute.folder_path_twice")


def path_faults(path: str) -> Iterator[Fault]:
    """A path that leads out of the folder or cannot be made everywhere."""
    names = path.split("/")
    try:
        sizes = [len(name.encode()) for name in names]
    except UnicodeEncodeError:
        yield Fault(shown(path), "compute.folder_path_invalid")
        return
    sound = (
        len(names) <= _DEPTH_MAX
        and sum(sizes) + len(sizes) <= _PATH_BYTES_MAX
        and all(0 < size <= _NAME_BYTES_MAX for size in sizes)
        and not any(name in (".", "..") for name in names)
        and not _CONTROL.search(path)
        and "\\" not in path
    )
    if not sound:
        yield Fault(shown(path), "compute.folder_path_invalid")


def shown(path: str) -> str:
    """A path as a message may show it."""
    safe = path.encode("utf-8", "backslashreplace").decode()
    return "".join(letter if letter.isprintable() else "?" for letter in safe)[:120]
