"""People, keys and invitations over HTTP, from the first start on."""

from __future__ import annotations

import re

import pytest

from yunhe.client.wire import identity as wire
from yunhe.identity import service as identity
from yunhe.identity.domain import KINDS, ROLES


@pytest.fixture
def operator(desk):
    token = identity.first_token(desk.storage)
    body = {"token": token, "organisation_name": "City", "name": "Chen"}
    made = desk.ask("POST", "/v1/operator", json=body, headers={"idempotency-key": "first"})
    assert made.status_code == 201, made.text
    again = desk.ask("POST", "/v1/operator", json=body, headers={"idempotency-key": "first"})
    assert again.content == made.content  # a lost answer locks nobody out
    return made.json()["key"]["secret"]


def invited(desk, by, **offer):
    made = desk.ask("POST", "/v1/invitations", by, json=offer)
    assert made.status_code == 201, made.text
    body = {"token": made.json()["token"], "name": "Guest"}
    come = desk.ask("POST", "/v1/invitations/accept", json=body)
    assert come.status_code == 201, come.text
    return come.json()


def test_the_wire_knows_the_same_kinds_and_roles_as_the_floor():
    assert wire.Kind.__args__ == KINDS
    assert wire.Role.__args__ == ROLES


def test_the_first_token_is_good_once(desk, operator):
    body = {"token": "yk_wrong", "organisation_name": "Other", "name": "Other"}
    answer = desk.ask("POST", "/v1/operator", json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "identity.first_token_unknown")
    assert identity.first_token(desk.storage) is None


def test_from_invitation_to_key_to_revocation(desk, operator):
    claimed = invited(
        desk, operator, new_name="Uni", new_kind="university", roles=["administrator"]
    )
    admin = claimed["key"]["secret"]
    me = desk.ask("GET", "/v1/me", admin).json()
    assert (me["organisation"]["name"], me["roles"]) == ("Uni", ["administrator"])
    colleague = invited(desk, admin, roles=["buyer"])
    member = colleague["member"]
    shown = desk.ask("GET", f"/v1/members/{member}", admin).json()
    assert [role["role"] for role in shown["roles"]] == ["buyer"]
    made = desk.ask(
        "POST", "/v1/keys", colleague["key"]["secret"], json={"scopes": ["ledger:read"], "days": 5}
    ).json()
    assert desk.ask("GET", "/v1/accounts", made["secret"]).status_code == 200
    assert desk.ask("GET", "/v1/keys", made["secret"]).json()["code"] == "api.scope_missing"
    gone = desk.ask("DELETE", f"/v1/keys/{made['id']}", admin)
    assert gone.json()["revoked_at"] is not None
    refused = desk.ask("GET", "/v1/accounts", made["secret"])
    assert (refused.status_code, refused.json()["code"]) == (401, "identity.key_revoked")
    ended = desk.ask("DELETE", f"/v1/members/{member}", admin)
    assert ended.json()["ended_at"] is not None
    assert desk.ask("GET", "/v1/me", colleague["key"]["secret"]).status_code == 401


def test_a_role_that_duties_keep_apart_is_refused_with_the_rule(desk, operator):
    admin = invited(desk, operator, new_name="U", new_kind="sme", roles=["administrator"])
    member = invited(desk, admin["key"]["secret"], roles=["trainer"])["member"]
    path = f"/v1/members/{member}/roles"
    answer = desk.ask("POST", path, admin["key"]["secret"], json={"role": "risk_officer"})
    codes = (answer.status_code, answer.json()["code"])
    assert codes == (403, "identity.duties_apart"), answer.text
    assert answer.json()["findings"]
    fine = desk.ask("POST", path, admin["key"]["secret"], json={"role": "caller"})
    assert fine.status_code == 200
    less = desk.ask("DELETE", f"{path}/caller", admin["key"]["secret"])
    assert [role["role"] for role in less.json()["roles"]] == ["trainer"]


def test_a_withdrawn_invitation_is_not_accepted(desk, operator):
    made = desk.ask("POST", "/v1/invitations", operator, json={"roles": ["auditor"]}).json()
    path = f"/v1/invitations/{made['invitation']['id']}"
    assert desk.ask("DELETE", path, operator).status_code == 204
    assert desk.ask("DELETE", path, operator).content == b""
    answer = desk.ask(
        "POST", "/v1/invitations/accept", json={"token": made["token"], "name": "late"}
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "identity.invitation_ended")
    [shown] = desk.ask("GET", "/v1/invitations", operator).json()["items"]
    assert shown["withdrawn_at"] is not None
    assert made["token"] not in str(shown)


