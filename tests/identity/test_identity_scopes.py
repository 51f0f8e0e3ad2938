"""Keys carry less than their member, never more; and none goes beyond the key it came from."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yunhe.identity import service as identity
from yunhe.identity.domain import ROLES, SCOPES
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import YunheError


def test_a_key_carries_its_scopes_and_no_scope_implies_another(town):
    who = town.actor("li", scopes=("ask", "models:write"))
    assert {scope for scope in SCOPES if who.may(scope)} == {"ask", "models:write"}
    everything = town.actor("li")
    assert all(everything.may(scope) for scope in SCOPES)
    assert who.kind == "university"
    assert who.roles == {"trainer", "caller"}


def test_keys_of_before_scopes_existed_may_do_what_they_did(town):
    """The column's own default, as a migrated row has it."""
    from yunhe.identity.tables import keys  # noqa: PLC0415 - only here

    key = town.key("li", scopes=("ask",))
    with town.storage.database.begin() as tx:
        row = tx.execute(keys.select().where(keys.c.id == key.id)).one()
        tx.execute(keys.delete())
        tx.execute(
            keys.insert().values(
                id=row.id, member=row.member, label="", secret_hash=row.secret_hash, at_us=0
            )
        )
    who = town.who(key.secret)
    assert who.scopes == {"*"}
    assert (who.project, who.roles) == ("", {"trainer", "caller"})


@pytest.mark.parametrize("scopes", [(), ("everything",), ("compute",), ("*", "compute:delete")])
def test_a_key_needs_known_scopes(town, scopes):
    assert town.code(
        identity.issue_key, member=town.people["li"], expires_at_us=None, scopes=scopes
    ) == ("identity.invalid")


def test_a_key_of_a_project_opens_nothing_outside_it(town):
    one, two = (
        town.do(identity.add_project, key=key, organisation=town.university, name=key).id
        for key in ("one", "two")
    )
    li = town.people["li"]
    town.do(identity.grant_role, member=li, role="buyer", project=one)
    town.do(identity.grant_role, member=li, role="data_steward", project=two)
    who = town.actor("li", project=one)
    assert (who.project, who.roles) == (one, frozenset())
    assert {role for role in ROLES if who.has(role, one)} == {"trainer", "caller", "buyer"}
    assert not any(who.has(role) or who.has(role, two) for role in ROLES)
    foreign = town.do(identity.add_project, key="x", organisation=town.city, name="x").id
    for project in (foreign, "prj_none"):
        code = town.code(identity.issue_key, member=li, expires_at_us=None, project=project)
        assert code == "identity.invalid"


def beyond(town, by, **params) -> set[str]:
    params.setdefault("expires_at_us", None)
    error = town.refusal(identity.issue_key, member=by.member, by=by, **params)
    assert error.code == "identity.key_beyond_issuer"
    return {finding.code.removeprefix("identity.beyond_") for finding in error.findings}


def test_a_key_never_goes_beyond_the_one_it_is_issued_with(town):
    project = town.do(identity.add_project, key="p", organisation=town.university, name="p").id
    end_us = town.now_us + 1_000 * SECOND_US
    by = town.actor("li", scopes=("identity:write", "ask"), project=project, expires_at_us=end_us)
    assert beyond(town, by, scopes=("*",)) == {"scopes", "project", "expiry"}
    fine = {"scopes": ("ask",), "project": project, "expires_at_us": end_us}
    assert beyond(town, by, **{**fine, "scopes": ("ask", "models:read")}) == {"scopes"}
    assert beyond(town, by, **{**fine, "project": ""}) == {"project"}
    assert beyond(town, by, **{**fine, "expires_at_us": end_us + 1}) == {"expiry"}
    key = town.do(identity.issue_key, member=by.member, by=by, **fine)
    assert town.who(key.secret).scopes == {"ask"}
    assert town.see(identity.key, key.id).by == by.member


def test_a_session_opened_with_a_key_issues_nothing_that_outlives_the_key(town):
    end_us = town.now_us + 100 * 3_600 * SECOND_US

    def session_of(by):
        opened = town.do(identity.open_session, member=town.people["li"], hours=12, by=by)
        return town.see(identity.authenticate_session, opened.secret, now_us=town.now_us)

    by = session_of(town.actor("li", expires_at_us=end_us))
    assert beyond(town, by) == {"expiry"}
    assert beyond(town, by, expires_at_us=end_us + 1) == {"expiry"}
    town.do(identity.issue_key, member=by.member, by=by, expires_at_us=end_us)
    for free in (session_of(None), session_of(town.actor("li"))):
        town.do(identity.issue_key, member=free.member, by=free, expires_at_us=None)


