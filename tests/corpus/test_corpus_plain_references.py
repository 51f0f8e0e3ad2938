"""Kernels beside what they mean, written once more in plain Python over whole characters."""

from __future__ import annotations

import unicodedata
from collections import Counter
from itertools import pairwise
from math import isqrt

import numpy as np
import pyarrow as pa
import pytest
from corpus_steps import array, bytes_of
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.corpus.kernels import boilerplate, classes, grams, linear, markup, measures, repeats
from yunhe.corpus.kernels.language import LANGUAGES, languages, shares
from yunhe.corpus.kernels.opencc import characters, digest, phrases
from yunhe.corpus.kernels.utf8 import utf8
from yunhe.corpus.kernels.words import LISTS, WORD_MAX, words_of

ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
MIXED = st.text("一二三国國aA1Ａ１é𝄞😀 \n\t，。&<`;#!/", max_size=80)
TEXTS = st.lists(ANY | MIXED, max_size=6)
WHOLE = (1 << 64) - 1


# --- what a text may hold ------------------------------------------------------------------------


def marked(text: str) -> int:
    found = 0
    for one, behind in pairwise(text):
        letter = behind.isascii() and behind.isalpha()
        if one == "`":
            found |= markup.CODE
        elif one == "&" and (letter or behind == "#"):
            found |= markup.ENTITY
        elif one == "<" and (letter or behind in "/!"):
            found |= markup.TAG
    return found


@settings(max_examples=150, deadline=None)
@given(st.lists(MIXED | ANY | MIXED.map(lambda text: text + "好" * 40 + "<b>"), max_size=6))
def test_leftovers_of_html_are_suspected_exactly_where_they_may_begin(texts: list[str]) -> None:
    found = np.zeros(len(texts), np.uint8)
    markup.marks(*bytes_of(texts), found)
    assert found.tolist() == [marked(text) for text in texts]
    assert len(markup.marks.signatures) == 1


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from(
        ["返回首页", "版权所有", "正文一句。", " ", "\n", "\r\n", "ab", "copyright", "责任编辑：某",
    ]), max_size=12).map("".join), max_size=5),
    st.sampled_from([12, 30, 200]),
)  # fmt: skip
def test_lines_with_a_listed_beginning_or_end_are_written_down(
    texts: list[str], longest: int
) -> None:
    table = np.zeros(boilerplate.SLOTS, np.uint8)
    begins, ends = ["返回首页", "copyright"], ["版权所有"]
    for word in begins:
        table[boilerplate.slot(word.encode()[: boilerplate.KEY_BYTES])] |= 1
    for word in ends:
        table[boilerplate.slot(word.encode()[-boilerplate.KEY_BYTES :])] |= 2
    table.flags.writeable = False
    columns = [np.empty(100, np.int64) for _ in range(3)]
    seen = bytes_of(texts)
    count = boilerplate.lines_like(*seen, table, longest, *columns)
    wanted, before = [], 0
    for text in texts:
        at = before
        for line in text.encode().split(b"\n"):
            bare = line.strip(bytes(range(0x21)))
            start = at + len(line) - len(line.lstrip(bytes(range(0x21))))
            first, last = bare[: boilerplate.KEY_BYTES], bare[-boilerplate.KEY_BYTES :]
            known = table[boilerplate.slot(first)] & 1 or table[boilerplate.slot(last)] & 2
            if boilerplate.KEY_BYTES <= len(bare) <= longest and known:
                wanted.append((start, start + len(bare)))
            at += len(line) + 1
        before += len(text.encode())
    found = [column[:count].tolist() for column in columns[:2]]
    assert list(zip(*found, strict=True)) == wanted
    few = [np.empty(1, np.int64) for _ in range(3)]
    assert boilerplate.lines_like(*seen, table, longest, *few) == count


# --- repeats -------------------------------------------------------------------------------------


def repeated(units: list[object], size: int) -> tuple[int, int]:
    """Runs that come more than once, and units within a run that was there before."""
    runs = [tuple(units[at : at + size]) for at in range(len(units) - size + 1)]
    often = Counter(runs)
    seen: set[tuple[object, ...]] = set()
    inside: set[int] = set()
    for at, run in enumerate(runs):
        if run in seen:
            inside |= set(range(at, at + size))
        seen.add(run)
    return sum(count for count in often.values() if count > 1), len(inside)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.text("一二三a𝄞", max_size=60), max_size=4), st.integers(1, 6))
