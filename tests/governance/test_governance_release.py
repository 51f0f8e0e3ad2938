"""Approvals by people, and releases that rest on them: nothing a caller says is taken on trust."""

from __future__ import annotations

import pytest
from sqlalchemy import event

from yunhe.custody import service as custody
from yunhe.governance import service as governance
from yunhe.governance import tables
from yunhe.kernel.clock import DAY_US
from yunhe.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from yunhe.kernel.language import LANGUAGES, texts
from yunhe.models import service as models


def obstacles(house, **changed) -> set[str]:
    with pytest.raises(NotAllowed) as error:
        house.release(**changed)
    assert error.value.code == "governance.release_refused"
    assert house.state().state == "registered"
    return {finding.code for finding in error.value.findings}


def test_two_people_in_two_roles_release_a_version(house, tmp_path) -> None:
    first, second = house.approve("risk"), house.approve("owner")
    released = house.release()
    assert released.approvals == (first.id, second.id)
    assert released.valid_until_us == first.expires_at_us
    with house.storage.database.read() as tx:
        record = custody.record(tx, released.reference)
        assert governance.releases(tx, "model_1") == [released]
        assert governance.approvals(tx, "model_1") == [first, second]
    assert record.body == {
        "model_digest": released.model_digest,
        "valid_until_us": released.valid_until_us,
    }
    assert record.links == {
        "model": house.references["model"],
        "evaluation": house.references["evaluation"],
        "risk": house.classify().reference,
        "approval_1": first.reference,
        "approval_2": second.reference,
    }
    version = house.state()
    assert version.state == "approved"
    assert version.certificate == released.reference
    assert version.valid_until_us == released.valid_until_us
    assert house.broken_links(released.reference, tmp_path) == []


def test_an_approval_is_on_record_without_the_persons_name(house, tmp_path) -> None:
    approval = house.approve("risk")
    with house.storage.database.read() as tx:
        record = custody.record(tx, approval.reference)
    assert record.body == {
        "model_digest": approval.model_digest,
        "approver": house.people["risk"],
        "role": "risk_officer",
        "decision": "approve",
        "expires_at_us": approval.expires_at_us,
    }
    assert house.broken_links(approval.reference, tmp_path) == []


def test_approving_and_releasing_again_changes_nothing(house) -> None:
    approval = house.approve("risk")
    house.approve("owner")
    until_us, released = house.until_us, house.release()
    house.clock.advance(seconds=60)
    assert house.approve("risk", expires_at_us=until_us) == approval
    assert house.release() == released
    house.clock.advance(seconds=200 * 86_400)
    assert house.approve("risk", expires_at_us=until_us) == approval
    assert house.release() == released
    with house.storage.database.read() as tx:
        assert len(governance.approvals(tx, "model_1")) == 2
        assert len(governance.releases(tx, "model_1")) == 1


def test_nobody_means_no_release(house) -> None:
    assert obstacles(house) == {"governance.approvals_missing"}


def test_one_approval_is_not_enough(house) -> None:
    house.approve("risk")
    assert obstacles(house) == {"governance.approvals_missing"}


def test_two_people_in_one_role_are_not_enough(house) -> None:
    house.approve("risk")
    house.approve("risk two")
    assert obstacles(house) == {"governance.approvals_missing"}


def test_one_person_in_two_roles_decides_once(house) -> None:
    from yunhe.identity import store as people  # noqa: PLC0415 - only here

    with house.storage.database.begin() as tx:
        # Granting it is refused since 0.2.0; a database of before may hold it.
        people.add_role(
            tx, member_id=house.people["risk"], role="release_owner", project="", by="", at_us=0
        )
    house.approve("risk")
    with pytest.raises(Conflict) as error:
        house.approve("risk", key="again", role="release_owner")
    assert error.value.code == "governance.already_decided"
    assert obstacles(house) == {"governance.approvals_missing"}


def test_a_third_approval_does_no_harm(house) -> None:
    house.approve("risk")
    house.approve("risk two")
    owner = house.approve("owner")
    assert owner.id in house.release().approvals


def test_a_rejection_in_force_stands_against_any_number_of_approvals(house) -> None:
    house.approve("risk")
    house.approve("owner")
    house.approve("risk two", decision="reject")
    assert obstacles(house) == {"governance.approval_rejecting"}
    house.clock.advance(seconds=80 * 86_400)
    assert obstacles(house) == {"governance.approval_rejecting"}


def test_an_expired_rejection_no_longer_stands(house) -> None:
    house.approve("risk two", decision="reject", expires_at_us=house.clock.now_us() + DAY_US)
    house.approve("risk")
    house.approve("owner")
    house.clock.advance(seconds=86_400)
    assert len(house.release().approvals) == 2


