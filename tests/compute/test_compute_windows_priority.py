"""Which class in the queue an award lets its holder ask for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from applications_desk import Desk
from small_city import City

from yunhe.compute import service as compute
from yunhe.compute.applications import programmes
from yunhe.compute.domain import WorkloadSpec
from yunhe.identity import service as identity
from yunhe.kernel.clock import DAY_US
from yunhe.kernel.errors import Invalid


@pytest.fixture
def researcher(bare_city: City) -> str:
    with bare_city.storage.database.begin() as tx:
        at_us = bare_city.clock.now_us()
        member = identity.add_member(
            tx, key="r", organisation=bare_city.university, name="r", at_us=at_us
        )
        identity.grant_role(tx, member=member.id, role="trainer", at_us=at_us)
    bare_city.pool()
    return member.id


def award(city: City, most: str | None, *, days: int = 10, key: str = "award"):
    return compute.award(
        city.storage,
        key=key,
        organisation=city.university,
        chip="cpu",
        device_ms=10**6,
        expires_at_us=city.clock.now_us() + days * DAY_US,
        awarded_by=city.operator,
        priority_max=most,
    )


def refused(city: City, member: str, priority: str) -> str:
    """Code of the finding about the class; empty when it is taken."""
    spec = city.spec(f"{priority}-{city.clock.now_us()}", priority=priority)
    assert isinstance(spec, WorkloadSpec)
    try:
        compute.submit(city.storage, spec, member=member)
    except Invalid as error:
        return next(each.code for each in error.findings if each.where == "priority")
    return ""


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (None, ["", "", "compute.priority_reserved"]),
        ("low", ["", "compute.priority_award", "compute.priority_award"]),
        ("usual", ["", "", "compute.priority_reserved"]),
        ("high", ["", "", ""]),
    ],
    ids=["unsaid", "low", "usual", "high"],
)
def test_no_class_above_that_of_the_award(bare_city: City, researcher: str, most, expected):
    assert award(bare_city, most).priority_max == most
    found = [refused(bare_city, researcher, each) for each in ("low", "usual", "high")]
    assert found == expected


def test_the_best_of_the_awards_in_force_counts_and_none_that_expired(
    bare_city: City, researcher: str
):
    award(bare_city, "low", key="a")
    award(bare_city, "high", key="b", days=2)
    assert refused(bare_city, researcher, "high") == ""
    bare_city.clock.advance(seconds=3 * 86_400)
    assert refused(bare_city, researcher, "usual") == "compute.priority_award"


def test_an_operator_may_ask_for_any_class(bare_city: City, researcher: str):
    award(bare_city, "low")
    assert refused(bare_city, bare_city.operator, "high") == ""


def test_a_class_that_there_is_not_is_no_ceiling(bare_city: City, researcher: str):
    with pytest.raises(Invalid) as wrong:
        award(bare_city, "highest")
    assert [each.where for each in wrong.value.findings] == ["priority_max"]


def test_a_rule_set_says_which_class_its_awards_allow(desk: Desk, monkeypatch):
    with desk.storage.database.read() as tx:
        known = programmes.known(tx, "yunhe")
    assert known is not None
    terms = _with(known.terms, priority_max="high")
    monkeypatch.setattr(
        "yunhe.compute.applications.windows.giving.known", lambda *_: _with(known, terms=terms)
    )
    desk.apply(device_hours=100)
    [status] = desk.awards()
    assert status.award.priority_max == "high"


def _with(value, **changed):
    return replace(value, **changed)
