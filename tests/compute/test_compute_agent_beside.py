"""An agent whose work a scheduler beside it runs: found again, ended, paid by its clock."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest
import slurm_cluster
from paper_site import PaperSite
from slurm_cluster import eventually
from test_compute_agents import Desk, furnished

from yunhe.compute import service as compute
from yunhe.compute.agents import service as agents
from yunhe.compute.agents.domain import Ended, Piece
from yunhe.compute.providers.agent import Agent, Hardware
from yunhe.compute.providers.agent_beside import Beside, Word, scheduler_of
from yunhe.compute.providers.agent_folder import AgentFolder
from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT
from yunhe.compute.providers.remote import Report
from yunhe.compute.providers.seam import Job
from yunhe.compute.reasons import Why
from yunhe.kernel.clock import ManualClock, SystemClock
from yunhe.kernel.errors import Invalid, Unavailable, YunheError
from yunhe.kernel.progress import Stopped
from yunhe.outbound.client import Outbound
from yunhe.outbound.guard import Guard
from yunhe.storage.blobs import LocalBlobs
from yunhe.storage.service import Storage

JOB = Job("w-1-r1", TRIAL, {}, {}, 2, 60, 60, 1 << 29, chip="cpu")


class Heard:
    def __init__(self) -> None:
        self.said = {"stdout": b"", "stderr": b""}

    def printed(self, stream, data: bytes) -> None:
        self.said[stream] += data


class Table:
    """A scheduler on paper, and what happens while somebody rests between two looks."""

    def __init__(self, tmp_path) -> None:
        self.site = PaperSite(ManualClock())
        self.site.logs = lambda job, stream, *, offset: b"said"[offset:]
        self.blobs = LocalBlobs(tmp_path / "blobs")
        self.next = []
        self.steady = 0.0
        self.beside = Beside(self.site, rest=self.rest, clock=lambda: self.steady)
        self.heard, self.begun, self.told, self.leaving = Heard(), 0, False, False

    def rest(self, seconds: float) -> None:
        self.steady += seconds
        if self.next:
            self.next.pop(0)()
        else:
            self.steady += 100

    def stopped(self) -> bool:
        if self.leaving:
            raise Stopped
        return self.told

    def run(self, *steps):
        self.next = list(steps)

        def begun() -> None:
            self.begun += 1

        word = Word(self.stopped, begun, self.heard)
        return self.beside.run(JOB, blobs=self.blobs, word=word)

    def begin(self) -> None:
        self.site.begin(JOB.id)

    def end(self, phase: str = "succeeded", **over) -> None:
        self.site.end(JOB.id, phase, **over)


@pytest.fixture
def table(tmp_path) -> Table:
    return Table(tmp_path)


def nothing() -> None:
    """A look at which nothing has changed."""


def test_it_has_begun_when_the_scheduler_says_so_and_is_paid_by_its_clock(table) -> None:
    told = []
    outcome = table.run(nothing, lambda: told.append(table.begun), table.begin, table.end)
    assert told == [0]
    assert (table.begun, outcome.verdict, outcome.metered.wall_ms) == (1, "succeeded", 10_000)
    assert outcome.isolation == "paper"
    assert table.heard.said == {"stdout": b"said", "stderr": b"said"}


def test_an_agent_that_leaves_lets_it_run_and_the_next_finds_the_same_job(table) -> None:
    def leave() -> None:
        table.leaving = True

    with pytest.raises(Stopped):
        table.run(table.begin, leave)
    assert not table.site.cancelled
    table.leaving = False
    outcome = table.run(table.end)
    assert (outcome.verdict, len(table.site.jobs)) == ("succeeded", 1)


def test_told_to_end_it_is_cancelled_there_once_and_pays_what_it_used(table) -> None:
    def tell() -> None:
        table.told = True

    outcome = table.run(table.begin, tell)
    assert (outcome.verdict, outcome.metered.wall_ms) == ("stopped", 10_000)
    assert table.site.cancelled[JOB.id] == 1


def test_ended_before_it_began_it_used_nothing(table) -> None:
    table.told = True
    outcome = table.run()
    assert (outcome.verdict, outcome.metered.wall_ms, table.begun) == ("stopped", 0, 0)


def test_a_scheduler_that_does_not_answer_for_a_while_loses_nothing(table) -> None:
    away = {"submit": 2, "status": 2, "meter": 2, "collect": 2}

    def before(name: str) -> None:
        if away.get(name):
            away[name] -= 1
            raise Unavailable("compute.remote_unreachable", site="paper", reason=name)

    table.site.before = before
    outcome = table.run(nothing, nothing, table.begin, nothing, nothing, table.end)
    assert outcome.verdict == "succeeded"
    assert not any(away.values())


def test_what_the_scheduler_forgets_is_lost_after_a_while(table) -> None:
    with pytest.raises(Unavailable) as caught:
        table.run(table.site.reports.clear)
    assert caught.value.code == "compute.remote_missing"


def test_what_it_loses_is_lost_with_its_own_words(table) -> None:
    why = Why("compute.remote_lost", (("site", "paper"), ("reason", "NODE_FAIL")))

    def lose() -> None:
        table.site.reports[JOB.id] = Report(JOB.id, "lost", why=why)

    with pytest.raises(Unavailable) as caught:
        table.run(table.begin, lose)
    assert (caught.value.code, caught.value.params["reason"]) == (why.code, "NODE_FAIL")


def test_usage_that_is_never_told_is_none_and_a_lying_one_is_not_negative(table) -> None:
    assert table.run(table.begin, lambda: table.end(meter=False)).metered.wall_ms == 0
    table.site.events.append(table.site.event(JOB.id, 10**9, 0))
    assert table.run().metered.wall_ms == 0


def test_a_failure_keeps_its_reason(table) -> None:
    why = Why("compute.failed_wall", (("wall_seconds_max", 60),))

    def fail() -> None:
        table.end("failed")
        table.site.reports[JOB.id] = replace(table.site.reports[JOB.id], why=why)

    outcome = table.run(table.begin, fail)
    assert (outcome.verdict, outcome.why, outcome.outputs) == ("failed", why, {})


@pytest.mark.parametrize(
    ("most", "chips"), [({}, {"cpu": 2}), ({"cpu": 1}, {"cpu": 1}), ({"h20": 8}, {})], ids=range(3)
)
def test_it_offers_what_is_in_order_there_and_no_more_than_it_may(table, most, chips) -> None:
    assert Beside(table.site, most=most).chips() == chips

    def away(_: str) -> None:
        raise Unavailable("compute.remote_unreachable", site="paper", reason="away")

    table.site.before = away
    assert Beside(table.site, most=most).chips() == {}


SLURM = """[centre]
kind = "slurm"
address = "http://127.0.0.1:6820"
user = "root"
partition = "work"
folder = "shared"
key_file = "key"
[centre.chips]
cpu = ""
"""


@pytest.mark.parametrize(
    "text",
    ["", SLURM + SLURM.replace("centre", "other"), '[yard]\nkind = "agent"\norganisation = "o"\n'],
    ids=["none", "two", "agent"],
)
def test_a_file_names_exactly_one_scheduler(tmp_path, text) -> None:
    file = tmp_path / "beside.toml"
    file.write_text(text)
    with pytest.raises(Invalid) as caught:
        scheduler_of(file, {}, outbound=lambda: Outbound(Guard([])))
    assert [found.code for found in caught.value.findings] == ["compute.site_one_scheduler"]


# --- Against a real Slurm -------------------------------------------------------------------------


class Line:
    """The agent's way to the platform, without a network between them."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.agents = desk, self

    def hello(self, site, sent):
        with self.desk.storage.database.begin() as tx:
            now_us = self.desk.city.clock.now_us()
            nodes = [agents.Node(**node.model_dump()) for node in sent.nodes]
            given = {"agent": sent.agent, "fence": sent.fence, "nodes": nodes}
            place = self.desk.place
            return agents.take(tx, place, clock_us=sent.clock_us, now_us=now_us, **given)

    def work(self, site, sent):
        with self.desk.storage.database.begin() as tx:
            given = {"fence": sent.fence, "room": sent.room, "holding": sent.holding}
            now_us = self.desk.city.clock.now_us()
            found = agents.orders(tx, self.desk.place, now_us=now_us, **given)
        if not found.start and not found.stop:
            time.sleep(0.1)  # as an answer that waits for something to say
        return found

    def report(self, site, job, sent) -> None:
        self.desk.fence = sent.fence
        if sent.ended is None:
            self.desk.started(job, sent.run)
        else:
            self.desk.ended(job, sent.run, said=Ended(**sent.ended.model_dump()))

    def printed(self, site, job, sent):
        import base64  # noqa: PLC0415

        piece = Piece(sent.stream, sent.offset, base64.b64decode(sent.data))
        given = {"fence": sent.fence, "run": sent.run, "piece": piece}
        place = self.desk.place
        return SimpleNamespace(size_bytes=agents.printed(self.desk.storage, place, job, **given))

    def send(self, site, job, name, path, *, fence, run):
        self.desk.fence = fence
        return SimpleNamespace(digest=self.desk.output(job, name, path.read_bytes(), run=run))

    def fetch(self, site, job, name, target, *, fence) -> None:
        with self.desk.storage.database.read() as tx:
            digest = agents.input_digest(tx, self.desk.place, job, name, fence=fence)
        target.write_bytes(self.desk.storage.blobs.read(digest))


