"""When passes are due, who carries one out, and what they weigh; `passes.store` alone uses them."""

from __future__ import annotations

from sqlalchemy import Column, Integer, Table, Text

from yunhe.storage.schema import Code, Id, Instant, Minor, metadata
from yunhe.storage.schema import Sequence as Number

pass_table = Table(
    "compute_pass",
    metadata,
    Column("name", Code, primary_key=True),
    Column("wanted", Minor, nullable=False),  # counted up whenever a pass is due
    Column("done", Minor, nullable=False),  # what the last whole pass found there as it began
    Column("token", Id),
    Column("owner", Text),
    Column("lease_until_us", Instant),
    Column("ended_at_us", Instant, nullable=False),
    Column("journal", Integer, nullable=False),  # passes that are still to be kept
)
journal_table = Table(
    "compute_journal",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("at_us", Instant, nullable=False),
    Column("said", Text, nullable=False),
)
weight_table = Table(
    "compute_weight",
    metadata,
    Column("city", Code, primary_key=True),  # of a city itself; empty: the part is below, anywhere
    Column("kind", Code, primary_key=True),  # empty: the city's own weight
    Column("organisation", Id, primary_key=True),  # empty: the kind's own weight
    Column("project", Id, primary_key=True),  # empty: the organisation's own weight
    Column("weight", Integer, nullable=False),
    Column("said_by", Id, nullable=False),
    Column("at_us", Instant, nullable=False),
    Column("reference", Text, nullable=False),  # custody
)
used_table = Table(
    "compute_used",
    metadata,
    Column("organisation", Id, primary_key=True),
    Column("project", Id, primary_key=True),  # empty: the organisation's own
    Column("used_ms", Minor, nullable=False),  # of device time, as it counted at `at_us`
    Column("at_us", Instant, nullable=False),
)
