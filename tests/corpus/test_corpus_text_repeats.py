"""Repetition: runs of characters, of words, and of lines, each against a plain reference."""

from __future__ import annotations

from collections import Counter
from math import isqrt

import numpy as np
import pytest
from corpus_steps import bytes_of, outcome, reasons, step
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.corpus.kernels import lines, repeats
from yunhe.corpus.kernels.classes import classes

PARTS = st.sampled_from(
    ["哈", "好", "小区门口的路灯", "ab", " ", "，", "。\n", "C3", "坏了三天没有人"]
)
PIECES = st.one_of(
    st.lists(PARTS, max_size=40).map("".join),
    st.tuples(st.lists(PARTS, min_size=1, max_size=3).map("".join), st.integers(1, 60)).map(
        lambda pair: pair[0] * pair[1]
    ),
)
TEXTS = st.lists(
    st.tuples(PIECES, PIECES, st.integers(1, 4)).map(
        lambda three: (three[0] + three[1]) * three[2]
    ),
    max_size=4,
)
PEER = {
    "judged_characters_min": 10,
    "top_per_thousand_max": 600,
    "repeated_per_thousand_max": 800,
}
ORDINARY = "小区门口的路灯坏了三天，晚上回家看不清路，请尽快派人来修；昨天又有人摔倒了。"
FINEWEB = {
    "judged_units_min": 16,
    **{f"repeated_{n}_per_thousand_max": v for n, v in
       zip(range(5, 11), (198, 182, 167, 154, 140, 127), strict=True)},
    **{f"top_{n}_per_thousand_max": v for n, v in zip((2, 3, 4), (256, 201, 171), strict=True)},
}  # fmt: skip
LINES = {
    "judged_lines_min": 4,
    "repeated_lines_per_thousand_max": 287,
    "closed_lines_per_thousand_min": 106,
    "line_ends_per_thousand_max": 178,
}


def peer(text: str) -> str:
    """Data-Juicer's two filters, as their source reads."""
    runs = Counter(text[at : at + 10] for at in range(len(text) - 9))
    if not runs:
        return ""
    often = sorted(runs.values(), reverse=True)
    repeated = [count for count in often if count > 1]
    top = sum(often[: min(isqrt(len(often)), len(repeated))])
    if top * 1000 // sum(often) > 600:
        return "few_runs"
    return "repeated_runs" if sum(repeated) * 1000 // sum(often) > 800 else ""


@settings(deadline=None)
@given(TEXTS)
def test_texts_go_for_repetition_exactly_where_the_peers_formula_says(texts: list[str]) -> None:
    assert reasons("repetition", texts, PEER) == [peer(text) for text in texts]
    assert len(repeats.repeats.signatures) <= 1


