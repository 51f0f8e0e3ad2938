"""Who acts on the platform: organisations, members, projects, and what a member or key may do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

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
"""What an organisation is in the programme; usage policies and awards ask for it."""
KINDS: tuple[Kind, ...] = get_args(Kind)
PROGRAMME_KINDS: frozenset[str] = frozenset({"operator", "regulator"})
"""Kinds of organisation that may look beyond themselves; a regulator only looks."""

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
"""What a member may do; a member may hold several."""
ROLES: tuple[Role, ...] = get_args(Role)
WHOLE_ROLES: frozenset[str] = frozenset({"administrator", "operator"})
"""Roles that are held for a whole organisation and never for one project."""

FLOORS: tuple[str, ...] = (
    "compute",
    "corpus",
    "custody",
    "evaluation",
    "exchange",
    "governance",
    "identity",
    "ledger",
    "models",
    "notices",
    "operations",
    "plans",
    "vault",
)
"""Floors a scope can name."""
ALL_SCOPES = "*"
"""The scope of a key that may do all its member's roles allow."""
ASK = "ask"
"""The scope of putting questions to the gateway."""
AGENT = "agent"
"""The scope of a program at a data centre that fetches its provider's work."""
SCOPES: tuple[str, ...] = (
    ALL_SCOPES,
    ASK,
    AGENT,
    *(f"{floor}:{verb}" for floor in FLOORS for verb in ("read", "write")),
)
"""Every scope. None implies another, but `ALL_SCOPES` implies them all."""

MemberKind = Literal["person", "service"]
"""A human being, or a program that acts for an organisation."""

NAME_LETTERS_MAX = 200
"""Longest name of an organisation, project or member."""
CONTACT_LETTERS_MAX = 254
"""Longest e-mail address. Source: RFC 5321 §4.5.3.1.3, less the angle brackets."""


@dataclass(frozen=True, slots=True)
class Organisation:
    """A party to contracts, balances and awards."""

    id: str
    """Derived from the key it was added with."""
    name: str
    """As it calls itself."""
    kind: Kind
    """What it is in the programme."""
    city: str = ""
    """Code of the city it belongs to; empty: the platform's own."""


@dataclass(frozen=True, slots=True)
class Project:
    """A part of an organisation's work for which roles and keys can be given."""

    id: str
    """Derived from the organisation and the key it was added with."""
    organisation: str
    """Whose it is."""
    name: str
    """As its organisation calls it."""


@dataclass(frozen=True, slots=True)
class Member:
    """A person or service that acts for one organisation; records elsewhere carry only the id."""

    id: str
    """Pseudonym used in every record."""
    organisation: str
    """The organisation the member acts for."""
    name: str = field(repr=False)
    """Personal data: stays in the row, never in logs or custody; empty once erased."""
    kind: MemberKind = "person"
    """Whether a human being or a program."""
    contact: str = field(default="", repr=False)
    """E-mail address for notices, or empty. Personal data, as the name."""
    ended_at_us: int | None = None
    """Since when the member acts no more."""
    erased_at_us: int | None = None
    """When name, contact and every way in were removed."""

    @property
    def service(self) -> bool:
        """Whether it is a service account."""
        return self.kind == "service"


@dataclass(frozen=True, slots=True)
class RoleHeld:
    """One role of one member."""

    member: str
    """Who holds it."""
    role: Role
    """What it is."""
    project: str
    """For which project; empty for the whole organisation."""
    at_us: int
    """Since when."""
    by: str
    """The member who granted it; empty when the platform itself did."""


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key, in the only moment its secret exists outside the holder's hands."""

    id: str
    """Names the key in lists and for `revoke_key`; not secret."""
    secret: str = field(repr=False)
    """Shown once; the platform keeps only its hash."""


