"""Sign-in through a provider: the code flow with PKCE, whole, and each way it can go wrong."""

from __future__ import annotations

import base64
import hmac
import json
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey
from strict_provider import CLIENT, SECRET, StrictProvider, rsa_key, strict_provider

from yunhe.identity import service as identity
from yunhe.identity.credentials import id_token
from yunhe.identity.domain import Offer
from yunhe.identity.service import oidc
from yunhe.kernel.errors import NotAllowed, Unavailable, YunheError
from yunhe.outbound.client import Outbound
from yunhe.outbound.guard import Guard

REDIRECT = "http://127.0.0.1:8420/auth/callback"
ADDRESS = "guest@example.org"
CALLER = frozenset({"caller"})


@pytest.fixture
def provider(clock):
    with strict_provider(clock) as provider:
        yield provider


def client_of(provider: StrictProvider, **params) -> oidc.Provider:
    params.setdefault("client_secret", SECRET)
    return oidc.Provider(
        params.pop("issuer", provider.issuer),
        params.pop("client_id", CLIENT),
        redirect_uri=REDIRECT,
        fetch=Outbound(Guard(["127.0.0.1"])),
        **params,
    )


@pytest.fixture
def client(provider) -> oidc.Provider:
    return client_of(provider)


def invite(town, contact="", **offer) -> str:
    offer.setdefault("organisation", town.university)
    made = Offer(roles=CALLER, contact=contact, **offer)
    return town.do(identity.invite, made, by=town.actor("dean")).token


def sign_in(town, provider, client, subject="subject-1", **begun):
    """The whole flow, as a browser and the doors do it."""
    redirect = oidc.begin(town.storage, client, **begun)
    back = provider.sign_in(redirect.url, subject)
    return oidc.complete(town.storage, client, cookie_state=redirect.cookie_state, **back)


def refused(town, provider, client, **params) -> YunheError:
    with pytest.raises(YunheError) as error:
        sign_in(town, provider, client, **params)
    return error.value


def vouch(provider, email=ADDRESS, *, verified=True) -> None:
    provider.claims |= {"email": email, "email_verified": verified}


def linked(town, provider, client, subject="subject-1") -> str:
    return sign_in(town, provider, client, subject, invitation=invite(town)).member


# --- Who may sign in --------------------------------------------------------------------------


def test_a_guest_accepts_by_token_and_from_then_on_signs_in(town, provider, client):
    provider.claims["name"] = "客人"
    first = sign_in(town, provider, client, invitation=invite(town), return_to="/work?x=1")
    assert first.return_to == "/work?x=1"
    assert town.see(identity.member, first.member).name == "客人"
    again = sign_in(town, provider, client)
    assert again.member == first.member
    assert again.session.secret != first.session.secret
    who = town.see(identity.authenticate_session, again.session.secret, now_us=town.now_us)
    assert (who.member, who.roles, who.scopes) == (first.member, CALLER, {"*"})
    identity.check_csrf(again.session.secret, again.session.csrf)


def test_a_verified_address_is_enough_to_accept_without_the_token(town, provider, client):
    invite(town, contact="Guest@Example.org")
    vouch(provider, "gueST@example.org")
    member = sign_in(town, provider, client).member
    assert town.see(identity.member, member).contact == "guest@example.org"
    assert town.see(identity.roles_of, member) == CALLER


def test_an_address_the_provider_does_not_vouch_for_is_no_address(town, provider, client):
    token = invite(town, contact=ADDRESS)
    for verified in (False, None, "true", 1):
        vouch(provider, verified=verified)
        assert refused(town, provider, client).code == "identity.not_invited"
        assert refused(town, provider, client, invitation=token).code == "identity.address_differs"
    vouch(provider, "other@example.org")
    assert refused(town, provider, client).code == "identity.not_invited"
    assert refused(town, provider, client, invitation=token).code == "identity.address_differs"
    # KELVIN SIGN: its lower case is k, so another address would become this one.
    invite(town, contact="kim@example.org")
    vouch(provider, "\u212aim@example.org")
    assert refused(town, provider, client).code == "identity.not_invited"


