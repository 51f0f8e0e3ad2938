"""Who looks at the devices of a site's jobs, and what follows from it: release, figures, words."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import pytest
from live_desk import eventually
from paper_site import PaperSite
from test_compute_agents import GOOD, furnished

from yunhe.compute import service as compute
from yunhe.compute.agents import service as agents
from yunhe.compute.agents.service import Use
from yunhe.compute.live.domain import Idle
from yunhe.compute.live.relay import Relay
from yunhe.compute.providers.remote import Capacity, Node
from yunhe.compute.remote import store as remote
from yunhe.compute.remote.driver import Driver
from yunhe.compute.service import statements
from yunhe.compute.statements.domain import Period
from yunhe.compute.utilisation import watching
from yunhe.compute.utilisation.domain import FULL, Look, Used
from yunhe.compute.utilisation.watching import Watcher
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Unavailable
from yunhe.operations.sites import SiteLoop

ALWAYS = Period("always", 0, 2**62)
DOWN = Unavailable("compute.watch_unreachable", site="paper", reason="outbound.timed_out")


@dataclass
class PaperWatch:
    """Says of each job what it is told to, or is out of order."""

    says: dict[str, int | None] = field(default_factory=dict)
    fault: Exception | None = None
    finding: str = ""
    asked: list[list[str]] = field(default_factory=list)
    chips: tuple[str, ...] = ("cpu",)

    def watches(self, chip: str) -> bool:
        return chip in self.chips

    def look(self, subjects, *, now_us: int) -> Look:
        self.asked.append([each.job for each in subjects])
        if self.fault is not None:
            raise self.fault
        seen = {each.job: self.says.get(each.job) for each in subjects}
        used = {job: Used(said, 1, said) for job, said in seen.items() if said is not None}
        return Look(used, now_us, self.finding)


class Stage:
    """A city with a paper site that somebody watches."""

    def __init__(self, city) -> None:
        self.city, self.storage = city, city.storage
        self.site, self.watch = PaperSite(city.clock), PaperWatch()
        self.site.watch = self.watch
        self.site.capacity = lambda: Capacity((Node("n1", "cpu", 8, 8, "up"),))
        compute.register_pool(
            city.storage,
            key="paper",
            provider=city.provider,
            site="远方",
            chip="cpu",
            devices=4,
            price_minor_per_device_hour=3_600,
            currency="CNY",
            adapter="paper",
        )
        city.award(seconds=1_000_000)
        city.cash()

        self.driver = Driver(city.storage, self.site)
        self.watcher = Watcher(city.storage, self.site)
        self.relay = Relay(city.storage, self.site, idle=Idle(minutes=10))

    def running(self, key: str = "job", **over):
        made = self.city.submit(key, wall=20_000, **over)
        self.driver.once()
        job = f"{made.id}-1"
        self.site.begin(job)
        self.driver.once()
        assert self.city.see(made).state == "running"
        return made, job

    def pass_by(self, looks: int) -> None:
        for _ in range(looks):
            self.city.clock.advance(seconds=30)
            self.watcher.once()
            self.relay.turn()
            self.driver.once()

    def ended(self, made):
        self.driver.once()
        return self.city.see(made)

    def error(self):
        with self.storage.database.read() as tx:
            return compute.remote.site(tx, "paper").watch_error


@pytest.fixture
def stage(bare_city) -> Stage:
    return Stage(bare_city)


def test_who_idles_is_released_and_metered_and_nobody_else(stage):
    (idle, quiet), (busy, loud), (unseen, _) = (stage.running(key) for key in ("a", "b", "c"))
    stage.watch.says = {quiet: 0, loud: 900}
    stage.pass_by(19)
    assert stage.city.see(idle).state == "running"
    stage.pass_by(4)
    done = stage.ended(idle)
    assert (done.state, done.usage.utilisation_per_thousand) == ("cancelled", 0)
    assert done.usage.utilisation_samples >= 20
    stage.pass_by(25)
    assert [stage.city.see(one).state for one in (busy, unseen)] == ["running", "running"]
    assert stage.watch.asked[0] == sorted(stage.watch.asked[0])
    assert all(len(asked) >= 2 for asked in stage.watch.asked)


def test_what_was_never_seen_is_unwatched_in_the_figures_and_not_idle(stage):
    made, job = stage.running()
    stage.pass_by(3)
    stage.site.end(job)
    usage = stage.ended(made).usage
    assert (usage.utilisation_per_thousand, usage.unwatched, usage.cpu_ms) == (None, True, 10)
    with stage.storage.database.read() as tx:
        [line] = statements.usage(tx, period=ALWAYS)
    assert (line.idle_ms, line.reported_ms) == (0, 0)
    assert line.unwatched_ms == line.device_ms > 0


@pytest.mark.parametrize("looks", [0, 3], ids=["short", "down"])
def test_what_nobody_ever_came_to_look_at_is_unwatched_too(stage, looks):
    stage.watch.fault = DOWN
    made, job = stage.running()
    stage.pass_by(looks)
    stage.site.end(job)
    usage = stage.ended(made).usage
    assert (usage.utilisation_per_thousand, usage.unwatched) == (None, True)


def test_real_use_is_the_mean_of_all_samples_whoever_kept_them(stage):
    made, job = stage.running()
    for said in (100, 300, 800):
        stage.watch.says = {job: said}
        stage.pass_by(1)
        stage.watcher = Watcher(stage.storage, stage.site)  # another worker goes on
    stage.site.end(job)
    usage = stage.ended(made).usage
    assert (usage.utilisation_per_thousand, usage.utilisation_samples) == (400, 3)


def test_however_many_workers_there_are_a_site_is_looked_at_once_in_half_a_minute(stage):
    stage.running()
    stage.city.clock.advance(seconds=30)
    others = [Watcher(stage.storage, stage.site) for _ in range(4)]
    assert [each.once() for each in others] == [True, False, False, False]
    stage.city.clock.advance(seconds=29)
    assert not stage.watcher.once()
    stage.city.clock.advance(seconds=1)
    assert stage.watcher.once()
    assert len(stage.watch.asked) == 2


def test_a_clock_that_was_set_back_stops_no_looking(stage):
    stage.running()
    stage.pass_by(1)
    stage.city.clock.advance(seconds=-7_200)
    assert stage.watcher.once()
    assert len(stage.watch.asked) == 2


@pytest.mark.parametrize("after", [0, 15], ids=["always", "later"])
def test_a_prometheus_that_is_down_releases_nobody_and_says_so_once(stage, caplog, after):
    made, job = stage.running()
    stage.watch.says = {job: 0}
    stage.pass_by(after)
    stage.watch.fault = DOWN
    with caplog.at_level(logging.WARNING, logger="yunhe.compute"):
        stage.pass_by(40)
        assert stage.city.see(made).state == "running"
        assert len([one for one in caplog.records if "paper" in one.getMessage()]) == 1
    why = stage.error()
    assert (why.code, dict(why.params)["site"]) == ("compute.watch_unreachable", "paper")
    stage.watch.fault = None
    stage.pass_by(1)
    assert stage.error() is None


def test_what_cannot_be_true_is_told_and_the_rest_counts(stage):
    _, job = stage.running()
    stage.watch.says, stage.watch.finding = {job: FULL}, "compute.watch_values"
    stage.pass_by(2)
    assert stage.error().code == "compute.watch_values"
    assert stage.error().message("zh") != stage.error().message("en")


def test_a_fault_of_a_watch_ends_neither_the_look_after_jobs_nor_its_own_thread(stage):
    made, job = stage.running()
    stage.watch.fault = RuntimeError("broken")
    turns = iter([False, False, True])
    stopping = SimpleNamespace(wait=lambda _seconds: next(turns))
    stage.watcher.run(stopping)
    assert len(stage.watch.asked) == 1  # the second look was not due
    stage.site.end(job)
    assert stage.ended(made).state == "settled"


def test_a_look_that_comes_too_late_counts_nothing_twice(stage):
    _, job = stage.running()
    with stage.storage.database.read() as tx:
        row = remote.job(tx, job)
    for expected in (True, False):
        with stage.storage.database.begin() as tx:
            counted = remote.used(tx, row, sum_per_thousand=5, samples=1, use_until_us=7)
            assert counted is expected
    with stage.storage.database.read() as tx:
        now = remote.job(tx, job)
    assert (now["use_sum"], now["use_samples"]) == (5, 1)


def test_a_site_that_nobody_watches_has_a_watcher_and_a_relay_that_do_nothing(stage):
    stage.running()
    bare = PaperSite(stage.city.clock)
    assert not Watcher(stage.storage, bare).once()
    assert not Relay(stage.storage, bare).once()


def test_a_look_is_judged_once_however_often_the_relay_turns(stage):
    made, job = stage.running()
    stage.watch.says = {job: 0}
    stage.pass_by(2)
    for _ in range(60):  # half an hour in which nobody looks
        stage.city.clock.advance(seconds=30)
        stage.relay.turn()
    stage.driver.once()
    assert stage.city.see(made).state == "running"


def test_another_relay_does_not_take_an_old_look_for_a_new_one(stage):
    made, job = stage.running()
    stage.watch.says = {job: 0}
    stage.pass_by(15)
    for _ in range(30):
        stage.city.clock.advance(seconds=300)
        Relay(stage.storage, stage.site, idle=Idle(minutes=1)).turn()
    stage.driver.once()
    assert stage.city.see(made).state == "running"


def test_whoever_drives_a_site_looks_at_its_devices_too(stage, monkeypatch):
    monkeypatch.setattr(watching, "QUIET_SECONDS", 0.01)
    stage.running()
    stage.city.clock.advance(seconds=30)
    chosen = SimpleNamespace(idle_minutes=10, idle_cpu_percent=5)
    platform = SimpleNamespace(storage=stage.storage, vault=None, settings=chosen)
    stopping = threading.Event()
    loop = threading.Thread(target=SiteLoop(platform, stage.site, stopping).run)
    loop.start()
    try:
        eventually(lambda: stage.watch.asked, "a look")
    finally:
        stopping.set()
        loop.join(60)
    assert not loop.is_alive()


# --- Agents ---------------------------------------------------------------------------------


@pytest.fixture
def desk(bare_city):
    return furnished(bare_city)


def handed(desk):
    made, job = desk.handed(wall=20_000)
    desk.started(job)
    desk.driver.once()
    return made, job


def say(desk, job: str, *, run: int = 1, **use) -> None:
    with desk.storage.database.begin() as tx:
        now_us = desk.city.clock.now_us()
        agents.using(tx, desk.place, job, Use(**use), fence=desk.fence, run=run, now_us=now_us)


def told(desk, job: str, looks: int, **use) -> None:
    relay = desk.relay = getattr(desk, "relay", None) or Relay(
        desk.storage, desk.mailbox, idle=Idle(minutes=10)
    )
    for _ in range(looks):
        desk.city.clock.advance(seconds=30)
        if use:
            say(desk, job, **use)
        relay.turn()
        desk.driver.once()
        desk.take(fence=desk.fence)


def stops(desk, job: str) -> bool:
    return job in desk.orders(holding={job: 1}).stop


@pytest.mark.parametrize(
    ("use", "released"),
    [
        ({"per_thousand": 0}, True),
        ({"per_thousand": 49, "cpu_ms": 0}, True),
        ({"cpu_ms": 3}, True),
        ({"per_thousand": 50}, False),
        ({"per_thousand": 900, "cpu_ms": 3}, False),
        ({}, False),
        ({"per_thousand": None, "cpu_ms": None}, False),
        ({"per_thousand": -1}, False),
        ({"per_thousand": 1_001, "cpu_ms": 0}, False),
    ],
    ids=["idle", "little", "processor", "enough", "busy", "silent", "nothing", "less", "more"],
)
def test_what_an_agent_says_of_its_runs_use_is_judged_and_silence_is_not(desk, use, released):
    _, job = handed(desk)
    told(desk, job, 24, **use)
    assert stops(desk, job) is released


def test_an_agents_words_about_a_run_that_is_over_change_nothing(desk):
    made, job = handed(desk)
    desk.ended(job)
    say(desk, job, per_thousand=0)
    with desk.storage.database.read() as tx:
        assert remote.job(tx, job)["use_at_us"] is None
    desk.driver.once()
    assert desk.city.see(made).state == "settled"


@pytest.mark.parametrize("per_thousand", [None, 120])
def test_an_end_that_nobody_watched_says_so(desk, per_thousand):
    made, job = handed(desk)
    desk.city.clock.advance(seconds=60)
    samples = 0 if per_thousand is None else 4
    seen = {"utilisation_per_thousand": per_thousand, "utilisation_samples": samples}
    desk.ended(job, said=replace(GOOD, cpu_ms=3, unwatched=True, **seen))
    desk.driver.once()
    usage = desk.city.see(made).usage
    assert (usage.utilisation_per_thousand, usage.unwatched) == (per_thousand, not samples)
    assert usage.device_ms * 1_000 == 10 * SECOND_US
