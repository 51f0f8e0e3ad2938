"""How far a distant job was read is kept while it is open, and forgotten with it."""

from __future__ import annotations

import pytest
from paper_site import PaperSite
from sqlalchemy import func, select

from yunhe.compute import service as compute
from yunhe.compute.live import store
from yunhe.compute.live.relay import publish
from yunhe.compute.live.tables import place_table
from yunhe.compute.remote import ending
from yunhe.compute.remote import store as jobs
from yunhe.compute.remote.driver import Driver
from yunhe.kernel.errors import Unavailable


class Ear:
    """What a job printed, as a relay reads it."""

    def __init__(self) -> None:
        self.said = {"stdout": b"", "stderr": b""}

    def size(self, job, stream) -> int:
        return len(self.said[stream])

    def log(self, job, stream, *, offset) -> bytes:
        return self.said[stream][offset:]


class Desk:
    """A city whose only pool is at a site on paper that can be heard."""

    def __init__(self, city) -> None:
        self.city, self.storage = city, city.storage
        self.site = PaperSite(city.clock)
        self.site.live = Ear()
        self.driver = Driver(city.storage, self.site)
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
        city.award(seconds=100_000)
        city.cash()

    def running(self, key: str = "job"):
        """A workload whose job runs and has said something; both."""
        submitted = self.city.submit(key)
        self.driver.once()
        job = f"{submitted.id}-1"
        self.site.begin(job)
        self.driver.once()
        self.site.live.said = {"stdout": b"one ", "stderr": b"two"}
        publish(self.storage, self.site.live, self.row(job))
        return submitted, job

    def row(self, job: str):
        with self.storage.database.read() as tx:
            return jobs.job(tx, job)

    def places(self) -> int:
        with self.storage.database.read() as tx:
            return tx.execute(select(func.count()).select_from(place_table)).scalar_one()

    def said(self, subject: str) -> bytes:
        with self.storage.database.read() as tx:
            return b"".join(piece.data for piece in store.read(tx, subject, 0))


@pytest.fixture
def desk(bare_city) -> Desk:
    return Desk(bare_city)


def test_a_settled_job_leaves_no_place_and_its_log_reads_as_before(desk) -> None:
    submitted, job = desk.running()
    assert desk.places() == 2
    desk.site.live.said["stdout"] += b"and its last words"
    desk.city.clock.advance(seconds=10)
    desk.site.end(job)
    desk.driver.once()
    done = desk.city.see(submitted)
    assert (done.state, desk.places(), desk.row(job)["forgotten"]) == ("settled", 0, 1)
    assert desk.said(submitted.id) == b"one twoand its last words"
    assert b"stdout of" in desk.storage.blobs.read(done.log)


def test_a_relay_that_is_slower_than_the_settlement_publishes_nothing_again(desk) -> None:
    submitted, job = desk.running()
    slow = desk.row(job)
    desk.city.clock.advance(seconds=10)
    desk.site.end(job)
    desk.driver.once()
    before = desk.said(submitted.id)
    publish(desk.storage, desk.site.live, slow)
    assert (desk.said(submitted.id), desk.places()) == (before, 0)


def test_a_lost_job_leaves_no_place_and_the_one_after_it_is_read_from_its_start(desk) -> None:
    submitted, job = desk.running()
    desk.site.end(job, "lost", meter=False)
    desk.driver.once()
    assert desk.places() == 0
    desk.driver.once()
    anew = f"{submitted.id}-2"
    desk.site.begin(anew)
    desk.driver.once()
    publish(desk.storage, desk.site.live, desk.row(anew))
    assert desk.said(submitted.id) == b"one twoone two"
    assert desk.places() == 2


def test_a_place_stays_until_the_site_could_be_told_to_forget(desk) -> None:
    _, job = desk.running()

    def away(name: str) -> None:
        if name == "forget":
            raise Unavailable("compute.remote_unreachable", site="paper", reason="away")

    desk.site.before = away
    desk.city.clock.advance(seconds=10)
    desk.site.end(job)
    with pytest.raises(Unavailable):
        desk.driver.once()
    assert desk.places() == 2
    desk.site.before = lambda _: None
    desk.city.clock.advance(seconds=ending.RETRY_SECONDS_MAX)
    desk.driver.once()
    assert desk.places() == 0
