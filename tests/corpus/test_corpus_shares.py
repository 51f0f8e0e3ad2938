"""Numbers that people rely on, against what others computed: intervals, kappa, shares, sums."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from yunhe.corpus import certificate, profiles
from yunhe.corpus.certificate import Digests
from yunhe.corpus.domain import PERSONAL_TYPES, CleanseRequest, Columns
from yunhe.corpus.intervals import share, wilson
from yunhe.corpus.pipeline import build
from yunhe.corpus.review import sampling, verdicts
from yunhe.corpus.review.domain import Check, Stratum
from yunhe.corpus.review.rules import rules
from yunhe.corpus.review.sampling import allotted
from yunhe.corpus.review.verdicts import Outcome
from yunhe.corpus.sources import judging
from yunhe.corpus.sources.licences import ANSWERS, DUTIES, PERMISSIONS, Terms, known, merged, terms
from yunhe.corpus.statistics import Statistics
from yunhe.kernel.canonical import canonical_bytes, sha256

TRIALS = st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@settings(max_examples=60, deadline=None)
@given(TRIALS)
def test_wilsons_interval_is_scipys(trial) -> None:
    found, of = trial
    theirs = stats.binomtest(found, of).proportion_ci(0.95, method="wilson")
    assert wilson(found, of) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_exact_interval_is_scipys_rounded_outwards(trial) -> None:
    found, of = trial
    low, high = judging.interval(found, of)
    theirs = stats.binomtest(found, of).proportion_ci(0.95, method="exact")
    assert low / 1e6 <= theirs.low + 1e-9
    assert high / 1e6 >= theirs.high - 1e-9
    assert theirs.low - low / 1e6 < 2e-6
    assert high / 1e6 - theirs.high < 2e-6


@pytest.mark.parametrize("looked", [1, 20, 71, 72, 100, 400, 1000, 4000])
def test_a_source_is_clean_just_when_so_few_would_be_unlikely_at_the_bound(looked: int) -> None:
    for illegal in range(min(looked, 60) + 1):
        verdict = judging.judge(illegal, looked).verdict
        unlikely = stats.binom.cdf(illegal, looked, 0.05) <= 0.025
        over = illegal / looked > 0.05
        assert verdict == ("over" if over else "clean" if unlikely else "more")


def test_from_no_trial_at_all_nothing_is_known() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert judging.interval(0, 0) == (0, 1_000_000)
    assert share(0, 0) == {"found": 0, "of": 0, "share": None, "low": None, "high": None}


@settings(max_examples=80)
@given(TRIALS)
def test_a_share_is_written_as_text_within_its_interval(trial) -> None:
    said = share(*trial)
    low, middle, high = (Fraction(str(said[name])) for name in ("low", "share", "high"))
    assert 0 <= low <= middle <= high <= 1
    assert abs(middle - Fraction(*trial)) < Fraction(1, 1000)
    assert canonical_bytes(said)  # no number with a fraction among them


PAIRS = st.lists(
    st.tuples(st.sampled_from(["pass", "fail"]), st.sampled_from(["pass", "fail"])), max_size=60
)


@settings(max_examples=100, deadline=None)
@given(PAIRS)
@pytest.mark.filterwarnings("ignore")
def test_kappa_is_sklearns(pairs) -> None:
    said = verdicts.agreement(pairs)
    assert said["pairs"] == len(pairs)
    assert said["agreed"] == sum(one == other for one, other in pairs)
    assert said["both_pass"] == pairs.count(("pass", "pass"))
    assert said["both_fail"] == pairs.count(("fail", "fail"))
    one, other = zip(*pairs, strict=True) if pairs else ((), ())
    if len({*one, *other}) < 2:
        assert said["kappa"] is said["low"] is said["high"] is None
    else:
        expected = cohen_kappa_score(one, other)
        assert float(str(said["kappa"])) == pytest.approx(expected, abs=1e-3)
        assert float(str(said["low"])) <= float(str(said["kappa"])) <= float(str(said["high"]))


SIZES = st.lists(st.integers(0, 3000), min_size=1, max_size=12)


@settings(max_examples=150)
@given(SIZES, st.integers(0, 5000), st.integers(0, 6))
def test_an_allotment_is_whole_in_proportion_and_fits_every_stratum(sizes, items, least) -> None:
    given_ = allotted(sizes, items=items, items_min=least)
    whole = min(items, sum(sizes))
    assert sum(given_) == whole
    assert all(0 <= part <= size for part, size in zip(given_, sizes, strict=True))
    floor = min(least, whole // len(sizes))
    assert all(part >= min(floor, size) for part, size in zip(given_, sizes, strict=True))
    rests = [size - min(size, floor) for size in sizes]
    left = whole - sum(min(size, floor) for size in sizes)
    for part, size, rest in zip(given_, sizes, rests, strict=True):
        exact = Fraction(left * rest, sum(rests)) if sum(rests) else Fraction(0)
        assert abs(part - min(size, floor) - exact) < 1


@settings(max_examples=80)
@given(SIZES, st.integers(0, 4000), st.integers(0, 6))
def test_one_item_more_is_one_item_more(sizes, items, least) -> None:
    fewer = sum(allotted(sizes, items=items, items_min=least))
    more = sum(allotted(sizes, items=items + 1, items_min=least))
    assert more - fewer == (1 if items < sum(sizes) else 0)


def test_lots_are_as_even_as_chance_and_follow_from_the_digest() -> None:
    one = sampling._lots(20_000, "sha256:" + "ab" * 32)
    assert (one == sampling._lots(20_000, "sha256:" + "ab" * 32)).all()
    assert (one[:500] == sampling._lots(500, "sha256:" + "ab" * 32)).all()
    assert (one != sampling._lots(20_000, "sha256:" + "ac" * 32)).all()
    assert len(np.unique(one)) == len(one)
    counts = np.bincount((one >> np.uint64(60)).astype(np.int64), minlength=16)
    assert stats.chisquare(counts).pvalue > 1e-6


CHECK = Check("manual", "x", 10, 0, 960, "2025-11-01", "nowhere", verified=False)
OUTCOMES = st.lists(
    st.builds(
        Outcome,
        st.integers(0, 3),
        st.sampled_from(["pass", "pass", "fail", "erased"]),
        st.sampled_from([(), ("A.1.1",), ("A.1.1", "quality.label")]),
    ),
    max_size=80,
)
STRATA = [Stratum(f"s{n}", "", n, 10 ** (n + 1)) for n in range(4)]


@settings(max_examples=120, deadline=None)
@given(OUTCOMES)
def test_what_a_review_comes_to_adds_up(outcomes) -> None:
    said = verdicts.weigh(outcomes, STRATA, check=CHECK, population=10_000)
    counts = Counter(each.settled for each in outcomes)
    judged = counts["pass"] + counts["fail"]
    assert (said["judged"], said["passed"], said["erased"]) == (
        judged, counts["pass"], counts["erased"],
    )  # fmt: skip
    assert said["share"] == share(counts["pass"], judged)
    strata = said["strata"]
    assert isinstance(strata, list)
    assert sum(int(each["of"]) for each in strata) == judged  # type: ignore[call-overload,index,arg-type]
    assert sum(int(each["found"]) for each in strata) == counts["pass"]  # type: ignore[call-overload,index,arg-type]
    enough = len(outcomes) >= 10 and judged > 0
    assert said["meets_standard"] == (enough and counts["pass"] * 1000 >= 960 * judged)
    sure = wilson(counts["pass"], judged)[0] >= 0.96
    assert said["meets_with_confidence"] == (enough and sure)
    met = {each.stratum for each in outcomes if each.settled in ("pass", "fail")}
    if met:
        weight = sum(STRATA[n].documents for n in met)
        expected = Fraction(0)
        for n in met:
            mine = [each.settled for each in outcomes if each.stratum == n]
            passed, of = mine.count("pass"), len(mine) - mine.count("erased")
            expected += Fraction(STRATA[n].documents, weight) * Fraction(passed, of)
        assert float(str(said["weighted_share"])) == pytest.approx(float(expected), abs=1e-3)
    else:
        assert said["weighted_share"] is None
    assert canonical_bytes(said)


@pytest.mark.parametrize("items", [*range(1, 200, 7), 500, 4000, 4001])
def test_the_passes_needed_are_the_fewest_and_no_pass_more_is_asked(items: int) -> None:
    for check in rules().checks.values():
        plain, sure = verdicts.needed(items, check)
        bound = Fraction(check.pass_per_thousand_min, 1000)
        assert Fraction(plain, items) >= bound > Fraction(plain - 1, items)
        assert plain <= sure <= items + 1
        if sure <= items:
            assert wilson(sure, items)[0] >= float(bound)
        assert wilson(sure - 1, items)[0] < float(bound)


@settings(max_examples=100)
@given(st.integers(0, 200_000))
def test_as_many_items_are_drawn_as_the_standard_asks_or_there_are(population: int) -> None:
    for check in rules().checks.values():
        items = check.items(population)
        wanted = max(check.items_min, Fraction(population * check.share_percent_min, 100))
        assert items <= population
        assert items == population or wanted <= items < wanted + 1


def every_terms() -> list[Terms]:
    some = [terms(each) for each in known()]
    return [*some, terms("nobody knows"), terms("合同", {"may_train": "yes", "commercial": "no"})]


def test_merging_is_the_same_in_any_order_and_never_permits_more() -> None:
    rank = {"no": 0, "unknown": 1, "yes": 2}
    for one, other in itertools.combinations(every_terms(), 2):
        both = merged([one, other])
        assert both == merged([other, one]) == merged([one, other, one])
        for name in PERMISSIONS:
            least = min(rank[getattr(one, name)], rank[getattr(other, name)])
            assert rank[getattr(both, name)] <= least
        for name in DUTIES:
            assert rank[getattr(both, name)] == max(
                rank[getattr(one, name)], rank[getattr(other, name)]
            )
        assert both.verified == (one.verified and other.verified)
    for each in every_terms():
        assert merged([each]) == each


def test_every_licence_of_the_rule_data_answers_every_question() -> None:
    for each in known():
        for written in (each, each.lower(), each.replace("-", " "), f" {each.upper()} ".strip()):
            found = terms(written)
            assert found.licences == (each,)
            assert {getattr(found, name) for name in (*PERMISSIONS, *DUTIES)} <= set(ANSWERS)
        assert terms(each, {"may_train": "yes"}).may_train == (
            "yes" if "contract" in each else terms(each).may_train
        )


TABLE = st.dictionaries(
    st.sampled_from(["length", "personal", "similar"]),
    st.dictionaries(st.sampled_from(["a", "b", "too_short"]), st.integers(1, 50), max_size=3),
    max_size=3,
)
DETAILS = st.dictionaries(
    st.sampled_from(PERSONAL_TYPES),
    st.fixed_dictionaries({"spans": st.integers(1, 9), "documents": st.integers(1, 9)}),
    max_size=4,
)
GROUPS = st.dictionaries(st.integers(1, 999), st.integers(1, 99), max_size=5)
LABELS = st.dictionaries(st.text(max_size=3), st.integers(1, 9), max_size=3)
DIGEST = Digests(*(sha256(bytes([n])) for n in range(5)))
PIPELINE = build(profiles.built_in("zh-short"))


def a_request(tmp_path) -> CleanseRequest:
    return CleanseRequest(
        key="k",
        path=tmp_path / "x.jsonl",
        name="one",
        holder="org",
        licence="CC-BY-4.0",
        synthetic=False,
        columns=Columns("text"),
        profile=profiles.built_in("zh-short"),
    )


@settings(max_examples=40, deadline=None)
@given(TABLE, TABLE, DETAILS, GROUPS, LABELS, st.integers(0, 5))
def test_a_certificate_counts_what_the_statistics_count(
    tmp_path_factory, dropped, repaired, details, groups, labels, bare
) -> None:
    statistics = Statistics(
        documents_in=900,
        documents_out=800,
        dropped=dropped,
        repaired=repaired,
        details=details,
        released_groups={f"{size:09d}": count for size, count in groups.items()},
        labels=labels,
        unlabelled=bare,
    )
    said = certificate.body(
        a_request(tmp_path_factory.getbasetemp()),
        statistics,
        PIPELINE,
        digests=DIGEST,
        encoding="utf-8",
        input_bytes=5,
        sampled=3,
        truth=None,
    )
    decisions, near = said["decisions"], said["near_duplicates"]
    assert isinstance(decisions, dict)
    assert isinstance(near, dict)
    reasons: Counter[str] = Counter()
    for each in dropped.values():
        reasons.update(each)
    assert decisions["dropped"] == reasons
    assert decisions["documents_dropped"] == reasons.total()
    several = {size: count for size, count in groups.items() if size > 1}
    assert near["groups"] == sum(groups.values())
    assert near["groups_of_several"] == sum(several.values())
    assert near["documents_in_them"] == sum(size * count for size, count in several.items())
    assert near["largest"] == max(groups, default=0)
    personal, counted = said["personal_details"], said["labels"]
    assert isinstance(personal, dict)
    assert isinstance(counted, list)
    assert personal["by_type"] == details
    by_label = {each["label"]: each["documents"] for each in counted}  # type: ignore[index,call-overload]
    assert by_label == labels | ({None: bare} if bare else {})
    assert canonical_bytes(said) == canonical_bytes(json.loads(json.dumps(said)))
    assert Statistics.of_json(said["statistics"]) == statistics  # type: ignore[arg-type]


def test_a_certificate_of_a_registered_source_names_it_and_its_terms(tmp_path) -> None:
    given_ = {
        "digests": DIGEST,
        "encoding": "utf-8",
        "input_bytes": 5,
        "sampled": 3,
        "truth": {"recall": "1"},
    }
    plain = certificate.body(a_request(tmp_path), Statistics(), PIPELINE, **given_)
    assert "registered" not in plain["source"]  # type: ignore[operator]
    assert plain["truth"] == {"recall": "1"}
    assert plain["residual_risk"] is None
    claim = plain["de_identification"]
    assert isinstance(claim, dict)
    assert claim["claim"] == "de-identified"
    limits = claim["limits"]
    assert isinstance(limits, list)
    assert len(set(map(str, limits))) == 6
    for name in ("input", "output", "decisions", "personal_details", "sample"):
        part = plain[name]
        assert isinstance(part, dict)
        assert str(part["digest"]).startswith("sha256:")
