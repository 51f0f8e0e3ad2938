"""Texts that people write into applications, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator

from yunhe.kernel.errors import Finding

REASON_LETTERS_MAX = 2_000
"""Longest reason."""
TITLE_LETTERS_MAX = 200
"""Longest title, name of a milestone, or number of a contract."""


def reason_faults(reason: str) -> Iterator[Finding]:
    """A reason that is missing or can't be kept; every step needs one."""
    if not reason.strip() or len(reason) > REASON_LETTERS_MAX or "\0" in reason:
        params = (("letters_max", REASON_LETTERS_MAX),)
        yield Finding("reason", "compute.reason_invalid", params)


def line_faults(where: str, value: str) -> Iterator[Finding]:
    """A line that is empty, too long, or would not show."""
    if not value.strip() or len(value) > TITLE_LETTERS_MAX or not value.isprintable():
        params = (("letters_max", TITLE_LETTERS_MAX),)
        yield Finding(where, "compute.text_invalid", params)
