"""Agents on paper: one has a site at a time; late, doubled and wrong reports harm nobody."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yunhe.compute import service as compute
from yunhe.compute.agents import service as agents
from yunhe.compute.agents.domain import LEASE_SECONDS, LOG_PIECE_BYTES_MAX, Ended, Piece, Place
from yunhe.compute.agents.mailbox import Mailbox
from yunhe.compute.providers.remote import Node
from yunhe.compute.providers.seam import Job
from yunhe.compute.remote.driver import Driver
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Conflict, Invalid, NotAllowed, NotFound, YunheError

NODES = (Node("n1", "cpu", 4, 4, "up"),)
GOOD = Ended("succeeded", 10_000, "bubblewrap", "sha256:" + "0" * 64)


class Desk:
    """A city whose pool an agent looks after, and shortcuts for what the agent says."""

    def __init__(self, city) -> None:
        self.city = city
        self.storage = city.storage
        self.place = Place(city.provider, "yard")
        self.mailbox = Mailbox("yard", city.provider, storage=city.storage)
        self.driver = Driver(city.storage, self.mailbox)
        self.fence = 0

    def take(self, agent: str = "agent-one", fence: int = 0) -> int:
        with self.storage.database.begin() as tx:
            now_us = self.city.clock.now_us()
            held = agents.take(
                tx,
                self.place,
                agent=agent,
                fence=fence,
                nodes=NODES,
                clock_us=now_us + 7_200 * SECOND_US,
                now_us=now_us,
            )
        self.fence = held.fence
        return held.fence

    def orders(self, *, holding=None, room: int = 4, fence: int = 0) -> agents.Orders:
        with self.storage.database.begin() as tx:
            return agents.orders(
                tx,
                self.place,
                fence=fence or self.fence,
                room={"cpu": room},
                holding=holding or {},
                now_us=self.city.clock.now_us(),
            )

    def started(self, job: str, run: int = 1, *, fence: int = 0) -> None:
        with self.storage.database.begin() as tx:
            agents.started(tx, self.place, job, fence=fence or self.fence, run=run)

    def ended(self, job: str, run: int = 1, *, said: Ended = GOOD, fence: int = 0) -> None:
        with self.storage.database.begin() as tx:
            agents.ended(
                tx,
                self.place,
                job,
                fence=fence or self.fence,
                run=run,
                said=said,
                now_us=self.city.clock.now_us(),
            )

    def printed(self, job: str, data: bytes, *, offset: int, run: int = 1) -> int:
        piece = Piece("stdout", offset, data)
        return agents.printed(self.storage, self.place, job, fence=self.fence, run=run, piece=piece)

    def output(self, job: str, name: str, data: bytes, *, run: int = 1) -> str:
        digest = self.storage.blobs.put(data).digest
        with self.storage.database.begin() as tx:
            agents.keep_output(
                tx, self.place, job, fence=self.fence, run=run, name=name, digest=digest
            )
        return digest

    def handed(self, **over):
        """A workload that the agent has got, and the job's name."""
        submitted = self.city.submit(**over)
        self.driver.once()
        [order] = self.orders().start
        return submitted, order.job


def furnished(city) -> Desk:
    compute.register_pool(
        city.storage,
        key="yard",
        provider=city.provider,
        site="远方",
        chip="cpu",
        devices=4,
        price_minor_per_device_hour=3_600,
        currency="CNY",
        adapter="yard",
    )
    city.award(seconds=100_000)
    city.cash()
    desk = Desk(city)
    desk.take()
    return desk


@pytest.fixture
def desk(bare_city) -> Desk:
    return furnished(bare_city)


def test_work_is_fetched_reported_paid_and_its_outputs_and_log_are_there(desk) -> None:
    submitted, job = desk.handed(devices=2)
    desk.started(job)
    desk.city.clock.advance(seconds=10)
    desk.driver.once()
    assert desk.city.see(submitted).why is None
    assert desk.printed(job, b"one ", offset=0) == 4
    assert desk.printed(job, b"two", offset=4) == 7
    digest = desk.output(job, "word", b"done")
    desk.ended(job, said=replace(GOOD, outputs={"word": digest}))
    desk.driver.once()
    done = desk.city.see(submitted)
    assert (done.state, done.usage.device_ms, done.usage.cost_minor) == ("settled", 20_000, 20)
    assert done.outputs == {"word": digest}
    assert b"one two" in desk.storage.blobs.read(done.log)
    desk.city.assert_books_are_right()


