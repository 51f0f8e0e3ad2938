"""Messages about keys, invitations and sign-in."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from yunhe.client.wire.identity import Kind, Role
from yunhe.client.wire.shapes import Id, Name, Sent, Shown, Time

_ORG = "org_7v1k0e5m2q9xj4c8t3r6w0h1ab"
_MEMBER = "mem_2c8t3r6w0h1ab7v1k0e5m2q9xj"
_KEY = "key_01kaq2m8d3f6g9h1jnprstvwxy"
_INVITATION = "inv_01kaq2m8d3f6g9h1jnprstvwxz"
_AT = "2026-11-22T09:30:00.000000Z"
_LATER = "2027-02-20T09:30:00.000000Z"


class Key(Shown):
    """What the platform knows of a key; never its secret."""

    id: Id
    """Not secret."""
    member: Id
    """For whom it acts."""
    label: str
    """What its holder calls it."""
    scopes: list[str]
    """What it may be used for."""
    project: str
    """The one project it acts in; empty for all."""
    created_at: Time
    """When it was issued."""
    expires_at: Time | None
    """From when on it opens nothing."""
    revoked_at: Time | None
    """When it was revoked."""
    used_at: Time | None
    """When it was last used, to the minute."""
    renews: str
    """The key it was issued with and outlives; empty for all others."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": _KEY,
                "member": _MEMBER,
                "label": "laptop",
                "scopes": ["ledger:read"],
                "project": "",
                "created_at": _AT,
                "expires_at": _LATER,
                "revoked_at": None,
                "used_at": None,
                "renews": "",
            }
        }
    )


class NewKey(Sent):
    """A key to be issued, to oneself or (by an administrator) to a service account."""

    member: Id | None = None
    """For whom; oneself when left out."""
    label: str = Field(default="", max_length=200)
    """What it is called; earlier live keys of the same label are revoked."""
    scopes: list[str] = Field(min_length=1, max_length=50)
    """What it may be used for, e.g. ``ledger:read``; ``*`` for all that the roles allow."""
    project: Id | Literal[""] = ""
    """Bind it to one project."""
    days: int | None = Field(default=None, ge=1, le=3_650)
    """How long it works; 90, or as long as the one it is issued with, when left out. A person's own
    key with ``*`` and no project may issue one that outlives it, for at most 90 days from now."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"label": "laptop", "scopes": ["ledger:read", "operations:read"], "days": 90}
        }
    )


class IssuedKey(Shown):
    """A new key; the secret is shown this once."""

    id: Id
    """Not secret."""
    secret: str = Field(repr=False)
    """What goes into ``Authorization: Bearer``."""

    model_config = ConfigDict(json_schema_extra={"example": {"id": _KEY, "secret": "yk_…"}})


class Offer(Sent):
    """Whom to invite, into what."""

    organisation: Id | None = None
    """The organisation; one's own when left out."""
    new_name: str = Field(default="", max_length=200)
    """Instead: name of an organisation that acceptance founds; for operators."""
    new_kind: Kind | None = None
    """Its kind."""
    roles: list[Role] = Field(default=[], max_length=10)
    """Roles for the whole organisation."""
    project_roles: dict[str, list[Role]] = Field(default={}, max_length=20)
    """Roles by project."""
    contact: str = Field(default="", max_length=254)
    """E-mail address; a sign-in that vouches for it accepts without the token."""
    days: int = Field(default=7, ge=1, le=30)
    """How long it can be accepted."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"roles": ["buyer"], "contact": "li@example.org", "days": 7}}
    )


class NewEntry(Sent):
    """A way back in for a member whose keys have ended."""

    days: int = Field(default=7, ge=1, le=30)
    """How long it can be accepted."""

    model_config = ConfigDict(json_schema_extra={"example": {"days": 7}})


class Invitation(Shown):
    """An offer to act for an organisation, or a way back in for a member."""

    id: Id
    """Not secret."""
    organisation: str
    """Where it leads; empty when it founds a new one."""
    new_name: str
    """Name of the one to be founded."""
    new_kind: str
    """Its kind."""
    roles: list[str]
    """For the whole organisation."""
    project_roles: dict[str, list[str]]
    """By project."""
    contact: str
    """Of the invited person; empty once it ended."""
    created_at: Time
    """When it was made."""
    expires_at: Time
    """Until when it can be accepted."""
    accepted_at: Time | None
    """When it was."""
    withdrawn_at: Time | None
    """When it was withdrawn."""
    member: str
    """Who came of it, or for whom it is a way back in (then it offers no roles)."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": _INVITATION,
                "organisation": _ORG,
                "new_name": "",
                "new_kind": "",
                "roles": ["buyer"],
                "project_roles": {},
                "contact": "li@example.org",
                "created_at": _AT,
                "expires_at": _LATER,
                "accepted_at": None,
                "withdrawn_at": None,
                "member": "",
            }
        }
    )


class Invited(Shown):
    """A new invitation; the token is shown this once."""

    invitation: Invitation
    """What was offered."""
    token: str = Field(repr=False)
    """What the invited person accepts with."""
    mailed: bool = False
    """Whether this request mailed it to the contact; if not, pass it on yourself. A repetition
    mails nothing."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "invitation": Invitation.model_config["json_schema_extra"]["example"],  # type: ignore[index]
                "token": "yi_…",
                "mailed": True,
            }
        }
    )


class Acceptance(Sent):
    """Becoming a member by the token of an invitation."""

    token: str = Field(min_length=1, max_length=200, repr=False)
    """From the invitation."""
    name: Name | Literal[""] = ""
    """As the organisation's others will see it; a way back in changes no name and needs none."""
    contact: str = Field(default="", max_length=254)
    """E-mail address for notices, or empty."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"token": "yi_…", "name": "Li Example"}}
    )


class Claim(Sent):
    """Becoming the operator by the one-time token of the first start."""

    token: str = Field(min_length=1, max_length=200, repr=False)
    """Printed by the first start."""
    organisation_name: Name
    """Of the operator's organisation."""
    name: Name
    """Of the first operator."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "token": "yf_…",
                "organisation_name": "City Computing Office",
                "name": "Chen Example",
            }
        }
    )


class Claimed(Shown):
    """Who came in, with the first key."""

    organisation: Id
    """The organisation."""
    member: Id
    """The member."""
    key: IssuedKey
    """Shown this once."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "organisation": _ORG,
                "member": _MEMBER,
                "key": {"id": _KEY, "secret": "yk_…"},
            }
        }
    )


class Session(Shown):
    """A signed-in browser."""

    id: Id
    """Not secret."""
    member: Id
    """Who is signed in."""
    expires_at: Time | None
    """When it ends at the latest."""
    csrf: str = Field(repr=False)
    """What goes into ``X-CSRF-Token`` with everything that changes something."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "ses_01kaq2m8d3f6g9h1jnprstvwxy",
                "member": _MEMBER,
                "expires_at": _LATER,
                "csrf": "…",
            }
        }
    )


class SignInBegun(Shown):
    """Where to go to sign in."""

    url: str
    """At the provider; open it in this browser."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"url": "https://id.example.org/authorize?…"}}
    )


class Nothing(Sent):
    """An empty body."""

    model_config = ConfigDict(json_schema_extra={"example": {}})
