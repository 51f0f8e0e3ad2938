"""How single values read: rounding that does not flatter, cleaned text, amounts, ids."""

from __future__ import annotations

import unicodedata
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunhe.kernel.language import LANGUAGES
from yunhe.reports.values import Amount, Both, Phrase, Score
from yunhe.reports.wording import TEXT_LENGTH_MAX, Wording, clean, ratio

EN, ZH = Wording("en"), Wording("zh")
fractions = st.integers(0, 1_000_000).map(lambda i: f"{Decimal(i).scaleb(-6):.6f}")


@pytest.mark.parametrize(
    ("hidden", "shown"),
    [
        ("a\x1b[31mb", "a\ufffd[31mb"),
        ("a\x00b", "a\ufffdb"),
        ("a\u202eb", "a\ufffdb"),
        ("a\u2066b", "a\ufffdb"),
        ("a\ufeffb", "a\ufffdb"),
        ("a\x9bb", "a\ufffdb"),
        ("a\ud800b", "a\ufffdb"),
        ("a\r\n\tb", "a   b"),
        ("中文，《》", "中文，《》"),
        ("👩\u200d💻", "👩\u200d💻"),
    ],
)
def test_characters_that_act_instead_of_showing_are_replaced(hidden, shown):
    assert clean(hidden) == shown


def test_a_very_long_text_is_cut_with_an_ellipsis():
    cut = clean("长" * (TEXT_LENGTH_MAX * 2))
    assert len(cut) == TEXT_LENGTH_MAX
    assert cut.endswith("…")
    assert clean("a" * TEXT_LENGTH_MAX) == "a" * TEXT_LENGTH_MAX


@given(st.text())
def test_cleaned_text_holds_no_control_or_direction_character(value):
    for character in clean(value):
        assert unicodedata.category(character) != "Cc"
        assert unicodedata.bidirectional(character) not in {"LRO", "RLO", "LRE", "RLE", "PDF"}


@given(st.text())
def test_cleaning_twice_is_cleaning_once(value):
    assert clean(clean(value)) == clean(value)


def test_words_read_in_each_language():
    assert EN.words(Both("tickets", "工单")) == "tickets"
    assert ZH.words(Both("tickets", "工单")) == "工单"
    assert EN.words("as it is") == ZH.words("as it is") == "as it is"
    full = Phrase("storage.disk_full", (("where", "/data"),))
    assert EN.words(full) == "The disk that holds /data is full."
    assert ZH.words(full) == "/data 所在的磁盘已满。"


@pytest.mark.parametrize(
    "code", ["/etc/passwd.x", "../../secret.x", "no dots", "", "a.b\nc", "A.b"]
)
def test_a_code_that_is_none_is_shown_and_never_looked_up(code):
    assert EN.words(Phrase(code)) == clean(code)


def test_an_unknown_code_is_shown_bare():
    assert EN.words(Phrase("compute.never_written")) == "compute.never_written"


@given(fractions)
def test_rounding_never_claims_perfection_or_nothing(value):
    shown = Decimal(EN.fraction(value))
    assert (shown == 1) == (Decimal(value) == 1)
    assert (shown == 0) == (Decimal(value) == 0)
    assert abs(shown - Decimal(value)) <= Decimal("0.001")


@given(fractions, fractions)
def test_an_interval_is_never_shown_narrower_than_it_is(one, other):
    low, high = sorted((one, other))
    shown = EN.score(Score(low, low, high)).split(" ", 1)[1].strip("[]").split(", ")
    assert Decimal(shown[0]) <= Decimal(low)
    assert Decimal(shown[1]) >= Decimal(high)
    share = EN.share(Score(low, low, high)).split("[")[1].strip("]").split(", ")
    assert Decimal(share[0]) <= Decimal(low) * 100
    assert Decimal(share[1]) >= Decimal(high) * 100