def test_characters_in_runs_that_come_again_are_counted_exactly(
    texts: list[str], size: int
) -> None:
    seen = bytes_of(texts)
    found = [np.zeros(len(texts), np.int64) for _ in range(4)]
    repeats.repeats(*seen, classes.classes(), 1, size, 0, 1, 1, *found)
    for number, text in enumerate(texts):
        again, covered = repeated(list(text), size)
        assert [column[number] for column in found] == [len(text), again, covered, 0]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 4), max_size=60), st.integers(1, 5))
def test_skipping_counts_each_unit_of_a_known_run_once(values: list[int], size: int) -> None:
    runs = np.array(
        [hash(tuple(values[at : at + size])) & WHOLE for at in range(len(values) - size + 1)],
        np.uint64,
    )
    mixed = np.array([int(run) * 0x9E3779B97F4A7C15 & WHOLE for run in runs.tolist()], np.uint64)
    seen, place, wanted = set(), 0, 0
    while place < len(mixed):
        known = mixed[place] in seen
        wanted += size * known
        seen.add(mixed[place])
        place += size if known else 1
    assert repeats.skipping(mixed, size) == wanted


# --- classes and languages -----------------------------------------------------------------------


@settings(deadline=None)
@given(st.characters(exclude_categories=["Cs"]))
def test_a_class_never_contradicts_what_unicode_says(character: str) -> None:
    code = ord(character)
    if code >= classes.CODES:
        return
    kind, category = int(classes.classes()[code]), unicodedata.category(character)
    name = unicodedata.name(character, "")
    assert (kind == classes.PRIVATE) <= (category == "Co")
    assert (kind in classes.HANZI) <= ("CJK" in name or character in "〇々" or not name)
    assert (kind == classes.DIGIT) == (character in "0123456789")
    assert (kind == classes.NEWLINE) == (character in "\r\n")
    assert (kind == classes.PUNCTUATION) <= (category[0] == "P")
    assert (kind == classes.SPACE) <= (category[0] == "Z")
    assert (kind == classes.KANA) <= (
        "HIRAGANA" in name or "KATAKANA" in name or character == "ー" or not name
    )


def test_the_tables_of_scripts_map_single_characters_and_phrases_of_equal_length() -> None:
    for direction in ("t2s", "s2t"):
        table = characters(direction)
        assert all(len(key) == len(value) == 1 != (key == value) for key, value in table.items())
        assert all(len(key) == len(value) > 1 for key, value in phrases(direction).items())
    assert characters("t2s")["國"] == "国"
    assert characters("s2t")["国"] == "國"
    assert "一" not in characters("t2s")
    assert digest("t2s") != digest("s2t")


LANGUAGE_ROWS = [
    ("今天天气很好，我们一起去公园散步。", "zh"),
    ("今天天氣很好，我們一起去公園散步。", "zh-Hant"),
    ("學而時習之，不亦說乎？", "zh-Hant"),
    ("床前明月光，疑是地上霜。", "zh"),
    ("山高水长", "zh"),
    ("今日はとても良い天気ですね。散歩に行きましょう。", "ja"),
    ("カタカナばかりのテキストです", "ja"),
    ("오늘은 날씨가 아주 좋습니다. 공원에 갑시다.", "ko"),
    ("The weather is very nice today, let us take a walk in the park.", "en"),
    ("def main(): return 0  # 主程序从这里开始，返回零表示成功", "zh"),
    ("", "und"),
    ("12345 67890", "und"),
    ("！！！？？？", "und"),
    ("😀😀😀", "und"),
    ("ok", "und"),
    ("Le temps est très beau aujourd'hui, nous allons nous promener dans le parc.", "fr"),
    ("Das Wetter ist heute sehr schön, wir gehen zusammen im Park spazieren.", "de"),
    ("El tiempo es muy bueno hoy, vamos a dar un paseo por el parque.", "es"),
    ("Сегодня очень хорошая погода, давайте погуляем в парке вместе.", "ru"),
]


@pytest.mark.parametrize(("text", "code"), LANGUAGE_ROWS)
def test_a_sentence_is_in_its_language(text: str, code: str) -> None:
    texts = array([text])
    found, share = languages(measures.measured(utf8(texts)), texts)
    assert LANGUAGES[found[0]] == code
    assert 0 <= share[0] <= 1000


@settings(max_examples=60, deadline=None)
@given(TEXTS)
def test_a_text_has_the_same_language_alone_as_among_others(texts: list[str]) -> None:
    whole = array(texts)
    together = languages(measures.measured(utf8(whole)), whole)[0].tolist()
    alone = [
        int(languages(measures.measured(utf8(array([text]))), array([text]))[0][0])
        for text in texts
    ]
    assert together == alone
    scripts, share = shares(measures.measured(utf8(whole)))
    assert all(bool(script) == bool(part) for script, part in zip(scripts, share, strict=True))