def test_an_address_that_stands_only_at_the_user_info_endpoint_counts_as_well(
    town, provider, client
):
    invite(town, contact=ADDRESS)
    provider.profile = {"sub": "subject-1", "email": ADDRESS, "email_verified": True, "name": "n"}
    for wrong in ({"sub": "subject-2"}, {"sub": None}):
        right, provider.profile = provider.profile, {**provider.profile, **wrong}
        assert refused(town, provider, client).params == {"problem": "sub"}
        provider.profile = right
    provider.profile["email_verified"] = False
    assert refused(town, provider, client).code == "identity.not_invited"
    provider.profile["email_verified"] = True
    member = sign_in(town, provider, client).member
    found = town.see(identity.member, member)
    assert (found.name, found.contact) == ("n", ADDRESS)
    provider.answers["/userinfo"] = (500, b"{}")
    assert sign_in(town, provider, client).member == member
    other = refused(town, provider, client, subject="subject-2")
    assert (other.code, other.params["step"]) == ("identity.provider_away", "userinfo")


def test_several_invitations_for_one_address_need_the_link_of_one(town, provider, client):
    tokens = [invite(town, contact=ADDRESS) for _ in range(2)]
    vouch(provider)
    assert refused(town, provider, client).code == "identity.several_invitations"
    assert sign_in(town, provider, client, invitation=tokens[1]).member


def test_nobody_signs_in_uninvited(town, provider, client):
    vouch(provider)
    before = len(town.see(identity.members))
    assert refused(town, provider, client).code == "identity.not_invited"
    assert len(town.see(identity.members)) == before


def test_the_link_of_an_accepted_invitation_signs_its_guest_in_and_nobody_else(
    town, provider, client
):
    token = invite(town)
    member = sign_in(town, provider, client, invitation=token).member
    assert sign_in(town, provider, client, invitation=token).member == member
    stranger = refused(town, provider, client, subject="subject-2", invitation=token)
    assert stranger.code == "identity.invitation_ended"
    other = refused(town, provider, client, invitation=invite(town))
    assert other.code == "identity.already_linked"


def test_a_member_with_a_key_binds_a_sign_in_and_only_one(town, provider, client):
    by = town.actor("li")
    assert sign_in(town, provider, client, by=by).member == town.people["li"]
    assert sign_in(town, provider, client).member == town.people["li"]
    assert sign_in(town, provider, client, by=by).member == town.people["li"]
    second = refused(town, provider, client, subject="subject-2", by=by)
    assert second.code == "identity.already_linked"
    thief = refused(town, provider, client, by=town.actor("dean"))
    assert thief.code == "identity.already_linked"


def test_a_key_that_can_do_less_than_its_member_binds_no_sign_in(town, client):
    project = town.do(identity.add_project, key="p", organisation=town.university, name="p").id
    for params in ({"scopes": ("identity:write", "ask")}, {"project": project}):
        with pytest.raises(NotAllowed) as error:
            oidc.begin(town.storage, client, by=town.actor("dean", **params))
        assert error.value.code == "identity.key_beyond_issuer"


def test_a_program_binds_no_sign_in(town, provider, client):
    bot = town.do(identity.add_service_account, key="b", organisation=town.city, name="b").id
    key = town.do(identity.issue_key, member=bot, expires_at_us=None)
    assert refused(town, provider, client, by=town.who(key.secret)).code == "identity.no_sessions"
    assert refused(town, provider, client).code == "identity.not_invited"


@pytest.mark.parametrize("command", [identity.end_member, identity.erase_member])
def test_who_left_signs_in_no_more_and_may_be_invited_anew(town, provider, client, command):
    member = linked(town, provider, client)
    town.do(command, member=member)
    assert refused(town, provider, client).code == "identity.not_invited"
    assert linked(town, provider, client) != member