def test_lists_go_on_where_their_cursor_says_and_hold_everything_once(desk, operator):
    for number in range(7):
        desk.ask("POST", "/v1/organisations", operator, json={"name": f"O{number}", "kind": "sme"})
    seen, path, pages = [], "/v1/organisations?limit=3", 0
    while path:
        page = desk.ask("GET", path, operator).json()
        seen += [each["id"] for each in page["items"]]
        path = page["next"] and f"/v1/organisations?limit=3&after={page['next']}"
        pages += 1
    assert len(seen) == len(set(seen)) == 8
    assert seen == sorted(seen)
    assert pages == 3


def test_a_cursor_of_another_list_caller_or_filter_is_refused(desk, operator):
    for number in range(3):
        desk.ask("POST", "/v1/projects", operator, json={"name": f"P{number}"})
    cursor = desk.ask("GET", "/v1/projects?limit=1", operator).json()["next"]
    member = desk.ask("GET", "/v1/me", operator).json()["member"]
    desk.ask("POST", "/v1/keys", operator, json={"scopes": ["*"]})
    keys = desk.ask("GET", f"/v1/keys?limit=1&member={member}", operator).json()["next"]
    wrong = [
        f"/v1/organisations?after={cursor}",
        f"/v1/keys?after={keys}",
        f"/v1/projects?after={cursor[:-2]}AA",
        "/v1/projects?after=%00",
        "/v1/projects?after=ä",
        "/v1/projects?after=" + "A" * 500,
        "/v1/projects?after=",
    ]
    for path in wrong:
        answer = desk.ask("GET", path, operator)
        assert answer.status_code == 422, path
        assert [each["where"] for each in answer.json()["findings"]] == ["query.after"], path
    other = desk.key(desk.member(desk.organisation("other"), "administrator"))
    assert desk.ask("GET", f"/v1/projects?after={cursor}", other).status_code == 422


def test_a_key_bound_to_a_project_sees_that_project_alone(desk, operator):
    mine, other = (
        desk.ask("POST", "/v1/projects", operator, json={"name": name}).json()["id"]
        for name in ("mine", "other")
    )
    sent = {"scopes": ["*"], "project": mine}
    bound = desk.ask("POST", "/v1/keys", operator, json=sent).json()["secret"]
    shown = desk.ask("GET", "/v1/projects", bound).json()["items"]
    assert [each["id"] for each in shown] == [mine]
    assert other != mine
    organisations = desk.ask("GET", "/v1/organisations", bound).json()["items"]
    assert len(organisations) == 1
    assert desk.ask("GET", "/v1/me", bound).json()["roles"] == []


def test_secrets_are_shown_once_and_never_in_lists(desk, operator):
    made = desk.ask("POST", "/v1/keys", operator, json={"scopes": ["*"]}).json()
    listed = desk.ask("GET", "/v1/keys", operator).text
    assert made["id"] in listed
    assert made["secret"] not in listed
    assert not re.search(r"yk_[0-9a-z]{26}_", listed)


def test_a_browser_signs_in_by_key_and_out_again(desk, operator):
    made = desk.ask("POST", "/v1/session", operator, json={})
    assert made.status_code == 200, made.text
    cookie = made.headers["set-cookie"]
    assert re.match(r"yunhe=\S+; HttpOnly; Max-Age=\d+; Path=/; SameSite=lax$", cookie)
    session = {"cookie": cookie.partition(";")[0]}
    assert "content-length" in made.headers
    shown = desk.ask("GET", "/v1/session", headers=session)
    assert shown.json() == made.json()
    csrf = {"x-csrf-token": shown.json()["csrf"]}
    again = desk.ask("POST", "/v1/session", json={}, headers={**session, **csrf})
    assert again.json()["code"] == "api.session_by_key"
    assert desk.ask("POST", "/auth/logout", headers=session).json()["code"] == "identity.csrf"
    out = desk.ask("POST", "/auth/logout", headers={**session, **csrf})
    assert out.status_code == 204
    assert "Max-Age=0" in out.headers["set-cookie"]
    gone = desk.ask("GET", "/v1/session", headers=session)
    assert (gone.status_code, gone.json()["code"]) == (401, "identity.session_expired")


def test_a_session_is_no_key_and_a_key_no_session(desk, operator):
    answer = desk.ask("GET", "/v1/session", operator)
    assert (answer.status_code, answer.json()["code"]) == (403, "api.session_missing")
    assert desk.ask("GET", "/v1/me", headers={"cookie": f"yunhe={operator}"}).status_code == 401


def test_without_a_provider_sign_in_says_so(desk):
    answer = desk.ask("GET", "/auth/login")
    assert (answer.status_code, answer.json()["code"]) == (404, "api.no_sign_in")


