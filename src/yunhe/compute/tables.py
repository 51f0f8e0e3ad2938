"""The tables of compute; `yunhe.compute.store` alone reads and writes them."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    func,
    select,
)

from yunhe.storage.schema import Code, Digest, Id, Instant, Minor, metadata
from yunhe.storage.schema import Sequence as Number

pool_table = Table(
    "compute_pool",
    metadata,
    Column("id", Id, primary_key=True),
    Column("provider", Id, nullable=False),
    Column("site", Text, nullable=False),
    Column("adapter", Code, nullable=False),
    Column("chip", Code, nullable=False),
    Column("devices", Integer, nullable=False),
    Column("price_minor_per_device_hour", Minor, nullable=False),
    Column("currency", Code, nullable=False),
    Column("created_at_us", Instant, nullable=False),
)
award_table = Table(
    "compute_award",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organisation", Id, nullable=False),
    Column("chip", Code, nullable=False),
    Column("device_ms", Minor, nullable=False),
    Column("expires_at_us", Instant, nullable=False),
    Column("lapsed_ms", Minor, nullable=False),
    Column("transfer", Id, nullable=False),
    Column("awarded_by", Id, nullable=False),
    Column("reference", Text, nullable=False),
    Column("created_at_us", Instant, nullable=False),
    Column("priority_max", Code),  # null: the usual class
    Column("accepts", Text),  # chips and rates of one for several, as pinned; null: the one chip
    Column("used_ms", Minor),  # sum of what its draws used; null: nothing ended since 0.2.0
    Index(None, "organisation", "chip"),
)
voucher_table = Table(
    "compute_voucher",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organisation", Id, nullable=False),
    Column("currency", Code, nullable=False),
    Column("amount_minor", Minor, nullable=False),
    Column("share_percent", Integer, nullable=False),
    Column("created_at_us", Instant, nullable=False),
    Index(None, "organisation", "currency"),
)
approval_table = Table(
    "compute_approval",
    metadata,
    Column("name", Code, primary_key=True),
    Column("digest", Digest, primary_key=True),
    Column("module", Text, nullable=False),
    Column("approved_by", Id, nullable=False),
    Column("at_us", Instant, nullable=False),
)
workload_table = Table(
    "compute_workload",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("id", Id, nullable=False),
    Column("organisation", Id, nullable=False),
    Column("entry_point", Code, nullable=False),
    Column("chip", Code, nullable=False),
    Column("devices", Integer, nullable=False),
    Column("wall_seconds_max", Integer, nullable=False),
    Column("spec", Text, nullable=False),
    Column("spec_digest", Digest, nullable=False),
    Column("state", Code, nullable=False),
    Column("why", Text),
    Column("blocked", Integer, nullable=False),  # 1: `why` is not the scheduler's
    Column("cancel_asked", Integer, nullable=False),
    Column("submitted_at_us", Instant, nullable=False),
    Column("pool", Id),
    Column("voucher", Id),
    Column("placements", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("provider_failures", Integer, nullable=False),
    Column("device_hold", Id),
    Column("voucher_hold", Id),
    Column("cash_hold", Id),
    Column("held_voucher_minor", Minor, nullable=False),
    Column("held_cash_minor", Minor, nullable=False),
    Column("price_held_minor", Minor),  # of a device-hour, when it was placed; null: the pool's
    Column("holds_until_us", Instant),
    Column("used_voucher_minor", Minor, nullable=False),
    Column("outputs", Text),
    Column("usage", Text),
    Column("reference", Text),
    Column("log", Digest),
    Column("ended_at_us", Instant),
    Column("project", Id),  # null: the organisation's own
    Column("member", Id),  # null: before 0.2.0, or the platform itself
    Column("waits_for", Code),  # see `passes.domain.WaitsFor`; null: does not wait, or not said
    Column("replicas", Integer),  # with which it was placed; null: with all, or never
    Column("milli", Integer),  # the share of a device with which it was placed; null: whole ones
    Column("nodes", Text),  # where it was placed, as `places` writes it; null: nobody knows
    Column("priority", Integer),  # class in the queue; null: the usual one
    Column("saves_seconds", Integer),  # preemptible, and saves so often; null: is never pushed out
    Column("push_asked_us", Instant),  # since when it should make room; null: it need not
    Column("pushed_for", Id),  # the workload it makes room for
    Column("pushed_out", Integer),  # how often it made room; null: never
    Column("attained_ms", Minor),  # device time it had until then
    Column("saved", Text),  # what it saved then: digests by name
    Column("stretch_of", Id),  # a run that was broken off so, of that workload; null: a workload
    Column("reported_ms", Minor),  # device time whose real use was reported; null: none
    Column("busy_ms", Minor),  # of it, really used
    Column("term", Code),  # whose price it was placed at; null: on demand
    Column("running_since_us", Instant),  # its last run began; null: none since 0.2.0
    Column("start_by_us", Instant),  # after that it cannot meet its deadline; null: it has none
    UniqueConstraint("id"),
    Index(None, "organisation", "number"),
    Index(None, "state", "number"),
    Index(None, "state", "organisation", "number"),
    Index(None, "state", "chip", "waits_for"),
    Index(None, "pool", "state"),
    Index(None, "voucher"),
    Index(None, "ended_at_us"),
)
draw_table = Table(
    "compute_draw",
    metadata,
    Column("workload", Id, primary_key=True),
    Column("award", Id, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("held_ms", Minor, nullable=False),
    Column("used_ms", Minor, nullable=False),
    Column("raw_ms", Minor),  # time of the chip, held or used; null: the award is for that chip
    Column("per_thousand", Integer),  # what an hour of it counts in the award; null likewise
    Index(None, "award", "held_ms"),
)
_DRAWN = select(func.coalesce(func.sum(draw_table.c.used_ms), 0))
_HELD = select(func.coalesce(func.sum(draw_table.c.held_ms), 0)).where(draw_table.c.held_ms > 0)
_of_it = draw_table.c.award == award_table.c.id
held_of_award = _HELD.where(_of_it).scalar_subquery()
"""What is held of an award. Cost: the draws that hold something, whatever ended before."""
drawn_of_award = _DRAWN.where(_of_it).scalar_subquery()
used_of_award = func.coalesce(award_table.c.used_ms, drawn_of_award)
"""What was used of an award. Cost: none, but all its draws where nothing ended since 0.2.0."""
bandwidth_table = Table(
    "compute_bandwidth",
    metadata,
    Column("from_site", Text, primary_key=True),
    Column("to_site", Text, primary_key=True),
    Column("megabit_per_second", Integer, nullable=False),
    Column("at_us", Instant, nullable=False),
)
workload_by_id = select(workload_table).where(workload_table.c.id == bindparam("workload"))
draws_of_workload = (
    select(draw_table, award_table.c.chip)
    .join(award_table, award_table.c.id == draw_table.c.award)
    .where(draw_table.c.workload == bindparam("workload"))
    .order_by(draw_table.c.position)
)