@pytest.fixture(scope="module")
def slurm():
    if slurm_cluster.absent():
        pytest.skip(slurm_cluster.absent())
    with slurm_cluster.cluster() as running:
        yield running


@pytest.fixture
def yard(bare_city) -> Desk:
    """A city on the real clock with a pool that an agent looks after."""
    clock = SystemClock()
    storage = Storage(bare_city.storage.database, bare_city.storage.blobs, clock)
    city = replace(bare_city, storage=storage, clock=clock)
    city.approve_trial()
    return furnished(city)


@contextmanager
def working(desk: Desk, slurm, folder):
    """An agent in a thread, as its process has it, with the cluster beside it."""
    file = folder / "beside.toml"
    folder.mkdir(exist_ok=True)
    file.write_text(
        SLURM.replace("127.0.0.1:6820", f"127.0.0.1:{slurm.ports['rest']}")
        .replace('"shared"', f'"{slurm.shared}"')
        .replace('"key"', f'"{slurm.jwt_key}"')
    )
    outbound = Outbound(Guard([f"127.0.0.1:{slurm.ports['rest']}"]))
    remote = scheduler_of(file, {TRIAL: TRIAL_ENTRY_POINT}, outbound=lambda: outbound)
    beside = Beside(remote, most={"cpu": 4}, rest=lambda _: time.sleep(0.1))
    agent = Agent(
        Line(desk),
        "yard",
        folder=AgentFolder(folder),
        provider=None,
        hardware=Hardware("head", {}),
        beside=beside,
    )
    thread = threading.Thread(target=agent.run)
    thread.start()
    try:
        yield agent
    finally:
        agent.stop()
        thread.join(60)
        assert not thread.is_alive()


