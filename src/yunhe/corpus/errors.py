"""What the corpus floor refuses, built in one place so that every refusal says where."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from yunhe.kernel.errors import Conflict, Finding, Invalid, NotFound, Unavailable

FINDINGS_MAX = 20
"""Findings written out for one input; the others are counted."""


def place(path: Path, line: int, byte: int | None = None) -> str:
    """``name:line`` or ``name:line (byte n)``: the file's name only, so logs keep no folder."""
    return f"{path.name}:{line}" + ("" if byte is None else f" (byte {byte})")


def input_faulty(path: Path, findings: Sequence[Finding], count: int | None = None) -> Invalid:
    """The file itself is wrong in the places listed; nothing was kept."""
    total = len(findings) if count is None else count
    shown = list(findings[:FINDINGS_MAX])
    if total > len(shown):
        shown.append(Finding(path.name, "corpus.more_findings", (("count", total - len(shown)),)))
    return Invalid("corpus.input_faulty", where=path.name, count=total, findings=shown)


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


def column_missing(path: Path, column: str, there: Sequence[str]) -> Finding:
    """A mapped column is not in the file; names those that are."""
    listed = ", ".join(there[:50]) or "–"
    return Finding(place(path, 1), "corpus.column_missing", (("column", column), ("there", listed)))


def request_invalid(findings: Sequence[Finding]) -> Invalid:
    """The request itself is wrong, in all the places listed."""
    return Invalid("corpus.request_invalid", findings=findings)
