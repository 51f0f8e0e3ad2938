"""Those who may approve are told that a model waits, and no longer once it does not."""

from __future__ import annotations

from sqlalchemy import update

from yunhe.governance import service as governance
from yunhe.identity import service as identity
from yunhe.models import store as models_store
from yunhe.notices import service as notices


def told(house, who):
    member = house.people.get(who, who)
    with house.storage.database.read() as tx:
        return [(n.kind, n.params["role"]) for n in notices.feed(tx, member)]


OFFICER, OWNER = [("approval_due", "risk_officer")], [("approval_due", "release_owner")]


def test_each_approving_role_is_told_of_a_grading_once(house):
    house.classify()
    house.classify()
    assert told(house, "risk") == told(house, "risk two") == OFFICER
    assert told(house, "owner") == OWNER
    assert told(house, "trainer") == []
    with house.storage.database.read() as tx:
        (notice,) = notices.feed(tx, house.people["risk"])
    assert notice.subject == "model_1"
    assert notice.params["model"] == "router"
    assert "风险官" in notice.message("zh")


def test_a_role_that_has_decided_is_told_no_more_and_the_other_still_is(house):
    house.approve("risk")
    assert told(house, "risk") == told(house, "risk two") == []
    assert told(house, "owner") == OWNER


def test_a_release_ends_it_for_everybody(house):
    house.approve("risk")
    house.approve("owner")
    house.release()
    for who in ("risk", "risk two", "owner"):
        assert told(house, who) == []


def test_a_later_grading_takes_the_place_of_the_earlier(house):
    house.classify()
    house.classify(key="again", facts=house.facts | {"autonomy": "assist", "mau": 1})
    assert told(house, "risk") == OFFICER


def test_a_withdrawn_version_waits_for_nobody(house):
    house.classify()
    governance.withdraw(house.storage, model_version="model_1", member=house.people["risk"])
    assert told(house, "risk") == []


def test_a_prohibited_system_is_put_to_nobody(house):
    assert house.classify(facts=house.facts | {"practices": ["social_scoring"]}).tier == "R4"
    assert told(house, "risk") == []


def test_the_owners_own_officers_and_the_operators_are_told_and_no_other_tenants(house):
    with house.storage.database.begin() as tx:
        at_us = house.clock.now_us()
        officers = []
        for name in ("lab", "rival"):
            organisation = identity.add_organisation(
                tx, key=name, name=name, kind="university", at_us=at_us
            ).id
            member = identity.add_member(
                tx, key="officer", organisation=organisation, name=name, at_us=at_us
            ).id
            identity.grant_role(tx, member=member, role="risk_officer", at_us=at_us)
            officers.append(member)
        tx.execute(
            update(models_store.versions)
            .where(models_store.versions.c.id == "model_1")
            .values(owner=identity.member(tx, officers[0]).organisation)
        )
    house.classify()
    assert told(house, officers[0]) == told(house, "risk") == OFFICER
    assert told(house, officers[1]) == []
    house.approve("risk")
    assert told(house, officers[0]) == told(house, "risk") == []