def test_a_revoked_key_is_refused_at_once_though_principals_are_remembered(desk, operator):
    me = desk.ask("GET", "/v1/me", operator).json()
    for _ in range(3):
        assert desk.ask("GET", "/v1/me", operator).status_code == 200
    with desk.storage.database.begin() as tx:  # as another process would
        identity.revoke_role(tx, member=me["member"], role="administrator")
    assert desk.ask("GET", "/v1/me", operator).json()["roles"] == ["operator"]
    with desk.storage.database.begin() as tx:
        identity.revoke_key(tx, me["key"], at_us=desk.now_us())
    assert desk.ask("GET", "/v1/me", operator).status_code == 401


def test_a_remembered_key_expires_in_time(desk, operator):
    member = desk.ask("GET", "/v1/me", operator).json()["member"]
    short = desk.key(member, expires_at_us=desk.now_us() + 5_000_000)
    assert desk.ask("GET", "/v1/me", short).status_code == 200
    desk.storage.clock.advance(seconds=5)
    assert desk.ask("GET", "/v1/me", short).json()["code"] == "identity.key_expired"


def test_the_use_of_a_key_is_put_on_record(desk, operator):
    [shown] = desk.ask("GET", "/v1/keys", operator).json()["items"]
    desk.platform.storage.clock.advance(seconds=61)
    for _ in range(3):
        desk.ask("GET", "/v1/me", operator)
    made = desk.ask("POST", "/v1/projects", operator, json={"name": "after the note"})
    assert made.status_code == 201  # committed after it, in order
    [used] = desk.ask("GET", "/v1/keys", operator).json()["items"]
    assert used["used_at"] is not None
    assert used["used_at"] > (shown["used_at"] or "")


def test_a_member_without_a_live_key_is_let_in_again_by_its_administrator(desk, operator):
    admin = invited(desk, operator, new_name="U", new_kind="sme", roles=["administrator"])
    member = invited(desk, admin["key"]["secret"], roles=["trainer"])
    path = f"/v1/members/{member['member']}/entries"
    secret = admin["key"]["secret"]
    own = desk.ask("POST", f"/v1/members/{admin['member']}/entries", secret, json={})
    assert (own.status_code, own.json()["code"]) == (403, "identity.entry_own")
    assert desk.ask("POST", path, member["key"]["secret"], json={}).status_code == 403
    long = desk.ask("POST", path, secret, json={"days": 31})
    assert [each["where"] for each in long.json()["findings"]] == ["body.days"]
    made = desk.ask("POST", path, secret, json={"days": 30})
    assert made.status_code == 201, made.text
    shown = made.json()["invitation"]
    assert (shown["member"], shown["roles"]) == (member["member"], [])
    come = desk.ask("POST", "/v1/invitations/accept", json={"token": made.json()["token"]})
    assert (come.status_code, come.json()["member"]) == (201, member["member"])
    key = come.json()["key"]["secret"]
    assert desk.ask("GET", "/v1/me", key).json()["roles"] == ["trainer"]
    for who in (key, secret):
        told = desk.ask("GET", "/v1/notices", who).json()["items"]
        assert "entry_opened" in {each["kind"] for each in told}
    other = invited(desk, operator, new_name="V", new_kind="sme", roles=["administrator"])
    foreign = desk.ask("POST", path, other["key"]["secret"], json={})
    assert (foreign.status_code, foreign.json()["code"]) == (404, "identity.member_unknown")


def test_findings_about_times_name_the_field_of_the_request(desk, operator):
    answer = desk.ask("POST", "/v1/invitations", operator, json={"roles": ["buyer"], "days": 60})
    assert [each["where"] for each in answer.json()["findings"]] == ["body.days"]
    answer = desk.ask("POST", "/v1/keys", operator, json={"scopes": ["*"], "days": 91})
    assert (answer.status_code, answer.json()["code"]) == (403, "identity.key_beyond_issuer")
    assert [each["where"] for each in answer.json()["findings"]] == ["days"]
    desk.platform.storage.clock.advance(seconds=60 * 86_400)
    made = desk.ask("POST", "/v1/keys", operator, json={"scopes": ["*"], "days": 90})
    assert made.status_code == 201, made.text
    renewed = desk.ask("GET", "/v1/me", operator).json()["key"]
    assert desk.ask("GET", f"/v1/keys/{made.json()['id']}", operator).json()["renews"] == renewed


def test_the_last_administrator_neither_ends_nor_erases_itself(desk, operator):
    admin = invited(desk, operator, new_name="U", new_kind="sme", roles=["administrator"])
    secret, member = admin["key"]["secret"], admin["member"]
    ended = desk.ask("DELETE", f"/v1/members/{member}", secret)
    body = {"subject": "member", "member": member}
    erased = desk.ask("POST", "/v1/erasures", secret, json=body)
    for answer in (ended, erased):
        codes = (answer.status_code, answer.json()["code"])
        assert codes == (409, "identity.last_administrator"), answer.text
    assert desk.ask("POST", "/v1/erasures", operator, json=body).status_code == 201
