"""The tables of distant jobs; `yunhe.compute.remote.store` alone reads and writes them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text

from yunhe.storage.schema import Code, Digest, Id, Instant, metadata

job_table = Table(
    "compute_remote_job",
    metadata,
    Column("id", Text, primary_key=True),  # workload and attempt
    Column("workload", Id, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("adapter", Code, nullable=False),
    Column("phase", Code, nullable=False),  # new, then as reported
    Column("run", Integer, nullable=False),
    Column("handle", Text, nullable=False),
    Column("why", Text),
    Column("since_us", Instant, nullable=False),
    Column("running_since_us", Instant),
    Column("missing_since_us", Instant),
    Column("ended_seen_us", Instant),
    Column("cancel_sent", Integer, nullable=False),  # 0, or a reason of `stopping`
    Column("failures", Integer, nullable=False),
    Column("next_at_us", Instant, nullable=False),
    Column("open", Integer, nullable=False),
    Column("forgotten", Integer, nullable=False),
    Column("receipt", Digest),  # of the provider's own record of its usage; null: it gives none
    Column("use_sum", BigInteger),  # real use of its devices: of all samples, per thousand
    Column("use_samples", BigInteger),  # null: nobody was to look at them
    Column("use_until_us", Instant),  # so far it was looked at
    Column("use_latest", Integer),  # per thousand at the last look; null: not seen then
    Column("use_cpu_ms", BigInteger),  # processor time by then, where its site tells
    Column("use_at_us", Instant),  # when that was said
    Index(None, "adapter", "open"),
    Index(None, "workload"),
)
usage_table = Table(
    "compute_remote_usage",
    metadata,
    Column("adapter", Code, primary_key=True),
    Column("event", Text, primary_key=True),
    Column("content", Digest, primary_key=True),  # two contents of one event contradict each other
    Column("job", Text, nullable=False),
    Column("run", Integer, nullable=False),
    Column("start_us", Instant, nullable=False),
    Column("end_us", Instant, nullable=False),
    Column("devices", Integer, nullable=False),
    Column("counts", Integer, nullable=False),
    Column("finding", Code, nullable=False),
    Column("seen_at_us", Instant, nullable=False),
    Index(None, "job"),
    Index(None, "finding"),
)
site_table = Table(
    "compute_remote_site",
    metadata,
    Column("adapter", Code, primary_key=True),
    Column("capacity", Text, nullable=False),
    Column("capacity_at_us", Instant, nullable=False),
    Column("own", Text),  # devices by chip that ran our work there then; null: none
    Column("clock_ahead_us", Instant, nullable=False),
    Column("clock_error_us", Instant, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("error", Text),
    Column("isolation", Code),  # as its adapter says
    Column("images", Text),  # registries whose images it runs, a list; null: none
    Column("refuses", Text),  # what of a workload it takes none with, a list
    Column("pushes", Integer),  # 1: it can have running work save itself and end
    Column("watched_at_us", Instant),  # when its devices' use was asked for last
    Column("watch_error", Text),  # what was wrong with the answer; null: nothing
    Column("seen_at_us", Instant, nullable=False),
)
