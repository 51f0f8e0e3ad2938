"""Who has a say: the owner's, reviewers' and the operator's people, never who made the version."""

from __future__ import annotations

import pytest

from yunhe.governance import service as governance
from yunhe.identity import service as identity
from yunhe.kernel.errors import NotAllowed
from yunhe.models import service as models
from yunhe.models import store as rows


@pytest.fixture
def guest(house):
    """A risk officer of an organisation that has nothing to do with the model."""
    now_us = house.clock.now_us()
    with house.storage.database.begin() as tx:
        place = identity.add_organisation(tx, key="g", name="客", kind="company", at_us=now_us)
        member = identity.add_member(tx, key="g", organisation=place.id, name="guest", at_us=now_us)
        identity.grant_role(tx, member=member.id, role="risk_officer", at_us=now_us)
    house.people["risk guest"] = member.id
    return member


def test_somebody_of_an_organisation_without_a_say_does_not_approve_until_it_is_asked(house, guest):
    with pytest.raises(NotAllowed) as refused:
        house.approve("risk guest")
    assert refused.value.code == "governance.approver_elsewhere"
    with house.storage.database.read() as tx:
        assert governance.approvals(tx, "model_1") == []
    with house.storage.database.begin() as tx:
        models.ask_review(tx, version="model_1", organisation=guest.organisation, at_us=1)
    assert house.approve("risk guest").approver == guest.id


@pytest.mark.parametrize("part", ["registered_by", "trained_by"])
def test_who_registered_or_trained_a_version_does_not_approve_it(house, part):
    house.classify()
    with house.storage.database.begin() as tx:
        rows.set_state(tx, "model_1", **{part: house.people["risk"]})
    with pytest.raises(NotAllowed) as refused:
        house.approve("risk")
    assert refused.value.code == "governance.own_model"
    assert house.approve("risk two").approver == house.people["risk two"]


def test_decisions_gradings_and_releases_are_given_out_in_pages(house):
    house.classify(key="again")
    approvals = [house.approve("risk"), house.approve("owner")]
    released = house.release()
    with house.storage.database.read() as tx:
        first = governance.approvals_page(tx, "model_1", limit=1)
        place = (first[0].at_us, first[0].id)
        rest = governance.approvals_page(tx, "model_1", after=place, limit=5)
        assert {each.id for each in [*first, *rest]} == {each.id for each in approvals}
        assert governance.releases_page(tx, "model_1", limit=5) == [released]
        assert len(governance.risks_page(tx, "model_1", limit=5)) == 2
        assert governance.risks_page(tx, "model_2", limit=5) == []
