"""Tells whoever has a key that it is about to end, while it can still be renewed."""

from __future__ import annotations

from yunhe.identity import service as identity
from yunhe.identity.domain import Key
from yunhe.kernel.clock import DAY_US, iso
from yunhe.notices import service as notices
from yunhe.storage.service import Storage

DAYS_BEFORE = (14, 3)
"""How many days ahead it is told; once each."""
_PAGE = 200


def remind(storage: Storage) -> int:
    """Tell of the keys that end within one of `DAYS_BEFORE`; how many there are.

    The member is told; of a service account's key, the administrators. A key that was made for
    less than so many days, or that a live key renews, is nobody's concern. Told again, nothing is
    sent twice. Cost: a look through all keys, a page at a time.
    """
    now_us = storage.clock.now_us()
    before_us = now_us + max(DAYS_BEFORE) * DAY_US
    told, after = 0, ""
    while True:
        with storage.database.read() as tx:
            page = identity.keys_ending(
                tx, now_us=now_us, before_us=before_us, after=after, limit=_PAGE
            )
        for key in page:
            told += _tell(storage, key, now_us=now_us)
        if len(page) < _PAGE:
            return told
        after = page[-1].id


def _tell(storage: Storage, key: Key, *, now_us: int) -> bool:
    until_us = key.expires_at_us or 0
    days = min(
        (
            days
            for days in DAYS_BEFORE
            if until_us - now_us <= days * DAY_US < until_us - key.created_at_us
        ),
        default=None,
    )
    if days is None:
        return False
    with storage.database.begin() as tx:
        program = identity.member(tx, key.member).service
        notices.notify(
            tx,
            key=f"key_expiring:{key.id}:{days}",
            kind="key_expiring",
            organisation=key.organisation,
            role="administrator" if program else None,
            member=None if program else key.member,
            subject=key.id,
            params={"until": iso(until_us)[:10]},
            at_us=now_us,
        )
    return True