# Mostly keys that may issue further ones: a chain that breaks off early shows nothing.
_SCOPE_SETS = st.one_of(
    st.frozensets(st.sampled_from(SCOPES), min_size=1, max_size=4),
    st.frozensets(st.sampled_from(SCOPES), max_size=4).map(lambda said: said | {"identity:write"}),
)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    chain=st.lists(
        st.tuples(_SCOPE_SETS, st.sampled_from(("", "p")), st.integers(0, 5)),
        min_size=1,
        max_size=4,
    ),
    lost=st.frozensets(st.sampled_from(("trainer", "caller")), max_size=2),
)
def test_no_chain_of_keys_carries_more_than_its_first_or_than_its_member(town, chain, lost):
    project = town.do(identity.add_project, key="p", organisation=town.university, name="p").id
    names = {"": "", "p": project}
    li = town.people["li"]
    for role in ("trainer", "caller"):
        town.do(identity.grant_role, member=li, role=role)
    by, issued = None, []
    for scopes, where, hours in chain:
        end_us = None if hours == 0 else town.now_us + hours * 3_600 * SECOND_US
        try:
            key = town.do(
                identity.issue_key,
                member=li,
                scopes=scopes,
                project=names[where],
                expires_at_us=end_us,
                by=by,
            )
        except YunheError:
            continue
        by = town.who(key.secret)
        issued.append((key, by))
    for (_, older), (_, newer) in pairwise(issued):
        assert all(older.may(scope) for scope in newer.scopes)
        assert older.project in ("", newer.project)
        if older.expires_at_us is None:
            continue
        assert newer.expires_at_us is not None
        if newer.expires_at_us > older.expires_at_us:
            # Only a person's own whole key is outlived, by the one key that says it renews it.
            assert "*" in older.scopes
            assert not older.project
            assert town.see(identity.key, newer.key).renews == older.key
            assert newer.expires_at_us <= town.now_us + 90 * 86_400 * SECOND_US
    renewed = [town.see(identity.key, key.id).renews for key, _ in issued]
    assert len(set(filter(None, renewed))) == len(list(filter(None, renewed)))
    for role in lost:
        town.do(identity.revoke_role, member=li, role=role)
    held = town.see(identity.roles_of, li)
    for key, _ in issued:
        who = town.who(key.secret)
        carried = who.roles.union(*who.project_roles.values())
        assert carried <= held
        assert not (who.project and who.roles)


def test_a_key_is_for_oneself_or_for_a_program_of_ones_own(town):
    dean = town.actor("dean")
    assert (
        town.code(identity.issue_key, member=town.people["li"], expires_at_us=None, by=dean)
        == "identity.key_for_other"
    )
    bot = town.do(
        identity.add_service_account,
        key="bot",
        organisation=town.university,
        name="bot",
        by=dean,
    ).id
    town.do(identity.grant_role, member=bot, role="caller", by=dean)
    key = town.do(identity.issue_key, member=bot, expires_at_us=None, scopes=("ask",), by=dean)
    who = town.who(key.secret)
    assert (who.member, who.roles, who.scopes) == (bot, {"caller"}, {"ask"})
    assert town.see(identity.key, key.id).by == town.people["dean"]


def test_a_program_is_no_way_around_the_separation_of_duties(town):
    dean = town.actor("dean")
    town.do(identity.grant_role, member=town.people["dean"], role="trainer")
    bot = town.do(
        identity.add_service_account, key="bot", organisation=town.university, name="bot"
    ).id
    code = town.code(identity.grant_role, member=bot, role="evaluator", by=dean)
    assert code == "identity.duties_apart"
    town.do(identity.grant_role, member=bot, role="evaluator")
    code = town.code(identity.issue_key, member=bot, expires_at_us=None, by=dean)
    assert code == "identity.duties_apart"


def test_the_last_use_is_written_at_most_once_a_minute(town):
    key = town.key("li")
    written = []
    for _ in range(180):
        who = town.who(key.secret)
        assert identity.use_due(who, now_us=town.now_us) == (
            who.used_at_us is None or town.now_us - who.used_at_us >= 60 * SECOND_US
        )
        if town.do(identity.note_use, who, now_us=town.now_us):
            written.append(town.now_us)
        assert not town.do(identity.note_use, who, now_us=town.now_us)  # an old principal, too
        town.clock.advance(seconds=1)
    assert len(written) == 3
    assert town.see(identity.key, key.id).used_at_us == written[-1]


def test_a_clock_that_is_set_back_writes_no_use_and_revives_no_key(town):
    key = town.key("li", expires_at_us=town.now_us + 100 * SECOND_US)
    town.do(identity.note_use, town.who(key.secret), now_us=town.now_us)
    used = town.see(identity.key, key.id).used_at_us
    town.clock.advance(seconds=-3_600)
    assert not town.do(identity.note_use, town.who(key.secret), now_us=town.now_us)
    assert town.see(identity.key, key.id).used_at_us == used


def test_who_revokes_may_be_the_holder_or_an_administrator(town):
    key, other = town.key("li"), town.key("dean")
    li = town.actor("li")
    town.do(identity.revoke_key, key=key.id, by=li)
    assert town.code(identity.revoke_key, key=other.id, by=li) == "identity.role_missing"
    town.do(identity.revoke_key, key=li.key, by=town.who(other.secret))
    assert town.see(identity.key, li.key).revoked_at_us == town.now_us


def test_what_is_told_of_a_key_holds_neither_secret_nor_hash(town):
    from yunhe.identity import secret as secrets_of_keys  # noqa: PLC0415 - only here

    key = town.key("li", label="laptop")
    said = repr(town.see(identity.keys, member=town.people["li"])) + repr(town.who(key.secret))
    assert key.id in said
    assert key.secret.split("_")[2] not in said
    assert secrets_of_keys.hash_of(key.secret) not in said
