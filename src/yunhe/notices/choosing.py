"""What members choose to get, and by which way."""

from __future__ import annotations

from collections.abc import Collection

from yunhe.identity import service as identity
from yunhe.kernel.errors import Finding, Invalid
from yunhe.notices import store
from yunhe.notices.domain import KINDS, MAILED, Kind, Preference
from yunhe.storage.database import Transaction


def preferences(tx: Transaction, member: str) -> list[Preference]:
    """What a member gets of each kind by each way, chosen or by default."""
    chosen = store.preferences_of(tx, [member])
    return [chosen.get((member, kind), default_preference(kind)) for kind in KINDS]


def default_preference(kind: Kind) -> Preference:
    """What a member gets who has chosen nothing."""
    return Preference(kind, feed=True, mail=kind in MAILED)


def prefer(tx: Transaction, member: str, *, kind: str, feed: bool, mail: bool) -> Preference:
    """Choose the ways of one kind.

    Errors: `Invalid` ``notices.invalid`` for a kind nobody knows; `NotFound`
    ``identity.member_unknown``.
    """
    identity.member(tx, member)
    chosen = Preference(known_kinds([kind])[0], feed=feed, mail=mail)
    store.set_preference(tx, member, chosen)
    return chosen


def known_kinds(kinds: Collection[str]) -> tuple[Kind, ...]:
    """The kinds, each once and in the order of `KINDS`.

    Errors: `Invalid` ``notices.invalid`` with one finding for each that is unknown, or for none.
    """
    unknown = sorted(set(kinds) - set(KINDS))
    findings = [
        Finding("kinds", "notices.kind_unknown", (("kind", ascii(kind)[:40]),)) for kind in unknown
    ]
    if not kinds:
        findings.append(Finding("kinds", "notices.kind_missing"))
    if findings:
        raise Invalid("notices.invalid", findings=findings)
    return tuple(kind for kind in KINDS if kind in kinds)
