"""A member whose keys have ended comes back in, as the same member, and keys are renewed."""

from __future__ import annotations

import pytest

from yunhe.identity import service as identity
from yunhe.identity.domain import Offer
from yunhe.kernel.clock import DAY_US
from yunhe.kernel.errors import NotFound, YunheError


def opened(town, name="li", by="dean", **params):
    return town.do(identity.open_entry, member=town.people[name], by=town.actor(by), **params)


def refused(town, name="li", by="dean", **params) -> str:
    member = town.people.get(name, name)
    return town.code(identity.open_entry, member=member, by=town.actor(by), **params)


def accept(town, token):
    return town.do(identity.accept, token=token, name="")


def test_who_is_locked_out_comes_back_as_the_same_member_with_the_same_roles(town):
    guest = Offer(organisation=town.university, roles=frozenset({"buyer"}))
    invited = town.do(identity.invite, guest, by=town.actor("dean"))
    first = town.do(identity.accept, token=invited.token, name="Guest")
    town.people["guest"] = first.member
    before = town.see(identity.member, first.member)
    town.clock.advance(seconds=91 * 86_400)
    with pytest.raises(YunheError):
        town.who(first.key.secret)
    entry = opened(town, "guest")
    again = accept(town, entry.token)
    who = town.who(again.key.secret)
    assert (who.member, who.roles, who.scopes) == (first.member, {"buyer"}, {"*"})
    assert who.expires_at_us == town.now_us + 90 * DAY_US
    assert town.see(identity.member, first.member) == before
    assert town.code(identity.accept, token=entry.token, name="") == "identity.invitation_ended"
    [_, listed] = town.see(identity.invitations, organisation=town.university)
    assert listed.entry
    assert (listed.member, listed.accepted_at_us) == (first.member, town.now_us)


@pytest.mark.parametrize(
    "how", ["withdrawn", "expired", "ended", "erased", "host left", "raised to operator"]
)
def test_an_entry_that_ended_lets_nobody_in(town, how):
    town.add("second", town.university, "administrator")
    town.add("aide", town.city, "administrator")
    town.add("clerk", town.city, "auditor" if how == "expired" else "caller")
    raised = how == "raised to operator"
    entry = opened(town, "clerk", by="aide") if raised else opened(town, by="second")
    li = town.people["li"]
    if how == "withdrawn":
        town.do(identity.withdraw, invitation_id=entry.invitation.id, by=town.actor("dean"))
    elif how == "expired":
        town.clock.advance(seconds=7 * 86_400)
    elif how == "ended":
        town.do(identity.end_member, member=li)
    elif how == "erased":
        town.do(identity.erase_member, member=li)
    elif how == "host left":
        town.do(identity.end_member, member=town.people["second"])
    else:
        town.do(identity.grant_role, member=town.people["clerk"], role="operator")
    assert town.code(identity.accept, token=entry.token, name="") == "identity.invitation_ended"


def test_only_who_looks_after_a_member_lets_it_in(town):
    town.add("aide", town.city, "administrator")
    town.add("gone", town.university)
    town.do(identity.end_member, member=town.people["gone"])
    program = town.do(
        identity.add_service_account, key="p", organisation=town.university, name="p"
    ).id
    assert refused(town, by="li") == "identity.role_missing"
    assert refused(town, "dean") == "identity.entry_own"
    assert refused(town, program) == "identity.entry_service"
    assert refused(town, "gone") == "identity.member_ended"
    assert refused(town, "operator", by="aide") == "identity.role_missing"
    assert refused(town, valid_hours=721) == "identity.invalid"
    foreign, unknown = (
        town.refusal(identity.open_entry, member=member, by=town.actor("dean"))
        for member in (town.people["aide"], "mem_none")
    )
    assert type(foreign) is type(unknown) is NotFound
    assert foreign.code == unknown.code
    assert opened(town, by="operator").invitation.member == town.people["li"]


def renew(town, by, *, days=90, **params):
    params.setdefault("scopes", ("*",))
    params.setdefault("member", by.member)
    until_us = town.now_us + days * DAY_US
    return town.do(identity.issue_key, by=by, expires_at_us=until_us, **params)


def not_renewed(town, by, **params) -> bool:
    with pytest.raises(YunheError) as error:
        renew(town, by, **params)
    return {each.code for each in error.value.findings} == {"identity.beyond_expiry"}


def test_a_persons_own_whole_key_is_renewed_once_for_ninety_days(town):
    by = town.actor("li", expires_at_us=town.now_us + 10 * DAY_US)
    assert not_renewed(town, by, days=91)
    made = renew(town, by)
    assert town.who(made.secret).expires_at_us == town.now_us + 90 * DAY_US
    assert town.see(identity.key, made.id).renews == by.key
    assert not_renewed(town, by)
    town.clock.advance(seconds=60 * 86_400)
    further = renew(town, town.who(made.secret))
    assert town.see(identity.key, further.id).renews == made.id


def test_no_other_key_is_renewed(town):
    soon_us = town.now_us + 10 * DAY_US
    project = town.do(identity.add_project, key="p", organisation=town.university, name="p").id
    bound = town.actor("li", expires_at_us=soon_us, project=project)
    assert not_renewed(town, bound, project=project)
    few = town.actor("li", expires_at_us=soon_us, scopes=("identity:write", "ask"))
    assert not_renewed(town, few, scopes=("ask",))
    program = town.do(
        identity.add_service_account, key="s", organisation=town.university, name="s"
    ).id
    town.people["program"] = program
    assert not_renewed(town, town.actor("program", expires_at_us=soon_us))
    dean = town.actor("dean", expires_at_us=soon_us)
    assert not_renewed(town, dean, member=program)
    opened_with = town.actor("li", expires_at_us=soon_us)
    session = town.do(identity.open_session, member=opened_with.member, hours=1, by=opened_with)
    page = town.see(identity.authenticate_session, session.secret, now_us=town.now_us)
    assert not_renewed(town, page)


def test_when_the_last_way_in_ends_is_known(town):
    member = town.people["li"]

    def ends_us():
        return town.see(identity.way_in_ends_us, member, now_us=town.now_us)

    assert ends_us() is None
    by = town.actor("li", expires_at_us=town.now_us + 10 * DAY_US)
    assert ends_us() == by.expires_at_us
    renew(town, by, days=50)
    assert ends_us() == town.now_us + 50 * DAY_US
    town.key("li")
    assert ends_us() is None