def test_a_linked_operator_needs_no_first_token(town, provider, client):
    for key in town.see(identity.keys):
        town.do(identity.revoke_key, key=key.id)
    by = town.actor("operator")
    sign_in(town, provider, client, by=by)
    town.do(identity.revoke_key, key=by.key)
    assert identity.first_token(town.storage) is None


# --- The browser's side -----------------------------------------------------------------------


def attempt(town, client, **params) -> str:
    with pytest.raises(YunheError) as error:
        oidc.complete(town.storage, client, **params)
    return error.value.code


def test_a_sign_in_is_finished_in_the_browser_that_began_it_once_and_in_time(
    town, provider, client
):
    linked(town, provider, client)
    mine, other = (oidc.begin(town.storage, client) for _ in range(2))
    back = provider.sign_in(mine.url, "subject-1")
    unknown = "identity.sign_in_unknown"
    for cookie in (other.cookie_state, "", "yl_x", mine.cookie_state[:-1] + "x"):
        assert attempt(town, client, cookie_state=cookie, **back) == unknown
    for state in ("", "é", back["state"][:-1], back["state"].upper(), mine.cookie_state):
        said = {**back, "state": state}
        assert attempt(town, client, cookie_state=mine.cookie_state, **said) == unknown
    assert oidc.complete(town.storage, client, cookie_state=mine.cookie_state, **back).member
    assert attempt(town, client, cookie_state=mine.cookie_state, **back) == unknown
    late = oidc.begin(town.storage, client)
    back = provider.sign_in(late.url, "subject-1")
    town.clock.advance(seconds=oidc.SIGN_IN_SECONDS)
    assert attempt(town, client, cookie_state=late.cookie_state, **back) == unknown


def test_a_code_from_another_sign_in_is_refused(town, provider, client):
    """Injection of a code: its PKCE challenge is not that of this browser."""
    linked(town, provider, client)
    victim, attacker = (oidc.begin(town.storage, client) for _ in range(2))
    stolen = provider.sign_in(victim.url, "subject-1")["code"]
    state = provider.sign_in(attacker.url, "subject-2")["state"]
    code = attempt(town, client, cookie_state=attacker.cookie_state, code=stolen, state=state)
    assert code == "identity.sign_in_refused"


def test_a_code_works_once(town, provider, client):
    linked(town, provider, client)
    first = oidc.begin(town.storage, client)
    back = provider.sign_in(first.url, "subject-1")
    oidc.complete(town.storage, client, cookie_state=first.cookie_state, **back)
    second = oidc.begin(town.storage, client)
    state = provider.sign_in(second.url, "subject-1")["state"]
    error = refused_by(town, client, second, code=back["code"], state=state)
    assert (error.code, error.params) == ("identity.sign_in_refused", {"reason": "invalid_grant"})
    assert "<you>" not in error.message("en")


def refused_by(town, client, redirect, **back) -> YunheError:
    with pytest.raises(YunheError) as error:
        oidc.complete(town.storage, client, cookie_state=redirect.cookie_state, **back)
    return error.value


def test_what_the_provider_says_instead_of_a_code_is_told_only_as_a_word(town, provider, client):
    for said, told in (
        ("access_denied", "access_denied"),
        ("<script>", "error"),
        ("é" * 99, "error"),
    ):
        begun = oidc.begin(town.storage, client)
        state = provider.sign_in(begun.url, "subject-1")["state"]
        error = refused_by(town, client, begun, code="", state=state, error=said)
        assert (error.code, error.params["reason"]) == ("identity.sign_in_refused", told)