def test_an_agent_sees_the_whole_request_but_nothing_secret(desk) -> None:
    desk.city.submit(arguments={"action": "copy", "word": "运河"})
    desk.driver.once()
    [order] = desk.orders().start
    assert order.asked["arguments"] == {"action": "copy", "word": "运河"}
    assert order.asked["wall_seconds_max"] == 100
    assert not {"secrets", "origin", "id"} & order.asked.keys()


def test_the_same_question_twice_hands_out_the_same_run_once(desk) -> None:
    desk.city.submit()
    desk.driver.once()
    first, again = desk.orders().start, desk.orders().start
    assert first == again
    assert first[0].run == 1
    assert desk.orders(holding={first[0].job: 1}) == agents.Orders()


def test_no_more_is_handed_out_than_there_is_room_for(desk) -> None:
    for number in range(3):
        desk.city.submit(f"job-{number}", devices=1)
    desk.driver.once()
    assert len(desk.orders(room=2).start) == 2
    assert desk.orders(room=0).start == ()


def test_another_agent_may_take_a_site_only_when_the_first_was_silent_too_long(desk) -> None:
    with pytest.raises(Conflict, match="Another agent") as caught:
        desk.take("agent-two")
    assert caught.value.params["seconds"] == LEASE_SECONDS
    desk.city.clock.advance(seconds=LEASE_SECONDS - 1)
    with pytest.raises(Conflict):
        desk.take("agent-two")
    desk.city.clock.advance(seconds=2)
    assert desk.take("agent-two") == 2
    with pytest.raises(Conflict, match="no longer has the site"):
        desk.take("agent-one", fence=1)
    with pytest.raises(Conflict):
        desk.orders(fence=1)


def test_what_an_agent_says_after_it_lost_its_site_does_not_count(desk) -> None:
    submitted, job = desk.handed()
    desk.started(job)
    desk.city.clock.advance(seconds=LEASE_SECONDS + 1)
    desk.take("agent-two")
    [order] = desk.orders().start
    assert (order.job, order.run) == (job, 2)
    for act in (desk.started, desk.ended):
        with pytest.raises(Conflict) as caught:
            act(job, 1, fence=1)
        assert caught.value.code == "compute.agent_fenced"
    with pytest.raises(Conflict) as caught:
        desk.ended(job, 1)
    assert caught.value.code == "compute.agent_run"
    desk.city.clock.advance(seconds=5)
    desk.ended(job, 2, said=replace(GOOD, wall_ms=5_000))
    desk.driver.once()
    done = desk.city.see(submitted)
    assert (done.state, done.usage.device_ms, done.attempts) == ("settled", 5_000, 1)
    desk.city.assert_books_are_right()


def test_an_agent_started_again_keeps_the_runs_that_lived_and_gets_the_others_anew(desk) -> None:
    desk.city.submit("lived", devices=1)
    desk.city.submit("died", devices=1)
    desk.driver.once()
    one, other = desk.orders().start
    assert desk.take() == 2
    told = desk.orders(holding={one.job: 1})
    assert [(order.job, order.run) for order in told.start] == [(other.job, 2)]
    assert told.stop == ()
    desk.ended(one.job, 1)


def test_a_run_that_somebody_else_got_since_is_to_be_stopped(desk) -> None:
    _, job = desk.handed()
    desk.city.clock.advance(seconds=LEASE_SECONDS + 1)
    desk.take("agent-two")
    desk.orders()
    desk.city.clock.advance(seconds=LEASE_SECONDS + 1)
    desk.take("agent-one")
    assert desk.orders(holding={job: 1}).stop == (job,)


