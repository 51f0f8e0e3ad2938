"""What the corpus floor refuses, built in one place so that every refusal says where."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from yunhe.kernel.errors import Conflict, Finding, Invalid, NotFound, Unavailable

FINDINGS_MAX = 20
"""Findings written out for one input; the others are counted."""


class OutTaken(Conflict):
    """Something else lies where the result is to go: waiting doesn't help, another name does."""

    exit_code = 73


class Named(Protocol):
    """A file, or where one lies."""

    @property
    def name(self) -> str:
        """What it is called wherever something is wrong with it."""
        ...


def place(path: Named, line: int, byte: int | None = None) -> str:
    """``name:line`` or ``name:line (byte n)``: the file's name only, so logs keep no folder."""
    return f"{path.name}:{line}" + ("" if byte is None else f" (byte {byte})")


def input_faulty(path: Named, findings: Sequence[Finding], count: int | None = None) -> Invalid:
    """The file itself is wrong in the places listed; nothing was kept."""
    total = len(findings) if count is None else count
    shown = list(findings[:FINDINGS_MAX])
    if total > len(shown):
        shown.append(Finding(path.name, "corpus.more_findings", (("count", total - len(shown)),)))
    return Invalid("corpus.input_faulty", where=path.name, count=total, findings=shown)


def certificate_unknown(certificate: str) -> NotFound:
    """The same whether it does not exist or is somebody else's."""
    return NotFound("corpus.certificate_unknown", certificate=certificate[:64])


def input_missing(path: Path) -> NotFound:
    """No such file."""
    return NotFound("corpus.input_missing", where=str(path))


def input_is_folder(path: Path) -> Invalid:
    """A folder was given where a file is read."""
    return Invalid("corpus.input_is_folder", where=str(path))


def input_unreadable(path: Path, reason: str) -> Unavailable:
    """The file is there, but cannot be read."""
    return Unavailable("corpus.input_unreadable", where=str(path), reason=reason)


def input_changed(path: Path) -> Conflict:
    """Somebody wrote to the file while it was read."""
    return Conflict("corpus.input_changed", where=str(path), retryable=True)


def column_missing(path: Named, column: str, there: Sequence[str]) -> Finding:
    """A mapped column is not in the file; names those that are."""
    listed = ", ".join(there[:50]) or "–"
    return Finding(place(path, 1), "corpus.column_missing", (("column", column), ("there", listed)))


def request_invalid(findings: Sequence[Finding]) -> Invalid:
    """The request itself is wrong, in all the places listed."""
    return Invalid("corpus.request_invalid", findings=findings)


def key_length(path: Path, least: int, most: int) -> Invalid:
    """A key's file is too short to be safe, or so long that it is hardly a key."""
    return Invalid("corpus.key_length", where=path.name, least=least, most=most)


def key_misplaced(mode: str) -> Invalid:
    """Pseudonyms without a key, or a key where nothing takes one."""
    code = "corpus.key_missing" if mode == "pseudonym" else "corpus.key_unused"
    return Invalid(code, mode=mode)


def types_unknown(words: Sequence[str]) -> Invalid:
    """Kinds of personal detail that do not exist."""
    return Invalid("corpus.types_unknown", types=", ".join(word[:24] for word in words[:10]))


def hashes_missing() -> Invalid:
    """A search for evaluation items without a file of their hashes."""
    return Invalid("corpus.hashes_missing")


def hashes_unreadable(path: Path) -> Invalid:
    """No file of hashes, or one of another version."""
    return Invalid("corpus.hashes_unreadable", where=path.name)
