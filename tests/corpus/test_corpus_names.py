"""Person names by rules: what is found, how surely, and that kernel and reference agree."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.corpus.kernels import people as kernel
from yunhe.corpus.kernels import tagging
from yunhe.corpus.kernels.grams import character, half_width, scrambled
from yunhe.corpus.kernels.utf8 import Utf8, utf8
from yunhe.corpus.personal import lexicon, names
from yunhe.corpus.personal.finders import names_by
from yunhe.corpus.personal.found import REASONS
from yunhe.corpus.personal.tagger import words

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
CHINESE = st.text(
    "我叫姓名是：王张李欧阳伟建国丽先生女士说，。 比尔·克林顿138Ab收老师的\n", max_size=40
)


def texts_of(*texts: str) -> Utf8:
    return utf8(pa.array(texts, pa.large_string()))


def found(text: str, percent_min: int = 0) -> list[tuple[str, int]]:
    texts = texts_of(text)
    places = names.find(texts)
    rows = zip(places.starts.tolist(), places.ends.tolist(), places.scores.tolist(), strict=True)
    data = texts.data.tobytes()
    return [(data[a:b].decode(), score) for a, b, score in rows if score >= percent_min]


@pytest.mark.parametrize(
    ("text", "name", "score"),
    [
        ("我叫张伟，住附近", "张伟", 85),
        ("姓名：欧阳静怡 女", "欧阳静怡", 85),
        ("联系人李秀英电话在后", "李秀英", 85),
        ("户名王建国的卡", "王建国", 85),
        ("王丽女士来电", "王丽", 82),
        ("刘先生说", "刘", 82),
        ("那天王师傅来了", "王", 82),
        ("请处理。陈建国，13812345678", "陈建国", 80),
        ("三栋二单元，王小红收。", "王小红", 80),
        ("投诉物业经理王海", "王海", 75),
        ("比尔·克林顿总统", "比尔·克林顿", 75),
        ("阿卜杜拉·买买提来了", "阿卜杜拉·买买提", 75),
    ],
)
def test_names_are_found_where_the_words_around_them_say_so(text, name, score):
    assert (name, score) in found(text, 70)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("姓名：李向东；电话", "李向东"),
        ("姓名：赵太阳，男", "赵太阳"),
        ("姓名:欧阳明月；", "欧阳明月"),
        ("联系人：李明月。", "李明月"),
    ],
)
def test_a_name_filled_into_a_form_is_found_whole_whatever_it_is_made_of(text, name):
    assert found(text, 70) == [(name, 85)]


@pytest.mark.parametrize(
    "text", ["姓名：不详，", "姓名：保密。", "联系人：物业公司，", "姓名：高中文化，"]
)
def test_what_else_is_filled_into_a_form_is_no_name(text):
    assert found(text, 70) == []


@pytest.mark.parametrize(
    "text",
    [
        "今天高兴",
        "方面的问题",
        "谢谢先生",
        "中国·北京",
        "张贴公告的时候",
        "马上去北京市人民政府",
        "于是大家都走了",
        "温度很高",
        "",
    ],
)
def test_words_that_look_like_names_are_left_alone(text):
    assert found(text) == []


@pytest.mark.parametrize("text", ["张晓明说他不去", "何建国和王小红参加"])
def test_a_name_that_stands_alone_scores_below_what_the_profile_asks(text):
    scores = [score for _, score in found(text)]
    assert scores
    assert max(scores) < 70


@given(st.lists(TEXT | CHINESE, max_size=5))
@settings(deadline=None, max_examples=60)
def test_finds_lie_in_one_document_on_character_borders_in_order(texts):
    seen = texts_of(*texts)
    places = names.find(seen)
    documents = np.searchsorted(seen.offsets, places.starts, side="right") - 1
    assert (places.ends <= seen.offsets[documents + 1]).all()
    assert (places.starts[1:] >= places.ends[:-1]).all()
    for start, end in zip(places.starts.tolist(), places.ends.tolist(), strict=True):
        assert seen.data[start:end].tobytes().decode()
    assert set(places.reasons.tolist()) <= {
        REASONS.index(r) for r in ("context", "title", "gazetteer")
    }


@given(st.lists(TEXT | CHINESE, min_size=1, max_size=4))
@settings(deadline=None, max_examples=40)
def test_a_text_has_the_same_names_alone_and_among_others(texts):
    together = texts_of(*texts)
    places = names.find(together)
    documents = np.searchsorted(together.offsets, places.starts, side="right") - 1
    apart = []
    for number, text in enumerate(texts):
        alone = names.find(texts_of(text))
        base = int(together.offsets[number])
        apart += [(number, base + start) for start in alone.starts.tolist()]
    assert list(zip(documents.tolist(), places.starts.tolist(), strict=True)) == apart


@given(TEXT)
def test_characters_are_read_as_python_reads_them(text):
    data = np.frombuffer(text.encode(), np.uint8)
    at, codes = 0, []
    while at < len(data):
        code, size = (
            character.py_func(data, at) if hasattr(character, "py_func") else character(data, at)
        )
        codes.append(int(code))
        at += size
    assert codes == [ord(c) for c in text]


@pytest.mark.parametrize(("wide", "plain"), [("Ａ", "A"), ("１", "1"), ("　", " "), ("、", "、")])
def test_full_width_is_read_as_half_width(wide, plain):
    assert half_width(ord(wide)) == ord(plain)


@given(st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), min_size=2, max_size=4))
def test_the_table_of_words_is_asked_as_it_was_filled(word):
    value = 0
    for c in word:
        value = value << 16 | ord(c)
    mixed = int(scrambled(np.uint64(value)))
    assert words.mark([ord(c) for c in word]) == (
        mixed & (words.BUCKETS - 1),
        (mixed >> 20) % 4095 + 1,
    )


def test_common_words_are_known_and_names_are_not():
    marks = words.words().marks
    known = [tagging.word_class(marks, ord(a) << 16 | ord(b)) for a, b in ("中国", "公司", "今天")]
    assert all(known)
    assert tagging.word_class(marks, ord("伟") << 16 | ord("芳")) == 0


def test_every_word_of_the_lists_is_found_by_its_characters():
    tables = lexicon.tables()
    for word in ("先生", "欧阳", "法定代表人"[:4], "说"):
        value = np.uint64(lexicon.packed(word))
        assert kernel.word_bits(tables.keys, tables.bits, value) != 0
    for word in ("姓名", "定代表人"):
        value = np.uint64(lexicon.packed(word[::-1], reverse=True))
        assert kernel.word_bits(tables.ending_keys, tables.ending_bits, value) != 0


def test_the_statistics_are_small_and_know_surnames():
    odds = words.words().odds.reshape(-1, 6)
    wang, de = odds[ord("王") - words.FIRST], odds[ord("的") - words.FIRST]
    assert wang[words.SURNAME] > 16
    assert de[words.SURNAME] < 0
    assert (odds[:, words.SURNAME] > 0).sum() > 100


def test_without_an_option_the_rules_find_names_and_none_finds_nothing():
    finder, data = names_by("")
    assert finder is names.find
    assert names_by("none") == (None, {"by": "none"})
    assert data["words"] == lexicon.DIGEST


def test_the_kernel_is_compiled_for_what_callers_pass_and_for_nothing_else():
    found("我叫张伟")
    assert len(kernel.people.signatures) == 1


def test_room_that_was_too_small_is_made_larger():
    many = "，".join(f"我叫王{c}" for c in "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂" * 8)
    assert len(found(many, 70)) == 24 * 8
