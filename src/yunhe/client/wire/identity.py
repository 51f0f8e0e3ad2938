"""Messages about organisations, members, roles, keys and sign-in."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from yunhe.client.wire.cities import CityCode
from yunhe.client.wire.shapes import Id, Name, Sent, Shown, Time

Kind = Literal[
    "operator",
    "provider",
    "data_holder",
    "university",
    "company",
    "sme",
    "service_provider",
    "evaluator",
    "regulator",
]
"""What an organisation is in the programme."""
Role = Literal[
    "administrator",
    "operator",
    "data_steward",
    "buyer",
    "trainer",
    "evaluator",
    "risk_officer",
    "release_owner",
    "auditor",
    "caller",
    "verifier",
]
"""What a member may do."""

_ORG = "org_7v1k0e5m2q9xj4c8t3r6w0h1ab"
_MEMBER = "mem_2c8t3r6w0h1ab7v1k0e5m2q9xj"
_PROJECT = "prj_9xj4c8t3r6w0h1ab7v1k0e5m2q"
_KEY = "key_01kaq2m8d3f6g9h1jnprstvwxy"
_AT = "2026-11-22T09:30:00.000000Z"
_LATER = "2027-02-20T09:30:00.000000Z"


class Organisation(Shown):
    """A party to contracts, balances and awards."""

    id: Id
    """Its id."""
    name: str
    """As it calls itself."""
    kind: Kind
    """What it is in the programme."""
    city: str = ""
    """Code of the city it belongs to; empty: the server does not say."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": _ORG,
                "name": "Lakeside University",
                "kind": "university",
                "city": "CN-11",
            }
        }
    )


class NewOrganisation(Sent):
    """An organisation to be added by the operator."""

    name: Name
    """As it calls itself."""
    kind: Kind
    """What it is in the programme."""
    city: CityCode | None = None
    """Code of the city it belongs to; null: the platform's own."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"name": "Lakeside University", "kind": "university"}}
    )


class Project(Shown):
    """A part of an organisation's work."""

    id: Id
    """Its id."""
    organisation: Id
    """Whose it is."""
    name: str
    """As its organisation calls it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"id": _PROJECT, "organisation": _ORG, "name": "Hotline triage"}
        }
    )


class NewProject(Sent):
    """A project to be added to one's own organisation."""

    name: Name
    """What it is called."""

    model_config = ConfigDict(json_schema_extra={"example": {"name": "Hotline triage"}})


class RoleHeld(Shown):
    """One role of a member."""

    role: Role
    """What it is."""
    project: str
    """For which project; empty for the whole organisation."""
    since: Time
    """Since when."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"role": "buyer", "project": "", "since": _AT}}
    )


class GivenRole(Sent):
    """A role to be given or taken away."""

    role: Role
    """What it is."""
    project: Id | Literal[""] = ""
    """For which project; empty for the whole organisation."""

    model_config = ConfigDict(json_schema_extra={"example": {"role": "buyer", "project": ""}})


class Member(Shown):
    """A person or service that acts for an organisation."""

    id: Id
    """The pseudonym every record uses."""
    organisation: Id
    """For which it acts."""
    name: str
    """Empty once erased."""
    kind: Literal["person", "service"]
    """A human being or a program."""
    contact: str
    """E-mail address for notices, or empty."""
    ended_at: Time | None
    """Since when it acts no more."""
    roles: list[RoleHeld]
    """What it may do."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": _MEMBER,
                "organisation": _ORG,
                "name": "Li Example",
                "kind": "person",
                "contact": "li@example.org",
                "ended_at": None,
                "roles": [{"role": "buyer", "project": "", "since": _AT}],
            }
        }
    )


class NewServiceAccount(Sent):
    """A program that is to act for one's own organisation."""

    name: Name
    """What it is called."""

    model_config = ConfigDict(json_schema_extra={"example": {"name": "nightly import"}})


class Contact(Sent):
    """Where a member wants notices."""

    contact: str = Field(max_length=254)
    """E-mail address; empty for none."""

    model_config = ConfigDict(json_schema_extra={"example": {"contact": "li@example.org"}})


class Me(Shown):
    """Who the key or session of this request acts for, and what it allows."""

    member: Id
    """Who acts."""
    organisation: Organisation
    """For whom."""
    kind: Literal["person", "service"]
    """A human being or a program."""
    name: str
    """Of the member."""
    roles: list[str]
    """For the whole organisation."""
    project_roles: dict[str, list[str]]
    """By project."""
    scopes: list[str]
    """What this key or session may be used for."""
    project: str
    """The one project this key is bound to; empty for all."""
    key: Id
    """Id of this key or session."""
    expires_at: Time | None
    """When it ends."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "member": _MEMBER,
                "organisation": {
                    "id": _ORG,
                    "name": "Lakeside University",
                    "kind": "university",
                    "city": "CN-11",
                },
                "kind": "person",
                "name": "Li Example",
                "roles": ["buyer"],
                "project_roles": {},
                "scopes": ["*"],
                "project": "",
                "key": _KEY,
                "expires_at": _LATER,
            }
        }
    )
