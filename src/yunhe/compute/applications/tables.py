"""The tables of applications; the stores beside this file alone read and write them."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table, Text, UniqueConstraint

from yunhe.storage.schema import Code, Digest, Id, Instant, Minor, metadata
from yunhe.storage.schema import Sequence as Number

application_table = Table(
    "compute_application",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("id", Id, nullable=False),
    Column("organisation", Id, nullable=False),
    Column("project", Id, nullable=False),  # empty: the organisation's own
    Column("programme", Code, nullable=False),
    Column("kind", Code, nullable=False),
    Column("concerns", Id, nullable=False),  # empty for a new one
    Column("state", Code, nullable=False),
    Column("proposal", Text, nullable=False),
    Column("proposal_digest", Digest, nullable=False),
    Column("first_digest", Digest, nullable=False),  # of the proposal as it first came
    Column("facts", Text, nullable=False),
    Column("ruling", Text, nullable=False),
    Column("rules_version", Text, nullable=False),
    Column("rules_digest", Digest, nullable=False),
    Column("contract", Digest, nullable=False),  # of firm and contract number; empty without
    Column("year", Integer, nullable=False),  # in which it came in, in the programme's zone
    Column("hours", Minor, nullable=False),  # device-hours asked for on top of what is in force
    Column("amount_minor", Minor, nullable=False),  # asked for; once awarded: awarded
    Column("currency", Code, nullable=False),
    Column("granted_ms", Minor, nullable=False),
    Column("ends_at_us", Instant),
    Column("applied_by", Id, nullable=False),
    Column("applied_at_us", Instant, nullable=False),
    Column("waits_since_us", Instant, nullable=False),
    Column("due_at_us", Instant),
    Column("reminded", Integer, nullable=False),  # 0 not yet, 1 that it is due, 2 that it is late
    Column("round", Integer, nullable=False),
    Column("decided_by", Id, nullable=False),
    Column("report", Text, nullable=False),
    Column("reference", Text, nullable=False),
    UniqueConstraint("id"),
    Index(None, "organisation", "number"),
    Index(None, "state", "due_at_us"),
    Index(None, "contract"),
    Index(None, "concerns"),
)
step_table = Table(
    "compute_application_step",
    metadata,
    Column("application", Id, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("action", Code, nullable=False),
    Column("actor", Id, nullable=False),
    Column("at_us", Instant, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", Code, nullable=False),
    Column("detail", Text, nullable=False),
)
vote_table = Table(
    "compute_application_vote",
    metadata,
    Column("application", Id, primary_key=True),
    Column("round", Integer, primary_key=True),
    Column("member", Id, primary_key=True),
    Column("vote", Code, nullable=False),
    Column("hours", Minor, nullable=False),
    Column("at_us", Instant, nullable=False),
)
window_table = Table(
    "compute_award_window",
    metadata,
    Column("application", Id, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("carried", Integer, primary_key=True),
    Column("chip", Code, nullable=False),
    Column("starts_at_us", Instant, nullable=False),
    Column("ends_at_us", Instant, nullable=False),
    Column("device_ms", Minor, nullable=False),
    Column("award", Id, nullable=False),  # empty before it begins
    Column("moved_ms", Minor, nullable=False),
    Column("closed", Integer, nullable=False),
    Column("decision", Text, nullable=False),  # custody reference
    Column("accepts", Text),  # as of `compute_award`
    Index(None, "closed", "ends_at_us"),
    Index(None, "award"),
)
payment_table = Table(
    "compute_payment",
    metadata,
    Column("application", Id, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("amount_minor", Minor, nullable=False),
    Column("state", Code, nullable=False),
    Column("hold", Id, nullable=False),
    Column("lapses_at_us", Instant, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("asked_by", Id, nullable=False),
    Column("confirmed_by", Id, nullable=False),
    Column("decided_by", Id, nullable=False),
    Column("transfer", Id, nullable=False),
    Column("reference", Text, nullable=False),
    Index(None, "state", "lapses_at_us"),
)
evidence_table = Table(
    "compute_payment_evidence",
    metadata,
    Column("digest", Digest, primary_key=True),
    Column("application", Id, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Index(None, "application", "number"),
)
affiliation_table = Table(
    "compute_affiliation",
    metadata,
    Column("first", Id, primary_key=True),
    Column("second", Id, primary_key=True),
    Column("basis", Text, nullable=False),
    Column("by", Id, nullable=False),
    Column("at_us", Instant, nullable=False),
    Index(None, "second"),
)
