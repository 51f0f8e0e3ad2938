"""Faults of names, roles, kinds, scopes and addresses, each found with the place it is in."""

from __future__ import annotations

import re
from collections.abc import Iterable

from yunhe.identity.domain import CONTACT_LETTERS_MAX, NAME_LETTERS_MAX, SCOPES
from yunhe.kernel.errors import Finding, Invalid

VALID_HOURS_MAX = 720
"""The longest an invitation, or a way back in, can be open."""
LIST_MAX = 1_000
"""Most entries one page of a list can have."""
# One @, no spaces, controls or list separators: what else is an address, its server decides.
_ADDRESS = re.compile(r"[^\s@,;<>\"()\[\]\\:]+@[^\s@,;<>\"()\[\]\\:]+")


def text(where: str, value: str) -> list[Finding]:
    """Faults of a name."""
    if not value.strip():
        return [Finding(where, "identity.empty")]
    findings = []
    if len(value) > NAME_LETTERS_MAX:
        findings.append(Finding(where, "identity.too_long", (("letters_max", NAME_LETTERS_MAX),)))
    if not value.isprintable():
        findings.append(Finding(where, "identity.unprintable"))
    return findings


def contact(where: str, value: str) -> list[Finding]:
    """Faults of an e-mail address; the empty one is none."""
    if len(value) > CONTACT_LETTERS_MAX:
        return [Finding(where, "identity.too_long", (("letters_max", CONTACT_LETTERS_MAX),))]
    if value and not (value.isprintable() and _ADDRESS.fullmatch(value)):
        return [Finding(where, "identity.no_address")]
    return []


def one_of(where: str, value: str, known: tuple[str, ...], *, code: str) -> list[Finding]:
    """A fault unless the value is known."""
    if value in known:
        return []
    said = (value if value.isprintable() else ascii(value))[:NAME_LETTERS_MAX]
    return [Finding(where, code, (("value", said), ("known", ", ".join(known))))]


def scopes(said: Iterable[str]) -> list[Finding]:
    """Faults of the scopes of a key: unknown ones, or none at all."""
    listed = sorted(said)
    if not listed:
        return [Finding("scopes", "identity.empty")]
    return [
        finding
        for scope in listed
        for finding in one_of("scopes", scope, SCOPES, code="identity.scope_unknown")
    ]


def valid_hours(hours: int) -> list[Finding]:
    """A fault unless something may be open for so long."""
    if 1 <= hours <= VALID_HOURS_MAX:
        return []
    return [Finding("valid_hours", "identity.valid_hours", (("hours_max", VALID_HOURS_MAX),))]


def refuse(findings: list[Finding]) -> None:
    """Raise `Invalid` ``identity.invalid`` with the findings, if there are any."""
    if findings:
        raise Invalid("identity.invalid", findings=findings)


def page(limit: int) -> int:
    """A page's length within bounds."""
    return max(1, min(limit, LIST_MAX))
