"""Who acts on the platform: organisations, their members, and what a member may do."""

from __future__ import annotations

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

Role = Literal[
    "operator",
    "data_steward",
    "buyer",
    "trainer",
    "evaluator",
    "risk_officer",
    "release_owner",
    "auditor",
    "caller",
]
"""What a member may do; a member may hold several."""
ROLES: tuple[Role, ...] = get_args(Role)

NAME_LETTERS_MAX = 200
"""Longest name of an organisation or member."""


@dataclass(frozen=True, slots=True)
class Organisation:
    """A party to contracts, balances and awards."""

    id: str
    """Derived from the key it was added with."""
    name: str
    """As it calls itself."""
    kind: Kind
    """What it is in the programme."""


@dataclass(frozen=True, slots=True)
class Member:
    """A person or service that acts for one organisation; records elsewhere carry only the id."""

    id: str
    """Pseudonym used in every record."""
    organisation: str
    """The organisation the member acts for."""
    name: str = field(repr=False)
    """Personal data: stays in the row, never in logs or custody."""


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key, in the only moment its secret exists outside the holder's hands."""

    id: str
    """Names the key in lists and for `revoke_key`; not secret."""
    secret: str = field(repr=False)
    """Shown once; the platform keeps only its hash."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is behind an authenticated request."""

    member: str
    """Member id."""
    organisation: str
    """Organisation id."""
    roles: frozenset[str]
    """Roles at the time of the request."""
