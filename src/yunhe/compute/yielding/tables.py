"""Devices that were left for somebody; `yielding.store` alone uses it."""

from __future__ import annotations

from sqlalchemy import Column, Integer, Table, Text

from yunhe.storage.schema import Code, Id, metadata
from yunhe.storage.schema import Sequence as Number

left_table = Table(
    "compute_left_for",
    metadata,
    Column("beneficiary", Id, primary_key=True),  # the workload for which others make room
    Column("id", Id, primary_key=True),  # of the run that left
    Column("placements", Integer, nullable=False),  # of the beneficiary: once placed it keeps none
    Column("number", Number, nullable=False),
    Column("chip", Code, nullable=False),
    Column("devices", Integer, nullable=False),
    Column("milli", Integer),
    Column("pool", Id, nullable=False),
    Column("nodes", Text),
)
