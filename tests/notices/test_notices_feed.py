"""The feed: who is told, once, and never anybody else."""

from __future__ import annotations

import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yunhe.identity import service as identity
from yunhe.kernel.clock import DAY_US, SECOND_US
from yunhe.kernel.errors import Invalid, NotFound
from yunhe.kernel.language import texts
from yunhe.notices import service as notices
from yunhe.notices.domain import KINDS, PROGRAMME

JOB = {"outcome": "settled", "device_seconds": 12}


def tell(storage, key, organisation, **more):
    with storage.database.begin() as tx:
        notices.notify(
            tx,
            key=key,
            kind=more.pop("kind", "job_ended"),
            organisation=organisation,
            subject=more.pop("subject", key),
            params=more.pop("params", JOB),
            at_us=storage.clock.now_us(),
            **more,
        )


def subjects(storage, member, **how):
    with storage.database.read() as tx:
        return [notice.subject for notice in notices.feed(tx, member, **how)]


def test_a_notice_is_seen_by_its_organisation_and_nobody_else(storage, town):
    tell(storage, "job-1", town.lab)
    assert subjects(storage, town.trainer) == subjects(storage, town.officer) == ["job-1"]
    assert subjects(storage, town.stranger) == subjects(storage, town.chief) == []


def test_a_notice_to_a_role_or_a_member_is_seen_by_these_alone(storage, town):
    tell(storage, "for-officers", town.lab, role="risk_officer")
    tell(storage, "for-one", town.lab, member=town.trainer)
    assert subjects(storage, town.officer) == ["for-officers"]
    assert subjects(storage, town.trainer) == ["for-one"]
    assert subjects(storage, town.stranger) == subjects(storage, town.chief) == []


def test_a_notice_to_the_programme_is_seen_by_the_operator_in_that_role(storage, town):
    tell(storage, "model", PROGRAMME, role="risk_officer")
    tell(storage, "other", PROGRAMME, role="release_owner")
    assert subjects(storage, town.chief) == ["model"]
    assert subjects(storage, town.officer) == subjects(storage, town.stranger) == []


def test_who_holds_a_role_is_asked_when_the_feed_is_read(storage, town):
    tell(storage, "for-officers", town.lab, role="risk_officer")
    with storage.database.begin() as tx:
        at_us = storage.clock.now_us()
        late = identity.add_member(
            tx, key="late", organisation=town.lab, name="late", at_us=at_us
        ).id
    assert subjects(storage, late) == []
    with storage.database.begin() as tx:
        identity.grant_role(tx, member=late, role="risk_officer", at_us=at_us)
    assert subjects(storage, late) == ["for-officers"]
    with storage.database.begin() as tx:
        identity.revoke_role(tx, member=late, role="risk_officer")
    assert subjects(storage, late) == []


def test_a_role_in_one_project_sees_that_projects_notices_alone(storage, town):
    with storage.database.begin() as tx:
        at_us = storage.clock.now_us()
        mine, other = (
            identity.add_project(tx, key=k, organisation=town.lab, name=k, at_us=at_us).id
            for k in ("mine", "other")
        )
        late = identity.add_member(
            tx, key="late", organisation=town.lab, name="late", at_us=at_us
        ).id
        identity.grant_role(tx, member=late, role="risk_officer", project=mine, at_us=at_us)
    tell(storage, "mine", town.lab, role="risk_officer", project=mine)
    tell(storage, "other", town.lab, role="risk_officer", project=other)
    tell(storage, "whole", town.lab, role="risk_officer")
    assert subjects(storage, late) == ["mine"]
    assert sorted(subjects(storage, town.officer)) == ["mine", "other", "whole"]


def test_the_same_key_again_is_one_notice_as_it_was_first_told(storage, town):
    tell(storage, "job-1", town.lab)
    tell(storage, "job-1", town.rival, params={"outcome": "failed", "device_seconds": 0})
    assert subjects(storage, town.trainer) == ["job-1"]
    assert subjects(storage, town.stranger) == []


def test_a_notice_is_told_only_if_its_transaction_is_kept(storage, town):
    with pytest.raises(RuntimeError), storage.database.begin() as tx:
        notices.notify(
            tx,
            key="job-1",
            kind="job_ended",
            organisation=town.lab,
            subject="job-1",
            params=JOB,
            at_us=storage.clock.now_us(),
        )
        raise RuntimeError
    assert subjects(storage, town.trainer) == []


def test_a_withdrawn_notice_is_gone_and_stays_gone(storage, town):
    tell(storage, "job-1", town.lab)
    with storage.database.begin() as tx:
        notices.withdraw(tx, "job-1", "never-told", at_us=storage.clock.now_us())
    tell(storage, "job-1", town.lab)
    assert subjects(storage, town.trainer) == []


