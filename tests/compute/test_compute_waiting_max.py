"""How many workloads of an organisation may wait: never more, by whichever way they come."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from yunhe.compute import service as compute
from yunhe.compute.forwarding import service as forwarding
from yunhe.kernel.errors import Exhausted

MOST = 7
TOO_LONG = 1_200
"""Seconds for which the award is too small, so that it waits."""


@pytest.fixture
def full(city):
    """A city with room for no more."""
    compute.take_waiting_max(city.storage.database, MOST)
    for number in range(MOST):
        assert city.submit(f"waits-{number}", wall=TOO_LONG).state == "waiting"
    return city


def waiting(city) -> int:
    with city.storage.database.read() as tx:
        mine = compute.workloads(tx, organisation=city.university)
        return sum(each.state == "waiting" for each in mine)


def test_however_many_submit_at_once_as_many_wait_as_may(city):
    compute.take_waiting_max(city.storage.database, MOST)

    def submit(number: int) -> str:
        try:
            return city.submit(f"job-{number % 20}", wall=TOO_LONG).id
        except Exhausted:
            return ""

    with ThreadPoolExecutor(8) as threads:  # each twice
        made = list(threads.map(submit, range(40)))
    assert waiting(city) == MOST
    assert len(set(made) - {""}) == MOST
    for number in range(20):  # what was taken is answered, what was refused is refused
        assert submit(number) in {made[number], made[number + 20]}


def test_one_more_is_refused_whoever_hands_it_over(full):
    with pytest.raises(Exhausted):
        full.submit("one-more", wall=TOO_LONG)
    with pytest.raises(Exhausted):
        compute.preview(full.storage, full.spec("preview", wall=TOO_LONG))

    def hand():
        spec = full.spec("job", wall=TOO_LONG)
        return forwarding.take(
            full.storage, spec, job="job", member="member_nation", origin="nation", here="here"
        )

    with pytest.raises(Exhausted):
        hand()
    assert waiting(full) == MOST
    compute.cancel(full.storage, full.submit("waits-0", wall=TOO_LONG).id)
    assert hand().job == "job"  # sent again once there is room
    assert waiting(full) == MOST


def test_others_are_not_kept_out_and_what_came_before_is_answered(full):
    assert full.submit("waits-3", wall=TOO_LONG).state == "waiting"
    other = compute.submit(full.storage, full.spec(organisation=full.provider))
    assert other.state == "waiting"
