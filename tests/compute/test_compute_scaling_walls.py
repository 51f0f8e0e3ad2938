"""A replica's wall limit counts from when its run began, whoever looked then, on its own chip."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace

import pytest
from paper_site import PaperSite
from test_compute_scaling_keeping import need, replica, service
from test_compute_scaling_life import Office

from yunhe.compute import service as compute
from yunhe.compute import store as rows_of
from yunhe.compute.remote.driver import Driver
from yunhe.compute.runner import _begin
from yunhe.compute.scaling.keeping import steps
from yunhe.kernel.clock import SECOND_US
from yunhe.storage.database import Database
from yunhe.storage.service import Storage

START = 1_800_000_000 * SECOND_US


@pytest.fixture
def office(city):
    city.pool(key="more", devices=10)
    city.award(key="more", seconds=100_000)
    city.cash(10_000_000, key="more")
    return Office(city)


@contextmanager
def opened_again(office):
    """The platform was stopped and is opened anew; nobody looked meanwhile."""
    there = office.storage
    database = Database(there.database.url)
    office.storage = Storage(database, there.blobs, there.clock)
    try:
        yield
    finally:
        database.close()
        office.storage = there


def only(office):
    [found] = office.see().replicas
    return found


def test_a_run_that_began_while_nobody_looked_counts_from_when_it_began(office, local) -> None:
    began_us = office.city.clock.now_us()
    assert _begin(office.storage, local, None) is not None
    office.city.clock.advance(seconds=530)  # the scaler was down all that time
    with opened_again(office):
        office.attend()
        assert office.numbers() == [1, 2]  # its successor is not 530 s late
        [first, second] = office.see().replicas
    assert (first.running_since_us, second.replaces) == (began_us, 1)


def test_a_look_before_and_one_after_a_restart_say_the_same(office, local) -> None:
    assert _begin(office.storage, local, None) is not None
    began_us = office.city.clock.now_us()
    assert office.attend(100).replicas[0].running_since_us == began_us
    with opened_again(office):
        assert office.attend(100).replicas[0].running_since_us == began_us
    assert office.numbers() == [1]
    assert office.attend(324).replicas[0].running_since_us == began_us
    assert office.numbers() == [1]  # 524 s
    office.attend(1)
    assert office.numbers() == [1, 2]


def test_a_run_that_was_lost_and_began_anew_has_all_its_time_again(office, local) -> None:
    assert _begin(office.storage, local, None) is not None
    office.attend(400)  # its runner was killed; its claim has lapsed by now
    assert _begin(office.storage, local, only(office).workload) is not None
    assert only(office).running_since_us == office.city.clock.now_us()
    office.attend(200)
    assert office.numbers() == [1]
    office.attend(325)
    assert office.numbers() == [1, 2]


def test_what_went_back_to_the_queue_is_not_old_and_gets_no_successor(office, local) -> None:
    assert _begin(office.storage, local, None) is not None
    office.attend(400)
    with office.storage.database.begin() as tx:
        rows_of.change(tx, only(office).workload, state="waiting")
    office.attend(400)
    assert (office.numbers(), only(office).running_since_us) == ([1], None)


def test_one_that_nobody_noted_counts_from_the_first_look(office) -> None:
    """As it was kept by earlier versions."""
    office.runs(1)
    looked_us = office.city.clock.now_us()
    office.attend(400)
    assert only(office).running_since_us == looked_us
    office.attend(130)
    assert office.numbers() == [1, 2]


@pytest.fixture
def far(bare_city):
    """A service whose replicas run at a distant site."""
    city = bare_city
    compute.register_pool(
        city.storage,
        key="far",
        provider=city.provider,
        site="far",
        chip="cpu",
        devices=4,
        price_minor_per_device_hour=3_600,
        currency="CNY",
        adapter="paper",
    )
    city.award(seconds=100_000)
    city.cash(10_000_000)
    city.approve_trial()
    return Office(city)


def test_what_waits_at_a_distant_site_has_not_begun(far) -> None:
    site = PaperSite(far.city.clock)
    driver = Driver(far.storage, site)
    driver.once()
    [job] = site.jobs
    found = far.attend(2_000)  # three times its wall in the queue there
    assert far.numbers() == [1]
    assert (found.replicas[0].workload_state, found.replicas[0].running_since_us) == (
        "placed",
        None,
    )
    site.begin(job)
    driver.once()
    began_us = far.city.clock.now_us()
    far.city.clock.advance(seconds=524)
    with opened_again(far):
        assert far.attend().replicas[0].running_since_us == began_us
    assert far.numbers() == [1]
    far.attend(1)
    assert far.numbers() == [1, 2]


@pytest.mark.parametrize(
    ("chip", "speed", "age"), [("fast", 2_000, 225), ("slow", 500, 1_125), ("cpu", 9, 525)]
)
def test_on_a_faster_chip_the_limit_comes_earlier_and_on_a_slower_one_later(
    chip, speed, age
) -> None:
    def begun(seconds: int) -> tuple[int | None, ...]:
        one = service(replica(1, age=seconds, chip=chip))
        spec = replace(one.spec, substitutes={chip: speed})
        return steps(replace(one, spec=spec), need(1), START).start

    assert begun(age - 1) == ()
    assert begun(age) == (1,)
