"""The face of identity: every command and question other floors may use, by theme.

Commands take ``by``, the authenticated `Principal`, and ask whether it may; None means that the
platform itself acts. What ``by`` must not know of is as unknown as what does not exist. Beyond that
the doors (api) ask for roles and scopes of their own.

A request is authenticated by `authenticate` (key) or `authenticate_session` (cookie, with
`check_csrf` for what changes something); afterwards `note_use` puts the use on record.

Sign-in through a provider is `oidc`: ``oidc.begin(storage, provider, return_to=…)`` gives the
address to send the browser to and the secret for a short-lived cookie; ``oidc.complete(storage,
provider, code=…, state=…, cookie_state=…)`` gives the session.
"""

from __future__ import annotations

from yunhe.identity import oidc
from yunhe.identity.cities.domain import City
from yunhe.identity.cities.service import (
    add_city,
    cities,
    cities_of,
    city,
    remove_city,
    set_city,
)
from yunhe.identity.cities.service import own as own_city
from yunhe.identity.cities.service import take as take_city
from yunhe.identity.credentials.invitations import (
    accept,
    invitations,
    invite,
    offered,
    open_entry,
    withdraw,
)
from yunhe.identity.credentials.keys import (
    USE_SECONDS,
    authenticate,
    issue_key,
    key,
    keys,
    keys_ending,
    note_use,
    revoke_key,
    use_due,
    way_in_ends_us,
)
from yunhe.identity.credentials.sessions import (
    COOKIE,
    COOKIE_PLAIN,
    CSRF_HEADER,
    IDLE_SECONDS,
    authenticate_session,
    check_csrf,
    csrf_token,
    end_session,
    end_sessions,
    open_session,
)
from yunhe.identity.duties import Breach, DutyRule
from yunhe.identity.duties import rules as duty_rules
from yunhe.identity.first_start import claim_operator, claim_operator_in, first_token
from yunhe.identity.granting import (
    duty_breaches,
    grant_role,
    members_with_role,
    require,
    revoke_role,
    roles_held,
    roles_of,
)
from yunhe.identity.leaving import end_member, erase_member, purge_ended, require_dispensable
from yunhe.identity.parties import (
    add_member,
    add_organisation,
    add_project,
    add_service_account,
    kinds,
    member,
    members,
    organisation,
    organisations,
    project,
    projects,
    set_contact,
)

__all__ = [
    "COOKIE",
    "COOKIE_PLAIN",
    "CSRF_HEADER",
    "IDLE_SECONDS",
    "USE_SECONDS",
    "Breach",
    "City",
    "DutyRule",
    "accept",
    "add_city",
    "add_member",
    "add_organisation",
    "add_project",
    "add_service_account",
    "authenticate",
    "authenticate_session",
    "check_csrf",
    "cities",
    "cities_of",
    "city",
    "claim_operator",
    "claim_operator_in",
    "csrf_token",
    "duty_breaches",
    "duty_rules",
    "end_member",
    "end_session",
    "end_sessions",
    "erase_member",
    "first_token",
    "grant_role",
    "invitations",
    "invite",
    "issue_key",
    "key",
    "keys",
    "keys_ending",
    "kinds",
    "member",
    "members",
    "members_with_role",
    "note_use",
    "offered",
    "oidc",
    "open_entry",
    "open_session",
    "organisation",
    "organisations",
    "own_city",
    "project",
    "projects",
    "purge_ended",
    "remove_city",
    "require",
    "require_dispensable",
    "revoke_key",
    "revoke_role",
    "roles_held",
    "roles_of",
    "set_city",
    "set_contact",
    "take_city",
    "use_due",
    "way_in_ends_us",
    "withdraw",
]