def until(desk: Desk, submitted, *states: str):
    def there() -> bool:
        try:
            desk.driver.once()
        except YunheError:
            return False
        return desk.city.see(submitted).state in states

    eventually(there, f"{submitted.id} to be {states}")
    return desk.city.see(submitted)


def released(desk: Desk) -> None:
    """Let another agent's lease, of the fixture, be over."""
    with desk.storage.database.begin() as tx:
        agents.store.set_agent(tx, desk.place, lease_until_us=0)


def test_work_goes_through_an_agent_to_a_real_slurm_and_comes_back_paid(
    yard, slurm, tmp_path
) -> None:
    released(yard)
    digest = yard.storage.blobs.put(b"goods" * 1_000).digest
    submitted = yard.city.submit(inputs={"data": digest}, wall_seconds_max=60)
    with working(yard, slurm, tmp_path / "agent"):
        done = until(yard, submitted, "settled", "failed")
    assert done.state == "settled", done.why
    assert done.outputs["data.copy"] == digest
    assert b"copied" in yard.storage.blobs.read(done.log)
    assert done.usage.isolation == "agent"
    assert list(slurm.shared.glob(f"{submitted.id}*")) == []  # nothing is left behind
    assert list((tmp_path / "agent" / "runs").iterdir()) == []
    yard.city.assert_books_are_right()


def test_what_runs_on_slurm_outlives_its_agent_and_is_ended_by_the_next(
    yard, slurm, tmp_path
) -> None:
    released(yard)
    asked = {"arguments": {"action": "endure"}, "wall_seconds_max": 60}
    submitted = yard.city.submit("endure", **asked)
    name = f"{submitted.id}-1-r1"

    def runs() -> list[str]:
        return [row[0] for row in slurm.queue() if row[1] == name and row[2] == "RUNNING"]

    with working(yard, slurm, tmp_path / "agent"):
        until(yard, submitted, "running")
        eventually(lambda: bool(runs()), "it to run on Slurm")
    before = runs()
    assert before  # the agent is gone, the job is not
    with working(yard, slurm, tmp_path / "agent"):
        compute.cancel(yard.storage, submitted.id)
        done = until(yard, submitted, "cancelled", "failed")
    assert done.state == "cancelled", done.why
    assert not runs()
    assert sum(row[1].startswith(submitted.id) for row in slurm.queue()) <= 1
    yard.city.assert_books_are_right()
