"""Awards nearly used and jobs that ended are told to their organisation, once, and truly."""

from __future__ import annotations

import pytest
from test_compute_runner import Failing, Metering

from yunhe.compute import runner
from yunhe.compute import service as compute
from yunhe.identity import service as identity
from yunhe.kernel.errors import Conflict, Unavailable
from yunhe.notices import service as notices


@pytest.fixture
def people(bare_city):
    """A trainer and a plain member of the university, and a member of the provider."""
    found = {}
    with bare_city.storage.database.begin() as tx:
        at_us = bare_city.clock.now_us()
        for name, organisation in (
            ("trainer", bare_city.university),
            ("member", bare_city.university),
            ("outsider", bare_city.provider),
        ):
            found[name] = identity.add_member(
                tx, key=name, organisation=organisation, name=name, at_us=at_us
            ).id
        identity.grant_role(tx, member=found["trainer"], role="trainer", at_us=at_us)
    return found


def told(city, member):
    with city.storage.database.read() as tx:
        return [(n.kind, n.subject) for n in notices.feed(tx, member)]


def test_an_award_is_told_of_at_80_percent_and_at_100_once_each(city, people):
    award = city.award(seconds=1_000, key="second", days=10)  # the first to expire is used first
    city.submit("a", wall=790)
    assert told(city, people["trainer"]) == []
    city.submit("b", wall=10)
    assert told(city, people["trainer"]) == [("budget_80", award.id)]
    city.approve_trial()
    with city.storage.database.read() as tx:
        (notice,) = notices.feed(tx, people["trainer"])
    assert notice.params == {"percent": 80, "left_hours": "0.0", "chip": "cpu"}
    for workload in list(open_workloads(city)):
        compute.cancel(city.storage, workload.id)
    city.submit("c", wall=1_000)
    assert sorted(told(city, people["trainer"])) == [
        ("budget_100", award.id),
        ("budget_80", award.id),
    ]
    for workload in list(open_workloads(city)):
        compute.cancel(city.storage, workload.id)
    city.submit("d", wall=1_000)
    assert len(told(city, people["trainer"])) == 2


def open_workloads(city):
    with city.storage.database.read() as tx:
        return [one for one in compute.workloads(tx) if one.state in ("waiting", "placed")]


def test_budgets_are_told_to_those_who_spend_and_to_nobody_elsewhere(city, people):
    city.submit(wall=1_000)
    assert [kind for kind, _ in told(city, people["trainer"])] == ["budget_100"]
    assert told(city, people["member"]) == told(city, people["outsider"]) == []


def test_a_job_that_ended_is_told_to_its_organisation_once(city, people, local):
    workload = city.submit(devices=2)
    compute.run_next(city.storage, Metering(local, wall_ms=54_321))
    assert told(city, people["member"]) == [("job_ended", workload.id)]
    assert told(city, people["outsider"]) == []
    with city.storage.database.read() as tx:
        (notice,) = notices.feed(tx, people["member"])
    assert notice.params == {"outcome": "settled", "device_seconds": 108}
    assert "成功" in notice.message("zh")


def test_a_job_that_was_given_up_is_told_of_and_one_that_is_tried_again_is_not(city, people):
    workload = city.submit()
    for _ in range(runner.PROVIDER_FAILURES_MAX - 1):
        with pytest.raises(Unavailable):
            compute.run_next(city.storage, Failing(Unavailable("compute.launch_failed")))
    assert told(city, people["member"]) == []
    compute.run_next(city.storage, Failing(Unavailable("compute.launch_failed")))
    assert told(city, people["member"]) == [("job_ended", workload.id)]
    with city.storage.database.read() as tx:
        assert notices.feed(tx, people["member"])[0].params["outcome"] == "failed"


def test_a_run_whose_claim_was_lost_tells_nothing(city, people, local, monkeypatch):
    city.submit()

    def lost(*_, **__):
        raise Conflict("storage.claim_lost", what="x")

    monkeypatch.setattr("yunhe.compute.runner.leases.finish", lost)
    compute.run_next(city.storage, Metering(local, wall_ms=1_000))
    assert told(city, people["member"]) == []