def test_an_expired_approval_does_not_count_and_may_be_renewed(house) -> None:
    house.approve("owner")
    house.approve("risk", expires_at_us=house.clock.now_us() + DAY_US)
    house.clock.advance(seconds=86_400)
    assert obstacles(house) == {"governance.approvals_missing", "governance.approval_expired"}
    house.approve("risk", key="renewed")
    assert len(house.release().approvals) == 2


def test_the_release_ends_with_the_first_of_its_approvals(house) -> None:
    house.approve("owner")
    short = house.approve("risk", expires_at_us=house.clock.now_us() + DAY_US)
    assert house.release().valid_until_us == short.expires_at_us


def test_a_release_can_be_shorter_but_never_longer_than_its_approvals(house) -> None:
    house.approve("owner")
    house.approve("risk")
    assert house.release(valid_until_us=house.until_us * 2).valid_until_us == house.until_us
    soon = house.clock.now_us() + DAY_US
    assert house.release(key="short", valid_until_us=soon).valid_until_us == soon
    with pytest.raises(NotAllowed) as error:
        house.release(key="past", valid_until_us=house.clock.now_us())
    assert [f.code for f in error.value.findings] == ["governance.valid_until_past"]


def test_a_failed_gate_is_not_released_whatever_the_caller_says(house) -> None:
    house.approve("risk", evaluation_reference=house.references["failed"])
    house.approve("owner", evaluation_reference=house.references["failed"])
    assert obstacles(house, evaluation_reference=house.references["failed"]) == {
        "governance.gate_failed"
    }


def test_approvals_of_another_evaluation_do_not_count(house) -> None:
    house.approve("risk", evaluation_reference=house.references["failed"])
    house.approve("owner")
    assert obstacles(house) == {
        "governance.approvals_missing",
        "governance.approval_elsewhere",
    }


def test_approvals_of_another_grading_do_not_count(house) -> None:
    house.approve("risk")
    house.approve("owner")
    later = house.classify(key="later", facts={**house.facts, "minors": True})
    assert obstacles(house, risk=later.id) == {
        "governance.approvals_missing",
        "governance.approval_elsewhere",
    }


def test_an_evaluation_of_another_model_is_refused(house) -> None:
    with pytest.raises(Invalid) as error:
        house.approve("risk", evaluation_reference=house.references["foreign"])
    assert [f.where for f in error.value.findings] == [
        "evaluation.model",
        "evaluation.model_digest",
    ]
    house.approve("risk")
    house.approve("owner")
    with pytest.raises(Invalid) as refused:
        house.release(evaluation_reference=house.references["foreign"])
    assert refused.value.code == "governance.evidence_invalid"
    assert house.state().state == "registered"


def test_an_evaluation_recorded_for_a_copy_of_the_model_is_refused(house) -> None:
    """The same bytes under another version: the digest agrees, the record does not."""
    copy = house.evaluate(
        "eval_4",
        gate="passed",
        model=house.references["model_2"],
        digest=house.model()["model_digest"],
    )
    with pytest.raises(Invalid) as error:
        house.approve("risk", evaluation_reference=copy)
    assert [f.where for f in error.value.findings] == ["evaluation.model"]


@pytest.mark.parametrize("name", ["model", "split"])
def test_a_record_that_is_no_evaluation_is_refused(house, name) -> None:
    with pytest.raises(Invalid) as error:
        house.approve("risk", evaluation_reference=house.references[name])
    assert [f.code for f in error.value.findings] == ["governance.record_kind"]


def test_a_grading_of_another_model_is_refused(house) -> None:
    other = house.model(
        model_version="model_2",
        model_reference=house.references["model_2"],
        model_digest="sha256:" + "b" * 64,
    )
    foreign = house.classify(**other)
    with pytest.raises(Invalid) as error:
        house.approve("risk", risk=foreign.id)
    assert {f.where for f in error.value.findings} == {
        "risk.model_version",
        "risk.model",
        "risk.model_digest",
    }
    with pytest.raises(NotFound):
        house.approve("risk", risk="risk_none")


def test_a_prohibited_tier_is_never_released(house) -> None:
    house.facts["practices"] = ["social_scoring"]
    house.approve("risk")
    house.approve("owner")
    assert obstacles(house) == {"governance.tier_refused"}


def test_a_high_tier_may_be_released(house) -> None:
    house.facts |= {"domain": ["medical_diagnosis"], "decision_effect": "material"}
    assert house.classify().tier == "R3"
    house.approve("risk")
    house.approve("owner")
    assert house.release().valid_until_us == house.until_us