@pytest.mark.parametrize("named", [False, True])
def test_an_answer_of_another_provider_is_refused(town, provider, client, named):
    provider.description["authorization_response_iss_parameter_supported"] = named
    linked_code = "identity.token_refused"
    for issuer in ("https://evil.example", "", None):
        begun = oidc.begin(town.storage, client)
        back = provider.sign_in(begun.url, "subject-1")
        code = refused_by(town, client, begun, **back, issuer=issuer).code
        expected = linked_code if named or issuer is not None else "identity.not_invited"
        assert code == expected
    begun = oidc.begin(town.storage, client)
    back = provider.sign_in(begun.url, "subject-1")
    error = refused_by(town, client, begun, **back, issuer=provider.issuer)
    assert error.code == "identity.not_invited"


@pytest.mark.parametrize(
    "path",
    ["https://evil.example", "//evil.example", "/\\evil.example", "/a\\b", "evil", "", "/\r\nX: y",
     "/" + "a" * 1_000],
)  # fmt: skip
def test_only_a_path_of_this_site_is_returned_to(town, client, path):
    with pytest.raises(YunheError) as error:
        oidc.begin(town.storage, client, return_to=path)
    assert {finding.where for finding in error.value.findings} == {"return_to"}


def test_signing_in_again_ends_the_browsers_earlier_session(town, provider, client):
    linked(town, provider, client)
    first = sign_in(town, provider, client).session
    begun = oidc.begin(town.storage, client)
    back = provider.sign_in(begun.url, "subject-1")
    oidc.complete(
        town.storage, client, cookie_state=begun.cookie_state, replaces=first.secret, **back
    )
    code = town.code(identity.authenticate_session, first.secret, now_us=town.now_us)
    assert code == "identity.session_expired"


def test_nothing_that_finishes_a_sign_in_is_stored_or_printed(town, provider, client):
    redirect = oidc.begin(town.storage, client)
    asked = parse_qs(urlsplit(redirect.url).query)
    back = provider.sign_in(redirect.url, "subject-of-a-person")
    vouch(provider, "person@example.org")
    refused_by(town, client, redirect, **back)
    form = parse_qs(provider.bodies[-1])
    stored = town.stored() + repr((redirect, client)).encode()
    assert redirect.cookie_state.split("_")[1].encode() in stored
    for secret in (
        redirect.cookie_state.split("_")[2],
        asked["state"][0],
        asked["nonce"][0],
        form["code_verifier"][0],
        back["code"],
        SECRET,
        "subject-of-a-person",
        "person@example.org",
    ):
        assert secret.encode() not in stored


# --- The token --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "problem"),
    [
        ({"iss": "https://evil.example"}, "iss"),
        ({"iss": None}, "iss"),
        ({"aud": "somebody-else"}, "aud"),
        ({"aud": None}, "aud"),
        ({"aud": ["somebody-else", CLIENT]}, "azp"),
        ({"aud": ["somebody-else", CLIENT], "azp": "somebody-else"}, "azp"),
        ({"azp": "somebody-else"}, "azp"),
        ({"exp": 1_767_225_600 - 60}, "exp"),
        ({"exp": None}, "exp"),
        ({"exp": "never"}, "exp"),
        ({"exp": True}, "exp"),
        ({"iat": 1_767_225_600 + 61}, "iat"),
        ({"iat": None}, "iat"),
        ({"nbf": 1_767_225_600 + 61}, "nbf"),
        ({"nonce": "another"}, "nonce"),
        ({"nonce": "é"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"sub": None}, "sub"),
        ({"sub": ""}, "sub"),
        ({"sub": 7}, "sub"),
        ({"sub": "x" * 256}, "sub"),
    ],
)
def test_a_claim_that_is_not_as_it_must_be_refuses_the_token(
    town, provider, client, claims, problem
):
    provider.claims |= claims
    error = refused(town, provider, client)
    assert (error.code, error.params) == ("identity.token_refused", {"problem": problem})


def test_a_token_for_several_that_names_us_and_clocks_a_little_apart_are_fine(
    town, provider, client
):
    provider.claims |= {"aud": ["other", CLIENT], "azp": CLIENT}
    provider.claims |= {"exp": 1_767_225_600 - 59, "iat": 1_767_225_600 + 60}
    assert linked(town, provider, client)


