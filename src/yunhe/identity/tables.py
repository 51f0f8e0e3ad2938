"""Tables of organisations, members, projects, roles and of every way in."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table, Text, UniqueConstraint

from yunhe.storage.schema import Code, Id, Instant, metadata

organisations = Table(
    "identity_organisation",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Code, nullable=False),
    Column("at_us", Instant, nullable=False),
    Column("city", Code, nullable=False, server_default=""),  # empty: the platform's own
    Column("city_reference", Text, nullable=False, server_default=""),  # custody
)

projects = Table(
    "identity_project",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organisation", Id, nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("at_us", Instant, nullable=False),
)

members = Table(
    "identity_member",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organisation", Id, nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("at_us", Instant, nullable=False),
    Column("kind", Code, nullable=False, server_default="person"),
    Column("contact", Text, nullable=False, server_default=""),
    Column("ended_at_us", Instant),
    Column("erased_at_us", Instant),
)

roles = Table(
    "identity_role",
    metadata,
    Column("member", Id, primary_key=True),
    Column("role", Code, primary_key=True),
    Column("at_us", Instant, nullable=False),
    Column("granted_by", Id, nullable=False, server_default=""),
)

project_roles = Table(
    "identity_project_role",
    metadata,
    Column("member", Id, primary_key=True),
    Column("project", Id, primary_key=True),
    Column("role", Code, primary_key=True),
    Column("at_us", Instant, nullable=False),
    Column("granted_by", Id, nullable=False, server_default=""),
    Index(None, "project"),
)

keys = Table(
    "identity_key",
    metadata,
    Column("id", Id, primary_key=True),
    Column("member", Id, nullable=False),
    Column("label", Text, nullable=False),
    Column("secret_hash", Code, nullable=False),
    Column("at_us", Instant, nullable=False),
    Column("expires_at_us", Instant),
    Column("revoked_at_us", Instant),
    # Keys made before 0.2.0 could do whatever their member could.
    Column("scopes", Text, nullable=False, server_default="*"),
    Column("project", Id, nullable=False, server_default=""),
    Column("issued_by", Id, nullable=False, server_default=""),
    Column("used_at_us", Instant),
    Column("renews", Id, nullable=False, server_default=""),  # the key it outlives
    Index(None, "member", "label"),
)

sessions = Table(
    "identity_session",
    metadata,
    Column("id", Id, primary_key=True),
    Column("member", Id, nullable=False, index=True),
    Column("secret_hash", Code, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("project", Id, nullable=False),
    Column("key", Id, nullable=False, index=True),  # the key it was opened with, or empty
    Column("at_us", Instant, nullable=False),
    Column("used_at_us", Instant, nullable=False),
    Column("expires_at_us", Instant, nullable=False),
    Column("ended_at_us", Instant),
)

invitations = Table(
    "identity_invitation",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organisation", Id, nullable=False, index=True),
    Column("new_name", Text, nullable=False),
    Column("new_kind", Code, nullable=False),
    Column("roles", Text, nullable=False),
    Column("project_roles", Text, nullable=False),
    Column("invited_by", Id, nullable=False),
    Column("inviting_organisation", Id, nullable=False, index=True),
    Column("contact", Text, nullable=False, index=True),
    Column("secret_hash", Code, nullable=False),
    Column("at_us", Instant, nullable=False),
    Column("expires_at_us", Instant, nullable=False),
    Column("accepted_at_us", Instant),
    Column("withdrawn_at_us", Instant),
    Column("member", Id, nullable=False),
)

links = Table(
    "identity_link",
    metadata,
    # A digest of issuer and subject: the provider's own number of a person stays with it.
    Column("id", Id, primary_key=True),
    Column("member", Id, nullable=False),
    Column("at_us", Instant, nullable=False),
    UniqueConstraint("member"),
)

sign_ins = Table(
    "identity_sign_in",
    metadata,
    Column("id", Id, primary_key=True),
    Column("secret_hash", Code, nullable=False),
    Column("return_to", Text, nullable=False),
    Column("invitation", Id, nullable=False),
    Column("member", Id, nullable=False, index=True),
    Column("at_us", Instant, nullable=False),
    Column("expires_at_us", Instant, nullable=False),
    Column("used_at_us", Instant),
)

first_tokens = Table(
    "identity_first_token",
    metadata,
    Column("id", Id, primary_key=True),  # one row, so that two starts or claims meet in it
    Column("token", Id, nullable=False),
    Column("secret_hash", Code, nullable=False),
    Column("at_us", Instant, nullable=False),
    Column("expires_at_us", Instant, nullable=False),
    Column("used_at_us", Instant),
)
