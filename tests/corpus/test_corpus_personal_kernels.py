"""The kernels of the scan beside plain Python, and what they cost on hostile text."""

from __future__ import annotations

import random
import re
import time

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.corpus.kernels import checksums
from yunhe.corpus.kernels.blanked import BLANK, END, OUTSIDE, blanked, shadow
from yunhe.corpus.kernels.candidates import candidates
from yunhe.corpus.kernels.digits import is_birthday, is_checked, is_luhn, is_region
from yunhe.corpus.kernels.mails import mails
from yunhe.corpus.kernels.numbers import numbers
from yunhe.corpus.kernels.places import as_bytes, characters
from yunhe.corpus.kernels.shadow import half_width
from yunhe.corpus.kernels.utf8 import utf8
from yunhe.corpus.kernels.words import begun, ended, said, words_of
from yunhe.corpus.personal.found import as_spans
from yunhe.corpus.personal.scan import scan

TEXTS = st.lists(st.text(max_size=40) | st.text("a.:/wh@ `\n文，1·x", max_size=60), max_size=5)


def by_hand(text: str) -> list[int]:
    """The shadow of one text, character by character, links and code not blanked."""
    table, codes = half_width(), []
    for character in text:
        code = ord(character)
        digit = code - 0x1D7CE
        styled = 0x30 + digit % 10 if 0 <= digit < 50 else OUTSIDE
        codes.append(int(table[code]) if code < 0x10000 else styled)
    return codes


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_the_shadow_has_a_code_for_every_character_and_an_end_for_every_text(
    texts: list[str],
) -> None:
    made = blanked(utf8(pa.array(texts, pa.large_string())))
    expected = [code for text in texts for code in (*by_hand(text), END)]
    assert len(made.codes) == len(expected)
    differing = np.flatnonzero(made.codes != np.array(expected, np.uint16))
    assert set(made.codes[differing].tolist()) <= {BLANK}
    lengths = [len(text) + 1 for text in texts]
    assert made.begins.tolist() == [sum(lengths[:n]) for n in range(len(texts))]


def blank_in(text: str) -> str:
    """The parts of a text that are read as blank."""
    codes = blanked(utf8(pa.array([text], pa.large_string()))).codes[:-1]
    return "".join(c for c, code in zip(text, codes.tolist(), strict=True) if code == BLANK)


@pytest.mark.parametrize(
    ("text", "blank"),
    [
        ("见https://a.cn/b?x=1中文", "https://a.cn/b?x=1"),
        ("见 www.a.com/x，然后", "www.a.com/x"),
        ("在img.a.com/13.jpg里", "img.a.com/13.jpg"),
        ("git://h/x,后", "git://h/x"),
        ("端口a.com:8080/x。", "a.com:8080/x"),
        ("写信x@a.com/后", ""),
        ("`a+b`与`引文`", "`a+b`"),
        ("```\nx=1\n说明2\ny```后", "```x=1y```"),
        ("比例3://4与a.b.c", ""),
        ("```没有结束", ""),
    ],
)
def test_links_and_code_are_blank_and_the_chinese_around_them_is_not(text: str, blank: str) -> None:
    assert blank_in(text).replace("\n", "") == blank


@settings(deadline=None)
@given(TEXTS)
def test_blanking_makes_no_hanzi_blank_but_in_code(texts: list[str]) -> None:
    for text in texts:
        assert "```" in text or not re.search("[\u4e00-\u9fff]", blank_in(text))


@settings(deadline=None)
@given(st.text("0123456789", min_size=18, max_size=18))
def test_check_digits_in_kernels_are_those_of_the_plain_rules(text: str) -> None:
    digits = np.array([int(one) for one in text], np.int64)
    assert is_region(digits) == checksums.has_region(text[:6])
    assert is_birthday(digits) == checksums.has_birthday(text[6:14])
    assert is_checked(digits) == (checksums.id_check_digit(text[:17]) == text[17])
    for length in (16, 17, 18):
        assert is_luhn(digits, length) == checksums.has_luhn(text[:length])