def test_reading_marks_only_ones_own_and_only_for_oneself(storage, town):
    tell(storage, "job-1", town.lab)
    tell(storage, "job-2", town.rival)
    ids = [notices.notice_id("job-1"), notices.notice_id("job-2"), "note_unknown"]
    with storage.database.begin() as tx:
        assert notices.mark_read(tx, town.trainer, ids, at_us=7) == 1
        assert notices.mark_read(tx, town.trainer, ids, at_us=8) == 0
        assert notices.feed(tx, town.trainer)[0].read_at_us == 7
    assert subjects(storage, town.trainer, unread_only=True) == []
    assert subjects(storage, town.officer, unread_only=True) == ["job-1"]
    assert subjects(storage, town.stranger, unread_only=True) == ["job-2"]


def test_too_many_ids_at_once_are_refused(storage, town):
    with storage.database.begin() as tx, pytest.raises(Invalid, match="200"):
        notices.mark_read(tx, town.trainer, ["note_x"] * 201, at_us=1)


def test_a_stranger_to_the_platform_has_no_feed(storage, town):
    with storage.database.read() as tx, pytest.raises(NotFound):
        notices.feed(tx, "mem_nobody")


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(st.integers(0, 2), min_size=1, max_size=12), limit=st.integers(1, 5))
def test_pages_give_every_notice_once_newest_first(storage, town, clock, steps, limit):
    organisation = f"org_{clock.now_us()}_{len(steps)}_{limit}"
    with storage.database.begin() as tx:
        at_us = clock.now_us()
        organisation = identity.add_organisation(
            tx, key=organisation, name="pages", kind="sme", at_us=at_us
        ).id
        member = identity.add_member(
            tx, key="m", organisation=organisation, name="m", at_us=at_us
        ).id
    for number, step in enumerate(steps):
        clock.advance(seconds=step)
        tell(storage, f"{organisation}-{number}", organisation)
    seen, after = [], ""
    while True:
        with storage.database.read() as tx:
            page = notices.feed(tx, member, after=after, limit=limit)
        seen += page
        if len(page) < limit:
            break
        after = page[-1].id
    assert [n.at_us for n in seen] == sorted((n.at_us for n in seen), reverse=True)
    assert len({n.id for n in seen}) == len(seen) == len(steps)
    clock.advance(seconds=1)


def test_a_kind_kept_out_of_the_feed_is_left_out(storage, town):
    tell(storage, "job-1", town.lab)
    with storage.database.begin() as tx:
        notices.prefer(tx, town.trainer, kind="job_ended", feed=False, mail=True)
        notices.prefer(tx, town.trainer, kind="job_ended", feed=False, mail=False)
        kept = {item.kind: item for item in notices.preferences(tx, town.trainer)}
    assert kept["job_ended"].feed is kept["job_ended"].mail is False
    assert kept["approval_due"].mail is True
    assert subjects(storage, town.trainer) == []
    assert subjects(storage, town.officer) == ["job-1"]


def test_a_preference_for_an_unknown_kind_is_refused_by_name(storage, town):
    with storage.database.begin() as tx, pytest.raises(Invalid) as refused:
        notices.prefer(tx, town.trainer, kind="gossip", feed=True, mail=True)
    assert "gossip" in refused.value.message("zh")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_sentence_and_a_title_in_both_languages(storage, town, kind):
    template = texts("notices", "en")[f"notices.{kind}"]
    names = {name for _, name, _, _ in string.Formatter().parse(template) if name}
    tell(storage, kind, town.lab, kind=kind, params=dict.fromkeys(names - {"subject"}, 7))
    with storage.database.read() as tx:
        (notice,) = notices.feed(tx, town.trainer)
    for language in ("en", "zh"):
        assert "{" not in notice.message(language)
        assert kind not in notice.message(language).replace(notice.subject, "")
        assert f"notices.title.{kind}" in texts("notices", language)


def test_what_was_read_long_ago_is_purged_and_the_unread_stays(storage, town, clock):
    tell(storage, "old-read", town.lab)
    tell(storage, "old-unread", town.lab)
    with storage.database.begin() as tx:
        notices.mark_read(tx, town.trainer, [notices.notice_id("old-read")], at_us=clock.now_us())
    clock.advance(seconds=181 * DAY_US / SECOND_US)
    with storage.database.begin() as tx:
        assert notices.purge(tx, now_us=clock.now_us(), days=180) == 1
        assert notices.purge(tx, now_us=clock.now_us(), days=180) == 0
    assert subjects(storage, town.trainer) == ["old-unread"]
    clock.advance(seconds=180 * DAY_US / SECOND_US)
    with storage.database.begin() as tx:
        assert notices.purge(tx, now_us=clock.now_us(), days=180) == 1
    assert subjects(storage, town.trainer) == []
