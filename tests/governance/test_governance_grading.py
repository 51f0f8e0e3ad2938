"""Gradings on record, their measures, and evidence for them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from yunhe.custody import service as custody
from yunhe.governance import codec
from yunhe.governance import service as governance
from yunhe.kernel.canonical import digest_of
from yunhe.kernel.clock import DAY_US
from yunhe.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from yunhe.kernel.language import LANGUAGES, text


def test_a_grading_is_on_record_with_its_reasons(house) -> None:
    risk = house.classify(facts={**house.facts, "practices": "unknown"})
    with house.storage.database.read() as tx:
        record = custody.record(tx, risk.reference)
        assert governance.risk(tx, risk.id) == risk
        assert governance.risks(tx, "model_1") == [risk]
    assert (record.kind, record.subject) == ("governance.risk", risk.id)
    assert record.links == {"model": house.references["model"]}
    assert record.body == {
        "model_digest": risk.model_digest,
        "facts_digest": digest_of(risk.facts),
        "rules_version": governance.rules_version(),
        "tier": "R4",
        "fired": ["P1-platform?", "P1-EU?", "L1-platform"],
        "measures_digest": risk.measures_digest,
    }
    assert risk.missing == ("practices",)
    assert {f.code for f in risk.findings} == {
        "governance.evidence_missing",
        "governance.rests_on_unverified",
    }


def test_grading_again_is_the_same_grading_even_after_the_law_changed(house) -> None:
    first = house.classify()
    house.clock.advance(seconds=400 * 86_400)
    assert house.classify() == first
    assert house.classify(key="later").on > first.on


def test_answers_in_another_form_are_the_same_answers(house) -> None:
    first = house.classify(facts={**house.facts, "training_flop": "2e3", "sg_market": "unknown"})
    again = {**house.facts, "training_flop": 2000, "function": ["classification"] * 2}
    assert house.classify(facts=again) == first


def test_other_answers_under_the_key_are_a_conflict(house) -> None:
    house.classify()
    with pytest.raises(Conflict) as error:
        house.classify(facts={**house.facts, "minors": True})
    assert error.value.code == "governance.risk_differs"


def test_all_faults_of_the_questionnaire_are_found_at_once(house) -> None:
    with pytest.raises(Invalid) as error:
        house.classify(
            facts={
                "public_facing": "yes",
                "decision_effect": "huge",
                "domain": "hiring",
                "mau": -1,
                "training_flop": 1e25,
                "practices": ["social_scoring", "astrology"],
                "colour": "red",
            }
        )
    assert error.value.code == "governance.facts_invalid"
    assert [(f.where, f.code) for f in error.value.findings] == [
        ("colour", "governance.fact_unknown"),
        ("public_facing", "governance.not_a_flag"),
        ("domain", "governance.not_a_list"),
        ("decision_effect", "governance.option_unknown"),
        ("mau", "governance.not_a_count"),
        ("training_flop", "governance.not_a_magnitude"),
        ("practices", "governance.option_unknown"),
    ]
    with house.storage.database.read() as tx:
        assert governance.risks(tx, "model_1") == []


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"model_digest": "sha256:" + "0" * 64}, "model_digest"),
        ({"model_version": "model_2"}, "model_version"),
        ({"model_reference": "0" * 64}, "model_reference"),
    ],
)
def test_a_model_other_than_the_recorded_one_is_not_graded(house, changed, where) -> None:
    with pytest.raises(Invalid) as error:
        house.classify(**changed)
    assert error.value.code == "governance.evidence_invalid"
    assert [f.where for f in error.value.findings] == [where]


def test_a_record_that_is_no_model_is_not_graded(house) -> None:
    with pytest.raises(Invalid) as error:
        house.classify(model_reference=house.references["split"])
    assert [f.code for f in error.value.findings] == ["governance.record_kind"]


def test_the_day_is_that_of_china(house) -> None:
    midnight = datetime(2026, 7, 14, 16, 0, tzinfo=UTC)  # 15 July 2026, 00:00 in China
    companion = {**house.facts, "emotional_companion": True, "mau": 100_000}
    house.clock.advance(seconds=midnight.timestamp() - house.clock.now_us() / 1_000_000 - 1)
    before = house.classify(key="before", facts=companion)
    house.clock.advance(seconds=1)
    after = house.classify(key="after", facts=companion)
    assert (before.on, before.tier) == ("2026-07-14", "R1")
    assert (after.on, after.tier) == ("2026-07-15", "R3")


def test_a_preview_stores_nothing_and_agrees(house) -> None:
    grading = governance.preview(house.facts, on=date(2026, 1, 1))
    risk = house.classify()
    assert (grading.tier, grading.fired, grading.measures) == (risk.tier, risk.fired, risk.measures)


def test_a_stored_grading_reads_back_the_same(house) -> None:
    for facts in ({}, house.facts, {"personal_data": "sensitive", "function": ["search"]}):
        grading = governance.preview(facts, on=date(2026, 11, 22))
        assert codec.read(codec.write(grading)) == grading


def measures(house, tier_facts: dict, *, day: date = date(2026, 11, 22)) -> list[str]:
    grading = governance.preview({**house.facts, **tier_facts}, on=day)
    return [measure.id for measure in grading.measures]


LOW = ["inventory_record", "owner", "yearly_check"]
R1 = ["model_card", "dataset_records", "licence_check", "smoke_safety_set", "incident_channel"]


def test_measures_add_up_from_tier_to_tier(house) -> None:
    nothing = {"personal_data": "none", "decision_effect": "none", "autonomy": "supervised"}
    r0 = measures(house, nothing)
    r1 = measures(house, {})
    r2 = measures(house, {"autonomy": "supervised"})
    r3 = measures(house, {"domain": ["hiring"], "decision_effect": "material"})
    assert r0 == LOW
    assert r1 == LOW + R1
    assert set(r1) < set(r2) < set(r3)
    assert {"aigc_labels", "safety_test_31", "quarterly_retest"} <= set(r2) - set(r1)
    assert {"full_safety_assessment", "red_team", "kill_switch"} <= set(r3) - set(r2)


def test_a_prohibited_system_has_only_the_measures_of_refusal(house) -> None:
    assert measures(house, {"practices": ["social_scoring"], "function": ["search"]}) == [
        "refuse_registration",
        "appeal_to_committee",
        "record_the_decision",
        "scan_for_deployments",
    ]


@pytest.mark.parametrize(
    ("facts", "measure", "row"),
    [
        ({"ethics_list": ["human_machine_fusion"]}, "expert_re_review", "H6"),
        ({"training_flop": "1e26"}, "large_model_duties", "H5"),
        ({"function": ["search"], "public_facing": True}, "algorithm_filing", "M2"),
        (
            {"generative": True, "public_facing": True, "base_model_filed": "filed_by_api"},
            "provincial_registration",
            "M1",
        ),
    ],
)
def test_some_rows_bring_their_own_measures(house, facts, measure, row) -> None:
    grading = governance.preview({**house.facts, **facts}, on=date(2026, 11, 22))
    assert {m.id: m.rows for m in grading.measures}[measure] == (row,)
    assert measure not in measures(house, {})


def test_a_measure_is_not_asked_for_before_its_text_is_in_force(house) -> None:
    facts = {"autonomy": "supervised"}
    assert "aigc_labels" not in measures(house, facts, day=date(2025, 8, 31))
    assert "aigc_labels" in measures(house, facts, day=date(2025, 9, 1))


def statuses(house, risk) -> dict[str, str]:
    with house.storage.database.read() as tx:
        states = governance.measures_due(tx, risk.id, now_us=house.clock.now_us())
    return {state.measure.id: state.status for state in states}


def test_measures_are_due_then_met_then_due_again(house) -> None:
    risk = house.classify()
    assert statuses(house, risk)["model_card"] == "due"
    assert statuses(house, risk)["yearly_check"] == "later"
    digest = house.storage.blobs.put(b"model card").digest
    for measure in ("model_card", "yearly_check"):
        governance.record_evidence(
            house.storage,
            key="e",
            risk=risk.id,
            measure=measure,
            digest=digest,
            member=house.people["trainer"],
        )
    assert statuses(house, risk)["model_card"] == "met"
    house.clock.advance(seconds=365 * 86_400 - 1)
    assert statuses(house, risk)["yearly_check"] == "met"
    house.clock.advance(seconds=1)
    assert statuses(house, risk)["yearly_check"] == "overdue"
    assert statuses(house, risk)["model_card"] == "met"


def test_measures_in_operation_begin_with_the_release(house) -> None:
    risk = house.classify()
    house.approve("risk")
    house.approve("owner")
    released = house.release()
    assert statuses(house, risk)["yearly_check"] == "due"
    assert statuses(house, risk)["incident_channel"] == "due"
    with house.storage.database.read() as tx:
        states = governance.measures_due(tx, risk.id, now_us=house.clock.now_us())
    [yearly] = [state for state in states if state.measure.id == "yearly_check"]
    assert yearly.due_at_us == released.at_us + 365 * DAY_US
    house.clock.advance(seconds=365 * 86_400)
    assert statuses(house, risk)["yearly_check"] == "overdue"


def test_evidence_is_a_stored_file_for_a_measure_that_was_asked_for(house) -> None:
    risk = house.classify()
    digest = house.storage.blobs.put(b"x").digest
    good = {"risk": risk.id, "measure": "owner", "digest": digest, "member": house.people["owner"]}

    def put(**changed):
        return governance.record_evidence(house.storage, key="e", **(good | changed))

    first = put()
    assert put() == first
    with pytest.raises(Conflict):
        put(digest=house.storage.blobs.put(b"y").digest)
    with pytest.raises(NotFound) as error:
        put(measure="red_team")
    assert error.value.code == "governance.measure_unknown"
    with pytest.raises(NotFound):
        put(digest="sha256:" + "0" * 64)
    with pytest.raises(NotFound):
        put(risk="risk_none")
    with pytest.raises(NotAllowed) as refused:
        put(member="mem_none")
    assert refused.value.code == "governance.evidence_role_missing"


def test_every_rule_measure_and_question_has_its_text_in_both_languages() -> None:
    from yunhe.governance import tables  # noqa: PLC0415 - the data under test

    book = tables.book()
    codes = [f"governance.rule.{rule.row}" for rule in book.rules]
    codes += [f"governance.tier.{tier}" for tier in ("R0", "R1", "R2", "R3", "R4")]
    for entry in book.measures:
        codes.append(f"governance.measure.{entry.measure.id}")
        codes.append(f"governance.evidence.{entry.measure.evidence}")
    for question in book.questions.values():
        codes.append(f"governance.fact.{question.id}")
        codes += [f"governance.option.{question.id}.{option}" for option in question.options]
    for code in codes:
        for language in LANGUAGES:
            assert text(code, language) != code, (code, language)


def test_a_citation_is_in_force_from_its_first_day_to_before_its_end() -> None:
    [rule, *_] = governance.preview({}, on=date(2026, 11, 22)).fired
    citation = replace(rule.citation, valid_from="2026-01-01", valid_to="2027-01-01")
    assert [
        citation.in_force(day) for day in ("2025-12-31", "2026-01-01", "2026-12-31", "2027-01-01")
    ] == [False, True, True, False]
