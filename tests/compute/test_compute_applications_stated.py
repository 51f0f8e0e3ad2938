"""What an applicant states, read whole or refused whole: days, words, numbers, projects."""

from __future__ import annotations

import pytest
from applications_desk import Desk
from hypothesis import given
from hypothesis import strategies as st

from yunhe.compute import service as compute
from yunhe.compute.applications import reading
from yunhe.compute.applications.domain import Proposal
from yunhe.compute.applications.vocabulary import as_facts, canonical, read
from yunhe.identity import service as identity
from yunhe.kernel.errors import Invalid

KNOWN = reading.vocabulary()


@pytest.mark.parametrize(
    "day", ["9999-12-31", "2200-01-01", "1969-12-31", "0001-01-01", "２０２６-01-01", "2026-02-29"]
)
def test_a_day_no_calendar_of_awards_has_is_refused(desk: Desk, day: str):
    with pytest.raises(Invalid) as refused:
        desk.apply(programme="uk_airr", track="gateway", device_hours=1_000, starts_on=day)
    assert [f.where for f in refused.value.findings] == ["facts.starts_on"]


def test_the_last_day_there_is_can_be_awarded(desk: Desk):
    made = desk.apply(
        programme="uk_airr",
        track="gateway",
        device_hours=10_000,
        devices=None,
        starts_on="2199-12-31",
        subsidy_declaration=True,
    )
    desk.decide(made, "award")
    [window] = desk.windows(made)
    assert window.starts_at_us < window.ends_at_us


@pytest.mark.parametrize("kind", ["startup", "university", "company", "public_body", "student"])
def test_an_sme_is_not_what_it_is_not_registered_as(desk: Desk, kind: str):
    said = {"kind": kind, "device_hours": 10}
    if kind == "startup":
        assert desk.apply(**said).state == "awarded"
        return
    with pytest.raises(Invalid) as refused:
        desk.apply(**said)
    assert [f.where for f in refused.value.findings] == ["facts.applicant_kind"]


def test_amending_does_not_make_an_applicant_something_else(desk: Desk):
    made = desk.apply(device_hours=None)
    with pytest.raises(Invalid):
        desk.amend(made, applicant_kind="university")
    with pytest.raises(Invalid):
        desk.amend(made, registered=True)
    assert desk.see(made).state == "returned"


def test_a_fact_can_be_taken_back(desk: Desk):
    made = desk.apply(device_hours=100, devices=None)
    assert made.missing == ("devices",)
    still = desk.amend(made, device_hours="unknown", devices=1)
    assert (still.state, still.missing) == ("returned", ("device_hours",))
    assert "device_hours" not in still.facts


def test_a_project_of_somebody_else_is_no_project(desk: Desk):
    with desk.storage.database.begin() as tx:
        other = identity.add_project(
            tx, key="p", organisation=desk.provider, name="机房", at_us=desk.clock.now_us()
        ).id
    for project in (other, "proj_none"):
        proposal = Proposal(
            "k",
            "yunhe",
            desk.firm,
            "训练",
            {"applicant_kind": "sme", "device_hours": 1},
            project=project,
            chip="cpu",
        )
        with pytest.raises(Invalid) as refused:
            compute.applications.apply(desk.storage, proposal, by=desk.applicant)
        assert [(f.where, f.code) for f in refused.value.findings] == [
            ("project", "identity.project_unknown")
        ]


@given(
    said=st.dictionaries(
        st.sampled_from([*KNOWN, "colour", "", "a\nb"]),
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.floats(),
            st.text(max_size=8),
            st.lists(st.text(max_size=4), max_size=3),
        ),
        max_size=5,
    )
)
def test_whatever_is_stated_is_read_whole_or_refused_whole(said):
    try:
        found = read(KNOWN, said)
    except Invalid as refused:
        places = {f.where for f in refused.findings}
    else:
        assert found.keys() <= said.keys()
        assert read(KNOWN, canonical(found)) == found
        return
    assert places
    assert all(place.startswith("facts.") and place.isprintable() for place in places)


def test_what_is_stated_is_carried_as_facts_are():
    said = {"a": ["x", "x"], "b": None, "c": "unknown", "d": True, "e": 5, "f": 1.5, "g": ("y",)}
    assert as_facts(said) == {
        "a": frozenset({"x"}),
        "d": True,
        "e": 5,
        "g": frozenset({"y"}),
    }
