"""What judgements come to: both verdicts, with intervals, and how far reviewers agree. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import sqrt

from yunhe.corpus.intervals import Z_95, share, wilson
from yunhe.corpus.review.domain import Check, Settled, Stratum, Verdict
from yunhe.kernel.canonical import JsonObject, decimal_text

STRATA_SHOWN_MAX = 100
"""Strata written out in a result, the largest first; the others are counted."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one item came to."""

    stratum: int
    """Position in the list of strata."""
    settled: Settled
    """Pass, fail, or erased before anybody could say."""
    reasons: tuple[str, ...] = ()
    """Why it failed."""


def needed(items: int, check: Check) -> tuple[int, int]:
    """Fewest passes of so many items that meet the check, and that meet it with 95 % confidence.

    The latter is the fewest whose Wilson lower bound reaches the share; ``items + 1`` where not
    even all of them would do.
    """
    plain = -(-items * check.pass_per_thousand_min // 1000)
    low, high = plain, items + 1
    while low < high:
        middle = (low + high) // 2
        if wilson(middle, items)[0] * 1000 >= check.pass_per_thousand_min:
            high = middle
        else:
            low = middle + 1
    return plain, low


def weigh(
    outcomes: Sequence[Outcome], strata: Sequence[Stratum], *, check: Check, population: int
) -> JsonObject:
    """Both verdicts with what they rest on. Items that were erased count neither way.

    ``share`` is of the items, as the standard counts. ``weighted_share`` gives every stratum its
    part of the dataset, because small strata are looked at more closely than their size asks for.
    """
    counted = [each for each in outcomes if each.settled in ("pass", "fail")]
    passed = sum(each.settled == "pass" for each in counted)
    plain, sure = needed(len(counted), check)
    enough = len(outcomes) >= check.items(population) and bool(counted)
    return {
        "kind": check.kind,
        "standard": check.standard,
        "verified": check.verified,
        "source": check.source,
        "population": population,
        "items": len(outcomes),
        "items_asked": check.items(population),
        "judged": len(counted),
        "erased": len(outcomes) - len(counted),
        "passed": passed,
        "share": share(passed, len(counted)),
        "weighted_share": _weighted(counted, strata),
        "pass_per_thousand_min": check.pass_per_thousand_min,
        "passes_needed": plain,
        "passes_needed_with_confidence": sure,
        "meets_standard": enough and passed >= plain,
        "meets_with_confidence": enough and passed >= sure,
        "reasons": _reasons(counted),
        **_by_stratum(counted, strata),
    }


def _reasons(outcomes: Iterable[Outcome]) -> JsonObject:
    return dict(sorted(Counter(reason for each in outcomes for reason in each.reasons).items()))


def _weighted(outcomes: Sequence[Outcome], strata: Sequence[Stratum]) -> str | None:
    judged = Counter(each.stratum for each in outcomes)
    passed = Counter(each.stratum for each in outcomes if each.settled == "pass")
    documents = sum(strata[place].documents for place in judged)
    if not documents:
        return None
    whole = sum(
        (
            Fraction(strata[place].documents * passed[place], count)
            for place, count in judged.items()
        ),
        Fraction(0),
    )
    return decimal_text(float(whole / documents))


def _by_stratum(outcomes: Sequence[Outcome], strata: Sequence[Stratum]) -> JsonObject:
    judged = Counter(each.stratum for each in outcomes)
    passed = Counter(each.stratum for each in outcomes if each.settled == "pass")
    places = sorted(judged, key=lambda place: (-judged[place], place))
    shown: list[JsonObject] = [
        {
            "source": strata[place].source,
            "label": strata[place].label,
            "length": strata[place].length,
            "documents": strata[place].documents,
            **share(passed[place], judged[place]),
        }
        for place in places[:STRATA_SHOWN_MAX]
    ]
    return {"strata": shown, "strata_more": max(len(places) - STRATA_SHOWN_MAX, 0)}


def agreement(pairs: Iterable[tuple[Verdict, Verdict]]) -> JsonObject:
    """How far two reviewers agree: counts, and Cohen's kappa with its 95 % interval.

    Each pair must name its reviewers in one order throughout; with more than two reviewers the
    pairs are pooled. Kappa is null where chance alone would make them agree (or nobody judged).

    Source: Cohen, A coefficient of agreement for nominal scales, Educational and Psychological
    Measurement 20 (1960), with its large-sample standard error.
    """
    table: Mapping[tuple[Verdict, Verdict], int] = Counter(pairs)
    both = sum(table.values())
    agreed = table.get(("pass", "pass"), 0) + table.get(("fail", "fail"), 0)
    counts: JsonObject = {
        "pairs": both,
        "agreed": agreed,
        "both_pass": table.get(("pass", "pass"), 0),
        "both_fail": table.get(("fail", "fail"), 0),
    }
    first = sum(count for (one, _), count in table.items() if one == "pass")
    second = sum(count for (_, other), count in table.items() if other == "pass")
    by_chance = first * second + (both - first) * (both - second)
    if by_chance == both * both:  # both said the same of every item, or nobody said anything
        return {**counts, "kappa": None, "low": None, "high": None}
    observed, expected = agreed / both, by_chance / both**2
    kappa = (observed - expected) / (1 - expected)
    half = Z_95 * sqrt(observed * (1 - observed) / both) / (1 - expected)
    return {
        **counts,
        "kappa": decimal_text(kappa),
        "low": decimal_text(max(-1.0, kappa - half)),
        "high": decimal_text(min(1.0, kappa + half)),
    }