@settings(deadline=None)
@given(st.text("ab号x电话", max_size=12), st.integers(0, 12))
def test_words_are_said_ended_and_begun_as_in_plain_python(text: str, at: int) -> None:
    lists = {1: ["a", "电话", "ab"], 2: ["话", "号a"], 4: ["电话号"]}
    words, at = words_of(lists), min(at, len(text))
    codes = np.array([*map(ord, text), 0], np.uint16)
    head = text[:at]
    inside = sum(bit for bit, words_ in lists.items() if any(one in head for one in words_))
    last = sum(bit for bit, words_ in lists.items() if any(head.endswith(one) for one in words_))
    first = max((len(one) for one in lists[1] if text[at:].startswith(one)), default=0)
    assert said(codes, 0, at, words) == inside
    assert ended(codes, 0, at, words) == last
    assert begun(codes, at, words, 1) == at + first


def test_a_word_of_no_length_or_too_long_is_refused() -> None:
    for word in ("", "字" * 13):
        with pytest.raises(ValueError, match="1 to 12"):
            words_of({1: [word]})


@settings(deadline=None)
@given(TEXTS, st.data())
def test_bytes_and_characters_of_a_place_are_those_of_the_text(
    texts: list[str], data: st.DataObject
) -> None:
    if not any(texts):
        return
    array = utf8(pa.array(texts, pa.large_string()))
    drawn = data.draw(st.integers(0, len(texts) - 1).filter(lambda n: bool(texts[n])))
    start = data.draw(st.integers(0, len(texts[drawn]) - 1))
    end = data.draw(st.integers(start + 1, len(texts[drawn])))
    begins = np.array([sum(len(t) + 1 for t in texts[:n]) for n in range(len(texts))], np.int64)
    places = np.array([begins[drawn] + start, begins[drawn] + end], np.int64)
    bytes_ = np.empty(2, np.int64)
    as_bytes(array.data, array.offsets, begins, places, bytes_)
    value = array.data[bytes_[0] : bytes_[1]].tobytes().decode()
    assert value == texts[drawn][start:end]
    first, last = np.empty(1, np.int32), np.empty(1, np.int32)
    document = np.array([drawn], np.int64)
    bounds = (bytes_[:1].copy(), bytes_[1:].copy())
    characters(array.data, array.offsets, document, *bounds, first, last)
    assert (first[0], last[0]) == (start, end)


@settings(max_examples=60, deadline=None)
@given(TEXTS)
def test_a_scan_is_the_same_every_time_and_of_part_of_a_batch(texts: list[str]) -> None:
    texts = ["前", *texts, "电话13812345678"]
    whole = pa.array(texts, pa.large_string())
    seen, part = utf8(whole), utf8(whole.slice(1))
    found, again, sliced = scan(seen), scan(seen), scan(part)
    assert found.starts.tolist() == again.starts.tolist() == sliced.starts.tolist()
    spans = as_spans(sliced, part)
    for document, start, end in zip(spans.documents, spans.starts, spans.ends, strict=True):
        assert 0 <= start < end <= len(texts[1 + document])


def test_a_scan_of_nothing_finds_nothing() -> None:
    for texts in ([], [""], ["", ""]):
        assert len(scan(utf8(pa.array(texts, pa.large_string())))) == 0


def test_every_kernel_is_compiled_for_one_set_of_types() -> None:
    scan(utf8(pa.array(["电话13812345678，a@qq.com"], pa.large_string())))
    for made in (shadow, candidates, numbers, mails, as_bytes, characters):
        assert len(made.signatures) <= 1  # type: ignore[union-attr]


def cpu_seconds(text: str) -> float:
    seen = utf8(pa.array([text], pa.large_string()))
    spent = []
    for _ in range(3):
        before = time.process_time()
        scan(seen)
        spent.append(time.process_time() - before)
    return min(spent)


@pytest.mark.parametrize("alphabet", ["0123456789", "0123456789@-", "1 ", "-1", "@a.", "86 1"])
def test_hostile_digits_are_scanned_in_linear_time(alphabet: str) -> None:
    drawn = random.Random(alphabet)
    text = "".join(drawn.choices(alphabet, k=800_000))
    cpu_seconds("1@a.cn")
    assert cpu_seconds(text) < 16 * cpu_seconds(text[:100_000]) + 0.02