def test_scores_and_shares_read_as_people_write_them():
    score = Score("0.891200", "0.879900", "0.902510")
    assert EN.score(score) == "0.891 [0.879, 0.903]"
    assert EN.share(score) == "89.1 % [87.9, 90.3]"
    assert EN.score(Score("0.5")) == "0.500"
    assert EN.share(Score("1.000000", "0.998120", "1.000000")) == "100.0 % [99.8, 100.0]"
    assert EN.share(Score("0.999960", "0.999100", "1.000000")) == "99.9 % [99.9, 100.0]"


@pytest.mark.parametrize("value", ["", "n/a", "NaN", "Infinity", "<b>"])
def test_a_score_that_is_no_number_is_shown_as_it_came(value):
    assert ratio(value) is None
    assert EN.fraction(value) == value
    assert EN.percent(value) == value


def test_a_ratio_stays_between_nothing_and_one():
    assert ratio("1.5") == 1
    assert ratio("-3") == 0
    assert ratio(None) is None


@pytest.mark.parametrize(
    ("amount", "english", "chinese"),
    [
        (Amount(120_000, "CNY"), "CNY 1,200.00", "1,200.00 CNY"),
        (Amount(-5, "JPY"), "JPY -5", "-5 JPY"),
        (Amount(41_250, "device:cpu"), "41.250 device-seconds (cpu)", "41.250 设备秒（cpu）"),
        (Amount(300, "voucher:CNY"), "CNY 3.00 in vouchers", "算力券 3.00 CNY"),
        (Amount(500_000, "epsilon:tickets"), "ε 0.500000 (tickets)", "ε 0.500000（tickets）"),
        (Amount(1_234, "shells"), "1,234 × shells", "1,234 × shells"),
    ],
)
def test_amounts_carry_their_unit(amount, english, chinese):
    assert EN.amount(amount) == english
    assert ZH.amount(amount) == chinese


def test_amounts_of_different_units_are_not_added_up():
    assert EN.amounts((Amount(100, "CNY"), Amount(1_000, "device:cpu"))) == (
        "CNY 1.00 + 1.000 device-seconds (cpu)"
    )
    assert EN.amounts(()) == ""


def test_times_sizes_and_ids_are_short_and_exact_where_needed():
    at_us = 1_767_268_800_123_456
    assert EN.time(at_us) == "2026-01-01 12:00:00 UTC"
    assert EN.clock(at_us) == "12:00:00"
    assert EN.instant(at_us) == "2026-01-01T12:00:00.123456Z"
    assert [EN.size(n) for n in (0, 999, 1_402, 9_437_184, 5 * 10**13)] == [
        "0 B", "999 B", "1.4 kB", "9.4 MB", "50.0 TB"
    ]  # fmt: skip
    assert EN.short("sha256:" + "ab" * 32) == "ababababab…"
    assert EN.short("abc") == "abc"
    assert EN.brief("ans_0123456789abcdefghjkmnpqrs") == "ans_…jkmnpqrs"
    assert EN.brief("short") == "short"
    assert EN.brief("averyverylongidentifierwithoutprefix") == "aver…utprefix"


def test_lists_use_the_comma_of_the_language():
    both = (Both("a", "甲"), Both("b", "乙"))
    assert EN.many(both) == "a, b"
    assert ZH.many(both) == "甲、乙"


def test_values_are_told_apart_from_the_sentence_around_them():
    pieces = EN.pieces("meta.run", run="run_1\x1b")
    assert ("run_1\ufffd", True) in pieces
    assert "".join(text for text, _ in pieces) == EN.say("meta.run", run="run_1\x1b")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_sentence_nobody_wrote_is_a_mistake_and_not_a_blank(language):
    with pytest.raises(KeyError):
        Wording(language).say("never.written")


def test_braces_in_a_value_are_only_text():
    assert EN.say("meta.run", run="{run!r} {0}") == "Run {run!r} {0}"


def test_a_record_of_an_unknown_kind_proves_nothing_we_could_say():
    assert EN.proof("unknown.kind") == ""
    assert EN.named("kind", "unknown.kind") == "unknown.kind"
    assert "deployment" in EN.proof("serving.answer")
