"""Figures about the platform for Prometheus; names and units by its conventions, no tenants.

Requests are counted where they pass; what the database knows is read when somebody asks, at most
every `FRESH_SECONDS`. Labels are closed lists: routes as templates, states, kinds of work. Nothing
names an organisation, a member or an id, so the number of series does not grow with use.

Source: https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import version
from typing import get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from yunhe.app import Platform
from yunhe.compute import service as compute
from yunhe.custody import service as custody
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import YunheError
from yunhe.kernel.units import minor_digits
from yunhe.ledger import service as ledger
from yunhe.notices import service as notices
from yunhe.operations import traces
from yunhe.storage import leases
from yunhe.storage.database import Transaction
from yunhe.storage.dialect import Turn

FRESH_SECONDS = 1.0
"""Figures of the database are this old at most; asking more often costs it nothing."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Of what `Metrics.text` returns."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Methods with a label of their own; the others share ``OTHER``."""
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The figures of one process."""

    def __init__(self, platform: Platform, *, parts: Iterable[str] = ()) -> None:
        """``parts`` are what this process runs."""
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter that nobody asks for
        self._registry = CollectorRegistry()
        registry = self._registry
        self._requests = Counter(
            "yunhe_http_requests",
            "Requests that were answered.",
            ("method", "route", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "yunhe_http_request_duration_seconds",
            "From a request's head to the end of its answer.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=registry,
        )
        self._transactions = Histogram(
            "yunhe_database_transaction_duration_seconds",
            "From asking for a transaction to its end.",
            ("turn",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._turns = {turn: self._transactions.labels(turn) for turn in get_args(Turn)}
        self._series: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._in_flight = Gauge(
            "yunhe_http_requests_in_flight",
            "Requests at work, streams included.",
            registry=registry,
        )
        self._refused = Counter(
            "yunhe_http_requests_refused",
            "Requests turned away unread: too many at once, or stopping.",
            registry=registry,
        )
        Info("yunhe_build", "This version.", registry=registry).info(
            {"version": version("yunhe"), "parts": ",".join(sorted(parts))}
        )
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._registry.register(PlatformCollector(platform))

    def began(self) -> None:
        """A request is at work."""
        self._in_flight.inc()

    def ended(self, method: str, route: str, *, status: int, seconds: float) -> None:
        """A request was answered; ``route`` is its template."""
        name = method if method in METHODS else "OTHER"
        self._in_flight.dec()
        known = self._series.get((name, route, status))
        if known is None:  # finding a series costs as much as a small query
            known = (
                self._requests.labels(name, route, str(status)),
                self._seconds.labels(name, route),
            )
            self._series[name, route, status] = known
        known[0].inc()
        known[1].observe(seconds)

    def refused(self) -> None:
        """A request was turned away."""
        self._refused.inc()

    def transaction(self, turn: Turn) -> AbstractContextManager[object]:
        """Around a transaction: times it, and shows it in traces."""
        timed = self._turns[turn].time()
        return _traced(timed, turn) if traces.on() else timed

    def text(self) -> bytes:
        """Everything in Prometheus' text format. Cost: a few small queries, cached."""
        return generate_latest(self._registry)


@contextmanager
def _traced(timed: AbstractContextManager[object], turn: Turn) -> Iterator[None]:
    with timed, traces.span("transaction", turn=turn):
        yield


class PlatformCollector(Collector):
    """What the database and the disk know, read when Prometheus asks."""

    def __init__(self, platform: Platform) -> None:
        """Reads nothing yet."""
        self._platform = platform
        self._lock = threading.Lock()
        self._read_at = -FRESH_SECONDS
        self._families: list[GaugeMetricFamily] = []

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Nothing: registering must not read the database."""
        return []

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The families, at most `FRESH_SECONDS` old."""
        with self._lock:
            if time.monotonic() - self._read_at >= FRESH_SECONDS:
                self._families = list(self._measure())
                self._read_at = time.monotonic()
            return self._families

    def _measure(self) -> Iterator[GaugeMetricFamily]:
        up = GaugeMetricFamily("yunhe_database_up", "1 while the database answers.")
        families: list[GaugeMetricFamily] = []
        try:
            now_us = self._platform.storage.clock.now_us()
            with self._platform.storage.database.read() as tx:
                for source in SOURCES:
                    families += source(tx, now_us)
            up.add_metric([], 1)
        except YunheError:
            families.clear()  # half of the figures would look like a change
            up.add_metric([], 0)
        yield up
        yield from families
        yield GaugeMetricFamily(
            "yunhe_database_connections_in_use",
            "Connections of this process that are not idle.",
            value=self._platform.storage.database.connections_in_use(),
        )
        yield from _places(self._platform)


def _log(tx: Transaction, now_us: int) -> Iterator[GaugeMetricFamily]:
    backlog = custody.backlog(tx)
    newest = custody.newest(tx)
    waiting_us = 0 if backlog.oldest_us is None else max(now_us - backlog.oldest_us, 0)
    yield GaugeMetricFamily(
        "yunhe_custody_pending_leaves", "Records that wait to be signed.", value=backlog.count
    )
    yield GaugeMetricFamily(
        "yunhe_custody_sequencer_lag_seconds",
        "Age of the oldest record that waits to be signed.",
        value=waiting_us / SECOND_US,
    )
    yield GaugeMetricFamily(
        "yunhe_custody_signed_leaves",
        "Records under the newest checkpoint.",
        value=newest.size if newest else 0,
    )


def _work(tx: Transaction, now_us: int) -> Iterator[GaugeMetricFamily]:
    depth = GaugeMetricFamily(
        "yunhe_work_items", "Unfinished work by kind and state.", labels=("kind", "state")
    )
    age = GaugeMetricFamily(
        "yunhe_work_oldest_seconds", "Age of the oldest item that waits.", labels=("kind",)
    )
    for (kind, state), tally in sorted(leases.depths(tx).items()):
        depth.add_metric([kind, state], tally.count)
        if state == "ready" and tally.oldest_us is not None:
            age.add_metric([kind], max(now_us - tally.oldest_us, 0) / SECOND_US)
    yield depth
    yield age


def _workloads(tx: Transaction, _now_us: int) -> Iterator[GaugeMetricFamily]:
    family = GaugeMetricFamily("yunhe_compute_workloads", "Workloads by state.", labels=("state",))
    for state, tally in sorted(compute.counted(tx).items()):
        family.add_metric([state], tally.count)
    yield family


def _devices(tx: Transaction, _now_us: int) -> Iterator[GaugeMetricFamily]:
    """What is offered and what is held, by chip: chips are a closed list, pools are not."""
    offered = GaugeMetricFamily("yunhe_compute_devices", "Devices on offer.", labels=("chip",))
    held = GaugeMetricFamily(
        "yunhe_compute_devices_allocated", "Devices held by placed work.", labels=("chip",)
    )
    sums: dict[str, tuple[int, int]] = {}
    for status in compute.pools(tx):
        whole, busy = sums.get(status.pool.chip, (0, 0))
        sums[status.pool.chip] = whole + status.pool.devices, busy + status.devices_busy
    for chip, (whole, busy) in sorted(sums.items()):
        offered.add_metric([chip], whole)
        held.add_metric([chip], busy)
    yield offered
    yield held


def _settled(tx: Transaction, _now_us: int) -> Iterator[GaugeMetricFamily]:
    """Device time that was used of awards, and what was invoiced for it."""
    used = GaugeMetricFamily(
        "yunhe_compute_used_device_seconds", "Device time settled so far.", labels=("chip",)
    )
    vendors, by_vendor = compute.supply.catalogue_of(tx).vendors(), dict[str, int]()
    for chip, device_ms in compute.statements.used_by_chip(tx):
        used.add_metric([chip], device_ms / 1_000)
        name = vendors.get(chip, chip)
        by_vendor[name] = by_vendor.get(name, 0) + device_ms
    yield used
    labels = ("chip", "vendor")
    reported = GaugeMetricFamily(
        "yunhe_compute_reported_device_seconds",
        "Of the device time settled so far, that whose real use was reported.",
        labels=labels,
    )
    busy = GaugeMetricFamily(
        "yunhe_compute_busy_device_seconds",
        "Of the device time whose real use was reported, that really used.",
        labels=labels,
    )
    for chip, reported_ms, busy_ms in compute.statements.utilised_by_chip(tx):
        for family, device_ms in ((reported, reported_ms), (busy, busy_ms)):
            family.add_metric([chip, vendors.get(chip, chip)], device_ms / 1_000)
    yield reported
    yield busy
    yield GaugeMetricFamily(
        "yunhe_compute_vendor_concentration_hhi",
        "Of device time settled so far over makers of chips: 0 to 10,000, one alone.",
        value=compute.statements.concentration_of(by_vendor, "vendor").hhi,
    )
    invoiced = GaugeMetricFamily(
        "yunhe_compute_invoiced",
        "Invoiced so far, in the major unit.",
        labels=("currency", "paid_by"),
    )
    for currency, voucher_minor, cash_minor in compute.statements.invoiced(tx):
        scale = 10 ** minor_digits(currency)
        invoiced.add_metric([currency, "voucher"], voucher_minor / scale)
        invoiced.add_metric([currency, "cash"], cash_minor / scale)
    yield invoiced


def _holds(tx: Transaction, _now_us: int) -> Iterator[GaugeMetricFamily]:
    family = GaugeMetricFamily(
        "yunhe_ledger_holds_open", "Amounts set aside and not yet spent or released."
    )
    family.add_metric([], len(ledger.holds_open(tx)))
    yield family


def _deliveries(tx: Transaction, _now_us: int) -> Iterator[GaugeMetricFamily]:
    family = GaugeMetricFamily(
        "yunhe_notices_deliveries", "E-mails and webhook calls by state.", labels=("state",)
    )
    for state, tally in sorted(notices.deliveries_counted(tx).items()):
        family.add_metric([state], tally.count)
    yield family


def _plan(tx: Transaction, now_us: int) -> Iterator[GaugeMetricFamily]:
    """The slow plan: whether passes follow it, how near what runs is to its bound, scarcity."""
    made = compute.planning.latest(tx)
    if made is None:
        return
    yield GaugeMetricFamily(
        "yunhe_compute_plan_followed",
        "1 while passes follow the last plan.",
        value=int(made.followed(now_us)),
    )
    yield GaugeMetricFamily(
        "yunhe_compute_plan_age_seconds",
        "Age of the last plan.",
        value=max(now_us - made.at_us, 0) / SECOND_US,
    )
    if made.state != "sound":
        return
    for name, said, ppm in (
        ("bound", "No arrangement serves more devices, in devices of full speed.", made.bound_ppm),
        ("reached", "What runs, counted in the same way.", made.reached_ppm),
    ):
        yield GaugeMetricFamily(f"yunhe_compute_plan_{name}_devices", said, value=ppm / 1_000_000)
    scarce = GaugeMetricFamily(
        "yunhe_compute_chip_scarcity",
        "What one more device would be worth, of a device of full speed.",
        labels=("chip",),
    )
    for line in made.chips:
        scarce.add_metric([line.chip], line.price_ppm / 1_000_000)
    yield scarce


SOURCES: list[Callable[[Transaction, int], Iterator[GaugeMetricFamily]]] = [
    _log,
    _work,
    _workloads,
    _devices,
    _settled,
    _plan,
    _holds,
    _deliveries,
]
"""What is read of the database; one function a subject."""


def _places(platform: Platform) -> Iterator[GaugeMetricFamily]:
    try:
        free_bytes = shutil.disk_usage(platform.settings.home).free
    except OSError:
        return
    yield GaugeMetricFamily(
        "yunhe_home_free_bytes", "Free space where the home folder lies.", value=free_bytes
    )