@pytest.mark.parametrize("period", [1, 2, 3, 7, 50])
def test_a_long_text_of_one_run_over_and_over_never_slips_through_the_sampling(period: int) -> None:
    rng = np.random.default_rng(period)
    texts = [
        "".join(chr(0x4E00 + code) for code in rng.integers(0, 3000, period)) * (9000 // period)
        for _ in range(40)
    ]
    expected = [peer(text) for text in texts]
    assert set(expected) <= {"few_runs", "repeated_runs"}
    assert reasons("repetition", texts, PEER) == expected


def test_ordinary_and_short_texts_are_not_repetitive() -> None:
    assert reasons("repetition", [ORDINARY, "好", "", "哈" * 9], PEER) == [""] * 4
    assert reasons("ngrams", [ORDINARY, "好", "", "哈" * 15], FINEWEB) == [""] * 4


def units(text: str) -> list[str]:
    found, word, table = [], "", classes()
    for character in text:
        kind = int(table[ord(character)])
        single = 7 <= kind <= 12
        if 4 <= kind <= 16 and not single:
            word += character
            continue
        if word:
            found.append(word)
            word = ""
        if single:
            found.append(character)
    return [*found, word] if word else found


def fineweb(text: str) -> str:
    """datatrove's two measures, on units."""
    whole = units(text)
    if len(whole) < FINEWEB["judged_units_min"]:
        return ""
    for words, size in ((5, 8), (6, 10), (7, 11), (8, 13), (9, 14), (10, 16)):
        seen, place, again = set(), 0, 0
        while place + size <= len(whole):
            run = tuple(whole[place : place + size])
            again += size if run in seen else 0
            place += size if run in seen else 1
            seen.add(run)
        if again * 1000 // len(whole) > FINEWEB[f"repeated_{words}_per_thousand_max"]:
            return "repeated_ngrams"
    for words, size in ((2, 3), (3, 5), (4, 6)):
        runs = Counter(tuple(whole[at : at + size]) for at in range(len(whole) - size + 1))
        often = max(runs.values())
        share = often * size * 1000 // len(whole)
        if often > 1 and share > FINEWEB[f"top_{words}_per_thousand_max"]:
            return "frequent_ngram"
    return ""


@settings(deadline=None)
@given(TEXTS)
def test_texts_go_for_ngrams_exactly_where_the_reference_says(texts: list[str]) -> None:
    assert reasons("ngrams", texts, FINEWEB) == [fineweb(text) for text in texts]
    assert len(repeats.skipping.signatures) <= 1
    assert len(repeats.runs_in.signatures) <= 1


@settings(deadline=None)
@given(TEXTS)
def test_units_are_hanzi_and_runs_of_other_letters(texts: list[str]) -> None:
    inputs, count = bytes_of(texts), len(texts)
    found = [np.zeros(count, np.int64) for _ in range(4)]
    repeats.repeats(inputs.data, inputs.offsets, classes(), 0, 8, 3, 1, 1, *found)
    assert found[0].tolist() == [len(units(text)) for text in texts]
    for text, most in zip(texts, found[3].tolist(), strict=True):
        whole = units(text)
        runs = Counter(tuple(whole[at : at + 3]) for at in range(len(whole) - 2))
        assert most >= max(runs.values(), default=0)


def closing(text: str) -> tuple[int, int, int]:
    seen, count, closed, again = set(), 0, 0, 0
    for line in (each.strip(" \t\r\n") for each in text.split("\n")):
        if line:
            count += 1
            closed += line[-1] in "。！？…；：.!?;:”’」』》）】\"')]~～"
            again += line in seen and len(line.encode()) >= 8
            seen.add(line)
    return count, closed, again


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from(
    ["路灯坏了。", "好", " ", "\n", "\n\n", "返回首页 ", "end.", "}", "小区门口"]),
    max_size=20).map("".join),
    max_size=5))  # fmt: skip
def test_lines_are_counted_as_the_reference_counts_them(texts: list[str]) -> None:
    inputs, count = bytes_of(texts), len(texts)
    breaks = np.array([text.count("\n") for text in texts], np.int32)
    found = [np.zeros(count, np.int64) for _ in range(3)]
    lines.lines(inputs.data, inputs.offsets, breaks, lines.ends(), *found)
    expected = [closing(text) if "\n" in text else (0, 0, 0) for text in texts]
    assert list(zip(*(column.tolist() for column in found), strict=True)) == expected
    assert len(lines.lines.signatures) == 1


def test_menus_lists_and_repeated_lines_are_dropped_and_paragraphs_are_not() -> None:
    paragraphs = "\n".join(ORDINARY + str(number) + "。" for number in range(8))
    again = "\n".join([ORDINARY] * 6 + ["另有一行不同的话，说的是别的事情。"] * 2)
    menu = "\n".join(f"小区门口的路灯坏了三天晚上回家看不清路请派人来修第{n}项" for n in range(9))
    poem = "\n".join(["床前明月光，", "疑是地上霜。", "举头望明月，"])
    listed = "\n".join(f"第{number}项。" for number in range(30))
    found = reasons("lines", [paragraphs, again, menu, poem, listed], LINES)
    assert found == ["", "repeated_lines", "open_lines", "", "list_like"]
    scores = outcome("lines", [paragraphs, again, menu, poem, listed], LINES).scores.tolist()
    assert scores[1] == 750


@pytest.mark.parametrize(("name", "word"), [("spam", "代开发票，"), ("abuse", "")])
def test_points_of_a_long_text_count_for_each_thousand_letters_where_asked(
    name: str, word: str
) -> None:
    bad = "专业代开各类发票，加微信abc12345" if word else "你们这帮饭桶，只会踢皮球，滚蛋吧"
    long = bad + "小区门口的路灯坏了三天没有人来修。" * 400
    least = {"points_min": 3}
    assert reasons(name, [bad, long], least) == [name, name]
    assert reasons(name, [bad, long], least, per="thousand") == [name, ""]
    assert step(name).options["per"][0] == "document"
