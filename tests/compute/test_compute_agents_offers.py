"""Work offered to an agent that never comes: withdrawn, elsewhere, refused late, never paid."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_compute_agents import GOOD, Desk, furnished

from yunhe.compute import service as compute
from yunhe.compute.agents import service as agents
from yunhe.compute.agents.domain import LEASE_SECONDS
from yunhe.compute.agents.mailbox import OFFER_MINUTES
from yunhe.compute.providers.sites import read_sites
from yunhe.compute.remote import following
from yunhe.compute.supply import service as supply
from yunhe.kernel.errors import Conflict, Invalid, YunheError

OFFERED_SECONDS = OFFER_MINUTES * 60


@pytest.fixture
def desk(bare_city) -> Desk:
    return furnished(bare_city)


def unfetched(desk: Desk, key: str = "job", **over):
    """A workload that lies at the site and whose agent is not heard of any more; its job."""
    submitted = desk.city.submit(key, **over)
    desk.driver.once()
    desk.city.clock.advance(seconds=OFFERED_SECONDS)
    desk.driver.once()
    return submitted, f"{submitted.id}-1"


def second_pool(desk: Desk) -> None:
    compute.register_pool(
        desk.storage,
        key="own",
        provider=desk.city.provider,
        site="本地",
        chip="cpu",
        devices=4,
        price_minor_per_device_hour=7_200,
        currency="CNY",
    )


def standing(desk: Desk) -> str:
    with desk.storage.database.read() as tx:
        [pool] = [each for each in compute.pools(tx) if each.pool.adapter == "yard"]
        return supply.offers(tx, [pool], now_us=desk.city.clock.now_us())[0].standing.state


def test_work_that_nobody_fetches_goes_elsewhere_and_costs_nothing_here(desk) -> None:
    submitted = desk.city.submit()
    desk.driver.once()
    second_pool(desk)
    desk.city.clock.advance(seconds=OFFERED_SECONDS - 1)
    desk.driver.once()
    assert desk.city.see(submitted).attempts == 1
    desk.city.clock.advance(seconds=1)
    desk.driver.once()
    seen = desk.city.see(submitted)
    with desk.storage.database.read() as tx:
        adapters = {each.pool.id: each.pool.adapter for each in compute.pools(tx)}
    assert (seen.state, adapters[seen.pool], seen.usage) == ("placed", "local", None)
    assert standing(desk) == "down"
    desk.city.assert_books_are_right()


def test_where_there_is_nowhere_else_it_waits_without_a_hold_and_why_tells_it(desk) -> None:
    submitted, _ = unfetched(desk)
    seen = desk.city.see(submitted)
    assert (seen.state, seen.held_device_ms, seen.held_minor) == ("waiting", 0, 0)
    assert seen.why is not None
    for _ in range(6):  # it is no failure of its own, however often the site is gone
        desk.take()
        desk.city.clock.advance(seconds=following.STEP_SECONDS + 1)
        desk.take(fence=desk.fence)
        desk.driver.once()
        desk.city.clock.advance(seconds=OFFERED_SECONDS)
        desk.driver.once()
    assert desk.city.see(submitted).state == "waiting"
    desk.city.assert_books_are_right()


def test_when_an_agent_comes_the_pool_opens_and_the_work_runs_there(desk) -> None:
    submitted, job = unfetched(desk)
    desk.city.clock.advance(seconds=following.STEP_SECONDS + 1)
    desk.take("agent-two")
    assert desk.orders() == agents.Orders()  # the old offer is nobody's
    desk.driver.once()
    assert standing(desk) == "open"
    desk.driver.once()
    [order] = desk.orders().start
    assert order.job != job
    desk.started(order.job)
    desk.city.clock.advance(seconds=10)
    desk.ended(order.job)
    desk.driver.once()
    done = desk.city.see(submitted)
    assert (done.state, done.usage.device_ms) == ("settled", 10_000)
    desk.city.assert_books_are_right()


def test_a_pool_that_a_person_closed_stays_closed_when_the_agent_comes(desk) -> None:
    unfetched(desk)
    with desk.storage.database.read() as tx:
        [pool] = [each.pool.id for each in compute.pools(tx)]
    supply.change(desk.storage, pool, state="draining", reason="维修", by=desk.city.operator)
    desk.city.clock.advance(seconds=following.STEP_SECONDS + 1)
    desk.take()
    desk.driver.once()
    assert standing(desk) == "draining"


@pytest.mark.parametrize("again", [1, 2])
def test_a_late_agent_is_refused_alike_however_often_it_speaks(desk, again) -> None:
    _, job = unfetched(desk)
    desk.take()
    for _ in range(again):
        for act in (desk.started, desk.ended):
            with pytest.raises(Conflict) as caught:
                act(job, 1)
            assert caught.value.code == "compute.agent_run"
        assert desk.orders(holding={job: 1}).stop == (job,)
    assert desk.mailbox.meter([job]) == ()


def test_an_agent_that_is_there_without_room_is_told_apart_and_its_pool_stays_open(desk) -> None:
    submitted = desk.city.submit(devices=2)
    desk.driver.once()
    for _ in range(OFFERED_SECONDS // 150 + 1):
        desk.city.clock.advance(seconds=150)
        desk.take(fence=desk.fence)
        assert desk.orders(room=1) == agents.Orders()
    [report] = desk.mailbox.status([f"{submitted.id}-1"]).reports
    assert (report.phase, report.why.code, report.ran) == ("lost", "compute.agent_full", False)
    desk.driver.once()
    assert standing(desk) == "open"
    assert desk.city.see(submitted).attempts <= 2


def test_work_is_never_given_up_because_an_agent_was_busy_for_long(desk) -> None:
    submitted = desk.city.submit(devices=2)
    for _ in range(7):
        desk.driver.once()
        for _ in range(OFFERED_SECONDS // 150 + 1):
            desk.city.clock.advance(seconds=150)
            desk.take(fence=desk.fence)
    desk.driver.once()
    assert desk.city.see(submitted).state in ("waiting", "placed", "running")
    desk.driver.once()
    [order] = desk.orders().start
    desk.ended(order.job)
    desk.driver.once()
    assert desk.city.see(submitted).state == "settled"
    desk.city.assert_books_are_right()


def test_what_an_agent_fetched_in_the_last_moment_is_not_withdrawn(desk) -> None:
    submitted = desk.city.submit()
    desk.driver.once()
    desk.city.clock.advance(seconds=OFFERED_SECONDS)
    desk.take()
    [order] = desk.orders().start
    desk.driver.once()
    desk.ended(order.job)
    desk.driver.once()
    assert desk.city.see(submitted).state == "settled"


@pytest.mark.parametrize("minutes", ["0", "-1", "1.5", "", "９", "10081", "1" * 5_000])
def test_minutes_that_are_none_are_refused_in_the_sites_file(tmp_path, minutes) -> None:
    file = tmp_path / "sites.toml"
    file.write_text(f'[yard]\nkind = "agent"\norganisation = "org"\noffer_minutes = "{minutes}"\n')
    with pytest.raises(Invalid) as caught:
        read_sites(file)
    assert [found.code for found in caught.value.findings] == ["compute.site_minutes"]


EVENTS = ("later", "take", "fetch", "started", "ended", "cancel", "drive")


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    said=st.lists(
        st.tuples(st.sampled_from(EVENTS), st.integers(1, 3), st.integers(1, 2)), max_size=30
    )
)
def test_offers_claims_withdrawals_and_reports_in_any_order_charge_only_what_ran(
    new_city, said
) -> None:
    desk = furnished(new_city())
    submitted = desk.city.submit()
    fetched: dict[str, int] = {}
    passed_ms: dict[str, int] = {}
    for what, number, run in said:
        job = f"{submitted.id}-{number}"
        try:
            if what == "later":
                seconds = (7, LEASE_SECONDS + 1, OFFERED_SECONDS)[number - 1]
                desk.city.clock.advance(seconds=seconds)
                passed_ms = {name: ms + seconds * 1_000 for name, ms in passed_ms.items()}
            elif what == "take":
                desk.take(f"agent-{run}")
            elif what == "fetch":
                for order in desk.orders().start:
                    fetched[order.job] = order.run
                    passed_ms[order.job] = passed_ms.get(order.job, 0)
            elif what == "cancel":
                compute.cancel(desk.storage, submitted.id)
            elif what != "drive":
                act = getattr(desk, what)
                act(job, run, said=replace(GOOD, wall_ms=2**40)) if what == "ended" else act(
                    job, run
                )
                assert fetched.get(job, 0) >= run  # nobody else's report is ever taken
        except YunheError:
            continue
        desk.driver.once()
        desk.city.assert_books_are_right()
    done = desk.city.see(submitted)
    if done.usage is not None and done.usage.device_ms:
        assert done.usage.device_ms <= max(passed_ms.values())
    assert done.state in ("settled", "cancelled") or done.usage is None
