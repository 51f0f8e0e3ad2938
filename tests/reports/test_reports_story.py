"""What the report says of a run, before anything draws it: headline, key figures, sentences."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import pytest
import report_sample as sample
from hypothesis import given
from hypothesis import strategies as st

from yunhe.kernel.language import LANGUAGES
from yunhe.reports import domain, story
from yunhe.reports.charts import Bar
from yunhe.reports.domain import STAGES, Amount, Answer, Candidate, Confusion, Count, Score, Stage
from yunhe.reports.figures import Figures, left_out
from yunhe.reports.lineage import LINKS_DRAWN_MAX
from yunhe.reports.wording import Wording

EN = Wording("en")
DRAW = Figures(EN)


def plain(pieces):
    return "".join(text for text, _ in pieces)


def tiles(chain):
    return {tile.label: tile for tile in story.tiles(chain, EN)}


def test_the_headline_tells_the_whole_run_in_one_sentence():
    told = plain(story.headline(sample.full(), EN))
    for figure in ("20,000", "17,482", "macro-F1 0.891", "R2", "2 approvals", "15 of 15"):
        assert figure in told
    assert told.count(".") == told.count("0.891") + 1


def test_a_stop_and_a_broken_chain_come_before_good_news():
    assert "stopped in stage 4 of 8, Model" in plain(story.headline(sample.stopped(3), EN))
    assert "1 of 15 links failed" in plain(story.headline(sample.broken(), EN))
    assert story.alarming(sample.broken())
    assert not story.alarming(sample.full())
    assert not story.alarming(sample.stopped(3))


@pytest.mark.parametrize("missing", ["corpus", "evaluation", "governance", "verification"])
def test_without_a_part_of_it_the_headline_claims_no_whole_chain(missing):
    told = plain(story.headline(replace(sample.full(), **{missing: None}), EN))
    assert told == EN.say("headline.partial")


def test_a_receipt_that_fails_as_a_whole_is_an_alarm_even_if_every_link_holds():
    section = replace(sample.verification(), ok=False, reason="The signature is wrong.")
    chain = replace(sample.full(), verification=section)
    assert story.alarming(chain)
    assert "does not verify" in plain(story.headline(chain, EN))
    assert tiles(chain)["Answer verified, links"].tone == "bad"


def test_all_stages_are_told_in_order_whatever_the_run_named():
    chain = replace(sample.full(), stages=(Stage(name="models", state="done"),))
    assert [stage.name for stage in story.stages(chain)] == list(STAGES)
    assert [stage.state for stage in story.stages(chain)].count("not_reached") == 7


def test_a_verdict_against_the_run_shows_at_its_stage():
    states = {stage.name: stage.state for stage in story.stages(sample.broken())}
    assert states["verification"] == "failed"
    assert states["evaluation"] == "done"


def test_paid_adds_up_per_unit_and_only_what_was_paid():
    paid = tiles(sample.full())["Paid"]
    assert paid.value == "CNY 1,200.14"
    assert paid.notes == ("41.250 device-seconds (cpu)", "data CNY 1,200.00", "compute CNY 0.14")
    euros = replace(sample.exchange(), price=Amount(500, "EUR"))
    assert tiles(replace(sample.full(), exchange=euros))["Paid"].value == "EUR 5.00 + CNY 0.14"


amounts = st.lists(
    st.builds(Amount, st.integers(-(10**9), 10**9), st.sampled_from(["CNY", "EUR", "device:cpu"]))
)


@given(amounts)
def test_adding_up_keeps_every_unit_and_its_sum(several):
    summed = story.added(tuple(several))
    assert len({amount.unit for amount in summed}) == len(summed)
    for unit in {amount.unit for amount in several}:
        (found,) = [amount.minor for amount in summed if amount.unit == unit]
        assert found == sum(amount.minor for amount in several if amount.unit == unit)


def test_a_model_that_failed_its_gate_is_not_shown_as_good():
    evaluation = sample.evaluation()
    failed = replace(evaluation, gate=replace(evaluation.gate, passed=False))
    tile = tiles(replace(sample.full(), evaluation=failed))["Model, macro-F1"]
    assert tile.tone == "bad"
    assert "✗ gate not passed on the lower bound" in tile.notes


def test_a_changed_byte_nobody_noticed_turns_the_verdict():
    verification = sample.verification()
    line = replace(verification.tamper[0], found=False)
    unnoticed = replace(verification, tamper=(line, *verification.tamper[1:]))
    tile = tiles(replace(sample.full(), verification=unnoticed))["Answer verified, links"]
    assert tile.tone == "bad"
    assert "7 of 8 one-byte changes noticed" in tile.notes


def test_missing_approvals_are_a_warning():
    governance = replace(sample.governance(), approvals=sample.governance().approvals[:1])
    tile = tiles(replace(sample.full(), governance=governance))["Risk tier"]
    assert tile.tone == "warn"
    assert "1 of 2 approvals" in tile.notes


def test_a_refusal_is_no_approval():
    first, second = sample.governance().approvals
    governance = replace(
        sample.governance(), approvals=(first, replace(second, approved=False)), release_id=None
    )
    chain = replace(sample.full(), governance=governance)
    assert "1 of 2 approvals" in plain(story.sentence(chain, "governance", EN))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_has_a_sentence_whether_reached_or_not(stage, language):
    wording = Wording(language)
    told = plain(story.sentence(sample.full(), stage, wording))
    missing = plain(story.sentence(replace(sample.full(), **{stage: None}), stage, wording))
    assert missing == wording.say("say.not_reached")
    assert told != missing
    assert len(told) > 20


def test_a_description_that_is_a_sentence_does_not_end_twice():
    models = replace(sample.models(), algorithm="A classifier.")
    told = plain(story.sentence(replace(sample.full(), models=models), "models", EN))
    assert told.endswith("A classifier.")


def test_unknown_recall_is_said_and_not_left_out():
    corpus = replace(sample.corpus(), recall=None)
    tile = tiles(replace(sample.full(), corpus=corpus))["Personal details masked"]
    assert tile.notes == ("recall not measured: no truth was given",)


def test_the_gate_is_told_with_what_it_asks_and_what_it_found():
    asked = story.gate(sample.evaluation(), EN)
    assert asked == (
        "lower bound of macro-F1 ≥ 0.800; found 0.879 · better than the baseline by ≥ 0.050"
    )
    assert story.gate(replace(sample.evaluation(), gate=None), EN) == ""


def test_mistakes_are_told_most_frequent_first_and_right_answers_never():
    confusion = Confusion(("甲", "乙", "丙"), ((90, 3, 7), (0, 80, 5), (7, 0, 70)))
    assert story.confusions(confusion, EN) == (
        "甲 taken for 丙: 7",
        "丙 taken for 甲: 7",
        "乙 taken for 丙: 5",
    )
    assert story.confusions(Confusion(("甲",), ((9,),)), EN) == ()


def test_bars_are_ordered_and_measured_against_the_longest():
    corpus = replace(sample.corpus(), drops=(Count("few", 1), Count("many", 4)))
    assert DRAW.drop_bars(corpus) == [
        Bar("many", 1.0, "4", "quiet"),
        Bar("few", 0.25, "1", "quiet"),
    ]
    nothing = replace(sample.corpus(), drops=(Count("none", 0),))
    assert [bar.length for bar in DRAW.drop_bars(nothing)] == [0.0]


def test_the_budget_shows_what_was_used_and_what_waits():
    rows = [(bar.name, bar.value, bar.tone) for bar in DRAW.budget_bars(sample.compute())]
    assert rows == [
        ("Awarded", "600.000 device-seconds (cpu)", "quiet"),
        ("Used by training", "41.250 device-seconds (cpu)", "bar"),
        ("Asked for by second training", "900.000 device-seconds (cpu)", "warn"),
    ]
    assert DRAW.budget_bars(replace(sample.compute(), award=None)) == []


def test_a_score_that_is_no_number_is_left_out_of_the_plot_but_not_of_the_page():
    evaluation = sample.evaluation()
    broken = replace(evaluation.classes[0], model=Score("n/a"))
    rows, _ = DRAW.score_dots(replace(evaluation, classes=(broken, *evaluation.classes[1:])))
    assert len(rows) == len(evaluation.metrics) + len(evaluation.classes) - 1
    answer = Answer(id="a", question="q", label="l", candidates=(Candidate("x", "n/a"),))
    assert DRAW.candidate_bars(answer) == []


def test_records_beyond_the_picture_are_counted():
    many = tuple(
        replace(sample.links()[0], reference=str(i), parents=()) for i in range(LINKS_DRAWN_MAX + 3)
    )
    assert left_out(replace(sample.verification(), links=many)) == 3
    assert left_out(sample.verification()) == 0


@pytest.mark.parametrize(
    "owner", [one for one in vars(domain).values() if dataclasses.is_dataclass(one)],
    ids=lambda one: one.__name__,
)  # fmt: skip
def test_what_the_plan_runner_fills_in_cannot_change_afterwards(owner):
    assert owner.__dataclass_params__.frozen
    assert owner.__slots__ is not None
    assert owner.__doc__
