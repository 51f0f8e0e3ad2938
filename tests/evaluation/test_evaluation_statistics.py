"""Scores equal the reference library's, intervals the textbook's, resampling the plain loop's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

from yunhe.evaluation import statistics as stats

LABELS = st.integers(0, 3)


def arrays(pairs: list[tuple[int, int]]) -> tuple[stats.Labels, stats.Labels]:
    table = np.array(pairs, dtype=np.int64)
    return table[:, 0], table[:, 1]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=60))
def test_scores_equal_those_of_the_reference_library(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = arrays(pairs)
    matrix = stats.confusion_matrix(truth, predicted, classes=4)
    assert (matrix == confusion_matrix(truth, predicted, labels=range(4))).all()
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, predicted, labels=range(4), zero_division=0
    )
    ours = stats.per_class(matrix)
    for got, expected in zip(
        (ours.precision, ours.recall, ours.f1, ours.support),
        (precision, recall, f1, support),
        strict=True,
    ):
        np.testing.assert_allclose(got, expected, atol=1e-12)
    assert stats.accuracy(matrix) == pytest.approx(accuracy_score(truth, predicted))
    assert stats.macro_f1(matrix) == pytest.approx(f1[support > 0].mean())


def test_scores_of_nothing_are_zero() -> None:
    empty = np.zeros((3, 3), dtype=np.int64)
    assert stats.accuracy(empty) == 0
    assert stats.macro_f1(empty) == 0


@pytest.mark.parametrize(
    ("trials", "least", "share"),
    [(1_000, 919, 0.90), (300, 293, 0.95), (4_000, 3_865, 0.96), (100_000, 98_087, 0.98)],
)
def test_wilson_gives_the_thresholds_of_the_standards(
    trials: int, least: int, share: float
) -> None:
    assert stats.wilson(least / trials, trials)[0] >= share
    assert stats.wilson((least - 1) / trials, trials)[0] < share


def test_wilson_gives_the_threshold_of_over_refusal() -> None:
    assert stats.wilson(7 / 300, 300)[1] <= 0.05
    assert stats.wilson(8 / 300, 300)[1] > 0.05


def test_wilson_equals_the_reference_library() -> None:
    for hits, trials in ((0, 10), (3, 10), (50, 1_000), (10, 10), (999, 1_000)):
        expected = scipy_stats.binomtest(hits, trials).proportion_ci(method="wilson")
        assert stats.wilson(hits / trials, trials) == pytest.approx(tuple(expected), abs=1e-9)


def test_nothing_is_known_without_trials() -> None:
    assert stats.wilson(0.0, 0) == (0.0, 1.0)
    assert stats.share_interval(np.zeros(0, np.bool_), np.zeros(0, np.int64)) == stats.Interval(
        0.0, 0.0, 1.0
    )


def test_quantiles_of_t_are_good_from_nine_degrees_on() -> None:
    for freedom in (9, 10, 20, 50, 200, 4_000):
        assert stats.t_quantile(freedom) == pytest.approx(
            scipy_stats.t.ppf(0.975, freedom), abs=0.001
        )


@settings(max_examples=100, deadline=None)
@given(st.lists(st.booleans(), min_size=2, max_size=80), st.integers(1, 6))
def test_groups_never_make_a_share_surer_than_independent_items(
    hits: list[bool], size: int
) -> None:
    array = np.array(hits)
    groups = np.arange(len(hits)) // size
    together = stats.share_interval(array, groups)
    apart = stats.share_interval(array, np.arange(len(hits)))
    assert together.low <= together.point <= together.high
    assert together.high - together.low >= apart.high - apart.low - 1e-12


def test_copies_of_a_document_add_no_certainty() -> None:
    generator = np.random.default_rng(3)
    hits = generator.random(200) < 0.8
    once = stats.share_interval(hits, np.arange(200))
    copied = stats.share_interval(np.repeat(hits, 5), np.repeat(np.arange(200), 5))
    assert copied.low == pytest.approx(once.low, abs=0.003)
    assert copied.high == pytest.approx(once.high, abs=0.003)


def test_all_hits_in_few_groups_are_worth_the_groups_only() -> None:
    groups = np.arange(100) // 5
    interval = stats.share_interval(np.ones(100, np.bool_), groups)
    assert interval.low < stats.wilson(1.0, 20)[0]
    assert interval.high == 1


def sample(
    groups: int, *, seed: int, clustered: bool
) -> tuple[stats.Labels, stats.Labels, stats.Labels, stats.Labels]:
    """Truth, model, baseline, group; items of a group share their class and most of their luck."""
    draw = np.random.default_rng(seed)
    sizes = draw.geometric(0.5, groups) if clustered else np.ones(groups, np.int64)
    group = np.repeat(np.arange(groups), sizes)
    truth = draw.choice(4, groups, p=[0.1, 0.2, 0.3, 0.4])[group]
    shared = draw.random(len(group)) < 0.7
    luck = np.where(shared, draw.random(groups)[group], draw.random(len(group)))
    model = np.where(luck < 0.8, truth, (truth + 1) % 4)
    again = np.where(draw.random(len(group)) < 0.6, luck, draw.random(len(group)))
    baseline = np.where(again < 0.65, truth, (truth + 2) % 4)
    return truth, model, baseline, group


def test_resampling_equals_drawing_the_groups_one_by_one() -> None:
    truth, model, baseline, group = sample(80, seed=5, clustered=True)
    fast = stats.resample(truth, [model, baseline], group, classes=4, seed=1, resamples=4_000)
    draw = np.random.default_rng(2)
    members = [np.flatnonzero(group == g) for g in range(80)]
    slow = []
    for _ in range(1_500):
        items = np.concatenate([members[g] for g in draw.integers(0, 80, 80)])
        slow.append(
            [
                stats.macro_f1(stats.confusion_matrix(truth[items], said[items], classes=4))
                for said in (model, baseline)
            ]
        )
    expected = np.array(slow).T
    for system in range(2):
        assert fast.macro_f1[system].mean() == pytest.approx(expected[system].mean(), abs=0.006)
        assert fast.macro_f1[system].std() == pytest.approx(expected[system].std(), rel=0.1)
    paired = fast.macro_f1[0] - fast.macro_f1[1]
    assert paired.std() == pytest.approx((expected[0] - expected[1]).std(), rel=0.1)


def test_resampling_depends_on_the_seed_and_not_on_the_order_of_items() -> None:
    truth, model, baseline, group = sample(60, seed=9, clustered=True)
    order = np.random.default_rng(0).permutation(len(truth))
    one = stats.resample(truth, [model, baseline], group, classes=4, seed=3, resamples=50)
    other = stats.resample(
        truth[order], [model[order], baseline[order]], group[order], classes=4, seed=3, resamples=50
    )
    another = stats.resample(truth, [model, baseline], group, classes=4, seed=4, resamples=50)
    np.testing.assert_array_equal(one.macro_f1, other.macro_f1)
    np.testing.assert_array_equal(one.f1, other.f1)
    assert not np.array_equal(one.macro_f1, another.macro_f1)


def test_a_resample_in_small_chunks_is_still_the_size_that_was_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    truth, model, _, group = sample(60, seed=9, clustered=True)
    monkeypatch.setattr(stats, "_CHUNK_CELLS", 100)
    made = stats.resample(truth, [model], group, classes=4, seed=3, resamples=57)
    assert made.macro_f1.shape == (1, 57)
    assert made.f1.shape == (1, 57, 4)
    assert (made.accuracy > 0).all()


def test_a_class_that_a_resample_missed_does_not_count_against_it() -> None:
    truth = np.array([0] * 30 + [1])
    made = stats.resample(truth, [truth], np.arange(31), classes=2, seed=1, resamples=200)
    assert (made.macro_f1 == 1).all()


def test_a_flawless_result_is_not_taken_for_certainty() -> None:
    truth = np.arange(300) % 3
    samples = stats.resample(truth, [truth], np.arange(300), classes=3, seed=1, resamples=200)
    interval = stats.score_interval(1.0, samples.macro_f1[0], groups=300, items=300)
    assert interval.low == pytest.approx(stats.wilson(1.0, 300)[0], abs=0.001)
    assert interval.high == 1


def test_a_hopeless_result_is_not_taken_for_certainty() -> None:
    interval = stats.score_interval(0.0, np.zeros(100), groups=300, items=300)
    assert interval.low == 0
    assert interval.high == pytest.approx(stats.wilson(0.0, 300)[1], abs=0.001)


def test_systems_that_never_disagree_may_still_differ_a_little() -> None:
    same = stats.share_interval(np.zeros(300, np.bool_), np.arange(300))
    interval = stats.difference_interval(0.0, np.zeros(100), groups=300, disagreement=same)
    assert interval.low == -interval.high == -same.high
    assert 0 < same.high < 0.02


@settings(max_examples=50, deadline=None)
@given(groups=st.integers(10, 120), seed=st.integers(0, 10_000), clustered=st.booleans())
def test_every_interval_holds_its_estimate(groups: int, seed: int, *, clustered: bool) -> None:
    truth, model, baseline, group = sample(groups, seed=seed, clustered=clustered)
    made = stats.resample(truth, [model, baseline], group, classes=4, seed=seed, resamples=50)
    points = [
        stats.macro_f1(stats.confusion_matrix(truth, said, classes=4)) for said in (model, baseline)
    ]
    score = stats.score_interval(points[0], made.macro_f1[0], groups=groups, items=len(truth))
    assert 0 <= score.low <= score.point <= score.high <= 1
    difference = stats.difference_interval(
        points[0] - points[1],
        made.macro_f1[0] - made.macro_f1[1],
        groups=groups,
        disagreement=stats.share_interval(model != baseline, group),
    )
    assert -1 <= difference.low <= difference.point <= difference.high <= 1


def test_the_lower_bound_rises_with_the_number_of_items() -> None:
    lows = []
    for groups in (50, 200, 800, 3_200):
        truth, model, _, group = sample(groups, seed=4, clustered=False)
        made = stats.resample(truth, [model], group, classes=4, seed=1, resamples=500)
        point = stats.macro_f1(stats.confusion_matrix(truth, model, classes=4))
        interval = stats.score_interval(point, made.macro_f1[0], groups=groups, items=groups)
        lows.append(interval.point - interval.low)
    assert lows == sorted(lows, reverse=True)
    assert lows[0] > 3 * lows[-1]