@dataclass(frozen=True, slots=True)
class Key:
    """What the platform knows of a key; neither the secret nor its hash."""

    id: str
    """As in `IssuedKey`."""
    member: str
    """For whom it acts."""
    organisation: str
    """The member's organisation."""
    label: str
    """What its holder calls it."""
    scopes: frozenset[str]
    """What it may be used for."""
    project: str
    """The one project it acts in; empty for all."""
    by: str
    """The member who issued it; empty when the platform itself did."""
    created_at_us: int
    """When it was issued."""
    expires_at_us: int | None
    """From when on it opens nothing; None for never."""
    revoked_at_us: int | None
    """When it was revoked."""
    used_at_us: int | None
    """When it was last used, exact to `service.USE_SECONDS`."""
    renews: str = ""
    """The key that it outlives and was issued with; empty for all others."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """An offer to act for an organisation; whoever holds its token accepts it once.

    One that names no roles but a member from the start is an entry: a way back in for that member.
    """

    id: str
    """Not secret."""
    organisation: str
    """The organisation it leads into; empty when acceptance founds a new one."""
    new_name: str
    """Name of the organisation to be founded, or empty."""
    new_kind: str
    """Kind of the organisation to be founded, or empty."""
    roles: frozenset[str]
    """Roles for the whole organisation."""
    project_roles: Mapping[str, frozenset[str]]
    """Roles by project."""
    by: str
    """The member who invites."""
    created_at_us: int
    """When it was made."""
    expires_at_us: int
    """From when on it can't be accepted."""
    contact: str = field(default="", repr=False)
    """E-mail address of the invited person, or empty; gone once accepted or ended."""
    accepted_at_us: int | None = None
    """When it was accepted."""
    withdrawn_at_us: int | None = None
    """When it was withdrawn."""
    member: str = ""
    """Who came of it, or for whom it is a way back in."""

    @property
    def entry(self) -> bool:
        """Whether it lets a member in again, who is one already."""
        return self.member != "" and not self.roles and not self.project_roles


@dataclass(frozen=True, slots=True)
class Offer:
    """What an invitation is to offer; exactly one of an organisation and a new one is named."""

    organisation: str = ""
    """The organisation it leads into."""
    new_name: str = ""
    """Or the name of one to be founded, which only operators may offer."""
    new_kind: str = ""
    """And its kind."""
    roles: frozenset[str] = frozenset()
    """Roles for the whole organisation."""
    project_roles: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Roles by project."""
    contact: str = field(default="", repr=False)
    """E-mail address of the guest, or empty."""
    valid_hours: int = 168
    """How long it can be accepted: a week unless said otherwise."""


@dataclass(frozen=True, slots=True)
class Invited:
    """A new invitation, in the only moment its token exists outside the guest's hands."""

    invitation: Invitation
    """What was offered."""
    token: str = field(repr=False)
    """Shown once; the platform keeps only its hash."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """What the first operator got for the one-time token."""

    organisation: str
    """Id of the operator's organisation."""
    member: str
    """Id of the operator."""
    key: IssuedKey
    """A key with every scope."""


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A new session of a browser, in the only moment its secret exists outside that browser."""

    id: str
    """Not secret."""
    member: str
    """Who is signed in."""
    expires_at_us: int
    """When it ends at the latest."""
    secret: str = field(repr=False)
    """The value of the cookie."""
    csrf: str = field(repr=False)
    """What the page sends back in ``X-CSRF-Token`` with every request that changes something."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is behind an authenticated request, and what this very key or session allows."""

    member: str
    """Member id."""
    organisation: str
    """Organisation id."""
    roles: frozenset[str]
    """Roles for the whole organisation at the time of the request; none for a key of a project."""
    kind: str = ""
    """Kind of the organisation."""
    project_roles: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Roles by project; of a key that is bound to a project, all that hold in it."""
    scopes: frozenset[str] = frozenset()
    """What the key may be used for; `ALL_SCOPES` for sessions of people."""
    project: str = ""
    """The one project the key is bound to; empty for all."""
    key: str = ""
    """Id of the key or session."""
    expires_at_us: int | None = None
    """When the key or session ends; None for never."""
    used_at_us: int | None = field(default=None, compare=False)
    """Its last use on record, for `service.note_use`."""

    def has(self, role: str, project: str = "") -> bool:
        """Whether the role is held, for the organisation or else for that project."""
        return role in self.roles or (
            project != "" and role in self.project_roles.get(project, frozenset())
        )

    def may(self, scope: str) -> bool:
        """Whether the key or session may be used for this; roles are another question."""
        return ALL_SCOPES in self.scopes or scope in self.scopes

    @property
    def programme(self) -> bool:
        """Whether the organisation may look beyond itself; what it sees there roles decide."""
        return self.kind in PROGRAMME_KINDS

    def reaches(self, organisation: str, *, write: bool) -> bool:
        """Whether things of that organisation may be read (``write``: changed) at all.

        One's own may; an operator's organisation reaches everybody's, a regulator's only to read.
        """
        if self.organisation == organisation:
            return True
        return self.kind == "operator" or (self.programme and not write)
