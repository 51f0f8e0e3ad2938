"""The tables of what running jobs say; `yunhe.compute.live.store` alone reads and writes them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text

from yunhe.storage.schema import Code, Digest, Id, Instant, metadata

chunk_table = Table(
    "compute_live_chunk",
    metadata,
    Column("subject", Id, primary_key=True),  # a workload, or a command run inside one
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),  # more than there are bytes: they were left out
    Column("stream", Code, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("at_us", Instant, nullable=False),
    Index(None, "at_us"),
)
exec_table = Table(
    "compute_live_exec",
    metadata,
    Column("id", Id, primary_key=True),
    Column("workload", Id, nullable=False),
    Column("organisation", Id, nullable=False),
    Column("member", Id, nullable=False),
    Column("command", Text, nullable=False),  # emptied once it was handed over
    Column("command_digest", Digest, nullable=False),
    Column("tty", Integer, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("columns", Integer, nullable=False),
    Column("closes", Integer, nullable=False),  # whether the workload is to end with it
    Column("state", Code, nullable=False),
    Column("why", Code),
    Column("status", Integer),
    Column("end_asked", Integer, nullable=False),
    Column("input_done", BigInteger, nullable=False),
    Column("taken", BigInteger, nullable=False),  # bytes of its output that a reader was given
    Column("at_us", Instant, nullable=False),
    Column("seen_us", Instant, nullable=False),  # its reader's last sign of life
    Column("ended_at_us", Instant),
    Index(None, "workload", "id"),
    Index(None, "state", "workload"),
    Index(None, "ended_at_us"),
)
place_table = Table(
    "compute_live_place",
    metadata,
    Column("job", Text, primary_key=True),  # of a distant site
    Column("stream", Code, primary_key=True),
    Column("offset", BigInteger, nullable=False),  # so much of it is published
)
input_table = Table(
    "compute_live_input",
    metadata,
    Column("exec", Id, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("content", Text, nullable=False),
)
