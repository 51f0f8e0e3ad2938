"""What a review looks at, and what its verdicts come to: pure parts, for any dataset."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from yunhe.corpus.intervals import wilson
from yunhe.corpus.review import sampling
from yunhe.corpus.review.domain import Check, Stratum
from yunhe.corpus.review.rules import reason_text, rules
from yunhe.corpus.review.verdicts import Outcome, agreement, needed, weigh
from yunhe.kernel.canonical import canonical_bytes

MANUAL, TECHNICAL = rules().checks["manual"], rules().checks["technical"]
DIGEST = "sha256:" + "5a" * 32


def write(path: Path, count: int, **columns: list[object]) -> Path:
    base = {"id": [f"d{n}" for n in range(count)], "text": ["字" * (n % 700) for n in range(count)]}
    parquet.write_table(pa.table(base | columns), path, row_group_size=max(count // 3, 1))
    return path


def test_the_figures_of_the_standard_are_the_ones_that_were_computed_exactly():
    assert needed(4000, MANUAL) == (3840, 3865)
    assert needed(100_000, TECHNICAL) == (98_000, 98_087)


def test_rules_that_nobody_compared_with_the_standard_say_so():
    assert not MANUAL.verified
    assert not TECHNICAL.verified
    assert not any(each.verified for each in rules().apart)
    assert {each.who for each in rules().apart} == {"declared", "cleanser", "opener"}


def test_there_are_31_risks_and_other_reasons_each_with_words_in_both_languages():
    reasons = rules().reasons
    assert sum(each.startswith("A.") for each in reasons) == 31
    assert len(set(reasons)) == len(reasons)
    for each in reasons:
        assert reason_text(each, "en") != reason_text(each, "zh")
        assert "corpus.review" not in reason_text(each, "en")


@pytest.mark.parametrize(
    ("population", "items"), [(0, 0), (40, 40), (4000, 4000), (1_000_000, 4000)]
)
def test_people_look_at_4000_items_or_at_all_there_are(population, items):
    assert MANUAL.items(population) == items


@pytest.mark.parametrize(("population", "items"), [(0, 0), (1, 1), (11, 2), (1_000_000, 100_000)])
def test_rules_look_at_a_tenth_rounded_up(population, items):
    assert TECHNICAL.items(population) == items


@given(
    sizes=st.lists(st.integers(1, 10_000), max_size=60),
    items=st.integers(0, 5000),
    items_min=st.integers(0, 20),
)
def test_every_stratum_gets_its_floor_and_together_they_get_what_was_asked(sizes, items, items_min):
    given_ = sampling.allotted(sizes, items=items, items_min=items_min)
    whole = min(items, sum(sizes))
    floor = min(items_min, whole // len(sizes)) if sizes else 0
    assert sum(given_) == whole
    assert all(min(floor, size) <= part <= size for part, size in zip(given_, sizes, strict=True))


@given(sizes=st.lists(st.integers(1, 10_000), min_size=1, max_size=30), items=st.integers(0, 5000))
def test_without_a_floor_no_stratum_is_more_than_one_item_off_its_share(sizes, items):
    whole = sum(sizes)
    for part, size in zip(sampling.allotted(sizes, items=items, items_min=0), sizes, strict=True):
        assert abs(part - Fraction(min(items, whole) * size, whole)) <= 1


def test_the_draw_follows_from_the_digest_alone_and_covers_every_stratum(tmp_path):
    labels = ["rare" if n % 500 == 7 else "usual" for n in range(3000)]
    sources = ["a.jsonl" if n < 2900 else "b.jsonl" for n in range(3000)]
    path = write(tmp_path / "d.parquet", 3000, label=labels, source=sources)
    drawn = sampling.draw(path, digest=DIGEST, items=300, rules=rules())
    assert len(set(drawn.rows.tolist())) == 300
    assert set(drawn.strata.tolist()) == set(range(len(drawn.known)))
    assert sum(each.documents for each in drawn.known) == drawn.population == 3000
    again = sampling.draw(path, digest=DIGEST, items=300, rules=rules())
    assert np.array_equal(again.rows, drawn.rows)
    other = sampling.draw(path, digest="sha256:" + "6b" * 32, items=300, rules=rules())
    assert 0 < len(set(other.rows.tolist()) & set(drawn.rows.tolist())) < 300
    table = sampling.sample(path, drawn)
    assert table.column("document").to_pylist() == [f"d{row}" for row in drawn.rows]
    assert [len(text) for text in table.column("text").to_pylist()] == (drawn.rows % 700).tolist()
    for row, stratum in zip(drawn.rows.tolist(), drawn.strata.tolist(), strict=True):
        known = drawn.known[stratum]
        length = sum(row % 700 >= border for border in rules().length_characters)
        assert (known.source, known.label, known.length) == (sources[row], labels[row], length)


def test_every_row_is_as_likely_as_any_other(tmp_path):
    path = write(tmp_path / "d.parquet", 200, label=["x"] * 200, text=["短"] * 200)
    hits = np.zeros(200)
    for number in range(400):
        digest = f"sha256:{number * 7919:016x}" + "0" * 48
        hits[sampling.draw(path, digest=digest, items=50, rules=rules()).rows] += 1
    # 400 draws of a quarter: 100 on average, standard deviation 8.7
    assert abs(hits.mean() - 100) < 1e-9
    assert hits.min() > 60
    assert hits.max() < 140


def test_more_items_than_documents_are_all_documents(tmp_path):
    path = write(tmp_path / "d.parquet", 7)
    drawn = sampling.draw(path, digest=DIGEST, items=4000, rules=rules())
    assert drawn.rows.tolist() == list(range(7))
    empty = write(tmp_path / "e.parquet", 0)
    drawn = sampling.draw(empty, digest=DIGEST, items=10, rules=rules())
    assert len(drawn.rows) == len(sampling.sample(empty, drawn)) == 0


STRATA = (Stratum("", "a", 0, 900), Stratum("", "b", 1, 100))


def outcomes(*counts: tuple[int, int, int]) -> list[Outcome]:
    """(stratum, passes, fails) …"""
    return [
        outcome
        for stratum, passes, fails in counts
        for outcome in [Outcome(stratum, "pass")] * passes
        + [Outcome(stratum, "fail", ("A.2.5",))] * fails
    ]


@pytest.mark.parametrize(
    ("passed", "plain", "sure"),
    [(3839, False, False), (3840, True, False), (3864, True, False), (3865, True, True)],
)
def test_both_verdicts_are_told_apart(passed, plain, sure):
    found = weigh(outcomes((0, passed, 4000 - passed)), STRATA, check=MANUAL, population=1_000_000)
    assert (found["meets_standard"], found["meets_with_confidence"]) == (plain, sure)
    assert found["share"]["of"] == 4000
    assert found["reasons"] == {"A.2.5": 4000 - passed}
    canonical_bytes(found)  # fits a record: no floats


def test_too_few_items_meet_nothing_however_well_they_do():
    found = weigh(outcomes((0, 3999, 0)), STRATA, check=MANUAL, population=1_000_000)
    assert (found["meets_standard"], found["meets_with_confidence"]) == (False, False)
    nothing = weigh([], STRATA, check=MANUAL, population=0)
    assert (nothing["meets_standard"], nothing["share"]["share"]) == (False, None)


def test_small_strata_weigh_as_much_as_they_are():
    found = weigh(outcomes((0, 50, 0), (1, 0, 50)), STRATA, check=MANUAL, population=1000)
    assert found["share"]["share"] == "0.500000"
    assert found["weighted_share"] == "0.900000"


def test_long_lists_of_strata_are_cut_and_counted():
    strata = tuple(Stratum(f"s{n}", "", 0, 5) for n in range(130))
    found = weigh(outcomes(*((n, 1, 0) for n in range(130))), strata, check=MANUAL, population=650)
    assert (len(found["strata"]), found["strata_more"]) == (100, 30)


@given(items=st.integers(1, 5000), least=st.integers(0, 1000))
@settings(max_examples=60)
def test_the_fewest_passes_are_the_fewest(items, least):
    check = Check("manual", "", 0, 0, least, "", "", verified=False)
    plain, sure = needed(items, check)
    assert plain * 1000 >= least * items > (plain - 1) * 1000
    assert sure > items or wilson(sure, items)[0] * 1000 >= least
    assert sure == 0 or wilson(sure - 1, items)[0] * 1000 < least


def test_kappa_is_the_textbooks():
    both = [("pass", "pass")] * 20 + [("pass", "fail")] * 5
    both += [("fail", "pass")] * 10 + [("fail", "fail")] * 15
    found = agreement(both)
    assert found["kappa"] == "0.400000"  # Cohen's classic table of 50
    assert float(found["low"]) < 0.4 < float(found["high"])
    assert agreement([])["kappa"] is None
    assert agreement([("pass", "pass")] * 9)["kappa"] is None
    assert agreement([("pass", "fail"), ("fail", "pass")])["kappa"] == "-1.000000"


@given(st.lists(st.tuples(st.sampled_from(["pass", "fail"]), st.sampled_from(["pass", "fail"]))))
def test_kappa_lies_within_its_interval_and_does_not_care_who_is_called_first(pairs):
    found = agreement(pairs)
    turned = agreement([(other, one) for one, other in pairs])
    assert (found["kappa"], found["agreed"]) == (turned["kappa"], turned["agreed"])
    if found["kappa"] is not None:
        assert -1 <= float(found["low"]) <= float(found["kappa"]) <= float(found["high"]) <= 1
