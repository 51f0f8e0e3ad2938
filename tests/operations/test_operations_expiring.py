"""Holders are told before their keys end: twice, once each, and not for nothing."""

from __future__ import annotations

import pytest

from yunhe.identity import service as identity
from yunhe.kernel.clock import DAY_US
from yunhe.notices import service as notices
from yunhe.operations import expiring


@pytest.fixture
def lab(desk):
    return desk.people("lab", "university", "administrator")


def issue(desk, member, days):
    now_us = desk.storage.clock.now_us()
    with desk.storage.database.begin() as tx:
        return identity.issue_key(
            tx,
            member=member,
            expires_at_us=round(now_us + days * DAY_US),
            at_us=now_us - 90 * DAY_US,
        )


def told(desk, member):
    expiring.remind(desk.storage)
    expiring.remind(desk.storage)
    with desk.storage.database.read() as tx:
        found = notices.feed(tx, member)
    return [each.subject for each in found if each.kind == "key_expiring"]


@pytest.mark.parametrize(("days", "count"), [(15, 0), (13.9, 1), (2.9, 1)])
def test_a_key_is_told_of_once_its_end_is_near(desk, lab, days, count):
    _, member = lab
    key = issue(desk, member, days)
    assert told(desk, member) == [key.id] * count


def test_keys_that_are_renewed_or_revoked_are_nobodys_concern(desk, lab):
    _, member = lab
    key, revoked = issue(desk, member, 5), issue(desk, member, 5)
    now_us = desk.storage.clock.now_us()
    with desk.storage.database.begin() as tx:
        identity.revoke_key(tx, revoked.id, at_us=now_us)
        by = identity.authenticate(tx, key.secret, now_us=now_us)
        identity.issue_key(
            tx, member=member, expires_at_us=now_us + 90 * DAY_US, at_us=now_us, by=by
        )
    assert told(desk, member) == []


def test_a_short_key_is_told_of_only_when_it_was_made_for_longer(desk, lab):
    _, member = lab
    now_us = desk.storage.clock.now_us()
    with desk.storage.database.begin() as tx:
        identity.issue_key(tx, member=member, expires_at_us=now_us + 2 * DAY_US, at_us=now_us)
    assert told(desk, member) == []


def test_of_a_programs_key_the_administrators_are_told(desk, lab):
    organisation, member = lab
    with desk.storage.database.begin() as tx:
        program = identity.add_service_account(
            tx, key="p", organisation=organisation, name="p", at_us=desk.storage.clock.now_us()
        )
    key = issue(desk, program.id, 5)
    assert told(desk, member) == [key.id]