def forged(provider, header, sign):
    """Makes tokens whose claims are as they should be, signed by a function of the signed bytes."""

    def encoded(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    def token(asked) -> str:
        claims = {**_GOOD, "iss": provider.issuer, "aud": CLIENT, "nonce": asked["nonce"]}
        claims |= {"iat": 1_767_225_600, "exp": 1_767_225_900}
        signed = ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))
        return f"{signed}.{encoded(sign(signed.encode()))}"

    return token


def confused(provider):
    """Signed with the public key, which everybody has, as if it were a password."""
    public = provider.keys[0].as_pem(private=False)
    return forged(
        provider,
        {"alg": "HS256", "kid": "first"},
        lambda signed: hmac.digest(public, signed, "sha256"),
    )


@pytest.mark.parametrize("how", ["none", "HS256", "foreign key", "foreign kid", "broken", "long"])
def test_a_signature_that_proves_nothing_refuses_the_token(town, provider, client, how):
    if how == "none":
        provider.token = forged(provider, {"alg": "none"}, lambda _: b"")
    elif how == "HS256":
        provider.token = confused(provider)
    elif how == "foreign key":
        provider.sign_with = rsa_key("first", number=1)
    elif how == "foreign kid":
        provider.sign_with = rsa_key("second")
    else:
        provider.token = "a.b.c" if how == "broken" else "a" * (1 << 17)
    error = refused(town, provider, client)
    assert error.code == "identity.token_refused"
    assert error.params["problem"] in {"alg", "signature", "format"}


def test_the_public_key_as_a_password_is_refused_even_when_it_is_published_as_one(
    town, provider, client
):
    key = OctKey.generate_key(256, {"kid": "oct"})
    provider.keys.append(key)
    provider.answers["/keys"] = (200, json.dumps({"keys": [key.as_dict(private=True)]}).encode())
    assert refused(town, provider, client).code == "identity.token_refused"


def test_elliptic_keys_are_fine(town, provider, client):
    provider.keys = [ECKey.generate_key("P-256", {"kid": "ec"})]
    assert linked(town, provider, client)


def test_rotated_keys_are_fetched_once_when_needed_and_known_ones_kept(town, provider, client):
    member = linked(town, provider, client)
    sign_in(town, provider, client)
    assert provider.asked.count("/keys") == 1
    provider.keys.append(rsa_key("second"))
    assert sign_in(town, provider, client).member == member
    assert provider.asked.count("/keys") == 2
    provider.keys.pop(0)
    assert sign_in(town, provider, client).member == member
    assert provider.asked.count("/keys") == 2
    town.clock.advance(seconds=3_600)
    assert sign_in(town, provider, client).member == member
    assert provider.asked.count("/keys") == 3
    assert provider.asked.count("/.well-known/openid-configuration") == 2


def test_a_key_taken_out_of_the_set_signs_nothing_after_an_hour(town, provider, client):
    linked(town, provider, client)
    old = provider.keys[0]
    provider.keys = [rsa_key("second")]
    provider.sign_with = old
    town.clock.advance(seconds=3_600)
    assert refused(town, provider, client).code == "identity.token_refused"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
_NAMES = ("iss", "aud", "azp", "exp", "iat", "nbf", "nonce", "sub", "email", "email_verified")


def verdict(said) -> object:
    """The claims, or the name of the one that is not as it must be."""
    try:
        return id_token.checked(said, issuer="i", client_id="c", nonce="n", now_us=0)
    except NotAllowed as error:
        return error.params["problem"]


_GOOD = {"iss": "i", "aud": "c", "nonce": "n", "sub": "s", "exp": 300, "iat": 0}


@given(st.dictionaries(st.sampled_from(_NAMES), _JSON), st.booleans())
def test_claims_of_any_shape_are_refused_or_those_of_this_sign_in(said, otherwise_good):
    claims = {**_GOOD, **said} if otherwise_good else said
    found = verdict(claims)
    if isinstance(found, id_token.Claims):
        assert (claims["iss"], claims["nonce"], claims["sub"]) == ("i", "n", found.subject)
        assert "c" in claims["aud"]
        assert found.email in ("", claims.get("email"))
    else:
        assert found in _NAMES


