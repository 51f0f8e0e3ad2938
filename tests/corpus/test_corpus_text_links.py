"""Links and addresses taken out to the byte, leftovers of HTML, and lines of boilerplate."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest
from corpus_steps import bytes_of, outcome, removed, texts_after
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.corpus import edits
from yunhe.corpus.kernels import boilerplate, links, markup

KINDS = ("link", "email", "ip")
LINE = {"line_characters_max": 60}


def found(text: str) -> list[tuple[str, str]]:
    gone = removed("links", [text], outcome("links", [text]))[0]
    assert "".join(_without(text, gone)) == texts_after("links", [text])[0]
    return gone


def _without(text: str, gone: list[tuple[str, str]]) -> list[str]:
    kept = []
    for _, piece in gone:
        before, _, text = text.partition(piece)
        kept.append(before)
    return [*kept, text]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("网址https://a.cn/b中文后面还有字，谢谢", [("link", "https://a.cn/b")]),
        ("见（http://x.org/a_(b)c）。", [("link", "http://x.org/a_(b)c")]),
        ("[文](https://x.org/y?a=1&b=2#c)后", [("link", "https://x.org/y?a=1&b=2#c")]),
        ("“http://a.cn/b”和'ftp://h.cn/d'", [("link", "http://a.cn/b"), ("link", "ftp://h.cn/d")]),
        ("请看 HTTP://A.CN/B.", [("link", "HTTP://A.CN/B")]),
        ("www.baidu.com，百度", [("link", "www.baidu.com")]),
        ("邮箱a.b-c+d@mail.qq.com.cn，电话", [("email", "a.b-c+d@mail.qq.com.cn")]),
        ("写给me@x.cn.", [("email", "me@x.cn")]),
        ("http://u@h.cn/x 与 v@h.cn", [("link", "http://u@h.cn/x"), ("email", "v@h.cn")]),
        ("主机192.168.1.10:80，掩码255.255.255.0",
         [("ip", "192.168.1.10"), ("ip", "255.255.255.0")]),
    ],
)  # fmt: skip
def test_the_link_goes_and_the_sentence_stays(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "比分3:2，@全体成员", "版本1.2.3.4.5与v1.2.3.4", "256.1.1.1与1.2.3", "http://",
        "https：//a.cn",
        "a@b", "foo@bar.1", "wwww.", "时间12:30://", "第1.1.1.1a节", "http://中文域名",
    ],
)  # fmt: skip
def test_what_is_no_link_stays(text: str) -> None:
    assert found(text) == []
    assert outcome("links", [text]).texts is None


def test_each_kind_is_removed_masked_or_kept_as_asked_and_always_declared() -> None:
    text = "看https://a.cn/b，写a@b.cn，连1.2.3.4"
    options = {"links": "mask", "emails": "keep", "ips": "remove"}
    assert texts_after("links", [text], **options) == ["看[链接]，写a@b.cn，连"]
    gone = removed("links", [text], outcome("links", [text], **options))
    assert gone == [[("link", "https://a.cn/b"), ("ip", "1.2.3.4")]]


PIECES = st.sampled_from(
    ["小区", "，", "https://a.cn/x", "http://", "www.b.com", "a@b.cn", "@", ".", ":", "//",
     "1.2.3.4",
     "5", "）", "(", ")", " ", "\n", "x" * 70, "é", "😀", "好" * 25]
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(st.lists(PIECES, max_size=12).map("".join), max_size=5))
def test_places_are_ordered_and_apart_and_no_character_beyond_ascii_leaves(
    texts: list[str],
) -> None:
    inputs = bytes_of(texts)
    hits = edits.collected(lambda *columns: links.links(inputs.data, inputs.offsets, *columns), 1)
    places = list(zip(hits.starts.tolist(), hits.ends.tolist(), strict=True))
    assert all(start < end for start, end in places)
    assert all(end <= start for (_, end), (start, _) in pairwise(places))
    assert all(inputs.data[start:end].tobytes().isascii() for start, end in places)
    assert (edits.owners(inputs, hits.starts) == edits.owners(inputs, hits.ends - 1)).all()
    schemes = re.compile(r"(?<![A-Za-z0-9])https?://[A-Za-z0-9]{2}")
    for text, after in zip(texts, texts_after("links", texts), strict=True):
        assert [c for c in after if ord(c) > 127] == [c for c in text if ord(c) > 127]
        assert len(schemes.findall(after)) <= len(schemes.findall(text))
    assert len(links.links.signatures) == 1


def test_entities_become_characters_and_tags_go_with_their_names_declared() -> None:
    texts = [
        "甲&nbsp;乙&amp;丙&#20013;&lt;好&gt;",
        '<p class="x">一段</p><b>粗</b><br/>完',
        "AT&T; a<b>c",
    ]
    after = texts_after("markup", texts)
    assert after == ["甲 乙&丙中<好>", "\n一段\n粗\n完", "AT&T; ac"]
    gone = removed("markup", texts, outcome("markup", texts))
    assert [len(each) for each in gone] == [0, 5, 1]
    assert gone[1][0] == ("tag", '<p class="x">')


@pytest.mark.parametrize(
    "text",
    [
        "用`<b>`加粗 &amp;",
        "代码：\n    <div>&lt;</div>",
        "3<a 且 b>2",
        "R&D; &unknown; &;",
        "List<String> x",
        "",
    ],
)
def test_code_and_what_only_looks_like_html_stays(text: str) -> None:
    assert outcome("markup", [text]).texts is None


@settings(deadline=None)
@given(st.lists(st.text("<>/&;pbr#1 一`\n" + "x" * 3, max_size=80), max_size=5))
def test_html_is_looked_for_exactly_where_the_reference_sees_a_beginning(texts: list[str]) -> None:
    marks = np.zeros(len(texts), np.uint8)
    inputs = bytes_of(texts)
    markup.marks(inputs.data, inputs.offsets, marks)
    for text, mark in zip(texts, marks.tolist(), strict=True):
        assert bool(mark & markup.ENTITY) == bool(re.search(r"&[A-Za-z#]", text))
        assert bool(mark & markup.TAG) == bool(re.search(r"<[A-Za-z/!]", text))
        assert bool(mark & markup.CODE) == ("`" in text[:-1])
    assert len(markup.marks.signatures) == 1


def test_boilerplate_lines_leave_and_longer_lines_that_begin_alike_stay() -> None:
    long = "版权所有者在小区门口的路灯坏了三天没有人来修" * 3
    text = f"首段。\n版权所有 © 2020 某某\n  返回首页  \n{long}\n"
    text += "正文 返回首页\n本文转载请注明出处\n末段"
    after = texts_after("boilerplate", [text], LINE)
    assert after == [f"首段。\n\n    \n{long}\n正文 返回首页\n\n末段"]
    gone = removed("boilerplate", [text], outcome("boilerplate", [text], LINE))
    assert [reason for reason, _ in gone[0]] == ["boilerplate"] * 3


def test_a_text_without_boilerplate_is_not_copied() -> None:
    assert outcome("boilerplate", ["小区门口", "", "上一章讲过"], LINE).texts is None


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from(
    ["返回首页", "版权所有", "好", " ", "\n", "\t", "转载请注明出处", "abcdefg"]),
    max_size=9).map("".join),
    max_size=5))  # fmt: skip
def test_only_whole_lines_on_the_list_leave(texts: list[str]) -> None:
    found = outcome("boilerplate", texts, LINE)
    for text, gone in zip(texts, removed("boilerplate", texts, found), strict=True):
        lines = [line.strip("\t ") for line in text.split("\n")]
        listed = [
            line for line in lines
            if line == "返回首页" or line.startswith(("版权所有", "转载请注明"))
            or line.endswith(("版权所有", "转载请注明出处"))
        ]  # fmt: skip
        assert [piece for _, piece in gone] == [line for line in listed if len(line) <= 60]
    assert len(boilerplate.lines_like.signatures) == 1
