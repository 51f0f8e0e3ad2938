"""The tables of agents; `yunhe.compute.agents.store` alone reads and writes them."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table, Text

from yunhe.storage.schema import Code, Digest, Id, Instant, Minor, metadata

agent_table = Table(
    "compute_agent",
    metadata,
    Column("organisation", Id, primary_key=True),
    Column("site", Code, primary_key=True),
    Column("agent", Text, nullable=False),  # which installation of it; the same after a restart
    Column("fence", Integer, nullable=False),  # counts up each time one takes the site
    Column("lease_until_us", Instant, nullable=False),
    Column("seen_at_us", Instant, nullable=False),
    Column("ahead_us", Instant, nullable=False),  # its clock against ours, as it says
    Column("nodes", Text, nullable=False),
)
offer_table = Table(
    "compute_agent_job",
    metadata,
    Column("organisation", Id, primary_key=True),
    Column("site", Code, primary_key=True),
    Column("job", Text, primary_key=True),
    Column("asked", Text, nullable=False),  # what is to be run; empty: it was called off first
    Column("devices", Integer, nullable=False),
    Column("chip", Code, nullable=False),  # empty: any
    Column("phase", Code, nullable=False),  # offered, handed, then as reported
    Column("run", Integer, nullable=False),  # counts from 1 how often it was handed out
    Column("fence", Integer, nullable=False),  # of the last hand-over
    Column("handed_at_us", Instant),
    Column("cancelled", Integer, nullable=False),
    Column("cancelled_at_us", Instant),
    Column("result", Text),
    Column("forgotten", Integer, nullable=False),
    Column("at_us", Instant, nullable=False),
    Index(None, "organisation", "site", "phase"),
)
stretch_table = Table(
    "compute_agent_usage",
    metadata,
    Column("organisation", Id, primary_key=True),
    Column("site", Code, primary_key=True),
    Column("job", Text, primary_key=True),
    Column("run", Integer, primary_key=True),
    Column("start_us", Instant, nullable=False),
    Column("end_us", Instant, nullable=False),
    Column("devices", Integer, nullable=False),
    Column("said_ms", Minor, nullable=False),  # what the agent said; never more counts than passed
)
piece_table = Table(
    "compute_agent_log",
    metadata,
    Column("organisation", Id, primary_key=True),
    Column("site", Code, primary_key=True),
    Column("job", Text, primary_key=True),
    Column("run", Integer, primary_key=True),
    Column("stream", Code, primary_key=True),
    Column("start_bytes", Minor, primary_key=True),
    Column("size_bytes", Minor, nullable=False),
    Column("digest", Digest, nullable=False),
)
output_table = Table(
    "compute_agent_output",
    metadata,
    Column("organisation", Id, primary_key=True),
    Column("site", Code, primary_key=True),
    Column("job", Text, primary_key=True),
    Column("run", Integer, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("digest", Digest, nullable=False),
)