@pytest.mark.parametrize("hours", [-30, -1, 0, 1, 30])
@pytest.mark.parametrize("said_ms", [0, 9_000, 10_000, 3_600_000, 2**50])
def test_no_clock_that_can_be_set_has_a_part_in_what_is_paid(desk, hours, said_ms) -> None:
    submitted, job = desk.handed()
    desk.started(job)
    with desk.storage.database.begin() as tx:
        agents.take(
            tx,
            desk.place,
            agent="agent-one",
            fence=desk.fence,
            nodes=NODES,
            clock_us=max(desk.city.clock.now_us() + hours * 3_600 * SECOND_US, 0),
            now_us=desk.city.clock.now_us(),
        )
    desk.city.clock.advance(seconds=10)
    desk.ended(job, said=replace(GOOD, wall_ms=said_ms))
    desk.driver.once()
    done = desk.city.see(submitted)
    assert done.state == "settled"
    assert done.usage.device_ms == min(said_ms, 10_000)
    desk.city.assert_books_are_right()


def test_an_end_said_twice_or_changed_counts_as_it_was_said_first(desk) -> None:
    submitted, job = desk.handed()
    desk.city.clock.advance(seconds=10)
    desk.ended(job, said=replace(GOOD, wall_ms=5_000))
    desk.city.clock.advance(seconds=100)
    desk.ended(job, said=replace(GOOD, wall_ms=90_000))
    desk.ended(job, said=replace(GOOD, phase="failed", why_code="compute.failed_exit"))
    desk.started(job)
    desk.driver.once()
    done = desk.city.see(submitted)
    assert (done.state, done.usage.device_ms) == ("settled", 5_000)


def test_a_silent_agent_loses_its_work_which_is_placed_anew_and_unpaid(desk) -> None:
    submitted, job = desk.handed()
    desk.started(job)
    desk.driver.once()
    desk.city.clock.advance(seconds=LEASE_SECONDS + 1)
    desk.driver.once()
    anew = desk.city.see(submitted)
    assert (anew.state, anew.usage) == ("placed", None)
    desk.driver.once()
    assert desk.take() == 2
    told = desk.orders(holding={job: 1})
    assert told.stop == (job,)
    assert [order.job for order in told.start] == [job.replace("-1", "-2")]
    desk.city.assert_books_are_right()


def test_a_site_nobody_hears_of_is_said_to_be_out_of_order(desk) -> None:
    assert desk.mailbox.capacity().devices("cpu") == 4
    desk.city.clock.advance(seconds=LEASE_SECONDS + 1)
    assert desk.mailbox.capacity().devices("cpu") == 0
    assert [node.state for node in desk.mailbox.capacity().nodes] == ["down"]


def test_a_cancel_reaches_the_agent_and_what_was_used_is_paid(desk) -> None:
    submitted, job = desk.handed()
    desk.started(job)
    desk.driver.once()
    desk.city.clock.advance(seconds=10)
    compute.cancel(desk.storage, submitted.id)
    desk.driver.once()
    assert desk.orders(holding={job: 1}).stop == (job,)
    desk.ended(job, said=replace(GOOD, phase="stopped"))
    desk.driver.once()
    done = desk.city.see(submitted)
    assert (done.state, done.usage.device_ms) == ("cancelled", 10_000)


def test_cancelled_before_the_agent_got_it_costs_nothing_and_is_never_handed_out(desk) -> None:
    submitted = desk.city.submit()
    desk.driver.once()
    compute.cancel(desk.storage, submitted.id)
    desk.driver.once()
    desk.driver.once()
    assert desk.orders() == agents.Orders()
    done = desk.city.see(submitted)
    assert (done.state, done.usage) == ("cancelled", None)


def test_an_agent_cannot_name_files_it_has_not_sent(desk) -> None:
    foreign = desk.storage.blobs.put(b"another's secret").digest
    _, job = desk.handed()
    with pytest.raises(Invalid) as caught:
        desk.ended(job, said=replace(GOOD, outputs={"word": foreign}))
    assert caught.value.code == "compute.agent_outputs"
    with pytest.raises(Invalid):
        desk.output(job, "../word", b"x")
    for number in range(100):
        desk.output(job, f"file-{number}", b"x")
    with pytest.raises(Invalid):
        desk.output(job, "one-more", b"x")


