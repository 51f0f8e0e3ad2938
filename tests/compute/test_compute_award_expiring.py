"""An award that expires while its job runs: the job goes on, is paid once, nothing new begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from yunhe.compute import service as compute
from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT
from yunhe.compute.providers.local import LocalProvider
from yunhe.identity import service as identity
from yunhe.ledger import service as ledger
from yunhe.notices import service as notices

DAY_S = 86_400


class Expiry:
    """Lets the award expire the moment the job's own process says that it runs."""

    def __init__(self, city, running) -> None:
        self.city, self.running = city, running
        self.late = None

    def step(self, what: str, *, done: int, total: int | None = None) -> None:
        if self.late is not None:
            return
        city = self.city
        now = city.see(self.running)
        assert (now.state, now.held_device_ms) == ("running", self.running.held_device_ms)
        city.clock.advance(seconds=DAY_S + 1)
        self.late = city.submit("late", wall=10)
        compute.reconsider(city.storage)
        after = city.see(self.running)
        assert (after.state, after.held_device_ms) == ("running", self.running.held_device_ms)
        (award,) = awards(city)
        assert (award.left_ms, award.held_ms) == (0, self.running.held_device_ms)
        assert award.lapsed_ms == award.award.device_ms - award.held_ms


def awards(city) -> list:
    with city.storage.database.read() as tx:
        return compute.awards(tx)


@pytest.fixture
def told(bare_city) -> str:
    """Somebody of the university who hears of its jobs."""
    with bare_city.storage.database.begin() as tx:
        member = identity.add_member(
            tx, key="m", organisation=bare_city.university, name="研究员", at_us=0
        ).id
        identity.grant_role(tx, member=member, role="administrator", at_us=0)
    return member


@pytest.mark.parametrize(
    ("action", "wall", "state"), [("copy", 100, "settled"), ("endure", 3, "failed")]
)
def test_a_real_job_is_honoured_to_its_end_and_nothing_new_is_placed(
    bare_city, told, tmp_path: Path, action: str, wall: int, state: str
):
    city = bare_city
    city.pool()
    city.award(days=1)
    city.cash()
    city.approve_trial()
    data = {"data": city.storage.blobs.put(b"input").digest}
    asked = {"action": action, "word": "done"}
    made = city.submit("job", wall=wall, arguments=asked, inputs=data)
    assert made.state == "placed"
    expiry = Expiry(city, made)
    provider = LocalProvider(tmp_path / "work", {TRIAL: TRIAL_ENTRY_POINT})
    done = compute.run_next(city.storage, provider, workload=made.id, progress=expiry)
    assert expiry.late is not None, "the job said nothing while it ran"
    assert done is not None
    assert done.state == state
    assert 0 < done.usage.device_ms <= made.held_device_ms
    # Paid once: by one capture, of exactly what was metered; the rest of the hold has lapsed.
    with city.storage.database.read() as tx:
        paid = [e.amount for e in ledger.entries_of(tx, city.provider) if e.unit == "device:cpu"]
    assert paid == [done.usage.device_ms]
    compute.reconsider(city.storage)
    (award,) = awards(city)
    assert (award.used_ms, award.held_ms, award.left_ms) == (done.usage.device_ms, 0, 0)
    late = city.see(expiry.late)
    assert (late.state, late.why.code) == ("waiting", "compute.waiting_award_expired")
    assert "expired" in late.why.message("en")
    assert "过期" in late.why.message("zh") or "到期" in late.why.message("zh")
    with city.storage.database.read() as tx:
        ended = [each for each in notices.feed(tx, told) if each.kind == "job_ended"]
    assert [each.subject for each in ended] == [made.id]
    assert compute.run_next(city.storage, provider) is None
    city.assert_books_are_right()
    city.award(key="next")
    assert city.see(expiry.late).state == "placed"
