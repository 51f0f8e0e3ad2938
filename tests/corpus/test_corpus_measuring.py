"""What measures us is itself checked: invented details by other means, scores by other formulas."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from datetime import date
from itertools import pairwise

import numpy as np
import pytest
from corpus_marked import credit_code, identity, luhn
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, f1_score

from yunhe.corpus.domain import PersonalType
from yunhe.corpus.intervals import wilson
from yunhe.corpus.personal.found import Found
from yunhe.corpus.personal.invented import Inventor, lists
from yunhe.corpus.personal.probes import KINDS, Probe, probes, variants
from yunhe.corpus.personal.probing import covered, plant
from yunhe.corpus.personal.values import digits
from yunhe.corpus.toxicity import model
from yunhe.corpus.toxicity.rows import Labelled
from yunhe.corpus.toxicity.training import DRAWS, evaluate

SEEDS = st.integers(0, 1 << 40)


# --- invented details ----------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_invented_identities_have_a_birthday_and_the_right_check_sign(seed: int) -> None:
    one = Inventor(seed)
    for number in (one.identity(), one.crossed()):
        assert identity(number[:6], number[6:14], number[14:17]) == number
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
        assert 1945 <= born.year <= 2008
        assert number[14:17] != "000"
    assert one.crossed()[-1] == "X"
    wrong = one.wrong_identity()
    assert identity(wrong[:6], wrong[6:14], wrong[14:17]) != wrong
    old = one.old_identity()
    assert len(old) == 15
    assert date(1900 + int(old[6:8]), int(old[8:10]), int(old[10:12]))


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.sampled_from([16, 17, 18, 19]))
def test_invented_numbers_have_their_lengths_and_check_signs(seed: int, length: int) -> None:
    one = Inventor(seed)
    card = one.card(length)
    assert (len(card), luhn(card[:-1])) == (length, card)
    code = one.credit_code()
    assert credit_code(code[:17]) == code
    assert re.fullmatch(r"1[3-9][0-9]{9}", one.mobile())
    area = one.area()
    assert re.fullmatch(r"0[0-9]{2,3}", area)
    assert len(area) + len(one.local(area)) == 11
    assert re.fullmatch(r"[A-Z]", one.plate(5)[0][1])
    assert len(one.plate(5)[1]) == 5
    assert len(one.plate(6)[1]) == 6
    assert not re.search("[IO]", "".join(one.plate(6)) + "".join(one.plate(5)))
    assert one.digits(length)[0] != "0"
    assert len(one.digits(length)) == length


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_invented_addresses_of_the_network_are_public(seed: int) -> None:
    one = Inventor(seed)
    assert ipaddress.IPv4Address(one.ip()).is_global
    assert ipaddress.IPv6Address(one.ip6()).is_global
    assert re.fullmatch(r"[a-z0-9._]+", one.account())
    assert "." in one.host()
    assert "." in one.provider()


@pytest.mark.parametrize("kind", KINDS)
def test_every_way_of_writing_a_kind_spells_a_value_of_that_kind(kind: PersonalType) -> None:
    made = probes(kind, 6 * len(variants(kind)), seed=7)
    for one in made:
        assert one.type == kind
        assert one.value.strip() == one.value != ""
        if kind == "PHONE":
            assert re.fullmatch(r"(0{0,2}86)?1[3-9]\d{9}", digits(one.value))
        if kind in ("ID", "ID_BAD"):
            number = digits(one.value.replace("\u200b", ""))
            right = len(number) == 15 or identity(number[:6], number[6:14], number[14:17]) == number
            assert right == (kind == "ID")
        if kind == "BANK":
            number = unicodedata.normalize("NFKC", one.value).translate({32: None, 45: None})
            assert luhn(number[:-1]) == number
        if kind == "USCC":
            code = unicodedata.normalize("NFKC", one.value).replace(" ", "").upper()
            assert credit_code(code[:17]) == code
        if kind == "IP":
            assert ipaddress.ip_address(unicodedata.normalize("NFKC", one.value)).is_global
        if kind == "PLATE":
            plate = unicodedata.normalize("NFKC", one.value).upper()
            assert re.fullmatch(r"\w[A-HJ-NP-Z][·•. -]?[A-HJ-NP-Z0-9]{5,6}", plate)
    assert len({one.value for one in made}) > len(made) // 2 or kind == "NAME"


def test_no_carrier_ends_inside_a_number_or_holds_a_detail_itself() -> None:
    for name, lines in lists().items():
        assert lines, name
        assert all("\t" not in line for line in lines)
    for kind in KINDS:
        for one in probes(kind, 40, seed=3):
            assert not re.search(r"[0-9]{7}", one.before + one.after)
            assert "|" not in one.before + one.value + one.after


# --- recall --------------------------------------------------------------------------------------


def found_of(places: list[tuple[int, int]]) -> Found:
    columns = np.array(places, np.int64).reshape(-1, 2).T
    codes = np.zeros(len(places), np.uint8)
    return Found(np.ascontiguousarray(columns[0]), np.ascontiguousarray(columns[1]),
                 codes, codes, codes)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.integers(-2, 2), st.integers(-2, 2), st.integers(0, 1 << 20))
def test_a_probe_counts_only_if_all_of_it_lies_in_one_find(
    first: int, last: int, seed: int
) -> None:
    one = Probe("PHONE", "plain", "号码是", "13912345678", "，谢谢")
    planted = plant([one], ["甲乙。丙丁，戊己。"], seed=seed)
    text, start, end = planted[0]
    low, high = len(text[: start + first].encode()), len(text[: end + last].encode())
    hit = covered([one], planted, lambda _: found_of([(low, high)]))
    assert hit == [first <= 0 <= last]
    middle = len(text[: start + 5].encode())
    halves = [(len(text[:start].encode()), middle), (middle, len(text[:end].encode()))]
    assert covered([one], planted, lambda _: found_of(halves)) == [False]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text("甲乙，。1a \n", max_size=40), max_size=4), SEEDS)
def test_planting_changes_nothing_of_the_text_around(texts: list[str], seed: int) -> None:
    made = probes("QQ", 5, seed=seed)
    for one, (text, start, end) in zip(made, plant(made, texts, seed=seed), strict=True):
        assert text[start:end] == one.value
        head, tail = text[: start - len(one.before)], text[end + len(one.after) :]
        assert text[end : end + len(one.after)] == one.after
        whole = head + tail
        assert any(
            whole == given_ or head.removesuffix("，") + tail == given_ for given_ in [*texts, ""]
        )


@settings(deadline=None)
@given(st.integers(0, 500), st.integers(0, 500))
def test_an_interval_holds_its_share_and_solves_wilsons_equation(found: int, more: int) -> None:
    of = found + more
    low, high = wilson(found, of)
    if of == 0:
        assert (low, high) == (0.0, 1.0)
        return
    share = found / of
    assert 0 <= low <= share <= high <= 1
    for end in (low, high):  # the ends are where the share lies 1.96 standard errors away
        if 0 < end < 1:
            error = 1.959963984540054 * np.sqrt(end * (1 - end) / of)
            assert abs(abs(end - share) - error) < 1e-9
    mirrored = wilson(more, of)
    assert abs(mirrored[0] - (1 - high)) < 1e-12


# --- a classifier's report -----------------------------------------------------------------------


class Given(model.Classifier):
    """A classifier whose chances are written in its texts."""

    def per_thousand(self, texts: object) -> np.ndarray:
        data, offsets = texts  # type: ignore[misc]
        return np.array(
            [int(data[low:high].tobytes()) for low, high in pairwise(offsets)],
            np.int32,
        )


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 999), st.booleans()), min_size=1, max_size=60))
def test_the_report_agrees_with_scikit_learn(rows: list[tuple[int, bool]]) -> None:
    labelled = Labelled(tuple(str(score) for score, _ in rows), tuple(toxic for _, toxic in rows))
    judge = Given(np.zeros(2, np.int16), np.zeros(model.CHANCES, np.int64))
    report = evaluate(judge, labelled, np.arange(len(rows)), seed=1)
    truth = np.array(labelled.toxic)
    scores = np.array([score for score, _ in rows])
    said = scores >= 500
    cells = confusion_matrix(truth, said, labels=[True, False])
    names = ("true_toxic", "false_other", "false_toxic", "true_other")
    assert [report[name] for name in names] == cells.ravel().tolist()
    assert report["rows"] == len(rows)
    f1 = f1_score(truth, said, zero_division=0)
    assert abs(int(report["f1_per_10000"]) - 10000 * f1) < 1  # type: ignore[call-overload]
    assert int(report["f1_low_per_10000"]) <= int(report["f1_high_per_10000"])  # type: ignore[call-overload]
    assert report == evaluate(judge, labelled, np.arange(len(rows)), seed=1)
    assert DRAWS >= 1000
    for wish in report["thresholds"]:  # type: ignore[union-attr]
        above = scores > wish["score_per_thousand_max"]  # type: ignore[index,call-overload]
        right = int((above & truth).sum())
        assert right * 100 >= wish["precision_percent"] * int(above.sum())  # type: ignore[index,call-overload]
        assert wish["recall_per_thousand"] == 1000 * right // int(truth.sum())  # type: ignore[index,call-overload]


def test_a_report_on_no_rows_claims_nothing() -> None:
    judge = Given(np.zeros(2, np.int16), np.zeros(model.CHANCES, np.int64))
    report = evaluate(judge, Labelled((), ()), np.empty(0, np.int64), seed=1)
    assert (report["rows"], report["f1_per_10000"], report["thresholds"]) == (0, 0, [])
    assert (report["f1_low_per_10000"], report["f1_high_per_10000"]) == (0, 10000)