def test_an_agent_reads_only_the_inputs_of_what_was_handed_to_it(desk) -> None:
    digest = desk.storage.blobs.put(b"goods").digest
    desk.city.submit(inputs={"data": digest})
    desk.driver.once()
    job = f"{desk.city.see(desk.city.submit(inputs={'data': digest})).id}-1"

    def asked(name: str, fence: int) -> str:
        with desk.storage.database.read() as tx:
            return agents.input_digest(tx, desk.place, job, name, fence=fence)

    with pytest.raises(NotFound):
        asked("data", desk.fence)
    desk.orders()
    assert asked("data", desk.fence) == digest
    with pytest.raises(NotFound):
        asked("other", desk.fence)
    with pytest.raises(Conflict):
        asked("data", desk.fence + 1)
    desk.started(job)
    assert asked("data", desk.fence) == digest
    desk.ended(job)
    with pytest.raises(NotFound):  # it has no more use for it
        asked("data", desk.fence)


def test_another_provider_has_no_such_site(desk) -> None:
    stranger = Place(desk.city.university, "yard")
    with desk.storage.database.begin() as tx, pytest.raises(NotFound):
        agents.take(tx, stranger, agent="x" * 8, fence=0, nodes=(), clock_us=0, now_us=1)
    with desk.storage.database.begin() as tx, pytest.raises(NotFound):
        agents.orders(tx, stranger, fence=1, room={"cpu": 4}, holding={}, now_us=1)


def test_work_with_secrets_is_refused(desk) -> None:
    job = replace(_job(), secrets={"TOKEN": b"value"})
    with pytest.raises(NotAllowed):
        desk.mailbox.submit(job, blobs=desk.storage.blobs)


def test_a_log_may_come_in_pieces_again_and_again_and_never_has_a_gap(desk) -> None:
    _, job = desk.handed()
    assert desk.printed(job, b"later", offset=100) == 0
    assert desk.printed(job, b"abc", offset=0) == 3
    assert desk.printed(job, b"abc", offset=0) == 3
    assert desk.printed(job, b"", offset=3) == 3
    assert desk.printed(job, b"def", offset=3) == 6
    assert desk.mailbox.logs(job, "stdout", offset=0) == b"abcdef"
    assert desk.mailbox.logs(job, "stdout", offset=2) == b"cdef"
    assert desk.mailbox.logs(job, "stdout", offset=-2) == b"ef"
    assert desk.mailbox.logs(job, "stderr", offset=0) == b""
    with pytest.raises(Invalid):
        desk.printed(job, b"x" * (LOG_PIECE_BYTES_MAX + 1), offset=6)
    desk.mailbox.forget(job)
    assert desk.mailbox.logs(job, "stdout", offset=0) == b""


def _job():
    return Job("trial-1", "yunhe-trial", {}, {}, 1, 60, 60, 1 << 29)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    said=st.lists(
        st.tuples(
            st.sampled_from(["take one", "take two", "orders", "started", "ended", "later"]),
            st.integers(0, 3),
            st.integers(0, 3),
        ),
        max_size=25,
    )
)
def test_whatever_two_agents_say_in_whatever_order_one_run_is_paid_and_no_more_than_passed(
    new_city, said
) -> None:
    desk = furnished(new_city())
    submitted = desk.city.submit()
    began_us = desk.city.clock.now_us()
    desk.driver.once()
    for what, fence, run in said:
        try:
            if what.startswith("take"):
                desk.take(f"agent-{what[5:]}", fence)
            elif what == "orders":
                desk.orders(fence=fence or desk.fence)
            elif what == "later":
                desk.city.clock.advance(seconds=100 * fence)
            else:
                getattr(desk, what)(f"{submitted.id}-1", run, fence=fence)
        except YunheError:
            continue
        desk.driver.once()
    passed_ms = (desk.city.clock.now_us() - began_us) // 1_000
    done = desk.city.see(submitted)
    if done.usage is not None:
        assert done.usage.device_ms <= min(10_000, passed_ms)
    desk.city.assert_books_are_right()
