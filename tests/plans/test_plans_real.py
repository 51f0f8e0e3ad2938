"""The chain on real text, and README's figures: each is what a run says."""

from __future__ import annotations

import json
import re

import pytest
from plan_desk import ROOT, Desk, State, run_once
from plan_figures import check, figures

REVIEWS = ROOT / ".." / "shared" / "data" / "corpora" / "waimai_10k.csv"
PLAN = ROOT / "examples" / "reviews" / "plan.yaml"


@pytest.fixture(scope="module")
def reviews(tmp_path_factory) -> tuple[Desk, dict]:
    """The second example on the public file it names."""
    if not REVIEWS.is_file():
        pytest.skip("the public file waimai_10k.csv is not beside the project (../shared/data)")
    return run_once(tmp_path_factory, "reviews", plan=PLAN, tickets=REVIEWS.resolve())


@pytest.mark.slow
@pytest.mark.shared
def test_the_model_of_real_reviews_beats_the_keywords_and_passes_its_gate(reviews):
    desk, result = reviews
    assert result["synthetic"] is False
    assert result["gate_passed"] is True
    assert result["verified"] is True
    assert float(result["score_low"]) > float(result["baseline_score"]) + 0.03
    body = desk.certificate()
    assert body["truth"] == "none given"
    assert body["input"]["documents"] == result["documents_in"] > 10_000
    assert State.of(desk).holds_open == 0


@pytest.mark.slow
@pytest.mark.shared
def test_no_mobile_number_of_the_reviews_is_left_in_the_dataset(reviews):
    desk, _ = reviews
    raw = set(re.findall(r"(?<!\d)1[3-9]\d{9}(?!\d)", REVIEWS.read_text("utf-8-sig")))
    body = desk.certificate()
    texts = [row["text"] for row in desk.table(body["output"]["digest"])]
    left = sum(number in text for number in raw for text in texts)  # a count: nothing is quoted
    assert left == 0
    assert body["personal_details"]["by_type"]["PHONE"]["spans"] >= len(raw) > 0


@pytest.mark.slow
@pytest.mark.shared
def test_readme_states_the_figures_of_the_reviews(reviews):
    check("reviews", figures(*reviews))


@pytest.mark.slow
def test_readme_states_the_figures_of_the_demo(full):
    check("demo", figures(*full))


@pytest.mark.slow
def test_the_report_of_the_demo_can_be_shown_from_any_folder(full, tmp_path):
    desk, result = full
    for run in ([], [result["run"]]):
        shown = desk.call("--json", "report", *run, "-o", str(tmp_path / "p.html"), cwd=tmp_path)
        assert shown.returncode == 0, shown.stdout
        assert json.loads(shown.stdout)["results_digest"] == result["results_digest"]


@pytest.mark.slow
def test_the_demo_beats_its_baseline_by_more_than_chance(full):
    desk, result = full
    assert result["documents_in"] == 20_000
    assert result["gate_passed"] is True
    assert float(result["score_low"]) > float(result["baseline_score"])
    assert 0.60 < float(result["baseline_score"]) < 0.85
    recall = desk.certificate()["truth"]["recall"]
    for kind in ("PHONE", "ID", "BANK", "EMAIL"):
        assert float(recall[kind]["low"]) > 0.98, kind