def test_all_obstacles_are_named_at_once(house) -> None:
    house.facts["practices"] = ["social_scoring"]
    failed = house.references["failed"]
    now_us = house.clock.now_us()
    house.approve("risk", evaluation_reference=failed, expires_at_us=now_us + DAY_US)
    house.approve("owner", evaluation_reference=failed, decision="reject")
    house.clock.advance(seconds=2 * 86_400)
    assert obstacles(house, evaluation_reference=failed, valid_until_us=now_us) == {
        "governance.tier_refused",
        "governance.gate_failed",
        "governance.approval_expired",
        "governance.approval_rejecting",
        "governance.approvals_missing",
        "governance.valid_until_past",
    }


def test_only_who_holds_the_role_approves_in_it(house) -> None:
    with pytest.raises(NotAllowed) as error:
        house.approve("owner", role="risk_officer")
    assert error.value.code == "identity.role_missing"
    with pytest.raises(NotAllowed):
        house.approve("trainer", role="release_owner")


def test_all_faults_of_an_approval_are_found_at_once(house) -> None:
    with pytest.raises(Invalid) as error:
        house.approve(
            "trainer",
            role="trainer",
            decision="perhaps",
            expires_at_us=house.clock.now_us(),
            evaluation_reference="0" * 64,
        )
    assert error.value.code == "governance.approval_invalid"
    assert [(f.where, f.code) for f in error.value.findings] == [
        ("role", "governance.role_not_approving"),
        ("decision", "governance.decision_unknown"),
        ("expires_at_us", "governance.expiry_past"),
        ("evaluation_reference", "custody.record_unknown"),
    ]


def test_a_second_decision_waits_for_the_first_to_expire(house) -> None:
    house.approve("risk", expires_at_us=house.clock.now_us() + DAY_US)
    with pytest.raises(Conflict) as error:
        house.approve("risk", key="changed my mind", decision="reject")
    assert error.value.code == "governance.already_decided"
    house.clock.advance(seconds=86_400)
    assert house.approve("risk", key="changed my mind", decision="reject").decision == "reject"


def test_a_key_used_for_something_else_is_a_conflict(house) -> None:
    house.approve("risk")
    with pytest.raises(Conflict) as error:
        house.approve("risk", decision="reject")
    assert error.value.code == "governance.approval_differs"
    house.approve("owner")
    house.release()
    with pytest.raises(Conflict) as refused:
        house.release(evaluation_reference=house.references["failed"])
    assert refused.value.code == "governance.release_differs"


def test_a_withdrawn_version_no_longer_serves_and_only_deciders_withdraw(house) -> None:
    house.approve("risk")
    house.approve("owner")
    house.release()
    with pytest.raises(NotAllowed) as error:
        governance.withdraw(house.storage, model_version="model_1", member=house.people["trainer"])
    assert error.value.code == "governance.withdraw_role_missing"
    assert house.state().state == "approved"
    governance.withdraw(house.storage, model_version="model_1", member=house.people["risk two"])
    assert house.state().state == "withdrawn"


def test_the_registry_and_the_release_change_together_or_not_at_all(house, monkeypatch) -> None:
    house.approve("risk")
    house.approve("owner")

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the registry is gone")

    with monkeypatch.context() as broken:
        broken.setattr(models, "approve", fail)
        with pytest.raises(RuntimeError):
            house.release()
    with house.storage.database.read() as tx:
        assert governance.releases(tx, "model_1") == []
    assert house.state().state == "registered"
    assert house.release().reference == house.state().certificate


class Killed(BaseException):
    """Stands in for a process that dies."""


def test_killed_at_any_statement_and_run_again_there_is_one_release(house) -> None:
    until_us = house.until_us

    def decide() -> str:
        house.approve("risk", expires_at_us=until_us)
        house.approve("owner", expires_at_us=until_us)
        return house.release().reference

    engine, count, started = house.storage.database._engine, 0, 1
    while started > count:
        count += 1
        started = 0

        def before(*_: object, limit: int = count) -> None:
            nonlocal started
            started += 1
            if started == limit:
                raise Killed

        event.listen(engine, "before_cursor_execute", before)
        try:
            decide()
        except Killed:
            started = count + 1
        finally:
            event.remove(engine, "before_cursor_execute", before)
    reference = decide()
    assert count > 20
    assert house.state().certificate == reference
    with house.storage.database.read() as tx:
        assert len(governance.approvals(tx, "model_1")) == 2
        assert len(governance.releases(tx, "model_1")) == 1


def test_the_terms_of_release_are_those_of_the_rule_data() -> None:
    terms = tables.book().release
    assert terms.approvals_min == 2
    assert terms.roles == ("risk_officer", "release_owner")
    assert terms.refused_tiers == {"R4"}


def test_every_text_exists_in_both_languages_with_the_same_parameters() -> None:
    english, chinese = (texts("governance", language) for language in LANGUAGES)
    assert english.keys() == chinese.keys()
    for code in english:
        assert _holes(english[code]) == _holes(chinese[code]), code


def _holes(sentence: str) -> set[str]:
    return {part.split("}")[0] for part in sentence.split("{")[1:]}