# --- runs for classifiers ------------------------------------------------------------------------


def rows_by_hand(text: str, mask: int) -> list[int]:
    def row(first: int, second: int, length: int) -> int:
        mixed = (first * 0x9E3779B97F4A7C15 + second * 0xD6E8FEB86659FD93 + length) & WHOLE
        mixed ^= mixed >> 32
        return ((mixed * 0x9E3779B97F4A7C15 & WHOLE) >> 32) & mask

    codes = []
    for one in text:
        code = ord(one)
        code = code - 0xFEE0 if 0xFF01 <= code <= 0xFF5E else 32 if code == 0x3000 else code
        if code not in (32, 10, 13, 9):
            low = ord(chr(code).lower()) if 65 <= code <= 90 else code
            codes.append(48 if 48 <= low <= 57 else low)
    found = []
    for at, code in enumerate(codes):
        near = codes[at - 1] if at else 2
        middle = codes[at - 2] if at > 1 else 2 * (at == 1)
        far = codes[at - 3] if at > 2 else 2 * (at == 2)
        pair = code << 21 | near
        found += [row(code, 0, 1), row(pair, 0, 2), row(pair, middle, 3),
                  row(pair, middle << 21 | far, 4)]  # fmt: skip
    return found


@settings(max_examples=80, deadline=None)
@given(st.lists(MIXED | ANY, max_size=5), st.integers(0, 1000))
def test_a_linear_score_is_the_sum_of_weights_over_the_root_of_their_number(
    texts: list[str], seed: int
) -> None:
    weights = np.random.Generator(np.random.PCG64(seed)).integers(-99, 99, 256).astype(np.int16)
    scores = np.zeros(len(texts), np.int64)
    linear.totals(*bytes_of(texts), weights, scores)
    wanted = []
    for text in texts:
        rows = rows_by_hand(text, 255)
        total = sum(int(weights[row]) for row in rows)
        wanted.append((total << 10) // max(1, isqrt(len(rows) << 20)))
    assert scores.tolist() == wanted
    labels = (np.arange(len(texts)) % 2).astype(np.uint8)
    there, others = np.zeros(256, np.int32), np.zeros(256, np.int32)
    linear.count_rows(*bytes_of(texts), labels, there, others)
    for counts, kind in ((there, 1), (others, 0)):
        rows = [row for text in texts[kind::2] for row in rows_by_hand(text, 255)]
        assert counts.tolist() == [Counter(rows)[row] for row in range(256)]


@settings(deadline=None)
@given(st.integers(0, WHOLE))
def test_scrambling_is_that_of_the_constants(value: int) -> None:
    mixed = value * 0x9E3779B97F4A7C15 & WHOLE
    mixed = (mixed ^ mixed >> 29) * 0xBF58476D1CE4E5B9 & WHOLE
    with np.errstate(over="ignore"):
        assert int(grams.scrambled(np.uint64(value))) == mixed ^ mixed >> 32


@settings(deadline=None)
@given(ANY)
def test_characters_are_read_from_their_bytes(text: str) -> None:
    data = np.frombuffer(text.encode() or b"\0", np.uint8)
    at, codes = 0, []
    while text and at < len(data):
        code, size = grams.character(data, at)
        codes.append(int(code))
        at += int(size)
    assert codes == [ord(one) for one in text]


def test_words_keep_every_list_they_are_on() -> None:
    known = words_of({1: ("电话", "手机"), 2: ("电话", "传真"), 4: ("电",)})
    found = {}
    for row, kinds in enumerate(known.kinds.tolist()):
        low, high = known.rows[row : row + 2]
        found["".join(map(chr, known.codes[low:high].tolist()))] = kinds
    assert found == {"电": 4, "电话": 3, "手机": 1, "传真": 2}
    assert list(found) == sorted(found)
    assert known.firsts[ord("电")] == 1 + list(found).index("电")
    assert known.firsts[ord("天")] == 0
    with pytest.raises(ValueError, match="1 to 12"):
        words_of({1: ("字" * (WORD_MAX + 1),)})
    with pytest.raises(ValueError, match="1 to 12"):
        words_of({1: ("",)})
    assert len(LISTS) == len(set(LISTS)) == 20


def test_an_array_without_texts_is_no_special_case() -> None:
    none = pa.array([], pa.large_string())
    seen = utf8(none)
    assert (len(seen.data), seen.offsets.tolist()) == (0, [0])
    assert measures.measured(seen).shape == (0, classes.CLASSES)
    assert languages(measures.measured(seen), none)[0].tolist() == []
