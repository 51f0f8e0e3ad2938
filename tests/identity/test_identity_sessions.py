"""Sessions: two ends, a fresh secret at every sign-in, and a token against forged requests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunhe.identity import secret as secrets_of_keys
from yunhe.identity import service as identity
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import NotAllowed, YunheError


def sign_in(town, name="li", **params):
    return town.do(identity.open_session, member=town.people[name], hours=12, **params)


def who(town, session):
    """The principal of a session, or the code of the refusal."""
    try:
        return town.see(identity.authenticate_session, session.secret, now_us=town.now_us)
    except YunheError as error:
        return error.code


def test_a_session_stands_for_its_person_with_every_scope(town):
    session = sign_in(town)
    found = who(town, session)
    assert (found.member, found.key) == (town.people["li"], session.id)
    assert (found.roles, found.scopes) == ({"trainer", "caller"}, {"*"})
    assert found.expires_at_us == session.expires_at_us == town.now_us + 12 * 3_600 * SECOND_US


def test_a_session_that_stands_idle_ends_and_one_in_use_goes_on_until_its_last_hour(town):
    idle, used = sign_in(town), sign_in(town)
    for _ in range(12):
        town.clock.advance(seconds=identity.IDLE_SECONDS - 1)
        found = who(town, used)
        assert found.member == town.people["li"]
        town.do(identity.note_use, found, now_us=town.now_us)
    assert who(town, idle) == "identity.session_expired"
    town.clock.advance(seconds=11)
    assert who(town, used).member == town.people["li"]
    town.clock.advance(seconds=1)
    assert who(town, used) == "identity.session_expired"


def test_signing_out_ends_this_session_and_signing_out_everywhere_ends_all(town):
    one, two, three = (sign_in(town) for _ in range(3))
    town.do(identity.end_session, one.secret)
    town.do(identity.end_session, "nonsense")
    assert who(town, one) == "identity.session_expired"
    other = sign_in(town, "dean")
    town.do(identity.end_sessions, who(town, two))
    assert who(town, two) == who(town, three) == "identity.session_expired"
    assert who(town, other).member == town.people["dean"]


def test_every_sign_in_makes_a_new_secret_and_ends_the_one_it_replaces(town):
    first = sign_in(town)
    second = sign_in(town, replaces=first.secret)
    assert first.secret != second.secret
    assert who(town, first) == "identity.session_expired"
    forged = second.secret[:-1] + ("0" if second.secret[-1] != "0" else "1")
    sign_in(town, "dean", replaces=forged)
    assert who(town, second).member == town.people["li"]


def test_a_session_opened_with_a_key_is_no_more_than_the_key(town):
    project = town.do(identity.add_project, key="p", organisation=town.university, name="p").id
    end_us = town.now_us + 600 * SECOND_US
    by = town.actor("li", scopes=("models:read",), project=project, expires_at_us=end_us)
    session = sign_in(town, by=by)
    found = who(town, session)
    assert (found.scopes, found.project, found.roles) == ({"models:read"}, project, frozenset())
    assert session.expires_at_us == end_us
    town.do(identity.revoke_key, key=by.key)
    assert who(town, session) == "identity.session_expired"
    code = town.code(
        identity.open_session, member=town.people["dean"], hours=12, by=town.actor("li")
    )
    assert code == "identity.member_unknown"


def test_programs_and_people_who_left_have_no_session(town):
    bot = town.do(identity.add_service_account, key="b", organisation=town.university, name="b").id
    assert town.code(identity.open_session, member=bot, hours=1) == "identity.no_sessions"
    session = sign_in(town)
    town.do(identity.end_member, member=town.people["li"])
    assert who(town, session) == "identity.session_expired"
    code = town.code(identity.open_session, member=town.people["li"], hours=1)
    assert code == "identity.member_ended"


def test_roles_are_those_held_at_the_time_of_the_request(town):
    session = sign_in(town)
    town.do(identity.revoke_role, member=town.people["li"], role="trainer")
    assert who(town, session).roles == {"caller"}


def test_keys_cookies_and_tokens_are_never_taken_for_one_another(town):
    session, key = sign_in(town), town.key("li")
    with pytest.raises(NotAllowed, match="not known"):
        town.who(session.secret)
    assert town.code(identity.authenticate_session, key.secret, now_us=0) == (
        "identity.session_unknown"
    )
    swapped = session.secret.replace("ys_", "yk_")
    assert town.code(identity.authenticate, swapped, now_us=0) == "identity.key_unknown"


def test_unknown_and_wrong_cookies_are_refused_alike(town):
    session = sign_in(town)
    wrong = secrets_of_keys.new_secret(session.id)
    unknown = secrets_of_keys.new_secret("ses_" + "0" * 26)
    errors = [
        town.refusal(identity.authenticate_session, said, now_us=town.now_us).as_json("en")
        for said in (wrong, unknown, "", "\ud800", "x" * 5_000)
    ]
    assert all(error == errors[0] for error in errors)


def test_the_token_of_a_page_belongs_to_its_session_alone(town):
    one, two = sign_in(town), sign_in(town)
    identity.check_csrf(one.secret, one.csrf)
    assert one.csrf == identity.csrf_token(one.secret)
    assert one.secret.split("_")[2] not in one.csrf
    for token in (two.csrf, "", one.csrf[:-1], one.csrf.upper(), one.csrf + " ", "é", one.secret):
        with pytest.raises(NotAllowed) as error:
            identity.check_csrf(one.secret, token)
        assert error.value.code == "identity.csrf"


@given(st.text(max_size=80), st.text(max_size=80))
def test_no_guess_passes_for_a_token_and_none_breaks_the_check(secret, token):
    with pytest.raises(NotAllowed):
        identity.check_csrf(secret, token)


def test_the_database_and_what_is_printed_hold_no_cookie_and_no_token(town):
    session = sign_in(town)
    said = town.stored() + repr(session).encode()
    assert session.id.encode() in said
    for secret in (session.secret.split("_")[2], session.csrf):
        assert secret.encode() not in said