# --- The provider away or wrong ---------------------------------------------------------------


def test_a_provider_that_is_away_is_told_and_leaves_the_rest_working(town, clock):
    with strict_provider(clock) as provider:
        client = client_of(provider)
        begun = oidc.begin(town.storage, client)
        back = provider.sign_in(begun.url, "subject-1")
        fresh = client_of(provider)
    error = refused_by(town, client, begun, **back)
    assert (type(error), error.code, error.retryable) == (
        Unavailable, "identity.provider_away", True,
    )  # fmt: skip
    with pytest.raises(Unavailable):
        oidc.begin(town.storage, fresh)
    assert town.who(town.key("li").secret).member == town.people["li"]


@pytest.mark.parametrize(
    ("path", "step"),
    [("/.well-known/openid-configuration", "discovery"), ("/token", "token"), ("/keys", "keys")],
)
@pytest.mark.parametrize(
    "answer",
    [(500, b"{}"), (200, b"<html>"), (200, b"[]"), (200, b"\xff"), (302, b"{}"),
     (200, b"[" * 100_000), (200, b"{" + b" " * (1 << 20))],
    ids=["500", "html", "list", "bytes", "redirect", "deep", "long"],
)  # fmt: skip
def test_an_answer_that_is_none_counts_as_away(town, provider, client, path, step, answer):
    provider.answers[path] = answer
    error = refused(town, provider, client)
    assert (error.code, error.params["step"]) == ("identity.provider_away", step)


@pytest.mark.parametrize(
    ("description", "problem"),
    [
        ({"issuer": "https://evil.example"}, "issuer"),
        ({"authorization_endpoint": "http://evil.example/a"}, "authorization_endpoint"),
        ({"token_endpoint": "http://evil.example/t"}, "token_endpoint"),
        ({"token_endpoint": "file:///etc/passwd"}, "token_endpoint"),
        ({"userinfo_endpoint": "http://evil.example/u"}, "userinfo_endpoint"),
        ({"jwks_uri": None}, "jwks_uri"),
        ({"jwks_uri": 7}, "jwks_uri"),
        ({"jwks_uri": "https://"}, "jwks_uri"),
        ({"jwks_uri": "http://[::1"}, "jwks_uri"),
    ],
)
def test_a_description_that_does_not_fit_is_the_operators_business(
    town, provider, client, description, problem
):
    provider.description |= description
    error = refused(town, provider, client)
    assert (error.code, error.params) == ("identity.provider_wrong", {"problem": problem})


def test_another_issuer_in_the_settings_is_found_at_the_first_sign_in(town, provider):
    """A slash more is another issuer: providers compare letter by letter, and so do we."""
    client = client_of(provider, issuer=provider.issuer + "/")
    assert refused(town, provider, client).params == {"problem": "issuer"}


def test_a_wrong_secret_is_the_operators_business(town, provider):
    for params in ({"client_secret": "wrong"}, {"client_secret": ""}):
        error = refused(town, provider, client_of(provider, **params))
        assert (error.code, error.params["problem"]) == (
            "identity.provider_wrong",
            "invalid_client",
        )


def test_a_provider_that_wants_the_secret_in_the_form_gets_it_there(town, provider, client):
    provider.description["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    assert linked(town, provider, client)
    assert "client_secret=" in provider.bodies[-1]


def test_an_endpoint_with_a_query_keeps_it(town, provider, client):
    provider.description["authorization_endpoint"] = f"{provider.issuer}/authorize?tenant=7"
    url = oidc.begin(town.storage, client).url
    assert parse_qs(urlsplit(url).query)["tenant"] == ["7"]
    assert provider.sign_in(url, "s")["code"]
