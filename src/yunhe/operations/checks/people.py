"""Keys, roles and secrets: what nobody looks at while it works."""

from __future__ import annotations

from collections.abc import Iterator

from yunhe.identity import service as identity
from yunhe.kernel.clock import DAY_US
from yunhe.operations.checks.findings import (
    Found,
    Subject,
    failed,
    fine,
    skipped,
    warning,
)
from yunhe.vault import service as vault

OLD_DAYS = 365
"""A key without an end that is older should be replaced."""
ENDING_DAYS = 14
"""When an operator is told that the last of its keys ends."""
_PAGE = 100
_KEYS_MAX = 100_000  # looked at
_SHOWN = 5


def duties(subject: Subject) -> Iterator[Found]:
    """Nobody holds two roles that must be apart."""
    with subject.tables().storage.database.read() as tx:
        breaches = identity.duty_breaches(tx)
    for member, breach in breaches[:_SHOWN]:
        params = {"member": member, "roles": ", ".join(breach.roles), "rule": breach.rule.id}
        yield failed("operations.doctor.duties_broken", **params)
    if not breaches:
        yield fine("operations.doctor.duties_fine")


def keys(subject: Subject) -> Iterator[Found]:
    """No key lives for ever and is old, and operators have keys for a while yet."""
    platform = subject.tables()
    now_us = platform.storage.clock.now_us()
    old_us = now_us - OLD_DAYS * DAY_US
    endless = old = seen = 0
    after = ""
    with platform.storage.database.read() as tx:
        while seen < _KEYS_MAX and (page := identity.keys(tx, after=after, limit=_PAGE)):
            for key in page:
                if key.expires_at_us is None and key.revoked_at_us is None:
                    endless += 1
                    old += key.created_at_us < old_us
            seen += len(page)
            after = page[-1].id
        ends = [
            identity.way_in_ends_us(tx, member.id, now_us=now_us)
            for member in identity.members_with_role(tx, "operator")
        ]
    ending = sum(us is not None and us < now_us + ENDING_DAYS * DAY_US for us in ends)
    if ending:
        yield warning("operations.doctor.keys_ending", count=ending, days=ENDING_DAYS)
    if old:
        yield warning("operations.doctor.keys_old", count=old, days=OLD_DAYS)
    elif not ending:
        yield fine("operations.doctor.keys_fine", count=endless)


def secrets(subject: Subject) -> Iterator[Found]:
    """The key that opens the workloads' secrets is there."""
    platform = subject.tables()
    with platform.storage.database.read() as tx:
        found = vault.condition(tx, platform.vault)
    if not found.secrets:
        yield skipped("operations.doctor.secrets_none")
    elif found.lost:
        where = platform.secrets_key.where
        yield failed(
            "operations.doctor.secrets_lost", where=where, lost=found.lost, count=found.secrets
        )
    elif found.waiting:
        yield warning("operations.doctor.secrets_waiting", count=found.waiting)
    else:
        yield fine("operations.doctor.secrets_fine", count=found.secrets)


CHECKS = {"duties": duties, "keys": keys, "secrets": secrets}
"""By the name each has in the answer."""
